"""Runs on this machine, as a user starts them: two processes, real jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.run.support import COMMAND, command, condition, processing, reading, write

CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}


def _record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (folder / ".localcloud" / folder.name / "last-run.json").read_text()
    )
    return content


def _states(folder: Path) -> dict[str, str]:
    return {step["name"]: step["state"] for step in _record(folder)["steps"]}


def test_a_run_with_a_step_that_fails(tmp_path: Path) -> None:
    """Sentinels are bound, data is brought, the log of what failed is shown; no deployment."""
    folder = write(
        tmp_path / "case",
        reading("Read", "Rows"),
        processing("Break", "print('opening'); raise SystemExit('no rows')", "Read"),
        processing("After", "pass", "Break"),
        parameters=[{"Name": "Rows", "Type": "String"}],
    )
    (tmp_path / "rows.csv").write_text("the rows")
    done = command("run", folder, "--param", f"Rows={tmp_path / 'rows.csv'}")
    assert (done.returncode, done.stderr) == (1, "")
    assert "Break failed: AlgorithmError:" in done.stdout
    assert "The end of its log:\n    opening\n    no rows\n" in done.stdout
    assert _states(folder) == {"Read": "succeeded", "Break": "failed", "After": "skipped"}
    read, broken, _ = _record(folder)["steps"]
    assert "['the rows']" in Path(read["log"]).read_text()
    assert f"The whole log: {broken['log']}\n" in done.stdout
    assert f"mlops-constructs run {folder} --resume" in done.stdout


@pytest.mark.slow
def test_resume_only_and_from(tmp_path: Path) -> None:
    def steps(middle: str) -> Path:
        return write(
            tmp_path / "case",
            processing("First", "print('one')", **CACHED),
            processing("Middle", middle, "First"),
            processing("Side", "pass", "First"),
            condition("Gate", [processing("Yes")], [processing("No")], DependsOn=["Middle"]),
            parameters=[{"Name": "Least", "Type": "Integer", "DefaultValue": 1}],
        )

    folder = steps("raise SystemExit('not yet')")
    nothing = command("run", folder, "--resume")
    assert (nothing.returncode, "There is no run to resume" in nothing.stderr) == (2, True)
    absent = command("run", folder, "--only", "Middle")
    assert "Middle needs First, and there was no run before this one." in absent.stderr
    assert command("run", folder).returncode == 1

    steps("print('mended')")
    resumed = command("run", folder, "--resume", "--dag", tmp_path / "dag.svg")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert _states(folder) == {
        "First": "reused",
        "Middle": "succeeded",
        "Side": "reused",
        "Gate": "succeeded",
        "Yes": "succeeded",
        "No": "skipped",
    }
    assert "from an earlier run" in (tmp_path / "dag.svg").read_text()
    assert "nothing left to do" in command("run", folder, "--resume").stdout

    # A selected step runs although it is cached; what is behind it does not.
    assert command("run", folder, "--only", "First").returncode == 0
    assert _states(folder)["First"] == "succeeded"
    assert _states(folder)["Middle"] == "skipped"
    # What that run did not touch is still there for the next one; parameters can change.
    again = command("run", folder, "--from", "Gate", "--param", "Least=2")
    assert again.returncode == 0
    states = _states(folder)
    assert (states["Middle"], states["Yes"], states["No"]) == ("reused", "skipped", "succeeded")
    refused = command("run", folder, "--resume", "--param", "Least=1")
    assert (refused.returncode, "--from STEP --param" in refused.stderr) == (2, True)
    # A step whose code changed since is not run behind the user's back, and that is said.
    steps("print('changed')")
    noted = command("run", folder, "--from", "Gate")
    assert "note: Middle changed since the last run and will not run again" in noted.stdout
    cached = command("run", folder)
    assert cached.returncode == 0
    assert _states(folder)["First"] == "cached"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["interrupt", "terminate", "kill"])
def test_an_interrupted_run_can_be_resumed(tmp_path: Path, how: str) -> None:
    free = tmp_path / "free"
    script = f"import time, pathlib; pathlib.Path({str(free)!r}).exists() or time.sleep(60)"
    folder = write(tmp_path / "case", processing("First"), processing("Long", script, "First"))
    process = subprocess.Popen(
        [*COMMAND, "run", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Long  running" in line:
            break
    if how == "interrupt":
        second = command("run", folder)
        assert (second.returncode, second.stdout) == (2, "case: starting a local cloud\n")
        assert "Another run of this pipeline is going on (process " in second.stderr
        os.killpg(process.pid, signal.SIGINT)
    elif how == "terminate":
        process.terminate()
    else:
        # The state was written when the step began, or within a second.
        time.sleep(1.2)
        os.killpg(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    assert process.wait() == (-signal.SIGKILL if how == "kill" else 130)
    if how != "kill":
        assert "Long  stopped" in rest
        assert _states(folder) == {"First": "succeeded", "Long": "stopped"}
    free.touch()
    resumed = command("run", folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert _states(folder) == {"First": "reused", "Long": "succeeded"}


@pytest.mark.slow
def test_a_run_goes_on_without_a_reader(tmp_path: Path) -> None:
    folder = write(tmp_path / "case", processing("One"), processing("Two", "pass", "One"))
    with subprocess.Popen([*COMMAND, "run", str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
    assert process.returncode == 0
    assert _states(folder) == {"One": "succeeded", "Two": "succeeded"}


@pytest.mark.slow
def test_functions_of_the_use_case_and_what_nothing_stands_for(tmp_path: Path) -> None:
    call = {
        "Name": "Call",
        "Type": "Lambda",
        "FunctionArn": "{{function.add-one}}",
        "Arguments": {"number": 41},
        "OutputParameters": [{"OutputName": "sum", "OutputType": "Integer"}],
    }
    named = processing("Named", "import os; print(os.environ['CLUSTER'])", "Call")
    named["Arguments"]["Environment"] = {"CLUSTER": "{{value.cluster}}"}
    folder = write(tmp_path / "case", call, named)
    refused = command("run", folder)
    assert refused.returncode == 2
    assert (
        f"write {folder}/functions/add_one.py with `def handler(event, context)`" in refused.stderr
    )
    assert "{{value.cluster}}: say --bind value.cluster=VALUE" in refused.stderr
    (folder / "functions").mkdir()
    (folder / "functions" / "add_one.py").write_text(
        "def handler(event, context):\n    return {'sum': event['number'] + 1}\n"
    )
    done = command("run", folder, "--bind", 'value.cluster=j-"1"')
    assert done.returncode == 0, done.stderr + done.stdout
    call_view, named_view = _record(folder)["steps"]
    assert call_view["measures"] == {"sum": "42"}
    assert Path(named_view["log"]).read_text() == 'j-"1"\n'


def _writing(name: str, script: str, **more: Any) -> dict[str, Any]:
    """A step that writes a file to a place of its run."""
    step = processing(name, f"open('/opt/ml/processing/output/x/f', 'w'); {script}", **more)
    uri = {
        "Std:Join": {
            "On": "/",
            "Values": [
                "s3://{{bucket.artifacts}}",
                {"Get": "Execution.PipelineExecutionId"},
                name,
            ],
        }
    }
    output = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/output/x", "S3UploadMode": "EndOfJob"}
    step["Arguments"]["ProcessingOutputConfig"] = {
        "Outputs": [{"OutputName": "x", "S3Output": output}]
    }
    return step


@pytest.mark.slow
def test_earlier_runs_are_deleted_but_not_what_later_ones_use(tmp_path: Path) -> None:
    def steps(first: str) -> Path:
        return write(
            tmp_path / "case",
            _writing("First", first, **CACHED),
            _writing("Second", "print('two')", DependsOn=["First"]),
        )

    def left(folder: Path) -> tuple[set[str], int, int]:
        home = folder / ".localcloud" / folder.name
        results = (home / "s3" / "123456789012" / "local-artifacts").rglob("f")
        runs = json.loads((home / "sagemaker.json").read_text())["records"]
        return (
            {str(each.parent.relative_to(each.parents[1])) for each in results},
            len(list((home / "logs").iterdir())),
            len([each for _, each in runs if each["kind"] == "PipelineExecution"]),
        )

    folder = steps("print('one')")
    assert "--keep 0: at least 1" in command("run", folder, "--keep", "0").stderr
    assert command("run", folder).returncode == 0
    # The second's First is the first's, by the cache.
    assert "Earlier runs" not in command("run", folder, "--keep", "1").stdout
    assert command("run", folder).returncode == 0
    assert left(folder) == ({"First", "Second"}, 4, 3)
    # The last one goes on with the third, whose First is the first's; the second is of no use.
    last = command("run", folder, "--only", "Second", "--keep", "1")
    assert "Earlier runs deleted: 1 " in last.stdout
    assert left(folder) == ({"First", "Second"}, 4, 3)
    # Nothing refers to the earlier ones any more, and the cache does not offer what is gone.
    steps("print('otherwise')")
    assert "Earlier runs deleted: 3 " in command("run", folder, "--keep", "1").stdout
    assert left(folder) == ({"First", "Second"}, 2, 1)
    steps("print('one')")
    assert command("run", folder).returncode == 0
    assert _states(folder)["First"] == "succeeded"
