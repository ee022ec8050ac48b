"""What the platform is run for: the pipeline's folder and the features that it shares.

The stacks hold nothing of the data set. Another use case is another `UseCase`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_constructs import Feature, FeatureSchema

_PIPELINES = Path(__file__).resolve().parents[1] / "pipeline_code"


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """One model and everything around it.

    Attributes:
        name: Lower case with hyphens; part of every name.
        pipeline: The folder with the compiled definition.
        features: The schema of the feature group.
        missing_values: How the data spells a value that is not known.
        columns: The columns of a request without names, in order.
        ignored: Columns of requests or training data that are no features.
        positive_label: The label that is predicted with a probability.
    """

    name: str
    pipeline: Path
    features: FeatureSchema
    missing_values: tuple[str, ...] = ("",)
    columns: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    positive_label: str = "1"


CENSUS_INCOME = UseCase(
    name="census-income",
    pipeline=_PIPELINES / "census_income",
    features=FeatureSchema(
        record_identifier="person_id",
        event_time="event_time",
        features=(
            Feature.string("person_id"),
            Feature.string("event_time"),
            Feature.integral("age"),
            Feature.string("workclass"),
            Feature.string("education"),
            Feature.integral("education_num"),
            Feature.string("marital_status"),
            Feature.string("occupation"),
            Feature.string("relationship"),
            Feature.string("race"),
            Feature.string("sex"),
            Feature.integral("capital_gain"),
            Feature.integral("capital_loss"),
            Feature.integral("hours_per_week"),
            Feature.string("native_country"),
        ),
    ),
    missing_values=("", "?"),
    columns=(
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education_num",
        "marital_status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "capital_gain",
        "capital_loss",
        "hours_per_week",
        "native_country",
    ),
    ignored=("fnlwgt", "income"),
    positive_label=">50K",
)
