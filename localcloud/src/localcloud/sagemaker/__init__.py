"""Amazon SageMaker: control plane, runtime and online feature store."""

from localcloud.sagemaker import (
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
    studio_settings,
    tags,
    tuning,
)
from localcloud.sagemaker.service import SageMaker

# Importing these modules registers their operations.
OPERATIONS = (
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
    studio_settings,
    tags,
    tuning,
)

__all__ = ["OPERATIONS", "SageMaker"]
