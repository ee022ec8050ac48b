"""The arguments of the commands that read the templates of an environment."""

from __future__ import annotations

import argparse
from collections.abc import Iterable


def declare_inputs(
    parser: argparse.ArgumentParser, *, formats: Iterable[str], default: str
) -> None:
    """Declare the templates, the format of what is printed, and the region."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="JSON or YAML templates, globs, or a folder such as cdk.out",
    )
    parser.add_argument("--format", choices=list(formats), default=default)
    parser.add_argument("--region", help="the region of templates that do not say it")
