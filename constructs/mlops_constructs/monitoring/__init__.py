"""ModelMonitorSuite: monitors of data and models, with an open engine and the service's own."""

from mlops_constructs.monitoring.alarms import Severity, ViolationAlarm
from mlops_constructs.monitoring.engines import NativeEngine, OpenEngine
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    ProblemType,
    S3Dataset,
    S3Folder,
)
from mlops_constructs.monitoring.schedules import Daily, EveryHours, Hourly
from mlops_constructs.monitoring.suite import ModelMonitorSuite

__all__ = [
    "AttributionDrift",
    "BiasDrift",
    "Daily",
    "DataQuality",
    "EndpointCapture",
    "EveryHours",
    "Hourly",
    "ModelMonitorSuite",
    "ModelQuality",
    "NativeEngine",
    "OpenEngine",
    "ProblemType",
    "S3Dataset",
    "S3Folder",
    "Severity",
    "ViolationAlarm",
]
