"""`mlops-constructs cost`: what the templates cost while nobody uses them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlops_constructs.cost.estimate import Templates, estimate
from mlops_constructs.cost.prices import PriceError, read_prices
from mlops_constructs.cost.report import FORMATS
from mlops_constructs.impact.inputs import read_folder, stack_name
from mlops_constructs.impact.report import clean
from mlops_constructs.impact.revisions import SNAPSHOTS, read_committed
from mlops_constructs.rules.engine.errors import TemplateError
from mlops_constructs.rules.engine.loading import read_template


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Say for each stack what costs while nobody uses it: instances, interface endpoints, "
        "keys, alarms, and what schedules start, at most. Prices come from a dated table; what "
        "has no price is shown with its quantity. Exit status: 0, or 1 if the sum is above "
        "--limit, or 2 if something cannot be read."
    )
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(SNAPSHOTS),
        metavar="PATH",
        help="a template, or a folder of templates such as cdk.out (default: %(default)s)",
    )
    compared = parser.add_mutually_exclusive_group()
    compared.add_argument(
        "--base",
        metavar="REVISION",
        help="compare with the templates committed at PATH in a git revision, such as origin/main",
    )
    compared.add_argument(
        "--against", metavar="OLD", type=Path, help="compare with another template or folder"
    )
    parser.add_argument("--format", choices=list(FORMATS), default="text")
    parser.add_argument(
        "--prices", metavar="FILE", type=Path, help="your own price table instead of the examples"
    )
    parser.add_argument(
        "--limit",
        metavar="AMOUNT",
        type=float,
        help="exit with 1 if what stands costs more than this in a month",
    )


def run(arguments: argparse.Namespace) -> int:
    """Estimate, print, and return the exit status."""
    try:
        prices = read_prices(arguments.prices)
        old, new = _templates(arguments)
        after = estimate(new, prices)
        before = None if old is None else estimate(old, prices)
    except (TemplateError, PriceError) as error:
        print(f"mlops-constructs: {clean(str(error))}", file=sys.stderr)
        return 2
    print(FORMATS[arguments.format](after, before))
    if arguments.limit is not None and after.monthly() > arguments.limit:
        print(
            f"mlops-constructs: {after.monthly():,.2f} {prices.currency} a month is above "
            f"--limit {arguments.limit:,.2f}",
            file=sys.stderr,
        )
        return 1
    return 0


def _templates(arguments: argparse.Namespace) -> tuple[Templates | None, Templates]:
    if arguments.base is not None:
        pair = read_committed(arguments.base, arguments.path)
        return pair.old, pair.new
    old = None if arguments.against is None else _read(arguments.against)
    return old, _read(arguments.path)


def _read(path: Path) -> Templates:
    if path.is_dir():
        return read_folder(path)
    return {stack_name(path): read_template(path)[0]}
