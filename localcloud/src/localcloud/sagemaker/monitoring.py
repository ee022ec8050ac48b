"""Monitoring schedules: their state. Nothing runs on them here.

Model Monitor takes no new customers since 2026, and its analyzer image cannot be had: a schedule is
kept, started and stopped, so that templates with one deploy, but it has no executions.
"""

from __future__ import annotations

from localcloud.sagemaker import crud
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json


@operation("StopMonitoringSchedule")
def stop_schedule(cloud: SageMaker, request: Json) -> Json:
    """Stop a schedule."""
    record = cloud.require("MonitoringSchedule", request, "StopMonitoringSchedule")
    crud.set_status(cloud, record, "Stopped")
    return {}


@operation("StartMonitoringSchedule")
def start_schedule(cloud: SageMaker, request: Json) -> Json:
    """Start a stopped schedule."""
    record = cloud.require("MonitoringSchedule", request, "StartMonitoringSchedule")
    crud.set_status(cloud, record, "Scheduled")
    return {}


@operation("ListMonitoringExecutions")
def list_executions(cloud: SageMaker, request: Json) -> Json:
    """The executions of schedules: there are none."""
    del cloud, request
    return {"MonitoringExecutionSummaries": []}
