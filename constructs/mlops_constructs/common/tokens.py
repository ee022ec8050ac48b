"""Recognise CDK tokens without asking jsii: a check of one value must not cost a round trip."""

from __future__ import annotations

from typing import TypeGuard

# A number token is encoded as a double near -1.888e+289 (aws-cdk-lib core/lib/private/encoding.ts).
_NUMBER_TOKEN_ABOVE = -1e288


def is_token(value: object) -> bool:
    """Whether a string, number or list stands for a value that is known only at deploy time."""
    if isinstance(value, str):
        return "${Token[" in value or "#{Token[" in value
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return value < _NUMBER_TOKEN_ABOVE
    if isinstance(value, list | tuple):
        return any(is_token(item) for item in value)
    return value is not None and hasattr(value, "resolve")


def is_literal(value: str | None) -> TypeGuard[str]:
    """Whether a string is there and known at synth."""
    return value is not None and not is_token(value)
