"""One build of AWS CodeBuild: the commands of a buildspec, in a process of its own.

No image is pulled: the build runs with the machine's own Python and Node.js. What a build sees of
AWS is as it is there: variables that begin with ``CODEBUILD_``, one folder for each input, and the
credentials of the project's role from a container endpoint, not from variables.

Facts: CodeBuild user guide, "Environment variables in build environments" and "Build
specification reference" (version 0.2: all commands of a build share one shell).
"""

from __future__ import annotations

import io
import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.compute.process import ContainedProcess

_PHASES = ("install", "pre_build", "build", "post_build")
_GRACE_SECONDS = 10.0
_SYMLINK = 0o120000


class BuildError(Exception):
    """Why a build failed, in one line."""


@dataclass(frozen=True)
class Build:
    """What is run.

    Args:
        project: Name of the project.
        build_id: ``project:uuid``.
        buildspec: The text of the buildspec; JSON is YAML.
        inputs: The zipped artifacts by name; the first is the primary source.
        variables: The environment of the commands, without the machine's own.
        minutes: The project's time limit.
    """

    project: str
    build_id: str
    buildspec: str
    inputs: Mapping[str, bytes]
    variables: Mapping[str, str]
    minutes: float


def run_build(
    build: Build,
    *,
    folder: Path,
    on_lines: Callable[[Sequence[str]], None],
    stop: threading.Event,
) -> bytes | None:
    """Run a build; returns its zipped artifact, if its buildspec names one.

    Args:
        build: The build.
        folder: A folder for this build alone, which is removed at the end.
        on_lines: Takes the log.
        stop: Set it to stop the build.

    Raises:
        BuildError: A command failed, the time is over, or the artifact is not there.
    """
    try:
        return _run(build, folder, on_lines, stop)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    build: Build,
    folder: Path,
    on_lines: Callable[[Sequence[str]], None],
    stop: threading.Event,
) -> bytes | None:
    specification = _read(build.buildspec)
    variables = dict(build.variables)
    for number, (name, content) in enumerate(build.inputs.items()):
        target = folder / "src" / name
        _unpack(content, target)
        variables[f"CODEBUILD_SRC_DIR_{name}" if number else "CODEBUILD_SRC_DIR"] = str(target)
    source = Path(variables["CODEBUILD_SRC_DIR"])
    home = folder / "home"
    home.mkdir()
    script = folder / "commands.sh"
    script.write_text(_script(specification), encoding="utf-8")
    process = ContainedProcess(
        ["bash", str(script)],
        env=variables
        | {
            "HOME": str(home),
            "CI": "true",
            "CODEBUILD_BUILD_ID": build.build_id,
            "CODEBUILD_INITIATOR": f"codepipeline/{build.project}",
        },
        cwd=source,
        on_lines=on_lines,
    )
    ended = process.wait(stop=stop, max_seconds=build.minutes * 60, grace_seconds=_GRACE_SECONDS)
    if ended != "exited":
        raise BuildError(f"Build {ended} after at most {build.minutes:.0f} minutes")
    if process.exit_code:
        last = next((line for line in reversed(process.tail) if line.strip()), "")
        raise BuildError(
            f"COMMAND_EXECUTION_ERROR: exit status {process.exit_code}. Its last line: {last}"
        )
    return _artifact(specification.get("artifacts"), source)


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BuildError(
            "YAML_FILE_ERROR: the local cloud reads inline buildspecs in JSON, as the CDK's "
            f"BuildSpec.from_object writes them: {error}"
        ) from error
    if not isinstance(found, dict) or str(found.get("version")) != "0.2":
        raise BuildError("YAML_FILE_ERROR: the local cloud runs buildspecs of version 0.2")
    return found


def _script(specification: Mapping[str, Any]) -> str:
    lines = ["set -e"]
    for phase in _PHASES:
        content = specification.get("phases", {}).get(phase, {})
        if content.get("commands"):
            lines.append(f"echo '[Container] Entering phase {phase.upper()}'")
            lines.extend(content["commands"])
    return "\n".join(lines) + "\n"


def _artifact(wanted: Mapping[str, Any] | None, source: Path) -> bytes | None:
    if not wanted:
        return None
    base = source / wanted.get("base-directory", ".")
    found = sorted(
        {path for pattern in wanted["files"] for path in base.glob(pattern) if not path.is_dir()}
    )
    if not found:
        raise BuildError(f"CLIENT_ERROR: no matching artifact paths found in {base.name}")
    return zipped((path, path.relative_to(base)) for path in found)


def zipped(files: Any) -> bytes:
    """A zip archive of pairs of a file and its name; links stay links."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, name in files:
            if path.is_symlink():
                entry = zipfile.ZipInfo(str(name))
                entry.create_system = 3
                entry.external_attr = (_SYMLINK | 0o777) << 16
                archive.writestr(entry, str(path.readlink()))
            else:
                archive.write(path, str(name))
    return buffer.getvalue()


def _unpack(content: bytes, target: Path) -> None:
    target.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if mode & 0o170000 == _SYMLINK:
                path = target / entry.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(archive.read(entry).decode())
                continue
            written = Path(archive.extract(entry, target))
            if mode & 0o777 and written.is_file():
                written.chmod(mode & 0o777)
