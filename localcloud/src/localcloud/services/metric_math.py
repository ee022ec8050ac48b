"""CloudWatch metric math: the expressions that alarms are made of.

Source: CloudWatch user guide, "Using math expressions with CloudWatch metrics". A series is a list
with one value for each period, ``None`` where there is no data. What an alarm may not use
(``SEARCH``, ``SORT``, …) and anomaly detection are refused.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Series = list[float | None]
Value = float | Series | list[Series]


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_REDUCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "AVG": lambda values: sum(values) / len(values),
    "MAX": max,
    "MIN": min,
    "SUM": sum,
    "STDDEV": _deviation,
}
_EACH: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
}


class ExpressionError(ValueError):
    """An expression that cannot be evaluated; the message says what about it."""


def evaluate(expression: str, series: Mapping[str, Series], *, period: float) -> Series:
    """The series that an expression gives.

    Args:
        expression: Such as ``IF(m1 > 0, 100 * m2 / m1, 0)``.
        series: What its identifiers mean; all have one length.
        period: Seconds of a period.

    Raises:
        ExpressionError: It is no expression, names what is not there, or gives no single series.
    """
    text = re.sub(r"\bAND\b|&&", " and ", re.sub(r"\bOR\b|\|\|", " or ", expression))
    try:
        tree = ast.parse(text.replace("^", "**").strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"{expression!r} is no expression: {error.msg}") from error
    length = max((len(each) for each in series.values()), default=0)
    found = _Evaluation(series, length, period).of(tree.body)
    if isinstance(found, float | int):
        return [float(found)] * length
    if any(isinstance(each, list) for each in found):
        raise ExpressionError(f"{expression!r} gives several time series; an alarm takes one.")
    return cast("Series", found)


class _Evaluation:
    def __init__(self, series: Mapping[str, Series], length: int, period: float) -> None:
        self._series = series
        self._length = length
        self._period = period

    def of(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return float(value)
            case ast.Name(id=name):
                if name not in self._series:
                    raise ExpressionError(f"There is no metric {name!r}.")
                return self._series[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._combined(operator.sub, 0.0, self.of(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self._combined(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return self._combined(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.BoolOp(op=op, values=values):
                any_of = isinstance(op, ast.Or)
                found = self.of(values[0])
                for other in values[1:]:
                    found = self._combined(_either if any_of else _both, found, self.of(other))
                return found
            case ast.List(elts=elements):
                return [self._series_of(self.of(element)) for element in elements]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name.upper(), arguments)
        raise ExpressionError(f"{ast.unparse(node)!r} is not supported here.")

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "METRICS":
            wanted = str(getattr(arguments[0], "value", "")) if arguments else ""
            return [each for key, each in self._series.items() if wanted in key]
        if name == "FILL" and len(arguments) == 2:
            return self._filled(self._series_of(self.of(arguments[0])), arguments[1])
        given = [self.of(argument) for argument in arguments]
        if name == "IF" and len(given) == 3:
            return self._if(*given)
        if name == "PERIOD":
            return float(self._period)
        if name in _REDUCTIONS and len(given) == 1:
            return self._reduced(_REDUCTIONS[name], given[0])
        if name in _EACH and len(given) == 1:
            return [None if v is None else _EACH[name](v) for v in self._series_of(given[0])]
        if name in {"DIFF", "RATE"} and len(given) == 1:
            by = self._period if name == "RATE" else 1.0
            return _differences(self._series_of(given[0]), by)
        raise ExpressionError(f"The function {name} is not supported here.")

    def _if(self, condition: Value, then: Value, otherwise: Value) -> Value:
        if isinstance(condition, float):
            return then if condition else otherwise
        picks = zip(
            self._series_of(condition),
            self._series_of(then),
            self._series_of(otherwise),
            strict=True,
        )
        return [None if c is None else a if c else b for c, a, b in picks]

    def _reduced(self, reduce: Callable[[Sequence[float]], float], given: Value) -> Value:
        if isinstance(given, float):
            return given
        if given and isinstance(given[0], list):
            columns = zip(*given, strict=True)
            found = [[value for value in column if value is not None] for column in columns]
            return [reduce(values) if values else None for values in found]
        values = [value for value in self._series_of(given) if value is not None]
        if not values:
            nothing: Series = [None] * self._length
            return nothing
        return float(reduce(values))

    def _filled(self, series: Series, node: ast.expr) -> Series:
        if isinstance(node, ast.Name) and node.id in {"REPEAT", "LINEAR"}:
            filled, last = [], None
            for value in series:
                last = value if value is not None else last
                filled.append(last)
            return filled
        with_ = self._series_of(self.of(node))
        return [
            other if value is None else value for value, other in zip(series, with_, strict=True)
        ]

    def _combined(self, function: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
        if isinstance(left, float) and isinstance(right, float):
            found = _applied(function, left, right)
            return math.nan if found is None else found
        if isinstance(left, list) and left and isinstance(left[0], list):
            return [self._pair(function, each, right) for each in left]
        return self._pair(function, left, right)

    def _pair(self, function: Callable[[Any, Any], Any], left: Value, right: Value) -> Series:
        pairs = zip(self._series_of(left), self._series_of(right), strict=True)
        return [_applied(function, a, b) for a, b in pairs]

    def _series_of(self, value: Value) -> Series:
        if isinstance(value, float | int):
            return [float(value)] * self._length
        if value and isinstance(value[0], list):
            raise ExpressionError("A single time series is needed, not an array of them.")
        return cast("Series", value)


def _applied(function: Callable[[Any, Any], Any], a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    try:
        return float(function(a, b))
    except (ZeroDivisionError, OverflowError):
        return None  # CloudWatch gives no data point


def _both(a: float, b: float) -> bool:
    return bool(a) and bool(b)


def _either(a: float, b: float) -> bool:
    return bool(a) or bool(b)


def _differences(series: Series, by: float) -> Series:
    pairs = zip([None, *series], series, strict=False)
    return [None if a is None or b is None else (b - a) / by for a, b in pairs]
