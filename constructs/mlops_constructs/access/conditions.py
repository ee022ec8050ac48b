"""Condition blocks of IAM policies: every operator, with its behaviour on absent keys.

| | key absent | several values in the request |
|---|---|---|
| ``StringEquals`` … | not met | met if one value is met |
| ``StringNotEquals`` … | met | met if no value matches |
| ``…IfExists`` | met | as without |
| ``ForAnyValue:`` | not met | met if one value is met |
| ``ForAllValues:`` | met | met if all values are met |
| ``Null`` | met for ``true`` | met for ``false`` |

All operators of a block and all keys of an operator must be met; of the values of a key one must
match, or none for a negated operator. Names of keys are case-insensitive.

Sources: IAM user guide, "IAM JSON policy elements: Condition operators", "Set operators for
multivalued context keys", "Conditions with multiple context keys or values".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from mlops_constructs.access.patterns import Lookup, matches, matches_arn, plain, substitute

#: Whether a value of the request matches a value of the policy.
_Match = Callable[[str, str], bool]


class PolicyError(ValueError):
    """A policy that IAM would refuse, so that nobody can say what it allows."""


def meets(conditions: Mapping[str, Any], lookup: Lookup, *, variables: bool) -> bool:
    """Whether a request meets a condition block.

    Args:
        conditions: The block: operator to key to values.
        lookup: What the request says about a key.
        variables: Whether policy variables are filled in (version 2012-10-17).

    Raises:
        PolicyError: An operator does not exist, or the block has another form.
    """
    return all(
        _is_met(name, _values(wanted), lookup(key), lookup, variables=variables)
        for name, keys in blocks(conditions)
        for key, wanted in keys.items()
    )


def blocks(conditions: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The operators of a condition block with their keys.

    Raises:
        PolicyError: The block has another form.
    """
    if not isinstance(conditions, Mapping):
        raise PolicyError("a statement's Condition is no object")
    for name, keys in conditions.items():
        if not isinstance(keys, Mapping):
            raise PolicyError(f"the condition {name} has no keys")
        yield name, keys


def _is_met(
    name: str,
    wanted: Sequence[str],
    given: Sequence[str] | None,
    lookup: Lookup,
    *,
    variables: bool,
) -> bool:
    quantifier, _, base = name.rpartition(":")
    base = base.lower()
    if_exists = base.endswith("ifexists")
    base = base.removesuffix("ifexists")
    if base == "null" and not quantifier and not if_exists:
        return any((not given) == (value.lower() == "true") for value in wanted)
    found = _OPERATORS.get(base)
    if found is None or quantifier.lower() not in ("", "forallvalues", "foranyvalue"):
        raise PolicyError(f"{name} is no condition operator")
    match, negated, takes_variables = found
    if takes_variables and variables:
        filled = [substitute(value, lookup) for value in wanted]
        wanted = [value for value in filled if value is not None]

    def met(value: str) -> bool:
        return any(match(value, pattern) for pattern in wanted) != negated

    if not given:
        return if_exists or quantifier.lower() == "forallvalues" or (negated and not quantifier)
    if quantifier.lower() == "forallvalues" or (negated and not quantifier):
        return all(met(value) for value in given)
    return any(met(value) for value in given)


def _values(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values]


# --- operators ----------------------------------------------------------------------------------


def _equals(value: str, pattern: str) -> bool:
    return value == plain(pattern)


def _equals_ignoring_case(value: str, pattern: str) -> bool:
    return value.lower() == plain(pattern).lower()


def _number(compare: Callable[[Any, Any], bool]) -> _Match:
    def match(value: str, pattern: str) -> bool:
        try:
            return compare(Decimal(value), Decimal(pattern))
        except InvalidOperation:
            return False

    return match


def _date(compare: Callable[[Any, Any], bool]) -> _Match:
    def match(value: str, pattern: str) -> bool:
        first, second = _moment(value), _moment(pattern)
        return first is not None and second is not None and compare(first, second)

    return match


def _moment(text: str) -> datetime | None:
    try:
        if text.lstrip("-").replace(".", "", 1).isdigit() and "-" not in text[1:]:
            if len(text) > len("2024"):
                return datetime.fromtimestamp(float(text), tz=UTC)
            text = f"{text}-01-01"
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _same_flag(value: str, pattern: str) -> bool:
    return value.lower() == pattern.lower()


def _same_bytes(value: str, pattern: str) -> bool:
    try:
        return base64.b64decode(value, validate=True) == base64.b64decode(pattern, validate=True)
    except (binascii.Error, ValueError):
        return False


def _in_range(value: str, pattern: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


#: Lower-case name: how it matches, whether it is negated, whether it takes policy variables.
_OPERATORS: Final[Mapping[str, tuple[_Match, bool, bool]]] = {
    "stringequals": (_equals, False, True),
    "stringnotequals": (_equals, True, True),
    "stringequalsignorecase": (_equals_ignoring_case, False, True),
    "stringnotequalsignorecase": (_equals_ignoring_case, True, True),
    "stringlike": (matches, False, True),
    "stringnotlike": (matches, True, True),
    "arnequals": (matches_arn, False, True),
    "arnlike": (matches_arn, False, True),
    "arnnotequals": (matches_arn, True, True),
    "arnnotlike": (matches_arn, True, True),
    "numericequals": (_number(operator.eq), False, False),
    "numericnotequals": (_number(operator.eq), True, False),
    "numericlessthan": (_number(operator.lt), False, False),
    "numericlessthanequals": (_number(operator.le), False, False),
    "numericgreaterthan": (_number(operator.gt), False, False),
    "numericgreaterthanequals": (_number(operator.ge), False, False),
    "dateequals": (_date(operator.eq), False, False),
    "datenotequals": (_date(operator.eq), True, False),
    "datelessthan": (_date(operator.lt), False, False),
    "datelessthanequals": (_date(operator.le), False, False),
    "dategreaterthan": (_date(operator.gt), False, False),
    "dategreaterthanequals": (_date(operator.ge), False, False),
    "bool": (_same_flag, False, True),
    "binaryequals": (_same_bytes, False, False),
    "ipaddress": (_in_range, False, False),
    "notipaddress": (_in_range, True, False),
}
