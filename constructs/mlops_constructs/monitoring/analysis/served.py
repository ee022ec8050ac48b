"""Which model is served, and the baselines that its package brings with it.

A model package names the files that its training made (``DriftCheckBaselines``, or where it has
none ``ModelMetrics``), so a new model is compared with its own training data from its first hour
on. For an endpoint it is the package that the endpoint serves, not the newest in the registry;
otherwise the newest approved one of the group.

| of the package | is |
|---|---|
| ``CustomerMetadataProperties.reference-data`` or ``.training-data`` | the reference data |
| ``ModelDataQuality.Statistics`` | else the reference data, if data lie beside the file |
| ``ModelDataQuality.Constraints`` | tolerances of data quality |
| ``ModelQuality.Constraints`` | limits of model quality |
| ``Bias.ConfigFile``, ``Bias.PostTrainingConstraints`` or ``PreTrainingConstraints`` | of bias |
| ``Explainability.Constraints`` | the baseline of attributions |
| the first container's artifact | the model that attributions are of |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import AnalysisError

#: The keys of a package's metadata that may say where its reference data lie.
REFERENCE_KEYS = ("reference-data", "training-data")


@dataclass(frozen=True)
class Served:
    """What a package brings.

    Attributes:
        package: Its ARN.
        version: Its version in the group, as text.
        places: Where its files are, by the option of the analysis that they stand for.
        program: The file with the inference code, if the package names one.
    """

    package: str
    version: str
    places: dict[str, str] = field(default_factory=dict)
    program: str | None = None


class NothingServedError(AnalysisError):
    """There is no model to compare with yet."""


def find_served(endpoint: str, group: str) -> Served:
    """Ask SageMaker which package is served.

    Args:
        endpoint: The endpoint's name; empty when no endpoint is monitored.
        group: The model package group, for what is no endpoint.

    Raises:
        NothingServedError: If there is no endpoint, or no approved package.
        AnalysisError: If the endpoint serves a model without a package.
    """
    import boto3  # type: ignore[import-untyped,unused-ignore]  # it ships no types
    from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]  # as above

    client = boto3.client(
        "sagemaker",
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 4}),
    )
    arn = _of_endpoint(client, endpoint) if endpoint else _of_group(client, group)
    return read_package(client.describe_model_package(ModelPackageName=arn))


def read_package(package: Mapping[str, Any]) -> Served:
    """What the answer of DescribeModelPackage says."""
    baselines, metrics = package.get("DriftCheckBaselines", {}), package.get("ModelMetrics", {})

    def file(*path: str) -> str:
        for source in (baselines, metrics):
            found: Any = source
            for key in path:
                found = found.get(key) or {}
            if found.get("S3Uri"):
                return str(found["S3Uri"])
        return ""

    statistics = file("ModelDataQuality", "Statistics")
    metadata = package.get("CustomerMetadataProperties", {})
    reference = next((metadata[key] for key in REFERENCE_KEYS if metadata.get(key)), "")
    container: Mapping[str, Any] = next(
        iter(package.get("InferenceSpecification", {}).get("Containers", [])), {}
    )
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    places = {
        "reference": reference or (statistics.rsplit("/", 1)[0] if statistics else ""),
        "data_constraints": file("ModelDataQuality", "Constraints"),
        "quality_constraints": file("ModelQuality", "Constraints"),
        "bias_config": file("Bias", "ConfigFile"),
        "bias_constraints": file("Bias", "PostTrainingConstraints")
        or file("Bias", "PreTrainingConstraints"),
        "attribution_baseline": file("Explainability", "Constraints"),
        "model": container.get("ModelDataUrl") or source.get("S3Uri", ""),
    }
    return Served(
        package=str(package["ModelPackageArn"]),
        version=str(package.get("ModelPackageVersion", "")),
        places={name: place for name, place in places.items() if place},
        program=container.get("Environment", {}).get("SAGEMAKER_PROGRAM"),
    )


def _of_endpoint(client: Any, endpoint: str) -> str:
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
    except client.exceptions.ClientError as error:
        if "Could not find" in str(error):  # SageMaker has no error code of its own for it
            raise NothingServedError(f"There is no endpoint {endpoint} yet.") from error
        raise
    config = client.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    variants = config.get("ProductionVariants", [])
    if not variants or not variants[0].get("ModelName"):
        raise AnalysisError(f"The endpoint {endpoint} has no variant with a model of its own.")
    main = max(variants, key=lambda each: each.get("InitialVariantWeight", 1))
    model = client.describe_model(ModelName=main["ModelName"])
    container: Mapping[str, Any] = model.get("PrimaryContainer") or next(
        iter(model.get("Containers", [])), {}
    )
    package = container.get("ModelPackageName")
    if not package:
        raise AnalysisError(
            f"The endpoint {endpoint} serves {main['ModelName']}, which was not made from a model "
            "package: give the monitors a reference and constraints of their own."
        )
    return str(package)


def _of_group(client: Any, group: str) -> str:
    packages = client.list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    if not packages:
        raise NothingServedError(f"The group {group} has no approved model yet.")
    return str(packages[0]["ModelPackageArn"])
