"""Code bundles: the same files, the same asset."""

import json
import tarfile
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from mlops_constructs.common.bundles import code_bundle
from mlops_constructs.common.errors import ValidationError
from tests.support import feature_flags, resources_of


def stack_into(folder: Path) -> cdk.Stack:
    app = cdk.App(
        context=feature_flags(), outdir=str(folder), builtin_cloud_formation_validation=False
    )
    return cdk.Stack(app, "Test")


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, Path]:
    files = {"train.py": tmp_path / "a.py", "lib/features.py": tmp_path / "b.py"}
    for name, path in files.items():
        path.write_text(f"print({name!r})\n")
    return files


def test_archive_holds_the_files_and_nothing_of_the_machine(
    scripts: dict[str, Path], tmp_path: Path
) -> None:
    asset = code_bundle(stack_into(tmp_path / "out"), "Code", scripts)
    assert asset.s3_object_key == f"{asset.asset_hash}.tar.gz"
    packed = tmp_path / "out" / f"asset.{asset.asset_hash}.tar.gz"
    with tarfile.open(packed) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["lib/features.py", "train.py"]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(0, 0, 0, "", 0o644)}
        content = archive.extractfile("train.py")
        assert content is not None
        assert content.read() == b"print('train.py')\n"


def test_same_files_same_bytes_and_hash(scripts: dict[str, Path], tmp_path: Path) -> None:
    first = code_bundle(stack_into(tmp_path / "1"), "Code", scripts)
    for path in scripts.values():
        path.touch()
        path.chmod(0o755)
    again = dict(reversed(scripts.items()))
    second = code_bundle(stack_into(tmp_path / "2"), "Other", again)
    assert first.asset_hash == second.asset_hash
    name = f"asset.{first.asset_hash}.tar.gz"
    assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_an_edit_and_a_new_name_change_the_hash(scripts: dict[str, Path], tmp_path: Path) -> None:
    stack = stack_into(tmp_path / "out")
    hashes = {code_bundle(stack, "A", scripts).asset_hash}
    hashes.add(code_bundle(stack, "B", {"other.py": scripts["train.py"]}).asset_hash)
    scripts["train.py"].write_text("print('edited')\n")
    hashes.add(code_bundle(stack, "C", scripts).asset_hash)
    assert len(hashes) == 3


def test_manifest_publishes_the_archive(scripts: dict[str, Path], tmp_path: Path) -> None:
    stack = stack_into(tmp_path / "out")
    bundle = code_bundle(stack, "Code", scripts)
    cdk.App.of(stack).synth()  # type: ignore[union-attr]  # the stack is in an app
    manifest = json.loads((tmp_path / "out" / "Test.assets.json").read_text())
    (asset,) = (
        asset for asset in manifest["files"].values() if asset["displayName"] == "Test/Code"
    )
    assert asset["source"] == {
        "path": f"asset.{bundle.asset_hash}.tar.gz",
        "packaging": "file",
    }
    (destination,) = asset["destinations"].values()
    assert destination["objectKey"] == bundle.s3_object_key == bundle.file_name


def test_archive_of_a_nested_stage_is_found(scripts: dict[str, Path], tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path / "out"), builtin_cloud_formation_validation=False)
    code_bundle(cdk.Stack(cdk.Stage(app, "Stage"), "Test"), "Code", scripts)
    app.synth()
    (path,) = (tmp_path / "out").glob("assembly-Stage/*.assets.json")
    (source,) = (
        asset["source"]["path"]
        for asset in json.loads(path.read_text())["files"].values()
        if asset["source"]["path"].endswith(".tar.gz")
    )
    assert (path.parent / source).is_file()


def test_grant_opens_code_archives_only(scripts: dict[str, Path], tmp_path: Path) -> None:
    stack = stack_into(tmp_path / "out")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    code_bundle(stack, "Code", scripts).grant_read(role)
    (policy,) = resources_of(stack, "AWS::IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["s3:GetObject", "s3:ListBucket"]
    assert [str(arn).endswith("/*.tar.gz']]}") for arn in statement["Resource"]] == [True, False]


@pytest.mark.parametrize("name", ["/etc/train.py", "../train.py", "a//b.py", "./a.py", ""])
def test_path_outside_the_archive(name: str, scripts: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a relative path inside the archive"):
        code_bundle(stack_into(tmp_path / "out"), "Code", {name: scripts["train.py"]})


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    files = {"a.py": tmp_path / "a.py", "b.py": tmp_path / "b.py"}
    with pytest.raises(ValidationError) as refused:
        code_bundle(stack_into(tmp_path / "out"), "Code", files)
    assert refused.value.path == "Test/Code"
    assert [problem.what for problem in refused.value.problems] == [
        "files['a.py']",
        "files['b.py']",
    ]


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="at least one file"):
        code_bundle(stack_into(tmp_path / "out"), "Code", {})
