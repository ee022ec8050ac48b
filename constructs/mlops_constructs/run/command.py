"""`mlops-constructs run`: run a pipeline on this machine, without deploying anything."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlops_constructs.common.archives import pack
from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.run import local_cloud
from mlops_constructs.run.draw import check_target, draw
from mlops_constructs.run.errors import CommandError, complain, did_you_mean
from mlops_constructs.run.parameters import Parameters, parse
from mlops_constructs.run.use_case import UseCase, compile_again

_REQUEST_VERSION = 2
_ACCOUNT = "123456789012"
_REGION = "us-east-1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Run a pipeline definition on this machine: its jobs run as processes, in the environment "
        "that stands in for AWS's containers, with the step code and the sample data of the use "
        "case's folder. Steps that are cached and unchanged are not run again. Exit status: 0 the "
        "run succeeded, 1 it failed, 2 it could not start, 130 it was interrupted."
    )
    parser.add_argument(
        "pipeline",
        metavar="PIPELINE",
        help="a use case's folder, its name in pipeline_code/, or the file of a definition",
    )
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter of the pipeline; for one that names input data, a file or folder",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--resume",
        action="store_true",
        help="go on with the last run, which failed or was interrupted, from what succeeded",
    )
    which.add_argument(
        "--only",
        metavar="STEP",
        action="append",
        default=[],
        help="run this step alone, on what the last run left; several times for several steps",
    )
    which.add_argument(
        "--from",
        dest="start",
        metavar="STEP",
        action="append",
        default=[],
        help="run this step and all that wait for it, on what the last run left",
    )
    parser.add_argument(
        "--bind",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the value of a place-holder that this machine has nothing for, such as value.cluster",
    )
    parser.add_argument(
        "--keep",
        metavar="N",
        type=int,
        help="delete the results, versions and logs of all runs but the last N when this one has "
        "ended; what these still use and what approved versions were made by stays",
    )
    parser.add_argument(
        "--dag",
        metavar="FILE",
        type=Path,
        help="draw the pipeline with the state of the run: .svg, or .mmd for Mermaid",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check what was asked for, let the local cloud run it, return its exit status."""
    try:
        use_case = UseCase.read(arguments.pipeline)
        if arguments.dag is not None:
            check_target(arguments.dag)
        _check_keep(arguments.keep, use_case)
        if use_case.stale_sources():
            print(f"{', '.join(use_case.stale_sources())} changed: compiling {use_case.name} again")
            compile_again(use_case)
            use_case = UseCase.read(arguments.pipeline)
        _check_steps(use_case, [*arguments.only, *arguments.start])
        python = local_cloud.find(use_case.folder, {step.type for step in use_case.steps.values()})
        given = _parameters(arguments, use_case)
        with tempfile.TemporaryDirectory(prefix="mlops-constructs-") as folder:
            request = Path(folder, "request.json")
            request.write_text(
                json.dumps(_request(arguments, use_case, given, Path(folder))), encoding="utf-8"
            )
            status = _hand_over([str(python), "-m", "localcloud.run", str(request)])
        if arguments.dag is not None and use_case.last_run() is not None:
            draw(use_case, arguments.dag)
    except ValidationError as error:
        return complain(CommandError(str(error)))
    except CommandError as error:
        return complain(error)
    return status


def _parameters(arguments: argparse.Namespace, use_case: UseCase) -> Parameters:
    """What the run is given; a run that goes on with another has what that one was given."""
    if arguments.resume:
        if arguments.param:
            raise CommandError(
                "--resume goes on with the parameters of the run. With others, run from the first "
                "step that they change: --from STEP --param NAME=VALUE"
            )
        return Parameters()
    earlier = use_case.last_run() if arguments.only or arguments.start else None
    return parse(arguments.param, use_case, known=(earlier or {}).get("parameters", ()))


def _request(
    arguments: argparse.Namespace, use_case: UseCase, given: Parameters, folder: Path
) -> dict[str, object]:
    """What `localcloud.run.request` reads."""
    mode = "only" if arguments.only else "from" if arguments.start else "all"
    return {
        "version": _REQUEST_VERSION,
        "pipeline": use_case.name,
        "definition": use_case.document,
        "folder": str(use_case.folder),
        "home": str(use_case.home),
        "archives": _archives(use_case, folder),
        "images": _images(use_case),
        "bindings": _bindings(arguments.bind),
        "parameters": given.values,
        "inputs": {
            name: {key: str(path) for key, path in files.items()}
            for name, files in given.inputs.items()
        },
        "mode": "resume" if arguments.resume else mode,
        "steps": [*arguments.only, *arguments.start],
        "keep": arguments.keep,
        "again": f"mlops-constructs run {shlex.quote(use_case.argument)}",
        "account": _ACCOUNT,
        "region": _REGION,
    }


def _archives(use_case: UseCase, folder: Path) -> dict[str, str]:
    """Pack the step code as a deployment would: the file's name is the hash of its content."""
    found = {}
    for name, bundle in (use_case.lock.get("bundles") or {}).items():
        files = {Path(file).name: use_case.folder / file for file in bundle["files"]}
        archive = pack(Problems(f"{use_case.folder.name}/{name}"), files)
        path = folder / f"{archive.digest}.tar.gz"
        path.write_bytes(archive.content)
        found[name] = str(path)
    return found


def _images(use_case: UseCase) -> dict[str, str]:
    found = {}
    for name, image in (use_case.lock.get("images") or {}).items():
        registries = image["registries"]
        region = _REGION if _REGION in registries else min(registries)
        registry = f"{registries[region]}.dkr.ecr.{region}.amazonaws.com"
        tag = f":{image['tag']}" if image["tag"] else ""
        found[name] = f"{registry}/{image['repository']}{tag}"
    return found


def _bindings(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise CommandError(f"--bind {word}: write NAME=VALUE, such as value.cluster=j-123")
        found[name] = value
    return found


def _check_keep(keep: int | None, use_case: UseCase) -> None:
    if keep is not None and keep < 1:
        raise CommandError(
            f"--keep {keep}: at least 1, as the next run may go on with the last one. To delete "
            f"everything, delete {use_case.home}."
        )


def _check_steps(use_case: UseCase, names: Sequence[str]) -> None:
    for name in names:
        if name not in use_case.steps:
            raise CommandError(
                f"There is no step {name!r} in {use_case.name}. "
                f"{did_you_mean(name, use_case.steps)}"
            )


def _hand_over(command: Sequence[str]) -> int:
    """Run a command that owns the terminal.

    Ctrl-C reaches it as it reaches this process, which then waits for its orderly end; SIGTERM
    is passed on.
    """
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT,)}
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            status = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if status < 0:
        name = signal.Signals(-status).name
        raise CommandError(
            f"The run was ended by {name}. Its state is at most a second old: resume it."
        )
    return status
