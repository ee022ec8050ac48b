"""What is monitored, against what, and for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from aws_cdk import aws_s3 as s3


@dataclass(frozen=True, kw_only=True)
class S3Folder:
    """A place in S3.

    Attributes:
        bucket: The bucket, in the monitor's region.
        prefix: Without outer slashes.
    """

    bucket: s3.IBucket
    prefix: str

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket.bucket_name}/{self.prefix}"


@dataclass(frozen=True, kw_only=True)
class S3Dataset(S3Folder):
    """CSV (also ``.csv.gz``), JSON Lines (``.jsonl``) or Parquet files below a prefix.

    Attributes:
        columns: Names for CSV without a header; leave out when the first line holds them.
    """

    columns: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class EndpointCapture(S3Folder):
    """What an endpoint with data capture was asked.

    ``bucket`` and ``prefix`` are the endpoint's capture destination; the service adds the
    endpoint's name, the variant and the hour.

    Attributes:
        endpoint_name: The endpoint. Not serverless and not multi-model: these capture nothing.
    """

    endpoint_name: str


Target = EndpointCapture | S3Dataset


@dataclass(frozen=True, kw_only=True)
class DataQuality:
    """Schema, completeness, ranges, unknown categories and drift of each feature.

    Attributes:
        reference: The data that is normal, such as what the model was trained on. Used by the
            open engine.
        constraints: A folder with ``statistics.json`` and ``constraints.json``, for the native
            engine; without it that engine only collects statistics.
        ignore: Columns that are not looked at, such as the label.
        capture_columns: The names, in order, of what requests carry without names (CSV, lists);
            by default the reference's columns without the ignored ones.
        missing_values: Spellings of a missing value in text.
        false_alarm_rate: The probability that a run on unchanged data reports anything, for all
            features and pairs of features together (Holm); above 0, at most 0.5.
        drift_floor: The smallest change that counts as drift, 0 to 1: the gap between two
            distribution functions, or the share of rows that changed category.
    """

    reference: S3Dataset
    constraints: S3Folder | None = None
    ignore: Sequence[str] = ()
    capture_columns: Sequence[str] = ()
    missing_values: Sequence[str] = ("", "NA", "NaN", "nan", "null", "None")
    false_alarm_rate: float = 0.01
    drift_floor: float = 0.03


class ProblemType(StrEnum):
    """What a model predicts (registry schema of ModelQualityJobDefinition)."""

    BINARY = "BinaryClassification"
    MULTICLASS = "MulticlassClassification"
    REGRESSION = "Regression"


@dataclass(frozen=True, kw_only=True)
class ModelQuality:
    """Predictions against the truth.

    Attributes:
        problem_type: What the model predicts.
        ground_truth: Labels below ``yyyy/mm/dd/hh`` in the service's layout (JSON Lines), joined by
            inference id or, where callers give none, event id.
        inference_attribute: The prediction's index or path in the answer.
        probability_attribute: The probability's index or path, for binary models.
        probability_threshold: From where on a probability means yes.
        constraints: A folder with ``constraints.json``; without it metrics are only published.
        positive_label: The positive label of a binary model. Used by the open engine.
        label_delay_hours: How many hours labels may take: so much later the open engine looks at
            a prediction. 0 to 168.
    """

    problem_type: ProblemType
    ground_truth: S3Folder
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    probability_threshold: float | None = None
    constraints: S3Folder | None = None
    positive_label: str = "1"
    label_delay_hours: int = 0


@dataclass(frozen=True, kw_only=True)
class BiasDrift:
    """Differences between groups of people, in labels and in predictions.

    Attributes:
        config: A folder with ``analysis_config.json`` in the layout of SageMaker Clarify. The open
            engine reads ``headers``, ``label``, ``label_values_or_threshold``, ``facet`` and
            ``group_variable``.
        ground_truth: Labels below ``yyyy/mm/dd/hh`` in the service's layout (JSON Lines).
        inference_attribute: The prediction's index or path in the answer.
        probability_attribute: The probability's index or path.
        probability_threshold: From where on a probability means yes.
        constraints: A folder with ``constraints.json``, the measures of the training data: what
            lies between them and no difference is allowed.
        tolerance: By how much a measure may leave what is allowed, 0 to below 1. Used by the open
            engine.
    """

    config: S3Folder
    ground_truth: S3Folder
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    probability_threshold: float | None = None
    constraints: S3Folder | None = None
    tolerance: float = 0.05


@dataclass(frozen=True, kw_only=True)
class AttributionDrift:
    """Which features the predictions rest on. Native engine only.

    Attributes:
        config: A folder with ``analysis_config.json`` of SageMaker Clarify.
        model_name: The model that Clarify puts behind an endpoint of its own for each run.
        shadow_endpoint_prefix: What that endpoint's name begins with: the same as
            ``predictor.endpoint_name_prefix`` in the configuration.
        features_attribute: The features' path in the request.
        inference_attribute: The prediction's index or path in the answer.
        constraints: A folder with ``constraints.json``.
    """

    config: S3Folder
    model_name: str
    shadow_endpoint_prefix: str = "clarify-shadow"
    features_attribute: str | None = None
    inference_attribute: str | None = None
    constraints: S3Folder | None = None


Monitor = DataQuality | ModelQuality | BiasDrift | AttributionDrift
