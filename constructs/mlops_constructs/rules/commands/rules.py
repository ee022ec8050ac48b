"""`mlops-constructs rules`: list the service rules, or explain one."""

from __future__ import annotations

import argparse
import sys

from mlops_constructs.rules import all_rules, find_rule
from mlops_constructs.rules.engine.reference import explain, render_reference


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "List the service rules, or explain one with its source and samples."
    parser.add_argument("id", nargs="?", metavar="ID", help="a rule, such as EC04")
    parser.add_argument("--markdown", action="store_true", help="print the whole reference")


def run(arguments: argparse.Namespace) -> int:
    """Print the list or the explanation, and return the exit status."""
    if arguments.markdown:
        print(render_reference(), end="")
        return 0
    if arguments.id is None:
        for rule in all_rules():
            print(f"{rule.id}  {rule.severity:7}  {rule.title}")
        return 0
    try:
        rule = find_rule(arguments.id)
    except KeyError as error:
        print(f"mlops-constructs: {error.args[0]}", file=sys.stderr)
        return 2
    print(explain(rule))
    return 0
