"""How endpoints, their configurations and their models belong together in a template."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node

ENDPOINT: Final = "AWS::SageMaker::Endpoint"
ENDPOINT_CONFIG: Final = "AWS::SageMaker::EndpointConfig"
MODEL: Final = "AWS::SageMaker::Model"


def variants(config: Resource) -> list[Node]:
    """The production variants of an endpoint configuration."""
    return config["ProductionVariants"].items


def shadows(config: Resource) -> list[Node]:
    """Its shadow variants."""
    return config["ShadowProductionVariants"].items


def config_of(endpoint: Resource) -> Resource | None:
    """The configuration of an endpoint, when it is in the template."""
    name = endpoint["EndpointConfigName"]
    return endpoint.scope.find([ENDPOINT_CONFIG], "EndpointConfigName", name)


def endpoint_named(name: Node) -> Resource | None:
    """The endpoint that a value names, when it is in the template."""
    return name.scope.find([ENDPOINT], "EndpointName", name)


def config_named(name: Node) -> Resource | None:
    """The configuration of the endpoint that a value names."""
    endpoint = endpoint_named(name)
    return config_of(endpoint) if endpoint is not None else None


def model_of(variant: Node) -> Resource | None:
    """The model of a variant, when it is in the template."""
    return variant.scope.find([MODEL], "ModelName", variant["ModelName"])


def is_serverless(variant: Node) -> bool:
    """Whether a variant is certainly serverless."""
    return variant["ServerlessConfig"].present


def captures_data(config: Resource) -> bool | None:
    """Whether data capture is on; None when nobody can tell."""
    capture = config["DataCaptureConfig"]
    if capture.absent:
        return False
    # Without EnableCapture the API captures.
    enable = capture["EnableCapture"]
    return True if capture.present and enable.absent else enable.flag
