"""The committed definition: fresh, free of anything local, and acceptable to the service."""

import hashlib
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from conftest import ROOT, USE_CASE

from pipeline_code.compiler.lock import SCHEMA_VERSION

TEXT = (USE_CASE / "definition.json").read_text(encoding="utf-8")
DEFINITION: Any = json.loads(TEXT)
LOCK: Any = json.loads((USE_CASE / "definition.lock.json").read_text(encoding="utf-8"))

# Ends the process at once on any use of the network: the SDK swallows exceptions of its own
# telemetry, so raising one would not show.
OFFLINE_CHECK = """
import os, runpy, socket, sys
def refuse(*arguments, **_):
    os.write(2, f"network: {arguments}".encode())
    os._exit(99)
socket.getaddrinfo = socket.create_connection = refuse
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
sys.argv = ["compiler", "--check", "census_income"]
runpy.run_module("pipeline_code.compiler", run_name="__main__")
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_compilation_anywhere_gives_the_committed_bytes_without_network(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE_CHECK],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONHASHSEED": seed,
            "AWS_REGION": "eu-west-3",
            "AWS_DEFAULT_REGION": "eu-west-3",
            "AWS_PROFILE": "nobody",
            "AWS_SESSION_TOKEN": "from-a-shell",
            "USER": "somebody",
            "TZ": "Pacific/Auckland",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "census_income: up to date\n"
    assert done.stderr == ""


def test_nothing_of_a_machine_or_an_account_is_in_it() -> None:
    assert not re.search(r"\d{12}", TEXT), "an account"
    assert not re.search(r"\b(us|eu|ap|sa|ca)-[a-z]+-\d\b", TEXT), "a region"
    assert not re.search(r"20(?!20-12-01)\d\d-\d\d", TEXT), "a date"
    assert "x-sentinel-x" not in TEXT
    assert "amazonaws" not in TEXT


def test_the_lock_names_the_sentinels_in_use() -> None:
    assert LOCK["sentinels"] == sorted(set(re.findall(r"\{\{(.*?)\}\}", TEXT)))
    known = re.compile(
        r"function\.champion|role\.(processing|training|model)|bucket\.(artifacts|data)|model_package_group"
        rf"|image\.({'|'.join(LOCK['images'])})|code\.({'|'.join(LOCK['bundles'])})\.(uri|file)"
    )
    assert [name for name in LOCK["sentinels"] if not known.fullmatch(name)] == []


def test_the_lock_can_be_checked_without_the_sdk() -> None:
    assert LOCK["schema_version"] == SCHEMA_VERSION
    assert LOCK["definition_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert {"census_income/pipeline.py", "compiler/build.py"} <= LOCK["sources"].keys()
    for source, checksum in LOCK["sources"].items():
        content = (ROOT / "pipeline_code" / source).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
    for bundle in LOCK["bundles"].values():
        assert bundle["entry"] in {file.rpartition("/")[2] for file in bundle["files"]}
        assert all((USE_CASE / file).is_file() for file in bundle["files"])


def test_the_construct_owns_network_isolation_and_encryption() -> None:
    for name in ("VpcConfig", "NetworkConfig", "KmsKeyId", "Isolation", "Encryption"):
        assert name not in TEXT


def _steps(steps: Any) -> dict[str, Any]:
    """All steps by name, those in branches included."""
    found = {}
    for step in steps:
        found[step["Name"]] = step
        for branch in ("IfSteps", "ElseSteps"):
            found |= _steps(step["Arguments"].get(branch, []))
    return found


STEPS = _steps(DEFINITION["Steps"])


def test_what_a_registered_model_gets() -> None:
    register = STEPS["Register"]["Arguments"]
    [container] = register["InferenceSpecification"]["Containers"]
    assert container["Environment"] == {
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }
    groups = ["Bias", "Explainability", "ModelDataQuality", "ModelQuality"]
    assert sorted(register["ModelMetrics"]) == sorted(register["DriftCheckBaselines"]) == groups
    lineage = register["CustomerMetadataProperties"]
    assert lineage["training-code"] == "{{code.train.uri}}"
    assert lineage["champion"] == {"Get": "Steps.FindChampion.OutputParameters['version']"}


def test_the_model_card_becomes_json_whose_measures_are_numbers() -> None:
    parts = STEPS["Register"]["Arguments"]["ModelCard"]["ModelCardContent"]["Std:Join"]
    assert parts["On"] == ""
    text = "".join(part if isinstance(part, str) else "0.5" for part in parts["Values"])
    card = json.loads(text)
    [evaluation] = card["evaluation_details"]
    measures = evaluation["metric_groups"][0]["metric_data"]
    assert {each["name"]: each["value"] for each in measures}["AUC"] == 0.5
    assert card["model_overview"]["model_artifact"] == ["0.5"]
    # botocore: content of cards.
    assert len(text) < 100_000


def test_models_and_data_are_refused_with_numbers_and_reasons() -> None:
    data = json.dumps(STEPS["RefuseData"]["Arguments"]["ErrorMessage"])
    assert '"Path": "reason"' in data
    assert "Outputs['quarantine']" in data
    model = json.dumps(STEPS["RefuseModel"]["Arguments"]["ErrorMessage"])
    for part in ("Parameters.MinAuc", "auc.value", "Parameters.MinImprovement", "reason"):
        assert part in model
    conditions = STEPS["IsGoodEnough"]["Arguments"]["Conditions"]
    assert len(conditions) == 3
    [refuse] = STEPS["IsGoodEnough"]["Arguments"]["ElseSteps"]
    assert refuse["Type"] == "Fail"


def test_the_last_training_takes_what_tuning_found_and_can_be_interrupted() -> None:
    train = STEPS["Train"]["Arguments"]
    ranges = STEPS["Tune"]["Arguments"]["HyperParameterTuningJobConfig"]["ParameterRanges"]
    tuned = {each["Name"] for kind in ranges.values() for each in kind}
    for name in tuned:
        reference = f"Steps.Tune.BestTrainingJob.TunedHyperParameters['{name}']"
        assert train["HyperParameters"][name] == {"Get": reference}
    assert train["EnableManagedSpotTraining"]
    assert train["HyperParameters"]["checkpoint_dir"] == train["CheckpointConfig"]["LocalPath"]
    # Step caching compares it: an execution's id in it would make every training another one.
    assert "PipelineExecutionId" not in json.dumps(train["CheckpointConfig"])
    limits = STEPS["Tune"]["Arguments"]["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits["MaxNumberOfTrainingJobs"] == {"Get": "Parameters.TuningJobs"}


def test_jobs_are_cached_and_retried() -> None:
    kinds = ("Processing", "Training", "Tuning")
    jobs = [step for step in STEPS.values() if step["Type"] in kinds]
    assert len(jobs) == 7
    for job in jobs:
        assert job["CacheConfig"]["Enabled"]
        assert len(job["RetryPolicies"]) == 2


def test_every_path_of_the_container_is_an_argument() -> None:
    """A runner without containers puts another folder in the place of /opt/ml."""
    for script in (USE_CASE / "steps").glob("*.py"):
        code = re.sub(r'"""[\s\S]*?"""', "", script.read_text(encoding="utf-8"))
        assert "/opt/ml" not in code, script.name


def test_nothing_of_the_data_set_is_in_the_steps() -> None:
    names = {*LOCK["use_case"].split("_"), "fnlwgt", "50K", "race", "marital"}
    for script in (USE_CASE / "steps").glob("*.py"):
        code = re.sub(r'"""[\s\S]*?"""', "", script.read_text(encoding="utf-8"))
        assert [name for name in names if re.search(rf"\b{name}\b", code)] == [], script.name
