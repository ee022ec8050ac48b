"""Takes out of the SDK's definition what must not be committed.

- ``null`` members (an absent experiment or MLflow configuration).
- Environment entries of a registered model that the SDK adds by itself: empty
  ``SAGEMAKER_PROGRAM`` / ``SAGEMAKER_SUBMIT_DIRECTORY`` (they would shadow the image's defaults)
  and ``SAGEMAKER_REGION``, the region of the machine that compiled.
- Empty groups of a registered model's metrics.
- The order of ``DependsOn``, which comes from a set.

Network, encryption and isolation settings are refused rather than taken out: the CDK construct
TrainingPipeline sets them on every job, from one place.
"""

from typing import TypeAlias

from pipeline_code.compiler.errors import CompileError

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
