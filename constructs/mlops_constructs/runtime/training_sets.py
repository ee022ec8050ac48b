"""Point-in-time correct training sets: the SQL that Athena runs on the offline store.

For each label and each group it takes the record that was true at the label's time: the latest by
event time at or before it. Nothing of the future leaks into a row.

- **Deletions.** DeleteRecord appends a record with ``is_deleted`` (botocore): from its event time
  on, the entity has no features, until it gets a newer record.
- **Corrections.** Of several records with one event time, the one that the service received last
  counts (``api_invocation_time``, then ``write_time``), a deletion before a record: the order of
  the guide's own queries (SageMaker developer guide, "Query Feature Store with Athena and AWS
  Glue", "Latest snapshot without duplicates"). The online store serves the *first* of them: it
  takes a record only if its event time is greater (botocore, PutRecord). A correction with a later
  event time, if only by a millisecond, is the latest in both.
- **Expiry.** With a TTL, a record ends at event time + TTL, as in the online store (botocore,
  PutRecord). A TTL that PutRecord gave to one record is not in the offline store.
- **Late arrivals.** ``as_of`` leaves out what was written to the offline store after a moment:
  the same labels give the same training set again, whatever has arrived since.
- **Every label stays**, once for each time that it is in the table, with nulls where there is
  nothing to join.

Of each history only identifiers and times are sorted, once: labels and event times are merged into
one stream per entity, in which a running maximum tells each label its event time; the features
follow by a join on equality. A join by inequality would compare every label of an entity with all
of its history.

The SQL is Trino's (Athena engine 3), of the kind that DuckDB runs too; the tests compare it on
DuckDB with a reference in plain Python. Columns: SageMaker developer guide, "Offline store data
format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from mlops_constructs.common.errors import Problems

_TTL_UNITS = {"Seconds": "seconds", "Minutes": "minutes", "Hours": "hours", "Days": "days"}


class TimeFormat(StrEnum):
    """How a column says when, always in UTC.

    Event times are ISO or EPOCH; labels may have any of the three.
    """

    ISO = "iso"  #: text such as ``2026-11-01T00:00:00Z``, with or without milliseconds
    EPOCH = "epoch"  #: a number of seconds since 1970; taken to the millisecond
    TIMESTAMP = "timestamp"  #: a timestamp without time zone


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The table of what is to be learned: one row for each example.

    Attributes:
        table: Its name.
        time: The column that says when the label became true, or when the prediction is made.
        time_format: How that column says it.
        database: The Glue database; that of the query by default.
    """

    table: str
    time: str
    time_format: TimeFormat = TimeFormat.ISO
    database: str | None = None


@dataclass(frozen=True, kw_only=True)
class OfflineGroup:
    """The offline store of a feature group.

    Attributes:
        table: The Glue table, such as ``census_dev_people_1788739200``.
        record_identifier: The feature that identifies an entity.
        event_time: The feature that says when a record became true.
        features: What to take, in the order of the columns.
        database: The Glue database.
        event_time_format: ISO for String event times, EPOCH for Fractional ones.
        entity: The column of the labels that names the entity, of the same type as the record
            identifier; of the same name by default.
        prefix: What the names of the group's columns in the training set begin with.
        ttl: How long a record is true after its event time; for ever by default.
    """

    table: str
    record_identifier: str
    event_time: str
    features: Sequence[str] = field(default_factory=tuple)
    database: str | None = "sagemaker_featurestore"
    event_time_format: TimeFormat = TimeFormat.ISO
    entity: str | None = None
    prefix: str = ""
    ttl: timedelta | None = None

    @classmethod
    def from_description(
        cls,
        description: Mapping[str, Any],
        *,
        features: Sequence[str] | None = None,
        entity: str | None = None,
        prefix: str = "",
    ) -> OfflineGroup:
        """What DescribeFeatureGroup says of a group.

        Args:
            description: The answer of ``client("sagemaker").describe_feature_group(...)``.
            features: What to take; all but identifier and event time by default.
            entity: The column of the labels that names the entity.
            prefix: What the names of the group's columns begin with.

        Raises:
            ValidationError: If the group has no offline store with a table, or lacks a feature.
        """
        problems = Problems(f"feature group {description['FeatureGroupName']}")
        types = {
            each["FeatureName"]: each["FeatureType"] for each in description["FeatureDefinitions"]
        }
        keys = (description["RecordIdentifierFeatureName"], description["EventTimeFeatureName"])
        catalog = description.get("OfflineStoreConfig", {}).get("DataCatalogConfig")
        problems.check(
            catalog is not None,
            "OfflineStoreConfig.DataCatalogConfig",
            got=None,
            allowed="an offline store with a Glue table",
            instead="Take a group with an offline store that has been created.",
        )
        for name in features or ():
            problems.check(
                name in types,
                "features",
                got=name,
                allowed=", ".join(types),
                instead="Correct the name, or add the feature to the group.",
            )
        problems.raise_if_any()
        duration = description.get("OnlineStoreConfig", {}).get("TtlDuration")
        return cls(
            table=catalog["TableName"],
            database=catalog["Database"],
            record_identifier=keys[0],
            event_time=keys[1],
            event_time_format=(
                TimeFormat.EPOCH if types[keys[1]] == "Fractional" else TimeFormat.ISO
            ),
            features=tuple(name for name in types if name not in keys)
            if features is None
            else tuple(features),
            entity=entity,
            prefix=prefix,
            ttl=None if duration is None else _ttl(duration),
        )


def training_set_sql(
    *,
    labels: Labels,
    groups: Sequence[OfflineGroup],
    as_of: datetime | None = None,
) -> str:
    """The query of a training set: all columns of the labels, then the features of each group.

    Args:
        labels: The examples.
        groups: Where their features come from.
        as_of: Leave out what the offline store got later (``write_time``). With a time zone.

    Returns:
        One SELECT statement without parameters; the order of its rows is not defined.

    Raises:
        ValidationError: If names of columns collide, or times make no sense.
    """
    _check(groups, as_of)
    parts = list[str]()
    selected, joins = ["labels.*"], list[str]()
    for number, group in enumerate(groups):
        name = f"g{number}"
        parts += _parts(name, group, labels, as_of)
        selected += [
            f"{name}.f{index} AS {quote(group.prefix + feature)}"
            for index, feature in enumerate(group.features)
        ]
        joins.append(
            f"LEFT JOIN {name} ON {name}.entity = labels.{quote(_entity(group))} "
            f"AND {name}.label_time = {_moment(f'labels.{quote(labels.time)}', labels.time_format)}"
        )
    lines = ["WITH " + ",\n".join(parts)] if parts else []
    lines += [
        "SELECT " + ", ".join(selected),
        f"FROM {_table(labels.database, labels.table)} labels",
    ]
    return "\n".join(lines + joins)


def quote(identifier: str) -> str:
    """An identifier as SQL text, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def _parts(name: str, group: OfflineGroup, labels: Labels, as_of: datetime | None) -> list[str]:
    """Named queries that end with ``name``: one row for each entity and time of the labels."""
    columns = [f"h.{quote(each)} AS f{index}" for index, each in enumerate(group.features)]
    history = _table(group.database, group.table)
    entity = f"h.{quote(group.record_identifier)}"
    event_time = _moment(f"h.{quote(group.event_time)}", group.event_time_format)
    label_time = _moment(f"labels.{quote(labels.time)}", labels.time_format)
    known = f"h.write_time <= {_literal(as_of)}" if as_of else "TRUE"
    expiry = ""
    if group.ttl is not None:
        seconds = int(group.ttl.total_seconds())
        expiry = f" AND label_time < event_time + INTERVAL '{seconds}' SECOND"
    return [
        f"""{name}_stream AS (
  SELECT {entity} AS entity, {event_time} AS moment, 0 AS is_label, {event_time} AS event_time
  FROM {history} h WHERE {known}
  UNION ALL
  SELECT DISTINCT labels.{quote(_entity(group))}, {label_time}, 1, CAST(NULL AS timestamp(3))
  FROM {_table(labels.database, labels.table)} labels
)""",  # noqa: S608  # names are quoted, and nothing else comes from outside
        f"""{name}_matches AS (
  SELECT entity, moment AS label_time, is_label, max(event_time) OVER (
    PARTITION BY entity ORDER BY moment, is_label ROWS UNBOUNDED PRECEDING
  ) AS event_time
  FROM {name}_stream
)""",  # noqa: S608  # names are quoted, and nothing else comes from outside
        f"""{name} AS (
  SELECT * FROM (
    SELECT {", ".join(["m.entity", "m.label_time", "m.event_time", "h.is_deleted", *columns])},
      row_number() OVER (
        PARTITION BY m.entity, m.label_time
        ORDER BY h.api_invocation_time DESC, h.write_time DESC, h.is_deleted DESC
      ) AS place
    FROM {name}_matches m
    JOIN {history} h ON {entity} = m.entity AND {event_time} = m.event_time AND {known}
    WHERE m.is_label = 1
  ) candidates
  WHERE place = 1 AND NOT is_deleted{expiry}
)""",  # noqa: S608  # names are quoted, and nothing else comes from outside
    ]


def _moment(column: str, time_format: TimeFormat) -> str:
    if time_format is TimeFormat.ISO:
        return f"CAST(replace(replace({column}, 'T', ' '), 'Z', '') AS timestamp(3))"
    if time_format is TimeFormat.EPOCH:
        # Rounded: the product of an interval and a fraction would be cut to milliseconds.
        return (
            "CAST(TIMESTAMP '1970-01-01 00:00:00.000' "
            f"+ round({column} * 1000) * INTERVAL '0.001' SECOND AS timestamp(3))"
        )
    return f"CAST({column} AS timestamp(3))"


def _literal(moment: datetime) -> str:
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"TIMESTAMP '{text}'"


def _entity(group: OfflineGroup) -> str:
    return group.entity or group.record_identifier


def _table(database: str | None, table: str) -> str:
    return quote(table) if database is None else f"{quote(database)}.{quote(table)}"


def _ttl(duration: Mapping[str, Any]) -> timedelta:
    unit, value = duration["Unit"], int(duration["Value"])
    return timedelta(**{_TTL_UNITS.get(unit, "weeks"): value})


def _check(groups: Sequence[OfflineGroup], as_of: datetime | None) -> None:
    problems = Problems("training_set_sql")
    problems.check(
        as_of is None or (isinstance(as_of, datetime) and as_of.tzinfo is not None),
        "as_of",
        got=as_of,
        allowed="a time with a zone",
        instead="Write datetime(2026, 11, 1, tzinfo=UTC).",
    )
    seen: dict[str, str] = {}
    for group in groups:
        problems.check(
            group.event_time_format is not TimeFormat.TIMESTAMP,
            f"groups ({group.table}): event_time_format",
            got="timestamp",
            allowed="ISO or EPOCH: event times are of type String or Fractional",
            instead="Write TimeFormat.ISO for String, TimeFormat.EPOCH for Fractional.",
        )
        problems.check(
            group.ttl is None or group.ttl >= timedelta(seconds=1),
            f"groups ({group.table}): ttl",
            got=str(group.ttl),
            allowed="at least one second, or None",
            instead="Write timedelta(days=30), or leave it out.",
        )
        # A text is a sequence, too: of its letters.
        problems.check(
            not isinstance(group.features, str),
            f"groups ({group.table}): features",
            got=group.features,
            allowed="several names",
            instead=f"Write features=[{group.features!r}].",
        )
        for feature in () if isinstance(group.features, str) else group.features:
            column = (group.prefix + feature).lower()
            problems.check(
                column not in seen,
                f"groups ({group.table}): features",
                got=column,
                allowed="each column once, whatever its case",
                instead=f"Give a prefix, such as prefix={_suggestion(group.table)!r}: "
                f"{seen.get(column)} has this column already.",
            )
            seen.setdefault(column, group.table)
    problems.raise_if_any()


def _suggestion(table: str) -> str:
    return re.sub(r"[-_]?\d{9,}$", "", table) + "_"
