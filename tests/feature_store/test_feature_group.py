"""FeatureStoreGroup: the template, what it guarantees, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, aws_iam as iam, aws_kms as kms, aws_s3 as s3

from mlops_constructs import ValidationError, allow_data_destruction
from mlops_constructs.feature_store import (
    Feature,
    FeatureGroupStatus,
    FeatureSchema,
    FeatureStoreGroup,
    GlueTable,
    IcebergTable,
    InMemoryStore,
    OfflineOnly,
    OfflineStore,
    OnlineAndOffline,
    OnlineOnly,
    OnlineStore,
    Operation,
    OwnGlueTable,
    Provisioned,
    TableNames,
)
from tests.support import nag_findings, new_stack, resources_of

GROUP = "AWS::SageMaker::FeatureGroup"
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000"
SCHEMA = FeatureSchema(
    record_identifier="person_id",
    event_time="event_time",
    features=(
        Feature.string("person_id"),
        Feature.string("event_time"),
        Feature.integral("age"),
        Feature.fractional("hours"),
    ),
)


def group(stack: cdk.Stack, construct_id: str = "People", **arguments: Any) -> FeatureStoreGroup:
    given: dict[str, Any] = {
        "feature_group_name": f"census-dev-{construct_id.lower()}",
        "schema": SCHEMA,
    }
    return FeatureStoreGroup(stack, construct_id, **given | arguments)


def properties(stack: cdk.Stack) -> dict[str, Any]:
    (resource,) = resources_of(stack, GROUP).values()
    found: dict[str, Any] = resource["Properties"]
    return found


def problems(**arguments: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        group(new_stack(), **arguments)
    return str(caught.value)


def test_both_stores_by_default_encrypted_with_one_key() -> None:
    stack = new_stack()
    group(stack)
    found = properties(stack)
    online, offline = found["OnlineStoreConfig"], found["OfflineStoreConfig"]
    assert online["EnableOnlineStore"] is True
    assert online["SecurityConfig"]["KmsKeyId"] == offline["S3StorageConfig"]["KmsKeyId"]
    assert offline["TableFormat"] == "Iceberg"
    assert found["ThroughputConfig"] == {"ThroughputMode": "OnDemand"}
    assert [feature["FeatureType"] for feature in found["FeatureDefinitions"]] == [
        "String",
        "String",
        "Integral",
        "Fractional",
    ]


@pytest.mark.parametrize(
    ("stores", "expected"),
    [
        (
            OnlineOnly(OnlineStore(ttl=Duration.days(30))),
            {"StorageType": "Standard", "TtlDuration": {"Unit": "Days", "Value": 30}},
        ),
        (
            OnlineOnly(InMemoryStore(ttl=Duration.seconds(90))),
            {"StorageType": "InMemory", "TtlDuration": {"Unit": "Seconds", "Value": 90}},
        ),
        (
            OnlineOnly(OnlineStore(ttl=Duration.days(14))),
            {"StorageType": "Standard", "TtlDuration": {"Unit": "Weeks", "Value": 2}},
        ),
    ],
)
def test_online_only(stores: OnlineOnly, expected: dict[str, Any]) -> None:
    stack = new_stack()
    made = group(stack, stores=stores)
    found = properties(stack)
    assert expected.items() <= found["OnlineStoreConfig"].items()
    assert "OfflineStoreConfig" not in found
    assert "RoleArn" not in found
    assert made.role is None


def test_offline_only_with_reserved_writes() -> None:
    stack = new_stack()
    group(stack, stores=OfflineOnly(OfflineStore(table=GlueTable()), write_units=10))
    found = properties(stack)
    assert "OnlineStoreConfig" not in found
    assert found["OfflineStoreConfig"]["TableFormat"] == "Glue"
    assert found["ThroughputConfig"] == {
        "ThroughputMode": "Provisioned",
        "ProvisionedWriteCapacityUnits": 10,
    }


def test_provisioned_throughput_names_both_units() -> None:
    stack = new_stack()
    throughput = Provisioned(read_units=5, write_units=7)
    made = group(stack, stores=OnlineOnly(OnlineStore(throughput=throughput)))
    assert properties(stack)["ThroughputConfig"] == {
        "ThroughputMode": "Provisioned",
        "ProvisionedReadCapacityUnits": 5,
        "ProvisionedWriteCapacityUnits": 7,
    }
    assert made.metric_consumed_read_units().metric_name == "ConsumedReadCapacityUnits"


def test_a_table_of_ones_own() -> None:
    stack = new_stack()
    table = OwnGlueTable(database="census", table="people")
    group(stack, stores=OfflineOnly(OfflineStore(table=table)))
    offline = properties(stack)["OfflineStoreConfig"]
    assert offline["DisableGlueTableCreation"] is True
    assert offline["DataCatalogConfig"] == {
        "Catalog": "AwsDataCatalog",
        "Database": "census",
        "TableName": "people",
    }


@pytest.mark.parametrize("late", [False, True])
def test_no_tag_ever_reaches_a_group(late: bool) -> None:
    """Tags are create-only: one more would replace the group."""
    stack = new_stack()
    app = cdk.App.of(stack)
    assert app is not None
    if not late:
        cdk.Tags.of(app).add("Team", "ml")
    made = group(stack)
    if late:
        cdk.Tags.of(app).add("Team", "ml")
        cdk.Tags.of(made).add("Owner", "me", priority=1000)
    assert "Tags" not in properties(stack)
    (key,) = resources_of(stack, "AWS::KMS::Key").values()
    assert {"Key": "Team", "Value": "ml"} in key["Properties"]["Tags"]


def test_tags_of_its_own_are_the_only_ones() -> None:
    stack = new_stack()
    cdk.Tags.of(stack).add("team", "platform")
    group(stack, tags={"owner": "people", "cost": "42"})
    assert properties(stack)["Tags"] == [
        {"Key": "cost", "Value": "42"},
        {"Key": "owner", "Value": "people"},
    ]
    told = problems(tags={"aws:x": "1", "ok": "bad*"})
    assert "tags: got 'aws:x'" in told
    assert "tags (ok): got 'bad*'" in told


def test_the_offline_store_may_have_a_key_of_its_own() -> None:
    stack = new_stack()
    own = kms.Key.from_key_arn(stack, "Own", KEY_ARN)
    made = group(stack, stores=OnlineAndOffline(offline=OfflineStore(encryption_key=own)))
    reader = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    made.grant_read_offline(reader)
    found = properties(stack)
    assert found["OfflineStoreConfig"]["S3StorageConfig"]["KmsKeyId"] == KEY_ARN
    assert found["OnlineStoreConfig"]["SecurityConfig"]["KmsKeyId"] != KEY_ARN
    (bucket,) = resources_of(stack, "AWS::S3::Bucket").values()
    (encryption,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY_ARN
    text = json.dumps(resources_of(stack, "AWS::IAM::Policy"))
    assert text.count(KEY_ARN) == 2  # the group's role and the reader; nobody gets the other key
    assert '"kms:Decrypt"' in text
    other = new_stack()
    own = kms.Key.from_key_arn(other, "Own", KEY_ARN)
    group(other, stores=OfflineOnly(OfflineStore(encryption_key=own)))
    assert resources_of(other, "AWS::KMS::Key") == {}


def test_everything_that_holds_data_is_retained() -> None:
    stack = new_stack()
    group(stack)
    for kind in (GROUP, "AWS::S3::Bucket", "AWS::KMS::Key"):
        (resource,) = resources_of(stack, kind).values()
        assert resource["DeletionPolicy"] == "Retain", kind
        assert resource["UpdateReplacePolicy"] == "Retain", kind


def test_destroying_takes_two_keys() -> None:
    assert "allow_data_destruction" in problems(destroy_data=True)
    stack = new_stack()
    allow_data_destruction(stack)
    group(stack, destroy_data=True, stores=OnlineOnly())
    (resource,) = resources_of(stack, GROUP).values()
    assert resource["DeletionPolicy"] == "Delete"


def test_the_group_waits_for_the_policy_of_its_role() -> None:
    stack = new_stack()
    group(stack)
    (resource,) = resources_of(stack, GROUP).values()
    policies = resources_of(stack, "AWS::IAM::Policy")
    assert set(policies) & set(resource["DependsOn"])


def test_at_most_four_groups_are_created_at_once() -> None:
    stack = new_stack()
    made = [group(stack, f"G{number}", stores=OnlineOnly()) for number in range(9)]
    ids = [stack.get_logical_id(each.resource) for each in made]
    found = resources_of(stack, GROUP)
    for number, logical_id in enumerate(ids):
        expected = [ids[number - 4]] if number >= 4 else []
        assert found[logical_id].get("DependsOn", []) == expected


def test_every_mistake_is_reported_at_once() -> None:
    message = problems(
        feature_group_name="Census_People!",
        description="x" * 129,
        schema=FeatureSchema(
            record_identifier="id",
            event_time="when",
            features=(
                Feature.integral("when"),
                Feature.string("Is_Deleted"),
                Feature.string("Age"),
                Feature.string("age"),
                Feature.string("bad name"),
            ),
        ),
        stores=OnlineAndOffline(online=OnlineStore(ttl=Duration.millis(1500))),
    )
    assert message.startswith("Test/People: 8 problems")
    for part in (
        "feature_group_name: got 'Census_People!'",
        "Write 'census_people'",
        "description",
        "schema.record_identifier: got 'id'",
        "Iceberg",
        "is_deleted",
        "'Age' is declared before it",
        "Write 'bad_name'",
        "stores.online.ttl: got '1.5 seconds'",
    ):
        assert part in message


def test_names_that_differ_in_case_are_fine_online() -> None:
    features = (*SCHEMA.features, Feature.string("Age"))
    schema = FeatureSchema(
        record_identifier="person_id", event_time="event_time", features=features
    )
    group(new_stack(), schema=schema, stores=OnlineOnly())
    assert "declared before it" in problems(schema=schema)


@pytest.mark.parametrize(
    ("stores", "expected"),
    [
        (OnlineAndOffline(online=InMemoryStore()), "does not replicate"),  # type: ignore[arg-type]  # what an untyped caller may write
        (OnlineOnly(OnlineStore(throughput=Provisioned(read_units=-1, write_units=1))), "got -1"),
        (OfflineOnly(write_units=10_000_001), "0 to 10000000"),
        (OfflineOnly(OfflineStore(prefix="/features/")), "Write 'features'"),
        ("both", "OnlineOnly, OfflineOnly or OnlineAndOffline"),
    ],
)
def test_wrong_stores(stores: Any, expected: str) -> None:
    assert expected in problems(stores=stores)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"schema": ("person_id", "age")}, "schema: got .*; allowed: a FeatureSchema"),
        (
            {"schema": FeatureSchema(record_identifier="a", event_time="b", features=("a", "b"))},  # type: ignore[arg-type]  # the mistake
            r"schema.features: got 'a'; .*Write Feature.string\('a'\)",
        ),
        ({"stores": OnlineOnly(OnlineStore(ttl=30))}, "ttl: got 30; allowed: a Duration"),  # type: ignore[arg-type]  # the mistake
        (
            {"stores": OfflineOnly(OfflineStore(bucket="lake")), "role": "arn:x"},  # type: ignore[arg-type]  # the mistake
            r"(?s)role: got 'arn:x'.*stores.offline.bucket: got 'lake'.*Bucket.from_bucket_name",
        ),
        ({"encryption_key": "arn:y"}, "encryption_key: got 'arn:y'.*Key.from_key_arn"),
        ({"lock": "a.json"}, r"Write FeatureLock\('a.json'\)"),
        ({"stores": OfflineOnly(OfflineStore(prefix="/a b//c/"))}, "Write 'a-b/c'"),
    ],
)
def test_names_and_numbers_where_objects_are_wanted(
    arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError, match=expected):
        group(new_stack(), **arguments)


def test_fractional_event_times_are_for_glue_tables() -> None:
    schema = FeatureSchema(
        record_identifier="person_id",
        event_time="event_time",
        features=(Feature.string("person_id"), Feature.fractional("event_time")),
    )
    group(new_stack(), schema=schema, stores=OfflineOnly(OfflineStore(table=GlueTable())))
    assert "because of Iceberg" in problems(schema=schema)


def test_too_many_features() -> None:
    features = (*SCHEMA.features, *(Feature.string(f"f{n}") for n in range(2500)))
    schema = FeatureSchema(
        record_identifier="person_id", event_time="event_time", features=features
    )
    assert "1 to 2500 features" in problems(schema=schema)


def test_a_region_without_feature_groups() -> None:
    app = cdk.App(builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="me-central-1"))
    with pytest.raises(ValidationError, match="me-central-1"):
        group(stack)


def test_status_rule_matches_both_spellings() -> None:
    stack = new_stack()
    group(stack).on_status_change("Made", statuses=[FeatureGroupStatus.CREATED])
    (rule,) = resources_of(stack, "AWS::Events::Rule").values()
    assert rule["Properties"]["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Feature Group State Change"],
        "detail": {
            "FeatureGroupName": ["census-dev-people"],
            "FeatureGroupStatus": ["Created", "Active"],
        },
    }


def test_metrics() -> None:
    made = group(new_stack(), stores=OnlineOnly())
    metric = made.metric_latency(Operation.GET_RECORD)
    assert (metric.namespace, metric.metric_name, metric.statistic) == (
        "AWS/SageMaker",
        "Latency",
        "p99",
    )
    assert metric.dimensions == {
        "FeatureGroupName": "census-dev-people",
        "OperationName": "GetRecord",
    }
    assert made.metric_consumed_write_units().metric_name == "ConsumedWriteRequestsUnits"
    names = [
        made.metric_invocations(Operation.PUT_RECORD).metric_name,
        made.metric_client_errors(Operation.PUT_RECORD).metric_name,
        made.metric_server_errors(Operation.PUT_RECORD).metric_name,
        made.metric_throttled_requests(Operation.PUT_RECORD).metric_name,
    ]
    assert names == ["Invocations", "Operation4XXErrors", "Operation5XXErrors", "ThrottledRequests"]


def test_no_nag_findings(tmp_path: Path) -> None:
    """Neither on the group, its grants, nor when the bucket is in another stack."""
    data = new_stack("Data")
    app = data.node.root
    assert isinstance(app, cdk.App)
    features = cdk.Stack(app, "Features")
    own = group(data, "Own")
    other = group(features, "Other", stores=OfflineOnly(OfflineStore(bucket=own.offline_bucket)))
    reader = iam.Role(
        features, "Reader", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
    )
    cdk.Validations.of(reader).acknowledge(
        cdk.Acknowledgment(id="NIST.800.53.R5-IAMNoInlinePolicy", reason="a test")
    )
    own.grant_ingest(reader)
    own.grant_read_online(reader)
    own.grant_read_offline(reader)
    other.grant_read_offline(reader)
    assert nag_findings(app) == []
    template = tmp_path / "features.template.json"
    template.write_text(json.dumps(cdk.assertions.Template.from_stack(features).to_json()))
    lint = Path(sys.executable).with_name("cfn-lint")
    # W3005: a DependsOn beside a GetAtt; it is there for the role's policy.
    done = subprocess.run(
        [lint, "--ignore-checks", "W3005", "--", template],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_an_imported_group_needs_the_bucket_of_its_offline_store() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError, match="bucket of the existing offline store"):
        FeatureStoreGroup.from_feature_group_name(
            stack, "Imported", "people", stores=OnlineAndOffline()
        )
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "features")
    imported = FeatureStoreGroup.from_feature_group_name(
        stack, "Imported", "people", stores=OfflineOnly(OfflineStore(bucket=bucket))
    )
    assert imported.offline_bucket is bucket
    assert resources_of(stack, GROUP) == {}


@pytest.mark.parametrize("kind", ["Vector", "List", "Set"])
def test_collections_are_refused_with_the_reason(kind: str) -> None:
    schema = FeatureSchema(
        record_identifier="id",
        event_time="at",
        features=(
            Feature.string("id"),
            Feature.string("at"),
            Feature("embedding", kind),  # type: ignore[arg-type]  # what a user would try
        ),
    )
    text = problems(schema=schema, stores=OnlineOnly(InMemoryStore()))
    assert f"schema.features (embedding): got '{kind}'" in text
    assert "CloudFormation cannot declare them" in text


@pytest.mark.parametrize("table", [GlueTable, IcebergTable])
def test_a_table_that_the_service_makes_can_be_named(
    table: type[GlueTable] | type[IcebergTable],
) -> None:
    stack = new_stack()
    names = TableNames(database="census", table="people")
    made = group(stack, stores=OfflineOnly(OfflineStore(table=table(names=names))))
    role = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    made.grant_read_offline(role)
    found = properties(stack)["OfflineStoreConfig"]
    assert "DisableGlueTableCreation" not in found
    assert found["DataCatalogConfig"] == {
        "Catalog": "AwsDataCatalog",
        "Database": "census",
        "TableName": "people",
    }
    assert ":table/census/people" in json.dumps(resources_of(stack, "AWS::IAM::Policy"))


def test_names_of_tables_are_those_that_athena_takes() -> None:
    names = TableNames(database="My-Census", table="p" * 256)
    text = problems(stores=OfflineOnly(OfflineStore(table=GlueTable(names=names))))
    assert "database: got 'My-Census'" in text
    assert "Write 'my_census'" in text
    assert "stores.offline.table: table" in text


def test_a_group_takes_2500_features() -> None:
    def schema(count: int) -> FeatureSchema:
        more = tuple(Feature.fractional(f"f{number}") for number in range(count - 2))
        return FeatureSchema(
            record_identifier="id",
            event_time="at",
            features=(Feature.string("id"), Feature.string("at"), *more),
        )

    stack = new_stack()
    group(stack, schema=schema(2500))
    assert len(properties(stack)["FeatureDefinitions"]) == 2500
    assert "got 2501; allowed: 1 to 2500 features" in problems(schema=schema(2501))
