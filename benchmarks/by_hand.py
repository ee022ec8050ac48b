"""The scripts of a use case's three jobs, run by hand: the baseline of the pipeline benchmark.

"By hand" is what somebody types who has the containers' libraries installed: the folders laid out
(code, data, and each job's inputs where the job before it writes them), then one command after the
other, with the arguments of the definition. There are two ways to start the training:

- with the *contract*: AWS's public training toolkit reads the three configuration files and starts
  the script, as AWS's containers and the local cloud do;
- *bare*: ``python3 train.py`` with the hyperparameters as arguments and the ``SM_*`` variables set.

Laying out the folders is not timed; packing the model, which the evaluation reads packed, is.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Command, Sample

Json = Any
CONTAINERS = Path(__file__).resolve().parents[1] / "localcloud" / "containers" / ".venv" / "bin"
_SPINS = "3000"  # What the local cloud gives its jobs: see `container_environment` there.
_BASE = "/opt/ml"
_INPUT, _OUTPUT = f"{_BASE}/processing/input", f"{_BASE}/processing/output"


def pack_bundles(use_case: Path, folder: Path) -> dict[str, Path]:
    """The step code as archives, as a deployment ships it, by the name of the bundle."""
    lock = json.loads((use_case / "definition.lock.json").read_text())
    archives = {}
    for name, bundle in lock["bundles"].items():
        archives[name] = folder / f"{name}.tar.gz"
        with tarfile.open(archives[name], "w:gz") as archive:
            for file in bundle["files"]:
                archive.add(use_case / file, Path(file).name)
    return archives


class Scripts:
    """One run of the three scripts.

    Args:
        use_case: Its folder in ``pipeline_code``.
        archives: Its code, packed.
        data: The raw data.
        work: A folder for this run alone.
    """

    def __init__(self, use_case: Path, archives: dict[str, Path], data: Path, work: Path) -> None:
        definition = json.loads((use_case / "definition.json").read_text())
        self._arguments = {step["Name"]: step["Arguments"] for step in definition["Steps"]}
        self._parameters = {p["Name"]: p["DefaultValue"] for p in definition["Parameters"]}
        self._work = work
        for name, archive in archives.items():
            (work / name / "code").mkdir(parents=True)
            shutil.unpack_archive(archive, work / name / "code")
        self._lay_out(archives, data)

    def run(self, *, toolkit: bool) -> Sample:
        """Run all three; the seconds from the first command to the end of the last."""
        start = time.perf_counter()
        self._process("Preprocess", "preprocess")
        self._train(toolkit=toolkit)
        model = self._path("train", f"{_BASE}/model")
        packed = self._path("evaluate", f"{_INPUT}/model/model.tar.gz")
        self._command("packing", ["tar", "-C", str(model), "-czf", str(packed), "."], "train")
        self._process("Evaluate", "evaluate")
        return Sample(time.perf_counter() - start)

    def report(self) -> Json:
        """What the evaluation wrote."""
        return json.loads(
            self._path("evaluate", f"{_OUTPUT}/evaluation/evaluation.json").read_text()
        )

    def _lay_out(self, archives: dict[str, Path], data: Path) -> None:
        for step, name in (("Preprocess", "preprocess"), ("Evaluate", "evaluate")):
            for output in self._arguments[step]["ProcessingOutputConfig"]["Outputs"]:
                self._folder(name, output["S3Output"]["LocalPath"])
            self._folder(name, f"{_BASE}/output")
        shutil.copy(data, self._folder("preprocess", f"{_INPUT}/data"))
        channels = self._folder("train", f"{_BASE}/input/data")
        for split in ("train", "validation", "columns"):
            (channels / split).symlink_to(self._path("preprocess", f"{_OUTPUT}/{split}"))
        shutil.copy(archives["train"], self._folder("train", f"{_BASE}/input/data/code"))
        for folder in ("model", "output/data", "input/config"):
            self._folder("train", f"{_BASE}/{folder}")
        self._folder("evaluate", f"{_INPUT}/model")
        tests = self._path("preprocess", f"{_OUTPUT}/test")
        self._path("evaluate", f"{_INPUT}/test").symlink_to(tests)
        self._configure()

    def _configure(self) -> None:
        """What the toolkit reads."""
        training = self._arguments["Train"]
        names = [channel["ChannelName"] for channel in training["InputDataConfig"]]
        parameters = {k: self._text("train", v) for k, v in training["HyperParameters"].items()}
        host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        for name, content in (
            ("hyperparameters", parameters),
            ("inputdataconfig", {name: {"TrainingInputMode": "File"} for name in names}),
            ("resourceconfig", host),
        ):
            path = self._path("train", f"{_BASE}/input/config/{name}.json")
            path.write_text(json.dumps(content))

    def _process(self, step: str, name: str) -> None:
        given = self._arguments[step]["AppSpecification"]["ContainerArguments"]
        command = ["python3", f"{name}.py", *(self._text(name, part) for part in given)]
        self._command(step, command, name)

    def _train(self, *, toolkit: bool) -> None:
        base = self._path("train", _BASE)
        variables = {"SAGEMAKER_BASE_DIR": base, "SM_MODEL_DIR": base / "model"}
        if toolkit:
            command = ["python3", "-m", "sagemaker_training.cli.train"]
            # The toolkit resolves the host names of a cluster otherwise; there is one host.
            more = {"SM_STUDIO_LOCAL_MODE": "true", "TRAINING_JOB_NAME": "by-hand"}
        else:
            given = self._arguments["Train"]["HyperParameters"]
            command = ["python3", given["sagemaker_program"]]
            for key, value in given.items():
                if not key.startswith("sagemaker_"):
                    command += [f"--{key}", self._text("train", value)]
            more = {}
            variables |= {"SM_OUTPUT_DIR": base / "output"}
            variables |= {"SM_OUTPUT_DATA_DIR": base / "output" / "data"}
            for channel in ("train", "validation", "columns"):
                variables[f"SM_CHANNEL_{channel.upper()}"] = base / "input" / "data" / channel
        self._command("Train", command, "train", {k: str(v) for k, v in variables.items()} | more)

    def _command(
        self, name: str, arguments: list[str], job: str, variables: dict[str, str] | None = None
    ) -> None:
        environment = {
            "PATH": f"{CONTAINERS}:/usr/local/bin:/usr/bin:/bin",
            "GOMP_SPINCOUNT": _SPINS,
            "LANG": "C.UTF-8",
        }
        # Looked up here, as the PATH of the command is not that of this process.
        program = str(CONTAINERS / arguments[0]) if arguments[0] == "python3" else arguments[0]
        Command(
            name=f"{name} by hand",
            arguments=[program, *arguments[1:]],
            environment=environment | (variables or {}),
            folder=self._work / job / "code",
        ).run()

    def _text(self, job: str, value: Json) -> str:
        if isinstance(value, dict) and "Std:Join" in value:
            join = value["Std:Join"]
            return str(join["On"]).join(self._text(job, each) for each in join["Values"])
        if isinstance(value, dict):
            value = self._parameters[value["Get"].removeprefix("Parameters.")]
        text = str(value).replace("{{code.train.file}}", "train.tar.gz")
        return text.replace(_BASE, str(self._path(job, _BASE)))

    def _path(self, job: str, path: str) -> Path:
        return self._work / job / path.removeprefix("/")

    def _folder(self, job: str, path: str) -> Path:
        folder = self._path(job, path)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
