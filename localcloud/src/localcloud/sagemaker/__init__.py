"""Amazon SageMaker: control plane, runtime and online feature store."""

from localcloud.sagemaker import (
    components,
    crud,
    endpoints,
    executions,
    features,
    jobs,
    listing,
    monitoring,
    pipelines,
    registry,
    studio,
    studio_mlflow,
    studio_settings,
    tags,
    tuning,
)
from localcloud.sagemaker.service import SageMaker

# Importing these modules registers their operations.
OPERATIONS = (
    components,
    crud,
    endpoints,
    executions,
    features,
    jobs,
    listing,
    monitoring,
    pipelines,
    registry,
    studio,
    studio_mlflow,
    studio_settings,
    tags,
    tuning,
)

__all__ = ["OPERATIONS", "SageMaker"]
