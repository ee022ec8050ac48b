"""One error for bad input: where, what was got, what is allowed, what to write instead.

A construct collects all its problems and reports them together, so that a user mends a call
once and not five times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs import Construct


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input of a construct.

    Attributes:
        what: The argument or relation at fault, such as ``compute.count``.
        got: The value received, shown with ``repr``.
        allowed: What the service or the construct accepts, such as ``1 to 10``.
        instead: What to write to mend it.
    """

    what: str
    got: object
    allowed: str
    instead: str

    def __str__(self) -> str:
        return f"{self.what}: got {self.got!r}; allowed: {self.allowed}. {self.instead}"


class ValidationError(ValueError):
    """Raised by a construct whose input the service would refuse, or that makes no sense.

    Attributes:
        path: The construct's path in the app, such as ``Serving-dev/Endpoint``.
        problems: Everything that was found wrong, in the order of the arguments.
    """

    def __init__(self, scope: Construct | str, problems: Sequence[Problem]) -> None:
        self.path = scope if isinstance(scope, str) else scope.node.path
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{self.path or 'App'}: {_count(len(self.problems))}\n{lines}")


class Problems:
    """Collects the problems of one construct; ``raise_if_any`` reports them together."""

    def __init__(self, scope: Construct | str) -> None:
        self._scope = scope
        self._found: list[Problem] = []

    def add(self, what: str, *, got: object, allowed: str, instead: str) -> None:
        """Note one problem; the arguments are those of `Problem`."""
        self._found.append(Problem(what, got, allowed, instead))

    def check(self, ok: bool, what: str, *, got: object, allowed: str, instead: str) -> None:
        """Note the problem unless ``ok``."""
        if not ok:
            self.add(what, got=got, allowed=allowed, instead=instead)

    def check_construct(self, what: str, value: object, *, instead: str) -> None:
        """Note a name or an ARN where a construct is wanted: Python finds out much later."""
        self.check(
            not isinstance(value, str), what, got=value, allowed="a construct", instead=instead
        )

    def check_each(self, what: str, values: object, kind: type, *, example: str) -> bool:
        """Note what is no sequence of one of our types: names where `UserProfile` is wanted.

        Returns:
            Whether it is one, so that attributes of the values can be read.
        """
        given = values if isinstance(values, list | tuple) else None
        wrong = values if given is None else [v for v in given if not isinstance(v, kind)]
        fits = given is not None and not wrong
        self.check(
            fits,
            what,
            got=wrong,
            allowed=f"a list or tuple of {kind.__name__}",
            instead=f"Write {what}=[{example}].",
        )
        return fits

    def raise_if_any(self) -> None:
        """Report what was found.

        Raises:
            ValidationError: If any problem was noted.
        """
        if self._found:
            raise ValidationError(self._scope, self._found)


def _count(number: int) -> str:
    return "1 problem" if number == 1 else f"{number} problems"
