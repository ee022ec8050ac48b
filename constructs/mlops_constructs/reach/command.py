"""`mlops-constructs reach`: which AWS APIs roles reach from inside the VPC, and by which way."""

from __future__ import annotations

import argparse
import sys

from mlops_constructs.access.conditions import PolicyError
from mlops_constructs.access.estate import read_estates
from mlops_constructs.access.inputs import declare_inputs
from mlops_constructs.reach.analysis import prove
from mlops_constructs.reach.report import FORMATS
from mlops_constructs.rules.engine.errors import TemplateError
from mlops_constructs.rules.engine.report import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Follow every AWS API that personas and jobs may call to the VPC endpoint that carries "
        "it. Give all templates of an environment. Exit status: 0 every call has a route, 1 "
        "routes are missing, 2 a file cannot be read."
    )
    declare_inputs(parser, formats=FORMATS, default="text")
    parser.add_argument(
        "--fips", action="store_true", help="callers have AWS_USE_FIPS_ENDPOINT=true"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the routes, and return the exit status."""
    try:
        proofs = [
            prove(estate, fips=arguments.fips)
            for estate in read_estates(*arguments.files, region=arguments.region)
        ]
    except (PolicyError, TemplateError) as error:
        print(f"mlops-constructs: {error}", file=sys.stderr)
        return 2
    proofs = [proof for proof in proofs if proof.routes or proof.outside] or proofs
    print(FORMATS[arguments.format](proofs))
    routes = sum(len(proof.routes) for proof in proofs)
    errors = sum(len(proof.errors) for proof in proofs)
    unknown = sum(r.severity == "unknown" for proof in proofs for r in proof.routes)
    print(
        f"{counted(routes, 'call')} followed: {errors} without a route, {unknown} unknown",
        file=sys.stderr,
    )
    return 1 if errors else 0
