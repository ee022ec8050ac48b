"""The organization's policy, evaluated: what it stops and what it lets pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlops_constructs.access import Policies, Request, evaluate
from mlops_constructs.access.service_control import service_control_policy
from mlops_constructs.access.without_resource import WITHOUT_RESOURCE
from mlops_constructs.cli import main
from tests.access.support import document, platform

ANY = document({"Action": "*"})
VPC = {"sagemaker:VpcSubnets": ["subnet-1"]}
KEY = {"sagemaker:VolumeKmsKey": "arn:aws:kms:r:1:key/k"}
CLOSED = {"sagemaker:RootAccess": "Disabled", "sagemaker:DirectInternetAccess": "Disabled"}


@pytest.mark.parametrize(
    ("action", "context", "allowed"),
    [
        ("CreateTrainingJob", VPC | KEY, True),
        ("CreateTrainingJob", KEY, False),
        ("CreateTrainingJob", VPC, False),
        ("CreateAutoMLJobV2", VPC, False),
        ("CreateTransformJob", KEY, True),
        ("CreateTransformJob", {}, False),
        ("CreateModel", VPC, True),
        ("CreateModel", {}, False),
        ("CreateNotebookInstance", VPC | KEY | CLOSED, True),
        ("CreateNotebookInstance", VPC | KEY, False),
        ("CreateNotebookInstance", VPC | KEY | CLOSED | {"sagemaker:RootAccess": "Enabled"}, False),
        ("UpdateNotebookInstance", {}, True),
        ("UpdateNotebookInstance", {"sagemaker:RootAccess": "Enabled"}, False),
        ("CreateDomain", {"sagemaker:AppNetworkAccessType": "VpcOnly"}, True),
        ("CreateDomain", {}, False),
        ("UpdateDomain", {}, True),
        ("UpdateDomain", {"sagemaker:AppNetworkAccessType": "PublicInternetOnly"}, False),
        ("CreateEndpointConfig", {"sagemaker:InstanceTypes": ["ml.m5.large"]}, True),
        ("CreateEndpointConfig", {"sagemaker:InstanceTypes": ["ml.m5.large", "ml.p5.x"]}, False),
        ("CreateEndpointConfig", {"sagemaker:ServerlessMemorySize": "2048"}, True),
        ("DescribeDomain", {}, True),
    ],
)
def test_the_policy(action: str, context: dict[str, Any], allowed: bool) -> None:
    policies = Policies([ANY], service_control=[[ANY, service_control_policy(["ml.m5.*"])]])
    request = Request("arn:aws:iam::1:role/r", f"sagemaker:{action}", "*", context)
    assert evaluate(request, policies).allowed is allowed


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scp", "--instance-types", "ml.m5.*", "ml.g4dn.xlarge"]) == 0
    policy = json.loads(capsys.readouterr().out)
    assert policy == service_control_policy(["ml.m5.*", "ml.g4dn.xlarge"])
    # Organizations counts a policy that is stored without white space.
    assert len(json.dumps(policy, separators=(",", ":"))) <= 5_120
    assert main(["scp", "--instance-types", "m5.large"]) == 2
    assert "no instance types of SageMaker" in capsys.readouterr().err


@pytest.mark.parametrize(("types", "status"), [(100, 0), (150, 0), (200, 2)])
def test_the_policy_is_no_longer_than_organizations_takes(
    types: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [f"ml.m5.{size}xlarge" for size in range(types)]
    assert main(["scp", "--instance-types", *kinds]) == status
    out, err = capsys.readouterr()
    assert len(out.strip()) <= 5120
    assert ("write families, for example, ml.m5.*" in err) == (status == 2)


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_all_resources_only_for_actions_of_the_table(environment: str) -> None:
    """Of personas and jobs; a statement on all resources that is not listed needs a reason."""
    found = set()
    for template in platform(environment).values():
        roles = {
            name
            for name, resource in template["Resources"].items()
            if resource["Type"] == "AWS::IAM::Role"
            and "sagemaker.amazonaws.com" in json.dumps(resource)
        }
        for resource in template["Resources"].values():
            if resource["Type"] not in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
                continue
            properties = resource["Properties"]
            if not any(role.get("Ref") in roles for role in properties["Roles"]):
                continue
            for statement in properties["PolicyDocument"]["Statement"]:
                if statement["Resource"] == "*" and statement["Effect"] == "Allow":
                    actions = statement["Action"]
                    found |= set([actions] if isinstance(actions, str) else actions)
    assert found <= WITHOUT_RESOURCE.keys()
