"""The parameters of a run: checked against the definition, files of this machine found."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops_constructs.run.errors import CommandError, did_you_mean
from mlops_constructs.run.use_case import UseCase
from mlops_constructs.training.document import Json, references

_DATA = "s3://{{bucket.data}}"
# The buckets of the local cloud: what a run before this one has left there.
_OWN = "s3://local-"
_SAMPLES = "data"
_NO_DATA = frozenset({".md", ".rst"})


@dataclass
class Parameters:
    """What a run is given.

    Attributes:
        values: Values by name.
        inputs: Parameters that stand for files: parameter to name to file.
    """

    values: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, dict[str, Path]] = field(default_factory=dict)


def parse(words: Sequence[str], use_case: UseCase, *, known: Collection[str] = ()) -> Parameters:
    """Read ``NAME=VALUE`` words.

    A parameter from which a job reads its input may name a file or folder of this machine. Where
    it is not given and its default lies in the data bucket, the folder ``data/<parameter>/`` or
    ``data/`` of the use case takes its place, if there is one.

    Args:
        words: As typed.
        use_case: Whose parameters they are.
        known: Parameters whose values an earlier run gives.

    Raises:
        CommandError: Everything that is wrong with them, at once.
    """
    reader = _Reader(use_case)
    for word in words:
        reader.take(word)
    for name in reader.declared:
        if name not in known:
            reader.complete(name)
    if reader.problems:
        raise CommandError("\n  ".join(["The run cannot start:", *reader.problems]))
    return reader.found


class _Reader:
    """Reads the words one by one, and notes what is wrong with them."""

    def __init__(self, use_case: UseCase) -> None:
        self.declared: dict[str, Mapping[str, Json]] = {
            each["Name"]: each for each in use_case.document.get("Parameters") or []
        }
        self.found = Parameters()
        self.problems: list[str] = []
        self._use_case = use_case
        self._read_from = _inputs(use_case)

    def take(self, word: str) -> None:
        """Read a word."""
        name, equals, value = word.partition("=")
        problem = None
        if not equals:
            problem = f"--param {word}: write NAME=VALUE"
        elif name not in self.declared:
            problem = f"There is no parameter {name!r}. {did_you_mean(name, self.declared)}"
        elif self._has(name):
            problem = f"Parameter {name} is given twice."
        elif name in self._read_from and not value.startswith(_OWN):
            try:
                self.found.inputs[name] = _files(name, value)
            except CommandError as error:
                problem = str(error)
        else:
            problem = _wrong(self.declared[name], value)
            self.found.values[name] = value
        if problem:
            self.problems.append(problem)

    def complete(self, name: str) -> None:
        """See that a parameter has a value: the one given, its default, or sample data."""
        if self._has(name):
            return
        default = self.declared[name].get("DefaultValue")
        if default is None:
            self.problems.append(
                f"Parameter {name} ({self.declared[name]['Type']}) has no default value: "
                f"give it one with --param {name}=…"
            )
        elif name in self._read_from and str(default).startswith(_DATA):
            samples = _samples(self._use_case, name)
            if samples:
                self.found.inputs[name] = samples
            else:
                self.problems.append(
                    f"Parameter {name} says where the data is, and {self._use_case.folder} has no "
                    f"folder {_SAMPLES}/: give a file or folder with --param {name}=PATH"
                )

    def _has(self, name: str) -> bool:
        return name in self.found.values or name in self.found.inputs


def _inputs(use_case: UseCase) -> set[str]:
    """The parameters from which jobs read their input."""
    return {
        reference.partition(".")[2]
        for step in use_case.steps.values()
        for uri in _input_uris(step.own["Arguments"])
        for reference in references(uri)
        if reference.startswith("Parameters.")
    }


def _input_uris(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("S3Input", "S3DataSource") and isinstance(item, dict):
                yield item.get("S3Uri")
            else:
                yield from _input_uris(item)
    elif isinstance(value, list):
        for item in value:
            yield from _input_uris(item)


def _files(name: str, value: str) -> dict[str, Path]:
    if re.match(r"[a-z0-9]+://", value):
        raise CommandError(
            f"Parameter {name} is {value!r}: a run on this machine reads files of this machine. "
            "Copy the data here and give its path."
        )
    path = Path(value).expanduser()
    if not path.exists():
        raise CommandError(f"Parameter {name}: there is no file or folder {value!r}.")
    found = _below(path) if path.is_dir() else {path.name: path.resolve()}
    if not found:
        raise CommandError(f"Parameter {name}: the folder {value!r} holds no files.")
    return found


def _samples(use_case: UseCase, name: str) -> dict[str, Path]:
    for folder in (use_case.folder / _SAMPLES / name, use_case.folder / _SAMPLES):
        if folder.is_dir():
            return {k: v for k, v in _below(folder).items() if v.suffix not in _NO_DATA}
    return {}


def _below(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path.resolve()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:])
    }


def _wrong(parameter: Mapping[str, Json], value: str) -> str | None:
    """What is wrong with a value, or nothing."""
    name, kind = parameter["Name"], parameter["Type"]
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        return f"Parameter {name} is {value!r}; allowed: {', '.join(allowed)}."
    readers: Mapping[str, Callable[[str], object]] = {
        "Integer": int,
        "Float": float,
        "Boolean": lambda text: {"true": True, "false": False}[text.lower()],
    }
    try:
        readers.get(kind, str)(value)
    except (KeyError, ValueError):
        example = {"Integer": "6", "Float": "0.1", "Boolean": "true"}[kind]
        return f"Parameter {name} is {value!r}; it takes a value of type {kind}, such as {example}."
    return None
