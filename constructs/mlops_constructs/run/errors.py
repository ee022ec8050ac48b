"""What the commands say when something foreseeable is wrong."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable


class CommandError(Exception):
    """Something that the user can put right; the message says how."""


def complain(error: CommandError) -> int:
    """Print the message; the exit status."""
    print(f"mlops-constructs: {error}", file=sys.stderr)
    return 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the name that is nearest, or with all of them."""
    names = list(known)
    folded = {each.casefold(): each for each in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {folded[near[0]]!r}?"
    return f"There are: {', '.join(names)}." if names else "There are none."
