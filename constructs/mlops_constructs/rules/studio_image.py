"""Rules about custom images of Studio."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Problems, show

APP_IMAGE_CONFIG: Final = "AWS::SageMaker::AppImageConfig"
IMAGE: Final = "AWS::SageMaker::Image"
IMAGE_VERSION: Final = "AWS::SageMaker::ImageVersion"

_CONFIGS: Final = (
    "KernelGatewayImageConfig",
    "JupyterLabAppImageConfig",
    "CodeEditorAppImageConfig",
)


@rule(
    "DM11",
    APP_IMAGE_CONFIG,
    fix=f"Give one of {', '.join(_CONFIGS)}",
    source="botocore CreateAppImageConfig",
)
def one_image_config(config: Resource) -> Problems:
    """An app image configuration is for one kind of app."""
    given = [member for member in _CONFIGS if config[member].present]
    if len(given) > 1:
        yield config.problem(f"{' and '.join(given)} are given")
    elif all(config[member].absent for member in _CONFIGS):
        yield config.problem("No app image configuration is given")


@rule(
    "DM20",
    IMAGE_VERSION,
    fix="Take ImageName from Fn::GetAtt ImageName or Ref of the Image, or add DependsOn",
    source="botocore CreateImageVersion.ImageName",
)
def image_first(version: Resource) -> Problems:
    """An image is made before its version."""
    name = version["ImageName"]
    image = version.scope.find([IMAGE], "ImageName", name)
    if image is not None and not version.depends(image):
        yield name.problem(f"The version does not wait for the image {image.logical_id}")


@rule(
    "DM21",
    IMAGE_VERSION,
    fix="Push the image to ECR and give its URI",
    source="botocore CreateImageVersion.BaseImage",
)
def base_image_in_ecr(version: Resource) -> Problems:
    """The base image of a version is in Amazon ECR."""
    image = version["BaseImage"]
    registry = (image.text or "").partition("/")[0]
    if image.text and ".dkr.ecr" not in registry and "public.ecr.aws" not in registry:
        yield image.problem(f"BaseImage is {show(image.text)}")


DM22 = api_rule(
    "DM22", APP_IMAGE_CONFIG, IMAGE_VERSION, group="text", kind="custom images", family=__name__
)
