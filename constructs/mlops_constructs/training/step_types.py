"""The step types that `TrainingPipeline` deploys, and what each needs.

Actions: SageMaker developer guide, "IAM Access Management" of Pipelines, and the service's IAM
definition. Pipelines names jobs and models ``pipelines-<execution id>-<step>-…`` (shown by the
sample events of "Automating Amazon SageMaker with Amazon EventBridge"), which narrows the
resources; the names of tuning jobs and of the training jobs below them are too short for that.
Permissions for functions, queues and EMR, which are not SageMaker's, are in `outside`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlops_constructs.training.document import Json, Step


@dataclass(frozen=True, kw_only=True)
class StepType:
    """What a step of one type calls.

    Attributes:
        call: The SageMaker API call whose input the step's arguments are; empty for none.
        required: The arguments that the call requires.
        actions: Actions of the pipeline's role, without ``sagemaker:``.
        resources: What the actions are allowed on, the last part of the ARN.
        role: The sentinel of the role that the step passes; empty if it passes none.
    """

    call: str = ""
    required: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    role: str = ""


def _check() -> StepType:
    """A native check: a processing job, whose baseline may be that of an approved model."""
    return StepType(
        call="CreateProcessingJob",
        required=("AppSpecification", "ProcessingResources", "RoleArn"),
        actions=("AddTags", "CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob"),
        resources=("processing-job/pipelines-*",),
        role="role.processing",
    )


#: By the type's name in a definition.
STEP_TYPES: Mapping[str, StepType] = {
    "Processing": StepType(
        call="CreateProcessingJob",
        required=("AppSpecification", "ProcessingResources", "RoleArn"),
        actions=("AddTags", "CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob"),
        resources=("processing-job/pipelines-*",),
        role="role.processing",
    ),
    "Training": StepType(
        call="CreateTrainingJob",
        required=("OutputDataConfig", "RoleArn"),
        actions=("AddTags", "CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob"),
        resources=("training-job/pipelines-*",),
        role="role.training",
    ),
    "Tuning": StepType(
        call="CreateHyperParameterTuningJob",
        required=("HyperParameterTuningJobConfig",),
        actions=(
            "AddTags",
            "CreateHyperParameterTuningJob",
            "DescribeHyperParameterTuningJob",
            "ListTrainingJobsForHyperParameterTuningJob",
            "StopHyperParameterTuningJob",
        ),
        resources=("hyper-parameter-tuning-job/*", "training-job/*"),
        role="role.training",
    ),
    "Transform": StepType(
        call="CreateTransformJob",
        required=("ModelName", "TransformInput", "TransformOutput", "TransformResources"),
        actions=("AddTags", "CreateTransformJob", "DescribeTransformJob", "StopTransformJob"),
        resources=("transform-job/pipelines-*",),
    ),
    "Model": StepType(
        call="CreateModel",
        required=("ExecutionRoleArn",),
        actions=("AddTags", "CreateModel", "DescribeModel"),
        resources=("model/pipelines-*",),
        role="role.model",
    ),
    "QualityCheck": _check(),
    "ClarifyCheck": _check(),
    # Its permissions are the registry's to grant.
    "RegisterModel": StepType(call="CreateModelPackage", required=("ModelPackageGroupName",)),
    "Condition": StepType(required=("Conditions",)),
    "Fail": StepType(),
    # The arguments of these two are the function's and the queue's readers'.
    "Lambda": StepType(),
    "Callback": StepType(),
    "EMR": StepType(required=("StepConfig",)),
    "EMRServerless": StepType(required=("ExecutionRoleArn", "JobConfig")),
}

#: The types whose arguments are a CreateProcessingJob request.
PROCESSING = frozenset({"Processing", "QualityCheck", "ClarifyCheck"})

#: The types that run jobs with a network of their own.
NETWORKED = PROCESSING | {"Training", "Tuning", "Model"}

_IMAGE_MEMBERS = ("Image", "ImageUri", "TrainingImage")
# Free-form maps, whose keys are the container's own.
_MAPS = ("Environment", "HyperParameters", "StaticHyperParameters", "CustomerMetadataProperties")


def training_jobs(step: Step) -> Iterator[tuple[str, dict[str, Json]]]:
    """The training jobs that a training or tuning step defines, each with its path."""
    if step.type == "Training":
        yield "", step.arguments
    elif step.type == "Tuning":
        if isinstance(one := step.arguments.get("TrainingJobDefinition"), dict):
            yield "TrainingJobDefinition.", one
        for index, each in enumerate(step.arguments.get("TrainingJobDefinitions", [])):
            yield f"TrainingJobDefinitions[{index}].", each


def role_slots(step: Step) -> Iterator[tuple[str, Json, str]]:
    """Where a step names a role: path, value, and the sentinel that belongs there."""
    expected = STEP_TYPES[step.type].role
    if step.type in PROCESSING:
        yield "RoleArn", step.arguments.get("RoleArn"), expected
    elif step.type == "Model":
        yield "ExecutionRoleArn", step.arguments.get("ExecutionRoleArn"), expected
    for path, job in training_jobs(step):
        yield f"{path}RoleArn", job.get("RoleArn"), expected


def images_of(step: Step) -> Iterator[tuple[str, Json]]:
    """Where a step names a container image: path and value."""
    yield from _images(step.arguments, "") if STEP_TYPES[step.type].call else ()


def _images(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _images(item, f"{path.rstrip('.')}[{index}].")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _IMAGE_MEMBERS:
                yield f"{path}{key}", item
            elif key not in _MAPS:
                yield from _images(item, f"{path}{key}.")
