"""Training goes on where it was interrupted, and ends with the same model."""

from pathlib import Path

import pytest
import train
from checkpoints import Checkpoints
from small_model import options, table, write_table

MODEL = "xgboost-model.ubj"


def model_of(folder: Path) -> bytes:
    return (folder / "trained" / MODEL).read_bytes()


def test_an_interrupted_training_ends_with_the_same_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train.train(options(whole))

    # Fewer rounds are what is left of a job that is stopped after its second checkpoint.
    checkpoints = parts / "checkpoints"
    train.train(options(parts, checkpoint_dir=checkpoints, num_round=55))
    assert [path.name[-10:] for path in sorted(checkpoints.iterdir())] == [
        "000025.ubj",
        "000050.ubj",
    ]
    capsys.readouterr()
    train.train(options(parts, checkpoint_dir=checkpoints))

    log = capsys.readouterr().out
    assert "resuming after round 49" in log
    assert "[0]" not in log
    assert model_of(parts) == model_of(whole)


def test_early_stopping_counts_the_rounds_before_the_interruption(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    stopping = {"early_stopping_rounds": 20, "num_round": 400}
    train.train(options(whole, **stopping))
    history = (whole / "output" / "training.json").read_text()

    checkpoints = parts / "checkpoints"
    train.train(options(parts, checkpoint_dir=checkpoints, num_round=26))
    train.train(options(parts, checkpoint_dir=checkpoints, **stopping))

    assert (parts / "output" / "training.json").read_text() == history
    assert model_of(parts) == model_of(whole)


def test_a_checkpoint_of_other_data_or_hyperparameters_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = tmp_path / "checkpoints"
    train.train(options(tmp_path, checkpoint_dir=checkpoints, num_round=30))
    train.train(options(tmp_path, checkpoint_dir=checkpoints, num_round=30, max_depth=2))
    given = options(tmp_path, checkpoint_dir=checkpoints, num_round=30)
    write_table(tmp_path / "train" / "data.csv", table(400, 9))
    train.train(given)
    assert "resuming" not in capsys.readouterr().out
    assert len(list(checkpoints.iterdir())) == 3


def test_a_checkpoint_that_cannot_be_read_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = tmp_path / "checkpoints"
    train.train(options(tmp_path, checkpoint_dir=checkpoints, num_round=55))
    newest = max(checkpoints.iterdir())
    newest.write_bytes(newest.read_bytes()[:100])
    train.train(options(tmp_path, checkpoint_dir=checkpoints, num_round=55))
    log = capsys.readouterr().out
    assert f"ignoring {newest.name}" in log
    assert "resuming after round 24" in log


def test_without_a_folder_there_are_no_checkpoints(tmp_path: Path) -> None:
    assert Checkpoints(None, {}, []).latest() is None
