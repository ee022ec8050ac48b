"""Which template files the arguments of a command mean: files, globs, cloud assemblies."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlops_constructs.rules.engine.acknowledgements import Acknowledged, read_acknowledged
from mlops_constructs.rules.engine.errors import TemplateError

_MAX_ASSEMBLIES: Final = 1000


@dataclass(frozen=True)
class Source:
    """A template file, and what a cloud assembly says about it.

    Attributes:
        path: The file.
        region: The region that it is for, when that is known.
        acknowledged: The findings that the app has acknowledged.
    """

    path: Path
    region: str | None = None
    acknowledged: Acknowledged = frozenset()


def find_sources(argument: str, region: str | None = None) -> list[Source]:
    """The templates that an argument means.

    A file is itself. A folder with a `manifest.json` is a cloud assembly (cdk.out): all its
    stacks, with their regions, and their nested stacks. Any other folder gives its
    `*.template.json`, `*.template.yaml` and `*.template.yml` files. Anything else is a glob.

    Args:
        argument: A file, a folder or a glob.
        region: The region, where an assembly does not know better.

    Raises:
        TemplateError: there is no such file, or the folder or glob has no templates.
    """
    path = Path(argument)
    if path.is_file():
        return [Source(path, region)]
    if path.is_dir():
        found = [*_in_folder(path, region)]
    elif glob.has_magic(argument):
        # Path.glob takes no absolute patterns.
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - see above
        found = [Source(Path(match), region) for match in matches if Path(match).is_file()]
    else:
        raise TemplateError("no such file", file=argument)
    if not found:
        raise TemplateError("no templates there", file=argument)
    return found


def _in_folder(folder: Path, region: str | None) -> Iterator[Source]:
    if (folder / "manifest.json").is_file():
        yield from _in_assembly(folder, region)
        return
    for pattern in ("*.template.json", "*.template.yaml", "*.template.yml"):
        for path in sorted(folder.rglob(pattern)):
            yield Source(path, region)


def _in_assembly(root: Path, region: str | None) -> Iterator[Source]:
    waiting, seen = [root], {root.resolve()}
    while waiting and len(seen) < _MAX_ASSEMBLIES:
        folder = waiting.pop(0)
        for artifact in _artifacts(folder / "manifest.json"):
            properties = artifact.get("properties")
            properties = properties if isinstance(properties, dict) else {}
            template, nested = properties.get("templateFile"), properties.get("directoryName")
            if artifact.get("type") == "aws:cloudformation:stack" and isinstance(template, str):
                known = read_acknowledged(_metadata(folder, artifact))
                source = Source(folder / template, _region(artifact) or region, known)
                yield source
                yield from nested_sources(source)
            elif artifact.get("type") == "cdk:cloud-assembly" and isinstance(nested, str):
                below = folder / nested
                if below.resolve() not in seen:
                    seen.add(below.resolve())
                    waiting.append(below)


def nested_sources(source: Source) -> Iterator[Source]:
    """The templates of the nested stacks of a synthesised template, at every level.

    The CDK uploads them as assets: `NAME.assets.json` beside `NAME.template.json` lists them.
    """
    assets = source.path.with_name(source.path.name.removesuffix(".template.json") + ".assets.json")
    if not assets.is_file():
        return
    for entry in _read_member(assets, "files").values():
        origin = entry.get("source") if isinstance(entry, dict) else None
        name = origin.get("path") if isinstance(origin, dict) else None
        if isinstance(name, str) and name.endswith(".nested.template.json"):
            yield replace(source, path=source.path.parent / name)


def _artifacts(manifest: Path) -> list[dict[str, Any]]:
    artifacts = _read_member(manifest, "artifacts").values()
    return [artifact for artifact in artifacts if isinstance(artifact, dict)]


def _metadata(folder: Path, artifact: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a stack, which may stand in a file of its own."""
    metadata, name = artifact.get("metadata"), artifact.get("additionalMetadataFile")
    found = dict(metadata) if isinstance(metadata, dict) else {}
    if isinstance(name, str) and (folder / name).is_file():
        found.update(_read_object(folder / name))
    return found


def _read_member(path: Path, member: str) -> dict[str, Any]:
    found = _read_object(path).get(member)
    if not isinstance(found, dict):
        raise TemplateError(f"not part of a cloud assembly: no {member}", file=str(path))
    return found


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise TemplateError(f"not part of a cloud assembly: {error}", file=str(path)) from None
    if not isinstance(found, dict):
        raise TemplateError("not part of a cloud assembly: no object", file=str(path))
    return found


def _region(artifact: dict[str, Any]) -> str | None:
    environment = artifact.get("environment")
    region = environment.rpartition("/")[2] if isinstance(environment, str) else ""
    return region if region and region != "unknown-region" else None
