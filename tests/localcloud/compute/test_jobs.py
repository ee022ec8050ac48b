from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from localcloud.compute import transfer
from localcloud.compute.jobs import run_job
from localcloud.compute.outcome import Kind, Outcome
from localcloud.compute.ports import FolderObjects
from tests.localcloud.compute.support import (
    IMAGE,
    MemoryLogs,
    archive,
    channel,
    members,
    processing_request,
    s3_output,
    training_request,
)

ENVIRONMENT = {
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_SECRET_ACCESS_KEY": "test",
}


class Cloud:
    """Runs jobs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.objects = FolderObjects(folder / "s3")
        self.logs = MemoryLogs()
        self.stop = threading.Event()
        self.workdir = folder / "job 1"  # a path that an unquoted shell command would split
        self.statuses: list[str] = []

    def run(self, kind: Kind, request: dict[str, Any], grace: float = 5.0) -> Outcome:
        return run_job(
            kind,
            request,
            objects=self.objects,
            logs=self.logs,
            workdir=self.workdir,
            stop=self.stop,
            environment=ENVIRONMENT,
            grace_seconds=grace,
            on_status=self.statuses.append,
        )


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_processing_runs_an_entry_point_of_the_sdk(cloud: Cloud) -> None:
    script = """
import argparse, json, os, pathlib, sys
arguments = argparse.ArgumentParser()
arguments.add_argument("--data"); arguments.add_argument("--out")
a = arguments.parse_args()
rows = (pathlib.Path(a.data) / "a.csv").read_text().splitlines()
out = pathlib.Path(a.out)
(out / "sub").mkdir()
(out / "sub" / "count.txt").write_text(str(len(rows)))
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
job = json.loads((base / "config/processingjobconfig.json").read_text())
(base / "output/message").write_text("read " + job["ProcessingJobName"])
print("to stdout"); print("to stderr", file=sys.stderr)
seen = [os.environ.get(name) for name in ("WHERE", "AWS_ENDPOINT_URL", "HOSTNAME")]
print(sys.prefix, *seen)
"""
    cloud.objects.put("bucket", "raw/a.csv", b"1\n2\n")
    cloud.objects.put("bucket", "code/x.tar.gz", archive({"preprocess.py": script}))
    code = "/opt/ml/processing/code"
    request = processing_request(
        "",
        AppSpecification={
            "ImageUri": IMAGE,
            "ContainerEntrypoint": [
                "/bin/bash",
                "-c",
                f"mkdir -p {code} && tar -xzf /opt/ml/processing/input/code/*.tar.gz -C {code} && "
                f'cd {code} && exec python3 preprocess.py "$@"',
                "preprocess",
            ],
            "ContainerArguments": [
                "--data",
                "/opt/ml/processing/input/data",
                "--out=/opt/ml/processing/output/train",
            ],
        },
        Environment={"WHERE": "/opt/ml/processing and s3://bucket/opt/ml/x"},
        ProcessingInputs=[
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/input/{name}",
                    "S3DataType": "S3Prefix",
                },
            }
            for name, uri in {
                "data": "s3://bucket/raw",
                "code": "s3://bucket/code/x.tar.gz",
            }.items()
        ],
        ProcessingOutputConfig={"Outputs": [s3_output("train", "s3://bucket/out/train")]},
    )

    outcome = cloud.run("Processing", request)

    assert (outcome.status, outcome.failure_reason) == ("Completed", None)
    assert outcome.exit_message == "read job"
    assert cloud.objects.get("bucket", "out/train/sub/count.txt") == b"2"
    ((group, stream),) = cloud.logs.streams
    assert group == "/aws/sagemaker/ProcessingJobs"
    assert stream.startswith("job/algo-1-")
    stdout, stderr, last = cloud.logs.streams[group, stream]
    assert (stdout, stderr) == ("to stdout", "to stderr")
    prefix, *where, endpoint, host = last.split()
    assert prefix.endswith("containers/.venv")
    assert where[0].endswith("/opt/ml/processing")
    assert where[0] != "/opt/ml/processing"
    assert where[2] == "s3://bucket/opt/ml/x"
    assert (endpoint, host) == ("http://127.0.0.1:1", "None")
    assert cloud.statuses == ["Downloading", "Processing", "Uploading"]
    assert not cloud.workdir.exists()


def test_network_isolation_leaves_neither_credentials_nor_endpoint(cloud: Cloud) -> None:
    request = processing_request(
        "import os; print(sorted(k for k in os.environ if k.startswith('AWS_')))",
        NetworkConfig={"EnableNetworkIsolation": True},
    )
    assert cloud.run("Processing", request).status == "Completed"
    assert cloud.logs.text() == "['AWS_EC2_METADATA_DISABLED', 'AWS_REGION']"


def test_a_failing_script_gives_its_exit_code_and_last_line(cloud: Cloud) -> None:
    request = processing_request(
        "open(__import__('os').environ['SAGEMAKER_BASE_DIR'] + '/processing/output/o/f', 'w')\n"
        "raise ValueError('no rows')",
        ProcessingOutputConfig={"Outputs": [s3_output("o", "s3://bucket/out")]},
    )
    outcome = cloud.run("Processing", request)
    assert outcome.status == "Failed"
    assert outcome.failure_reason == (
        "AlgorithmError: See job logs for more information, exit code: 1. "
        "Last line of the log: ValueError: no rows"
    )
    assert cloud.objects.list("bucket", "") == []
    assert outcome.described()["ProcessingJobStatus"] == "Failed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"AppSpecification": {"ImageUri": "1.dkr.ecr.x/pytorch:2", "ContainerEntrypoint": []}},
            "no stand-in for the image '1.dkr.ecr.x/pytorch:2'",
        ),
        ({"AppSpecification": {"ImageUri": IMAGE}}, "no ContainerEntrypoint"),
        (
            {"ProcessingResources": {"ClusterConfig": {"InstanceCount": 2}}},
            "got InstanceCount 2",
        ),
        (
            {
                "ProcessingInputs": [
                    {
                        "InputName": "i",
                        "S3Input": {"S3Uri": "s3://b/nothing", "LocalPath": "/opt/ml/processing/i"},
                    }
                ]
            },
            'No S3 objects found under S3 URL "s3://b/nothing"',
        ),
        (
            {"AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["no-such-program"]}},
            "exit code: 127. Last line of the log: no-such-program: No such file or directory",
        ),
    ],
)
def test_what_cannot_run_says_why(cloud: Cloud, changes: dict[str, Any], said: str) -> None:
    outcome = cloud.run("Processing", processing_request("pass", **changes))
    assert outcome.status == "Failed"
    assert said in (outcome.failure_reason or "")
    assert not cloud.workdir.exists()


def test_stopping_ends_the_whole_process_group(cloud: Cloud, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"""
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, lambda *_: print("asked to end", flush=True))
child = subprocess.Popen(["sleep", "60"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
while True: time.sleep(0.05)
"""
    result: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: result.append(cloud.run("Processing", processing_request(script), grace=0.3))
    )
    thread.start()
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    cloud.stop.set()
    thread.join(5)
    assert [outcome.status for outcome in result] == ["Stopped"]
    assert "asked to end" in cloud.logs.text()
    wait_for(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def test_a_job_leaves_no_background_process(cloud: Cloud) -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    started = time.monotonic()
    assert cloud.run("Processing", processing_request(script)).status == "Completed"
    assert time.monotonic() - started < 3
    wait_for(lambda: not alive(int(cloud.logs.text())))


def test_time_limit_of_a_training_job(cloud: Cloud) -> None:
    request = training_request(
        InputDataConfig=[],
        HyperParameters={},
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "ContainerEntrypoint": [
                "/bin/bash",
                "-c",
                "echo half > /opt/ml/model/model; sleep 60",
            ],
        },
        StoppingCondition={"MaxRuntimeInSeconds": 1.5},
    )
    outcome = cloud.run("Training", request)
    described = outcome.described()
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == (
        "Stopped",
        "MaxRuntimeExceeded",
    )
    # The service saves what the model folder holds when it ends a job.
    assert members(cloud.objects.get("bucket", "models/job/output/model.tar.gz")) == ["model"]


TRAIN = """
import argparse, os, pathlib
import numpy as np, xgboost as xgb
parser = argparse.ArgumentParser()
parser.add_argument("--max-depth", type=int)
args = parser.parse_args()
data = np.loadtxt(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]) / "d.csv", delimiter=",")
booster = xgb.train(
    {"max_depth": args.max_depth, "objective": "binary:logistic"},
    xgb.DMatrix(data[:, 1:], data[:, 0]), num_boost_round=2)
booster.save_model(pathlib.Path(os.environ["SM_MODEL_DIR"]) / "xgboost-model.json")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "notes.txt").write_text("x")
for value in (0.5, 0.75): print(f"auc={value};")
"""


def test_script_mode_training(cloud: Cloud) -> None:
    cloud.objects.put("bucket", "code/abc.tar.gz", archive({"train.py": TRAIN}))
    cloud.objects.put("bucket", "train/d.csv", b"1,5,1\n0,1,2\n1,6,1\n0,2,1\n")
    request = training_request()
    request["HyperParameters"]["max-depth"] = "2"
    request["InputDataConfig"].append(channel("train", "s3://bucket/train/"))
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "auc", "Regex": r"auc=([0-9.]+);"}
    ]
    described = cloud.run("Training", request).described()
    assert described["TrainingJobStatus"] == "Completed", cloud.logs.text()
    uri = "s3://bucket/models/job/output/model.tar.gz"
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": uri}
    archives = {
        key: members(cloud.objects.get("bucket", key))
        for key in cloud.objects.list("bucket", "models/")
    }
    assert archives == {
        "models/job/output/model.tar.gz": ["xgboost-model.json"],
        "models/job/output/output.tar.gz": ["notes.txt"],
    }
    (metric,) = described["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("auc", 0.75)
    assert cloud.statuses == ["Downloading", "Training", "Uploading"]


def test_a_failing_training_script_gives_its_failure_file(cloud: Cloud) -> None:
    cloud.objects.put("bucket", "code/abc.tar.gz", archive({"train.py": "1 / 0"}))
    described = cloud.run("Training", training_request()).described()
    assert described["TrainingJobStatus"] == "Failed"
    reason = described["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1")
    assert "ZeroDivisionError" in reason
    assert reason.endswith(", exit code: 1")
    assert "ModelArtifacts" not in described
    assert cloud.objects.list("bucket", "models/") == []


def test_isolated_training_cannot_fetch_its_code(cloud: Cloud) -> None:
    request = training_request()
    request["HyperParameters"]["sagemaker_submit_directory"] = '"s3://bucket/code/abc.tar.gz"'
    cloud.objects.put("bucket", "code/abc.tar.gz", archive({"train.py": "pass"}))
    reason = cloud.run("Training", request).failure_reason or ""
    assert "EnableNetworkIsolation cannot download" in reason


def test_missing_code_names_the_channels(cloud: Cloud) -> None:
    cloud.objects.put("bucket", "code/abc.tar.gz", b"")
    request = training_request()
    request["HyperParameters"]["sagemaker_submit_directory"] = "/opt/ml/input/data/kode/x.tar.gz"
    reason = cloud.run("Training", request).failure_reason or ""
    assert "/opt/ml/input/data/kode/x.tar.gz does not exist" in reason
    assert reason.endswith("are: code.")


def test_continuous_outputs_come_while_the_job_runs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_SYNC_SECONDS", 0.02)
    script = """
import os, pathlib, time
(pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "processing/output/c/early").write_text("1")
print("written", flush=True)
time.sleep(60)
"""
    outputs = {"Outputs": [s3_output("c", "s3://bucket/c", "Continuous")]}
    request = processing_request(script, ProcessingOutputConfig=outputs)
    thread = threading.Thread(target=lambda: cloud.run("Processing", request))
    thread.start()
    wait_for(lambda: cloud.objects.list("bucket", "c/") == ["c/early"])
    assert cloud.logs.text() == "written"
    cloud.stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_manifest_input(cloud: Cloud) -> None:
    cloud.objects.put("bucket", "d/x/1.txt", b"one")
    cloud.objects.put("bucket", "d/x/2.txt", b"two")
    manifest = [{"prefix": "s3://bucket/d/"}, "x/2.txt"]
    cloud.objects.put("bucket", "m.json", json.dumps(manifest).encode())
    source = {
        "S3Uri": "s3://bucket/m.json",
        "LocalPath": "/opt/ml/processing/in",
        "S3DataType": "ManifestFile",
    }
    request = processing_request(
        "import os; os.chdir(os.environ['SAGEMAKER_BASE_DIR'] + '/processing/in')\n"
        "print([os.path.join(d, f) for d, _, fs in os.walk('.') for f in fs])",
        ProcessingInputs=[{"InputName": "i", "S3Input": source}],
    )
    assert cloud.run("Processing", request).status == "Completed"
    assert cloud.logs.text() == "['./x/2.txt']"


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process stays in the table until its new parent has waited for it.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
