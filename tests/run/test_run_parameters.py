from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.cli import COMMANDS
from mlops_constructs.run.errors import CommandError
from mlops_constructs.run.parameters import parse
from mlops_constructs.run.use_case import UseCase
from tests.run.support import ROOT, processing, reading, write


def _parameter(name: str, kind: str, default: Any = None, **more: Any) -> dict[str, Any]:
    shown = {} if default is None else {"DefaultValue": default}
    return {"Name": name, "Type": kind, **shown, **more}


@pytest.fixture
def use_case(tmp_path: Path) -> UseCase:
    folder = write(
        tmp_path / "case",
        reading("Read", "InputDataUri"),
        processing("Work"),
        parameters=[
            _parameter("InputDataUri", "String", "s3://{{bucket.data}}/raw/"),
            _parameter("MaxDepth", "Integer", 5),
            _parameter("Eta", "Float", 0.1),
            _parameter("Quick", "Boolean", "false"),
            _parameter("Status", "String", "On", EnumValues=["On", "Off"]),
        ],
    )
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_text("a\n1\n")
    (folder / "data" / "README.md").write_text("What the rows are.")
    (folder / "data" / ".hidden").write_text("x")
    return UseCase.read(str(folder))


def test_sample_data_is_the_default_input(use_case: UseCase) -> None:
    found = parse([], use_case)
    assert found.values == {}
    assert found.inputs == {"InputDataUri": {"rows.csv": use_case.folder / "data" / "rows.csv"}}


def test_a_folder_named_after_the_parameter_comes_first(use_case: UseCase) -> None:
    own = use_case.folder / "data" / "InputDataUri"
    own.mkdir()
    (own / "mine.csv").write_text("b\n2\n")
    assert parse([], use_case).inputs == {"InputDataUri": {"mine.csv": own / "mine.csv"}}


def test_files_and_folders_of_this_machine_are_inputs(use_case: UseCase, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a\n2\n")
    found = parse([f"InputDataUri={file}", "MaxDepth=7", "Status=Off"], use_case)
    assert found.inputs == {"InputDataUri": {"other.csv": file}}
    assert found.values == {"MaxDepth": "7", "Status": "Off"}
    found = parse([f"InputDataUri={use_case.folder / 'data'}"], use_case)
    assert found.inputs["InputDataUri"].keys() == {"rows.csv", "README.md"}


def test_everything_that_is_wrong_is_said_at_once(use_case: UseCase) -> None:
    words = ["MaxDept=3", "Eta=fast", "Quick=maybe", "Status=Or", "MaxDepth=1", "MaxDepth=2", "X"]
    with pytest.raises(CommandError) as error:
        parse([*words, "InputDataUri=nowhere.csv"], use_case)
    assert str(error.value).splitlines() == [
        "The run cannot start:",
        "  There is no parameter 'MaxDept'. Did you mean 'MaxDepth'?",
        "  Parameter Eta is 'fast'; it takes a value of type Float, such as 0.1.",
        "  Parameter Quick is 'maybe'; it takes a value of type Boolean, such as true.",
        "  Parameter Status is 'Or'; allowed: On, Off.",
        "  Parameter MaxDepth is given twice.",
        "  --param X: write NAME=VALUE",
        "  Parameter InputDataUri: there is no file or folder 'nowhere.csv'.",
    ]


def test_what_has_no_default_must_be_given(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "case",
        reading("Read", "Rows"),
        parameters=[
            _parameter("Rows", "String", "s3://{{bucket.data}}/x"),
            _parameter("N", "Integer"),
        ],
    )
    use_case = UseCase.read(str(folder))
    with pytest.raises(CommandError) as error:
        parse([], use_case)
    assert "Parameter N (Integer) has no default value: give it one with --param N=" in str(error)
    assert "Parameter Rows says where the data is" in str(error)
    assert parse([], use_case, known=("N", "Rows")).values == {}


def test_addresses_of_s3_are_not_reached(use_case: UseCase) -> None:
    with pytest.raises(CommandError, match="reads files of this machine"):
        parse(["InputDataUri=s3://bucket/raw/"], use_case)


def _documented() -> list[str]:
    pages = (ROOT / "README.md", ROOT / "docs" / "training.md")
    lines = [line for page in pages for line in page.read_text().splitlines()]
    return [line for line in lines if re.match(r"\.venv/bin/mlops-constructs (run|dag|new) ", line)]


def test_the_commands_of_the_docs_are_understood() -> None:
    lines = _documented()
    assert len(lines) >= 10
    for line in lines:
        _, name, *words = shlex.split(line)
        (module,) = (each.module for each in COMMANDS if each.name == name)
        parser = argparse.ArgumentParser()
        importlib.import_module(module).configure(parser)
        parser.parse_args(words)


def test_the_steps_and_parameters_of_the_docs_exist() -> None:
    use_case = UseCase.read(str(ROOT / "pipeline_code" / "census_income"))
    text = "\n".join(_documented())
    steps = set(re.findall(r"run census_income --(?:only|from) (\w+)", text))
    assert steps
    assert steps <= use_case.steps.keys()
    named = set(re.findall(r"--param (\w+)=", text))
    assert named <= {each["Name"] for each in use_case.document["Parameters"]}
