"""Several models on one fleet, each with resources and copies of its own: inference components.

The service places copies on instances and adds instances as they are needed (`ManagedInstances`).
An endpoint of components scales to zero, which one with a model cannot. Callers name the component:
``InvokeEndpoint(EndpointName=…, InferenceComponentName=…)``.

A new model updates its component in place, by `Rolling` over its copies; the endpoint and the other
components are left alone. Facts: botocore, ``CreateInferenceComponent`` and below; SageMaker
developer guide, "Deploy models for real-time inference". Environments are on the models, where
100 variables are allowed; a component's own container takes 16 (CloudFormation registry).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.rules import instances
from mlops_constructs.serving.fleet import check_timeouts
from mlops_constructs.serving.model import ModelSource, check_archive

#: The longest name of a component (botocore, ``InferenceComponentName``).
LONGEST_NAME = 63

_NAME = re.compile(r"[a-z0-9](-*[a-z0-9])*")


@dataclass(frozen=True, kw_only=True)
class Component:
    """A model, what it needs, and how many copies of it there are.

    Attributes:
        name: Its name within the endpoint; callers write ``<endpoint>-<name>``.
        model: What it serves.
        memory_mb: What a copy needs at least, 128 MB or more.
        max_memory_mb: What a copy may take.
        cpus: Cores a copy, 0.25 or more.
        accelerators: GPUs or Neuron devices a copy, 1 or more; none if left out.
        copies: How many at creation; 0 to start without any.
        download_timeout: How long a copy may take to fetch the model: 1 to 60 minutes.
        startup_timeout: How long its container may take to start: 1 to 60 minutes.
    """

    name: str
    model: ModelSource
    memory_mb: int
    max_memory_mb: int | None = None
    cpus: float | None = None
    accelerators: int | None = None
    copies: int = 1
    download_timeout: Duration | None = None
    startup_timeout: Duration | None = None

    def check(self, problems: Problems, what: str) -> None:
        """Note what the service would refuse."""
        if isinstance(self.model, ModelSource):
            self.model.check(problems, f"{what}.model")
        else:
            problems.add(
                f"{what}.model",
                got=self.model,
                allowed="a model of one container",
                instead="Write ModelArtifact(...).",
            )
        for name, given, least in (
            ("memory_mb", self.memory_mb, 128),
            ("max_memory_mb", self.max_memory_mb, self.memory_mb),
            ("cpus", self.cpus, 0.25),
            ("accelerators", self.accelerators, 1),
            ("copies", self.copies, 0),
        ):
            problems.check(
                given is None or is_token(given) or given >= least,
                f"{what}.{name}",
                got=given,
                allowed=f"{least} or more",
                instead=f"Write {least}.",
            )
        check_timeouts(
            problems,
            what,
            download_timeout=self.download_timeout,
            startup_timeout=self.startup_timeout,
        )

    def to_specification(self, model_name: str) -> dict[str, Any]:
        """``Specification`` (L1 spelling)."""
        needs = {
            name: value
            for name, value in (
                ("minMemoryRequiredInMb", self.memory_mb),
                ("maxMemoryRequiredInMb", self.max_memory_mb),
                ("numberOfCpuCoresRequired", self.cpus),
                ("numberOfAcceleratorDevicesRequired", self.accelerators),
            )
            if value is not None
        }
        startup = {
            name: int(timeout.to_seconds())
            for name, timeout in (
                ("modelDataDownloadTimeoutInSeconds", self.download_timeout),
                ("containerStartupHealthCheckTimeoutInSeconds", self.startup_timeout),
            )
            if timeout is not None
        }
        found: dict[str, Any] = {
            "modelName": model_name,
            "computeResourceRequirements": needs,
        }
        if startup:
            found["startupParameters"] = startup
        return found


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A fine-tuned adapter of a component's model, on the resources of that component.

    Attributes:
        name: Its name within the endpoint.
        base: The name of the component that loads it.
        artifact_url: The ``s3://`` URL of the adapter's archive.
    """

    name: str
    base: str
    artifact_url: str

    def check(self, problems: Problems, what: str) -> None:
        """Note what the service would refuse."""
        check_archive(problems, f"{what}.artifact_url", self.artifact_url, "adapter")


@dataclass(frozen=True)
class InferenceComponents:
    """What an endpoint of components starts with.

    Attributes:
        components: One or more components, and adapters of them.
    """

    components: Sequence[Component | Adapter]

    @property
    def bases(self) -> Sequence[Component]:
        """The components without the adapters."""
        return tuple(each for each in self.components if isinstance(each, Component))

    @property
    def sources(self) -> Sequence[ModelSource]:
        """What the role must be able to read."""
        return tuple(each.model for each in self.bases)

    @property
    def needs_network(self) -> bool:
        """Whether any container fetches something itself."""
        return any(source.needs_network for source in self.sources)

    def check_fit(self, problems: Problems, instance_type: str, what: str = "model") -> None:
        """Note components that no instance of the fleet could carry."""
        chips = instances.is_gpu(instance_type) or instances.is_neuron(instance_type)
        for index, each in enumerate(self.components):
            problems.check(
                chips
                or is_token(instance_type)
                or not isinstance(each, Component)
                or each.accelerators is None,
                f"{what}.components[{index}].accelerators",
                got=f"{getattr(each, 'accelerators', None)} with {instance_type}",
                allowed="none on a type without GPUs and Neuron devices",
                instead="Leave it out, or write ManagedInstances('ml.g5.xlarge').",
            )

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        names = [each.name for each in self.components]
        bases = {each.name for each in self.bases}
        problems.check(
            bool(bases),
            f"{what}.components",
            got=names,
            allowed="one component or more",
            instead="Write Component(name='main', model=..., memory_mb=2048).",
        )
        for name in sorted({name for name in names if names.count(name) > 1}):
            problems.add(
                f"{what}.components",
                got=name,
                allowed="each name once",
                instead="Rename one of them.",
            )
        for index, each in enumerate(self.components):
            place = f"{what}.components[{index}]"
            problems.check(
                bool(_NAME.fullmatch(each.name)),
                f"{place}.name",
                got=each.name,
                allowed="lower-case letters, digits and inner hyphens",
                instead="Write a name such as 'chat'.",
            )
            if isinstance(each, Adapter):
                problems.check(
                    each.base in bases,
                    f"{place}.base",
                    got=each.base,
                    allowed=f"the name of a component: {', '.join(sorted(bases)) or 'none'}",
                    instead="Write the name of the component that loads the adapter.",
                )
            each.check(problems, place)
