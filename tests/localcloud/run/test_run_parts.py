"""The parts of `localcloud.run`; whole runs: tests/run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from localcloud.dag.definition import parse
from localcloud.run.progress import Progress, StepView
from localcloud.run.request import RunError, load
from localcloud.run.screen import LiveTable, _most_telling
from localcloud.sagemaker.store import Record
from tests.localcloud.dag.support import condition, pipeline, processing
from tests.localcloud.support import Cloud


def _request(folder: Path, **more: Any) -> Path:
    from mlops_constructs.run.command import _request as written
    from mlops_constructs.run.parameters import Parameters
    from mlops_constructs.run.use_case import UseCase

    (folder / "definition.json").write_text(json.dumps(pipeline(processing("A"))))
    arguments = argparse.Namespace(only=["A"], start=[], resume=False, bind=["value.x=1=2"], keep=5)
    use_case = UseCase.read(str(folder))
    given = Parameters({"N": "1"}, {"Uri": {"a.csv": folder / "a.csv"}})
    content = {**written(arguments, use_case, given, folder), **more}
    path = folder / "request.json"
    path.write_text(json.dumps(content))
    return path


def test_what_the_command_hands_over_is_understood(tmp_path: Path) -> None:
    request = load(_request(tmp_path))
    assert (request.mode, request.steps, request.keep) == ("only", ("A",), 5)
    assert request.bindings == {"value.x": "1=2"}
    assert request.inputs == {"Uri": {"a.csv": tmp_path / "a.csv"}}
    assert request.home == tmp_path / ".localcloud" / request.pipeline


@pytest.mark.parametrize("more", [{"version": 1}, {"news": 1}])
def test_a_command_of_another_version_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="of different versions"):
        load(_request(tmp_path, **more))


def _view(name: str, state: Any, **more: Any) -> StepView:
    return StepView(name=name, type="Processing", depth=0, state=state, **more)


def test_a_long_pipeline_shows_what_matters() -> None:
    views = [_view(f"done-{n}", "succeeded", ended=float(n)) for n in range(50)]
    views += [_view("broken", "failed", ended=1.0), _view("busy", "running")]
    views += [_view(f"next-{n}", "waiting") for n in range(50)]
    shown, hidden = _most_telling(views, 6)
    assert [view.name for view in shown] == [
        *(f"done-{n}" for n in range(46, 50)), "broken", "busy"
    ]  # fmt: skip
    assert len(hidden) == len(views) - 6
    early = [_view("busy", "running"), *(_view(f"next-{n}", "waiting") for n in range(50))]
    assert [view.name for view in _most_telling(early, 3)[0]] == ["busy", "next-0", "next-1"]


def test_progress_follows_an_execution(cloud: Cloud, tmp_path: Path) -> None:
    definition = parse(
        pipeline(
            processing("A"),
            condition("If", 1, [processing("Yes")], [processing("No")]),
            processing("Last", "If"),
        )
    )
    progress = Progress(definition, cloud.sagemaker, tmp_path)
    assert [(view.name, view.depth) for view in progress.steps.values()] == [
        ("A", 0),
        ("If", 0),
        ("Yes", 1),
        ("No", 1),
        ("Last", 0),
    ]
    started = {"StepName": "A", "StepStatus": "Executing", "StartTime": 10.0}
    execution = Record("PipelineExecution", ("a",), "a", {}, {"steps": [started], "results": {}})
    assert [view.name for view in progress.update(execution)] == ["A"]
    assert progress.update(execution) == []
    hit = {**started, "StepStatus": "Succeeded", "EndTime": 12.5, "CacheHitResult": {"a": "b"}}
    outcome = {"StepName": "If", "StepStatus": "Succeeded", "StartTime": 1.0, "EndTime": 1.0}
    execution.hidden["steps"] = [hit, outcome]
    execution.hidden["results"] = {"If": {"properties": {"Outcome": "True"}}}
    assert [view.state for view in progress.update(execution)] == ["cached", "succeeded"]
    assert progress.steps["A"].seconds == 2.5
    assert progress.steps["If"].measures == {"outcome": "True"}
    assert [view.name for view in progress.end()] == ["Yes", "No", "Last"]


def test_the_table_of_a_terminal(cloud: Cloud, tmp_path: Path) -> None:
    progress = Progress(
        parse(pipeline(processing("A"), processing("B"))), cloud.sagemaker, tmp_path
    )
    progress.steps["A"] = _view("A", "running", started=1.0, attempts=2, measures={"auc": "0.9"})
    progress.steps["B"] = _view("B", "failed", started=1.0, ended=63.0, reason="no\nmore of it")
    console = Console(force_terminal=True, width=80, height=20, record=True)
    table = LiveTable(console)
    table.show(progress, [])
    table.say("[not] markup")
    table.close()
    lines = console.export_text().splitlines()
    assert any("A" in line and "attempt 2, auc 0.9" in line for line in lines)
    assert any(
        "B" in line and "1:02 min" in line and line.endswith("no")
        for line in map(str.rstrip, lines)
    )
    assert any("[not] markup" in line for line in lines)
