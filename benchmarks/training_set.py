"""A point-in-time join of 10 million feature rows to a million labels, on DuckDB.

`training_set_sql` against what somebody who knows DuckDB would write for it by hand: an ASOF join,
which Athena does not have, on a history without the records that later ones replaced. Both get the
same rows: deletions, corrections and late arrivals are in the data, and the results are compared
before anything counts.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import BenchmarkError, Sample, interleave, progress
from mlops_constructs.runtime import Labels, OfflineGroup, training_set_sql

GENERATED, BY_HAND = "generated SQL", "ASOF join by hand"
_FEATURES = ("age", "city", "income", "visits")
_RECORDS, _LABELS, _PEOPLE = 10_000_000, 1_000_000, 200_000
_SECONDS = 90 * 86_400

_DATA = f"""
CREATE TABLE people AS
SELECT
  'p' || (hash(n) % {_PEOPLE})::VARCHAR AS person,
  strftime(to_timestamp(1767225600 + (hash(n, 1) % {_SECONDS})::BIGINT), '%Y-%m-%dT%H:%M:%SZ')
    AS event_time,
  (hash(n, 2) % 90)::BIGINT AS age,
  'city ' || (hash(n, 3) % 1000)::VARCHAR AS city,
  (hash(n, 4) % 100000) / 7.0 AS income,
  (hash(n, 5) % 50)::BIGINT AS visits,
  TIMESTAMP '2026-06-01' + to_milliseconds(n) AS api_invocation_time,
  TIMESTAMP '2026-06-01' + to_milliseconds(n + 60000) AS write_time,
  hash(n, 6) % 100 = 0 AS is_deleted
FROM range(0, {_RECORDS} * 99 // 100) AS made(n);
INSERT INTO people
SELECT person, event_time, age + 1, city, income, visits,
  api_invocation_time + INTERVAL 1 DAY, write_time + INTERVAL 1 DAY, is_deleted
FROM people LIMIT {_RECORDS // 100};
CREATE TABLE labels AS
SELECT
  'p' || (hash(n, 7) % {_PEOPLE})::VARCHAR AS person,
  strftime(to_timestamp(1767225600 + (hash(n, 8) % {_SECONDS})::BIGINT), '%Y-%m-%dT%H:%M:%SZ')
    AS labelled_at,
  n % 2 = 0 AS income_is_high
FROM range(0, {_LABELS}) AS made(n);
"""

_ASOF = f"""
WITH history AS (
  SELECT *, CAST(event_time AS TIMESTAMP) AS moment FROM people
  QUALIFY row_number() OVER (
    PARTITION BY person, event_time
    ORDER BY api_invocation_time DESC, write_time DESC, is_deleted DESC
  ) = 1
)
SELECT labels.*, {", ".join(f"CASE WHEN NOT is_deleted THEN {f} END AS {f}" for f in _FEATURES)}
FROM labels ASOF LEFT JOIN history
  ON labels.person = history.person AND CAST(labels.labelled_at AS TIMESTAMP) >= history.moment
"""  # our own names


def measure(work: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds and their ratio."""
    generated = training_set_sql(
        labels=Labels(table="labels", time="labelled_at"),
        groups=[
            OfflineGroup(
                table="people",
                database=None,
                record_identifier="person",
                event_time="event_time",
                features=_FEATURES,
            )
        ],
    )
    with duckdb.connect(work / "features.duckdb") as connection:
        connection.execute(f"SET temp_directory = '{work / 'spilled'}'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(_DATA)
        progress(f"{_RECORDS:,} records and {_LABELS:,} labels made")

        def run(name: str, sql: str) -> Sample:
            start = time.perf_counter()
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
            return Sample(time.perf_counter() - start)

        samples = interleave(
            {
                GENERATED: lambda: run("generated", generated),
                BY_HAND: lambda: run("by_hand", _ASOF),
            },
            rounds=rounds,
        )
        _compare(connection)
    return {
        "rounds": rounds,
        "records": _RECORDS,
        "labels": _LABELS,
        "threads": os.cpu_count(),
        "seconds": samples.seconds(),
        "to asof": samples.compare(GENERATED, BY_HAND),
    }


def _compare(connection: duckdb.DuckDBPyConnection) -> None:
    """Both results are the same rows.

    Raises:
        BenchmarkError: They are not; a wrong join may take any time.
    """
    for one, other in (("generated", "by_hand"), ("by_hand", "generated")):
        found = connection.execute(
            f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})"  # our names
        ).fetchone()
        if found != (0,):
            raise BenchmarkError(f"{found} rows of {one} are not in {other}.")
    joined = connection.execute("SELECT count(age) FROM generated").fetchone()
    if not joined or joined[0] < _LABELS // 2:
        raise BenchmarkError(f"Only {joined} labels found features.")
