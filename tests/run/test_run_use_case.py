from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mlops_constructs.run import local_cloud
from mlops_constructs.run.errors import CommandError
from mlops_constructs.run.use_case import UseCase, compile_again
from tests.run.support import processing, write


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipeline_code").mkdir()
    folder = write(tmp_path / "pipeline_code" / "house_prices", processing("Work"))
    (folder / "pipeline.py").write_text("x")
    lock = {"sources": {"house_prices/pipeline.py": hashlib.sha256(b"x").hexdigest()}}
    (folder / "definition.lock.json").write_text(json.dumps(lock))
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    return tmp_path


def test_a_use_case_is_found_by_name_folder_and_file(checkout: Path) -> None:
    folder = checkout / "pipeline_code" / "house_prices"
    for argument in ("house_prices", "house-prices", str(folder), str(folder / "definition.json")):
        found = UseCase.read(argument)
        assert (found.folder, found.name) == (folder, "house-prices")
        assert found.home == folder / ".localcloud" / "house-prices"


def test_another_file_is_another_pipeline(checkout: Path) -> None:
    folder = checkout / "pipeline_code" / "house_prices"
    (folder / "small_one.json").write_text((folder / "definition.json").read_text())
    found = UseCase.read(str(folder / "small_one.json"))
    assert (found.name, found.lock) == ("small-one", {})


def test_runs_can_be_kept_elsewhere(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALCLOUD_HOME", str(checkout / "runs"))
    assert UseCase.read("house_prices").home == checkout / "runs" / "house-prices"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("house_price", "There is no use case 'house_price'.*Did you mean 'house_prices'"),
        ("../docs", "holds no definition.json. Name the folder of a use case"),
        ("../pipeline_code/house_prices/pipeline.py", "cannot be read"),
        ("../pipeline_code/house_prices/definition.lock.json", "is no pipeline definition"),
    ],
)
def test_what_is_no_use_case(checkout: Path, argument: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        UseCase.read(argument)


def test_a_folder_that_was_never_compiled_says_how(checkout: Path) -> None:
    (checkout / "pipeline_code" / "house_prices" / "definition.json").unlink()
    with pytest.raises(CommandError, match=r"-m pipeline_code\.compiler house_prices"):
        UseCase.read("house_prices")


def test_edited_sources_are_noticed(checkout: Path) -> None:
    assert UseCase.read("house_prices").stale_sources() == []
    (checkout / "pipeline_code" / "house_prices" / "pipeline.py").write_text("y")
    stale = UseCase.read("house_prices")
    assert stale.stale_sources() == ["house_prices/pipeline.py"]
    with pytest.raises(CommandError, match="Run `make setup-sdk`"):
        compile_again(stale)


def test_the_local_cloud_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "localcloud"
    monkeypatch.setenv(local_cloud.VARIABLE, str(folder))
    with pytest.raises(CommandError, match=r"was not found\. It is the folder localcloud/ of the"):
        local_cloud.find(tmp_path, ["Processing"])
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    with pytest.raises(CommandError, match=f"is not set up. Run `make setup` in {tmp_path}"):
        local_cloud.find(tmp_path, ["Processing"])
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    with pytest.raises(CommandError, match="stands in for AWS's containers is missing"):
        local_cloud.find(tmp_path, ["Processing"])
    assert local_cloud.find(tmp_path, ["Condition"]) == python
