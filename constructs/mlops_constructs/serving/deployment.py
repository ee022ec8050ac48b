"""How an endpoint moves to a new model: canary, linear, rolling, or all at once.

| policy | first step | then | needs |
|---|---|---|---|
| `Canary` | ``percent`` of the new fleet takes traffic | bakes, then the rest | 2 instances |
| `Linear` | ``percent`` at a time | bakes after each step | 2 instances |
| `Rolling` | replaces ``percent`` of the fleet at a time | bakes after each | 2 instances |
| `AllAtOnce` | everything | bakes, the old fleet standing by | 1 instance |

The first, second and last run a whole second fleet while they last; rolling needs only one batch
more. Sizes are shares and not counts: a share stays right while a fleet is scaled. Inference
components know `Rolling` only, by copies.

**The last bake.** AWS's sources disagree on which setting is its length: the developer guide bakes
all-at-once deployments by ``TerminationWaitInSeconds`` alone ("Use all at once traffic shifting")
and calls ``WaitIntervalInSeconds`` the bake between shifts, while the API reference has the former
begin "after the completion of an endpoint deployment". Both are set to ``bake``, so that alarms are
watched for that long by either reading; by the longer one, both fleets stand for two bakes.

Limits: botocore's model of SageMaker (``TrafficRoutingConfig``, ``BlueGreenUpdatePolicy``,
``RollingUpdatePolicy``) and the developer guide, "Deployment guardrails". The policy acts on
updates; the first creation only stores it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aws_cdk import Duration

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import whole_seconds
from mlops_constructs.common.tokens import is_token

_LONGEST_WAIT_SECONDS = 3600
_LONGEST_DEPLOYMENT_SECONDS = 28800
#: What a deployment may take beyond its waits: starting instances, pulling images, loading models.
_START_SECONDS = 3600
_BATCH_START_SECONDS = 900


def _ten_minutes() -> Duration:
    return Duration.minutes(10)


@dataclass(frozen=True, kw_only=True)
class _Policy(ABC):
    """What all policies share.

    Attributes:
        bake: How long alarms are watched after each shift of traffic, at most an hour.
    """

    bake: Duration = field(default_factory=_ten_minutes)

    @cached_property
    def bake_seconds(self) -> int:
        """The bake time in seconds; asked for once, as each answer is a call to jsii.

        A part of a second, which `check` refuses, counts as -1.
        """
        seconds = whole_seconds(self.bake)
        return -1 if seconds is None else seconds

    @property
    @abstractmethod
    def wait_seconds(self) -> int:
        """The sum of all waits of one deployment, in seconds."""

    def waits_of(self, count: int) -> int:
        """The same for a fleet, where its size matters, in seconds."""
        del count
        return self.wait_seconds

    @property
    @abstractmethod
    def timeout_seconds(self) -> int:
        """How long a deployment may take, the waits and the start of fleets included."""

    @property
    def guards(self) -> bool:
        """Whether it asks for more than what the service does without a policy."""
        return True

    @property
    @abstractmethod
    def first_share(self) -> float:
        """The share of the traffic that the new fleet gets first, above 0 and at most 1."""

    def check(self, problems: Problems, count: int, *, of: str = "instances") -> None:
        """Note what does not fit the service or a fleet.

        Args:
            problems: Where to note it.
            count: How many the fleet has, at its smallest.
            of: What it has: ``instances``, or ``copies`` of an inference component.
        """
        problems.check(
            0 <= self.bake_seconds <= _LONGEST_WAIT_SECONDS,
            "deployment.bake",
            got="a part of a second" if self.bake_seconds < 0 else f"{self.bake_seconds} s",
            allowed="0 to 3600 s, in whole seconds",
            instead="Write Duration.hours(1) at most.",
        )
        waits = self.waits_of(count)
        problems.check(
            waits < _LONGEST_DEPLOYMENT_SECONDS,
            "deployment",
            got=f"waits of {waits} s in total on a fleet of {count}",
            allowed=f"less than {_LONGEST_DEPLOYMENT_SECONDS} s, the longest deployment",
            instead="Bake for a shorter time or shift in larger steps.",
        )

    @abstractmethod
    def to_property(self) -> dict[str, Any]:
        """The update policy inside ``DeploymentConfig`` (L1 spelling)."""


@dataclass(frozen=True, kw_only=True)
class _BlueGreen(_Policy):
    @property
    def wait_seconds(self) -> int:
        return self._waits * self.bake_seconds

    @property
    @abstractmethod
    def _waits(self) -> int:
        """How often it waits for a bake, by the longer reading."""

    @property
    def _most_waits(self) -> int:
        """The same, where the fleet does not divide by the share."""
        return self._waits

    @property
    def timeout_seconds(self) -> int:
        return _timeout(self._most_waits * self.bake_seconds + _START_SECONDS)

    def _policy(self, routing: dict[str, Any], old_fleet_seconds: int) -> dict[str, Any]:
        return {
            "blueGreenUpdatePolicy": {
                "trafficRoutingConfiguration": routing,
                "terminationWaitInSeconds": old_fleet_seconds,
                "maximumExecutionTimeoutInSeconds": self.timeout_seconds,
            }
        }


@dataclass(frozen=True, kw_only=True)
class AllAtOnce(_BlueGreen):
    """Shift all traffic to the new fleet, and bake while the old one stands by.

    With ``bake=Duration.seconds(0)`` the endpoint has no policy at all: the service then shifts at
    once, and no alarm rolls that back. It is the only way to add, remove or rename a challenger, as
    a policy asks for equal variants before and after (developer guide, "Exclusions").
    """

    @property
    def _waits(self) -> int:
        return 2

    @property
    def guards(self) -> bool:
        """Not without a bake."""
        return self.bake_seconds != 0

    @property
    def first_share(self) -> float:
        """All of it."""
        return 1.0

    def to_property(self) -> dict[str, Any]:
        """The update policy."""
        routing = {"type": "ALL_AT_ONCE", "waitIntervalInSeconds": self.bake_seconds}
        return self._policy(routing, self.bake_seconds)


@dataclass(frozen=True, kw_only=True)
class Canary(_BlueGreen):
    """Give a part of the new fleet traffic, bake, shift the rest, and bake once more.

    Attributes:
        percent: 1 to 50 % of the fleet, and at least one whole instance.
    """

    percent: int

    @property
    def _waits(self) -> int:
        return 2

    @property
    def first_share(self) -> float:
        """What ``percent`` says."""
        return self.percent / 100

    def check(self, problems: Problems, count: int, *, of: str = "instances") -> None:
        """Note what does not fit the service or the fleet."""
        super().check(problems, count)
        _check_share(problems, "Canary", self.percent, count, of, least=1)

    def to_property(self) -> dict[str, Any]:
        """The update policy."""
        routing = {
            "type": "CANARY",
            "canarySize": _percent(self.percent),
            "waitIntervalInSeconds": self.bake_seconds,
        }
        return self._policy(routing, self.bake_seconds)


@dataclass(frozen=True, kw_only=True)
class Linear(_BlueGreen):
    """Shift traffic in equal steps, with a bake after each.

    Attributes:
        percent: 10 to 50 % of the fleet a step, and at least one whole instance.
    """

    percent: int

    @property
    def _waits(self) -> int:
        return math.ceil(100 / max(self.percent, 1)) + 1

    @property
    def _most_waits(self) -> int:
        return _most_steps(self.percent) + 1

    def waits_of(self, count: int) -> int:
        """The waits for a fleet of this size, in seconds."""
        return (_steps_of(self.percent, count) + 1) * self.bake_seconds

    @property
    def first_share(self) -> float:
        """What ``percent`` says."""
        return self.percent / 100

    def check(self, problems: Problems, count: int, *, of: str = "instances") -> None:
        """Note what does not fit the service or the fleet."""
        super().check(problems, count)
        _check_share(problems, "Linear", self.percent, count, of, least=10)

    def to_property(self) -> dict[str, Any]:
        """The update policy."""
        routing = {
            "type": "LINEAR",
            "linearStepSize": _percent(self.percent),
            "waitIntervalInSeconds": self.bake_seconds,
        }
        return self._policy(routing, self.bake_seconds)


@dataclass(frozen=True, kw_only=True)
class Rolling(_Policy):
    """Replace a part of the fleet at a time, which needs capacity for one batch more.

    Attributes:
        percent: 5 to 50 % of the fleet a batch, and at least one whole instance.
        rollback_percent: How much a rollback brings back at a time, up to 100 %: all of the old
            fleet at once, as the service does by default.
    """

    percent: int
    rollback_percent: int = 100

    @property
    def wait_seconds(self) -> int:
        """The sum of all waits of one deployment, in seconds."""
        return self._batches * self.bake_seconds

    def waits_of(self, count: int) -> int:
        """The waits for a fleet of this size, in seconds."""
        return _steps_of(self.percent, count) * self.bake_seconds

    @property
    def timeout_seconds(self) -> int:
        """How long a deployment may take, the waits and the start of batches included."""
        return _timeout(_most_steps(self.percent) * (self.bake_seconds + _BATCH_START_SECONDS))

    @property
    def _batches(self) -> int:
        return math.ceil(100 / max(self.percent, 1))

    @property
    def first_share(self) -> float:
        """What ``percent`` says."""
        return self.percent / 100

    def check(self, problems: Problems, count: int, *, of: str = "instances") -> None:
        """Note what does not fit the service or the fleet."""
        super().check(problems, count)
        _check_share(problems, "Rolling", self.percent, count, of, least=5)
        problems.check(
            self.percent <= self.rollback_percent <= 100,
            "deployment.rollback_percent",
            got=self.rollback_percent,
            allowed=f"percent, {self.percent}, to 100",
            instead="Leave it out to bring the whole old fleet back at once.",
        )

    def to_property(self) -> dict[str, Any]:
        """The update policy, of an endpoint or of an inference component alike."""
        policy: dict[str, Any] = {
            "maximumBatchSize": _percent(self.percent),
            "waitIntervalInSeconds": self.bake_seconds,
            "maximumExecutionTimeoutInSeconds": self.timeout_seconds,
        }
        if self.rollback_percent != 100:
            policy["rollbackMaximumBatchSize"] = _percent(self.rollback_percent)
        return {"rollingUpdatePolicy": policy}


Deployment = AllAtOnce | Canary | Linear | Rolling


def default_policy(count: int) -> Deployment:
    """A canary of one instance, or 10 % of a large fleet; all at once where there is only one."""
    if is_token(count) or count < 2:
        return AllAtOnce()
    return Canary(percent=max(10, math.ceil(100 / count)))


def _percent(value: int) -> dict[str, Any]:
    return {"type": "CAPACITY_PERCENT", "value": value}


def _steps_of(percent: int, count: int) -> int:
    """How many steps a share takes on a fleet.

    The service does not say how it rounds. If down, half of three instances are one, and three
    steps.
    """
    share = max(percent, 1)
    if is_token(count) or count * share < 100:
        return math.ceil(100 / share)
    return math.ceil(count / (count * share // 100))


def _most_steps(percent: int) -> int:
    """How many it takes on any fleet: most on one that is just too small for two a step."""
    share = max(percent, 1)
    return max(math.ceil(100 / share), math.ceil(200 / share) - 1)


def _timeout(seconds: int) -> int:
    return min(seconds, _LONGEST_DEPLOYMENT_SECONDS)


def _check_share(
    problems: Problems, kind: str, percent: int, count: int, of: str, *, least: int
) -> None:
    if not least <= percent <= 50:
        problems.add(
            "deployment.percent",
            got=percent,
            allowed=f"{least} to 50 % of the fleet for {kind}",
            instead=f"Write {kind}(percent={min(max(percent, least), 50)}), or AllAtOnce().",
        )
        return
    needed = math.ceil(100 / percent)
    # The service does not say how it rounds a share of less than one instance; taking one whole
    # instance of two would send half of the traffic where 10 % was asked for.
    if is_token(count) or count >= needed:
        return
    fits = f"{kind}(percent={max(least, math.ceil(100 / count))})" if count > 1 else "AllAtOnce()"
    if of == "copies" and count <= 1:
        fits = "None"
    one = {"instances": "instance", "copies": "copy"}[of]
    more = "count" if of == "instances" else of
    problems.add(
        "deployment",
        got=f"{kind} of {percent} % on a fleet of {count}",
        allowed=f"{needed} {of} or more, so that {percent} % is one whole {one}",
        instead=f"Write {more}={needed}, or deployment={fits}.",
    )
