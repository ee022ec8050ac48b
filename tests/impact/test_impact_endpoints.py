"""What an endpoint refuses at an update is said beside the update."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.impact import Action, Change, analyse
from tests.impact.cases import CONFIG, ENDPOINT, SERVING, VARIANT, att, but, make, ref, sub

Json = dict[str, Any]

_SERVERLESS = {
    "VariantName": "All",
    "ModelName": att("Model", "ModelName"),
    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2},
}
_LARGER = {**VARIANT, "InstanceType": "ml.m5.xlarge"}
_QUEUE = {"OutputConfig": {"S3OutputPath": "s3://answers/"}}
_CANARY = {"TrafficRoutingConfiguration": {"Type": "CANARY", "WaitIntervalInSeconds": 60}}
_NAMED = but(ENDPOINT, EndpointName="churn")
_BY_REFERENCE = sub("endpoint/${Endpoint.EndpointName}/variant/All")
_BY_NAME = "endpoint/churn/variant/All"


def serving(*variants: Json, endpoint: Json = ENDPOINT, **config: Any) -> Json:
    made = but(CONFIG, ProductionVariants=list(variants), **config)
    return {**SERVING, "Config": made, "Endpoint": endpoint}


def scaled(resources: Json, resource_id: Any = _BY_REFERENCE) -> Json:
    target = make(
        "ApplicationAutoScaling::ScalableTarget",
        ResourceId=resource_id,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        ServiceNamespace="sagemaker",
        MinCapacity=1,
        MaxCapacity=4,
    )
    return {**resources, "Target": target}


def endpoint_of(old: Json, new: Json) -> Change:
    found = analyse({"stack": {"Resources": old}}, {"stack": {"Resources": new}})
    (change,) = (each for each in found if each.resource == "Endpoint")
    return change


def notes(old: Json, new: Json) -> str:
    """What is said beside the reason for the move."""
    change = endpoint_of(old, new)
    assert change.action == Action.BLUE_GREEN
    return " ".join(text for text in change.because if "shifts traffic" not in text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (scaled(serving(VARIANT)), scaled(serving(_LARGER))),
        # Pausing and changing at once: CloudFormation deregisters after it has updated.
        (scaled(serving(VARIANT)), serving(_LARGER)),
        (
            scaled(serving(VARIANT, endpoint=_NAMED), _BY_NAME),
            scaled(serving(_LARGER, endpoint=_NAMED), _BY_NAME),
        ),
    ],
    ids=["scaled", "paused too late", "by name"],
)
def test_the_instance_type_of_a_scaled_variant(old: Json, new: Json) -> None:
    said = notes(old, new)
    assert 'variant "All", InstanceType: "ml.m5.large" → "ml.m5.xlarge"' in said
    assert "while Target scales that variant, so the deployment will fail" in said
    assert "add_autoscaling(paused=True)" in said


def test_a_scaled_variant_that_goes() -> None:
    other = {**VARIANT, "VariantName": "Other"}
    said = notes(scaled(serving(VARIANT, other)), scaled(serving(other)))
    assert 'variant "All", removed: the service refuses it' in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (serving(VARIANT), scaled(serving(_LARGER))),
        (serving(VARIANT), serving(_LARGER)),
        (scaled(serving(VARIANT)), scaled(serving({**VARIANT, "InitialInstanceCount": 2}))),
        # Another variant, another endpoint, and what nobody can tell.
        (
            scaled(serving(VARIANT), "endpoint/churn/variant/Other"),
            scaled(serving(_LARGER), "endpoint/churn/variant/Other"),
        ),
        (
            scaled(serving(VARIANT, endpoint=_NAMED), "endpoint/fraud/variant/All"),
            scaled(serving(_LARGER, endpoint=_NAMED), "endpoint/fraud/variant/All"),
        ),
        (scaled(serving(VARIANT), ref("Id")), scaled(serving(_LARGER), ref("Id"))),
        (scaled(serving(VARIANT), ["x"]), scaled(serving(_LARGER), ["x"])),
    ],
)
def test_what_is_not_refused_is_not_said(old: Json, new: Json) -> None:
    assert notes(old, new) == ""


def test_an_endpoint_keeps_its_kind() -> None:
    assert "the service refuses to turn an endpoint serverless" in notes(
        serving(VARIANT), serving(_SERVERLESS)
    )
    assert "there is no way back" in notes(serving(_SERVERLESS), serving(VARIANT))
    queue = serving(VARIANT, AsyncInferenceConfig=_QUEUE)
    assert "AsyncInferenceConfig: the service refuses to remove it" in notes(
        queue, serving(VARIANT)
    )
    assert notes(serving(VARIANT), queue) == ""
    assert notes(queue, serving(_LARGER, AsyncInferenceConfig=_QUEUE)) == ""


def test_guardrails_need_equal_names() -> None:
    guarded = but(ENDPOINT, DeploymentConfig={"BlueGreenUpdatePolicy": _CANARY})
    renamed = {**VARIANT, "VariantName": "Main"}
    said = notes(serving(VARIANT, endpoint=guarded), serving(renamed, endpoint=guarded))
    assert said.startswith("variants All → Main: deployment guardrails need equal names")
    assert notes(serving(VARIANT), serving(renamed)) == ""
