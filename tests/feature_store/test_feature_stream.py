"""FeatureStream: the template of the path from a Kinesis stream to a group, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, aws_ec2 as ec2, aws_iam as iam, aws_kinesis as kinesis, aws_sns as sns

from mlops_constructs import (
    FeatureStream,
    JobNetwork,
    StreamAlarms,
    StreamReading,
    StreamStart,
    ValidationError,
    allow_data_destruction,
)
from tests.feature_store.test_feature_group import group
from tests.support import nag_findings, new_stack, resources_of, template_of

MAPPING = "AWS::Lambda::EventSourceMapping"


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    made = new_stack()
    alerts = sns.Topic.from_topic_arn(made, "Alerts", "arn:aws:sns:eu-west-1:111122223333:alerts")
    stream = FeatureStream(made, "Clicks", group=group(made), topic=alerts)
    producer = iam.Role(made, "Producer", assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"))
    stream.grant_send(producer)
    return made


def only(stack: cdk.Stack, resource_type: str) -> dict[str, Any]:
    (resource,) = resources_of(stack, resource_type).values()
    found: dict[str, Any] = resource["Properties"]
    return found


def actions(stack: cdk.Stack, owner: str) -> dict[str, Any]:
    """Resource by action of the policy of a role."""
    return {
        action: statement["Resource"]
        for logical_id, policy in resources_of(stack, "AWS::IAM::Policy").items()
        if logical_id.startswith(owner)
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }


def test_a_bad_record_is_bounded_isolated_and_kept_whole(stack: cdk.Stack) -> None:
    mapping = only(stack, MAPPING)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == 100
    assert mapping["MaximumRecordAgeInSeconds"] == 20 * 3600
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    (bucket,) = [name for name in resources_of(stack, "AWS::S3::Bucket") if "DeadLetters" in name]
    assert mapping["DestinationConfig"] == {
        "OnFailure": {"Destination": {"Fn::GetAtt": [bucket, "Arn"]}}
    }
    notices = resources_of(stack, "AWS::S3::Bucket")[bucket]["Properties"]
    assert notices["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    rule = only(stack, "AWS::Events::Rule")
    assert rule["EventPattern"]["detail"] == {"bucket": {"name": [{"Ref": bucket}]}}
    (queue,) = resources_of(stack, "AWS::SQS::Queue")
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": [queue, "Arn"]}


def test_the_policy_is_there_before_lambda_checks_it(stack: cdk.Stack) -> None:
    (mapping,) = resources_of(stack, MAPPING).values()
    assert any("RoleDefaultPolicy" in name for name in mapping["DependsOn"])


def test_the_role_has_no_more_than_the_path_needs(stack: cdk.Stack) -> None:
    allowed = actions(stack, "ClicksRole")
    assert set(allowed) == {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:ListBucket",
        "s3:PutObject",
        "sagemaker:BatchWriteRecord",
        "sagemaker:DescribeFeatureGroup",
        "sagemaker:PutRecord",
    }
    assert "*" not in allowed.values()
    assert set(actions(stack, "Producer")) == {
        "kinesis:PutRecord",
        "kinesis:PutRecords",
        "kms:GenerateDataKey",
    }


def test_everything_is_encrypted_with_the_groups_key(stack: cdk.Stack) -> None:
    (key,) = resources_of(stack, "AWS::KMS::Key")
    arn = {"Fn::GetAtt": [key, "Arn"]}
    assert only(stack, "AWS::Kinesis::Stream")["StreamEncryption"]["KeyId"] == arn
    assert only(stack, "AWS::Logs::LogGroup")["KmsKeyId"] == arn
    assert only(stack, "AWS::Lambda::Function")["KmsKeyArn"] == arn


def test_alarms_tell_the_topic(stack: cdk.Stack) -> None:
    alarms = [each["Properties"] for each in resources_of(stack, "AWS::CloudWatch::Alarm").values()]
    assert {alarm["MetricName"]: alarm["Threshold"] for alarm in alarms} == {
        "IteratorAge": 15 * 60 * 1000,
        "Errors": 0,
        "ApproximateNumberOfMessagesVisible": 0,
    }
    for alarm in alarms:
        assert alarm["AlarmActions"]
        assert alarm["AlarmActions"] == alarm["OKActions"]
        assert alarm["TreatMissingData"] == "notBreaching"


def test_no_findings(stack: cdk.Stack) -> None:
    assert [each for each in nag_findings(stack) if "Producer" not in each] == []


def test_data_is_retained_unless_told_otherwise(stack: cdk.Stack) -> None:
    for kind in ("AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::Logs::LogGroup"):
        for resource in resources_of(stack, kind).values():
            assert resource["DeletionPolicy"] == "Retain"
    other = new_stack()
    allow_data_destruction(other)
    FeatureStream(other, "Clicks", group=group(other), destroy_data=True)
    for name, resource in resources_of(other, "AWS::S3::Bucket").items():
        assert resource["DeletionPolicy"] == ("Delete" if "Clicks" in name else "Retain")


def test_the_code_that_is_shipped_runs_without_the_library(stack: cdk.Stack) -> None:
    """As Lambda does it: the asset is a folder on the path, and nothing else of ours is there."""
    app = cdk.App.of(stack)
    assert isinstance(app, cdk.App)
    key = only(stack, "AWS::Lambda::Function")["Code"]["S3Key"]
    asset = Path(app.synth().directory, f"asset.{key.removesuffix('.zip')}")
    assert sorted(str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()) == [
        "feature_stream/__init__.py",
        "feature_stream/handler.py",
        "feature_stream/values.py",
    ]
    handler = only(stack, "AWS::Lambda::Function")["Handler"]
    module, _, name = handler.rpartition(".")
    code = (
        f"import sys; sys.dont_write_bytecode = True; import {module} as m; assert m.{name}; "
        "sys.exit(any(each.startswith(('mlops', 'aws_cdk', 'boto')) for each in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=asset, check=False)
    assert done.returncode == 0


def test_own_stream_and_network() -> None:
    stack = new_stack()
    vpc = ec2.Vpc(
        stack,
        "Vpc",
        restrict_default_security_group=False,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="jobs", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        ],
    )
    security_group = ec2.SecurityGroup(stack, "Jobs", vpc=vpc)
    given = kinesis.Stream.from_stream_arn(
        stack, "Given", "arn:aws:kinesis:eu-west-1:111122223333:stream/clicks"
    )
    FeatureStream(
        stack,
        "Clicks",
        group=group(stack),
        stream=given,
        reading=StreamReading(start=StreamStart.NEWEST, batch_size=10, window=Duration.seconds(0)),
        network=JobNetwork(vpc=vpc, security_groups=[security_group]),
    )
    template_of(stack).resource_count_is("AWS::Kinesis::Stream", 0)
    assert only(stack, MAPPING)["EventSourceArn"].endswith("stream/clicks")
    assert len(only(stack, "AWS::Lambda::Function")["VpcConfig"]["SubnetIds"]) == 2
    allowed = actions(stack, "ClicksRole")
    assert allowed["ec2:CreateNetworkInterface"] == "*"
    assert allowed["kinesis:GetRecords"].endswith("stream/clicks")
    assert [each for each in nag_findings(stack) if "Clicks" in each] == []


def test_all_that_the_service_would_refuse_is_said_at_once() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as error:
        FeatureStream(
            stack,
            "Clicks",
            group=group(stack),
            reading=StreamReading(
                batch_size=10_001,
                window=Duration.seconds(0),
                parallel_batches=11,
                retries=-1,
                longest=Duration.days(8),
            ),
            alarms=StreamAlarms(behind=Duration.seconds(1), minutes=0),
            destroy_data=True,
        )
    text = str(error.value)
    assert "Test/Clicks: 8 problems" in text
    assert "reading.longest: got 691200; allowed: 60 to 604,800 seconds" in text
    assert "reading.window: got '0 seconds with batch_size=10001'" in text
