"""What users see and run in Studio: hidden tools and apps, Docker, images of their own.

Canvas has settings in the API (CreateDomain, CanvasAppSettings) and none in CloudFormation
(registry schema of 2026-10-20); it neither stops when idle by the domain's settings nor works
without further endpoints and rights that no persona has, hence it is hidden. SageMaker Projects and
JumpStart are hidden unless the domain is set up for them (`projects`, `jumpstart`).

Hiding is no permission: a user who may call the API still can. Personas hold that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mlops_constructs.common.accounts import is_account
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio.lifecycle import StudioApp

#: Registry schema, DockerSettings and JupyterLabAppSettings.
_MOST_ACCOUNTS, _MOST_IMAGES = 20, 200
_IMAGE = re.compile(r"[a-zA-Z0-9]([-.]?[a-zA-Z0-9]){0,62}")
_CONFIG = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class StudioTool(Enum):
    """Tools of Studio that can be hidden (registry schema, MlTools)."""

    AUTO_ML = "AutoMl"
    COMET = "Comet"
    DATA_WRANGLER = "DataWrangler"
    DEEPCHECKS = "DeepchecksLLMEvaluation"
    EMR_CLUSTERS = "EmrClusters"
    ENDPOINTS = "Endpoints"
    EXPERIMENTS = "Experiments"
    FEATURE_STORE = "FeatureStore"
    FIDDLER = "Fiddler"
    HYPER_POD_CLUSTERS = "HyperPodClusters"
    INFERENCE_OPTIMIZATION = "InferenceOptimization"
    INFERENCE_RECOMMENDER = "InferenceRecommender"
    JUMP_START = "JumpStart"
    LAKERA_GUARD = "LakeraGuard"
    MODEL_EVALUATION = "ModelEvaluation"
    MODELS = "Models"
    PERFORMANCE_EVALUATION = "PerformanceEvaluation"
    PIPELINES = "Pipelines"
    PROJECTS = "Projects"
    TRAINING = "Training"


class HideableApp(Enum):
    """Apps of Studio that can be hidden (registry schema, AppType)."""

    CANVAS = "Canvas"
    CODE_EDITOR = "CodeEditor"
    DETAILED_PROFILER = "DetailedProfiler"
    JUPYTER_LAB = "JupyterLab"
    R_STUDIO = "RStudioServerPro"
    STUDIO_CLASSIC = "JupyterServer"
    TENSOR_BOARD = "TensorBoard"


@dataclass(frozen=True, kw_only=True)
class StudioPortal:
    """What the web portal of Studio leaves out.

    Attributes:
        hidden_tools: By default JumpStart and Projects, unless the domain is set up for them.
        hidden_apps: By default Canvas.
    """

    hidden_tools: Sequence[StudioTool] = (StudioTool.JUMP_START, StudioTool.PROJECTS)
    hidden_apps: Sequence[HideableApp] = (HideableApp.CANVAS,)

    def settings(self, *, shown: Sequence[StudioTool] = ()) -> dict[str, Any]:
        """The property StudioWebPortalSettings.

        Args:
            shown: Tools that the domain has been set up for, and that are not hidden.
        """
        hidden = {
            "hiddenMlTools": sorted(
                {tool.value for tool in self.hidden_tools if tool not in shown}
            ),
            "hiddenAppTypes": sorted({app.value for app in self.hidden_apps}),
        }
        return {name: values for name, values in hidden.items() if values}


@dataclass(frozen=True, kw_only=True)
class DockerAccess:
    """Docker in spaces, for local mode and for building images.

    Attributes:
        trusted_accounts: Accounts whose images may be pulled; in VpcOnly mode there are no
            others. The domain's own account must be among them to be used.
    """

    trusted_accounts: Sequence[str]

    def check(self, problems: Problems) -> None:
        """Note what is wrong with the accounts."""
        wrong = [a for a in self.trusted_accounts if not is_token(a) and not is_account(a)]
        problems.check(
            not wrong and 1 <= len(self.trusted_accounts) <= _MOST_ACCOUNTS,
            "docker.trusted_accounts",
            got=wrong or f"{len(self.trusted_accounts)} accounts",
            allowed=f"1 to {_MOST_ACCOUNTS} accounts of 12 digits",
            instead="Name the accounts of the registries; leave docker out to forbid it.",
        )


@dataclass(frozen=True, kw_only=True)
class StudioImage:
    """An image that users may choose.

    Attributes:
        image_name: The name of the ``AWS::SageMaker::Image``.
        app_image_config_name: The name of its ``AWS::SageMaker::AppImageConfig``.
        app: The app that it runs in.
        version: One version; the latest unless given.
    """

    image_name: str
    app_image_config_name: str
    app: StudioApp = StudioApp.JUPYTER_LAB
    version: int | None = None

    def settings(self) -> dict[str, Any]:
        """The property CustomImage."""
        found: dict[str, Any] = {
            "imageName": self.image_name,
            "appImageConfigName": self.app_image_config_name,
        }
        return found if self.version is None else {**found, "imageVersionNumber": self.version}


def check_images(problems: Problems, images: Sequence[StudioImage]) -> None:
    """Note everything that is wrong with the images."""
    for app in StudioApp:
        count = sum(image.app is app for image in images)
        problems.check(
            count <= _MOST_IMAGES,
            "custom_images",
            got=f"{count} images for {app.value}",
            allowed=f"up to {_MOST_IMAGES}",
            instead="Keep fewer images; versions of one image need no entry of their own.",
        )
    for number, image in enumerate(images):
        for member, value, pattern in (
            ("image_name", image.image_name, _IMAGE),
            ("app_image_config_name", image.app_image_config_name, _CONFIG),
        ):
            problems.check(
                is_token(value) or pattern.fullmatch(value) is not None,
                f"custom_images[{number}].{member}",
                got=value,
                allowed="up to 63 letters, digits and single hyphens (not an ARN)",
                instead="Write the name, not the ARN.",
            )
        problems.check(
            image.version is None or image.version >= 0,
            f"custom_images[{number}].version",
            got=image.version,
            allowed="0 or more",
            instead="Leave it out for the latest version.",
        )
