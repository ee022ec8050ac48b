"""`mlops-constructs new`: write a use case for a table of data."""

from __future__ import annotations

import argparse
import json
import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_constructs.new import files
from mlops_constructs.new.profile import Profile, profile, python
from mlops_constructs.run.errors import CommandError, complain

# With "-staging-features" behind it, a feature group's name has up to 64 characters (botocore).
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 40
_RESERVED = frozenset({"compiler", "tabular"})
_MARKS = ("pipeline_code/compiler", "pipeline_code/tabular", "stacks/use_cases", "app.py")
# A larger table does not belong into a repository: a sample of it does.
_MOST_BYTES = 10_000_000
_COMPILE = (
    "import sys; from pathlib import Path; from pipeline_code.compiler.__main__ import main; "
    "sys.exit(main([sys.argv[2]], root=Path(sys.argv[1])))"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Write a use case for a table: a pipeline that splits the data, trains XGBoost, measures "
        "the model and registers it when it is good enough; its tests; and the settings with which "
        "the stacks deploy it. It runs with `mlops-constructs run NAME` and is built with "
        "`cdk synth -c use-case=NAME`. Run this inside a checkout."
    )
    parser.add_argument("name", metavar="NAME", help="lower case with hyphens, such as churn")
    parser.add_argument(
        "--data", metavar="FILE", type=Path, required=True, help="CSV with a header, or Parquet"
    )
    parser.add_argument("--target", metavar="COLUMN", required=True, help="what to predict")
    parser.add_argument(
        "--facet",
        metavar="COLUMN",
        action="append",
        default=[],
        help="measure the model by the groups of this column too; several times for several",
    )
    parser.add_argument(
        "--problem",
        choices=("classification", "regression"),
        help="found out from the target when left out: many different numbers are a regression",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the use case, and return the exit status."""
    try:
        root = _checkout()
        name = _checked_name(arguments.name)
        _check_free(root, name)
        write(
            root,
            name,
            arguments.data,
            target=arguments.target,
            facets=list(dict.fromkeys(arguments.facet)),
            problem=arguments.problem,
        )
    except CommandError as error:
        return complain(error)
    return 0


def write(
    root: Path,
    name: str,
    data: Path,
    *,
    target: str,
    facets: list[str],
    problem: str | None,
    build: bool = True,
) -> Profile:
    """Write the files of a use case, all or none.

    Args:
        root: The checkout.
        name: Of the use case.
        data: The table.
        target: The column to predict.
        facets: Columns by whose groups the model is measured.
        problem: ``classification`` or ``regression``; found out when None.
        build: Whether to build the stacks once, which records the feature group's lock files.

    Raises:
        CommandError: No pipeline can be made of the table, or it does not compile or build.
    """
    module = files.identifier(name)
    folder = root / "pipeline_code" / module
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as staging:
        staged = Path(staging, module)
        (staged / "data").mkdir(parents=True)
        (staged / "steps").mkdir()
        large = data.is_file() and data.stat().st_size > _MOST_BYTES
        copy = staged / "data" / (data.name.removesuffix(".gz") if large else data.name)
        found = profile(
            root,
            data,
            target=target,
            facets=facets,
            problem=problem,
            sample=copy if large else None,
        )
        _tell(name, data, found)
        if large:
            print(f"The table is large: {copy.name} in {module}/data holds a sample of it.")
        else:
            shutil.copyfile(data, copy)
        (staged / "columns.json").write_text(files.columns_json(found, facets), encoding="utf-8")
        (staged / "pipeline.py").write_text(files.pipeline(name, found), encoding="utf-8")
        shared = root / "pipeline_code" / "tabular"
        shutil.copyfile(shared / "derive.py", staged / "steps" / "derive.py")
        Path(staging, "tabular").symlink_to(shared)
        _compile(root, Path(staging), module)
        with _all_or_none() as written:
            staged.rename(folder)
            written.append(folder)
            for path, text in (
                (_settings(root, module), files.use_case(name, found)),
                (_tests(root, module), files.test(name, found)),
            ):
                written.append(path)
                path.write_text(text, encoding="utf-8")
            if build:
                written.extend(_locks(root, name))
                _build(root, name)
    _conclude(name, found)
    return found


def _checkout() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if all((folder / mark).exists() for mark in _MARKS):
            return folder
    raise CommandError(
        f"{here} is not inside a checkout of mlops-constructs: a use case lives beside the "
        f"compiler and the stacks ({', '.join(_MARKS)}). Change into one first."
    )


def _checked_name(given: str) -> str:
    name = given.replace("_", "-")
    module = files.identifier(name)
    if (
        not _NAME.fullmatch(name)
        or len(name) > _LONGEST_NAME
        or keyword.iskeyword(module)
        or module in _RESERVED
    ):
        raise CommandError(
            f"NAME {given!r}: up to {_LONGEST_NAME} lower-case letters, digits and inner hyphens, "
            f"a letter first, and none of {', '.join(sorted(_RESERVED))}; for example 'churn'."
        )
    return name


def _settings(root: Path, module: str) -> Path:
    return root / "stacks" / "use_cases" / f"{module}.py"


def _tests(root: Path, module: str) -> Path:
    return root / "tests" / "pipeline_code" / f"test_{module}.py"


def _locks(root: Path, name: str) -> list[Path]:
    """The lock files of the feature group in each environment (`stacks.data`)."""
    environments = ("dev", "staging", "prod")
    return [root / "features" / f"{name}-{each}-features.lock.json" for each in environments]


def _check_free(root: Path, name: str) -> None:
    module = files.identifier(name)
    wanted = [
        root / "pipeline_code" / module,
        _settings(root, module),
        _tests(root, module),
        *_locks(root, name),
    ]
    if there := [str(path.relative_to(root)) for path in wanted if path.exists()]:
        raise CommandError(
            f"There is a use case {name!r} already: {', '.join(there)}. Choose another name, or "
            "remove these first."
        )


def _compile(root: Path, staging: Path, module: str) -> None:
    done = subprocess.run(
        [python(root), "-c", _COMPILE, staging, module],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(
            f"The pipeline does not compile:\n{(done.stderr or done.stdout).strip()}"
        )


def _build(root: Path, name: str) -> None:
    """Build the stacks of all environments, as ``cdk synth`` would, and record the locks."""
    if shutil.which("node") is None:
        raise CommandError("Node.js is needed to build the stacks, and was not found on PATH.")
    print("Building the stacks of all environments once")
    context = {"use-case": name, "update-feature-locks": "true"}
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=root,
            env={
                **os.environ,
                "CDK_CONTEXT_JSON": json.dumps(context),
                "CDK_OUTDIR": out,
                "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise CommandError(f"The stacks cannot be built:\n{(done.stderr or done.stdout).strip()}")


@contextmanager
def _all_or_none() -> Iterator[list[Path]]:
    """Remove what was written if not everything could be."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        raise


def _tell(name: str, data: Path, found: Profile) -> None:
    print(f"{name}: {found.rows:,} rows of {data}, a {found.problem} problem\n")
    print(f"{found.table()}\n")
    renamed = {was: now for was, now in files.feature_names(found).items() if was != now}
    if renamed:
        print("In the feature group, which allows letters, digits, hyphens and underscores:")
        print("".join(f"  {was} is {now}\n" for was, now in renamed.items()))


def _conclude(name: str, found: Profile) -> None:
    module = files.identifier(name)
    kind, least = files.KINDS[found.problem], files.least(found)
    print(
        f"""
Written:
  pipeline_code/{module}/columns.json    which column is what: correct it here
  pipeline_code/{module}/steps/derive.py features made from others
  pipeline_code/{module}/pipeline.py     the steps; raise {kind.parameter}, now {least}
  tests/pipeline_code/test_{module}.py
  stacks/use_cases/{module}.py

Run it:     mlops-constructs run {name}
Test it:    pipeline_code/.venv/bin/python -m pytest tests/pipeline_code/test_{module}.py
Deploy it:  npx cdk deploy -c use-case={name} -c env=dev --all""".lstrip()
    )
