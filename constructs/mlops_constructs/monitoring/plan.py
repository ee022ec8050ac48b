"""What both engines are told by the suite."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from constructs import Construct

from mlops_constructs.monitoring.inputs import (
    EndpointCapture,
    PackageBaselines,
    S3Folder,
    Target,
)
from mlops_constructs.monitoring.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One suite of monitors.

    Attributes:
        scope: The suite.
        monitor_name: Its name, part of every name.
        target: What is monitored.
        schedule: When.
        reports: Where the results go.
        key: The key of volumes and results.
        baselines: Where baselines come from, besides the monitors' own.
    """

    scope: Construct
    monitor_name: str
    target: Target
    schedule: Schedule
    reports: S3Folder
    key: kms.IKey
    baselines: PackageBaselines | None = None

    @property
    def pipeline_name(self) -> str:
        """Of the open engine's pipeline; it runs all monitors, whatever the name says."""
        return f"{self.monitor_name}-data-quality"

    @property
    def data(self) -> S3Folder:
        """Where the monitored data are: below the endpoint's name, in the case of capture."""
        target = self.target
        if isinstance(target, EndpointCapture):
            return S3Folder(bucket=target.bucket, prefix=f"{target.prefix}/{target.endpoint_name}")
        return target
