"""What must hold in every environment, read from the templates that app.py gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from mlops_constructs.common.tags import UNTAGGED
from stacks.environments import ENVIRONMENTS
from stacks.platform import build_platform, new_app
from tests.support import nag_findings

Template = dict[str, Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> cdk.App:
    app = new_app(outdir=tmp_path_factory.mktemp("cdk.out"), validate=False)
    for environment in ENVIRONMENTS:
        build_platform(app, environment)
    return app


@pytest.fixture(scope="module")
def templates(app: cdk.App) -> dict[str, Template]:
    assembly = app.synth()
    return {
        stack.id: json.loads(Path(stack.template_full_path).read_text())
        for stack in assembly.stacks
    }


def _stacks(app: cdk.App) -> list[cdk.Stack]:
    return [child for child in app.node.children if isinstance(child, cdk.Stack)]


def _resources(template: Template, *types: str) -> list[Template]:
    return [found for found in template["Resources"].values() if found["Type"] in types]


@pytest.mark.parametrize("environment", [environment.name for environment in ENVIRONMENTS])
def test_nag_finds_nothing(app: cdk.App, templates: dict[str, Template], environment: str) -> None:
    assert templates
    stacks = [stack for stack in _stacks(app) if stack.node.id.endswith(environment)]
    assert len(stacks) == 7
    assert [finding for stack in stacks for finding in nag_findings(stack)] == []


def test_stacks_depend_on_one_another_in_the_order_of_deployment(app: cdk.App) -> None:
    order = ["Network", "Data", "Training", "Serving", "Monitoring", "Studio", "Governance"]
    for stack in _stacks(app):
        layer, _, environment = stack.node.id.partition("-")
        for other in stack.dependencies:
            other_layer, _, other_environment = other.node.id.partition("-")
            assert other_environment == environment
            assert order.index(other_layer) < order.index(layer)


def test_cost_tags_are_on_everything_that_may_carry_them(templates: dict[str, Template]) -> None:
    for name, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            tags = resource.get("Properties", {}).get("Tags")
            if resource["Type"] in UNTAGGED:
                assert tags is None, (name, logical_id)
            elif isinstance(tags, list):
                keys = {tag["Key"] for tag in tags}
                assert keys >= {"Project", "Team", "Environment", "CostCenter"}, logical_id


def test_data_survives_their_stack_where_the_environment_says_so(
    templates: dict[str, Template],
) -> None:
    stateful = (
        "AWS::S3::Bucket",
        "AWS::KMS::Key",
        "AWS::SageMaker::FeatureGroup",
        "AWS::SageMaker::Domain",
    )
    for environment in ENVIRONMENTS:
        expected = "Delete" if environment.destroy_data else "Retain"
        found = [
            (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
            for name, template in templates.items()
            if name.endswith(environment.name)
            for resource in _resources(template, *stateful)
        ]
        # The trail has a key, a bucket and access logs of its own.
        assert len(found) == 6 + 3 * environment.audit
        assert set(found) == {(expected, expected)}


def test_registered_models_always_survive(templates: dict[str, Template]) -> None:
    for environment in ENVIRONMENTS:
        (group,) = _resources(
            templates[f"Training-{environment.name}"], "AWS::SageMaker::ModelPackageGroup"
        )
        assert group["DeletionPolicy"] == "RetainExceptOnCreate"
        assert group["UpdateReplacePolicy"] == "Retain"


def test_no_name_where_cloudformation_must_be_able_to_replace(
    templates: dict[str, Template],
) -> None:
    for template in templates.values():
        for resource in _resources(
            template, "AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig"
        ):
            assert "ModelName" not in resource["Properties"]
            assert "EndpointConfigName" not in resource["Properties"]


def test_templates_name_no_account_no_region_and_no_partition(
    templates: dict[str, Template],
) -> None:
    for name, template in templates.items():
        kept = {key: value for key, value in template.items() if key != "Mappings"}
        text = json.dumps(kept)
        assert "arn:aws:" not in text, name
        assert "us-east-1" not in text, name
        assert "console.a" not in text, name


@pytest.mark.parametrize(
    ("partition", "host"),
    [
        ("aws", "console.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com"),
    ],
)
def test_the_dashboard_links_to_the_console_of_its_partition(
    templates: dict[str, Template], partition: str, host: str
) -> None:
    template = templates["Governance-dev"]
    (dashboard,) = _resources(template, "AWS::CloudWatch::Dashboard")

    def deployed(part: Any) -> str:
        match part:
            case {"Ref": "AWS::Region"}:
                return "<region>"
            case {"Fn::FindInMap": [name, {"Ref": "AWS::Partition"}, key]}:
                return str(template["Mappings"][name][partition][key])
        return str(part)

    _, parts = dashboard["Properties"]["DashboardBody"]["Fn::Join"]
    page = json.loads("".join(map(deployed, parts)))["widgets"][0]["properties"]["markdown"]
    assert f"[Cost and budgets](https://<region>.{host}/billing/home#/budgets)" in page
    stack = "census-income-dev-data"
    address = f"https://<region>.{host}/cloudformation/home#/stacks?filteringText={stack}"
    assert f"[{stack}]({address})" in page


def test_an_account_and_a_region_make_no_lookup(tmp_path: Path) -> None:
    """A lookup would need credentials."""
    app = new_app(outdir=tmp_path, validate=False)
    build_platform(app, replace(ENVIRONMENTS[0], account="123456789012", region="eu-west-1"))
    manifest = json.loads(Path(app.synth().directory, "manifest.json").read_text())
    assert "missing" not in manifest


def test_the_same_input_gives_the_same_templates(
    templates: dict[str, Template], tmp_path: Path
) -> None:
    again = new_app(outdir=tmp_path, validate=False)
    build_platform(again, ENVIRONMENTS[0])
    for stack in again.synth().stacks:
        assert json.loads(Path(stack.template_full_path).read_text()) == templates[stack.id]
