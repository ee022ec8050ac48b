"""What can be done with an endpoint by name: invoke, measure, listen."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import Duration, aws_cloudwatch as cloudwatch, aws_iam as iam, aws_lambda as lambda_
from aws_cdk.aws_events_targets import LambdaFunction

from mlops_constructs.serving.endpoint import BlueGreenEndpoint
from mlops_constructs.serving.interface import ServingEndpoint
from tests.support import nag_findings, new_stack, resources_of


@pytest.fixture
def imported() -> ServingEndpoint:
    return BlueGreenEndpoint.from_endpoint_name(new_stack(), "Endpoint", "census-income-prod")


def _stack(endpoint: ServingEndpoint) -> Any:
    return endpoint.node.scope


def test_import_makes_nothing(imported: ServingEndpoint) -> None:
    assert _stack(imported).resolve(imported.endpoint_arn)["Fn::Join"][1][-1] == (
        ":endpoint/census-income-prod"
    )
    assert resources_of(_stack(imported), "AWS::SageMaker::Endpoint") == {}


def test_invoking_is_granted_on_this_endpoint_only(imported: ServingEndpoint) -> None:
    role = iam.Role(
        _stack(imported), "Client", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
    )
    imported.grant_invoke(role)
    (policy,) = resources_of(_stack(imported), "AWS::IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sagemaker:InvokeEndpoint"
    assert statement["Resource"]["Fn::Join"][1][-1] == ":endpoint/census-income-prod"
    assert [line for line in nag_findings(_stack(imported)) if "IAM5" in line] == []


@pytest.mark.parametrize(
    ("name", "metric", "statistic"),
    [
        ("metric_invocations", "Invocations", "Sum"),
        ("metric_invocations_per_instance", "InvocationsPerInstance", "Sum"),
        ("metric_latency", "ModelLatency", "p99"),
        ("metric_overhead_latency", "OverheadLatency", "p99"),
        ("metric_client_errors", "Invocation4XXErrors", "Average"),
        ("metric_server_errors", "Invocation5XXErrors", "Average"),
        ("metric_model_errors", "InvocationModelErrors", "Average"),
        ("metric_cpu_utilization", "CPUUtilization", "Average"),
        ("metric_memory_utilization", "MemoryUtilization", "Average"),
    ],
)
def test_metrics(imported: ServingEndpoint, name: str, metric: str, statistic: str) -> None:
    for variant in (None, "Challenger"):
        made: cloudwatch.Metric = getattr(imported, name)(variant_name=variant)
        assert made.metric_name == metric
        assert made.statistic == statistic
        hosts = "Utilization" in metric
        assert made.namespace == ("/aws/sagemaker/Endpoints" if hosts else "AWS/SageMaker")
        assert made.dimensions == {
            "EndpointName": "census-income-prod",
            "VariantName": variant or "AllTraffic",
        }


def test_latency_by_another_statistic(imported: ServingEndpoint) -> None:
    assert imported.metric_latency(statistic="p50").statistic == "p50"
    slow = imported.metric("ModelSetupTime", statistic="Average", period=Duration.minutes(5))
    assert slow.period.to_seconds() == 300


def test_events(imported: ServingEndpoint) -> None:
    function = lambda_.Function.from_function_arn(
        _stack(imported), "Function", "arn:aws:lambda:us-east-1:123456789012:function:tell"
    )
    imported.on_state_change("Served", target=LambdaFunction(function), statuses=["IN_SERVICE"])
    imported.on_deployment_state_change("Shifting", target=LambdaFunction(function))
    patterns = [
        rule["Properties"]["EventPattern"]
        for rule in resources_of(_stack(imported), "AWS::Events::Rule").values()
    ]
    assert patterns == [
        {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Endpoint State Change"],
            "detail": {
                "EndpointName": ["census-income-prod"],
                "EndpointStatus": ["IN_SERVICE"],
            },
        },
        {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Endpoint Deployment State Change"],
            "detail": {"EndpointName": ["census-income-prod"]},
        },
    ]
