from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.cli import main
from tests.rules.support import group

CLEAN = {"Resources": {"Group": group()}}
WARNING = {"Resources": {"Group": group(Tags=[{"Key": "a", "Value": "b"}])}}
ERROR = {"Resources": {"Group": group(FeatureGroupName="50% off, today:\n!")}}


def write(folder: Path, name: str, document: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(json.dumps(document, indent=1))
    return path


@pytest.mark.parametrize(
    ("document", "status", "summary"),
    [
        (CLEAN, 0, "1 template checked: 0 errors, 0 warnings"),
        (WARNING, 0, "1 template checked: 0 errors, 1 warning"),
        (ERROR, 1, "1 template checked: 1 error, 0 warnings"),
    ],
)
def test_exit_status(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    document: dict[str, Any],
    status: int,
    summary: str,
) -> None:
    assert main(["check", str(write(tmp_path, "t.json", document))]) == status
    assert capsys.readouterr().err.strip() == summary


def test_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "t.json", ERROR)
    main(["check", str(path)])
    out = capsys.readouterr().out
    assert out.startswith(f"{path}:6: error FG14 Group (AWS::SageMaker::FeatureGroup)\n")
    assert "Properties.FeatureGroupName: The API refuses the name" in out


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "t.json", ERROR)
    main(["check", "--format", "json", str(path)])
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding.pop("message").startswith("The API refuses the name")
    assert finding == {
        "rule": "FG14",
        "severity": "error",
        "resource": "Group",
        "type": "AWS::SageMaker::FeatureGroup",
        "path": "Properties.FeatureGroupName",
        "file": str(path),
        "line": 6,
    }


def test_json_without_findings_is_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check", "--format", "json", str(write(tmp_path, "t.json", CLEAN))])
    assert json.loads(capsys.readouterr().out) == []


def test_github(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "t.json", ERROR)
    main(["check", "--format", "github", str(path)])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"::error file={path},line=6,title=FG14 Group::Properties.Feature")
    assert "50%25 off, today:" in line


def test_sarif(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "t.json", ERROR)
    main(["check", "--format", "sarif", str(path)])
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert (rule["id"], result["ruleId"], result["ruleIndex"]) == ("FG14", "FG14", 0)
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": str(path)}, "region": {"startLine": 6}}


def test_unreadable_files_do_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    missing = tmp_path / "missing.json"
    status = main(["check", str(broken), str(write(tmp_path, "t.json", ERROR)), str(missing)])
    out, err = capsys.readouterr()
    assert status == 2
    assert "FG14" in out
    assert f"mlops-constructs: {broken}:1: not valid JSON" in err
    assert f"mlops-constructs: {missing}: no such file" in err


def test_globs_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a.template.json", ERROR)
    write(tmp_path, "b.template.json", ERROR)
    write(tmp_path, "other.json", {"not": "a template"})
    for argument in (str(tmp_path), str(tmp_path / "*.template.json")):
        assert main(["check", argument]) == 1
        assert "2 templates checked: 2 errors" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "*.yaml")]) == 2


def test_cloud_assembly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stacks with their regions, stages, and nested stacks."""
    stage = tmp_path / "assembly-Stage"
    stage.mkdir()
    write(tmp_path, "S.template.json", CLEAN)
    write(tmp_path, "SNested.nested.template.json", ERROR)
    write(stage, "T.template.json", CLEAN)
    write(tmp_path, "left-over.template.json", ERROR)
    source = {"path": "SNested.nested.template.json", "packaging": "file"}
    write(tmp_path, "S.assets.json", {"files": {"abc": {"source": source}}})
    kind = {"type": "aws:cloudformation:stack"}
    artifacts = {
        "S": {**kind, "environment": "aws://unknown-account/us-gov-west-1",
              "properties": {"templateFile": "S.template.json"}},
        "Stage": {"type": "cdk:cloud-assembly", "properties": {"directoryName": stage.name}},
        "S.assets": {"type": "cdk:asset-manifest"},
    }  # fmt: skip
    write(tmp_path, "manifest.json", {"artifacts": artifacts})
    inner = {"T": {**kind, "environment": "aws://unknown-account/unknown-region",
                   "properties": {"templateFile": "T.template.json"}}}  # fmt: skip
    write(stage, "manifest.json", {"artifacts": inner})
    assert main(["check", "--format", "json", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    found = {(Path(f["file"]).name, f["rule"]) for f in json.loads(out)}
    assert found == {
        ("S.template.json", "RG01"),
        ("SNested.nested.template.json", "RG01"),
        ("SNested.nested.template.json", "FG14"),
    }
    assert err.startswith("3 templates checked")


def test_acknowledged_findings_of_an_assembly_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ERROR["Resources"]["Group"]
    write(tmp_path, "S.template.json", {"Resources": {"A": bad, "B": bad}})
    acknowledged = {"mlops-constructs::FG14": "Reason.", "other::FG14": "Another plugin's."}
    metadata = {
        "/S/Store": [{"type": "aws:cdk:acknowledged-rules", "data": acknowledged}],
        "/S/Store/A": [{"type": "aws:cdk:logicalId", "data": "A"}],
        "/S/Storey/B": [{"type": "aws:cdk:logicalId", "data": "B"}],
        "/S/Odd": [1, {"type": "aws:cdk:logicalId", "data": {}}],
        "/S/Odder": "x",
    }
    stack = {"type": "aws:cloudformation:stack", "additionalMetadataFile": "S.metadata.json",
             "properties": {"templateFile": "S.template.json"}}  # fmt: skip
    write(tmp_path, "manifest.json", {"artifacts": {"S": stack}})
    write(tmp_path, "S.metadata.json", metadata)
    main(["check", "--format", "json", str(tmp_path)])
    assert [f["resource"] for f in json.loads(capsys.readouterr().out)] == ["B"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"artifacts": 1}', '{"artifacts": {"a": 1}}'])
def test_broken_assembly(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    assert main(["check", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(tmp_path, "t.json", CLEAN))
    assert main(["check", "--region", "us-gov-west-1", path]) == 1
    assert "RG01" in capsys.readouterr().out


def test_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 150
    assert lines[0] == (
        "FG01  error    A feature group has an online store, an offline store, or both"
    )
    assert main(["rules", "ec14"]) == 0
    assert "EC14 (warning)" in capsys.readouterr().out
    assert main(["rules", "EC99"]) == 2
    assert "no rule EC99" in capsys.readouterr().err


def test_wrong_arguments_exit_2() -> None:
    for arguments in ([], ["check"], ["check", "--format", "xml", "a"], ["nonsense"]):
        with pytest.raises(SystemExit) as error:
            main(arguments)
        assert error.value.code == 2


def test_the_commands_do_not_load_aws_cdk(tmp_path: Path) -> None:
    path = write(tmp_path, "t.json", ERROR)
    code = (
        "import sys; from mlops_constructs.cli import main;"
        f"main(['check', {str(path)!r}]); main(['rules', 'FG01']);"
        "sys.exit('aws_cdk' in sys.modules or 'botocore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0


def test_a_reader_that_stops_early_is_no_error() -> None:
    code = "from mlops_constructs.cli import main; raise SystemExit(main(['rules', '--markdown']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
