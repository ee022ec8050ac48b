"""Grants: for every API call of a reader or writer, the actions and resources it needs."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_iam as iam, aws_kms as kms, aws_s3 as s3

from mlops_constructs import ValidationError
from mlops_constructs.feature_store import (
    AthenaQueries,
    Feature,
    FeatureGroupBase,
    FeatureSchema,
    FeatureStoreGroup,
    GlueTable,
    InMemoryStore,
    OfflineOnly,
    OfflineStore,
    OnlineAndOffline,
    OnlineOnly,
    OwnGlueTable,
    Stores,
)
from mlops_constructs.feature_store.statements import READ_ATHENA
from tests.support import ROOT, resources_of

ACCOUNT, REGION = "111122223333", "eu-west-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
GROUP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:feature-group/census-dev-people"
DATA = (
    f"arn:aws:s3:::features/history/{ACCOUNT}/sagemaker/{REGION}/offline-store/census-dev-people-*"
)


class Case:
    """A group with imported dependencies in a stack with account and region: readable ARNs."""

    def __init__(self, *, imported: bool = False, stores: Stores | None = None) -> None:
        app = cdk.App(
            context={"@aws-cdk/core:enablePartitionLiterals": True},
            builtin_cloud_formation_validation=False,
        )
        self.stack = cdk.Stack(app, "Test", env=cdk.Environment(account=ACCOUNT, region=REGION))
        self.key = kms.Key.from_key_arn(self.stack, "Key", KEY)
        self.bucket = s3.Bucket.from_bucket_name(self.stack, "Bucket", "features")
        stores = stores or OnlineAndOffline(
            offline=OfflineStore(bucket=self.bucket, prefix="history")
        )
        self.group: FeatureGroupBase
        if imported:
            self.group = FeatureStoreGroup.from_feature_group_name(
                self.stack, "People", "census-dev-people", stores=stores, encryption_key=self.key
            )
        else:
            self.group = FeatureStoreGroup(
                self.stack,
                "People",
                feature_group_name="census-dev-people",
                schema=FeatureSchema(
                    record_identifier="id",
                    event_time="at",
                    features=(Feature.string("id"), Feature.string("at")),
                ),
                stores=stores,
                encryption_key=self.key,
            )
        self.role = iam.Role(
            self.stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        )

    def allowed(self, owner: str = "Caller") -> dict[str, set[str]]:
        """Resources by action, of the policy whose role has this id."""
        found: dict[str, set[str]] = {}
        for logical_id, policy in resources_of(self.stack, "AWS::IAM::Policy").items():
            if owner not in logical_id:
                continue
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                for action in _list(statement["Action"]):
                    found.setdefault(action, set()).update(
                        _text(arn) for arn in _list(statement["Resource"])
                    )
        return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        ((function, inner),) = value.items()
        if function == "Fn::GetAtt":
            return f"<{inner[0]}>"
        if function == "Ref":
            return {"AWS::Partition": "aws"}[inner]
        return str(inner[0]).join(_text(part) for part in inner[1])
    return str(value)


@pytest.mark.parametrize("imported", [False, True])
def test_ingest(imported: bool) -> None:
    case = Case(imported=imported)
    case.group.grant_ingest(case.role)
    assert case.allowed() == {
        "sagemaker:PutRecord": {GROUP},
        "sagemaker:BatchWriteRecord": {GROUP},
        "sagemaker:DescribeFeatureGroup": {GROUP},
        "kms:Decrypt": {KEY},
    }


def test_ingest_offline_needs_no_key() -> None:
    case = Case(stores=OfflineOnly())
    case.group.grant_ingest(case.role)
    assert set(case.allowed()) == {
        "sagemaker:PutRecord",
        "sagemaker:BatchWriteRecord",
        "sagemaker:DescribeFeatureGroup",
    }


def test_delete() -> None:
    case = Case()
    case.group.grant_delete(case.role)
    assert case.allowed() == {"sagemaker:DeleteRecord": {GROUP}, "kms:Decrypt": {KEY}}


def test_update() -> None:
    case = Case(stores=OnlineOnly(InMemoryStore()))
    case.group.grant_update(case.role)
    assert case.allowed() == {"sagemaker:UpdateRecord": {GROUP}, "kms:Decrypt": {KEY}}
    with pytest.raises(ValidationError, match=r"grant_update: .*InMemoryStore\(\)"):
        Case().group.grant_update(case.role)


@pytest.mark.parametrize("imported", [False, True])
def test_read_online(imported: bool) -> None:
    case = Case(imported=imported)
    case.group.grant_read_online(case.role)
    assert case.allowed() == {
        "sagemaker:GetRecord": {GROUP},
        "sagemaker:BatchGetRecord": {GROUP},
        "kms:Decrypt": {KEY},
    }


@pytest.mark.parametrize("imported", [False, True])
def test_read_offline(imported: bool) -> None:
    case = Case(imported=imported)
    case.group.grant_read_offline(case.role)
    allowed = case.allowed()
    catalog = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    tables = {
        f"{catalog}:catalog",
        f"{catalog}:database/sagemaker_featurestore",
        f"{catalog}:table/sagemaker_featurestore/census?dev?people?*",
    }
    results = "arn:aws:s3:::features/athena-results/census-dev-people/*"
    workgroup = f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/primary"
    assert allowed["glue:GetTable"] == allowed["glue:GetPartitions"] == tables
    assert allowed["s3:GetObject"] == {DATA, results}
    assert allowed["s3:PutObject"] == {results}
    assert allowed["s3:ListBucket"] == {"arn:aws:s3:::features"}
    assert allowed["kms:Decrypt"] == allowed["kms:GenerateDataKey"] == {KEY}
    for call in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "GetWorkGroup"):
        assert allowed[f"athena:{call}"] == {workgroup}
    assert not any("*" in action for action in allowed)


def test_read_offline_elsewhere() -> None:
    table = OwnGlueTable(database="census", table="people")
    case = Case(stores=OfflineOnly(OfflineStore(table=table)))
    results = s3.Bucket.from_bucket_name(case.stack, "Results", "results")
    case.group.grant_read_offline(
        case.role,
        athena=AthenaQueries(workgroup="ml", results_bucket=results, results_prefix="queries"),
    )
    allowed = case.allowed()
    assert allowed["s3:PutObject"] == {"arn:aws:s3:::results/queries/*"}
    assert f"arn:aws:glue:{REGION}:{ACCOUNT}:table/census/people" in allowed["glue:GetTable"]
    assert allowed["athena:StartQueryExecution"] == {
        f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/ml"
    }


def test_grants_for_a_store_that_is_not_there() -> None:
    offline, online = Case(stores=OfflineOnly()), Case(stores=OnlineOnly())
    with pytest.raises(ValidationError, match=r"grant_read_online: got 'OfflineOnly'"):
        offline.group.grant_read_online(offline.role)
    with pytest.raises(ValidationError, match=r"grant_read_offline: got 'OnlineOnly'"):
        online.group.grant_read_offline(online.role)


def test_the_groups_own_role() -> None:
    case = Case()
    allowed = case.allowed("PeopleRole")
    assert (
        allowed["s3:PutObject"] == allowed["s3:PutObjectAcl"] == {"arn:aws:s3:::features/history/*"}
    )
    assert allowed["s3:GetBucketAcl"] == {"arn:aws:s3:::features"}
    assert allowed["s3:GetObject"] == {"arn:aws:s3:::features/history/*/metadata/*"}
    assert set(allowed) - {
        "s3:PutObject",
        "s3:PutObjectAcl",
        "s3:GetBucketAcl",
        "s3:GetObject",
    } == {
        "glue:GetTable",
        "glue:UpdateTable",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }


def test_a_role_that_is_passed_in_gets_the_same_grants() -> None:
    case = Case(stores=OnlineOnly())
    role = iam.Role(case.stack, "Given", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    made = FeatureStoreGroup(
        case.stack,
        "More",
        feature_group_name="more",
        schema=FeatureSchema(
            record_identifier="id",
            event_time="at",
            features=(Feature.string("id"), Feature.fractional("at")),
        ),
        stores=OfflineOnly(OfflineStore(bucket=case.bucket, table=GlueTable())),
        encryption_key=case.key,
        role=role,
    )
    assert made.role is role
    assert case.allowed("Given")["s3:PutObject"] == {"arn:aws:s3:::features/feature-store/*"}


# IAM's prefix of each service that code on top of a group talks to, and its name in boto3.
SERVICES = {
    "athena": "athena",
    "glue": "glue",
    "s3": "s3",
    "sagemaker": "sagemaker",
    "sagemaker-featurestore-runtime": "sagemaker",
}
LIBRARY = ROOT / "constructs" / "mlops_constructs"

#: Which code runs with which grants. A module that calls AWS and is not here fails the test.
CALLERS: dict[str, Callable[[FeatureGroupBase, iam.Role], object]] = {
    "runtime/ingestion.py": lambda group, role: group.grant_ingest(role),
    "runtime/writes.py": lambda group, role: group.grant_ingest(role),
    "runtime/online.py": lambda group, role: group.grant_read_online(role),
    "runtime/training_sets.py": lambda group, role: group.grant_read_offline(role),
    "runtime/athena.py": lambda group, role: group.grant_read_offline(role),
}


@functools.cache
def operations() -> dict[str, str]:
    """The IAM action of each method of boto3's clients."""
    session = boto3.Session(region_name=REGION)
    return {
        method: f"{prefix}:{operation}"
        for name, prefix in SERVICES.items()
        for method, operation in session.client(
            name, aws_access_key_id="key", aws_secret_access_key="secret"
        ).meta.method_to_api_mapping.items()
    }


def calls_of(path: Path) -> Iterator[str]:
    """The IAM actions of the API calls in a module, also where a method is only handed on."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in operations():
            yield operations()[node.attr]


def test_every_call_of_the_runtime_library_is_granted() -> None:
    seen: set[str] = set()
    for path in sorted((LIBRARY / "runtime").rglob("*.py")):
        calls = set(calls_of(path))
        if not calls:
            continue
        name = str(path.relative_to(LIBRARY))
        assert name in CALLERS, f"{name} calls {calls}: which grant is for it?"
        case = Case()
        CALLERS[name](case.group, case.role)
        allowed = case.allowed()
        for call in calls:
            assert allowed.get(call), f"{name} calls {call}, which its grant does not allow"
            if call.startswith("sagemaker:"):
                assert allowed[call] == {GROUP}
        seen |= calls
    assert {"sagemaker:PutRecord", "sagemaker:BatchGetRecord"} <= seen


def test_every_call_that_makes_a_training_set_is_granted() -> None:
    """The library writes the SQL; the demo runs it through Athena, as a user would."""
    calls = {
        call
        for call in calls_of(ROOT / "demo" / "features.py")
        if call.startswith(("athena:", "sagemaker:"))
    }
    assert {
        "athena:StartQueryExecution",
        "athena:GetQueryExecution",
        "sagemaker:DescribeFeatureGroup",
    } <= calls
    case = Case()
    case.group.grant_read_offline(case.role)
    assert calls <= set(case.allowed())


def test_every_call_of_the_streams_function_is_granted() -> None:
    from mlops_constructs import FeatureStream

    case = Case()
    FeatureStream(case.stack, "Clicks", group=case.group)
    allowed = case.allowed("ClicksRole")
    calls = {
        call
        for path in (LIBRARY / "feature_store" / "stream_code").rglob("*.py")
        for call in calls_of(path)
    }
    assert calls == {
        "sagemaker:DescribeFeatureGroup",
        "sagemaker:PutRecord",
        "s3:PutObject",
    }
    assert calls <= set(allowed)


def test_actions_exist() -> None:
    """A misspelt action is accepted by IAM and allows nothing."""
    known = set(operations().values())
    assert set(READ_ATHENA) <= known
    case = Case()
    for grant in ("ingest", "delete", "read_online"):
        getattr(case.group, f"grant_{grant}")(case.role)
    assert {each for each in case.allowed() if each.startswith("sagemaker:")} <= known
