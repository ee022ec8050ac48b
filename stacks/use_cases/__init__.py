"""Use cases beside the platform's own, a module each: ``mlops-constructs new`` writes them.

``cdk synth -c use-case=NAME`` builds the stacks of one (`stacks.model`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from mlops_constructs.common.errors import Problems
from stacks.environments import Environment
from stacks.use_case import UseCase


@dataclass(frozen=True)
class Settings:
    """What a module of this package says.

    Attributes:
        use_case: Its ``USE_CASE``.
        environments: Its ``ENVIRONMENTS``.
    """

    use_case: UseCase
    environments: tuple[Environment, ...]


def load(name: str) -> Settings:
    """The settings of a use case.

    Args:
        name: As in ``-c use-case=…``: the use case's name, lower case with hyphens.

    Raises:
        ValidationError: There is no such use case; those that there are are named.
    """
    known = sorted(
        file.stem.replace("_", "-")
        for file in Path(__file__).parent.glob("*.py")
        if file.stem != "__init__"
    )
    problems = Problems("app")
    problems.check(
        name in known,
        "-c use-case",
        got=name,
        allowed=", ".join(known) or "nothing: there are no use cases beside the platform's own",
        instead="Leave it out for the platform's own, or make one: mlops-constructs new NAME.",
    )
    problems.raise_if_any()
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return Settings(module.USE_CASE, module.ENVIRONMENTS)
