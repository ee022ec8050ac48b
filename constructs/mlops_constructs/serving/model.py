"""Which model an endpoint serves: what was approved, one package, or image and artifact.

| source | changes when | use it for |
|---|---|---|
| `ApprovedModel` | a package is approved (see `ModelRelease`) | following a registry |
| `ModelPackage` | the code names another version | a pinned version |
| `ModelArtifact` | the code names another image or artifact | models without a registry |

Only the package itself knows its image and its artifact, so that all three are told which buckets
and repositories the endpoint's role may read: the grants are exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import CfnCondition, CfnParameter, Fn, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_literal, is_token

#: What the parameter of an `ApprovedModel` holds before the first approval.
NO_MODEL = "none"

_PACKAGE_ARN = re.compile(
    r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]+:\d{12}:model-package/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    r"(/\d{1,9})?"
)
_PARAMETER_NAME = re.compile(r"[a-zA-Z0-9_.\-/]{1,1011}")


@dataclass(frozen=True)
class BoundModel:
    """A model source inside a stack.

    Attributes:
        container: The container definition (L1 spelling).
        condition: True once there is a model; None where there always is one.
    """

    container: dict[str, Any]
    condition: CfnCondition | None = None


@dataclass(frozen=True, kw_only=True)
class _ModelSource:
    """What the role of the endpoint may read.

    Attributes:
        buckets: The buckets that model artifacts lie in; an imported bucket needs its key.
        image_repository_arns: The ECR repositories of the images, those of AWS included.
    """

    buckets: Sequence[s3.IBucket]
    image_repository_arns: Sequence[str]

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        for what, given, instead in (
            ("model.buckets", self.buckets, "Name the bucket that training writes models to."),
            (
                "model.image_repository_arns",
                self.image_repository_arns,
                "Name the ECR repository of the inference image.",
            ),
        ):
            problems.check(bool(given), what, got=given, allowed="one or more", instead=instead)


@dataclass(frozen=True, kw_only=True)
class ApprovedModel(_ModelSource):
    """The model package whose ARN an SSM parameter holds.

    CloudFormation resolves the parameter at every update of the stack, with the previous template
    too. While it holds ``none`` there is no model and no endpoint: the stack deploys without them,
    and the first approval creates them. The parameter must exist when the stack is deployed.

    Attributes:
        parameter_name: The parameter's name, known at synth.
    """

    parameter_name: str

    def check(self, problems: Problems) -> None:
        """Note what CloudFormation would refuse."""
        super().check(problems)
        problems.check(
            is_literal(self.parameter_name)
            and bool(_PARAMETER_NAME.fullmatch(self.parameter_name)),
            "model.parameter_name",
            got=self.parameter_name,
            allowed="a literal name of letters, digits and _ . - /, as the default of a template "
            "parameter cannot refer to a resource",
            instead="Write '/mlops/<project>/<environment>/approved-model'.",
        )

    def bind(self, scope: Construct) -> BoundModel:
        """Make the template parameter and the condition that a model was approved."""
        parameter = CfnParameter(
            scope,
            "ApprovedModelPackage",
            type="AWS::SSM::Parameter::Value<String>",
            default=self.parameter_name,
            description=f"ARN of the approved model package, or '{NO_MODEL}'",
        )
        condition = CfnCondition(
            scope,
            "ModelIsApproved",
            expression=Fn.condition_not(Fn.condition_equals(parameter.value_as_string, NO_MODEL)),
        )
        return BoundModel({"modelPackageName": parameter.value_as_string}, condition)


@dataclass(frozen=True, kw_only=True)
class ModelPackage(_ModelSource):
    """One version of a model package.

    Attributes:
        arn: The ARN of the version.
    """

    arn: str

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        super().check(problems)
        if not is_token(self.arn):
            problems.check(
                bool(_PACKAGE_ARN.fullmatch(self.arn)),
                "model.arn",
                got=self.arn,
                allowed="the ARN of a model package",
                instead="Write 'arn:aws:sagemaker:<region>:<account>:model-package/<group>/1'.",
            )

    def bind(self, _scope: Construct) -> BoundModel:
        """Take the package as it is."""
        return BoundModel({"modelPackageName": self.arn})


@dataclass(frozen=True, kw_only=True)
class ModelArtifact(_ModelSource):
    """An image with a model artifact.

    A new artifact under the same key is no change to CloudFormation: put a version or a hash into
    the key.

    Attributes:
        image: The URI of the inference image.
        model_data_url: The ``s3://`` URL of ``model.tar.gz``.
        environment: Environment variables of the container: at most 100, keys and values of at
            most 1024 characters each and 32 KiB in total.
    """

    image: str
    model_data_url: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        super().check(problems)
        if not is_token(self.image):
            problems.check(
                bool(re.fullmatch(r"\S{1,255}", self.image)),
                "model.image",
                got=self.image,
                allowed="an image URI of 1 to 255 characters without spaces",
                instead="Write '<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>'.",
            )
        if not is_token(self.model_data_url):
            problems.check(
                bool(re.fullmatch(r"s3://[^/]+/.+", self.model_data_url)),
                "model.model_data_url",
                got=self.model_data_url,
                allowed="an S3 URL with a bucket and a key",
                instead="Write 's3://<bucket>/<version>/model.tar.gz'.",
            )
        longest = max((len(text) for pair in self.environment.items() for text in pair), default=0)
        size = sum(
            len(key.encode()) + len(value.encode()) for key, value in self.environment.items()
        )
        problems.check(
            len(self.environment) <= 100 and longest <= 1024 and size <= 32768,
            "model.environment",
            got=f"{len(self.environment)} variables, the longest text of {longest} characters, "
            f"{size} bytes in total",
            allowed="100 variables, texts of 1024 characters, 32768 bytes in total",
            instead="Put large settings into the model artifact.",
        )

    def bind(self, _scope: Construct) -> BoundModel:
        """Take image and artifact as they are."""
        container: dict[str, Any] = {"image": self.image, "modelDataUrl": self.model_data_url}
        if self.environment:
            container["environment"] = dict(self.environment)
        return BoundModel(container)


ServedModel = ApprovedModel | ModelPackage | ModelArtifact
