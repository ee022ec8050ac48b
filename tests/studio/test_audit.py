"""The trail of what users do, and the events that are made of their calls."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events_targets as targets, aws_kms as kms, aws_s3 as s3, aws_sns as sns

from mlops_constructs.common.buckets import access_log_bucket, secure_bucket
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import DomainAudit, SecureVpcDomain
from tests.support import nag_findings, new_stack, resources_of


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    access_logs = access_log_bucket(stack, "AccessLogs")
    bucket = secure_bucket(stack, "Data", encryption_key=key, access_logs=access_logs)
    DomainAudit(stack, "Audit", buckets=[bucket], access_logs=access_logs)
    return stack


def test_objects_of_the_buckets_are_recorded(stack: cdk.Stack) -> None:
    [trail] = resources_of(stack, "AWS::CloudTrail::Trail").values()
    properties = trail["Properties"]
    [data] = [s for s in properties["EventSelectors"] if s.get("DataResources")]
    [resource] = data["DataResources"]
    assert resource["Type"] == "AWS::S3::Object"
    assert "Data" in json.dumps(resource["Values"])
    assert data["IncludeManagementEvents"]
    assert properties["EnableLogFileValidation"]
    assert properties["KMSKeyId"]
    assert properties["CloudWatchLogsLogGroupArn"]


def test_cloudtrail_may_use_the_key_for_trails_of_this_account(stack: cdk.Stack) -> None:
    [key] = [k for n, k in resources_of(stack, "AWS::KMS::Key").items() if "Audit" in n]
    statements = key["Properties"]["KeyPolicy"]["Statement"]
    [encrypts] = [
        s
        for s in statements
        if s["Action"] == "kms:GenerateDataKey*"
        and s["Principal"].get("Service") == "cloudtrail.amazonaws.com"
    ]
    assert "trail/*" in json.dumps(encrypts["Condition"])


def test_the_trail_is_kept(stack: cdk.Stack) -> None:
    buckets = resources_of(stack, "AWS::S3::Bucket")
    [trails] = [b for name, b in buckets.items() if name.startswith("AuditTrails")]
    assert trails["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize("count", [0, 251])
def test_refuses_no_buckets_and_too_many(count: int) -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Data", "data")
    with pytest.raises(ValidationError, match="1 to 250"):
        DomainAudit(stack, "Audit", buckets=[bucket] * count)


def test_calls_of_users_become_events() -> None:
    stack = new_stack()
    studio = SecureVpcDomain(stack, "Studio", domain_name="d")
    topic = sns.Topic(stack, "Topic")
    studio.on_api_call("Calls", target=targets.SnsTopic(topic))
    [rule] = resources_of(stack, "AWS::Events::Rule").values()
    detail = rule["Properties"]["EventPattern"]["detail"]
    assert "DomainId" in json.dumps(detail["requestParameters"]["domainId"])
    assert {"CreateApp", "CreatePresignedDomainUrl", "DeleteDomain"} < set(detail["eventName"])


def test_the_operations_are_those_of_the_service() -> None:
    import botocore.session

    from mlops_constructs.studio.domain import _USERS_OPERATIONS

    known = botocore.session.get_session().get_service_model("sagemaker").operation_names
    assert set(_USERS_OPERATIONS) <= set(known)


def test_no_findings(stack: cdk.Stack) -> None:
    assert nag_findings(stack, regulated=True) == []
