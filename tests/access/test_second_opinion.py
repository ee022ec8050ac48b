"""Our evaluator and an independent one, @cloud-copilot/iam-simulate, about 3,000 random cases.

The other one's answers were recorded (`tests.access.second_opinion`). Where the two differ, one of
the reasons below holds, and nowhere else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlops_constructs.access import Effect, Policies, Request, evaluate
from tests.access.second_opinion.corpus import ROLE, Case, cases, fingerprint

_RECORDED = Path(__file__).parent / "second_opinion" / "answers.json"
_LETTERS = {Effect.ALLOW: "A", Effect.EXPLICIT_DENY: "D", Effect.IMPLICIT_DENY: "-"}


def statements(case: Case) -> Iterator[dict[str, Any]]:
    documents = [
        *case["identity"],
        *(document for level in case["service_control"] for document in level),
        case["boundary"],
        case["resource_policy"],
    ]
    for document in documents:
        yield from document["Statement"] if document else ()


def uses(case: Case, operator: Callable[[str], bool], key: str = "") -> bool:
    return any(
        operator(name) and (not key or key in keys)
        for statement in statements(case)
        for name, keys in statement.get("Condition", {}).items()
    )


#: Why the two differ, and which cases it is about.
REASONS: dict[str, Callable[[Case], bool]] = {
    # The other one takes no address for part of 0.0.0.0/0.
    "every address": lambda case: (
        "0.0.0.0/0" in json.dumps(case) and uses(case, lambda name: "IpAddress" in name)
    ),
    # IfExists is met without the key (IAM user guide, "…IfExists condition operators"); the other
    # one has ForAnyValue, which is not, prevail.
    "ForAnyValue with IfExists": lambda case: uses(
        case, lambda name: name.startswith("ForAnyValue") and name.endswith("IfExists")
    ),
    # A variable without a value in NotResource: no resource fits it, so that the statement is about
    # every resource; the other one lets the statement be about none. IAM does not document it.
    "variable in NotResource": lambda case: any(
        "${" in json.dumps(statement.get("NotResource", "")) for statement in statements(case)
    ),
    # IAM documents that a boundary limits what a resource policy gives to a role by its ARN, and
    # nothing about what it gives to everybody; the other one does not limit that.
    "everybody and a boundary": lambda case: bool(
        case["boundary"]
        and case["resource_policy"]
        and any(s["Principal"] == "*" for s in case["resource_policy"]["Statement"])
    ),
}


def test_the_two_agree_but_for_what_is_known() -> None:
    recorded = json.loads(_RECORDED.read_text())
    corpus = cases()
    assert recorded["corpus"] == fingerprint(corpus), "python -m tests.access.second_opinion"
    theirs = "".join(recorded["answers"])
    assert min(Counter(theirs).values()) > 300, "the corpus asks too much of one kind"
    found: Counter[str] = Counter()
    for case, other in zip(corpus, theirs, strict=True):
        policies = Policies(
            case["identity"], case["boundary"], case["service_control"], case["resource_policy"]
        )
        request = Request(ROLE, case["action"], case["resource"], case["context"])
        if _LETTERS[evaluate(request, policies).effect] != other:
            why = [name for name, holds in REASONS.items() if holds(case)]
            assert why, case
            found.update(why)
    assert set(found) == set(REASONS)
    assert found.total() < 40
