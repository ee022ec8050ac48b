"""Which model an endpoint serves: what was approved, one package, or image and artifact.

| source | changes when | use it for |
|---|---|---|
| `ApprovedModel` | a package is approved (see `ModelRelease`) | following a registry |
| `ModelPackage` | the code names another version | a pinned version |
| `ModelArtifact` | the code names another image or artifact | models without a registry |
| `ModelFolder` | a file of the folder changes | a small model beside its code |

Only the package itself knows its image and its artifact, so that the sources are told which buckets
and repositories the endpoint's role may read: the grants are exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws_cdk import CfnCondition, CfnParameter, Fn, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.approved_parameter import NO_MODEL
from mlops_constructs.common.bundles import CodeBundle, code_bundle
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_literal, is_token

_PACKAGE_ARN = re.compile(
    r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]+:\d{12}:model-package/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    r"(/\d{1,9})?"
)
_REPOSITORY_ARN = re.compile(r"arn:[^:]+:ecr:[^:]*:[^:]*:repository/.+")
# botocore, EnvironmentKey.
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_PARAMETER_NAME = re.compile(r"[a-zA-Z0-9_.\-/]{1,1011}")


@dataclass(frozen=True)
class BoundContainer:
    """A model source inside a stack.

    Attributes:
        container: The container definition (L1 spelling).
        condition: True once there is a model; None where there always is one.
        bundle: The archive of files that the role must be able to read, if there is one.
    """

    container: dict[str, Any]
    condition: CfnCondition | None = None
    bundle: CodeBundle | None = None


@dataclass(frozen=True)
class BoundModel:
    """What a model consists of inside a stack.

    Attributes:
        properties: The properties of ``CfnModel`` that say what it consists of.
        condition: True once all of it is there; None where it always is.
        bundles: The archives of files that the role must be able to read.
    """

    properties: dict[str, Any]
    condition: CfnCondition | None = None
    bundles: tuple[CodeBundle, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _ModelSource:
    """What the role of the endpoint may read.

    Attributes:
        buckets: The buckets that model artifacts lie in; an imported bucket needs its key.
        image_repository_arns: The ECR repositories of the images, those of AWS included.
    """

    buckets: Sequence[s3.IBucket]
    image_repository_arns: Sequence[str]

    @property
    def sources(self) -> Sequence[_ModelSource]:
        """Itself: a model of one container."""
        return (self,)

    @property
    def needs_network(self) -> bool:
        """Whether the container itself fetches something, which isolation would prevent."""
        return False

    @property
    def uses_data_source(self) -> bool:
        """Whether the model is uncompressed, which serverless and multi-model know not."""
        return False

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse.

        Args:
            problems: Where to note it.
            what: What errors call the source.
        """
        for name, given, instead in (
            ("buckets", self.buckets, "Name the bucket that training writes models to."),
            (
                "image_repository_arns",
                self.image_repository_arns,
                "Name the ECR repository of the inference image.",
            ),
        ):
            problems.check(
                bool(given), f"{what}.{name}", got=given, allowed="one or more", instead=instead
            )
        check_repositories(problems, what, self.image_repository_arns)

    def bind(self, scope: Construct) -> BoundContainer:
        """The container definition; what it needs in the stack is made below ``scope``."""
        raise NotImplementedError

    def to_model(self, scope: Construct) -> BoundModel:
        """A model of this one container."""
        bound = self.bind(scope)
        return BoundModel(
            {"primary_container": bound.container},
            bound.condition,
            () if bound.bundle is None else (bound.bundle,),
        )


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

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what CloudFormation would refuse."""
        super().check(problems, what)
        problems.check(
            is_literal(self.parameter_name)
            and bool(_PARAMETER_NAME.fullmatch(self.parameter_name)),
            f"{what}.parameter_name",
            got=self.parameter_name,
            allowed="a literal name of letters, digits and _ . - /, as the default of a template "
            "parameter cannot refer to a resource",
            instead="Write '/mlops/<project>/<environment>/approved-model'.",
        )

    def bind(self, scope: Construct) -> BoundContainer:
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
        return BoundContainer({"modelPackageName": parameter.value_as_string}, condition)


@dataclass(frozen=True, kw_only=True)
class ModelPackage(_ModelSource):
    """One version of a model package.

    Attributes:
        arn: The ARN of the version.
    """

    arn: str

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        super().check(problems, what)
        if not is_token(self.arn):
            problems.check(
                bool(_PACKAGE_ARN.fullmatch(self.arn)),
                f"{what}.arn",
                got=self.arn,
                allowed="the ARN of a model package",
                instead="Write 'arn:aws:sagemaker:<region>:<account>:model-package/<group>/1'.",
            )

    def bind(self, scope: Construct) -> BoundContainer:
        """Take the package as it is."""
        del scope
        return BoundContainer({"modelPackageName": self.arn})


@dataclass(frozen=True, kw_only=True)
class InferenceCode:
    """The scripts that answer requests, for AWS's framework containers.

    Attributes:
        folder: Where they lie; all files below it go along.
        entry_point: The script that the container loads, relative to the folder.
    """

    folder: str | Path
    entry_point: str = "inference.py"

    def check(self, problems: Problems, what: str) -> None:
        """Note a script that is not there."""
        problems.check(
            Path(self.folder, self.entry_point).is_file(),
            f"{what}.code",
            got=str(Path(self.folder, self.entry_point)),
            allowed="a script that exists",
            instead="Write InferenceCode(folder='inference', entry_point='inference.py').",
        )


@dataclass(frozen=True, kw_only=True)
class ModelArtifact(_ModelSource):
    """An image with a model artifact.

    A new artifact under the same key is no change to CloudFormation: put a version or a hash into
    the key.

    Attributes:
        image: The URI of the inference image.
        model_data_url: The ``s3://`` URL of ``model.tar.gz``, or of a prefix with a slash at its
            end for a model that is not compressed, as large ones are. None if it is in the image.
        environment: Environment variables of the container: at most 100, keys and values of at
            most 1024 characters each and 32 KiB in total.
        code: Scripts from the repository of the app. The container fetches them itself, which
            needs ``network_isolation=False``; in ``model.tar.gz`` below ``code/`` they need not.
    """

    image: str
    model_data_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    code: InferenceCode | None = None

    @property
    def needs_network(self) -> bool:
        """Whether the container fetches its code."""
        return self.code is not None

    @property
    def uses_data_source(self) -> bool:
        """Whether the model is a prefix of files."""
        return self.model_data_url is not None and self.model_data_url.endswith("/")

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        super().check(problems, what)
        check_image(problems, f"{what}.image", self.image)
        if is_literal(self.model_data_url):
            if not self.uses_data_source:
                check_archive(problems, f"{what}.model_data_url", self.model_data_url, "model")
            check_readable(problems, f"{what}.model_data_url", self.model_data_url, self.buckets)
        check_environment(problems, f"{what}.environment", [self.environment])
        if self.code is not None:
            self.code.check(problems, what)

    def bind(self, scope: Construct) -> BoundContainer:
        """Take image and artifact as they are, and ship the code."""
        container: dict[str, Any] = {"image": self.image}
        if self.uses_data_source:
            source = {
                "s3Uri": self.model_data_url,
                "s3DataType": "S3Prefix",
                "compressionType": "None",
            }
            container["modelDataSource"] = {"s3DataSource": source}
        elif self.model_data_url is not None:
            container["modelDataUrl"] = self.model_data_url
        environment = dict(self.environment)
        bundle = None
        if self.code is not None:
            bundle = code_bundle(scope, "Code", _files(self.code.folder))
            # What the SageMaker SDK's framework models set (sagemaker.model, script mode).
            environment |= {
                "SAGEMAKER_PROGRAM": self.code.entry_point,
                "SAGEMAKER_SUBMIT_DIRECTORY": bundle.s3_object_url,
            }
        if environment:
            container["environment"] = environment
        return BoundContainer(container, bundle=bundle)


@dataclass(frozen=True, kw_only=True)
class ModelFolder(_ModelSource):
    """A model beside the code of the app, shipped with it as ``model.tar.gz``.

    For small models: the archive is made at synth and goes to the bootstrap's asset bucket. Its
    name is a hash of its content, so that a changed file is a new model. The container needs no
    network for its code, which is in the archive below ``code/``.

    Attributes:
        image: The URI of the inference image.
        folder: Where the files of the model lie.
        environment: Environment variables of the container, as for `ModelArtifact`.
        code: Scripts that go along.
    """

    buckets: Sequence[s3.IBucket] = ()
    image: str
    folder: str | Path
    environment: Mapping[str, str] = field(default_factory=dict)
    code: InferenceCode | None = None

    def check(self, problems: Problems, what: str = "model") -> None:
        """Note what the service would refuse."""
        problems.check(
            bool(self.image_repository_arns),
            f"{what}.image_repository_arns",
            got=self.image_repository_arns,
            allowed="one or more",
            instead="Name the ECR repository of the inference image.",
        )
        check_repositories(problems, what, self.image_repository_arns)
        check_image(problems, f"{what}.image", self.image)
        problems.check(
            Path(self.folder).is_dir() and any(_files(self.folder)),
            f"{what}.folder",
            got=str(self.folder),
            allowed="a folder with the files of the model",
            instead="Write the folder that training saved the model to.",
        )
        check_environment(problems, f"{what}.environment", [self.environment])
        if self.code is not None:
            self.code.check(problems, what)

    def bind(self, scope: Construct) -> BoundContainer:
        """Pack model and code."""
        files = _files(self.folder)
        environment = dict(self.environment)
        if self.code is not None:
            files |= {f"code/{name}": path for name, path in _files(self.code.folder).items()}
            environment |= {
                "SAGEMAKER_PROGRAM": self.code.entry_point,
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            }
        bundle = code_bundle(scope, "Model", files)
        container: dict[str, Any] = {"image": self.image, "modelDataUrl": bundle.s3_object_url}
        if environment:
            container["environment"] = environment
        return BoundContainer(container, bundle=bundle)


ModelSource = ApprovedModel | ModelPackage | ModelArtifact | ModelFolder


def check_image(problems: Problems, what: str, image: str) -> None:
    """Note an image URI that the service would refuse."""
    if is_token(image):
        return
    problems.check(
        bool(re.fullmatch(r"\S{1,255}", image)) and "://" not in image,
        what,
        got=image,
        allowed="an image URI of 1 to 255 characters without spaces and without a scheme",
        instead="Write '<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>'.",
    )


def check_archive(problems: Problems, what: str, url: str, name: str) -> None:
    """Note a URL that is not of one archive (botocore, ``ModelDataUrl`` and ``ArtifactUrl``)."""
    problems.check(
        is_token(url) or bool(re.fullmatch(r"s3://[^/]+/.+\.(tar\.gz|tgz)", url)),
        what,
        got=url,
        allowed="the S3 URL of a gzip compressed tar archive",
        instead=f"Write 's3://<bucket>/<version>/{name}.tar.gz'.",
    )


def check_readable(problems: Problems, what: str, url: str, buckets: Sequence[s3.IBucket]) -> None:
    """Note a bucket that the role is not allowed to read, where all names are known."""
    names = [bucket.bucket_name for bucket in buckets]
    if is_token(url) or is_token(names) or not names or not url.startswith("s3://"):
        return
    problems.check(
        url.removeprefix("s3://").partition("/")[0] in names,
        what,
        got=url,
        allowed=f"a URL of the buckets that the role may read: {', '.join(names)}",
        instead="Add its bucket to buckets.",
    )


def check_repositories(problems: Problems, what: str, arns: Sequence[str]) -> None:
    """Note what no ECR repository is called."""
    for index, arn in enumerate(arns):
        problems.check(
            is_token(arn) or bool(_REPOSITORY_ARN.fullmatch(arn)),
            f"{what}.image_repository_arns[{index}]",
            got=arn,
            allowed="the ARN of an ECR repository",
            instead="Write 'arn:aws:ecr:<region>:<account>:repository/<name>', or take "
            "repository.repository_arn.",
        )


def check_environment(
    problems: Problems, what: str, environments: Sequence[Mapping[str, str]]
) -> None:
    """Note environments that are too large; the 32 KiB are for all containers of a model."""
    wrong = [
        name
        for each in environments
        for name in each
        if not is_token(name) and not _VARIABLE.fullmatch(name)
    ]
    problems.check(
        not wrong,
        what,
        got=wrong,
        allowed="names of letters, digits and underscores that begin with none of the digits",
        instead="Write names such as 'BATCH_SIZE'.",
    )
    texts = [text for each in environments for pair in each.items() for text in pair]
    most = max((len(each) for each in environments), default=0)
    longest = max(map(len, texts), default=0)
    size = sum(len(text.encode()) for text in texts)
    problems.check(
        most <= 100 and longest <= 1024 and size <= 32768,
        what,
        got=f"{most} variables, the longest text of {longest} characters, {size} bytes in total",
        allowed="100 variables, texts of 1024 characters, 32768 bytes in total",
        instead="Put large settings into the model artifact.",
    )


def _files(folder: str | Path) -> dict[str, Path]:
    """All files below a folder by their relative path, without what Python leaves behind."""
    root = Path(folder)
    return {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
