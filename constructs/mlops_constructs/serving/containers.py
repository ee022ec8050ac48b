"""Models of several containers, or of many models in one.

| model | asked by | use it for |
|---|---|---|
| `MultiModel` | ``TargetModel``, a key below the prefix | hundreds of models of one framework |
| `SerialPipeline` | one request through all containers | preprocessing, model, postprocessing |
| `DirectContainers` | ``TargetContainerHostname`` | a few models of different frameworks |

All three need instances, and the last two of them no queue: InvokeEndpointAsync names neither a
model nor a container (botocore). Limits: botocore, ``ContainerDefinition``,
``InferenceExecutionConfig``; at most 15 containers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import CfnCondition, Fn, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving.model import (
    BoundContainer,
    BoundModel,
    ModelSource,
    check_environment,
    check_image,
    check_readable,
    check_repositories,
)

_MOST = 15
_HOST_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True, kw_only=True)
class MultiModel:
    """One container that loads the model that a request names, and forgets those not asked for.

    A new archive below the prefix can be asked for at once, without a deployment: there is no
    canary for it. Deployments change the image, the environment and the instances.

    Attributes:
        image: An image that can serve many models (label
            ``com.amazonaws.sagemaker.capabilities.multi-models``).
        models_url: The ``s3://`` URL of the prefix with the archives, with a slash at its end.
        buckets: The bucket that they lie in.
        image_repository_arns: The ECR repository of the image.
        environment: Environment variables of the container, as for `ModelArtifact`.
        cache: Whether models stay in memory; off for many models that are seldom asked for.
    """

    image: str
    models_url: str
    buckets: Sequence[s3.IBucket]
    image_repository_arns: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    cache: bool = True

    @property
    def sources(self) -> Sequence[MultiModel]:
        """Itself: what the role must be able to read."""
        return (self,)

    @property
    def needs_network(self) -> bool:
        """The service loads the models, not the container."""
        return False

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        check_image(problems, f"{what}.image", self.image)
        if not is_token(self.models_url):
            problems.check(
                bool(re.fullmatch(r"s3://[^/]+/(.*/)?", self.models_url)),
                f"{what}.models_url",
                got=self.models_url,
                allowed="the S3 URL of a prefix, with a slash at its end",
                instead=f"Write {_prefix(self.models_url)!r}.",
            )
        for name, given in (
            ("buckets", self.buckets),
            ("image_repository_arns", self.image_repository_arns),
        ):
            problems.check(
                bool(given),
                f"{what}.{name}",
                got=given,
                allowed="one or more",
                instead="Name what the role of the endpoint must be able to read.",
            )
        check_repositories(problems, what, self.image_repository_arns)
        check_readable(problems, f"{what}.models_url", self.models_url, self.buckets)
        check_environment(problems, f"{what}.environment", [self.environment])

    def to_model(self, scope: Construct) -> BoundModel:
        """The container in multi-model mode."""
        del scope
        container: dict[str, Any] = {
            "image": self.image,
            "mode": "MultiModel",
            "modelDataUrl": self.models_url,
        }
        if not self.cache:
            container["multiModelConfig"] = {"modelCacheSetting": "Disabled"}
        if self.environment:
            container["environment"] = dict(self.environment)
        return BoundModel({"primary_container": container})


@dataclass(frozen=True)
class SerialPipeline:
    """Containers that a request goes through one after the other, on the same instance.

    Attributes:
        containers: 2 to 15 of them, in their order.
    """

    containers: Sequence[ModelSource]

    @property
    def sources(self) -> Sequence[ModelSource]:
        """What the role must be able to read."""
        return tuple(self.containers)

    @property
    def needs_network(self) -> bool:
        """Whether any container fetches something itself."""
        return any(source.needs_network for source in self.containers)

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        _check_containers(
            problems,
            f"{what}.containers",
            {f"[{index}]": source for index, source in enumerate(self.containers)},
        )

    def to_model(self, scope: Construct) -> BoundModel:
        """The containers in their order."""
        bound = [
            source.bind(Construct(scope, f"Container{index}"))
            for index, source in enumerate(self.containers, 1)
        ]
        return _several(scope, bound, [each.container for each in bound], "Serial")


@dataclass(frozen=True)
class DirectContainers:
    """Containers that are asked one by one, on the same instances.

    Attributes:
        containers: 2 to 15 of them by host name, which requests carry as
            ``TargetContainerHostname``.
    """

    containers: Mapping[str, ModelSource]

    @property
    def sources(self) -> Sequence[ModelSource]:
        """What the role must be able to read."""
        return tuple(self.containers.values())

    @property
    def needs_network(self) -> bool:
        """Whether any container fetches something itself."""
        return any(source.needs_network for source in self.containers.values())

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        wrong = [name for name in self.containers if not _HOST_NAME.fullmatch(name)]
        problems.check(
            not wrong,
            f"{what}.containers",
            got=wrong,
            allowed="host names of 1 to 63 letters, digits and inner hyphens",
            instead="Write names such as 'ranker'.",
        )
        _check_containers(
            problems,
            f"{what}.containers",
            {f"[{name!r}]": source for name, source in self.containers.items()},
        )

    def to_model(self, scope: Construct) -> BoundModel:
        """The containers with their host names."""
        bound = {
            name: source.bind(Construct(scope, f"Container-{name}"))
            for name, source in self.containers.items()
        }
        containers = [each.container | {"containerHostname": name} for name, each in bound.items()]
        return _several(scope, list(bound.values()), containers, "Direct")


def all_of(
    scope: Construct, construct_id: str, conditions: Sequence[CfnCondition | None]
) -> CfnCondition | None:
    """A condition that is true once all of these are; None if there is none."""
    given = [condition for condition in conditions if condition is not None]
    if len(given) < 2:
        return given[0] if given else None
    both = Fn.condition_and(*given)  # type: ignore[arg-type] # jsii: a condition is an expression
    return CfnCondition(scope, construct_id, expression=both)


def _several(
    scope: Construct,
    bound: Sequence[BoundContainer],
    containers: list[dict[str, Any]],
    mode: str,
) -> BoundModel:
    return BoundModel(
        {"containers": containers, "inference_execution_config": {"mode": mode}},
        all_of(scope, "AllAreApproved", [each.condition for each in bound]),
        tuple(each.bundle for each in bound if each.bundle is not None),
    )


def _check_containers(problems: Problems, what: str, containers: Mapping[str, ModelSource]) -> None:
    problems.check(
        2 <= len(containers) <= _MOST,
        what,
        got=f"{len(containers)} containers",
        allowed=f"2 to {_MOST}",
        instead="For one container give it as the model itself.",
    )
    for place, source in containers.items():
        if isinstance(source, ModelSource):
            source.check(problems, what + place)
        else:
            problems.add(
                what + place,
                got=source,
                allowed=" or ".join(kind.__name__ for kind in ModelSource.__args__),
                instead="Write ModelArtifact(...).",
            )
    check_environment(
        problems,
        what,
        [getattr(source, "environment", {}) for source in containers.values()],
    )


def _prefix(url: str) -> str:
    bucket = url.removeprefix("s3://").split("/")[0] or "bucket"
    return f"s3://{bucket}/models/"
