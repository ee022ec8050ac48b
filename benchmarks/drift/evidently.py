"""The same resamples through Evidently, in the rivals' environment, with its default settings.

``python -m benchmarks.drift.evidently POPULATION CASE ROWS FIRST COUNT`` prints what
``benchmarks.drift.ours`` prints. Evidently has no family-wise rate; here it reports something when
it calls any column drifted, which is what the report of its ``DataDriftPreset`` shows in red.

That preset looks at one column after the other. Correlations are compared by a test of its older
API, ``TestCorrelationChanges``, asked where nothing changed and where nothing else did. Its presets
that compare more, ``DataSummaryPreset`` with tests and ``DataStabilityTestPreset``, find something
in every sample that is not as large as the reference, beginning with the number of rows.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the rivals' environment
from evidently import Report  # type: ignore[import-not-found,unused-ignore]  # as above
from evidently.legacy.test_suite import (  # type: ignore[import-not-found,unused-ignore]  # as above
    TestSuite,
)
from evidently.legacy.tests import (  # type: ignore[import-not-found,unused-ignore]  # as above
    TestCorrelationChanges,
)
from evidently.metrics import ValueDrift  # type: ignore[import-not-found,unused-ignore]  # as above

from benchmarks.drift.cases import PER_REFERENCE, Data, reference_of, sample_of

#: The cases that are asked of the test of correlations, and how large a sample it gets.
_CORRELATED, _ROWS = ("clean", "shuffled"), 2_000


def main(population: str, case: str, rows: int, first: int, count: int) -> None:
    warnings.simplefilter("ignore")
    reference, made = None, -1
    for number in range(first, first + count):
        if number // PER_REFERENCE != made:
            made = number // PER_REFERENCE
            reference = _frame(reference_of(population, number))
        current = _frame(sample_of(population, case, rows, number))
        report = Report([ValueDrift(column=name) for name in current.columns])
        drifted = [
            metric["config"]["column"]
            for metric in report.run(current, reference).dict()["metrics"]
            if _drifted(metric)
        ]
        reported = {"default": drifted}
        if case in _CORRELATED and rows >= _ROWS:
            reported["correlations"] = _correlations(reference, current)
        print(json.dumps({"number": number, "reported": reported}), flush=True)


def _correlations(reference: Any, current: Any) -> list[str]:
    suite = TestSuite([TestCorrelationChanges()])
    suite.run(current_data=current, reference_data=reference)
    return [test["description"] for test in suite.as_dict()["tests"] if test["status"] != "SUCCESS"]


def _drifted(metric: dict[str, Any]) -> bool:
    config = metric["config"]
    # A method that gives a p-value calls it drift below its threshold, a distance above.
    if "p_value" in config["method"]:
        return bool(metric["value"] < config["threshold"])
    return bool(metric["value"] >= config["threshold"])


def _frame(data: Data) -> Any:
    columns = dict(data.numbers)
    for name, codes in data.codes.items():
        texts = np.array([*data.names[name], None], dtype=object)
        columns[name] = texts[codes]
    return pd.DataFrame(columns)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
