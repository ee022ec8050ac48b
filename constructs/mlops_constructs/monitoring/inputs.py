"""What is monitored, against what, and for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

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
        file_format: What the native engine is told of the files; the open one looks at their
            names.
    """

    columns: Sequence[str] = ()
    file_format: Literal["csv", "jsonl", "parquet"] = "csv"


@dataclass(frozen=True, kw_only=True)
class EndpointCapture(S3Folder):
    """What an endpoint with data capture was asked.

    ``bucket`` and ``prefix`` are the endpoint's capture destination; the service adds the
    endpoint's name, the variant and the hour.

    Attributes:
        endpoint_name: The endpoint. Not serverless and not multi-model: these capture nothing.
    """

    endpoint_name: str


@dataclass(frozen=True, kw_only=True)
class PackageBaselines:
    """Baselines that come with the model: a new one is compared with its own training data.

    A run asks which model package the endpoint serves (for a data set: which is the newest approved
    one of the group) and takes from its ``DriftCheckBaselines`` or ``ModelMetrics`` the reference
    data, constraints and configuration of each monitor, and its artifact for the attributions.
    What a package lacks is taken from the monitor's own arguments.

    The native engine's job definitions name fixed places: a machine copies the package's files
    there (`package_copies`). Of `AttributionDrift` it takes the constraints only, because no
    package names the model that Clarify is to ask; reference data are not used.

    Attributes:
        model_package_group_name: The group whose packages are served.
        folders: Where the packages' files and artifacts are.
    """

    model_package_group_name: str
    folders: Sequence[S3Folder]


@dataclass(frozen=True, kw_only=True)
class TrainedModel(S3Folder):
    """A ``model.tar.gz`` with its inference code; ``prefix`` is its key."""


Target = EndpointCapture | S3Dataset


@dataclass(frozen=True, kw_only=True)
class DataQuality:
    """Schema, completeness, ranges, unknown categories and drift of each feature.

    Attributes:
        reference: The data that is normal, such as what the model was trained on; may be left out
            with `PackageBaselines`. Of CSV or JSON Lines the native engine has the service make
            constraints and statistics while the stack is deployed, unless ``constraints`` is given.
        constraints: A folder with ``constraints.json``, and for the native engine also with
            ``statistics.json``; without it, a reference and `PackageBaselines` that engine only
            collects statistics. People may edit it: its limits, for all features or for one, are
            tolerances of the open engine, too.
        ignore: Columns that are not looked at, such as the label.
        capture_columns: The names, in order, of what requests carry without names (CSV, lists);
            by default the reference's columns without the ignored ones.
        missing_values: Spellings of a missing value in text.
        false_alarm_rate: The probability that a run on unchanged data reports anything, for all
            features and pairs of features together (Holm); above 0, at most 0.5.
        drift_floor: The smallest change that counts as drift, 0 to 1: the gap between two
            distribution functions, or the share of rows that changed category.
    """

    reference: S3Dataset | None = None
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
            inference id or, where callers give none, event id. May be left out for a data set
            with a ``label_attribute``.
        inference_attribute: The prediction's index or path in the answer; a data set's column.
        probability_attribute: The probability's index, path or column, for binary models.
        probability_threshold: From where on a probability means yes.
        constraints: A folder with ``constraints.json``; without it metrics are only published.
        positive_label: The positive label of a binary model. Used by the open engine.
        label_delay_hours: How many hours labels may take: so much later the open engine looks at
            a prediction. 0 to 168.
        label_attribute: The column with the truth, in a data set that holds it, such as the output
            of a batch transform joined with its input. Used by the open engine.
        event_id_attribute: The column with the id by which a data set's rows are joined with
            ``ground_truth``. Used by the open engine.
    """

    problem_type: ProblemType
    ground_truth: S3Folder | None = None
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    probability_threshold: float | None = None
    constraints: S3Folder | None = None
    positive_label: str = "1"
    label_delay_hours: int = 0
    label_attribute: str | None = None
    event_id_attribute: str | None = None


@dataclass(frozen=True, kw_only=True)
class BiasDrift:
    """Differences between groups of people, in labels and in predictions.

    Attributes:
        config: A folder with ``analysis_config.json`` in the layout of SageMaker Clarify. The open
            engine reads ``headers``, ``label``, ``label_values_or_threshold``, ``facet`` and
            ``group_variable``. May be left out with `PackageBaselines`.
        ground_truth: Labels below ``yyyy/mm/dd/hh`` in the service's layout (JSON Lines). May be
            left out for a data set with a ``label_attribute``.
        inference_attribute: The prediction's index or path in the answer; a data set's column.
        probability_attribute: The probability's index, path or column.
        probability_threshold: From where on a probability means yes.
        constraints: A folder with ``constraints.json``, the measures of the training data: what
            lies between them and no difference is allowed.
        tolerance: By how much a measure may leave what is allowed, 0 to below 1. Used by the open
            engine.
        label_attribute: The column with the truth, in a data set that holds it. Used by the open
            engine.
        event_id_attribute: The column with the id by which a data set's rows are joined with
            ``ground_truth``. Used by the open engine.
    """

    config: S3Folder | None = None
    ground_truth: S3Folder | None = None
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    probability_threshold: float | None = None
    constraints: S3Folder | None = None
    tolerance: float = 0.05
    label_attribute: str | None = None
    event_id_attribute: str | None = None


@dataclass(frozen=True, kw_only=True)
class AttributionDrift:
    """Which features the predictions rest on: Clarify's nDCG of their Shapley values.

    The open engine loads the model from its artifact, with the inference code that it is served
    with (``model_fn``, ``input_fn``, ``predict_fn``, ``output_fn``; JSON in and out), in AWS's
    XGBoost container unless `OpenEngine` names another image. If that code has an
    ``explain_fn(data, model)`` that returns names and exact values, these count.

    Attributes:
        model: The artifact, for the open engine; may be left out with `PackageBaselines`.
        reference: What the window is compared with; by default that of `DataQuality`, or what
            `PackageBaselines` bring. The native engine has Clarify explain it while the stack is
            deployed, unless ``constraints`` is given.
        threshold: An nDCG below it is a violation; 0.9 is the service's and the native engine's.
        share_floor: The smallest change of a feature's share of all attribution that counts, 0 to
            below 1. Used by the open engine, which also compares shares.
        explained_records: How many records of the window are explained, 20 to 5,000. Used by the
            open engine.
        config: A folder with ``analysis_config.json`` of SageMaker Clarify, for the native engine.
        model_name: The model that Clarify puts behind an endpoint of its own for each run, for the
            native engine.
        shadow_endpoint_prefix: What that endpoint's name begins with: the same as
            ``predictor.endpoint_name_prefix`` in the configuration.
        features_attribute: The features' path in the request. Used by the native engine.
        inference_attribute: The prediction's index or path in the answer.
        probability_attribute: The probability's index or path, which is explained rather than the
            prediction. Used by the open engine.
        constraints: A folder with ``constraints.json`` in Clarify's layout; without it the open
            engine explains the reference.
    """

    model: TrainedModel | None = None
    reference: S3Dataset | None = None
    threshold: float = 0.9
    share_floor: float = 0.05
    explained_records: int = 200
    config: S3Folder | None = None
    model_name: str | None = None
    shadow_endpoint_prefix: str = "clarify-shadow"
    features_attribute: str | None = None
    inference_attribute: str | None = None
    probability_attribute: str | None = None
    constraints: S3Folder | None = None


Monitor = DataQuality | ModelQuality | BiasDrift | AttributionDrift
