"""The wording of SageMaker's refusals.

Which error code an operation uses for a missing resource is in the service model: those that
declare ``ResourceNotFound`` use it, the older ones answer ``ValidationException``.
"""

from __future__ import annotations

from localcloud.errors import ServiceError
from localcloud.model import operation_model
from localcloud.sagemaker.kinds import SERVICE, Kind

_MISSING = {
    "FeatureGroup": (
        "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}"
    ),
    "Pipeline": "Pipeline '{arn}' does not exist.",
    "PipelineExecution": "Pipeline execution with ARN '{arn}' does not exist.",
    "ModelPackage": "ModelPackage {arn} does not exist.",
    "ModelPackageGroup": "ModelPackageGroup {arn} does not exist.",
    "MonitoringSchedule": "Monitoring Schedule {arn} does not exist",
    "TrainingJob": "Requested resource not found.",
    "ProcessingJob": "Could not find requested job with name: {name}",
    "TransformJob": "Could not find transform job with name: {name}",
    "Domain": "Domain with ID {name} does not exist",
    "UserProfile": "UserProfile {name} does not exist",
    "Space": "Space {name} does not exist",
}
_MISSING_DEFAULT = 'Could not find {words} "{arn}".'

_EXISTING = {
    "FeatureGroup": (
        "Resource Already Exists: FeatureGroup with name {name} already exists."
        " Choose a different name."
    ),
    "Pipeline": (
        "Pipeline names must be unique within an AWS account and region."
        " Pipeline with name ({name}) already exists."
    ),
    "ModelPackageGroup": "Model Package Group already exists: {arn}",
    "TrainingJob": (
        "Training job names must be unique within an AWS account and region, and a training job"
        " with this name already exists ({arn})"
    ),
    "ProcessingJob": (
        "Job name must be unique within an AWS account and region, and a job with this name"
        " already exists ({arn})"
    ),
    "TransformJob": (
        "Job name must be unique within an AWS account and region, and a job with this name"
        " already exists ({arn})"
    ),
}
_EXISTING_DEFAULT = 'Cannot create already existing {words} "{arn}".'


def declares(operation: str, error: str) -> bool:
    """Whether the service model lists ``error`` for ``operation``."""
    return any(shape.name == error for shape in operation_model(SERVICE, operation).error_shapes)


def missing(operation: str, kind: Kind, name: str, arn: str) -> ServiceError:
    """The refusal of an operation on a resource that does not exist."""
    code = "ResourceNotFound" if declares(operation, "ResourceNotFound") else "ValidationException"
    text = _MISSING.get(kind.name, _MISSING_DEFAULT)
    return ServiceError(code, text.format(words=kind.words, name=name, arn=arn))


def existing(operation: str, kind: Kind, name: str, arn: str) -> ServiceError:
    """The refusal to create what exists already."""
    code = "ResourceInUse" if declares(operation, "ResourceInUse") else "ValidationException"
    text = _EXISTING.get(kind.name, _EXISTING_DEFAULT)
    return ServiceError(code, text.format(words=kind.words, name=name, arn=arn))


def in_use(operation: str, message: str) -> ServiceError:
    """The refusal to delete or change what something else depends on."""
    for code in ("ResourceInUse", "ConflictException"):
        if declares(operation, code):
            return ServiceError(code, message)
    return ServiceError("ValidationException", message)
