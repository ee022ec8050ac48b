"""A compiled pipeline definition, read from the folder of its use case.

The compiler writes ``definition.json`` and ``definition.lock.json``; the lock says which sources
shaped the definition, so that a stale one is refused here without importing the SageMaker SDK.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.files import source_checksum
from mlops_constructs.training.checks import check_document
from mlops_constructs.training.document import Json, Step, find_steps
from mlops_constructs.training.parameters import Parameter, find_parameters

DEFINITION = "definition.json"
LOCK = "definition.lock.json"
#: The folder with the functions of Lambda steps, a file each, named after the sentinel.
FUNCTIONS = "functions"
_COMPILER = "pipeline_code/.venv/bin/python -m pipeline_code.compiler"
_LOCK_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class PipelineDefinition:
    """What `TrainingPipeline` deploys.

    Attributes:
        name: The use case, for messages.
        document: The definition with sentinels ``{{name}}`` for what the deployment knows.
        bundles: Step code: bundle name to files, path inside the archive to path on disk. A
            bundle is used by ``{{code.<bundle>.uri}}`` and ``{{code.<bundle>.file}}``.
        images: AWS's images: framework to version, for ``{{image.<framework>}}``.
        functions: Functions of Lambda steps: the name in ``{{function.<name>}}`` to the file.
    """

    name: str
    document: Mapping[str, Json]
    bundles: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def from_folder(cls, folder: str | Path) -> Self:
        """Read what the compiler wrote into a use case's folder.

        Args:
            folder: Such as ``pipeline_code/census_income``; relative to the working directory.

        Raises:
            ValidationError: If a file is missing or malformed, or a source was edited after the
                definition was compiled.
        """
        folder = Path(folder).absolute()
        problems = Problems(str(folder))
        document = _read(problems, folder, DEFINITION)
        lock = _read(problems, folder, LOCK)
        problems.raise_if_any()
        _check_schema(problems, folder, lock)
        _check_drift(problems, folder, lock)
        bundles = {
            name: {Path(file).name: folder / file for file in bundle["files"]}
            for name, bundle in lock["bundles"].items()
        }
        for name, files in bundles.items():
            for path in files.values():
                problems.check(
                    path.is_file(),
                    f"bundle {name!r}",
                    got=str(path),
                    allowed="a file that exists",
                    instead=f"Restore it, or take it out of pipeline.py and run: "
                    f"{_COMPILER} {folder.name}",
                )
        problems.raise_if_any()
        images = {name: image["version"] for name, image in lock["images"].items()}
        functions = {
            path.stem.replace("_", "-"): path for path in sorted(folder.glob(f"{FUNCTIONS}/*.py"))
        }
        return cls(
            name=folder.name,
            document=document,
            bundles=bundles,
            images=images,
            functions=functions,
        )

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps, those in branches included."""
        return tuple(find_steps(self.document.get("Steps")))

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """What whoever starts an execution may set, by name."""
        return find_parameters(self.document)

    def check(self, problems: Problems) -> bool:
        """Note everything that the service would refuse, or that the construct cannot deploy.

        Returns:
            Whether its parts have the form that those who read it rely on.
        """
        return check_document(problems, self.document)


def _read(problems: Problems, folder: Path, name: str) -> dict[str, Json]:
    path = folder / name
    mend = f"Run: {_COMPILER} {folder.name}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.add(name, got=f"no file {path}", allowed="a compiled definition", instead=mend)
        return {}
    except (ValueError, OSError) as error:
        problems.add(name, got=str(error), allowed="readable JSON", instead=mend)
        return {}
    if not isinstance(content, dict):
        problems.add(name, got=type(content).__name__, allowed="a JSON object", instead=mend)
        return {}
    return content


def _check_schema(problems: Problems, folder: Path, lock: Mapping[str, Json]) -> None:
    problems.check(
        lock.get("schema_version") == _LOCK_SCHEMA
        and all(isinstance(lock.get(key), dict) for key in ("sources", "bundles", "images")),
        LOCK,
        got=lock.get("schema_version"),
        allowed=f"schema_version {_LOCK_SCHEMA} with sources, bundles and images",
        instead=f"Run: {_COMPILER} {folder.name}",
    )
    problems.raise_if_any()


def _check_drift(problems: Problems, folder: Path, lock: Mapping[str, Json]) -> None:
    mend = f"Compile it again and commit both files: {_COMPILER} {folder.name}"
    problems.check(
        lock.get("definition_sha256") == source_checksum(folder / DEFINITION),
        DEFINITION,
        got="another file than the one that the lock describes",
        allowed="the file as it was compiled",
        instead=mend,
    )
    stale = [
        source
        for source, digest in lock["sources"].items()
        if source_checksum(folder.parent / source) != digest
    ]
    problems.check(
        not stale,
        DEFINITION,
        got=f"compiled before these sources were edited: {', '.join(stale)}",
        allowed="a definition compiled from the sources beside it",
        instead=mend,
    )
