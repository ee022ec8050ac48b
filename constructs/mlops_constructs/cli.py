"""The `mlops-constructs` command.

A sub-command is a line in `COMMANDS` and a module with `configure(parser)`, which declares its
arguments, and `run(arguments)`, which returns the exit status. The module is imported only when
its sub-command is called, so that `check` starts without aws_cdk.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes:
        name: As typed.
        help: One line for `mlops-constructs --help`.
        module: What implements it.
    """

    name: str
    help: str
    module: str


COMMANDS: Final = (
    Command(
        "check",
        "check templates against what SageMaker refuses at deployment",
        "mlops_constructs.rules.commands.check",
    ),
    Command(
        "rules",
        "list the service rules, or explain one",
        "mlops_constructs.rules.commands.rules",
    ),
    Command(
        "impact",
        "say what deploying a change would do to deployed resources",
        "mlops_constructs.impact.command",
    ),
    Command(
        "cost",
        "say what templates cost while nobody uses them",
        "mlops_constructs.cost.command",
    ),
    Command(
        "access",
        "say what each role may do, as a table, from templates alone",
        "mlops_constructs.access.command",
    ),
    Command(
        "scp",
        "print the service control policy that holds an organization to the guards",
        "mlops_constructs.access.service_control",
    ),
    Command(
        "reach",
        "say by which VPC endpoint each role reaches the AWS APIs that it calls",
        "mlops_constructs.reach.command",
    ),
    Command(
        "run",
        "run a pipeline on this machine, without deploying anything",
        "mlops_constructs.run.command",
    ),
    Command(
        "dag",
        "draw a pipeline with the state of its last run on this machine",
        "mlops_constructs.run.draw",
    ),
    Command(
        "new",
        "write a use case, from pipeline to stacks, for a table of data",
        "mlops_constructs.new.command",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: The arguments; those of the process when omitted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # Templates may hold text that the terminal's encoding has no letters for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog="mlops-constructs", description="Tools of the mlops-constructs library."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        below = commands.add_parser(command.name, help=command.help)
        if arguments[:1] == [command.name]:
            module = importlib.import_module(command.module)
            module.configure(below)
            below.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
