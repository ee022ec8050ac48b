"""The local cloud of the demo, and the CDK pointed at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from demo.console import detail
from demo.errors import DemoError

ROOT = Path(__file__).resolve().parents[1]
INSTANCE = "demo"
_LOCALCLOUD = Path(sys.executable).parent / "localcloud"
_CDK = ROOT / "node_modules" / ".bin" / "cdk"
_DEPLOYED = re.compile(r"^\s*✅\s+(?P<stack>\S+)")
_DURATION = re.compile(r"Deployment time: (?P<seconds>[\d.]+)s")
_DESTROYED = re.compile(r"^\s*✅\s+(?P<stack>\S+) .*: destroyed")


@dataclass(frozen=True)
class Cloud:
    """A running local cloud.

    Attributes:
        url: Where it listens.
        log: Its log.
        environment: What a client needs to reach it.
    """

    url: str
    log: Path
    environment: Mapping[str, str]

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud, made from nothing but its environment."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )


@contextmanager
def local_cloud(work: Path, *, keep: bool) -> Iterator[Cloud]:
    """Start a fresh local cloud; stop it afterwards unless it is to be kept.

    Schedules are held: at the full hour a monitor would run by itself, and at 19:00 UTC the
    development environment takes its endpoint away, while the demo speaks to it.
    """
    if not _LOCALCLOUD.exists():
        raise DemoError("The command localcloud is not there. Run `make setup`.")
    environment = os.environ | {"LOCALCLOUD_HOME": str(work)}
    started = subprocess.run(
        [_LOCALCLOUD, "up", "--name", INSTANCE, "--hold-schedules", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if started.returncode:
        raise DemoError(started.stderr.strip() or "localcloud up failed.")
    facts = json.loads(started.stdout)
    cloud = Cloud(url=facts["url"], log=Path(facts["log"]), environment=facts["environment"])
    try:
        yield cloud
    finally:
        if not keep:
            subprocess.run(
                [_LOCALCLOUD, "down", "--name", INSTANCE],
                env=environment,
                capture_output=True,
                check=False,
            )


class Cdk:
    """The real CDK command, pointed at a local cloud.

    Args:
        cloud: The cloud.
        work: Where the log, the outputs and the cloud assembly are written.
    """

    def __init__(self, cloud: Cloud, work: Path) -> None:
        self._cloud = cloud
        self._work = work
        self.log = work / "cdk.log"
        self.log.unlink(missing_ok=True)

    def bootstrap(self) -> None:
        """Make the bucket and the roles that deployments need."""
        account = self._cloud.client("sts").get_caller_identity()["Account"]
        region = self._cloud.environment["AWS_REGION"]
        # In a folder without a cdk.json the CDK does not synthesise the app for this.
        self._run("bootstrap", f"aws://{account}/{region}", folder=self._work)

    def deploy(self, environment: str) -> dict[str, str]:
        """Deploy all stacks of an environment; returns their outputs by name."""
        outputs = self._work / "outputs.json"
        self._run(
            "deploy",
            *("-c", f"env={environment}", "--all", "--require-approval", "never"),
            *("--outputs-file", str(outputs), "--method", "direct"),
        )
        return {
            name: value
            for stack in json.loads(outputs.read_text()).values()
            for name, value in stack.items()
        }

    def destroy(self, environment: str) -> None:
        """Delete all stacks of an environment."""
        self._run("destroy", "-c", f"env={environment}", "--all", "--force")

    def _run(self, command: str, *arguments: str, folder: Path = ROOT) -> None:
        if not _CDK.exists():
            raise DemoError("The CDK command is not there. Run `make setup`.")
        quiet = ("--no-notices", "--ci", "--no-color", "--output", str(self._work / "cdk.out"))
        process = subprocess.Popen(
            [_CDK, command, *arguments, *quiet],
            cwd=folder,
            # Node warns on standard error about its own age and that of the SDK for JavaScript.
            env=os.environ | dict(self._cloud.environment) | {"NODE_NO_WARNINGS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        stack = ""
        with self.log.open("a", encoding="utf-8") as log:
            for line in process.stdout or ():
                log.write(line)
                if found := _DESTROYED.match(line):
                    detail(f"{found['stack']:<16} gone")
                elif found := _DEPLOYED.match(line):
                    stack = found["stack"]
                if found := _DURATION.search(line):
                    detail(f"{stack:<16} {float(found['seconds']):5.1f} s")
        if process.wait():
            raise DemoError(f"cdk {command} failed: {_reason(self.log)}", self.log)


def _reason(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines()]
    resources = [line for line in lines if "CREATE_FAILED" in line or "UPDATE_FAILED" in line]
    if resources:
        return resources[0]
    reasons = [line for line in lines if "❌" in line or "rror:" in line or "FAILED" in line]
    return (reasons or lines or ["it printed nothing"])[-1]


def fresh_folder() -> Path:
    """The demo's folder, emptied of what an earlier run left."""
    work = ROOT / ".demo"
    if work.exists() and _LOCALCLOUD.exists():
        subprocess.run(
            [_LOCALCLOUD, "down", "--name", INSTANCE],
            env=os.environ | {"LOCALCLOUD_HOME": str(work)},
            capture_output=True,
            check=False,
        )
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    return work
