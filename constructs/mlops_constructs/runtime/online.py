"""Many records of the online store by their identifiers.

BatchGetRecord takes at most 100 identifiers of a group in a call, and may leave some unprocessed
(botocore). Those and throttled calls are asked for again, with back-off, until there is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.runtime.clients import runtime_client
from mlops_constructs.runtime.records import decode
from mlops_constructs.runtime.retries import Outlook, Retries, code_of, may_pass, outlook

#: The most identifiers of one group in one call (botocore, RecordIdentifiers).
MOST_IDENTIFIERS = 100


@dataclass(frozen=True)
class OnlineRecords:
    """The answers to a list of identifiers, each of which is in exactly one of the three.

    Attributes:
        found: Records by identifier; features by name, values as text.
        missing: Identifiers without a record, or with one that is deleted or has expired.
        failed: Identifiers that could not be read, and why.
    """

    found: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)


def read_online(
    feature_group_name: str,
    identifiers: Iterable[str],
    *,
    features: Sequence[str] = (),
    client: Any = None,
    retries: Retries | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> OnlineRecords:
    """Read the records of many entities from the online store.

    Args:
        feature_group_name: Name or ARN.
        identifiers: Values of the record identifier as text; one that comes twice is asked once.
        features: Which features; all by default.
        client: A client of ``sagemaker-featurestore-runtime``; made when left out.
        retries: How often and how patiently calls are repeated.
        sleep: How to wait before a retry; for tests.

    Returns:
        What was found, what is missing, and what could not be read.

    Raises:
        ValidationError: If one text is given instead of several.
        Exception: The client's error when the whole call is refused: no permission, no such group.
    """
    problems = Problems("read_online")
    for what, given in (("identifiers", identifiers), ("features", features)):
        # A text is a sequence, too: of its letters.
        problems.check(
            not isinstance(given, str),
            what,
            got=given,
            allowed="several texts",
            instead=f"Write [{given!r}].",
        )
    problems.raise_if_any()
    client = runtime_client(connections=1) if client is None else client
    answer = OnlineRecords()
    for chunk in _chunks(dict.fromkeys(identifiers)):
        _read_chunk(
            answer,
            chunk,
            client=client,
            request={"FeatureGroupName": feature_group_name}
            | ({"FeatureNames": list(features)} if features else {}),
            retries=retries or Retries(),
            sleep=sleep,
        )
    return answer


def _read_chunk(
    answer: OnlineRecords,
    chunk: list[str],
    *,
    client: Any,
    request: dict[str, Any],
    retries: Retries,
    sleep: Callable[[float], None],
) -> None:
    asked, reason = set(chunk), "UnprocessedIdentifiers"
    for attempt in range(1, retries.attempts + 1):
        try:
            given = client.batch_get_record(
                Identifiers=[request | {"RecordIdentifiersValueAsString": sorted(asked)}]
            )
        except Exception as error:
            if outlook(error) is not Outlook.AGAIN:
                raise
            reason = f"{code_of(error)}: {error}"
        else:
            reason = "UnprocessedIdentifiers"
            left = {
                each
                for group in given.get("UnprocessedIdentifiers", ())
                for each in group["RecordIdentifiersValueAsString"]
            }
            for record in given.get("Records", ()):
                answer.found[record["RecordIdentifierValueAsString"]] = decode(record["Record"])
            for refused in given.get("Errors", ()):
                identifier, code = refused["RecordIdentifierValueAsString"], refused["ErrorCode"]
                if may_pass(code):
                    left.add(identifier)
                    reason = code
                else:
                    answer.failed[identifier] = f"{code}: {refused['ErrorMessage']}"
            answer.missing.update(asked - left - answer.found.keys() - answer.failed.keys())
            asked = left
        if not asked:
            return
        if attempt < retries.attempts:
            sleep(retries.pause(attempt))
    answer.failed.update(dict.fromkeys(asked, reason))


def _chunks(identifiers: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(identifiers)
    while chunk := list(islice(remaining, MOST_IDENTIFIERS)):
        yield chunk
