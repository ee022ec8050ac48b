"""What `make bench` writes and shows."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measure import BenchmarkError, Command, Sample, Samples, interleave
from benchmarks.report import keep, table
from benchmarks.suites import SUITES

SYNTH = {
    "to JavaScript": {"ratio": 0.75, "seconds": [3.0, 4.0]},
    "to plain Python": {"ratio": 0.8, "seconds": [2.0, 2.5]},
}
RULES = {
    "seconds": {"rules": 0.2, "cfn_lint": 5.0, "import_aws_cdk": 0.5},
    "peak MiB": {"rules": 20.0, "cfn_lint": 150.0},
    "ratio to cfn-lint": 0.04,
    "ratio to import aws_cdk": 0.4,
    "memory ratio to cfn-lint": 0.13,
}


def test_the_table_says_ratio_goal_and_what_is_behind(tmp_path: Path) -> None:
    lines = table(keep(tmp_path / "results.json", {"synth": SYNTH}, quick=False)).splitlines()
    assert " ".join(lines[1].split()) == (
        "synth, both validated: platform / JavaScript 0.750 0.5 missed 3.00 s / 4.00 s"
    )
    assert " 0.800     1  met " in lines[2]
    assert lines[-1].startswith("synth (")


def test_suites_that_did_not_run_keep_their_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    keep(path, {"rules": RULES}, quick=True)
    keep(path, {"synth": SYNTH}, quick=False)
    suites = json.loads(path.read_text())["suites"]
    assert list(suites) == ["synth", "rules"]
    assert suites["rules"]["quick"]
    assert suites["rules"]["seconds"] == RULES["seconds"]
    assert suites["synth"]["machine"]["cores"]


def test_a_ratio_is_that_of_neighbours_and_its_seconds_are_theirs() -> None:
    samples = Samples()
    for mine, other in ((1.0, 2.0), (9.0, 20.0), (3.0, 3.0)):
        samples.add("mine", Sample(mine))
        samples.add("other", Sample(other))
    assert samples.compare("mine", "other") == {"ratio": 0.5, "seconds": [1.0, 2.0]}
    assert samples.seconds() == {"mine": 3.0, "other": 3.0}


def test_the_first_round_does_not_count() -> None:
    runs = iter(range(6))
    samples = interleave({name: lambda: Sample(next(runs)) for name in ("mine", "other")}, rounds=2)
    assert samples.seconds() == {"mine": 3.0, "other": 4.0}


def test_a_command_tells_its_memory() -> None:
    command = Command(name="python", arguments=[sys.executable, "-c", "bytearray(10**8)"])
    assert command.run().megabytes > 95


def test_a_failing_command_ends_it_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: bool) -> dict[str, object]:
        Command(name="thing", arguments=[sys.executable, "-c", "exit('broken')"]).run()
        return {}

    monkeypatch.setitem(SUITES, "rules", type(SUITES["rules"])(fail, SUITES["rules"].lines, ""))
    results = tmp_path / "results.json"
    with pytest.raises(SystemExit, match=r"(?s)error: rules: thing ended with status 1.*broken"):
        main(["rules"], results=results)
    assert not results.exists()


def test_an_unknown_suite_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sinth"])
    assert "no suite sinth; there are: synth, growth, pipeline, rules" in capsys.readouterr().err


def test_a_missing_program_is_an_error_of_the_benchmark() -> None:
    with pytest.raises(BenchmarkError, match="cannot be started"):
        Command(name="thing", arguments=["/there/is/no/such/program"]).run()
