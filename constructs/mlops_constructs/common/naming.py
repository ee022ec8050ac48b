"""The names that SageMaker accepts, and names built from parts.

Patterns and lengths: botocore's service model of SageMaker. The registry schemas leave some of
these patterns without an end anchor, so that a wrong name would pass until deployment.
"""

from __future__ import annotations

import re

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_literal

_HYPHENATED = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


def check_name(problems: Problems, what: str, name: str | None, *, most: int = 63) -> None:
    """Check a resource name: letters, digits and inner hyphens, lower case.

    Lower case because SageMaker lower-cases names inside ARNs and IAM compares ARNs by case, so
    that a policy on a mixed-case name denies (seen in philschmid/cdk-samples#2).

    Args:
        problems: Where to note what is wrong.
        what: The argument's name.
        name: The name; a token or None is not checked.
        most: The longest name that the service takes.
    """
    if not is_literal(name):
        return
    problems.check(
        bool(_HYPHENATED.fullmatch(name)) and name == name.lower() and len(name) <= most,
        what,
        got=name,
        allowed=f"1 to {most} lower-case letters, digits and inner hyphens",
        instead=f"Write {slug(name, most=most)!r}.",
    )


def slug(text: str, *, most: int = 63) -> str:
    """The nearest name that `check_name` accepts; "x" when nothing of the text can be kept."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:most].strip("-") or "x"
