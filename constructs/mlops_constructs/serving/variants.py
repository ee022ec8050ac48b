"""What runs beside an endpoint's own variant: challengers for a part of the traffic, or a shadow.

| beside | gets | answers |
|---|---|---|
| `Challenger` | its share of the requests | callers |
| `Shadow` | a copy of a share of the requests | nobody; they are captured and measured |

The endpoint's own variant keeps its name, `VARIANT_NAME`, whatever runs beside it: guardrails need
equal variant names before and after an update (SageMaker developer guide, "Exclusions"). So the
deployment that adds or removes a challenger goes without them:
``deployment=AllAtOnce(bake=Duration.seconds(0))``, which is what UpdateEndpoint always did.

Weights: a production variant gets its weight over the sum of all; a shadow its weight over that of
the production variant (SageMaker developer guide, "Create a shadow variant"). An endpoint with a
shadow has exactly one production variant (botocore, ``ShadowProductionVariants``), one container in
each model and no ml.inf1 (the guide, "Shadow tests", "Exclusions"). At most ten variants are
allowed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_constructs.common.errors import Problems
from mlops_constructs.serving.containers import DirectContainers, MultiModel, SerialPipeline
from mlops_constructs.serving.fleet import Instances
from mlops_constructs.serving.interface import VARIANT_NAME
from mlops_constructs.serving.model import ModelSource

#: Every model that a variant can have.
VariantModel = ModelSource | MultiModel | SerialPipeline | DirectContainers

_MOST_CHALLENGERS = 9
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """A variant beside the endpoint's own.

    Attributes:
        name: The name of the variant, which must not change.
        model: What it serves.
        compute: What it runs on.
        percent: How much of the traffic it gets.
    """

    name: str
    model: VariantModel
    compute: Instances
    percent: float

    def check(self, problems: Problems, what: str, *, most: float) -> None:
        """Note what the service would refuse, or what makes no sense."""
        problems.check(
            bool(_NAME.fullmatch(self.name)) and self.name.lower() != VARIANT_NAME.lower(),
            f"{what}.name",
            got=self.name,
            allowed=f"1 to 63 letters, digits and inner hyphens, and not {VARIANT_NAME!r}",
            instead="Write a name such as 'challenger'.",
        )
        problems.check(
            0 < self.percent <= most,
            f"{what}.percent",
            got=self.percent,
            allowed=f"above 0 and at most {most:g} % of the requests",
            instead="Write 10.",
        )
        self.model.check(problems, f"{what}.model")
        self.compute.check(problems, f"{what}.compute")


@dataclass(frozen=True, kw_only=True)
class Challenger(_Beside):
    """Answers its share of the requests; callers may also name it as ``TargetVariant``."""


@dataclass(frozen=True, kw_only=True)
class Shadow(_Beside):
    """Gets a copy of its share of the requests; its answers reach no caller.

    For models of one container on both sides: the service offers it for no others.

    Give the endpoint a `DataCapture` to compare the answers.
    """

    model: ModelSource


Beside = Shadow | Sequence[Challenger]


def challengers_of(beside: Beside | None) -> tuple[Challenger, ...]:
    """The challengers among what runs beside."""
    return () if beside is None or isinstance(beside, Shadow) else tuple(beside)


def all_beside(beside: Beside | None) -> tuple[Challenger | Shadow, ...]:
    """Everything that runs beside."""
    return (beside,) if isinstance(beside, Shadow) else challengers_of(beside)


def check_beside(problems: Problems, beside: Beside | None) -> None:
    """Note what the service would refuse, each by itself and all together."""
    if isinstance(beside, Shadow):
        beside.check(problems, "beside", most=100)
        return
    found = challengers_of(beside)
    for index, challenger in enumerate(found):
        challenger.check(problems, f"beside[{index}]", most=99)
    problems.check(
        len(found) <= _MOST_CHALLENGERS,
        "beside",
        got=f"{len(found)} challengers",
        allowed=f"at most {_MOST_CHALLENGERS}; an endpoint takes ten variants",
        instead="Leave some out.",
    )
    names = [challenger.name.lower() for challenger in found]
    problems.check(
        len(names) == len(set(names)),
        "beside",
        got=names,
        allowed="each name once",
        instead="Rename one of the challengers.",
    )
    total = sum(challenger.percent for challenger in found)
    problems.check(
        total < 100,
        "beside",
        got=f"{total:g} % for challengers",
        allowed="less than 100 % in total: the endpoint's own variant gets the rest",
        instead="Lower percent of one of them.",
    )
