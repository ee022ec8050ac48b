"""The jobs of a run on this machine, run again by hand: the baseline of the pipeline benchmark.

"By hand" is what somebody types who has the containers' libraries installed: the folders laid out
(code and inputs of each job as the run had them), then one command after the other, with the
arguments that the run resolved. There are two ways to start a training:

- with the *contract*: AWS's public training toolkit reads the three configuration files and starts
  the script, as AWS's containers and the local cloud do;
- *bare*: the script with the hyperparameters as arguments and the ``SM_*`` variables set.

Laying out the folders is not timed; packing a model, which later jobs read packed, is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, Command, Sample

Json = Any
CONTAINERS = Path(__file__).resolve().parents[1] / "localcloud" / "containers" / ".venv" / "bin"
_SPINS = "3000"  # What the local cloud gives its jobs: see `container_environment` there.
_BASE = "/opt/ml"
_KINDS = ("ProcessingJob", "TrainingJob")


@dataclass(frozen=True)
class Ran:
    """A run that has ended, with all that its jobs read and wrote.

    Attributes:
        home: Its folder (`localcloud.run`).
        jobs: Kind and request of each job, in the order of their start.
    """

    home: Path
    jobs: tuple[tuple[str, Json], ...]

    @classmethod
    def read(cls, home: Path) -> Ran:
        """The last run in a folder.

        Raises:
            BenchmarkError: It ran no jobs.
        """
        run = json.loads((home / "last-run.json").read_text())["run"]
        records = json.loads((home / "sagemaker.json").read_text())["records"]
        jobs = [
            (record["kind"], record["data"])
            for _, record in records
            # The names of jobs hold the run's id, those of a search for hyperparameters too.
            if record["kind"] in _KINDS and run in record["key"][-1]
        ]
        if not jobs:
            raise BenchmarkError(f"The run {run} of {home} ran no jobs.")
        jobs.sort(key=lambda job: float(job[1]["CreationTime"]))
        return cls(home, tuple(jobs))

    def file(self, uri: str) -> Path:
        """Where an object or a folder of them lies."""
        (account,) = [each for each in (self.home / "s3").iterdir() if each.name.isdigit()]
        return account / uri.removeprefix("s3://").rstrip("/")


class ByHand:
    """The commands of a run's jobs, in folders of their own.

    Args:
        ran: The run.
        work: A folder for this turn alone.
    """

    def __init__(self, ran: Ran, work: Path) -> None:
        self._ran = ran
        self._work = work
        for number, (kind, job) in enumerate(ran.jobs):
            folder = work / str(number)
            if kind == "ProcessingJob":
                self._lay_out_processing(job, folder)
            else:
                self._lay_out_training(job, folder)

    def run(self, *, toolkit: bool) -> Sample:
        """Run all; the seconds of their commands together."""
        seconds = 0.0
        for number, (kind, job) in enumerate(self._ran.jobs):
            folder = self._work / str(number)
            if kind == "ProcessingJob":
                seconds += self._process(job, folder)
            else:
                seconds += self._train(job, folder, toolkit=toolkit)
        return Sample(seconds)

    def _lay_out_processing(self, job: Json, folder: Path) -> None:
        for source in job.get("ProcessingInputs") or []:
            given = source["S3Input"]
            self._copy(given["S3Uri"], _local(folder, given["LocalPath"]))
        for output in (job.get("ProcessingOutputConfig") or {}).get("Outputs", []):
            _local(folder, output["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
        _local(folder, f"{_BASE}/output").mkdir(parents=True, exist_ok=True)

    def _lay_out_training(self, job: Json, folder: Path) -> None:
        names = []
        for channel in job.get("InputDataConfig") or []:
            names.append(channel["ChannelName"])
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            self._copy(uri, _local(folder, f"{_BASE}/input/data/{names[-1]}"))
        for path in ("model", "output/data", "input/config", "checkpoints"):
            _local(folder, f"{_BASE}/{path}").mkdir(parents=True, exist_ok=True)
        (folder / "code").mkdir()
        parameters = self._hyperparameters(job, folder)
        shutil.unpack_archive(parameters["sagemaker_submit_directory"], folder / "code")
        host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        for name, content in (
            ("hyperparameters", parameters),
            ("inputdataconfig", {name: {"TrainingInputMode": "File"} for name in names}),
            ("resourceconfig", host),
        ):
            file = _local(folder, f"{_BASE}/input/config/{name}.json")
            file.write_text(json.dumps(content))

    def _hyperparameters(self, job: Json, folder: Path) -> dict[str, str]:
        given: Mapping[str, str] = job.get("HyperParameters") or {}
        return {name: _translated(folder, str(value)) for name, value in given.items()}

    def _process(self, job: Json, folder: Path) -> float:
        given = job["AppSpecification"]
        words = [*given["ContainerEntrypoint"], *(given.get("ContainerArguments") or [])]
        command = [_translated(folder, word) for word in words]
        return self._command(job["ProcessingJobName"], command, folder, job, {})

    def _train(self, job: Json, folder: Path, *, toolkit: bool) -> float:
        base, name = _local(folder, _BASE), job["TrainingJobName"]
        variables = {"SAGEMAKER_BASE_DIR": base, "SM_MODEL_DIR": base / "model"}
        if toolkit:
            command = ["python3", "-m", "sagemaker_training.cli.train"]
            # The toolkit resolves the host names of a cluster otherwise; there is one host.
            more = {"SM_STUDIO_LOCAL_MODE": "true", "TRAINING_JOB_NAME": name}
        else:
            parameters = self._hyperparameters(job, folder)
            command = ["python3", str(folder / "code" / parameters["sagemaker_program"])]
            for key, value in parameters.items():
                if not key.startswith("sagemaker_"):
                    command += [f"--{key}", value]
            more = {}
            variables |= {"SM_OUTPUT_DIR": base / "output"}
            variables |= {"SM_OUTPUT_DATA_DIR": base / "output" / "data"}
            for channel in (base / "input" / "data").iterdir():
                variables[f"SM_CHANNEL_{channel.name.upper()}"] = channel
        text = {key: str(value) for key, value in variables.items()}
        seconds = self._command(name, command, folder, job, text | more)
        packing = ["tar", "-C", str(base / "model"), "-czf", str(folder / "model.tar.gz"), "."]
        return seconds + self._command(f"packing {name}", packing, folder, {}, {})

    def _command(
        self, name: str, words: list[str], folder: Path, job: Json, variables: Mapping[str, str]
    ) -> float:
        given: Mapping[str, str] = job.get("Environment") or {}
        environment = {
            "PATH": f"{CONTAINERS}:/usr/local/bin:/usr/bin:/bin",
            "GOMP_SPINCOUNT": _SPINS,
            "LANG": "C.UTF-8",
            **{key: _translated(folder, value) for key, value in given.items()},
            **variables,
        }
        # Looked up here, as the PATH of the command is not that of this process.
        program = str(CONTAINERS / words[0]) if words[0] == "python3" else words[0]
        command = Command(
            name=f"{name} by hand",
            arguments=[program, *words[1:]],
            environment=environment,
            folder=folder,
        )
        return command.run().seconds

    def _copy(self, uri: str, target: Path) -> None:
        source = self._ran.file(uri)
        if source.is_file():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / source.name)
        else:
            ignored = shutil.ignore_patterns("*.meta.json")
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)


def _local(folder: Path, path: str) -> Path:
    return folder / path.removeprefix("/")


def _translated(folder: Path, text: str) -> str:
    return text.replace(_BASE, str(_local(folder, _BASE)))
