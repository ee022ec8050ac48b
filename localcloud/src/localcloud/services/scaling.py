"""What scaling policies do: from an alarm, or a schedule, to another capacity.

Source: Application Auto Scaling user guide, "Target tracking scaling policies", "Step scaling
policies". AWS does not publish the formula of target tracking; here the capacity becomes what
would bring the metric to its target, rounded up, as its documentation describes the aim.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from localcloud.emulator import Scope
from localcloud.errors import ServiceError
from localcloud.sagemaker import capacity
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record

logger = logging.getLogger("localcloud.scaling")

ACTIVITY = "ScalingActivity"
_COOLDOWN = 300
"""The default of both cooldowns for SageMaker's dimensions (botocore: ScaleOutCooldown)."""
SCALE_IN_SHARE = 0.9
"""Below this share of the target a target tracking policy scales in (its ``AlarmLow``)."""

_NOUNS = {
    "sagemaker:variant:DesiredInstanceCount": "instance count",
    "sagemaker:variant:DesiredProvisionedConcurrency": "provisioned concurrency",
    "sagemaker:inference-component:DesiredCopyCount": "copy count",
}


class Reads(Protocol):
    """Reads the metric of an alarm."""

    def latest(self, alarm: Json) -> float | None:
        """Its value in the period that ends now."""


@dataclass
class _Cooldown:
    out_until: float = 0.0
    in_until: float = 0.0
    reached: int = 0


class Scaler:
    """Carries out scaling policies.

    Args:
        cloud: What is scaled.
        reads: Reads metrics.
        policy: Finds a policy, and its target, by the policy's ARN in the current scope.
    """

    def __init__(
        self,
        cloud: SageMaker,
        reads: Callable[[], Reads],
        policy: Callable[[str], tuple[Record, Record] | None],
    ) -> None:
        self._cloud = cloud
        self._reads = reads
        self._policy = policy
        self._cooldowns: dict[tuple[Scope, str], _Cooldown] = {}
        self._lock = threading.Lock()

    def alarmed(self, arn: str, alarm: Json) -> None:
        """An alarm that has this policy as its action is in state ALARM."""
        found = self._policy(arn)
        if found is None:
            return
        policy, target = found
        tracking = policy.data.get("TargetTrackingScalingPolicyConfiguration")
        value = self._reads().latest(alarm)
        if value is None and not tracking:
            # Its state was set by hand: at the threshold the first step begins.
            value = float(alarm.get("Threshold") or 0)
        if value is None:
            return
        with self._lock:
            now = capacity.current(self._cloud, target.data)
            if now is None:
                return
            if tracking:
                wanted = _tracked(tracking, now, value, low="-AlarmLow-" in alarm["AlarmName"])
                cooldowns = (
                    tracking.get("ScaleOutCooldown", _COOLDOWN),
                    tracking.get("ScaleInCooldown", _COOLDOWN),
                )
            else:
                steps = policy.data["StepScalingPolicyConfiguration"]
                wanted = _stepped(steps, now, value - float(alarm.get("Threshold") or 0))
                cooldowns = (steps.get("Cooldown", _COOLDOWN),) * 2
            wanted = bounded(target.data, wanted)
            if wanted == now or self._suspended(target, wanted, now):
                return
            if not self._passes_cooldown(arn, wanted, now, cooldowns):
                return
            cause = (
                f"monitor alarm {alarm['AlarmName']} in state ALARM triggered policy"
                f" {policy.data['PolicyName']}"
            )
            self.set(target, wanted, cause)

    def set(self, target: Record, wanted: int, cause: str) -> None:
        """Give a target another capacity, and keep a record of it."""
        began = time.time()
        noun = _NOUNS.get(target.data["ScalableDimension"], "capacity")
        activity: Json = {
            "ActivityId": str(uuid4()),
            "ServiceNamespace": target.data["ServiceNamespace"],
            "ResourceId": target.data["ResourceId"],
            "ScalableDimension": target.data["ScalableDimension"],
            "Description": f"Setting desired {noun} to {wanted}.",
            "Cause": cause,
            "StartTime": began,
            "StatusCode": "InProgress",
        }
        key = (activity["ActivityId"],)
        self._cloud.store.add(
            self._cloud.scope, Record(ACTIVITY, key, f"activity:{key[0]}", activity)
        )
        try:
            capacity.change(self._cloud, target.data, wanted)
        except ServiceError as error:
            logger.warning("%s: %s", activity["Description"], error.message)
            activity |= {"StatusCode": "Failed", "StatusMessage": error.message}
        else:
            message = f"Successfully set desired {noun} to {wanted}."
            activity |= {"StatusCode": "Successful", "StatusMessage": message}
        activity["EndTime"] = time.time()

    def _suspended(self, target: Record, wanted: int, now: int) -> bool:
        state = target.data.get("SuspendedState") or {}
        side = "DynamicScalingOutSuspended" if wanted > now else "DynamicScalingInSuspended"
        return bool(state.get(side))

    def _passes_cooldown(
        self, arn: str, wanted: int, now: int, cooldowns: tuple[float, float]
    ) -> bool:
        """Whether no cooldown forbids it.

        A larger demand is met within the cooldown of scaling out, by what is missing; scaling in
        waits for both.
        """
        cooldown = self._cooldowns.setdefault((self._cloud.scope, arn), _Cooldown())
        moment, scale = time.time(), self._cloud.clock.scale
        if wanted > now:
            if moment < cooldown.out_until and wanted <= cooldown.reached:
                return False
            cooldown.out_until = moment + cooldowns[0] * scale
        else:
            if moment < max(cooldown.out_until, cooldown.in_until):
                return False
            cooldown.in_until = moment + cooldowns[1] * scale
        cooldown.reached = wanted
        return True


def bounded(target: Json, wanted: int) -> int:
    """``wanted`` within the capacities of a target."""
    return max(int(target["MinCapacity"]), min(int(target["MaxCapacity"]), wanted))


def _tracked(settings: Json, now: int, value: float, *, low: bool) -> int:
    wanted = math.ceil(now * value / float(settings["TargetValue"]))
    if low:
        return now if settings.get("DisableScaleIn") else min(now, wanted)
    return max(now, wanted)


def _stepped(settings: Json, now: int, beyond: float) -> int:
    """The capacity after the step whose interval holds the distance from the threshold."""
    for step in settings.get("StepAdjustments") or ():
        lower: Any = step.get("MetricIntervalLowerBound")
        upper: Any = step.get("MetricIntervalUpperBound")
        above = lower is None or beyond >= lower if beyond >= 0 else lower is None or beyond > lower
        below = upper is None or beyond < upper if beyond >= 0 else upper is None or beyond <= upper
        if above and below:
            return _adjusted(settings, now, int(step["ScalingAdjustment"]))
    return now


def _adjusted(settings: Json, now: int, adjustment: int) -> int:
    kind = settings.get("AdjustmentType")
    if kind == "ExactCapacity":
        return adjustment
    if kind == "PercentChangeInCapacity":
        change = now * adjustment / 100
        # Towards zero beyond one, away from it below (user guide, "Scaling adjustment types").
        change = math.copysign(max(1, math.floor(abs(change))), change) if change else 0
        least = settings.get("MinAdjustmentMagnitude") or 0
        if abs(change) < least:
            change = math.copysign(least, adjustment)
        return now + int(change)
    return now + adjustment
