"""Reusable AWS CDK constructs for machine learning on Amazon SageMaker AI.

The public names are resolved on first use, so that ``import mlops_constructs.rules`` and the
command line start without loading aws_cdk.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_constructs.common.errors import Problem, ValidationError
    from mlops_constructs.common.network import JobNetwork
    from mlops_constructs.common.removal import allow_data_destruction
    from mlops_constructs.common.tags import CostTags

_HOMES = {
    "CostTags": "common.tags",
    "JobNetwork": "common.network",
    "Problem": "common.errors",
    "ValidationError": "common.errors",
    "allow_data_destruction": "common.removal",
}

__all__ = [
    "CostTags",
    "JobNetwork",
    "Problem",
    "ValidationError",
    "allow_data_destruction",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
