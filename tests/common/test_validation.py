from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.validation import CloudFormationRules, ServiceRules


@pytest.fixture
def app(tmp_path: Path) -> cdk.App:
    return cdk.App(outdir=str(tmp_path), builtin_cloud_formation_validation=False)


def feature_group(scope: Construct, construct_id: str, **changes: Any) -> sagemaker.CfnFeatureGroup:
    feature = sagemaker.CfnFeatureGroup.FeatureDefinitionProperty
    names = ("person_id", "event_time")
    properties: dict[str, Any] = {
        "feature_group_name": f"group-{construct_id}",
        "record_identifier_feature_name": "person_id",
        "event_time_feature_name": "event_time",
        "feature_definitions": [feature(feature_name=n, feature_type="String") for n in names],
        "online_store_config": {"EnableOnlineStore": True},
        **changes,
    }
    return sagemaker.CfnFeatureGroup(scope, construct_id, **properties)


def report(app: cdk.App) -> list[dict[str, Any]]:
    path = Path(app.outdir) / "validation-report.json"
    reports: list[dict[str, Any]] = json.loads(path.read_text())["pluginReports"]
    return reports


def test_an_error_stops_the_synth_and_names_the_construct(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(ServiceRules())
    feature_group(cdk.Stack(app, "Data"), "Bad", event_time_feature_name="when")
    with pytest.raises(RuntimeError, match="ValidationFailed") as error:
        app.synth()
    assert "Data/Bad" in str(error.value)
    assert "mlops-constructs::FG03" in str(error.value)
    (found,) = report(app)
    (violation,) = found["violations"]
    (place,) = violation["violatingConstructs"]
    assert place["constructPath"] == "Data/Bad"
    assert place["cloudFormationResource"]["propertyPaths"] == ["Properties.EventTimeFeatureName"]


def test_a_warning_is_shown_and_does_not_stop(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(ServiceRules())
    feature_group(
        cdk.Stack(app, "Data"), "Tagged", tags=[cdk.CfnTag(key="Project", value="census")]
    )
    app.synth()
    (found,) = report(app)
    assert found["conclusion"] == "success"
    assert [violation["severity"] for violation in found["violations"]] == ["warning"]


def test_one_rule_on_one_construct_is_acknowledged_with_a_reason(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(ServiceRules())
    stack = cdk.Stack(app, "Data")
    bad: dict[str, Any] = {"online_store_config": {"EnableOnlineStore": False}}
    acknowledged = feature_group(stack, "Known", **bad)
    acknowledge(acknowledged, {"mlops-constructs::FG01": "Made by hand later."})
    app.synth()
    (found,) = report(app)
    assert found["violations"] == []
    assert [v["reason"] for v in found["suppressedViolations"]] == ["Made by hand later."]


def test_an_acknowledgement_is_for_its_construct_only(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(ServiceRules())
    stack = cdk.Stack(app, "Data")
    bad: dict[str, Any] = {"online_store_config": {"EnableOnlineStore": False}}
    acknowledge(feature_group(stack, "Known", **bad), {"mlops-constructs::FG01": "Known."})
    feature_group(stack, "Unknown", **bad)
    with pytest.raises(RuntimeError, match="Data/Unknown"):
        app.synth()


def test_nested_stacks_and_regions_are_checked(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(ServiceRules())
    stack = cdk.Stack(app, "Data", env=cdk.Environment(region="us-gov-west-1"))
    feature_group(cdk.NestedStack(stack, "Inner"), "Group")
    with pytest.raises(RuntimeError, match="us-gov-west-1 has no AWS::SageMaker::FeatureGroup"):
        app.synth()


def test_cloudformations_own_rules(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(CloudFormationRules())
    feature_group(cdk.Stack(app, "Data"), "Bad", feature_group_name="x" * 65)
    with pytest.raises(RuntimeError, match="cloudformation-validate::") as error:
        app.synth()
    assert "Data/Bad" in str(error.value)


def test_a_good_app_passes_both(app: cdk.App) -> None:
    cdk.Validations.of(app).add_plugins(ServiceRules(), CloudFormationRules())
    feature_group(cdk.Stack(app, "Data"), "Good")
    app.synth()
    assert not (Path(app.outdir) / "validation-report.json").exists() or report(app) == []


def test_plugins_describe_themselves() -> None:
    plugin = ServiceRules()
    assert plugin.name == "mlops-constructs"
    assert plugin.version[0].isdigit()
    assert "FG01" in plugin.rule_ids
    assert CloudFormationRules().version[0].isdigit()
