"""Settings of a domain's apps, as the camel-case dictionaries that CDK's L1 takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, aws_sagemaker as sagemaker

from mlops_constructs.common.errors import Problems
from mlops_constructs.studio.lifecycle import LifecycleScript, StudioApp
from mlops_constructs.studio.portal import StudioImage

#: Minutes (botocore, IdleSettings).
_IDLE_LEAST, _IDLE_MOST = 60, 525_600
#: GB (registry schema, SpaceEbsVolumeSizeInGb).
_VOLUME_LEAST, _VOLUME_MOST = 5, 16_384


@dataclass(frozen=True, kw_only=True)
class SpaceVolumes:
    """The EBS volume of each private space, in GB.

    Attributes:
        default_gb: Unless the user asks for another size.
        maximum_gb: What a user may ask for.
    """

    default_gb: int = 20
    maximum_gb: int = 100

    def check(self, problems: Problems) -> None:
        """Note what is wrong with the sizes."""
        problems.check(
            _VOLUME_LEAST <= self.default_gb <= self.maximum_gb <= _VOLUME_MOST,
            "space_volumes",
            got=(self.default_gb, self.maximum_gb),
            allowed=f"{_VOLUME_LEAST} <= default_gb <= maximum_gb <= {_VOLUME_MOST:,}",
            instead="Raise the maximum or lower the default.",
        )


def idle_minutes(problems: Problems, idle_shutdown: Duration | None) -> int | None:
    """The idle time in whole minutes; what SageMaker would refuse is noted."""
    if idle_shutdown is None:
        return None
    if not isinstance(idle_shutdown, Duration):
        problems.add(
            "idle_shutdown",
            got=idle_shutdown,
            allowed="a Duration, or None",
            instead="Write Duration.hours(2).",
        )
        return None
    minutes = idle_shutdown.to_minutes(integral=False)
    problems.check(
        _IDLE_LEAST <= minutes <= _IDLE_MOST and minutes == int(minutes),
        "idle_shutdown",
        got=f"{minutes:g} minutes",
        allowed=f"{_IDLE_LEAST} to {_IDLE_MOST:,} whole minutes",
        instead="Write Duration.hours(1) or more, or None to leave idle apps running.",
    )
    return int(minutes)


def app_settings(
    app: StudioApp,
    *,
    minutes: int | None,
    scripts: Sequence[LifecycleScript],
    configs: Mapping[str, sagemaker.CfnStudioLifecycleConfig],
    images: Sequence[StudioImage] = (),
) -> dict[str, Any]:
    """Idle shutdown, lifecycle scripts and images of one app.

    Idle settings belong on the domain: CloudFormation takes them neither on user profiles nor on
    spaces (registry schema of 2026-10-20). Users may shorten the time, not lengthen it.

    Args:
        app: The app.
        minutes: Of idleness until it is shut down; None for never.
        scripts: All scripts of the domain.
        configs: Their resources, by name of script.
        images: All images of the domain.
    """
    arns = {
        script.name: configs[script.name].attr_studio_lifecycle_config_arn
        for script in scripts
        if script.app is app
    }
    default = next((s.name for s in scripts if s.app is app and s.default), None)
    settings: dict[str, Any] = {}
    if minutes is not None:
        settings["appLifecycleManagement"] = {
            "idleSettings": {
                "lifecycleManagement": "ENABLED",
                "idleTimeoutInMinutes": minutes,
                "minIdleTimeoutInMinutes": _IDLE_LEAST,
                "maxIdleTimeoutInMinutes": minutes,
            }
        }
    if arns:
        settings["lifecycleConfigArns"] = list(arns.values())
    if default is not None:
        settings["defaultResourceSpec"] = {"lifecycleConfigArn": arns[default]}
    custom = [image.settings() for image in images if image.app is app]
    if custom:
        settings["customImages"] = custom
    return settings


def storage_settings(volumes: SpaceVolumes) -> dict[str, Any]:
    """The volumes of spaces."""
    return {
        "defaultEbsStorageSettings": {
            "defaultEbsVolumeSizeInGb": volumes.default_gb,
            "maximumEbsVolumeSizeInGb": volumes.maximum_gb,
        }
    }
