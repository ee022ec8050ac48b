"""Compile use cases: ``python -m pipeline_code.compiler census_income``, from the root."""

import argparse
import difflib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline_code.compiler.build import Compiled, compile_use_case
from pipeline_code.compiler.errors import CompileError

_ROOT = Path(__file__).resolve().parents[1]
_COMMAND = "pipeline_code/.venv/bin/python -m pipeline_code.compiler"
_DIFF_LINES = 60


def main(argv: Sequence[str] | None = None, *, root: Path = _ROOT) -> int:
    """Run the command line.

    Args:
        argv: Arguments; those of the process if None.
        root: Folder that holds the use cases.

    Returns:
        Exit status: 0, or 1 if anything could not be compiled or (with --check) is stale.
    """
    parser = argparse.ArgumentParser(
        prog=_COMMAND, description="Compile a use case's pipeline.py to its definition.json."
    )
    parser.add_argument("use_case", nargs="*", help="folder under pipeline_code/")
    parser.add_argument("--all", action="store_true", help="every use case")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a committed file is stale"
    )
    options = parser.parse_args(argv)
    status = 0
    try:
        folders = _folders(options.use_case, everything=options.all, root=root)
        for folder in folders:
            compiled = compile_use_case(folder)
            if options.check:
                status |= _check(folder, compiled)
            else:
                _report(folder, compiled, _write(folder, compiled.files))
    except CompileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


def _folders(names: Sequence[str], *, everything: bool, root: Path) -> list[Path]:
    known = sorted(path.parent.name for path in root.glob("*/pipeline.py"))
    if everything == bool(names):
        raise CompileError(f"Name use cases, or say --all. Known: {', '.join(known) or 'none'}.")
    for name in names:
        if not name.isidentifier() or not (root / name).is_dir():
            raise CompileError(
                f"There is no use case '{name}' (a folder of {root.name}/ with a pipeline.py). "
                f"Known: {', '.join(known) or 'none'}."
            )
    return [root / name for name in (known if everything else names)]


def _check(folder: Path, compiled: Compiled) -> int:
    """Compare with the committed files and show how they differ."""
    stale = 0
    for name, text in compiled.files.items():
        path = folder / name
        committed = path.read_text(encoding="utf-8") if path.is_file() else ""
        if committed == text:
            continue
        stale = 1
        state = "is stale" if committed else "is missing"
        print(f"{folder.name}/{name} {state}:", file=sys.stderr)
        diff = list(
            difflib.unified_diff(
                committed.splitlines(), text.splitlines(), "committed", "compiled", lineterm="", n=2
            )
        )
        more = [f"… and {len(diff) - _DIFF_LINES} more lines"] if len(diff) > _DIFF_LINES else []
        print("\n".join(diff[:_DIFF_LINES] + more), file=sys.stderr)
    if stale:
        print(f"Mend it with: {_COMMAND} {folder.name}", file=sys.stderr)
    else:
        print(f"{folder.name}: up to date")
    return stale


def _write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write what changed; each file is whole at every moment."""
    changed = []
    for name, text in files.items():
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        changed.append(name)
    return changed


def _report(folder: Path, compiled: Compiled, changed: list[str]) -> None:
    what = f"wrote {' and '.join(changed)}" if changed else "nothing changed"
    size = f"{len(compiled.steps)} steps, {len(compiled.sentinels)} sentinels"
    print(f"{folder.name}: {size}; {what}")


if __name__ == "__main__":
    sys.exit(main())
