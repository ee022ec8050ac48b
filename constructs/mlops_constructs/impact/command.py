"""`mlops-constructs impact`: what deploying a change would do to deployed resources."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlops_constructs.impact.acknowledgements import FILE, Acknowledgement, apply, parse, read
from mlops_constructs.impact.analysis import analyse
from mlops_constructs.impact.inputs import Pair, read_pair
from mlops_constructs.impact.report import FORMATS, as_text, clean, summary
from mlops_constructs.impact.revisions import (
    SNAPSHOTS,
    file_at,
    read_committed,
    read_synthesised,
)
from mlops_constructs.rules.engine.errors import TemplateError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Say for each resource what deploying NEW over OLD would do: none, update, create, "
        "blue-green, replace, delete. Exit status: 0 nothing stateful is lost, 1 a stateful "
        "resource is replaced or deleted and nobody has acknowledged it, 2 something cannot be "
        "read."
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="OLD and NEW: two templates, or two folders of templates such as cdk.out. With "
        f"--base only one: the templates committed in the repository (default: {SNAPSHOTS})",
    )
    parser.add_argument(
        "--base",
        metavar="REVISION",
        help="compare with the templates committed in a git revision, such as origin/main",
    )
    parser.add_argument(
        "--app",
        metavar="COMMAND",
        help="with --base: synthesise both instead of reading what is committed; slower, but asset "
        "hashes count too. Runs in a shell in the root of each tree with CDK_OUTDIR set, for "
        "example 'PYTHONPATH=constructs:. python app.py'",
    )
    parser.add_argument("--format", choices=list(FORMATS), default="text")
    parser.add_argument(
        "--acknowledged",
        metavar="FILE",
        type=Path,
        default=Path(FILE),
        help="the changes that somebody has agreed to (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, and return the exit status."""
    try:
        pair = _pair(arguments)
        changes, unused = apply(
            analyse(pair.old, pair.new), _acknowledgements(arguments.acknowledged, arguments.base)
        )
    except TemplateError as error:
        print(f"mlops-constructs: {clean(str(error))}", file=sys.stderr)
        return 2
    output = FORMATS[arguments.format](changes)
    if output:
        print(output)
    for entry in unused:
        place = clean(f"{entry.stack}/{entry.resource}")
        print(f"{arguments.acknowledged}: {place} is spent: remove it", file=sys.stderr)
    dangerous = [change for change in changes if change.dangerous]
    if arguments.format == "json" and dangerous:
        print(as_text(dangerous), file=sys.stderr)
    print(summary(changes), file=sys.stderr)
    return 1 if dangerous else 0


def _pair(arguments: argparse.Namespace) -> Pair:
    paths = [Path(path) for path in arguments.paths]
    if arguments.base is None:
        if arguments.app is not None:
            raise TemplateError("--app synthesises a revision: say which with --base")
        if len(paths) != 2:
            raise TemplateError("give OLD and NEW, or --base REVISION")
        return read_pair(*paths)
    if arguments.app is not None:
        if paths:
            raise TemplateError("--app synthesises the templates: leave the paths away")
        return read_synthesised(arguments.base, arguments.app)
    if len(paths) > 1:
        raise TemplateError("with --base, give one path at most: it is read on both sides")
    return read_committed(arguments.base, paths[0] if paths else Path(SNAPSHOTS))


def _acknowledgements(path: Path, base: str | None) -> list[Acknowledgement]:
    """The entries of the file; those that the base has already have had their once."""
    entries = read(path)
    before = file_at(base, path) if base is not None and entries else None
    spent = parse(before, f"{base}:{path}") if before is not None else []
    return [entry for entry in entries if entry not in spent]
