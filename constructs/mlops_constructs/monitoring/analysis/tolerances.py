"""``constraints.json`` of data quality, as people edit it: what each feature is allowed.

The layout is the service's (developer guide, "Schema for Constraints"). A finding of the
statistical checks stands only if what was seen also breaks the file's limit, so a limit is a
tolerance, and a file that was made from the reference changes nothing.

| in the file | means |
|---|---|
| ``completeness`` | so many values, 0 to 1, must be present |
| ``string_constraints.domains`` | further categories that are known |
| ``num_constraints.is_non_negative`` | no value may be below 0 |
| ``monitoring_config.evaluate_constraints``, ``Disabled`` | nothing is checked |
| ``….datatype_check_threshold`` | so many values must be of the type |
| ``….domain_content_threshold`` | so many values must be of the domain |
| ``….distribution_constraints.comparison_threshold`` | a drift below it is none |
| ``….distribution_constraints.perform_comparison``, ``Disabled`` | drift is not looked at |

Each of the last five may also stand below a feature's ``monitoring_config_overrides`` (the service
writes it so; its guide spells it ``monitoringConfigOverrides``, which is read as well), and then
holds for that feature alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .checks import Violation
from .errors import AnalysisError
from .profiles import Profile

_OVERRIDES = ("monitoring_config_overrides", "monitoringConfigOverrides")
_SWITCHES = ("evaluate_constraints", "perform_comparison")


def apply(
    violations: list[Violation], current: Profile, document: Mapping[str, Any]
) -> list[Violation]:
    """The findings that break the file's limits, and those that only the file knows.

    Raises:
        AnalysisError: If the file is not in the layout, with the place and what is allowed.
    """
    if not document:
        return violations
    general = _limits(document.get("monitoring_config", {}), "monitoring_config")
    features: dict[str, dict[str, Any]] = {}
    listed = document.get("features", [])
    if not isinstance(listed, list):
        raise _refused("features", listed, "a list of objects with a name")
    for at, feature in enumerate(listed):
        if not isinstance(feature, Mapping) or "name" not in feature:
            raise _refused(f"features[{at}]", feature, "an object with a name")
        features[str(feature["name"])] = _feature(feature, general)
    kept = [
        found
        for found in violations
        if _stands(found, features.get(found.feature_name, general), current)
    ]
    for name, limits in features.items():
        column = current.columns.get(name)
        numbers = None if column is None else column.numbers
        if (
            limits.get("is_non_negative")
            and limits.get("evaluate_constraints") != "Disabled"
            and numbers is not None
            and numbers.low < 0
        ):
            kept.append(
                Violation(
                    name,
                    "non_negative_check",
                    f"The smallest value is {numbers.low:g}; none may be below 0",
                    "warning",
                    0.0,
                )
            )
    return sorted(kept, key=lambda each: (each.severity, -each.effect, each.feature_name))


def _stands(found: Violation, limits: Mapping[str, Any], current: Profile) -> bool:
    if limits.get("evaluate_constraints") == "Disabled":
        return False
    check = found.constraint_check_type
    column = current.columns.get(found.feature_name)
    if check == "baseline_drift_check":
        return bool(
            limits.get("perform_comparison") != "Disabled"
            and found.effect >= limits.get("comparison_threshold", 0.0)
        )
    if column is None:
        return True
    if check == "completeness_check" and "completeness" in limits:
        return bool(column.completeness < limits["completeness"])
    if check == "data_type_check":
        return bool(1 - found.effect < limits.get("datatype_check_threshold", 1.0))
    if check == "categorical_values_check":
        allowed = limits.get("domains", frozenset())
        known = sum(count for name, count in column.unknown_names.items() if name in allowed)
        unknown = column.unknown - known
        share = 1 - unknown / column.present if column.present else 1.0
        return bool(share < limits.get("domain_content_threshold", 1.0))
    return True


def _feature(feature: Mapping[str, Any], general: Mapping[str, Any]) -> dict[str, Any]:
    name = str(feature["name"])
    limits = dict(general)
    for key in _OVERRIDES:
        limits.update(_limits(feature.get(key, {}), f"{name}: {key}"))
    if "completeness" in feature:
        limits["completeness"] = _share(feature["completeness"], f"{name}: completeness")
    domains = _object(feature.get("string_constraints", {}), f"{name}: string_constraints")
    if "domains" in domains:
        if not isinstance(domains["domains"], list):
            raise _refused(f"{name}: domains", domains["domains"], "a list of texts")
        limits["domains"] = frozenset(str(each).strip() for each in domains["domains"])
    numbers = _object(feature.get("num_constraints", {}), f"{name}: num_constraints")
    limits["is_non_negative"] = numbers.get("is_non_negative") is True
    return limits


def _limits(config: Any, where: str) -> dict[str, Any]:
    config = _object(config, where)
    inner = _object(
        config.get("distribution_constraints", {}), f"{where}: distribution_constraints"
    )
    limits: dict[str, Any] = {}
    for given in (config, inner):
        for key in _SWITCHES:
            if key in given:
                if given[key] not in ("Enabled", "Disabled"):
                    raise _refused(f"{where}: {key}", given[key], "Enabled or Disabled")
                limits[key] = given[key]
        for key in ("datatype_check_threshold", "domain_content_threshold", "comparison_threshold"):
            if key in given:
                limits[key] = _share(given[key], f"{where}: {key}")
    return limits


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(where, value, "an object")
    return value


def _share(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise _refused(where, value, "a number of 0 to 1")
    return float(value)


def _refused(where: str, got: object, allowed: str) -> AnalysisError:
    return AnalysisError(f"constraints.json: {where}: got {got!r}; allowed: {allowed}.")
