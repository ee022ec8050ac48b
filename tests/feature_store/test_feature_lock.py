"""The lock file: what synth lets pass, what it refuses, and what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, aws_kms as kms, aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

from mlops_constructs import ValidationError
from mlops_constructs.feature_store import (
    Feature,
    FeatureLock,
    FeatureSchema,
    FeatureStoreGroup,
    GlueTable,
    InMemoryStore,
    OfflineOnly,
    OfflineStore,
    OnlineAndOffline,
    OnlineOnly,
    OnlineStore,
    Provisioned,
    Stores,
)
from tests.support import new_stack, resources_of

FEATURES = (
    Feature.string("person_id"),
    Feature.string("event_time"),
    Feature.integral("age"),
    Feature.fractional("hours"),
)
RESERVED = OnlineStore(throughput=Provisioned(read_units=1, write_units=1))


class Case:
    """A group that is deployed and recorded, and what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "features" / "people.lock.json"
        self.build(record=True)

    def build(
        self,
        *,
        record: bool = False,
        stack_name: str = "Test",
        construct_id: str = "People",
        features: Sequence[Feature] = FEATURES,
        identifier: str = "person_id",
        stores: Stores | None = None,
        **arguments: Any,
    ) -> cdk.Stack:
        context = {"update-feature-locks": "true"} if record else {}
        stack = new_stack(stack_name, **context)
        if arguments.pop("other_key", False):
            arguments["encryption_key"] = kms.Key(stack, "Other")
        if arguments.pop("other_bucket", False):
            stores = OnlineAndOffline(offline=OfflineStore(bucket=s3.Bucket(stack, "Other")))
        FeatureStoreGroup(
            stack,
            construct_id,
            **{"feature_group_name": "people", "description": "All of us"} | arguments,
            schema=FeatureSchema(
                record_identifier=identifier, event_time="event_time", features=features
            ),
            stores=stores,
            lock=FeatureLock(self.path),
        )
        return stack

    def refused(self, **changes: Any) -> str:
        before = self.path.read_bytes()
        messages = []
        for record in (False, True):
            with pytest.raises(ValidationError) as caught:
                self.build(record=record, **changes)
            messages.append(str(caught.value))
        assert messages[0] == messages[1], "the switch must not record what is refused"
        assert self.path.read_bytes() == before
        return messages[0]

    def warnings(self, stack: cdk.Stack) -> list[str]:
        found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
        return [str(each.entry.data) for each in found]

    @property
    def locked(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_it_records_the_group(case: Case) -> None:
    locked = case.locked
    assert locked["FeatureGroupName"] == "people"
    assert locked["OnlineStore"]["StorageType"] == "Standard"
    assert list(locked["OfflineStore"]["S3StorageConfig"]["KmsKeyId"]) == ["Fn::GetAtt"]
    assert locked["TtlDuration"] is None
    assert locked["ThroughputConfig"] == {"throughputMode": "OnDemand"}
    assert list(locked["Features"].items())[-1] == ("hours", "Fractional")
    assert [path.name for path in case.path.parent.iterdir()] == ["people.lock.json"]


def test_no_change_passes_without_a_word_and_without_writing(case: Case) -> None:
    before = case.path.stat()
    assert case.warnings(case.build()) == []
    case.build(record=True)
    assert case.path.stat().st_mtime_ns == before.st_mtime_ns


def test_the_template_does_not_depend_on_the_lock(case: Case) -> None:
    assert resources_of(case.build(), "AWS::SageMaker::FeatureGroup") == resources_of(
        case.build(record=True), "AWS::SageMaker::FeatureGroup"
    )


def test_additions_pass_and_are_recorded_by_the_switch_only(case: Case) -> None:
    before = case.path.read_bytes()
    grown = (FEATURES[0], Feature.string("city"), *FEATURES[1:])
    (warning,) = case.warnings(case.build(features=grown))
    assert "features added: 'city'" in warning
    assert "cdk synth -c update-feature-locks=true" in warning
    assert case.path.read_bytes() == before
    case.build(features=grown, record=True)
    assert case.locked["Features"]["city"] == "String"
    assert case.warnings(case.build(features=grown)) == []
    assert "no 'city'" in case.refused()


def test_at_most_100_additions(case: Case) -> None:
    hundred = (*FEATURES, *(Feature.string(f"f{n}") for n in range(100)))
    case.build(features=hundred)
    message = case.refused(features=(*hundred, Feature.string("f100")))
    assert "got '101 new features'; allowed: 100 in one deployment" in message
    assert "up to 'f99'" in message


def test_a_removed_feature(case: Case) -> None:
    message = case.refused(features=FEATURES[:3])
    assert "got \"no 'hours'\"" in message
    assert "Put Feature.fractional('hours') back; stop writing it" in message


def test_a_renamed_feature(case: Case) -> None:
    message = case.refused(features=(*FEATURES[:3], Feature.fractional("Hours")))
    assert "if 'Hours' is its new name, keep both" in message


def test_a_retyped_feature(case: Case) -> None:
    message = case.refused(
        features=(*FEATURES[:2], Feature.fractional("age"), Feature.fractional("hours"))
    )
    assert "schema.features (age): got 'Fractional'; allowed: Integral" in message
    assert "Feature.fractional('age_v2')" in message


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"feature_group_name": "persons"}, "feature_group_name: got 'persons'"),
        ({"identifier": "age"}, "schema.record_identifier: got 'age'"),
        ({"description": "Us"}, "description: got 'Us'; allowed: 'All of us'"),
        ({"description": None}, "description: got None"),
        ({"tags": {"team": "us"}}, "tags: got {'team': 'us'}; allowed: None"),
        ({"stores": OnlineOnly()}, "stores.offline: got None"),
        ({"stores": OnlineOnly(InMemoryStore())}, "stores.online: got {"),
        ({"stores": OfflineOnly()}, "stores.online: got None"),
        (
            {"stores": OnlineAndOffline(offline=OfflineStore(table=GlueTable()))},
            "stores.offline: got {",
        ),
        ({"stores": OnlineAndOffline(offline=OfflineStore(prefix="x"))}, "stores.offline: got {"),
        ({"other_key": True}, "stores.online: got {"),
        ({"other_bucket": True}, "stores.offline: got {"),
        ({"construct_id": "Persons"}, "construct_id: got 'Persons"),
        ({"stack_name": "Moved"}, "stack_name: got 'Moved'"),
    ],
)
def test_what_would_replace_the_group(case: Case, change: dict[str, Any], what: str) -> None:
    assert what in case.refused(**change)


def test_another_role_replaces_the_group(case: Case) -> None:
    locked = case.locked | {"RoleArn": "arn:aws:iam::111122223333:role/before"}
    case.path.write_text(json.dumps(locked))
    assert "and change its policies instead" in case.refused()


@pytest.mark.parametrize(
    ("online", "key", "phrase"),
    [
        (OnlineStore(ttl=Duration.days(3)), "TtlDuration", "another TTL of the online store"),
        (RESERVED, "ThroughputConfig", "another throughput"),
    ],
)
def test_one_kind_of_change_passes(case: Case, online: OnlineStore, key: str, phrase: str) -> None:
    stores, before = OnlineAndOffline(online=online), case.locked[key]
    (warning,) = case.warnings(case.build(stores=stores))
    assert phrase in warning
    case.build(stores=stores, record=True)
    assert case.locked[key] != before


def test_two_kinds_of_change_are_refused_with_their_order(case: Case) -> None:
    message = case.refused(
        features=(*FEATURES, Feature.string("city")),
        stores=OnlineAndOffline(
            online=OnlineStore(ttl=Duration.days(3), throughput=RESERVED.throughput)
        ),
    )
    assert "changes: got ['features', 'TTL of the online store', 'throughput']" in message
    assert "Deploy the features first and record it" in message
    assert "then the TTL of the online store, then the throughput" in message


def test_everything_is_refused_at_once(case: Case) -> None:
    message = case.refused(
        features=FEATURES[:3], identifier="age", description="x", feature_group_name="y"
    )
    assert "Test/People: 4 problems" in message


def test_a_lock_file_that_is_not_there(case: Case) -> None:
    case.path.unlink()
    with pytest.raises(ValidationError, match="fetch it from version control if it was deleted"):
        case.build()
    case.build(record=True)
    case.build()


@pytest.mark.parametrize(
    "text", ["", "<<<<<<< HEAD", "[]", '{"Version": 2}', '{"Version": 1}', '"x"']
)
def test_a_broken_lock_file(case: Case, text: str) -> None:
    case.path.write_text(text)
    assert "allowed: a lock file of version 1" in case.refused()
    assert case.path.read_text() == text


def test_a_failed_write_leaves_the_old_file(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    before = case.path.read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError("disk")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk"):
        case.build(features=(*FEATURES, Feature.string("city")), record=True)
    assert [path.name for path in case.path.parent.iterdir()] == ["people.lock.json"]
    assert case.path.read_bytes() == before
