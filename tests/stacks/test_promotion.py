"""What was tried in one environment is what the next one gets, and no less protected.

Environments may differ in what `stacks/environments.py` declares and in nothing else: with the
settings of prod, dev and staging must give prod's templates under another name. So no stack may
ask for an environment's name.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stacks.environments import ENVIRONMENTS
from stacks.platform import build_platform, new_app
from tests.snapshots.test_templates import readable
from tests.stacks.promotion import as_if, differences, weakenings

Templates = dict[str, dict[str, Any]]

_SNAPSHOTS = Path(__file__).resolve().parents[1] / "snapshots" / "__snapshots__" / "test_templates"
NAMES = [environment.name for environment in ENVIRONMENTS]
STEPS = list(pairwise(NAMES))
PROD = ENVIRONMENTS[-1]


def _as_deployed(environment: str) -> Templates:
    """The committed templates, which tests/snapshots holds to what app.py gives."""
    found = {
        path.name.partition("[")[2].partition("-")[0]: json.loads(path.read_text())
        for path in _SNAPSHOTS.glob(f"*-{environment}].json")
    }
    assert found
    return found


@pytest.fixture(scope="module")
def with_the_settings_of_prod(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Templates]:
    """The other environments, by name, with the settings of prod."""
    app = new_app(outdir=tmp_path_factory.mktemp("cdk.out"), validate=False)
    for name in NAMES[:-1]:
        build_platform(app, replace(PROD, name=name))
    found: dict[str, Templates] = {name: {} for name in NAMES[:-1]}
    for stack in app.synth().stacks:
        layer, _, name = stack.id.partition("-")
        found[name][layer] = readable(json.loads(Path(stack.template_full_path).read_text()))
    return found


@pytest.mark.parametrize("name", NAMES[:-1])
def test_environments_differ_in_their_settings_only(
    with_the_settings_of_prod: dict[str, Templates], name: str
) -> None:
    promoted = as_if(with_the_settings_of_prod[name], name, PROD.name)
    assert differences(promoted, _as_deployed(PROD.name)) == []


@pytest.mark.parametrize(("lower", "higher"), STEPS)
def test_security_never_weakens_upwards(lower: str, higher: str) -> None:
    assert weakenings(as_if(_as_deployed(lower), lower, higher), _as_deployed(higher)) == []


def test_settings_that_protect_never_weaken_upwards() -> None:
    for lower, higher in pairwise(ENVIRONMENTS):
        assert higher.destroy_data <= lower.destroy_data
        assert higher.zones >= lower.zones
        assert higher.bake_minutes >= lower.bake_minutes
        assert higher.canary_percent <= lower.canary_percent
        assert higher.log_days >= lower.log_days
        assert higher.audit >= lower.audit
        assert set(lower.notify) <= set(higher.notify)


def test_a_difference_is_named_by_resource_and_property() -> None:
    prod = _as_deployed("prod")
    other = copy.deepcopy(prod)
    endpoint = next(
        logical_id
        for logical_id, resource in prod["Serving"]["Resources"].items()
        if resource["Type"] == "AWS::SageMaker::EndpointConfig"
    )
    other["Serving"]["Resources"][endpoint]["Properties"]["ProductionVariants"][0][
        "InitialInstanceCount"
    ] = 7
    assert differences(prod, other) == [
        f"Serving.Resources.{endpoint}.Properties.ProductionVariants.0.InitialInstanceCount: 4 -> 7"
    ]


def _first(templates: Templates, resource_type: str, with_property: str = "") -> dict[str, Any]:
    found: dict[str, Any] = next(
        resource
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == resource_type
        and (not with_property or with_property in resource.get("Properties", {}))
    )
    return found


def _unencrypted(templates: Templates) -> None:
    del _first(templates, "AWS::S3::Bucket")["Properties"]["BucketEncryption"]


def _public(templates: Templates) -> None:
    bucket = _first(templates, "AWS::S3::Bucket")
    bucket["Properties"]["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = False


def _not_isolated(templates: Templates) -> None:
    _first(templates, "AWS::SageMaker::Model")["Properties"]["EnableNetworkIsolation"] = False


def _deleted(templates: Templates) -> None:
    _first(templates, "AWS::SageMaker::FeatureGroup")["DeletionPolicy"] = "Delete"


def _forgotten(templates: Templates) -> None:
    _first(templates, "AWS::Logs::LogGroup")["Properties"]["RetentionInDays"] = 1


def _allowed(templates: Templates) -> None:
    policy = _first(templates, "AWS::IAM::Policy")["Properties"]["PolicyDocument"]
    policy["Statement"].append({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})


def _unconditional(templates: Templates) -> None:
    for template in templates.values():
        for resource in template["Resources"].values():
            document = resource.get("Properties", {}).get("PolicyDocument", {})
            for statement in document.get("Statement", ()):
                if statement["Effect"] == "Allow" and statement.pop("Condition", None):
                    return


def _not_denied(templates: Templates) -> None:
    document = _first(templates, "AWS::S3::BucketPolicy")["Properties"]["PolicyDocument"]
    document["Statement"] = [s for s in document["Statement"] if s["Effect"] != "Deny"]


def _open(templates: Templates) -> None:
    group = _first(templates, "AWS::EC2::SecurityGroup")["Properties"]
    group.setdefault("SecurityGroupIngress", []).append({"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"})


def _unwatched(templates: Templates) -> None:
    for template in templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                del template["Resources"][name]
                return


def _risky(templates: Templates) -> None:
    policy = _first(templates, "AWS::SageMaker::Endpoint")["Properties"]["DeploymentConfig"]
    routing = policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    routing["CanarySize"]["Value"] = 50


def _unencrypted_traffic(templates: Templates) -> None:
    pipeline = _first(templates, "AWS::SageMaker::Pipeline")["Properties"]["PipelineDefinition"]
    parts = pipeline["PipelineDefinitionBody"]["Fn::Join"][1]
    safe = '"EnableNetworkIsolation":true'
    index = next(i for i, part in enumerate(parts) if isinstance(part, str) and safe in part)
    parts[index] = parts[index].replace(safe, safe.replace("true", "false"))


@pytest.mark.parametrize(
    ("weaken", "message"),
    [
        (_unencrypted, "BucketEncryption"),
        (_public, "BlockPublicPolicy: true -> false"),
        (_not_isolated, "EnableNetworkIsolation: true -> false"),
        (_deleted, "DeletionPolicy: Retain -> Delete"),
        (_forgotten, "RetentionInDays"),
        (_allowed, 'allows more: ["Allow", null, "s3:*", "*"]'),
        (_unconditional, "no longer asks for"),
        (_not_denied, "denies less"),
        (_open, "SecurityGroupIngress allows more"),
        (_unwatched, "the AWS::CloudWatch::Alarm is gone"),
        (_risky, "CanarySize.Value: 25 -> 50"),
        (_unencrypted_traffic, "EnableNetworkIsolation: true -> false"),
    ],
)
def test_each_weakening_is_named(weaken: Callable[[Templates], None], message: str) -> None:
    before = _as_deployed("prod")
    after = copy.deepcopy(before)
    weaken(after)
    found = weakenings(before, after)
    assert found
    assert all(message in line for line in found), found
