"""The SageMaker types that the registry knows, and the regions that lack them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

_TEXT: Final = files("mlops_constructs.rules").joinpath("tables/regions.json").read_text("utf-8")

MISSING_REGIONS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(regions) for name, regions in json.loads(_TEXT).items()
}
"""Of each type, the regions that lack it."""

SAGEMAKER_TYPES: Final = tuple(sorted(MISSING_REGIONS))
