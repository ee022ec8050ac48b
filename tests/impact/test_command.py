"""The command: what it reads, prints and returns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.cli import main
from mlops_constructs.impact import Action, Change, acknowledgements
from mlops_constructs.impact.report import FORMATS
from tests.impact.cases import BUCKET, GROUP, PARAMETER, ROLE, TOPIC, but, ref, tags

Json = dict[str, Any]
SAFE_OLD: Json = {"Resources": {"P": PARAMETER, "Role": ROLE}}
SAFE_NEW: Json = {"Resources": {"P": but(PARAMETER, Value="b"), "Role": ROLE}}
DANGER_OLD: Json = {"Resources": {"G": GROUP, "Role": ROLE}}
DANGER_NEW: Json = {"Resources": {"G": but(GROUP, FeatureGroupName="clients"), "Role": ROLE}}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, content: Any) -> str:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def pair(old: Json, new: Json) -> list[str]:
    return [write("old.json", old), write("new.json", new)]


def acknowledge(stderr_or_out: str, reason: str = "it is empty") -> list[Json]:
    """The entries that the report offers, with a reason."""
    lines = [line for line in stderr_or_out.splitlines() if "or let it through once" in line]
    entries = [json.loads(line[line.index("{") :]) for line in lines]
    return [{**entry, "reason": reason} for entry in entries]


def test_the_command_starts_without_aws_cdk_and_cfn_lint() -> None:
    code = """
import sys
from mlops_constructs.cli import main
status = main(["impact", "old.json", "new.json"])
sys.exit(status or bool({"aws_cdk", "jsii", "cfnlint", "boto3"} & set(sys.modules)))
"""
    pair(SAFE_OLD, SAFE_NEW)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- status and formats --------------------------------------------------------------------------


def test_nothing_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["impact", *pair(SAFE_OLD, SAFE_OLD)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "2 unchanged\n")


def test_a_safe_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["impact", *pair(SAFE_OLD, SAFE_NEW)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "   update     new/P  AWS::SSM::Parameter",
        '       Value: "a" → "b"',
    ]
    assert err == "1 updated in place, 1 unchanged\n"


def test_a_dangerous_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["impact", *pair(DANGER_OLD, DANGER_NEW)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("!! replace    new/G  AWS::SageMaker::FeatureGroup\n")
    assert 'FeatureGroupName: "customers" → "clients" (create-only)' in out
    assert "way out: keep FeatureGroupName as it was" in out
    assert err == "1 replaced, 1 unchanged; 1 endanger data\n"


def test_replacing_what_holds_nothing_is_fine() -> None:
    old, new = ({"Resources": {"T": but(TOPIC, TopicName=name)}} for name in "ab")
    assert main(["impact", *pair(old, new)]) == 0


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["impact", *pair(DANGER_OLD, DANGER_NEW), "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == [
        {
            "resource": "G",
            "type": "AWS::SageMaker::FeatureGroup",
            "action": "replace",
            "stateful": True,
            "because": ['FeatureGroupName: "customers" → "clients" (create-only)'],
        },
        {
            "resource": "Role",
            "type": "AWS::IAM::Role",
            "action": "none",
            "stateful": False,
            "because": [],
        },
    ]
    assert "way out" in err


def test_json_names_the_stack_when_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("old", "new"):
        write(f"{folder}/A.template.json", SAFE_OLD)
        write(f"{folder}/B.template.json", DANGER_OLD)
    assert main(["impact", "old", "new", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["stack"], row["resource"]) for row in rows] == [
        ("A", "P"),
        ("A", "Role"),
        ("B", "G"),
        ("B", "Role"),
    ]


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    old = {"Resources": {**DANGER_OLD["Resources"], **SAFE_OLD["Resources"]}}
    new = {"Resources": {**DANGER_NEW["Resources"], **SAFE_NEW["Resources"]}}
    assert main(["impact", *pair(old, new), "--format", "markdown"]) == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "### Impact: stops here"
    assert lines[2] == "1 replaced, 1 updated in place, 1 unchanged; 1 endanger data."
    assert lines[4] == "**replace** `new/G` (`AWS::SageMaker::FeatureGroup`)"
    assert out.index("**replace**") < out.index("<details>") < out.index("| update |")
    assert lines[-1] == "</details>"


def test_markdown_of_a_hostile_template_is_inert(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "`|<img src=x>\n@team [a](http://b) \x1b[31m"
    old = {"Resources": {evil: but(BUCKET, BucketName=evil), "T": TOPIC}}
    main(["impact", *pair(old, {"Resources": {"T": TOPIC}}), "--format", "markdown"])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for line in out.splitlines():
        outside = "".join(line.split("`")[0::2])
        assert "<img" not in outside
        assert "@team" not in outside


def test_markdown_fits_a_comment(capsys: pytest.CaptureFixture[str]) -> None:
    old = {f"G{i}": but(GROUP, FeatureGroupName=f"g{i}") for i in range(400)}
    new = {name: but(group, Description="d") for name, group in old.items()}
    old |= {f"T{i}": but(TOPIC, DisplayName="a") for i in range(2000)}
    new |= {f"T{i}": but(TOPIC, DisplayName="b") for i in range(2000)}
    files = pair({"Resources": old}, {"Resources": new})
    assert main(["impact", *files, "--format", "markdown"]) == 1
    out = capsys.readouterr().out
    assert len(out) < 65_536
    assert "more that endanger data" in out
    assert "2000 updated in place" in out


# --- inputs --------------------------------------------------------------------------------------


def test_yaml_and_json_compare() -> None:
    write(
        "old.yaml",
        "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties: {TopicName: !Ref X}\n",
    )
    write("new.json", {"Resources": {"T": but(TOPIC, TopicName=ref("X"))}})
    assert main(["impact", "old.yaml", "new.json"]) == 0


def test_folders_of_any_names(capsys: pytest.CaptureFixture[str]) -> None:
    write("old/deep/test_template[Data-dev].json", DANGER_OLD)
    write("new/other/test_template[Data-dev].json", DANGER_NEW)
    write("new/settings.json", {"not": "a template"})
    assert main(["impact", "old", "new"]) == 1
    assert "!! replace    Data-dev/G" in capsys.readouterr().out


def assembly(folder: str, template: Json) -> None:
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://1/eu-west-1",
        "properties": {"templateFile": "Data.template.json"},
    }
    write(f"{folder}/manifest.json", {"artifacts": {"Data": artifact}})
    write(f"{folder}/Data.template.json", template)


def test_cloud_assemblies(capsys: pytest.CaptureFixture[str]) -> None:
    assembly("old", DANGER_OLD)
    assembly("new", DANGER_NEW)
    assert main(["impact", "old", "new"]) == 1
    assert "Data/G" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.json", "new.json"], "missing.json: no such file or folder"),
        (["new.json", "folder"], "a file and a folder cannot be compared"),
        (["broken.json", "new.json"], "broken.json:1: not valid JSON"),
        (["new.json", "list.json"], "list.json: not a CloudFormation template"),
        (["folder", "folder"], "folder: no templates there"),
        (["new.json"], "give OLD and NEW, or --base REVISION"),
        (["a", "b", "c"], "give OLD and NEW"),
        (["new.json", "new.json", "--app", "x"], "say which with --base"),
        (["--base", "main"], "not in a git repository"),
    ],
)
def test_what_cannot_be_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair(SAFE_OLD, SAFE_NEW)
    write("broken.json", "{")
    write("list.json", [])
    Path("folder").mkdir()
    assert main(["impact", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mlops-constructs: ")
    assert message in err


# --- acknowledgements ----------------------------------------------------------------------------


def test_an_acknowledged_change_passes(capsys: pytest.CaptureFixture[str]) -> None:
    files = pair(DANGER_OLD, DANGER_NEW)
    main(["impact", *files])
    write("impact.acknowledged.json", acknowledge(capsys.readouterr().out))
    assert main(["impact", *files]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("   replace    new/G")
    assert "acknowledged: it is empty" in out
    assert err == "1 replaced, 1 unchanged; 1 acknowledged\n"


def test_an_acknowledgement_lets_no_other_change_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["impact", *pair(DANGER_OLD, DANGER_NEW)])
    write("impact.acknowledged.json", acknowledge(capsys.readouterr().out))
    others = [
        {"G": but(GROUP, FeatureGroupName="others"), "Role": ROLE},
        {"G": but(GROUP, FeatureGroupName="clients", Tags=tags(a="b")), "Role": ROLE},
        {"Role": ROLE},
    ]
    for other in others:
        assert main(["impact", *pair(DANGER_OLD, {"Resources": other})]) == 1
        assert "new/G is spent: remove it" in capsys.readouterr().err
    back = pair(DANGER_NEW, DANGER_OLD)
    assert main(["impact", *back]) == 1


def test_an_acknowledgement_depends_on_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    def template(path: str) -> Json:
        role = but(ROLE, Path=path)
        group = but(GROUP, RoleArn={"Fn::GetAtt": ["Role", "Arn"]})
        return {"Resources": {"Role": role, "G": group}}

    main(["impact", *pair(template("/a/"), template("/b/"))])
    write("impact.acknowledged.json", acknowledge(capsys.readouterr().out))
    assert main(["impact", *pair(template("/a/"), template("/b/"))]) == 0
    assert main(["impact", *pair(template("/a/"), template("/c/"))]) == 1


def test_an_acknowledgement_depends_on_what_the_resource_refers_to_now(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def template(target: str, path: str = "/a/") -> Json:
        group = but(GROUP, RoleArn={"Fn::GetAtt": [target, "Arn"]})
        return {"Resources": {target: but(ROLE, Path=path), "G": group}}

    main(["impact", *pair(template("Old"), template("New"))])
    write("impact.acknowledged.json", acknowledge(capsys.readouterr().out))
    assert main(["impact", *pair(template("Old"), template("New"))]) == 0
    assert main(["impact", *pair(template("Old"), template("New", "/b/"))]) == 1


def test_an_acknowledgement_depends_on_a_cause_in_another_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def write_stacks(folder: str, path: str, **properties: Any) -> None:
        export = {"Value": {"Fn::GetAtt": ["Role", "Arn"]}, "Export": {"Name": "role"}}
        role = but(ROLE, Path=path)
        write(f"{folder}/A.json", {"Resources": {"Role": role}, "Outputs": {"O": export}})
        group = but(GROUP, RoleArn={"Fn::ImportValue": "role"}, **properties)
        write(f"{folder}/B.json", {"Resources": {"G": group}})

    write_stacks("old", "/a/")
    write_stacks("new", "/b/")
    main(["impact", "old", "new"])
    write("impact.acknowledged.json", acknowledge(capsys.readouterr().out))
    assert main(["impact", "old", "new"]) == 0
    write_stacks("new", "/c/")
    assert main(["impact", "old", "new"]) == 1


ENTRY = {"stack": "s", "resource": "r", "action": "replace", "reason": "x", "change": "0"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ({}, "a list of objects"),
        ([1], "entry 1: an object with exactly"),
        ([ENTRY, {**ENTRY, "x": ""}], "entry 2: an object with exactly"),
        ([{**ENTRY, "stack": 1}], "entry 1: stack: text is needed"),
        ([{**ENTRY, "action": "update"}], "action: replace or delete is needed, not 'update'"),
        ([{**ENTRY, "reason": " "}], "reason: say why"),
    ],
)
def test_a_broken_file_of_acknowledgements(
    content: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("acks.json", content)
    files = pair(DANGER_OLD, DANGER_NEW)
    assert main(["impact", *files, "--acknowledged", "acks.json"]) == 2
    assert message in capsys.readouterr().err


def test_the_offered_entry_needs_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    files = pair(DANGER_OLD, DANGER_NEW)
    main(["impact", *files])
    offered = acknowledge(capsys.readouterr().out, "…why losing it is fine…")
    write("impact.acknowledged.json", offered)
    assert main(["impact", *files]) == 2


# --- revisions -----------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    write("snapshots/Data.json", DANGER_OLD)
    write(
        "app.sh", 'mkdir -p "$CDK_OUTDIR" && cp snapshots/Data.json "$CDK_OUTDIR/D.template.json"'
    )
    git("init", "-q", "-b", "main")
    commit()
    return tmp_path


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def commit() -> None:
    git("add", ".")
    git("commit", "-q", "-m", "x")


@pytest.mark.usefixtures("repository")
def test_compare_with_what_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["impact", "--base", "main", "snapshots"]) == 0
    write("snapshots/Data.json", DANGER_NEW)
    assert main(["impact", "--base", "main", "snapshots"]) == 1
    assert "!! replace    Data/G" in capsys.readouterr().out


@pytest.mark.usefixtures("repository")
def test_compare_a_single_file_from_a_folder_below(monkeypatch: pytest.MonkeyPatch) -> None:
    write("snapshots/Data.json", DANGER_NEW)
    monkeypatch.chdir("snapshots")
    assert main(["impact", "--base", "HEAD", "Data.json"]) == 1


@pytest.mark.usefixtures("repository")
def test_compare_what_both_revisions_synthesise(capsys: pytest.CaptureFixture[str]) -> None:
    write("snapshots/Data.json", DANGER_NEW)
    assert main(["impact", "--base", "main", "--app", "sh app.sh"]) == 1
    assert "!! replace    D/G" in capsys.readouterr().out


@pytest.mark.usefixtures("repository")
def test_an_acknowledgement_of_the_base_is_spent(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["impact", "--base", "main", "snapshots"]
    write("snapshots/Data.json", DANGER_NEW)
    main(arguments)
    write("impact.acknowledged.json", acknowledge(capsys.readouterr().out))
    assert main(arguments) == 0
    commit()
    # The same change once more, after it was taken back: it needs another agreement.
    write("snapshots/Data.json", DANGER_OLD)
    commit()
    write("snapshots/Data.json", DANGER_NEW)
    assert main(arguments) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--base", "nowhere", "snapshots"], "git knows no revision 'nowhere'"),
        (["--base=--upload-pack=x", "snapshots"], "git knows no revision"),
        (["--base", "main", "new"], "revision 'main' has no new"),
        (["--base", "main", "/"], "not in the repository"),
        (["--base", "main", "a", "b"], "one path at most"),
        (["--base", "main", "a", "--app", "x"], "leave the paths away"),
        (["--base", "main", "--app", "echo no >&2; false"], "failed in main: no"),
        (["--base", "main", "--app", "true"], "wrote nothing to $CDK_OUTDIR in main"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_revisions_that_cannot_be_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("new/Data.json", DANGER_NEW)
    assert main(["impact", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_page_shows_the_forms_that_are_read_and_written() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "impact.md").read_text()
    entries, rows = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (entry,) = acknowledgements.parse(entries.encode(), "docs/impact.md")
    (row,) = json.loads(rows)
    change = Change(
        row["stack"], row["resource"], row["type"], Action(row["action"]), tuple(row["because"])
    )
    other = replace(change, stack="Other")
    assert json.loads(FORMATS["json"]([change, other]))[0] == row
    assert entry.allows(replace(change, digest=entry.change))
