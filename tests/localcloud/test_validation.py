from __future__ import annotations

from typing import Any

import pytest

from localcloud.errors import ServiceError
from localcloud.model import operation_model
from localcloud.validation import validate

MODEL = {"ModelName": "m", "PrimaryContainer": {"Image": "image"}}
CONFIG = {
    "EndpointConfigName": "c",
    "ProductionVariants": [{"VariantName": "v", "ModelName": "m"}],
}


def _validate(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    return validate(operation_model("sagemaker", operation).input_shape, request)


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        (
            "CreateModel",
            {"PrimaryContainer": {"Image": "i"}},
            "1 validation error detected: Value null at 'modelName' failed to satisfy constraint:"
            " Member must not be null",
        ),
        (
            "CreateModel",
            {**MODEL, "ModelName": "under_score"},
            "Value 'under_score' at 'modelName' failed to satisfy constraint: Member must satisfy"
            " regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?",
        ),
        (
            "CreateModel",
            {**MODEL, "ModelName": "m" * 64},
            "Member must have length less than or equal to 63",
        ),
        (
            "CreateModel",
            {**MODEL, "PrimaryContainer": {"Image": "i", "Mode": "Some"}},
            "Value 'Some' at 'primaryContainer.mode' failed to satisfy constraint: Member must"
            " satisfy enum value set: [SingleModel, MultiModel]",
        ),
        (
            "CreateEndpointConfig",
            {**CONFIG, "ProductionVariants": []},
            "Value '[]' at 'productionVariants' failed to satisfy constraint: Member must have"
            " length greater than or equal to 1",
        ),
        (
            "CreateEndpointConfig",
            {
                "EndpointConfigName": "c",
                "ProductionVariants": [{"VariantName": "v", "InitialVariantWeight": -1.0}],
            },
            "Value '-1.0' at 'productionVariants.1.member.initialVariantWeight' failed to satisfy"
            " constraint: Member must have value greater than or equal to 0",
        ),
    ],
)
def test_violations_in_the_words_of_the_service(
    operation: str, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        _validate(operation, request_)
    assert refused.value.code == "ValidationException"
    assert message in refused.value.message


def test_all_violations_at_once() -> None:
    with pytest.raises(ServiceError, match=r"^ValidationException: 3 validation errors detected"):
        _validate(
            "CreateEndpoint",
            {"EndpointName": "a_b", "EndpointConfigName": "c_d", "Tags": [{"Key": "k"}]},
        )


def test_wrong_type() -> None:
    with pytest.raises(ServiceError) as refused:
        _validate("CreateModel", {**MODEL, "EnableNetworkIsolation": "yes"})
    assert refused.value.code == "SerializationException"
    assert refused.value.message == "STRING_VALUE can not be converted to a Boolean"


def test_a_union_takes_exactly_one_member() -> None:
    request = {
        "DomainId": "d-1",
        "UserProfileName": "u",
        "UserSettings": {
            "CustomFileSystemConfigs": [
                {
                    "EFSFileSystemConfig": {"FileSystemId": "fs-12345678"},
                    "FSxLustreFileSystemConfig": {"FileSystemId": "fs-12345678901234567"},
                }
            ]
        },
    }
    with pytest.raises(ServiceError, match="exactly one of"):
        _validate("CreateUserProfile", request)


def test_tokens_are_added_as_an_sdk_would() -> None:
    completed = _validate("StartPipelineExecution", {"PipelineName": "p"})
    assert len(completed["ClientRequestToken"]) == 36
