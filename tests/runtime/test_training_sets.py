"""Training sets: the SQL, run by DuckDB, against a slow and plain reference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from mlops_constructs import ValidationError
from mlops_constructs.runtime import Labels, OfflineGroup, TimeFormat, training_set_sql

START = datetime(2026, 11, 1)
LABELS = Labels(table="labels", time="at")
PEOPLE = OfflineGroup(
    table='people "x"',
    database=None,
    record_identifier="Person-Id",
    event_time="event time",
    features=("city", "select"),
    entity="person",
    prefix="people_",
)


@dataclass(frozen=True)
class Record:
    """A row of an offline store; times are milliseconds after START."""

    entity: str
    event: int
    api: int
    write: int
    deleted: bool
    city: str | None


@dataclass(frozen=True)
class Label:
    entity: str | None
    at: int | None


def moment(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def iso(milliseconds: int | None) -> str | None:
    """Both forms that the service accepts."""
    if milliseconds is None:
        return None
    text = moment(milliseconds).isoformat(timespec="milliseconds")
    return text.removesuffix(".000") + "Z"


def epoch(milliseconds: int | None) -> float | None:
    if milliseconds is None:
        return None
    return moment(milliseconds).replace(tzinfo=UTC).timestamp()


def reference(
    labels: Sequence[Label], records: Sequence[Record], as_of: int | None, ttl: int | None
) -> list[tuple[Label, str | None]]:
    """What each label should get, looking at every record for every label."""
    rows: list[tuple[Label, str | None]] = []
    for label in labels:
        best: Record | None = None
        for record in records:
            if label.at is None or record.entity != label.entity or record.event > label.at:
                continue
            if as_of is not None and record.write > as_of:
                continue
            if best is None or _order(record) > _order(best):
                best = record
        gone = (
            best is None
            or best.deleted
            or (ttl is not None and label.at is not None and label.at >= best.event + ttl)
        )
        rows.append((label, None if gone or best is None else best.city))
    return rows


def _order(record: Record) -> tuple[int, int, int, bool]:
    return (record.event, record.api, record.write, record.deleted)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        for kind, table in (("varchar", 'people "x"'), ("double", "places")):
            connection.execute(
                f'CREATE TABLE "{table.replace(chr(34), chr(34) * 2)}" ("person-id" varchar, '
                f'"event time" {kind}, write_time timestamp, api_invocation_time timestamp, '
                'is_deleted boolean, city varchar, "select" bigint)'
            )
        for kind, table in (("varchar", "labels"), ("double", "epochs"), ("timestamp", "moments")):
            connection.execute(f'CREATE TABLE {table} (person varchar, "at" {kind}, target bigint)')
        yield connection


def fill(database: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    database.execute(f"DELETE FROM {table}")
    if rows:
        marks = ", ".join(["(" + ", ".join("?" * len(rows[0])) + ")"] * len(rows))
        database.execute(f"INSERT INTO {table} VALUES {marks}", [v for row in rows for v in row])


def records_of(codes: list[int]) -> list[Record]:
    """A history; one number for each record, as drawing six values would take most of the time."""
    found = []
    for index, code in enumerate(codes):
        rest, entity = divmod(code, 2)
        rest, event = divmod(rest, 4)
        rest, api = divmod(rest, 3)
        city, deleted = divmod(rest, 2)
        # In no order, and each of its own: the order of equal ones would not be defined.
        write = index * 37 % 11 * 900
        town = ("Bern", "Basel", None)[city]
        found.append(Record("ab"[entity], event * 500, api, write, bool(deleted), town))
    return found


def labels_of(codes: list[int]) -> list[Label]:
    return [Label(("a", "b", "c", None)[code % 4], (code // 4 - 1) * 500) for code in codes]


RECORDS = st.lists(st.integers(0, 2 * 4 * 3 * 2 * 3 - 1), min_size=2, max_size=10).map(records_of)
LABEL_ROWS = st.lists(st.integers(0, 4 * 8 - 1), min_size=1, max_size=6).map(labels_of)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    labels=LABEL_ROWS,
    records=RECORDS,
    others=RECORDS,
    as_of=st.none() | st.integers(0, 10_000),
    ttl=st.sampled_from([None, 1, 2]),
    time_format=st.sampled_from(list(TimeFormat)),
)
@example(
    labels=[Label("a", 0), Label("a", 0), Label(None, 0), Label("a", None)],
    records=[Record("a", 0, 1, 1, False, "Bern"), Record("a", 0, 1, 2, True, "Basel")],
    others=[],
    as_of=1,
    ttl=None,
    time_format=TimeFormat.ISO,
)
@example(  # the later call was written first; and an expiry to the millisecond
    labels=[Label("a", 0), Label("a", 999), Label("a", 1000)],
    records=[Record("a", 0, 2, 1, False, "Bern"), Record("a", 0, 1, 2, False, "Basel")],
    others=[Record("a", 0, 0, 1, False, "Bern")],
    as_of=None,
    ttl=1,
    time_format=TimeFormat.EPOCH,
)
@example(  # written in one moment: the deletion counts
    labels=[Label("a", 0)],
    records=[Record("a", 0, 1, 1, True, "Bern"), Record("a", 0, 1, 1, False, "Basel")],
    others=[Record("a", 0, 1, 1, False, "Basel"), Record("a", 0, 1, 1, True, "Bern")],
    as_of=None,
    ttl=None,
    time_format=TimeFormat.ISO,
)
def test_against_the_reference(  # noqa: PLR0917  # fixture and strategies
    database: duckdb.DuckDBPyConnection,
    labels: list[Label],
    records: list[Record],
    others: list[Record],
    as_of: int | None,
    ttl: int | None,
    time_format: TimeFormat,
) -> None:
    table, write = {
        TimeFormat.ISO: ("labels", iso),
        TimeFormat.EPOCH: ("epochs", epoch),
        TimeFormat.TIMESTAMP: ("moments", lambda at: None if at is None else moment(at)),
    }[time_format]
    fill(
        database,
        table,
        [(label.entity, write(label.at), n) for n, label in enumerate(labels)],
    )
    for name, history, spell in (('"people ""x"""', records, iso), ("places", others, epoch)):
        fill(
            database,
            name,
            [
                (r.entity, spell(r.event), moment(r.write), moment(r.api), r.deleted, r.city, n)
                for n, r in enumerate(history)
            ],
        )
    places = OfflineGroup(
        table="places",
        database=None,
        record_identifier="person-id",
        event_time="event time",
        event_time_format=TimeFormat.EPOCH,
        features=("city",),
        entity="person",
        ttl=None if ttl is None else timedelta(seconds=ttl),
    )
    sql = training_set_sql(
        labels=Labels(table=table, time="at", time_format=time_format),
        groups=[PEOPLE, places],
        as_of=None if as_of is None else moment(as_of).replace(tzinfo=UTC),
    )
    found = database.execute(f"SELECT target, people_city, city FROM ({sql}) ORDER BY 1").fetchall()
    expected_people = reference(labels, records, as_of, None)
    expected_places = reference(labels, others, as_of, None if ttl is None else ttl * 1000)
    assert found == [(n, expected_people[n][1], expected_places[n][1]) for n in range(len(labels))]


def test_columns_of_labels_come_first_then_features_with_their_prefix(
    database: duckdb.DuckDBPyConnection,
) -> None:
    sql = training_set_sql(labels=LABELS, groups=[PEOPLE])
    names = [column[0] for column in database.execute(sql).description or ()]
    assert names == ["person", "at", "target", "people_city", "people_select"]


def test_names_cannot_leave_their_quotes() -> None:
    evil = 'x"; DROP TABLE labels; --'
    sql = training_set_sql(
        labels=Labels(table=evil, time=evil, database=evil),
        groups=[
            OfflineGroup(
                table=evil, record_identifier=evil, event_time=evil, features=[evil], prefix=evil
            )
        ],
    )
    assert sql.count('x"; DROP') == 0
    assert sql.count("DROP") == sql.count('x""; DROP')


def test_databases_are_named() -> None:
    people = OfflineGroup(table="people_1", record_identifier="id", event_time="t", features=["f"])
    sql = training_set_sql(
        labels=Labels(table="labels", database="lake", time="at"), groups=[people]
    )
    assert '"lake"."labels"' in sql
    assert '"sagemaker_featurestore"."people_1"' in sql


def test_a_moment_in_another_zone() -> None:
    zone = datetime(2026, 11, 1, 2, tzinfo=UTC).astimezone()
    sql = training_set_sql(labels=LABELS, groups=[PEOPLE], as_of=zone)
    assert "h.write_time <= TIMESTAMP '2026-11-01 02:00:00.000'" in sql


def test_what_makes_no_sense_is_reported_at_once() -> None:
    group = OfflineGroup(
        table="people-1788739200",
        record_identifier="id",
        event_time="t",
        features=("City",),
        event_time_format=TimeFormat.TIMESTAMP,
        ttl=timedelta(0),
    )
    other = OfflineGroup(table="more", record_identifier="id", event_time="t", features=("city",))
    with pytest.raises(ValidationError, match="4 problems") as caught:
        training_set_sql(labels=LABELS, groups=[other, group], as_of=datetime(2026, 1, 1))
    message = str(caught.value)
    assert "prefix='people_'" in message
    assert "more has this column already" in message
    assert "a time with a zone" in message
    with pytest.raises(ValidationError, match=r"(?s)2026-01-01.*Write features=\['city'\]"):
        training_set_sql(
            labels=LABELS,
            groups=[replace(other, features="city")],
            as_of="2026-01-01",  # type: ignore[arg-type]  # the mistake
        )


DESCRIPTION = {
    "FeatureGroupName": "people",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "at",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
        {"FeatureName": "city", "FeatureType": "String"},
    ],
    "OnlineStoreConfig": {"TtlDuration": {"Unit": "Weeks", "Value": 2}},
    "OfflineStoreConfig": {
        "DataCatalogConfig": {
            "Catalog": "AwsDataCatalog",
            "Database": "sagemaker_featurestore",
            "TableName": "people_1788739200",
        }
    },
}


def test_a_group_as_the_service_describes_it() -> None:
    assert OfflineGroup.from_description(DESCRIPTION, prefix="p_") == OfflineGroup(
        table="people_1788739200",
        record_identifier="id",
        event_time="at",
        event_time_format=TimeFormat.EPOCH,
        features=("city",),
        prefix="p_",
        ttl=timedelta(weeks=2),
    )
    plain = DESCRIPTION | {"OnlineStoreConfig": {}}
    assert OfflineGroup.from_description(plain, features=["id"]).features == ("id",)


def test_a_group_that_does_not_fit() -> None:
    with pytest.raises(ValidationError, match="2 problems"):
        OfflineGroup.from_description(DESCRIPTION | {"OfflineStoreConfig": {}}, features=["town"])


def test_the_runtime_needs_neither_aws_cdk_nor_boto3() -> None:
    code = (
        "import sys, mlops_constructs.runtime; "
        "sys.exit(bool({'aws_cdk', 'jsii', 'boto3', 'botocore'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
