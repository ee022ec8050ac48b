"""Puts CDK tokens in the place of a definition's sentinels and writes it as JSON.

Tokens are put into Python strings and the text is dumped in Python: numbers keep the form that
they were compiled with (1.0 stays 1.0), and one string crosses to jsii instead of a tree.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from aws_cdk import Fn

from mlops_constructs.common.errors import Problems
from mlops_constructs.training.definition_function.binding import SENTINEL
from mlops_constructs.training.document import Json, sentinels

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


def tokens(bindings: Mapping[str, Binding]) -> dict[str, Binding]:
    """Bindings whose lists survive ``json.dumps``.

    A list that is known only at deployment is one token for the whole list: joined by what stands
    between two elements in JSON, it becomes a list again.
    """
    return {
        name: binding
        if isinstance(binding, str) or not _is_list_token(binding)
        else [Fn.join('","', list(binding))]
        for name, binding in bindings.items()
    }


def _is_list_token(items: Sequence[str]) -> bool:
    return len(items) == 1 and _LIST_TOKEN in items[0]


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
