"""What the engine resolves, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.rules import check_template
from tests.rules.support import check_group, group, ids

PARAMETERS = {"Parameters": {"Name": {"Type": "String", "Default": "not a name"}}}


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Join": ["", ["bad", " ", "name"]]},
        {"Fn::Join": ["", {"Fn::Split": [",", "bad, name"]}]},
        {"Fn::Sub": "bad name"},
        {"Fn::Sub": ["${Word} name", {"Word": "bad"}]},
        {"Fn::Select": [1, ["good", "bad name"]]},
        {"Fn::Select": ["0", {"Fn::Split": [",", "bad name,good"]}]},
        {"Fn::FindInMap": ["Names", "group", "name"]},
        {"Ref": "Only"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_literals_are_resolved(value: dict[str, Any]) -> None:
    template = {
        "Mappings": {"Names": {"group": {"name": "bad name"}}},
        "Parameters": {"Only": {"Type": "String", "AllowedValues": ["bad name"]}},
    }
    assert check_group(template, FeatureGroupName=value) == ["FG14"]


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Name"},
        {"Ref": "AWS::StackName"},
        {"Fn::Sub": "${Name} group"},
        {"Fn::Join": [" ", [{"Ref": "Name"}, "group"]]},
        {"Fn::ImportValue": "name"},
        {"Fn::GetAtt": ["Other", "Name"]},
        {"Fn::GetAtt": ["Other", "Outputs", "Name"]},
        {"Fn::GetAtt": ["Other"]},
        {"Fn::GetAtt": "Other"},
        {"Fn::FindInMap": ["Names", {"Ref": "AWS::Region"}, "name"]},
        {"Fn::If": ["Undefined", "bad name", "good"]},
        {"Fn::Select": [7, ["bad name"]]},
        {"Fn::Transform": {"Name": "Macro"}},
        {"Fn::Unheard": "bad name"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_only_the_deployment_knows_is_left_alone(value: dict[str, Any]) -> None:
    assert check_group(PARAMETERS, FeatureGroupName=value) == []


def test_no_value_takes_a_property_away() -> None:
    assert check_group(OnlineStoreConfig={"Ref": "AWS::NoValue"}) == ["FG01"]


def test_a_macro_may_add_properties() -> None:
    online = {"Fn::Transform": {"Name": "Macro"}, "StorageType": "Standard"}
    assert check_group(OnlineStoreConfig=online) == []


def test_region_resolves_when_it_is_known() -> None:
    value = {"Fn::FindInMap": ["Names", {"Ref": "AWS::Region"}, "name"]}
    document = {
        "Mappings": {"Names": {"eu-west-1": {"name": "bad name"}}},
        "Resources": {"Group": group(FeatureGroupName=value)},
    }
    assert ids(check_template(document, region="eu-west-1")) == ["FG14"]
    assert check_template(document, region="us-east-1") == []


@pytest.mark.parametrize("true", [True, "true", "True"])
def test_booleans_may_be_written_as_text(true: object) -> None:
    assert check_group(OnlineStoreConfig={"EnableOnlineStore": true}) == []
    assert check_group(OnlineStoreConfig={"EnableOnlineStore": "false"}) == ["FG01"]


CONFIG = {
    "Type": "AWS::SageMaker::EndpointConfig",
    "Properties": {
        "ProductionVariants": [
            {"VariantName": "main", "ModelName": "m", "InstanceType": "ml.m5.large",
             "InitialInstanceCount": "1"}
        ]
    },
}  # fmt: skip
CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 60,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": "50"},
        }
    }
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"Fn::GetAtt": ["Config", "EndpointConfigName"]}, ["EP11"]),
        ({"Fn::GetAtt": "Config.EndpointConfigName"}, ["EP11"]),
        ({"Fn::Sub": "${Config.EndpointConfigName}"}, ["EP11"]),
        ({"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "Config"}]}]}, ["EP11"]),
        ({"Ref": "Config"}, ["EP11", "NM02"]),
        ({"Ref": "ConfigName"}, []),
    ],
)
def test_other_resources_are_found(name: dict[str, Any], expected: list[str]) -> None:
    endpoint = {
        "Type": "AWS::SageMaker::Endpoint",
        "Properties": {"EndpointConfigName": name, "DeploymentConfig": CANARY},
    }
    findings = check_template({"Resources": {"Config": CONFIG, "Endpoint": endpoint}})
    assert ids(findings) == expected


def test_the_same_parameter_names_the_same_resource() -> None:
    named = {**CONFIG["Properties"], "EndpointConfigName": {"Ref": "ConfigName"}}  # type: ignore[dict-item]  # a template is untyped
    endpoint = {
        "Type": "AWS::SageMaker::Endpoint",
        "Properties": {"EndpointConfigName": {"Ref": "ConfigName"}, "DeploymentConfig": CANARY},
    }
    config = {"Type": CONFIG["Type"], "Properties": named}
    findings = check_template({"Resources": {"Config": config, "Endpoint": endpoint}})
    assert ids(findings) == ["EP11"]
