"""The feature store's part of the story: ingestion, online reads, a point-in-time training set."""

from __future__ import annotations

import csv
import gzip
import io
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from demo.cloud import ROOT, Cloud
from demo.console import detail, table
from demo.errors import DemoError
from mlops_constructs.runtime import (
    IngestionReport,
    Labels,
    OfflineGroup,
    ingest,
    read_online,
    training_set_sql,
)

_DATA = ROOT / "pipeline_code" / "census_income" / "data" / "adult.csv.gz"
_TRUE_SINCE = "2026-01-01T00:00:00Z"
_LABELLED = "2026-02-01T00:00:00Z"
_TRUE_LATER = "2026-03-01T00:00:00Z"
_CHANGED = 500
_SHOWN = 3
_WAIT_SECONDS = 60.0
_WORKERS = 4
# What the model needs and nobody would keep as a feature: it comes with the labels.
_LABEL_COLUMNS = ("person_id", "labelled_at", "fnlwgt", "income", "split")
_DATABASE = "sagemaker_featurestore"
_LABELS = "census_income_labels"


def ingest_people(cloud: Cloud, outputs: Mapping[str, str], *, every: int) -> int:
    """Write every so manieth row of the census data; some people get a newer record later.

    Returns:
        How many records were written.
    """
    group, client = outputs["FeatureGroupName"], cloud.client("sagemaker-featurestore-runtime")
    features = _features(cloud, group)

    def records() -> Iterator[dict[str, str]]:
        for person in people(every):
            yield {
                name: value
                for name, value in (person | {"event_time": _TRUE_SINCE}).items()
                if name in features
            }

    reports = [ingest(group, records(), client=client, workers=_WORKERS)]
    changed = (
        record | {"event_time": _TRUE_LATER, "age": str(int(record["age"]) + 1)}
        for record in islice(records(), _CHANGED)
    )
    reports.append(ingest(group, changed, client=client, workers=_WORKERS))
    _refuse_failures(cloud, reports)
    written = sum(report.written for report in reports)
    took = sum(report.seconds for report in reports)
    detail(
        f"{reports[0].written:,} people, {reports[1].written:,} of them a year older since; "
        f"{written / took:,.0f} records a second, none lost"
    )
    return written


def build_training_set(
    cloud: Cloud, outputs: Mapping[str, str], *, every: int, records: int
) -> str:
    """Join labels to what was true when they were given, by Athena; returns the result's URI."""
    bucket, group = outputs["DataBucketName"], outputs["FeatureGroupName"]
    described = cloud.client("sagemaker").describe_feature_group(FeatureGroupName=group)
    history = OfflineGroup.from_description(described)
    athena = _Athena(cloud, f"s3://{bucket}/census_income/training-sets/")
    _wait_for_records(athena, history, records)
    _declare_labels(cloud, athena, bucket, every)
    sql = training_set_sql(
        labels=Labels(table=_LABELS, time="labelled_at", database=_DATABASE), groups=[history]
    )
    columns = [*history.features, "fnlwgt", "income", "split"]
    uri = athena.run(
        # In one order always: what is trained on the same rows is the same model.
        f"SELECT {', '.join(columns)} FROM ({sql}) joined ORDER BY person_id"  # noqa: S608  # our names
    )
    people_now = f"SELECT person_id, age FROM ({sql}) joined WHERE person_id IN ('p0', 'p1', 'p2')"  # noqa: S608  # our names
    then = {row["person_id"]: row["age"] for row in athena.rows(people_now)}
    online = read_online(
        group,
        [f"p{number}" for number in range(_SHOWN)],
        features=["age"],
        client=cloud.client("sagemaker-featurestore-runtime"),
    )
    table(
        ("person", "age online, today", "age in the training set"),
        [(who, online.found[who]["age"], then[who]) for who in sorted(online.found)],
    )
    detail(uri)
    detail("no row knows what became true after its label")
    return uri


def people(every: int) -> Iterator[dict[str, str]]:
    """Every so manieth row, with an identifier."""
    with gzip.open(_DATA, "rt", encoding="utf-8", newline="") as file:
        for number, row in enumerate(islice(csv.DictReader(file), 0, None, every)):
            yield {"person_id": f"p{number}", "labelled_at": _LABELLED} | row


class _Athena:
    """Runs queries whose results go to one place."""

    def __init__(self, cloud: Cloud, output: str) -> None:
        self._cloud, self._client, self._output = cloud, cloud.client("athena"), output

    def run(self, sql: str) -> str:
        """Run a statement; returns where its result lies."""
        return str(self._ended(sql)["ResultConfiguration"]["OutputLocation"])

    def rows(self, sql: str) -> list[dict[str, str]]:
        """The rows of a result of at most a thousand."""
        done = self._ended(sql)
        answer = self._client.get_query_results(QueryExecutionId=done["QueryExecutionId"])
        head, *rows = (
            [datum.get("VarCharValue", "") for datum in row["Data"]]
            for row in answer["ResultSet"]["Rows"]
        )
        return [dict(zip(head, row, strict=True)) for row in rows]

    def _ended(self, sql: str) -> Any:
        started = self._client.start_query_execution(
            QueryString=sql, ResultConfiguration={"OutputLocation": self._output}
        )["QueryExecutionId"]
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            found = self._client.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            status = found["Status"]
            if status["State"] == "FAILED":
                raise DemoError(f"Athena: {status['StateChangeReason']}", self._cloud.log)
            if status["State"] == "SUCCEEDED" and status.get("CompletionDateTime"):
                return found
            time.sleep(0.05)
        raise DemoError("A query did not end in a minute.", self._cloud.log)


def _features(cloud: Cloud, group: str) -> set[str]:
    described = cloud.client("sagemaker").describe_feature_group(FeatureGroupName=group)
    return {feature["FeatureName"] for feature in described["FeatureDefinitions"]}


def _refuse_failures(cloud: Cloud, reports: list[IngestionReport]) -> None:
    for report in reports:
        if report.failures:
            raise DemoError(str(report), cloud.log)


def _wait_for_records(athena: _Athena, history: OfflineGroup, records: int) -> None:
    """The service writes to the offline store minutes later, the local cloud within a second."""
    sql = f'SELECT count(*) AS found FROM "{history.database}"."{history.table}"'  # noqa: S608  # our names
    deadline = time.monotonic() + _WAIT_SECONDS
    while int(athena.rows(sql)[0]["found"]) < records:
        if time.monotonic() > deadline:
            raise DemoError(f"{records} records did not reach the offline store in a minute.")
        time.sleep(0.25)


def _declare_labels(cloud: Cloud, athena: _Athena, bucket: str, every: int) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(
        [person[column] for column in _LABEL_COLUMNS] for person in people(every)
    )
    key = "census_income/labels/labels.csv"
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=text.getvalue().encode())
    athena.run(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_DATABASE}.{_LABELS} ("
        + ", ".join(f"`{column}` string" for column in _LABEL_COLUMNS)
        + ") ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' "
        f"LOCATION 's3://{bucket}/census_income/labels/'"
    )
