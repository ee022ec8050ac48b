"""The command with a real server process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from localcloud.settings import HOST
from tests.localcloud.support import until


class Command:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = os.environ | {"LOCALCLOUD_HOME": str(home)}

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "localcloud.cli", *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def up(self, *arguments: str) -> dict[str, Any]:
        ended = self("up", "--json", *arguments)
        assert ended.returncode == 0, ended.stderr
        facts: dict[str, Any] = json.loads(ended.stdout)
        return facts


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    found = Command(tmp_path / "home")
    yield found
    found("down")


def _client(service: str, facts: dict[str, Any]) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name=facts["region"],
        endpoint_url=facts["url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def _runs(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_an_instance_from_up_to_down(command: Command) -> None:
    facts = command.up("--account", "210987654321", "--region", "eu-west-1")
    assert facts["state"] == "running"
    assert facts["url"].startswith(f"http://{HOST}:")
    identity = _client("sts", facts).get_caller_identity()
    assert identity["Account"] == "210987654321"
    group = _client("sagemaker", facts).create_model_package_group(ModelPackageGroupName="g")
    assert group["ModelPackageGroupArn"].startswith("arn:aws:sagemaker:eu-west-1:210987654321:")

    again = command("up")
    assert again.returncode == 1
    assert "is already running at http://127.0.0.1:" in again.stderr
    assert "running at" in command("status").stdout
    assert f"export AWS_ENDPOINT_URL={facts['url']}\n" in command("env").stdout
    shown = command(
        "exec", "--", sys.executable, "-c", "import os; print(os.environ['AWS_REGION'])"
    )
    assert shown.stdout == "eu-west-1\n"
    assert command("exec", "--", "false").returncode == 1
    assert "Ready" in command("logs").stdout

    assert command("down").stdout == "localcloud 'default' is stopped.\n"
    assert not _runs(facts["pid"])
    assert command("status").returncode == 1
    assert command("down").stdout == "localcloud 'default' was not running.\n"
    assert command("env").returncode == 1


def test_it_listens_on_loopback_only(command: Command) -> None:
    facts = command.up()
    inodes = {str(link.readlink()) for link in Path(f"/proc/{facts['pid']}/fd").iterdir()}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{facts['pid']}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                listening.append(fields[1].split(":")[0])
    assert listening == ["0100007F"]


def test_state_survives_on_request_only(command: Command, tmp_path: Path) -> None:
    keep = ("--state", str(tmp_path / "state"))
    facts = command.up(*keep)
    _client("s3", facts).create_bucket(Bucket="kept")
    _client("s3", facts).put_object(Bucket="kept", Key="k", Body=b"content")
    _client("sagemaker", facts).create_model_package_group(ModelPackageGroupName="kept")
    command("down")

    facts = command.up(*keep)
    assert _client("s3", facts).get_object(Bucket="kept", Key="k")["Body"].read() == b"content"
    listed = _client("sagemaker", facts).list_model_package_groups()
    assert len(listed["ModelPackageGroupSummaryList"]) == 1
    command("down")

    facts = command.up()
    assert not _client("sagemaker", facts).list_model_package_groups()[
        "ModelPackageGroupSummaryList"
    ]
    with pytest.raises(ClientError):
        _client("s3", facts).get_object(Bucket="kept", Key="k")


def test_a_crash_is_noticed_and_up_starts_anew(command: Command) -> None:
    facts = command.up()
    os.kill(facts["pid"], signal.SIGKILL)
    until(lambda: "has crashed" in command("status").stdout)
    assert command.up()["pid"] != facts["pid"]


def test_a_busy_port_leaves_nothing_behind(command: Command) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        refused = command("up", "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"localcloud: Port {port} on 127.0.0.1 cannot be used: Address"
    )
    assert refused.stderr.count("\n") == 1
    assert not command.home.exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("up",), {"PATH": "/nowhere"}, "Node.js is needed"),
        (("up", "--account", "12"), {}, "account '12': an account id has 12 digits"),
        (("up", "--region", "mars"), {}, "region 'mars': write it as in 'us-east-1'"),
        (("up", "--time-scale", "7"), {}, "time scale 7.0: it goes from 0 to 1"),
        (("up", "--port", "70000"), {}, "Port 70000: a port is a number from 1 to 65535"),
        (("up", "--name", "My Cloud"), {}, "Instance name 'My Cloud'"),
        (("exec", "--", "true"), {}, "Start it with `localcloud up`, or set LOCALCLOUD_HOME"),
        (("logs",), {}, "has no log"),
    ],
)
def test_bad_input_is_one_message_and_nothing_more(
    command: Command, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    refused = command(*arguments, **environment)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not command.home.exists()
