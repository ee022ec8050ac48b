"""Definitions read from a use case's folder: complete, and not stale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.definition import PipelineDefinition
from tests.training.fixture import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pipeline_code" / "sample")


def test_reads_document_bundles_and_images(folder: Path) -> None:
    definition = PipelineDefinition.from_folder(folder)
    assert definition.name == "sample"
    assert [step.name for step in definition.steps] == [
        "Preprocess",
        "Train",
        "Evaluate",
        "Gate",
        "Register",
        "Refuse",
    ]
    assert definition.bundles == {"steps": {"train.py": folder / "steps" / "train.py"}}
    assert definition.images == {"xgboost": "3.2-0"}
    assert definition.parameters["Approval"].choices == ("PendingManualApproval", "Approved")


def test_missing_definition_names_the_command(folder: Path) -> None:
    (folder / "definition.json").unlink()
    with pytest.raises(ValidationError) as refused:
        PipelineDefinition.from_folder(folder)
    assert "Run: pipeline_code/.venv/bin/python -m pipeline_code.compiler sample" in str(
        refused.value
    )


def test_missing_folder_reports_both_files(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        PipelineDefinition.from_folder(tmp_path / "nowhere")
    assert [problem.what for problem in refused.value.problems] == [
        "definition.json",
        "definition.lock.json",
    ]


def test_malformed_json(folder: Path) -> None:
    (folder / "definition.lock.json").write_text("{")
    with pytest.raises(
        ValidationError, match=r"definition.lock.json: got 'Expecting property name"
    ):
        PipelineDefinition.from_folder(folder)


def test_json_that_is_no_object(folder: Path) -> None:
    (folder / "definition.json").write_text("[]")
    with pytest.raises(
        ValidationError, match=r"definition.json: got 'list'; allowed: a JSON object"
    ):
        PipelineDefinition.from_folder(folder)


def test_unknown_lock_schema(folder: Path) -> None:
    lock = json.loads((folder / "definition.lock.json").read_text())
    (folder / "definition.lock.json").write_text(json.dumps(lock | {"schema_version": 2}))
    with pytest.raises(ValidationError, match="schema_version 1"):
        PipelineDefinition.from_folder(folder)


def test_edited_source_is_drift(folder: Path) -> None:
    (folder / "pipeline.py").write_text("# edited\n")
    with pytest.raises(ValidationError) as refused:
        PipelineDefinition.from_folder(folder)
    text = str(refused.value)
    assert "compiled before these sources were edited: sample/pipeline.py" in text
    assert "Compile it again and commit both files" in text


def test_removed_source_is_drift(folder: Path) -> None:
    (folder / "pipeline.py").unlink()
    with pytest.raises(ValidationError, match=r"sources were edited: sample/pipeline\.py"):
        PipelineDefinition.from_folder(folder)


def test_edited_definition_is_drift(folder: Path) -> None:
    path = folder / "definition.json"
    path.write_text(path.read_text().replace("ml.m5.large", "ml.m5.xlarge"))
    with pytest.raises(ValidationError, match="another file than the one that the lock describes"):
        PipelineDefinition.from_folder(folder)


def test_line_ends_are_no_drift(folder: Path) -> None:
    for name in ("pipeline.py", "definition.json"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    PipelineDefinition.from_folder(folder)


def test_step_scripts_may_be_edited_but_not_removed(folder: Path) -> None:
    script = folder / "steps" / "train.py"
    script.write_text("print('better')\n")
    PipelineDefinition.from_folder(folder)
    script.unlink()
    with pytest.raises(ValidationError, match=r"bundle 'steps': got '.*train.py'"):
        PipelineDefinition.from_folder(folder)


def test_path_relative_to_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent.parent)
    assert PipelineDefinition.from_folder("pipeline_code/sample").name == "sample"
    monkeypatch.chdir(folder)
    assert PipelineDefinition.from_folder(".").name == "sample"
