"""What jobs are made of, without running one."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from localcloud.compute.containers import stand_in
from localcloud.compute.layout import ContainerFolder
from localcloud.compute.metrics import MetricCollector
from localcloud.compute.outcome import JobFailure
from localcloud.compute.ports import FolderObjects, S3Uri, ServiceError
from localcloud.compute.process import ContainedProcess
from localcloud.compute.transfer import download, extract_archive
from tests.localcloud.compute.support import archive


@pytest.mark.parametrize(
    "image",
    [
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
        "1.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost@sha256:abc",
        "127.0.0.1:5000/sagemaker-xgboost",
    ],
)
def test_images_are_known_by_their_repository(image: str) -> None:
    assert stand_in(image).framework == "xgboost"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/opt/ml", "{root}"),
        ("/opt/ml/model", "{root}/model"),
        ("cd /opt/ml/a && ls '/opt/ml/b'", "cd {root}/a && ls '{root}/b'"),
        ('"--out=/opt/ml/a"', '"--out={root}/a"'),
        ("file:///opt/ml/a", "file://{root}/a"),
        ("s3://bucket/opt/ml/a", "s3://bucket/opt/ml/a"),
        ("/opt/mlx /srv/opt/ml", "/opt/mlx /srv/opt/ml"),
    ],
)
def test_the_base_path_is_substituted(tmp_path: Path, text: str, expected: str) -> None:
    folder = ContainerFolder(tmp_path)
    assert folder.substitute(text) == expected.format(root=folder.root)


@pytest.mark.parametrize("path", ["/tmp/x", "/opt/ml/../../etc", "relative"])
def test_only_paths_below_the_base_are_the_jobs(tmp_path: Path, path: str) -> None:
    with pytest.raises(ServiceError, match="paths below /opt/ml only"):
        ContainerFolder(tmp_path).local(path)


def test_a_path_that_a_shell_would_split_gets_a_safe_name(tmp_path: Path) -> None:
    workdir = tmp_path / "a b"
    folder = ContainerFolder(workdir)
    assert " " not in str(folder.root)
    (folder.root / "x").write_text("")
    assert (workdir / "opt/ml/x").exists()
    folder.remove()
    assert not folder.root.exists()
    assert not workdir.exists()


@pytest.mark.parametrize(
    ("uri", "files"),
    [
        ("s3://b/d/train", ["1.csv", "sub/2.csv", "train-2/3.csv"]),
        ("s3://b/d/train/", ["1.csv", "sub/2.csv"]),
        ("s3://b/d/train/1.csv", ["1.csv"]),
        ("s3://b", ["d/train-2/3.csv", "d/train/1.csv", "d/train/sub/2.csv"]),
    ],
)
def test_a_prefix_brings_what_the_service_would(
    tmp_path: Path, uri: str, files: Sequence[str]
) -> None:
    objects = FolderObjects(tmp_path / "s3")
    for key in ("d/train/1.csv", "d/train/sub/2.csv", "d/train-2/3.csv"):
        objects.put("b", key, b"")
    target = tmp_path / "channel"
    download({"S3Uri": uri, "S3DataType": "S3Prefix"}, target, objects)
    assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*.csv")) == files


@pytest.mark.parametrize("manifest", [b"{", b"[]", b'[{"prefix": "x"}]', b'{"a": 1}'])
def test_a_broken_manifest(tmp_path: Path, manifest: bytes) -> None:
    objects = FolderObjects(tmp_path)
    objects.put("b", "m", manifest)
    with pytest.raises(JobFailure, match="Invalid manifest s3://b/m"):
        download({"S3Uri": "s3://b/m", "S3DataType": "ManifestFile"}, tmp_path, objects)


def test_an_archive_cannot_leave_its_folder(tmp_path: Path) -> None:
    with pytest.raises(JobFailure, match=r"Not a readable tar\.gz"):
        extract_archive(archive({"../evil": "x"}), tmp_path / "model")
    assert not (tmp_path / "evil").exists()
    with pytest.raises(JobFailure, match=r"Not a readable tar\.gz"):
        extract_archive(b"no archive", tmp_path / "model")


@pytest.mark.parametrize(("regex", "said"), [("(", "is invalid"), ("auc", "captures nothing")])
def test_a_metric_that_cannot_be_read(regex: str, said: str) -> None:
    with pytest.raises(JobFailure, match=said):
        MetricCollector([{"Name": "auc", "Regex": regex}])


def test_what_is_no_number_is_no_metric() -> None:
    collector = MetricCollector([{"Name": "auc", "Regex": "auc=(.*)"}])
    collector.collect(["auc=0.5", "auc=none"])
    assert [metric["Value"] for metric in collector.final()] == [0.5]


def test_s3_addresses() -> None:
    assert str(S3Uri.parse("s3://b/a/").join("", "c/d")) == "s3://b/a/c/d"
    assert S3Uri.parse("s3://b") == S3Uri("b", "")
    with pytest.raises(ServiceError, match="Not an S3 address: 'b/c'"):
        S3Uri.parse("b/c")
    with pytest.raises(ServiceError, match="leaves its bucket"):
        FolderObjects(Path("/nowhere")).get("b", "../../x")


def contained(
    command: Sequence[str], on_lines: Callable[[Sequence[str]], None] = lambda _: None
) -> ContainedProcess:
    environment = {"PATH": os.environ["PATH"]}
    return ContainedProcess(command, env=environment, cwd=Path("/"), on_lines=on_lines)


def test_a_log_that_cannot_be_written_does_not_stop_the_job() -> None:
    def refuse(lines: Sequence[str]) -> None:
        raise ServiceError("X", "no space left")

    # More than a pipe holds: without a reader the command would wait for ever.
    process = contained([sys.executable, "-c", "for _ in range(5000): print('y' * 99)"], refuse)
    assert process.wait(stop=threading.Event(), max_seconds=10, grace_seconds=1) == "exited"
    assert process.exit_code == 0


def test_a_signal_is_an_exit_code_as_in_docker() -> None:
    process = contained(["/bin/sh", "-c", "kill -9 $$"])
    process.wait(stop=threading.Event(), grace_seconds=1)
    assert process.exit_code == 137


def test_the_group_ends_when_its_supervisor_is_killed() -> None:
    seen = threading.Event()
    process = contained(["/bin/sh", "-c", "echo started; sleep 60"], lambda _: seen.set())
    assert seen.wait(5)
    os.kill(process.pid, signal.SIGKILL)
    started = time.monotonic()
    assert process.wait(stop=threading.Event(), grace_seconds=1) == "exited"
    assert process.exit_code == 137
    # Had `sleep` lived on, it would have kept the log open.
    assert time.monotonic() - started < 3


def test_an_unfinished_last_line_is_logged() -> None:
    lines: list[str] = []
    process = contained(["/bin/sh", "-c", "printf 'a\\r\\nb'"], lines.extend)
    process.wait(stop=threading.Event(), grace_seconds=1)
    assert lines == ["a", "b"]
