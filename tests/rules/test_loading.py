"""Files: formats, lines, and what is refused with a clear error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops_constructs.rules import TemplateError, check_file

SHORT_FORMS = """\
# A comment above.
Parameters:
  Stage: {Type: String}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Resources:
  Group:
    Type: AWS::SageMaker::FeatureGroup
    Properties:
      FeatureGroupName: !If [IsProd, bad name, good]
      RecordIdentifierFeatureName: person_id
      EventTimeFeatureName: event_time
      FeatureDefinitions:
        - {FeatureName: person_id, FeatureType: String}
        - FeatureName: event_time
          FeatureType: String
        - FeatureName: write_time
          FeatureType: String
      OnlineStoreConfig: {EnableOnlineStore: yes}
      RoleArn: !GetAtt Role.Arn
      Description: !Sub "${AWS::StackName} ${!Literal}"
"""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_yaml_short_forms_and_lines(tmp_path: Path) -> None:
    findings = check_file(write(tmp_path, "t.yaml", SHORT_FORMS))
    assert {(f.rule, f.line) for f in findings} == {("FG14", 10), ("FG06", 17)}
    (reserved,) = [f for f in findings if f.rule == "FG06"]
    assert reserved.path == "Properties.FeatureDefinitions[2].FeatureName"


def test_json_lines(tmp_path: Path) -> None:
    properties = {"FeatureGroupName": 'a "quoted" {name}', "FeatureDefinitions": [
        {"FeatureName": "a", "FeatureType": "String"}, {"FeatureName": "write_time"}]}  # fmt: skip
    group = {"Type": "AWS::SageMaker::FeatureGroup", "Properties": properties}
    text = json.dumps({"Resources": {"First": {"Type": "X"}, "Group": group}}, indent=1)
    lines = {f.rule: f.line for f in check_file(write(tmp_path, "t.json", text))}
    texts = text.splitlines()
    assert '"FeatureGroupName"' in texts[lines["FG14"] - 1]  # type: ignore[operator]  # files have lines
    assert '"write_time"' in texts[lines["FG06"] - 1]  # type: ignore[operator]  # files have lines
    assert '"Properties"' in texts[lines["FG01"] - 1]  # type: ignore[operator]  # files have lines


def test_json_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert check_file(write(tmp_path, "t.json", b'\xef\xbb\xbf{"Resources": {}}')) == []


def test_keys_and_account_ids_stay_text(tmp_path: Path) -> None:
    text = (
        "Resources:\n  Model:\n    Type: AWS::SageMaker::Model\n    Properties:\n"
        "      PrimaryContainer:\n        Image: 012345678901.dkr.ecr.eu-west-1.amazonaws.com/a\n"
        "        Environment: {No: 010, 2012-10-17: 1}\n"
    )
    assert check_file(write(tmp_path, "t.yaml", text)) == []


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", '{"Resources": {"A": {"Type": "AWS::Sage', "not valid JSON"),
        ("t.json", '{"Resources": {"A": NaN}}', "NaN is not JSON"),
        ("t.json", '{"Resources": {"A": ' + "9" * 5000 + "}}", "a number is too long"),
        ("t.json", '{"Resources":' + '{"a":' * 100_000, "nested deeper"),
        ("t.json", "[]", "no Resources"),
        ("t.json", "", "no Resources"),
        ("t.json", '{"Resources": []}', "no Resources"),
        ("t.json", b'{"Resources": {"\xff": 1}}', "not UTF-8"),
        ("t.json", " " * (9 * 2**20), "larger than 8 MiB"),
        ("t.yaml", "Resources: " + "[" * 100_000, "nested deeper"),
        ("t.yaml", BOMB + "Resources: {A: *a11}", "aliases expand"),
        ("t.yaml", "a: &a [*a]\nResources: {}", "no finished anchor"),
        ("t.yaml", "Resources: *nope", "no finished anchor"),
        ("t.yaml", "Resources: {A: [}", "not valid YAML"),
        ("t.yaml", 'Resources: {A: "\x00"}', "not valid YAML"),
        ("t.yaml", "Resources:\n  ? [a]\n  : b", "must be a plain value"),
        ("t.yaml", "", "no Resources"),
    ],
)
def test_what_is_no_template_is_refused(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(TemplateError, match=message) as error:
        check_file(path)
    assert str(error.value).startswith(str(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="No such file"):
        check_file(tmp_path / "none.json")


def test_yaml_builds_no_objects(tmp_path: Path) -> None:
    text = "Resources: {A: {Type: X, P: !!python/object/apply:os.getcwd []}}"
    assert check_file(write(tmp_path, "t.yaml", text)) == []


def test_aliases_and_merges_are_read(tmp_path: Path) -> None:
    text = (
        "base: &base {FeatureGroupName: bad name, OnlineStoreConfig: {EnableOnlineStore: true}}\n"
        "Resources:\n  Group: {Type: 'AWS::SageMaker::FeatureGroup', Properties: {<<: *base}}\n"
    )
    assert [f.rule for f in check_file(write(tmp_path, "t.yaml", text))] == ["FG14"]
