"""Takes out of the SDK's definition what must not be committed.

- ``null`` members (an absent experiment or MLflow configuration).
- Environment entries of a registered model that the SDK adds by itself: empty
  ``SAGEMAKER_PROGRAM`` / ``SAGEMAKER_SUBMIT_DIRECTORY`` (they would shadow the image's defaults)
  and ``SAGEMAKER_REGION``, the region of the machine that compiled.
- Empty groups of a registered model's metrics.
- The order of ``DependsOn``, which comes from a set.
- The name of a check's job: the SDK writes a placeholder, and Pipelines names jobs itself.

The container image of a native check is put in as a sentinel, as the SDK takes the one of the
region that it believes to be in; AWS has one such image per region and service.

Network, encryption and isolation settings are refused rather than taken out: the CDK construct
TrainingPipeline sets them on every job, from one place.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline_code.compiler.errors import CompileError

if TYPE_CHECKING:
    from pipeline_code.compiler.context import Context

# JSON as json.loads returns it. mypy has no recursive check worth its noise on mutations.
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

OWNED_BY_THE_CONSTRUCT = frozenset(
    {
        "EnableInterContainerTrafficEncryption",
        "EnableNetworkIsolation",
        "KmsKeyId",
        "NetworkConfig",
        "VolumeKmsKeyId",
        "VpcConfig",
    }
)


# Step type of a native check -> the SDK's list of images, and the version in it.
_CHECK_IMAGES = {"QualityCheck": ("model-monitor", ""), "ClarifyCheck": ("clarify", "1.0")}


def name_check_images(steps: Any, context: "Context") -> None:
    """Put the sentinels of AWS's images into native checks, and leave the naming of jobs out.

    Args:
        steps: A cleaned definition, or a part of it; changed in place.
        context: Who hands out sentinels.
    """
    if isinstance(steps, list):
        for item in steps:
            name_check_images(item, context)
    elif isinstance(steps, dict):
        if steps.get("Type") in _CHECK_IMAGES and "Name" in steps:
            arguments = steps["Arguments"]
            framework, version = _CHECK_IMAGES[steps["Type"]]
            arguments["AppSpecification"]["ImageUri"] = context.image(framework, version=version)
            arguments.pop("ProcessingJobName", None)
        for item in steps.values():
            name_check_images(item, context)


def clean(definition: Json) -> Json:
    """Return the definition without what the SDK adds by itself.

    Raises:
        CompileError: A step sets what the construct sets (`OWNED_BY_THE_CONSTRUCT`).
    """
    return _clean(definition, path="definition")


def _clean(value: Json, *, path: str) -> Json:
    if isinstance(value, list):
        return [_clean(item, path=f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    cleaned: dict[str, Json] = {}
    for key, item in value.items():
        if item is None:
            continue
        if key in OWNED_BY_THE_CONSTRUCT:
            raise CompileError(
                f"{path}.{key} is set in the pipeline. Leave it out: the construct "
                "TrainingPipeline sets network, isolation and encryption on every job."
            )
        if key == "Environment" and isinstance(item, dict):
            item = {  # noqa: PLW2901 (the entry is what is being cleaned)
                name: text
                for name, text in item.items()
                if text != "" and name != "SAGEMAKER_REGION"
            }
            if not item:
                continue
        if key == "ModelMetrics" and isinstance(item, dict):
            item = {name: group for name, group in item.items() if group != {}}  # noqa: PLW2901 (as above)
        if key == "DependsOn" and isinstance(item, list):
            item = sorted(item, key=str)  # noqa: PLW2901 (as above)
        cleaned[key] = _clean(item, path=f"{path}.{key}")
    return cleaned
