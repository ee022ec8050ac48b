from __future__ import annotations

from typing import Any

import pytest

from localcloud.cloudformation.schemas import known_types, schema
from localcloud.cloudformation.values import PropertiesError, check, coerce
from localcloud.model import operation_model


def _changed(type_name: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    return schema(type_name).replaces(old, new)


def test_create_only_properties_replace() -> None:
    model = "AWS::SageMaker::Model"
    assert _changed(
        model, {"PrimaryContainer": {"Image": "a"}}, {"PrimaryContainer": {"Image": "b"}}
    )
    assert not _changed(model, {"Tags": []}, {"Tags": [{"Key": "a", "Value": "b"}]})


def test_nested_create_only_properties_replace_and_their_neighbours_do_not() -> None:
    group, online = "AWS::SageMaker::FeatureGroup", {"EnableOnlineStore": True}
    key = {"SecurityConfig": {"KmsKeyId": "k"}}
    ttl = {"TtlDuration": {"Unit": "Days", "Value": 1}}
    before = {"OnlineStoreConfig": online}
    assert _changed(group, before, {"OnlineStoreConfig": {**online, **key}})
    assert not _changed(group, before, {"OnlineStoreConfig": {**online, **ttl}})


def test_all_job_definitions_are_replaced_by_a_tag() -> None:
    for kind in ("DataQuality", "ModelBias", "ModelExplainability", "ModelQuality"):
        assert _changed(f"AWS::SageMaker::{kind}JobDefinition", {}, {"Tags": [{"Key": "a"}]})


def test_unknown_and_missing_keys_on_all_levels() -> None:
    properties = {
        "ProductionVariants": [{"VariantName": "v", "ServerlessConfig": {"MemorySize": 1024}}],
        "Colour": "red",
    }
    with pytest.raises(PropertiesError) as refused:
        check(schema("AWS::SageMaker::EndpointConfig"), properties)
    text = str(refused.value)
    assert "#: extraneous key [Colour] is not permitted" in text
    assert (
        "#/ProductionVariants/0/ServerlessConfig: extraneous key [MemorySize] is not permitted"
        in text
    )
    assert (
        "#/ProductionVariants/0/ServerlessConfig: required key [MaxConcurrency] not found" in text
    )


def test_values_become_those_of_the_api() -> None:
    shape = operation_model("sagemaker", "CreateEndpointConfig").input_shape
    assert shape is not None
    properties = {
        "EndpointConfigName": 7,
        "EnableNetworkIsolation": "true",
        "ProductionVariants": [{"VariantName": "v", "InitialInstanceCount": "2"}],
        "Unknown": 1,
    }
    assert coerce(shape, properties) == {
        "EndpointConfigName": "7",
        "EnableNetworkIsolation": True,
        "ProductionVariants": [{"VariantName": "v", "InitialInstanceCount": 2}],
    }


def test_every_sagemaker_type_has_a_schema_that_can_be_read() -> None:
    types = [name for name in known_types() if name.startswith("AWS::SageMaker::")]
    assert len(types) > 40
    assert all(schema(name).primary for name in types)
