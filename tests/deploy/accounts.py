"""Several accounts of one local cloud: started and stopped, deployed to, asked."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.support import ROOT

CDK = ROOT / "node_modules" / ".bin" / "cdk"
_LOCALCLOUD = ROOT / ".venv" / "bin" / "localcloud"


@contextmanager
def local_cloud(home: Path, *options: str) -> Iterator[dict[str, str]]:
    """A local cloud in which nothing happens by the clock; what a command needs to reach it."""
    environment = os.environ | {"LOCALCLOUD_HOME": str(home)}
    up = subprocess.run(
        [_LOCALCLOUD, "up", "--hold-schedules", "--json", *options],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    try:
        yield json.loads(up.stdout)["environment"]
    finally:
        subprocess.run([_LOCALCLOUD, "down"], env=environment, capture_output=True, check=False)


def cdk(cloud: dict[str, str], account: str, region: str, *words: str, folder: Path) -> None:
    """Run the CDK command in an account; in a folder without an app it synthesises none."""
    chosen = {"AWS_ACCESS_KEY_ID": account, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    done = subprocess.run(
        [CDK, *words, "--ci", "--no-notices", "--no-color"],
        cwd=folder,
        env=os.environ | cloud | chosen | {"NODE_NO_WARNINGS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def client(
    cloud: dict[str, str], account: str, service: str, region: str, **credentials: str
) -> Any:
    """A client of an account, or of whoever the credentials are of."""
    return boto3.client(
        service,
        endpoint_url=cloud["AWS_ENDPOINT_URL"],
        region_name=region,
        **(credentials or {"aws_access_key_id": account, "aws_secret_access_key": "test"}),
    )
