"""One measurement of the drift analysis, or of what it is compared with; prints seconds and peak.

Runs in the environment that stands in for AWS's containers, or in the rivals'. Imports do not
count: they are the same few seconds for an hour of data as for a year. That goes for pandas too,
which pyarrow loads with the first array that it makes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the other environments
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the other environments
import pyarrow.compute as pc  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.csv as pa_csv  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.json as pa_json  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above
import pyarrow.parquet as pq  # type: ignore[import-not-found,import-untyped,unused-ignore]  # as above

from benchmarks.drift.cases import draw

_MONITORING = Path(__file__).parents[1] / "constructs" / "mlops_constructs" / "monitoring"
_ROW_GROUP = 250_000
_BATCH = 65_536
_BINS = 1024
HOUR = "2025/03/04/09"


# --- data -----------------------------------------------------------------------------------------


def make_parquet(path: str, rows: str, seed: str) -> None:
    """Census-like rows, 12 numeric and 8 text columns."""
    generator = np.random.default_rng(int(seed))
    writer = None
    for start in range(0, int(rows), 1_000_000):
        data = draw("census", min(1_000_000, int(rows) - start), generator)
        columns: dict[str, Any] = {name: pa.array(each) for name, each in data.numbers.items()}
        for name, codes in data.codes.items():
            kept = pa.array(codes.astype(np.int32), mask=codes < 0)
            columns[name] = pa.DictionaryArray.from_arrays(kept, pa.array(data.names[name])).cast(
                pa.string()
            )
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=_ROW_GROUP)
    assert writer is not None
    writer.close()


def make_capture(path: str, rows: str, reference: str) -> None:
    """Captured requests, one record each, as CSV."""
    table = pq.read_table(reference).slice(0, int(rows))
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=False, quoting_style="none"))
    target = Path(path, "All", HOUR)
    target.mkdir(parents=True)
    metadata = (
        '"eventMetadata":{"eventId":"4f0d3a52-6c0b-4f0e-8d1c-%012d",'
        '"inferenceTime":"2025-03-04T09:30:00Z"},"eventVersion":"0"}\n'
    )
    with (target / "00-a.jsonl").open("w", encoding="utf-8") as file:
        for number, line in enumerate(sink.getvalue().to_pybytes().decode().splitlines()):
            part = (
                '{"captureData":{"endpointInput":{"observedContentType":"text/csv",'
                f'"mode":"INPUT","data":{json.dumps(line)},"encoding":"CSV"}},'
                '"endpointOutput":{"observedContentType":"text/csv","mode":"OUTPUT",'
                '"data":"0.25","encoding":"CSV"}},'
            )
            file.write(part + metadata % number)


# --- what is measured -----------------------------------------------------------------------------


def ours(kind: str, data: str, reference: str, output: str) -> Callable[[], None]:
    """A whole run: reference, data, tests, report."""
    sys.path.insert(0, str(_MONITORING))
    from analysis.analyze import main  # type: ignore[import-not-found,unused-ignore]  # as in the job

    until = "2025-03-04T10:15:00Z"
    if kind == "dataset":
        until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    arguments = [
        "--monitor", "bench", "--kind", kind, "--until", until, "--hours", "48",
        "--data", data, "--reference", reference, "--output", output,
        "--settings", str(Path(output, "settings.json")),
    ]  # fmt: skip

    def run() -> None:
        if main(arguments):
            raise SystemExit("the analysis gave no answer")

    return run


def bare_parquet(path: str) -> Callable[[], None]:
    """The least that anybody does: each batch into one histogram a column."""

    def run() -> None:
        schema = pq.ParquetFile(path).schema_arrow
        texts = [each.name for each in schema if pa.types.is_string(each.type)]
        file = pq.ParquetFile(path, read_dictionary=texts)
        totals: dict[str, Any] = {}
        edges: dict[str, Any] = {}
        for batch in file.iter_batches(batch_size=_BATCH):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if pa.types.is_dictionary(column.type):
                    codes = column.indices.drop_null().to_numpy()
                    found = np.bincount(codes, minlength=_BINS)
                else:
                    values = column.to_numpy()
                    if name not in edges:
                        edges[name] = values.min(), values.max()
                    found = np.histogram(values, _BINS, edges[name])[0]
                totals[name] = totals.get(name, 0) + found

    return run


def bare_json(path: str, columns: str) -> Callable[[], None]:
    """``pyarrow.json`` on the file, block by block; with columns also the CSV in it.

    Blocks of 4 MB, in pyarrow's own threads: of 1 to 16 MB, with and without threads, the quickest.
    """
    source = next(Path(path).rglob("*.jsonl"))
    names = [name for name in columns.split(",") if name]
    options = pa_json.ReadOptions(block_size=4 << 20)

    def run() -> None:
        for batch in pa_json.open_json(source, read_options=options):
            if names:
                payloads = batch["captureData"].field("endpointInput").field("data")
                all_of_them = pa.ListArray.from_arrays(
                    pa.array([0, len(payloads)], pa.int32()), payloads
                )
                text = pc.binary_join(all_of_them, "\n")[0].as_buffer()
                pa_csv.read_csv(pa.BufferReader(text), pa_csv.ReadOptions(column_names=names))

    return run


def bare_fields(path: str) -> Callable[[], None]:
    """As `bare_json`, and only the fields that the analysis needs are kept."""
    source = next(Path(path).rglob("*.jsonl"))
    text = pa.string()
    part = pa.struct([("data", text), ("encoding", text), ("observedContentType", text)])
    options = pa_json.ParseOptions(
        explicit_schema=pa.schema(
            [
                ("captureData", pa.struct([("endpointInput", part)])),
                ("eventMetadata", pa.struct([("inferenceTime", text)])),
            ]
        ),
        unexpected_field_behavior="ignore",
    )

    def run() -> None:
        blocks = pa_json.ReadOptions(block_size=4 << 20)
        for _ in pa_json.open_json(source, read_options=blocks, parse_options=options):
            pass

    return run


def nannyml(data: str, reference: str) -> Callable[[], None]:
    """Univariate drift at its defaults."""
    import nannyml as nml  # type: ignore[import-not-found,unused-ignore]  # only in the rivals' environment

    def run() -> None:
        before, now = pd.read_parquet(reference), pd.read_parquet(data)
        calculator = nml.UnivariateDriftCalculator(column_names=list(before.columns))
        calculator.fit(before)
        calculator.calculate(now).to_df()

    return run


def evidently(data: str, reference: str) -> Callable[[], None]:
    """The drift preset at its defaults."""
    from evidently import Report  # type: ignore[import-not-found,unused-ignore]  # only in the rivals' environment
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found,unused-ignore]  # as above

    def run() -> None:
        before, now = pd.read_parquet(reference), pd.read_parquet(data)
        Report([DataDriftPreset()]).run(now, before).dict()

    return run


_MAKES = {"make-parquet": make_parquet, "make-capture": make_capture}
_RUNS = {
    "ours": ours,
    "bare-parquet": bare_parquet,
    "bare-json": bare_json,
    "bare-fields": bare_fields,
    "nannyml": nannyml,
    "evidently": evidently,
}


def main(what: str, *arguments: str) -> None:
    if what in _MAKES:
        _MAKES[what](*arguments)
        return
    run: Callable[[], None] = _RUNS[what](*arguments)  # type: ignore[operator]  # each takes its own
    start = time.perf_counter()
    run()
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "peak MiB": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
