"""Dev, staging and prod side by side: three accounts of one local cloud, deployed at the same time.

Ground, data and training of each, by the app as it is; what one account holds, the others do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stacks.environments import ENVIRONMENTS
from tests.deploy.accounts import cdk, client, local_cloud
from tests.support import ROOT

pytestmark = [pytest.mark.deploy, pytest.mark.slow]

REGION = "us-east-1"
ACCOUNTS = dict(
    zip(
        [environment.name for environment in ENVIRONMENTS],
        ("111111111111", "222222222222", "333333333333"),
        strict=True,
    )
)
_LAYERS = ("Network", "Data", "Training")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as environment:
        yield environment


@pytest.fixture(scope="module")
def deployed(cloud: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outputs of each environment, by its name."""
    folder = tmp_path_factory.mktemp("deployments")

    def deploy(name: str) -> tuple[str, Any]:
        outputs = folder / f"{name}.json"
        _cdk(cloud, name, folder, "bootstrap", f"aws://{ACCOUNTS[name]}/{REGION}", folder=folder)
        _cdk(
            cloud,
            name,
            folder,
            *("deploy", *(f"{layer}-{name}" for layer in _LAYERS)),
            *("-c", f"env={name}", "-c", f"account={ACCOUNTS[name]}", "-c", f"region={REGION}"),
            *("--require-approval", "never", "--method", "direct"),
            *("--outputs-file", str(outputs)),
        )
        return name, json.loads(outputs.read_text())

    with ThreadPoolExecutor(len(ACCOUNTS)) as pool:
        return dict(pool.map(deploy, ACCOUNTS))


def test_each_environment_is_in_its_own_account(
    cloud: dict[str, str], deployed: dict[str, Any]
) -> None:
    assert set(deployed) == set(ACCOUNTS)
    for environment in ENVIRONMENTS:
        name = environment.name
        stacks = _client(cloud, name, "cloudformation").describe_stacks()["Stacks"]
        own = {s["StackName"]: s for s in stacks if s["StackName"] != "CDKToolkit"}
        assert set(own) == {f"census-income-{name}-{layer.lower()}" for layer in _LAYERS}
        for stack in own.values():
            assert stack["StackStatus"] == "CREATE_COMPLETE"
            assert f":{ACCOUNTS[name]}:" in stack["StackId"]
            assert stack["EnableTerminationProtection"] is not environment.destroy_data


def test_what_one_account_holds_the_others_do_not(
    cloud: dict[str, str], deployed: dict[str, Any]
) -> None:
    assert deployed
    for environment in ENVIRONMENTS:
        name = environment.name
        sagemaker = _client(cloud, name, "sagemaker")
        pipelines = sagemaker.list_pipelines()["PipelineSummaries"]
        assert [p["PipelineName"] for p in pipelines] == [f"census-income-{name}"]
        assert f":{ACCOUNTS[name]}:" in pipelines[0]["PipelineArn"]
        groups = sagemaker.list_feature_groups()["FeatureGroupSummaries"]
        assert [g["FeatureGroupName"] for g in groups] == [f"census-income-{name}-features"]
        vpcs = _client(cloud, name, "ec2").describe_vpcs()["Vpcs"]
        assert [v["CidrBlock"] for v in vpcs if not v["IsDefault"]] == [environment.cidr]
        buckets = _client(cloud, name, "s3").list_buckets()["Buckets"]
        named = {b["Name"] for b in buckets if "census-income" in b["Name"]}
        assert named
        assert all(f"-{name}-" in bucket for bucket in named)


def test_deleting_in_one_account_leaves_the_others_alone(
    cloud: dict[str, str], deployed: dict[str, Any]
) -> None:
    assert deployed
    formation = _client(cloud, "dev", "cloudformation")
    formation.delete_stack(StackName="census-income-dev-training")
    waiter = formation.get_waiter("stack_delete_complete")
    waiter.wait(
        StackName="census-income-dev-training", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    left = {
        name: len(_client(cloud, name, "sagemaker").list_pipelines()["PipelineSummaries"])
        for name in ACCOUNTS
    }
    assert left == {"dev": 0, "staging": 1, "prod": 1}


def _cdk(cloud: dict[str, str], name: str, out: Path, *words: str, folder: Path = ROOT) -> None:
    output = ("--output", str(out / f"{name}.out"))
    cdk(cloud, ACCOUNTS[name], REGION, *words, *output, folder=folder)


def _client(cloud: dict[str, str], name: str, service: str) -> Any:
    return client(cloud, ACCOUNTS[name], service, REGION)
