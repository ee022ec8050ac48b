"""Checkpoints of a boosting run: the trees so far, and the measures of every round.

Both are in one file, which appears whole or not at all: SageMaker copies what stands in the folder
to S3 at any moment, and a job may be stopped at any other.

The folder is the same in every execution of the pipeline, as step caching compares where it lies.
The names of the files say what a checkpoint was grown with and on, so that no job goes on with the
checkpoint of another.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xgboost

#: Measures by name, such as ``validation-auc``, a value per round.
History = dict[str, list[float]]

_KEPT = 2


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: Where they are; None for no checkpoints.
        parameters: What the trees are grown with.
        data: Folders with what they are grown on.
    """

    def __init__(
        self, folder: Path | None, parameters: Mapping[str, Any], data: Iterable[Path]
    ) -> None:
        self._folder = folder
        self._name = "none" if folder is None else _fingerprint(parameters, data)

    def save(self, booster: xgboost.Booster, history: History) -> None:
        """Write a checkpoint and remove those that are no longer needed."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        booster.set_attr(history=json.dumps(history))
        target = self._folder / f"{self._name}-{booster.num_boosted_rounds():06}.ubj"
        # XGBoost takes the format from the name's end.
        written = target.with_name(f".{target.name}")
        booster.save_model(written)
        booster.set_attr(history=None)
        written.replace(target)
        for old in self._files()[:-_KEPT]:
            old.unlink()

    def latest(self) -> tuple[xgboost.Booster, History] | None:
        """The latest checkpoint that can be read, if there is one."""
        for path in reversed(self._files()):
            booster = xgboost.Booster()
            try:
                booster.load_model(path)
            except xgboost.core.XGBoostError as error:
                reason = str(error).strip().splitlines()[0]
                print(f"ignoring {path.name}: {reason}")
                continue
            history: History = json.loads(booster.attr("history") or "{}")
            booster.set_attr(history=None)
            return booster, history
        return None

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._name}-*.ubj")) if self._folder else []


def _fingerprint(parameters: Mapping[str, Any], data: Iterable[Path]) -> str:
    found = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for folder in data:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]
