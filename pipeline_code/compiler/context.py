"""What a ``pipeline.py`` may ask of the compiler.

A use case's ``pipeline.py`` defines ``build(context: Context) -> Pipeline``. Whatever differs
between accounts, regions and environments comes from the context, so that it can be recorded.
"""

import dataclasses
import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_code.compiler.errors import CompileError
from pipeline_code.compiler.sentinels import Sentinels

if TYPE_CHECKING:
    from sagemaker.core.workflow.pipeline_context import PipelineSession

# Scripts that use cases share: in files of a bundle, ``../tabular/train_table.py``.
_SHARED = "tabular"
_BUNDLE_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A step's code: a .tar.gz with the files side by side at its root.

    Attributes:
        uri: S3 URI of the archive (a place-holder).
        file: File name of the archive (a place-holder).
        entry: The file to run, by its name within the archive.
        files: The sources, relative to the use case's folder.
    """

    uri: str
    file: str
    entry: str
    files: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Image:
    """Where AWS keeps a framework's container image.

    Attributes:
        repository: Name of the ECR repository.
        tag: Tag of the image.
        registries: Account that owns the repository, by region.
    """

    framework: str
    version: str
    repository: str
    tag: str
    registries: dict[str, str]


class Context:
    """Hands out place-holders and remembers what the pipeline uses.

    Attributes:
        session: The offline session that every SDK object takes as ``sagemaker_session``.
    """

    def __init__(self, *, folder: Path, session: "PipelineSession", sentinels: Sentinels) -> None:
        self.session = session
        self._folder = folder
        self._sentinels = sentinels
        self._bundles: dict[str, Bundle] = {}
        self._images: dict[str, Image] = {}

    @property
    def bundles(self) -> dict[str, Bundle]:
        """The code bundles asked for so far, by name."""
        return dict(self._bundles)

    @property
    def images(self) -> dict[str, Image]:
        """The container images asked for so far, by framework."""
        return dict(self._images)

    def role(self, job: str) -> str:
        """The ARN of the role for a kind of job: processing, training or model."""
        return self._sentinels.role(job)

    def bucket(self, use: str) -> str:
        """The name of a bucket: artifacts (read and written) or data (read)."""
        return self._sentinels.bucket(use)

    def model_package_group(self) -> str:
        """The name of the group that model versions are registered in."""
        return self._sentinels.model_package_group()

    def function(self, name: str) -> str:
        """The ARN of a Lambda function; ``functions`` of the construct says which.

        Args:
            name: What the construct calls it: lower-case letters, digits and inner hyphens.
        """
        return self._sentinels.function(name)

    def queue(self, name: str) -> str:
        """The URL of an SQS queue for callbacks; ``queues`` of the construct says which.

        Args:
            name: What the construct calls it, as in `function`.
        """
        return self._sentinels.queue(name)

    def emr_role(self, name: str) -> str:
        """The ARN of a role for EMR or EMR Serverless; ``emr_roles`` of the construct says which.

        Args:
            name: What the construct calls it, as in `function`.
        """
        return self._sentinels.emr_role(name)

    def value(self, name: str) -> str:
        """Anything else that a deployment knows, such as the id of an EMR cluster.

        Args:
            name: ``bindings={"value.<name>": …}`` of the construct gives it its value.
        """
        return self._sentinels.value(name)

    def image(self, framework: str, *, version: str) -> str:
        """The URI of a framework's container image.

        Args:
            framework: Name of a list of images in the SDK, such as "xgboost".
            version: A version in that list, such as "3.2-0".

        Raises:
            CompileError: The SDK knows no such image, or the pipeline uses two versions.
        """
        image = _find_image(framework, version)
        known = self._images.setdefault(framework, image)
        if known.version != version:
            raise CompileError(
                f"The pipeline uses {framework} {known.version} and {version}. "
                "Train and serve with one version: a model need not load in another."
            )
        return self._sentinels.image(framework)

    def bundle(self, name: str, *, entry: str, files: list[str]) -> Bundle:
        """Declare a step's code.

        Args:
            name: Name of the bundle: lower-case letters, digits and underscores.
            entry: Which file is run, as its file name.
            files: Sources relative to the use case's folder, in it or in ``../tabular/``. In the
                archive they stand side by side under their file names, the way script mode imports
                them.

        Raises:
            CompileError: A file is missing, outside the use case's folder or named like
                another one, or the entry isn't among them.
        """
        if not _BUNDLE_NAME.fullmatch(name):
            raise CompileError(
                f"Bundle name '{name}': use lower-case letters, digits and underscores, "
                "beginning with a letter."
            )
        if name in self._bundles:
            raise CompileError(f"Bundle '{name}' is declared twice: keep the first in a variable.")
        for file in files:
            path = (self._folder / file).resolve()
            shared = (self._folder.resolve().parent / _SHARED).resolve()
            if not path.is_relative_to(self._folder.resolve()) and not path.is_relative_to(shared):
                raise CompileError(
                    f"Bundle '{name}': '{file}' is outside {self._folder.name}/ and ../{_SHARED}/."
                )
            if not path.is_file():
                raise CompileError(f"Bundle '{name}': there is no file {self._folder.name}/{file}.")
        names = [Path(file).name for file in files]
        if twice := sorted({each for each in names if names.count(each) > 1}):
            raise CompileError(
                f"Bundle '{name}': two files are named {', '.join(twice)}, but the archive is flat."
            )
        if entry not in names:
            raise CompileError(f"Bundle '{name}': entry '{entry}' is none of {', '.join(names)}.")
        bundle = Bundle(
            uri=self._sentinels.code_uri(name),
            file=self._sentinels.code_file(name),
            entry=entry,
            files=tuple(sorted(files)),
        )
        self._bundles[name] = bundle
        return bundle


def _find_image(framework: str, version: str) -> Image:
    """Look an image up in the lists that the SDK carries (it resolves them offline as well)."""
    lists = resources.files("sagemaker.core") / "image_uri_config"
    source = lists / f"{framework}.json"
    if not re.fullmatch(r"[a-z0-9-]+", framework) or not source.is_file():
        raise CompileError(f"The SDK has no list of images named '{framework}'.")
    scopes = json.loads(source.read_text(encoding="utf-8"))
    scope = next((name for name in ("training", "processing") if name in scopes), None)
    versions = scopes.get(scope, scopes).get("versions", {})
    if version not in versions:
        raise CompileError(
            f"The SDK knows no {framework} image of version '{version}'. "
            f"Known: {', '.join(sorted(versions))}."
        )
    found = versions[version]
    return Image(
        framework=framework,
        version=version,
        repository=found["repository"],
        tag=_tag(framework, version, scope=scope, region=min(found["registries"])),
        registries=dict(sorted(found["registries"].items())),
    )


def _tag(framework: str, version: str, *, scope: str | None, region: str) -> str:
    """The image's tag, or none: the SDK has rules of its own (processor, Python version)."""
    from sagemaker.core import image_uris

    uri: str = image_uris.retrieve(
        framework,
        region=region,
        version=version,
        image_scope=scope,
        instance_type="ml.m5.large",
    )
    return uri.partition(":")[2]
