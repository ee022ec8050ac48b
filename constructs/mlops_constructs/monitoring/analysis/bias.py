"""Differences between groups of people, in labels and in predictions: who is compared, and limits.

What is looked at is said by ``analysis_config.json`` in Clarify's layout (developer guide,
"Analysis Configuration Files"): ``headers``, ``label``, ``label_values_or_threshold``, ``facet``
with ``name_or_index`` and ``value_or_threshold``, ``group_variable``. A facet without values makes
each of its values a group, compared with everybody else. The measures are in `bias_measures`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bias_measures import DISTANCES
from .checks import Violation
from .errors import AnalysisError
from .quality import label

#: What each measure is when the groups are treated alike.
ALIKE = {"DI": 1.0}
#: These are seldom zero, however alike groups are treated: sizes of groups, errors of the model,
#: the smoothing of neighbours. DPL has the sign, and the scale, that the distances lack.
_NEED_BASELINE = ("CI", "FT", "GE", *DISTANCES)
#: A column with more values than these needs a threshold: its values are no groups.
_MOST_VALUES = 20


@dataclass(frozen=True)
class Facet:
    """A column whose groups are compared.

    Attributes:
        name: The column.
        chosen: The values of the group, or one number that its members are above; empty when each
            value is a group.
        alone: Whether no other facet is of the same column.
    """

    name: str
    chosen: tuple[Any, ...]
    alone: bool = True

    def groups(self, values: Sequence[Any]) -> list[Group]:
        """The groups among the values of the column.

        Raises:
            AnalysisError: If the facet has no values, and the column has too many.
        """
        if self.chosen:
            text = ", ".join(map(str, self.chosen))
            return [Group(self._called(text), text, in_group(values, self.chosen))]
        names = np.array([str(value).strip() for value in values])
        distinct = [str(each) for each in np.unique(names)]
        if len(distinct) > _MOST_VALUES:
            raise AnalysisError(
                f"{self.name} has {len(distinct)} values: give the facet value_or_threshold"
            )
        return [Group(self._called(each), each, names == each) for each in distinct]

    def shown(self, values: Sequence[Any]) -> Sequence[Any]:
        """What a picture calls each of the values: of many different numbers, their side."""
        if not self.chosen or len({str(value) for value in values}) <= _MOST_VALUES:
            return values
        text = ", ".join(map(str, self.chosen))
        inside = f"above {text}" if len(self.chosen) == 1 else text
        members = in_group(values, self.chosen)
        return [inside if each else f"not {inside}" for each in members]

    def _called(self, text: str) -> str:
        return self.name if self.chosen and self.alone else f"{self.name}={text}"


@dataclass(frozen=True)
class Group:
    """Some people.

    Attributes:
        key: What the report calls them: their column, with their value if it has several groups.
        value: Their value, or values, as Clarify's files have it.
        members: Which rows they are.
    """

    key: str
    value: str
    members: Any


def facets_of(config: Mapping[str, Any]) -> list[Facet]:
    """The facets that a configuration names.

    Raises:
        AnalysisError: If it names none, or a place that its headers do not have.
    """
    given = config.get("facet")
    facets: list[Any] = given if isinstance(given, list) else [given]
    try:
        found = [
            (column_of(config, each["name_or_index"]), _listed(each.get("value_or_threshold")))
            for each in facets
        ]
    except (KeyError, TypeError, AttributeError):
        raise AnalysisError(
            f"analysis_config.json: facet: got {given!r}; allowed: a list of "
            '{"name_or_index": "sex", "value_or_threshold": ["Female"]}.'
        ) from None
    names = [name for name, _ in found]
    return [Facet(name, chosen, alone=names.count(name) == 1) for name, chosen in found]


def column_of(config: Mapping[str, Any], place: Any) -> str:
    """The column that a name, or a place in ``headers``, stands for.

    Raises:
        AnalysisError: If the headers have no such place.
    """
    if not isinstance(place, int):
        return str(place)
    headers = config.get("headers") or []
    if not 0 <= place < len(headers):
        raise AnalysisError(
            f"analysis_config.json: got column {place}; allowed: a place in headers, which has "
            f"{len(headers)}."
        )
    return str(headers[place])


def positives(config: Mapping[str, Any], values: Sequence[Any], *, numeric: bool) -> Any:
    """Which labels are positive: those that are listed, or numbers above a threshold.

    Args:
        config: The configuration.
        values: Labels.
        numeric: Whether they are numbers of which more is better, and not names of classes.
    """
    chosen = _listed(config.get("label_values_or_threshold", [1]))
    if numeric and len(chosen) == 1:
        with np.errstate(invalid="ignore"):
            return np.array([_number(value) for value in values]) > _number(chosen[0])
    names = {label(each) for each in chosen}
    return np.array([label(value) in names for value in values], dtype=bool)


def in_group(values: Sequence[Any], chosen: tuple[Any, ...]) -> Any:
    """Which values are of the facet's group: above one number, or among several values."""
    if len(chosen) == 1 and isinstance(chosen[0], (int, float)) and not isinstance(chosen[0], bool):
        numbers = np.array([_number(value) for value in values])
        distinct = np.unique(numbers[~np.isnan(numbers)])
        if len(distinct) > 2:
            return numbers > chosen[0]
        return numbers == chosen[0]
    names = {str(value).strip() for value in chosen}
    return np.array([str(value).strip() in names for value in values], dtype=bool)


def check(
    group: Group,
    measured: Mapping[str, Mapping[str, float]],
    baseline: Mapping[str, float],
    tolerance: float,
) -> list[Violation]:
    """Measures whose whole interval is outside what is allowed.

    Allowed is what lies between no difference and the baseline's value, and ``tolerance`` around.
    """
    found = []
    for name in checked(measured, baseline):
        value, (low, high) = measured[name], allowed(name, baseline, tolerance)
        if value["upper"] < low or value["lower"] > high:
            beyond = max(low - value["value"], value["value"] - high)
            found.append(
                Violation(
                    group.key,
                    f"bias_drift_check:{name}",
                    f"{name} is {value['value']:.3f} ({value['lower']:.3f} to "
                    f"{value['upper']:.3f}); allowed are {low:.3f} to {high:.3f}",
                    "critical" if beyond >= 0.1 else "warning",
                    beyond,
                )
            )
    return sorted(found, key=lambda each: (each.severity, -each.effect))


def checked(measured: Iterable[str], baseline: Mapping[str, float]) -> list[str]:
    """The measures that have limits: those of the baseline; without one, those that have a zero."""
    if baseline:
        return [name for name in measured if name in baseline]
    return [name for name in measured if name not in _NEED_BASELINE]


def allowed(name: str, baseline: Mapping[str, float], tolerance: float) -> tuple[float, float]:
    """Between which values a measure may lie."""
    alike = ALIKE.get(name, 0.0)
    ends = alike, baseline.get(name, alike)
    return min(ends) - tolerance, max(ends) + tolerance


def baseline_of(constraints: Mapping[str, Any], facet: Facet, group: Group) -> dict[str, float]:
    """The measures of a group in Clarify's ``analysis.json``, as ``constraints.json`` holds it.

    Raises:
        AnalysisError: If the file has another layout.
    """
    values: dict[str, float] = {}
    for section in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        try:
            entries = constraints.get(section, {}).get("facets", {}).get(facet.name, [])
            own = [each for each in entries if _same(each.get("value_or_threshold"), group.value)]
            # Clarify spells a threshold as an interval: (40, 90].
            if not own and len(entries) == 1 and facet.chosen and facet.alone:
                own = entries
            for metric in own[0]["metrics"] if own else []:
                number = metric.get("value")
                if number is not None and math.isfinite(float(number)):
                    values[str(metric["name"])] = float(number)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # noqa: PERF203  # each is judged alone
            raise AnalysisError(f"constraints.json: {section}: {facet.name}: {error!r}") from error
    return values


def _same(text: Any, value: str) -> bool:
    """Whether two lists of values, with commas between them, are the same."""
    first, second = ({part.strip() for part in str(each).split(",")} for each in (text, value))
    return first == second


def _listed(given: Any) -> tuple[Any, ...]:
    """A value, or several, as a tuple: the guide writes both ``0.5`` and ``[0.5]``."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
