"""The ``localcloud`` command."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from localcloud.instance import DEFAULT_NAME, Instance, InstanceError
from localcloud.settings import (
    DEFAULT_ACCOUNT,
    DEFAULT_REGION,
    DEFAULT_TIME_SCALE,
    Settings,
    SettingsError,
    client_environment,
    command_environment,
)

_LOG_LINES = 100


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 if it did what it says, 1 with one message if not."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        status = command(options)
    except (InstanceError, SettingsError) as error:
        print(f"localcloud: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does.
        sys.stdout = None
        status = 0
    sys.exit(status)


def _up(options: argparse.Namespace) -> int:
    instance = Instance(options.name)
    settings = Settings(
        port=0,
        work_dir=Path(),
        account=options.account,
        region=options.region,
        time_scale=options.time_scale,
        state_dir=Path(options.state).resolve() if options.state else None,
        schedules=not options.hold_schedules,
        repositories=dict(_repository(given) for given in options.repository),
    )
    facts = instance.up(settings, options.port)
    if options.json:
        print(json.dumps(instance.described()))
        return 0
    named = "" if options.name == DEFAULT_NAME else f" --name {options.name}"
    print(f"localcloud {options.name!r} is up at {facts.url} (account {facts.account}).")
    print(f'  use it     eval "$(localcloud env{named})"    or    localcloud exec{named} -- CMD')
    print(f"  watch it   localcloud logs{named} -f")
    print(f"  stop it    localcloud down{named}")
    if not facts.state_dir:
        print("  Its state is forgotten when it stops; --state DIR keeps it.")
    return 0


def _repository(given: str) -> tuple[str, Path]:
    name, _, folder = given.partition("=")
    path = Path(folder).resolve()
    if "/" not in name or not (path / ".git").exists():
        raise SettingsError(
            f"--repository {given!r}: write OWNER/NAME=DIR, DIR being a checkout with its .git."
        )
    return name, path


def _down(options: argparse.Namespace) -> int:
    ran = Instance(options.name).down()
    print(f"localcloud {options.name!r} {'is stopped' if ran else 'was not running'}.")
    return 0


def _status(options: argparse.Namespace) -> int:
    instance = Instance(options.name)
    shown = instance.described()
    if options.json:
        print(json.dumps(shown))
    elif shown["state"] == "running":
        print(f"localcloud {options.name!r} is running at {shown['url']} (pid {shown['pid']}).")
    elif shown["state"] == "crashed":
        print(f"localcloud {options.name!r} has crashed. The end of its log ({instance.log}):")
        print(instance.tail(15))
        print("`localcloud up` starts it again.")
    else:
        print(f"localcloud {options.name!r} is not running.")
    return 0 if shown["state"] == "running" else 1


def _logs(options: argparse.Namespace) -> int:
    instance = Instance(options.name)
    if not instance.log.exists():
        raise InstanceError(f"Instance {options.name!r} has no log: it was never started here.")
    if options.follow:
        for line in instance.follow():
            print(line, end="", flush=True)
    else:
        print(instance.tail(_LOG_LINES))
    return 0


def _env(options: argparse.Namespace) -> int:
    for name, value in client_environment(*_running(options.name)).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _exec(options: argparse.Namespace) -> int:
    command = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not command:
        raise InstanceError("exec: no command given. Write: localcloud exec -- CMD ARGUMENTS")
    # Settings of a real account must not reach a command that is meant for this one.
    inherited = {k: v for k, v in os.environ.items() if k not in _FOREIGN}
    try:
        return subprocess.run(
            command, env=inherited | command_environment(*_running(options.name)), check=False
        ).returncode
    except FileNotFoundError as error:
        raise InstanceError(f"exec: there is no command {command[0]!r}.") from error


_FOREIGN = frozenset({"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"})


def _running(name: str) -> tuple[str, str]:
    """The address and the region of an instance."""
    instance = Instance(name)
    facts = instance.facts()
    if facts is None or instance.state() != "running":
        raise InstanceError(
            f"Instance {name!r} is not running (looked in {instance.home}). "
            "Start it with `localcloud up`, or set LOCALCLOUD_HOME to where it was started."
        )
    return facts.url, facts.region


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localcloud", description="Amazon SageMaker and its company on one machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--name", default=DEFAULT_NAME, help="which instance (default: %(default)s)"
        )
        command.set_defaults(command=run)
        return command

    up = add("up", _up, "Start an instance in the background and wait until it answers.")
    up.add_argument("--port", type=int, help="port on 127.0.0.1 (default: a free one)")
    up.add_argument("--state", metavar="DIR", help="keep state in DIR over a restart")
    up.add_argument("--account", default=DEFAULT_ACCOUNT, help="account id (default: %(default)s)")
    up.add_argument("--region", default=DEFAULT_REGION, help="region (default: %(default)s)")
    up.add_argument(
        "--time-scale",
        type=float,
        default=DEFAULT_TIME_SCALE,
        metavar="F",
        help="how long AWS's waits take here, 1 being real time (default: %(default)s)",
    )
    up.add_argument(
        "--hold-schedules",
        action="store_true",
        help="start nothing by the clock: EventBridge's schedules and scheduled rules wait",
    )
    up.add_argument(
        "--repository",
        action="append",
        default=[],
        metavar="OWNER/NAME=DIR",
        help="a checkout in place of what connections of CodePipeline reach; may be repeated",
    )
    up.add_argument("--json", action="store_true", help="print the instance as JSON")
    add("down", _down, "Stop an instance and everything that it started.")
    status = add("status", _status, "Say whether an instance runs; exit 1 if not.")
    status.add_argument("--json", action="store_true", help="print the instance as JSON")
    logs = add("logs", _logs, "Show the log of the server.")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    add("env", _env, "Print the export lines that point AWS clients and the CDK at an instance.")
    run = add("exec", _exec, "Run a command with that environment.")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD")
    return parser


if __name__ == "__main__":
    main()
