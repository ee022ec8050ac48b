"""Reusable AWS CDK constructs for machine learning on Amazon SageMaker AI.

The public names are resolved on first use, so that ``import mlops_constructs.rules`` and the
command line start without loading aws_cdk.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_constructs.common.errors import Problem, ValidationError
    from mlops_constructs.common.findings import acknowledge
    from mlops_constructs.common.images import FrameworkImage, framework_image
    from mlops_constructs.common.network import JobNetwork
    from mlops_constructs.common.removal import allow_data_destruction
    from mlops_constructs.common.tags import CostTags
    from mlops_constructs.common.validation import CloudFormationRules, ServiceRules
    from mlops_constructs.feature_store import (
        Feature,
        FeatureLock,
        FeatureSchema,
        FeatureStoreGroup,
        FeatureType,
        GlueTable,
        IcebergTable,
        InMemoryStore,
        OfflineOnly,
        OfflineStore,
        OnDemand,
        OnlineAndOffline,
        OnlineOnly,
        OnlineStore,
        OwnGlueTable,
        Provisioned,
    )
    from mlops_constructs.monitoring import (
        AttributionDrift,
        BiasDrift,
        Daily,
        DataQuality,
        EndpointCapture,
        EveryHours,
        Hourly,
        ModelMonitorSuite,
        ModelQuality,
        NativeEngine,
        OpenEngine,
        ProblemType,
        S3Dataset,
        S3Folder,
        Severity,
        ViolationAlarm,
    )
    from mlops_constructs.serving.alarms import RollbackAlarms
    from mlops_constructs.serving.capture import DataCapture
    from mlops_constructs.serving.compute import Instances, Serverless
    from mlops_constructs.serving.deployment import AllAtOnce, Canary, Linear, Rolling
    from mlops_constructs.serving.endpoint import BlueGreenEndpoint
    from mlops_constructs.serving.model import ApprovedModel, ModelArtifact, ModelPackage
    from mlops_constructs.serving.release import ModelRelease
    from mlops_constructs.studio import (
        DataScientist,
        ExistingVpc,
        IamAuthentication,
        IdentityCenter,
        LifecycleScript,
        MlEngineer,
        NetworkFeature,
        NewVpc,
        Persona,
        PrivateNetwork,
        SecureVpcDomain,
        SpaceVolumes,
        StudioApp,
        UserProfile,
    )
    from mlops_constructs.training.definition import PipelineDefinition
    from mlops_constructs.training.pipeline import TrainingPipeline
    from mlops_constructs.training.registry import ModelRegistry

_HOMES = {
    "AllAtOnce": "serving.deployment",
    "ApprovedModel": "serving.model",
    "AttributionDrift": "monitoring",
    "BiasDrift": "monitoring",
    "BlueGreenEndpoint": "serving.endpoint",
    "Canary": "serving.deployment",
    "CloudFormationRules": "common.validation",
    "CostTags": "common.tags",
    "Daily": "monitoring",
    "DataCapture": "serving.capture",
    "DataQuality": "monitoring",
    "DataScientist": "studio",
    "EndpointCapture": "monitoring",
    "EveryHours": "monitoring",
    "ExistingVpc": "studio",
    "Feature": "feature_store",
    "FeatureLock": "feature_store",
    "FeatureSchema": "feature_store",
    "FeatureStoreGroup": "feature_store",
    "FeatureType": "feature_store",
    "FrameworkImage": "common.images",
    "GlueTable": "feature_store",
    "Hourly": "monitoring",
    "IamAuthentication": "studio",
    "IcebergTable": "feature_store",
    "IdentityCenter": "studio",
    "InMemoryStore": "feature_store",
    "Instances": "serving.compute",
    "JobNetwork": "common.network",
    "LifecycleScript": "studio",
    "Linear": "serving.deployment",
    "MlEngineer": "studio",
    "ModelArtifact": "serving.model",
    "ModelMonitorSuite": "monitoring",
    "ModelPackage": "serving.model",
    "ModelQuality": "monitoring",
    "ModelRegistry": "training.registry",
    "ModelRelease": "serving.release",
    "NativeEngine": "monitoring",
    "NetworkFeature": "studio",
    "NewVpc": "studio",
    "OfflineOnly": "feature_store",
    "OfflineStore": "feature_store",
    "OnDemand": "feature_store",
    "OnlineAndOffline": "feature_store",
    "OnlineOnly": "feature_store",
    "OnlineStore": "feature_store",
    "OpenEngine": "monitoring",
    "OwnGlueTable": "feature_store",
    "Persona": "studio",
    "PipelineDefinition": "training.definition",
    "PrivateNetwork": "studio",
    "Problem": "common.errors",
    "ProblemType": "monitoring",
    "Provisioned": "feature_store",
    "RollbackAlarms": "serving.alarms",
    "Rolling": "serving.deployment",
    "S3Dataset": "monitoring",
    "S3Folder": "monitoring",
    "SecureVpcDomain": "studio",
    "Serverless": "serving.compute",
    "ServiceRules": "common.validation",
    "Severity": "monitoring",
    "SpaceVolumes": "studio",
    "StudioApp": "studio",
    "TrainingPipeline": "training.pipeline",
    "UserProfile": "studio",
    "ValidationError": "common.errors",
    "ViolationAlarm": "monitoring",
    "acknowledge": "common.findings",
    "allow_data_destruction": "common.removal",
    "framework_image": "common.images",
}

__all__ = [
    "AllAtOnce",
    "ApprovedModel",
    "AttributionDrift",
    "BiasDrift",
    "BlueGreenEndpoint",
    "Canary",
    "CloudFormationRules",
    "CostTags",
    "Daily",
    "DataCapture",
    "DataQuality",
    "DataScientist",
    "EndpointCapture",
    "EveryHours",
    "ExistingVpc",
    "Feature",
    "FeatureLock",
    "FeatureSchema",
    "FeatureStoreGroup",
    "FeatureType",
    "FrameworkImage",
    "GlueTable",
    "Hourly",
    "IamAuthentication",
    "IcebergTable",
    "IdentityCenter",
    "InMemoryStore",
    "Instances",
    "JobNetwork",
    "LifecycleScript",
    "Linear",
    "MlEngineer",
    "ModelArtifact",
    "ModelMonitorSuite",
    "ModelPackage",
    "ModelQuality",
    "ModelRegistry",
    "ModelRelease",
    "NativeEngine",
    "NetworkFeature",
    "NewVpc",
    "OfflineOnly",
    "OfflineStore",
    "OnDemand",
    "OnlineAndOffline",
    "OnlineOnly",
    "OnlineStore",
    "OpenEngine",
    "OwnGlueTable",
    "Persona",
    "PipelineDefinition",
    "PrivateNetwork",
    "Problem",
    "ProblemType",
    "Provisioned",
    "RollbackAlarms",
    "Rolling",
    "S3Dataset",
    "S3Folder",
    "SecureVpcDomain",
    "Serverless",
    "ServiceRules",
    "Severity",
    "SpaceVolumes",
    "StudioApp",
    "TrainingPipeline",
    "UserProfile",
    "ValidationError",
    "ViolationAlarm",
    "acknowledge",
    "allow_data_destruction",
    "framework_image",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
