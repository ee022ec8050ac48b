"""Buckets: access logs in any app, and findings of every pack."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms, aws_s3 as s3

from mlops_constructs.common.buckets import access_log_bucket, secure_bucket
from tests.support import feature_flags, nag_findings, new_stack, resources_of


def buckets(app: cdk.App) -> tuple[cdk.Stack, s3.Bucket, kms.Key]:
    stack = cdk.Stack(app, "Stack")
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    logs = access_log_bucket(stack, "Logs")
    secure_bucket(stack, "Data", encryption_key=key, access_logs=logs)
    return stack, logs, key


@pytest.mark.parametrize("flags", [{}, feature_flags()])
def test_access_logs_go_to_the_log_bucket_whatever_the_flags(flags: dict[str, object]) -> None:
    app = cdk.App(context=flags, builtin_cloud_formation_validation=False)
    stack, _, _ = buckets(app)
    found = resources_of(stack, "AWS::S3::Bucket")
    [data] = [b["Properties"] for name, b in found.items() if name.startswith("Data")]
    [logs] = [name for name in found if name.startswith("Logs")]
    assert data["LoggingConfiguration"] == {
        "DestinationBucketName": {"Ref": logs},
        "LogFilePrefix": "data/",
    }
    assert not any("AccessControl" in bucket["Properties"] for bucket in found.values())
    [policy] = [
        p["Properties"]["PolicyDocument"]["Statement"]
        for name, p in resources_of(stack, "AWS::S3::BucketPolicy").items()
        if name.startswith("Logs")
    ]
    [delivery] = [s for s in policy if s["Effect"] == "Allow"]
    assert delivery["Action"] == "s3:PutObject"
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert delivery["Resource"]["Fn::Join"][1][-1] == "/data/*"
    assert "Data" in json.dumps(delivery["Condition"]["ArnLike"])
    assert delivery["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_a_bucket_of_another_stack_closes_no_circle() -> None:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    stack, logs, key = buckets(app)
    other = cdk.Stack(app, "Other")
    secure_bucket(other, "More", encryption_key=key, access_logs=logs)
    app.synth()
    assert stack.dependencies == []
    policies = json.dumps(resources_of(stack, "AWS::S3::BucketPolicy"))
    assert policies.count("aws:SourceAccount") == 2
    assert "/more/*" in policies


def test_no_findings_in_any_pack() -> None:
    stack = new_stack()
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    logs = access_log_bucket(stack, "Logs")
    secure_bucket(stack, "Data", encryption_key=key, access_logs=logs)
    secure_bucket(stack, "Unlogged", encryption_key=key)
    assert nag_findings(stack, regulated=True) == []
