from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcloud.compute.containers import CONTAINERS
from localcloud.compute.ports import FolderObjects, ServiceError
from localcloud.serving import ModelProcess
from tests.localcloud.compute.support import IMAGE, MemoryLogs, archive

SKLEARN = IMAGE.replace("sagemaker-xgboost:3.2-0", "sagemaker-scikit-learn:1.4-2")
SCRIPT_ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}


class Models:
    """Starts models in a folder and stops them."""

    def __init__(self, folder: Path) -> None:
        self.objects = FolderObjects(folder / "s3")
        self.logs = MemoryLogs()
        self.folder = folder / "models"
        self.started: list[ModelProcess] = []

    def start(
        self, files: dict[str, str | bytes], image: str = IMAGE, **changes: Any
    ) -> ModelProcess:
        self.objects.put("b", "m/model.tar.gz", archive(files))
        options = {name: changes.pop(name) for name in ("startup_seconds",) if name in changes}
        container = {"Image": image, "ModelDataUrl": "s3://b/m/model.tar.gz", **changes}
        process = ModelProcess(
            container,
            self.objects,
            self.folder / str(len(self.started)),
            logs=self.logs,
            **options,
        )
        self.started.append(process)
        process.start()
        return process


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    found = Models(tmp_path)
    yield found
    for process in found.started:
        process.stop()


@pytest.fixture(scope="module")
def booster(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model of two features whose prediction grows with the first."""
    path = tmp_path_factory.mktemp("booster") / "model.json"
    script = """
    import sys, numpy, xgboost
    x = numpy.array([[0., 1.], [1., 1.], [2., 1.], [3., 1.]])
    data = xgboost.DMatrix(x, [0, 0, 1, 1])
    parameters = {"objective": "binary:logistic", "min_child_weight": 0}
    xgboost.train(parameters, data, num_boost_round=3).save_model(sys.argv[1])
    """
    python = CONTAINERS / ".venv/bin/python3"
    subprocess.run([python, "-c", textwrap.dedent(script), path], check=True)
    return path.read_bytes()


SCRIPT = """
import json, os, threading
from sagemaker_inference.errors import BaseInferenceToolkitError
print("loaded once in", os.getpid())
busy = threading.Lock()

def model_fn(model_dir):
    return open(os.path.join(model_dir, "factor.txt")).read()

def input_fn(body, content_type):
    if content_type != "application/json":
        raise BaseInferenceToolkitError(415, "send JSON, not " + content_type, "Unsupported")
    return json.loads(body)

def predict_fn(data, model):
    assert busy.acquire(blocking=False), "two requests at once"
    try:
        return data["x"] * int(model)
    finally:
        busy.release()

def output_fn(prediction, accept):
    return json.dumps({"y": prediction, "accept": accept}), "application/json; charset=utf-8"
"""


def test_a_script_serves(models: Models) -> None:
    process = models.start(
        {"factor.txt": "3", "code/inference.py": SCRIPT}, Environment=SCRIPT_ENVIRONMENT
    )
    answer = process.invoke(b'{"x": 14}', "application/json")
    assert answer.status == 200
    assert answer.content_type == "application/json; charset=utf-8"
    assert json.loads(answer.body) == {"y": 42, "accept": "application/json"}
    status, _, body = process.invoke(b'{"x": 1}', "application/json", "text/csv")
    assert (status, json.loads(body)["accept"]) == (200, "text/csv")

    refused = process.invoke(b"", "text/csv")
    assert refused.status == 415
    assert refused.body.startswith(b"send JSON, not text/csv\nTraceback")
    failed = process.invoke(b"{}", "application/json")
    assert failed.status == 500
    assert b"KeyError: 'x'" in failed.body

    with ThreadPoolExecutor(8) as pool:
        bodies = [json.dumps({"x": x}).encode() for x in range(40)]
        answers = list(pool.map(lambda b: process.invoke(b, "application/json"), bodies))
    assert [json.loads(answer.body)["y"] for answer in answers] == [3 * x for x in range(40)]
    assert models.logs.text().count("loaded once") == 1

    process.stop()
    assert not process.alive
    assert not models.folder.exists() or not any(models.folder.iterdir())
    assert process.invoke(b"{}", "application/json").status == 503


def test_a_model_without_a_script(models: Models, booster: bytes) -> None:
    unused = {"code/inference.py": "raise SystemExit('must not be imported')"}
    process = models.start({"xgboost-model": booster, **unused})
    low, high = process.invoke(b"0,1\n3,1", "text/csv", "text/csv").body.decode().split(",")
    assert float(low) < 0.5 < float(high)
    as_json = process.invoke(b"0,1\n3,1\n", "text/csv; charset=utf-8")
    assert as_json.content_type == "application/json"
    assert json.loads(as_json.body) == pytest.approx([float(low), float(high)])
    libsvm = process.invoke(b"1 0:3 1:1", "text/libsvm", "text/csv")
    assert float(libsvm.body) == pytest.approx(float(high))
    assert (
        "SAGEMAKER_PROGRAM is not set: the code in model.tar.gz is not used" in models.logs.text()
    )

    expected = {
        (b"{}", "application/json", "*/*"): (400, "Content-type application/json is not supp"),
        (b"a,b", "text/csv", "*/*"): (400, "please ensure data is in csv format"),
        (b"0,1", "text/csv", "image/png"): (415, "image/png is not an accepted Accept type"),
        (b"", "text/csv", "*/*"): (204, ""),
    }
    for (body, content_type, accept), (status, said) in expected.items():
        answer = process.invoke(body, content_type, accept)
        assert (answer.status, said in answer.body.decode()) == (status, True), answer


def test_sklearn_defaults(models: Models) -> None:
    script = """
    class Sum:
        def predict(self, rows): return rows.sum(axis=1)
    def model_fn(model_dir): return Sum()
    """
    process = models.start(
        {"code/inference.py": textwrap.dedent(script)},
        SKLEARN,
        Environment={**SCRIPT_ENVIRONMENT, "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"},
    )
    assert process.invoke(b"[[1, 2], [3, 4]]", "application/json").body == b"3.0\n7.0\n"
    assert process.invoke(b"1,2\n3,4", "text/csv", "application/json").body == b"[3.0, 7.0]"


@pytest.mark.parametrize(
    ("files", "changes", "said"),
    [
        ({"xgboost-model": "no model"}, {}, "xgboost-model cannot be loaded"),
        ({"a": ""}, {"Environment": SCRIPT_ENVIRONMENT}, "no such script. model.tar.gz holds: a."),
        ({}, {"Environment": {"SAGEMAKER_PROGRAM": ""}}, "SAGEMAKER_PROGRAM is empty"),
        (
            {"code/inference.py": ""},
            {"Environment": SCRIPT_ENVIRONMENT},
            "Please provide a model_fn implementation",
        ),
        ({}, {"ModelDataUrl": "s3://b/none.tar.gz"}, "Could not find model data at s3://b/none"),
        ({}, {"image": SKLEARN}, "scikit-learn container serves scripts only"),
        ({}, {"image": "pytorch-inference:2"}, "no stand-in for the image 'pytorch-inference:2'"),
        (
            {"code/inference.py": "import time; time.sleep(60)"},
            {"Environment": SCRIPT_ENVIRONMENT, "startup_seconds": 0.8},
            "did not answer the health check within 0.8 s",
        ),
    ],
)
def test_a_model_that_cannot_be_served_says_why(
    models: Models, files: dict[str, str | bytes], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServiceError) as error:
        models.start(files, **changes)
    assert said in error.value.message
    assert not any(models.folder.glob("*"))


def test_a_container_that_ends_answers_503_with_its_log(models: Models) -> None:
    script = """
    import os
    def model_fn(model_dir): return 0
    def transform_fn(model, body, content_type, accept):
        print("the last words", flush=True)
        os._exit(3)
    """
    process = models.start(
        {"code/inference.py": textwrap.dedent(script)}, Environment=SCRIPT_ENVIRONMENT
    )
    assert process.invoke(b"{}", "application/json").status == 503
    wait_for(lambda: not process.alive)
    assert b"the last words" in process.invoke(b"{}", "application/json").body


def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    FolderObjects(tmp_path).put(
        "b", "m.tar.gz", archive({"code/inference.py": "def model_fn(_): 0"})
    )
    script = f"""
    import os, sys, threading
    from pathlib import Path
    from localcloud.compute.ports import FolderObjects
    from localcloud.serving import ModelProcess
    container = {{"Image": {IMAGE!r}, "ModelDataUrl": "s3://b/m.tar.gz",
                  "Environment": {SCRIPT_ENVIRONMENT!r}}}
    folder = Path({str(tmp_path)!r})
    process = ModelProcess(container, FolderObjects(folder), folder / "work")
    # The thread that starts a model ends long before the model: that must not end the model.
    thread = threading.Thread(target=process.start); thread.start(); thread.join()
    assert process.alive and process.invoke(b"", "text/csv").status
    print(process._process.pid, flush=True)
    os.kill(os.getpid(), 9)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert result.returncode == -9, result.stderr
    wait_for(lambda: not group_lives(int(result.stdout)))


def group_lives(pgid: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group, *_ = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(group) == pgid and state != "Z":
            return True
    return False


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
