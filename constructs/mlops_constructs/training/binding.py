"""Puts CDK tokens in the place of a definition's sentinels and writes it as JSON.

Tokens are put into Python strings and the text is dumped in Python: numbers keep the form that
they were compiled with (1.0 stays 1.0), and one string crosses to jsii instead of a tree.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence

from aws_cdk import Fn

from mlops_constructs.common.errors import Problems
from mlops_constructs.training.document import SENTINEL, Json, sentinels

# A list token is encoded as a list with this in its one element (aws-cdk-lib, encoding.ts).
_LIST_TOKEN = "#{Token["  # noqa: S105 (no password)

#: A list takes the place of a list whose only element is the sentinel.
Binding = str | Sequence[str]


def check_sentinels(
    problems: Problems,
    document: Json,
    *,
    known: Collection[str],
    lists: Collection[str],
    bindings: Mapping[str, Binding],
    instead: Mapping[str, str],
) -> None:
    """Note sentinels without a binding, and bindings without a sentinel.

    Args:
        problems: Where to note them.
        document: The definition.
        known: The sentinels that the construct binds itself.
        lists: Sentinels of either kind that stand for a list.
        bindings: The caller's own.
        instead: What to write for sentinels that the construct would bind if it were given more.
    """
    used = sentinels(document)
    names = sorted({*known, *bindings})
    for name in sorted(used.keys() - set(names)):
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {{{{{close[0]}}}}}? " if close else ""
        problems.add(
            _places(used[name]),
            got=f"{{{{{name}}}}}, which nothing binds",
            allowed=", ".join(names) or "none",
            instead=instead.get(name) or f"{hint}Or pass bindings={{{name!r}: …}}.",
        )
    loose = sentinels(_without_lists(document))
    for name in sorted(loose.keys() & set(lists)):
        problems.add(
            _places(loose[name]),
            got=f"{{{{{name}}}}}, which is a list",
            allowed="a list whose only element is the sentinel",
            instead=f'Write ["{{{{{name}}}}}"], or bind a string.',
        )
    own = used.keys() - set(known)
    for name in bindings:
        problems.check(
            name in own,
            f"bindings[{name!r}]",
            got=name,
            allowed="sentinels of the definition that the construct does not bind itself: "
            + (", ".join(sorted(own)) or "none"),
            instead="Take it out, or use it in the definition.",
        )


def bind(value: Json, bindings: Mapping[str, Binding]) -> Json:
    """A copy in which every sentinel is replaced."""
    if isinstance(value, str):
        return SENTINEL.sub(lambda match: _text(match.group(1), bindings), value)
    if isinstance(value, dict):
        return {key: bind(item, bindings) for key, item in value.items()}
    if isinstance(value, list):
        items = _list_binding(value[0], bindings) if len(value) == 1 else None
        if items is not None:
            return _list(items)
        return [bind(item, bindings) for item in value]
    return value


def _list(items: Sequence[str]) -> list[str]:
    """A list of strings in a form that survives ``json.dumps``.

    A list that is known only at deployment is one token for the whole list: joined by what stands
    between two elements in JSON, it becomes a list again.
    """
    if len(items) == 1 and _LIST_TOKEN in items[0]:
        return [Fn.join('","', list(items))]
    return list(items)


def to_text(document: Json) -> str:
    """The definition as it is deployed, without needless blanks."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _list_binding(item: Json, bindings: Mapping[str, Binding]) -> Sequence[str] | None:
    match = SENTINEL.fullmatch(item) if isinstance(item, str) else None
    binding = bindings.get(match.group(1)) if match else None
    return None if binding is None or isinstance(binding, str) else binding


def _places(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _without_lists(value: Json) -> Json:
    """A copy without the lists that a list can take the place of."""
    if isinstance(value, dict):
        return {key: _without_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        alone = len(value) == 1 and isinstance(value[0], str) and SENTINEL.fullmatch(value[0])
        return [] if alone else [_without_lists(item) for item in value]
    return value


def _text(name: str, bindings: Mapping[str, Binding]) -> str:
    binding = bindings[name]
    assert isinstance(binding, str), name  # noqa: S101 (check_sentinels has refused it)
    return binding
