"""The function of the step FindChampion: which model is in production?

The platform keeps the version that is released in the SSM parameter
``/mlops/<model package group>/approved-model``; ``none`` stands there, or the parameter does not
exist, before the first release.

Request: ``champion`` (``registry`` for the version in production, ``none`` for no model, or the
ARN of a version), ``group`` (the model package group) and ``otherwise`` (the artifact that the
answer names when there is no model: a processing job's input has to exist). Answer: ``version``,
an ARN or ``none``, and ``model``, the S3 URI of the artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

NO_MODEL = "none"
IN_PRODUCTION = "registry"


def handler(event: Mapping[str, str], context: object) -> dict[str, str]:
    """Answer one request of the pipeline."""
    del context
    return find(event, boto3.client)


def find(request: Mapping[str, str], client: Callable[[str], Any]) -> dict[str, str]:
    """Look the model up.

    Args:
        request: What the step passes.
        client: Makes the client of a service by its name.

    Raises:
        ValueError: The request names no version, or one without an artifact.
    """
    version = request["champion"]
    if version == IN_PRODUCTION:
        version = _in_production(request["group"], client("ssm"))
    if version == NO_MODEL:
        return {"version": NO_MODEL, "model": request["otherwise"]}
    if not version.startswith("arn:"):
        raise ValueError(
            f"Parameter Champion is {version!r}; allowed: {IN_PRODUCTION!r}, {NO_MODEL!r}, or the "
            "ARN of a model package version."
        )
    package = client("sagemaker").describe_model_package(ModelPackageName=version)
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    uri = containers[0].get("ModelDataUrl") if containers else None
    if not uri:
        raise ValueError(f"{version} has no model artifact to compare with.")
    return {"version": version, "model": uri}


def _in_production(group: str, ssm: Any) -> str:
    name = f"/mlops/{group}/approved-model"
    try:
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return NO_MODEL
        raise
