"""What the kinds of job have in common: identity, environment, log, the run itself."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.compute.containers import StandIn
from localcloud.compute.layout import ContainerFolder
from localcloud.compute.outcome import JobFailure, Kind
from localcloud.compute.ports import Logs, Objects
from localcloud.compute.process import ContainedProcess, Ended

DEFAULT_MAX_RUNTIME_SECONDS = 86_400
"""One day: the service's limit when StoppingCondition gives none."""

EXIT_MESSAGE_LIMIT = 1024
"""The service shows the first 1 KB of ``/opt/ml/output/message``."""

HOST = "algo-1"


@dataclass(frozen=True)
class Finished:
    """How the container of a job ended."""

    ended: Ended
    exit_code: int
    tail: Sequence[str]

    def last_line(self, before: str = "\0") -> str:
        """The log's last line that says something, above the line that contains ``before``."""
        lines = list(self.tail)
        end = next((i for i, line in enumerate(lines) if before in line), len(lines))
        return next((line.strip() for line in reversed(lines[:end]) if line.strip()), "")


@dataclass
class Job:
    """One job while it runs.

    Attributes:
        kind: Which Create operation the request belongs to.
        request: That request.
        folder: The job's ``/opt/ml``.
        environment: What the cloud gives its containers: region, endpoint, credentials.
        stop: Set from outside to stop the job.
        grace_seconds: Time between SIGTERM and SIGKILL; 120 s in the service.
        on_status: Told each secondary status (Downloading, Training, Uploading).
        on_metric: Told each value of a metric that a training job prints.
    """

    kind: Kind
    request: Mapping[str, Any]
    objects: Objects
    logs: Logs
    folder: ContainerFolder
    environment: Mapping[str, str]
    stop: threading.Event
    grace_seconds: float
    on_status: Callable[[str], None]
    on_metric: Callable[[str, float], None] = lambda *_: None

    def __post_init__(self) -> None:
        self.name = str(self.request[f"{self.kind}JobName"])
        self.start_time = datetime.now(UTC)
        self.log_group = f"/aws/sagemaker/{self.kind}Jobs"
        self.log_stream = f"{self.name}/{HOST}-{int(self.start_time.timestamp())}"

    @property
    def role(self) -> str:
        """The ARN of the job's role."""
        return str(self.request.get("RoleArn", ""))

    @property
    def arn(self) -> str:
        """The job's ARN, in the account of its role."""
        account = re.match(r"arn:[^:]*:iam::(\d{12}):", self.role)
        region = self.environment.get("AWS_REGION", "us-east-1")
        return (
            f"arn:aws:sagemaker:{region}:{account[1] if account else '000000000000'}:"
            f"{self.kind.lower()}-job/{self.name}"
        )

    def check_single_instance(self, instance_count: int) -> None:
        """Refuse a cluster.

        Raises:
            JobFailure: ``ClientError`` for more than one instance.
        """
        if instance_count != 1:
            raise JobFailure(
                f"ClientError: The local cloud runs a job on one instance; got InstanceCount "
                f"{instance_count}. Make the count a pipeline parameter and start with 1."
            )

    def run(
        self,
        container: StandIn,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        isolated: bool,
        on_lines: Callable[[Sequence[str]], None] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> Finished:
        """Run the container's command until it ends, is stopped or exceeds its time.

        Args:
            container: Whose environment it runs in.
            command: The command.
            variables: The request's own variables.
            isolated: ``EnableNetworkIsolation``.
            on_lines: Told the lines of the log.
            stop: Set to stop this process alone; the job's own event if None.
        """

        def log(lines: Sequence[str]) -> None:
            on_lines(lines)
            self.logs.write(self.log_group, self.log_stream, lines)

        process = ContainedProcess(
            command,
            env=container_environment(
                container, self.folder, self.environment, variables, isolated=isolated
            ),
            cwd=self.folder.root,
            on_lines=log,
        )
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        ended = process.wait(
            stop=stop or self.stop,
            max_seconds=float(limit or DEFAULT_MAX_RUNTIME_SECONDS),
            grace_seconds=self.grace_seconds,
        )
        return Finished(ended, process.exit_code or 0, tuple(process.tail))


def container_environment(
    container: StandIn,
    folder: ContainerFolder,
    cloud: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    isolated: bool,
) -> dict[str, str]:
    """The whole environment of a container's process.

    Nothing of the local cloud's own environment gets in. Under network isolation the service
    gives a container neither network nor credentials; here it gets no credentials and no endpoint,
    and pip no index.

    Args:
        container: Whose interpreter and libraries come first.
        folder: The container's ``/opt/ml``.
        cloud: What the cloud offers: region, endpoint, credentials.
        variables: The request's own variables, in which ``/opt/ml`` is substituted.
        isolated: ``EnableNetworkIsolation``.
    """
    packages = folder.temporary / "site-packages"
    if isolated:
        reachable = {k: v for k, v in cloud.items() if k in ("AWS_REGION", "AWS_DEFAULT_REGION")}
        reachable["PIP_NO_INDEX"] = "1"
    else:
        reachable = dict(cloud)
    return {
        "PATH": container.path_variable(),
        "HOME": str(folder.temporary),
        "TMPDIR": str(folder.temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # OpenMP's threads spin while they wait for one another. With 300,000 turns, the default,
        # a training that shares its cores with another step takes several times as long.
        "GOMP_SPINCOUNT": "3000",
        # requirements.txt of a script is installed for its job, not into the shared environment.
        "PIP_TARGET": str(packages),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": str(packages),
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_BASE_DIR": str(folder.root),
        **reachable,
        **{name: folder.substitute(value) for name, value in variables.items()},
    }
