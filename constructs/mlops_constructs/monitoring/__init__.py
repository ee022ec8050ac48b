"""ModelMonitorSuite: monitors of data and models, with an open engine and the service's own."""

from mlops_constructs.monitoring.alarms import Severity, ViolationAlarm
from mlops_constructs.monitoring.engines import NativeEngine, OpenEngine
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    PackageBaselines,
    ProblemType,
    S3Dataset,
    S3Folder,
    TrainedModel,
)
from mlops_constructs.monitoring.retraining import Retraining
from mlops_constructs.monitoring.schedules import (
    Daily,
    EveryHours,
    Hourly,
    Once,
    OnGroundTruth,
)
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
    "OnGroundTruth",
    "Once",
    "OpenEngine",
    "PackageBaselines",
    "ProblemType",
    "Retraining",
    "S3Dataset",
    "S3Folder",
    "Severity",
    "TrainedModel",
    "ViolationAlarm",
]
