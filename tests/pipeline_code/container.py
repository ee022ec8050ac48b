"""Runs the steps of a definition as SageMaker's containers would, with a folder for /opt/ml.

Only as much as one linear pipeline needs: what a container finds and is started with comes from
the definition, so that a step script and the definition cannot grow apart.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = Any


class Containers:
    """A definition, its lock and a folder that stands for S3.

    An S3 URI is kept under its bucket and key; other sentinels stay, as parts of paths.
    """

    def __init__(self, use_case: Path, root: Path) -> None:
        self.s3 = root / "s3"
        self._root = root
        self._use_case = use_case
        self._lock: Json = json.loads((use_case / "definition.lock.json").read_text())
        text = (use_case / "definition.json").read_text()
        for name in self._lock["bundles"]:
            text = text.replace(f"{{{{code.{name}.uri}}}}", f"s3://code/{name}.tar.gz")
            text = text.replace(f"{{{{code.{name}.file}}}}", f"{name}.tar.gz")
        self.definition: Json = json.loads(text)
        self._parameters = {
            each["Name"]: each["DefaultValue"] for each in self.definition["Parameters"]
        }
        self._outputs: dict[str, str] = {}
        for name in self._lock["bundles"]:
            self._pack(name)

    def step(self, name: str) -> Json:
        """A step of the definition."""
        return next(step for step in _steps(self.definition["Steps"]) if step["Name"] == name)

    def assume(self, **properties: str) -> None:
        """Say what properties of steps are that are not run, by path without ``Steps.``."""
        self._outputs |= {f"Steps.{path}": value for path, value in properties.items()}

    def path(self, uri: str) -> Path:
        """Where an S3 URI is kept."""
        return self.s3 / uri.removeprefix("s3://").strip("/")

    def process(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a processing step and keep its outputs."""
        arguments = self.step(name)["Arguments"]
        opt_ml = self._root / name
        for each in arguments["ProcessingInputs"]:
            source = self.path(self.resolve(each["S3Input"]["S3Uri"]))
            self._fetch(source, Path(self._local(opt_ml, each["S3Input"]["LocalPath"])))
        outputs = arguments["ProcessingOutputConfig"]["Outputs"]
        for each in outputs:
            Path(self._local(opt_ml, each["S3Output"]["LocalPath"])).mkdir(parents=True)
        specification = arguments["AppSpecification"]
        command = specification["ContainerEntrypoint"] + specification["ContainerArguments"]
        done = self._run([self._local(opt_ml, self.resolve(part)) for part in command], opt_ml, {})
        for each in outputs:
            uri = self.resolve(each["S3Output"]["S3Uri"])
            self._outputs[
                f"Steps.{name}.ProcessingOutputConfig.Outputs['{each['OutputName']}']"
                ".S3Output.S3Uri"
            ] = uri
            shutil.copytree(self._local(opt_ml, each["S3Output"]["LocalPath"]), self.path(uri))
        return done

    def train(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a training step in script mode and keep its model."""
        arguments = self.step(name)["Arguments"]
        opt_ml = self._root / name
        environment = {
            "SM_MODEL_DIR": opt_ml / "model",
            "SM_OUTPUT_DIR": opt_ml / "output",
            "SM_OUTPUT_DATA_DIR": opt_ml / "output" / "data",
        }
        for folder in environment.values():
            folder.mkdir(parents=True)
        for channel in arguments["InputDataConfig"]:
            folder = opt_ml / "input" / "data" / channel["ChannelName"]
            uri = self.resolve(channel["DataSource"]["S3DataSource"]["S3Uri"])
            self._fetch(self.path(uri), folder)
            environment[f"SM_CHANNEL_{channel['ChannelName'].upper()}"] = folder
        parameters = {key: self.resolve(v) for key, v in arguments["HyperParameters"].items()}
        program = parameters.pop("sagemaker_program")
        archive = self._local(opt_ml, parameters.pop("sagemaker_submit_directory"))
        with tarfile.open(archive) as code:
            code.extractall(opt_ml / "code")
        options = [
            self._local(opt_ml, part)
            for key, value in parameters.items()
            for part in (f"--{key}", value)
        ]
        done = self._run(
            [sys.executable, program, *options], opt_ml, environment, cwd=opt_ml / "code"
        )
        uri = f"{self.resolve(arguments['OutputDataConfig']['S3OutputPath'])}/model.tar.gz"
        self._outputs[f"Steps.{name}.ModelArtifacts.S3ModelArtifacts"] = uri
        self.path(uri).parent.mkdir(parents=True)
        with tarfile.open(self.path(uri), "w:gz") as model:
            model.add(opt_ml / "model", ".")
        return done

    def resolve(self, value: Json) -> str:
        """The text that a value has in this run."""
        if isinstance(value, dict) and "Std:Join" in value:
            join = value["Std:Join"]
            return str(join["On"]).join(self.resolve(each) for each in join["Values"])
        if isinstance(value, dict):
            scope, _, name = value["Get"].partition(".")
            if scope == "Parameters":
                return self.resolve(self._parameters[name])
            return name if scope == "Execution" else self._outputs[value["Get"]]
        return str(value)

    def _pack(self, name: str) -> None:
        """Deploy a code bundle as the lock describes it."""
        target = self.path(f"s3://code/{name}.tar.gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:gz") as archive:
            for file in self._lock["bundles"][name]["files"]:
                archive.add(self._use_case / file, Path(file).name)

    @staticmethod
    def _local(opt_ml: Path, text: str) -> str:
        """A path or argument with /opt/ml replaced."""
        return text.replace("/opt/ml", str(opt_ml))

    @staticmethod
    def _fetch(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.mkdir(parents=True)
            shutil.copyfile(source, target / source.name)

    @staticmethod
    def _run(
        command: list[str], opt_ml: Path, environment: dict[str, Path], cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd or opt_ml,
            env={
                # The container's python3 is the one that runs the tests.
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONDONTWRITEBYTECODE": "1",
                # Threads that wait actively for one another starve on a busy machine.
                "GOMP_SPINCOUNT": "3000",
                **{name: str(value) for name, value in environment.items()},
            },
            capture_output=True,
            text=True,
            check=True,
        )


def _steps(steps: Json) -> Iterator[Json]:
    """All steps, those in branches included."""
    for step in steps:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _steps(step["Arguments"].get(branch, []))
