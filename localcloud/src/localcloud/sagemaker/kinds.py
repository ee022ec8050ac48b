"""The kinds of resources that SageMaker keeps, derived from its service model.

Everything regular comes from the model: a kind exists where there is a ``Create…`` with a
``Describe…``; its key is what ``Describe…`` requires, its ARN member what ``Create…`` returns. The
tables below hold only what the model does not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from localcloud.model import operation_model, operation_names, output_members

SERVICE = "sagemaker"


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    Args:
        name: As in the names of its operations, such as ``EndpointConfig``.
        key: The members that identify one, in requests and answers.
        arn_member: The member that holds its ARN.
        arn_format: The part of the ARN after the account, with members in braces.
    """

    name: str
    key: tuple[str, ...]
    arn_member: str
    arn_format: str

    @property
    def name_member(self) -> str:
        """The member that users call its name."""
        return self.key[-1]

    @property
    def words(self) -> str:
        """The kind as the service writes it in messages: ``endpoint configuration``."""
        return _WORDS.get(self.name) or kebab(self.name).replace("-", " ")

    @property
    def status_member(self) -> str | None:
        """The member of ``Describe…`` that holds the status, if there is one."""
        members = output_members(SERVICE, f"Describe{self.name}")
        for candidate in (f"{self.name}Status", "Status", f"{_STEM.get(self.name, '')}Status"):
            if candidate in members:
                return candidate
        return None


_KEYS = {
    "App": ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"),
    "Artifact": ("ArtifactArn",),
    "MlflowApp": ("Arn",),
    "ModelPackage": ("ModelPackageArn",),
    "ImageVersion": ("ImageName", "Version"),
    "PartnerApp": ("Arn",),
}
"""Keys that differ from what ``Describe…`` requires."""

_ARN_FORMATS = {
    "App": "app/{DomainId}/{Owner}/{AppType}/{AppName}",
    "Artifact": "artifact/{Id}",
    "AutoMLJob": "automl-job/{AutoMLJobName}",
    "AutoMLJobV2": "automl-job/{AutoMLJobName}",
    "ImageVersion": "image-version/{ImageName}/{Version}",
    "MlflowApp": "mlflow-app/app-{Id}",
    "ModelPackage": "model-package/{Path}",
    "PartnerApp": "partner-app/app-{Id}",
    "Space": "space/{DomainId}/{SpaceName}",
    "TrialComponent": "experiment-trial-component/{TrialComponentName}",
    "Trial": "experiment-trial/{TrialName}",
    "UserProfile": "user-profile/{DomainId}/{UserProfileName}",
}
"""ARNs that are not ``<kind-in-kebab-case>/<name>``."""

_STEM = {"MlflowTrackingServer": "TrackingServer", "AutoMLJobV2": "AutoMLJob"}
"""The beginning of the status member, where it is not the kind."""

_WORDS = {"EndpointConfig": "endpoint configuration"}

_JOBS = frozenset({"HyperParameterTuningJob", "ProcessingJob", "TrainingJob", "TransformJob"})
"""The kinds of jobs that can run here. The others are refused, since nothing would come of them."""

_WITHOUT_STORE = frozenset(
    {"ClusterSchedulerConfig", "ComputeQuota", "EdgeDeploymentPlan", "HubContentReference"}
)
"""Kinds that are not kept: their keys are generated in ways that nothing here needs, or the service
has ended (Edge Manager)."""

PIPELINE_EXECUTION = Kind(
    "PipelineExecution",
    ("PipelineExecutionArn",),
    "PipelineExecutionArn",
    "pipeline/{PipelineName}/execution/{Id}",
)
"""A kind that is started, not created."""


@cache
def kinds() -> dict[str, Kind]:
    """All kinds by name."""
    found = {PIPELINE_EXECUTION.name: PIPELINE_EXECUTION}
    for operation in sorted(operation_names(SERVICE)):
        name = operation.removeprefix("Create")
        if operation == name or f"Describe{name}" not in operation_names(SERVICE):
            continue
        if name in _WITHOUT_STORE or (re.search(r"Job(V2)?$", name) and name not in _JOBS):
            continue
        found[name] = _kind(name)
    return found


@cache
def kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        KeyError: There is none.
    """
    return kinds()[name]


def _kind(name: str) -> Kind:
    describe = operation_model(SERVICE, f"Describe{name}").input_shape
    key = _KEYS.get(name) or tuple(describe.required_members) or tuple(describe.members)[:1]
    arns = [member for member in output_members(SERVICE, f"Create{name}") if member.endswith("Arn")]
    arn_member = arns[0] if arns else f"{name}Arn"
    return Kind(name, key, arn_member, _ARN_FORMATS.get(name, f"{kebab(name)}/{{{key[-1]}}}"))


def kebab(name: str) -> str:
    """``EndpointConfig`` → ``endpoint-config``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name)
    return spaced.lower()
