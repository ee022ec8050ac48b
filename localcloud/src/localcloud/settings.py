"""What an instance of the local cloud is started with, and how that reaches its process."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
DEFAULT_TIME_SCALE = 0.01
HOST = "127.0.0.1"

_PREFIX = "LOCALCLOUD_"
NODE_MODULES = Path(__file__).resolve().parents[2] / "node_modules"
"""What the CDK's own custom resources import, which run as Node.js Lambda functions."""


class SettingsError(ValueError):
    """A setting that cannot be used; the message says what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one instance.

    Args:
        port: The TCP port on 127.0.0.1.
        work_dir: Where jobs and model servers keep their files while they run.
        account: The account of callers whose access key is not itself an account id.
        region: The region of requests that name none.
        time_scale: How long the waits of the service take here, as a fraction of what they take in
            AWS: the time to create an endpoint, the bake time of a deployment. 1 is real time.
        state_dir: Where state is kept over a restart; ``None`` to forget it.
        schedules: Whether schedules and scheduled rules of EventBridge start what they name when it
            is due by this machine's clock.
        repositories: Checkouts in place of what connections reach, by ``owner/name``.
        log_dir: Where the log of each job is written as a file too; ``None`` for nowhere.
    """

    port: int
    work_dir: Path
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    time_scale: float = DEFAULT_TIME_SCALE
    state_dir: Path | None = None
    schedules: bool = True
    repositories: Mapping[str, Path] = field(default_factory=dict)
    log_dir: Path | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{12}", self.account):
            raise SettingsError(f"account {self.account!r}: an account id has 12 digits.")
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", self.region):
            raise SettingsError(f"region {self.region!r}: write it as in 'us-east-1'.")
        if not 0 <= self.time_scale <= 1:
            raise SettingsError(f"time scale {self.time_scale}: it goes from 0 to 1 (real time).")

    @property
    def url(self) -> str:
        """Where clients reach the instance."""
        return f"http://{HOST}:{self.port}"

    def process_environment(self) -> dict[str, str]:
        """The variables with which the server process must start.

        ministack listens on all interfaces for MQTT and SFTP unless it is told not to, and reads
        all of this when it is imported.
        """
        environment = {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_ACCOUNT_ID": self.account,
            "MINISTACK_REGION": self.region,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "NODE_PATH": str(NODE_MODULES),
            # Wait states of Step Functions wait for the service, whose waits are scaled too.
            "SFN_WAIT_SCALE": str(self.time_scale),
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            f"{_PREFIX}WORK_DIR": str(self.work_dir),
            f"{_PREFIX}TIME_SCALE": str(self.time_scale),
            f"{_PREFIX}SCHEDULES": str(int(self.schedules)),
            f"{_PREFIX}REPOSITORIES": json.dumps(
                {name: str(path) for name, path in self.repositories.items()}
            ),
        }
        if self.state_dir:
            environment |= {
                "PERSIST_STATE": "1",
                "STATE_DIR": str(self.state_dir / "services"),
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(self.state_dir / "s3"),
                f"{_PREFIX}STATE_DIR": str(self.state_dir),
            }
        return environment

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings that ``process_environment`` wrote."""
        state_dir = environment.get(f"{_PREFIX}STATE_DIR")
        return cls(
            port=int(environment["GATEWAY_PORT"]),
            work_dir=Path(environment[f"{_PREFIX}WORK_DIR"]),
            account=environment["MINISTACK_ACCOUNT_ID"],
            region=environment["MINISTACK_REGION"],
            time_scale=float(environment[f"{_PREFIX}TIME_SCALE"]),
            state_dir=Path(state_dir) if state_dir else None,
            schedules=environment.get(f"{_PREFIX}SCHEDULES", "1") == "1",
            repositories={
                name: Path(path)
                for name, path in json.loads(
                    environment.get(f"{_PREFIX}REPOSITORIES", "{}")
                ).items()
            },
        )


def client_environment(url: str, region: str) -> dict[str, str]:
    """The variables that point any AWS client, and the CDK, at an instance.

    The keys are test keys: an access key of 12 digits would choose that account instead.
    ``AWS_EC2_METADATA_DISABLED`` spares clients a search for credentials that are not there.
    """
    return {
        "AWS_ENDPOINT_URL": url,
        # The CDK CLI reads the service-specific variable only for S3.
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "1",
    }


def command_environment(url: str, region: str) -> dict[str, str]:
    """The variables for a command: those of clients, and a CDK that looks more often for its end.

    ``quick_cdk.cjs`` says why. Options that Node.js has already are kept.
    """
    script = json.dumps(str(Path(__file__).with_name("quick_cdk.cjs")))
    given = os.environ.get("NODE_OPTIONS", "")
    options = given if script in given else f"{given} --require {script}".strip()
    return {**client_environment(url, region), "NODE_OPTIONS": options}
