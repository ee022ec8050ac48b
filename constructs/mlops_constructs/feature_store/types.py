"""A feature: a name and one of three types; and the operations on records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FeatureType(StrEnum):
    """The three types of Feature Store."""

    STRING = "String"
    INTEGRAL = "Integral"
    FRACTIONAL = "Fractional"


@dataclass(frozen=True)
class Feature:
    """A feature: `Feature.string("person_id")`, `Feature.integral("age")`, ….

    Attributes:
        name: At most 64 letters, digits and inner hyphens or underscores.
        type: What its values are.
    """

    name: str
    type: FeatureType

    @classmethod
    def string(cls, name: str) -> Feature:
        """A feature of text, or of an ISO-8601 time."""
        return cls(name, FeatureType.STRING)

    @classmethod
    def integral(cls, name: str) -> Feature:
        """A feature of whole numbers (64 bits)."""
        return cls(name, FeatureType.INTEGRAL)

    @classmethod
    def fractional(cls, name: str) -> Feature:
        """A feature of decimal numbers, or of a time in seconds since 1970."""
        return cls(name, FeatureType.FRACTIONAL)


class Operation(StrEnum):
    """Runtime operations whose metrics are kept by group; see `BatchOperation` for the others."""

    GET_RECORD = "GetRecord"
    PUT_RECORD = "PutRecord"
    DELETE_RECORD = "DeleteRecord"


class BatchOperation(StrEnum):
    """Runtime operations whose metrics are kept for all groups of an account and region."""

    BATCH_GET_RECORD = "BatchGetRecord"
    BATCH_WRITE_RECORD = "BatchWriteRecord"
