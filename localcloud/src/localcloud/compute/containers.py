"""Which local environment stands in for which container image.

No image is pulled and no Docker is used: a job runs in a Python environment that holds the
libraries of AWS's framework containers. Images are recognised by their repository name, so any
region, account and tag will do; the versions are those of ``localcloud/containers/uv.lock``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localcloud.errors import ServiceError

Framework = Literal["xgboost", "sklearn"]

CONTAINERS = Path(__file__).resolve().parents[3] / "containers"

STAND_INS: dict[str, Framework] = {
    "sagemaker-xgboost": "xgboost",
    "sagemaker-scikit-learn": "sklearn",
}
"""Repository name → how the framework serves models. All run in ``containers/.venv``."""


@dataclass(frozen=True)
class StandIn:
    """The local environment that takes the place of an image."""

    image: str
    framework: Framework
    environment: Path

    @property
    def bin(self) -> Path:
        """The folder that goes first on the PATH, so that ``python3`` is this environment's."""
        return self.environment / "bin"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.bin / "python3"

    def path_variable(self) -> str:
        """PATH inside the container: the environment, then the machine's tools."""
        return os.pathsep.join([str(self.bin), "/usr/local/bin", "/usr/bin", "/bin"])


def stand_in(image: str) -> StandIn:
    """The stand-in for an image URI.

    Raises:
        ServiceError: ``ValidationException`` for an image without a stand-in, or when the
            environment has not been set up.
    """
    repository = re.sub(r"(@sha256:.*|:[^:/]*)$", "", image).rsplit("/", 1)[-1]
    framework = STAND_INS.get(repository)
    if framework is None:
        raise ServiceError(
            "ValidationException",
            f"The local cloud has no stand-in for the image {image!r}. It runs no Docker; it knows "
            f"images whose repository is one of: {', '.join(sorted(STAND_INS))}. To add one, put "
            "its libraries into localcloud/containers/pyproject.toml and its repository name into "
            "STAND_INS of localcloud/compute/containers.py.",
        )
    found = StandIn(image, framework, CONTAINERS / ".venv")
    if not found.python.exists():
        raise ServiceError(
            "ValidationException",
            f"The environment that stands in for {image!r} is missing: {found.environment}. "
            "Make it with `make setup`.",
        )
    return found
