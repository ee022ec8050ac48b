"""`mlops-constructs access`: what each role may do, as a table."""

from __future__ import annotations

import argparse
import sys

from mlops_constructs.access.conditions import PolicyError
from mlops_constructs.access.estate import read_estates
from mlops_constructs.access.inputs import declare_inputs
from mlops_constructs.access.matrix import as_json, as_markdown, make_matrix
from mlops_constructs.rules.engine.errors import TemplateError

_FORMATS = {"markdown": as_markdown, "json": as_json}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Say what personas and jobs may do: role by action by resource, with the conditions that "
        "hold them. Policies are evaluated as IAM does; other accounts, resource policies and "
        "the organization's policies are not part of it. Exit status: 0, or 2 if a file cannot be "
        "read."
    )
    declare_inputs(parser, formats=_FORMATS, default="markdown")


def run(arguments: argparse.Namespace) -> int:
    """Print the matrices, and return the exit status."""
    try:
        found = [make_matrix(e) for e in read_estates(*arguments.files, region=arguments.region)]
    except (PolicyError, TemplateError) as error:
        print(f"mlops-constructs: {error}", file=sys.stderr)
        return 2
    matrices = [matrix for matrix in found if matrix.roles] or found
    print(_FORMATS[arguments.format](matrices))
    return 0
