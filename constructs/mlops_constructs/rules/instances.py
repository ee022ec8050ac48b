"""What the rules know about instance types."""

from __future__ import annotations

import re
from typing import Final

# Amazon EC2 instance types guide: "Instance store specifications" of each category.
_LOCAL_DISK: Final = re.compile(
    r"(g5|gr?6f?|g6e|g7e|dl1|p4de?|p5\w*|p6e?-\w+|trn\d\w*|i\d\w*|[a-z]\d+[a-z]*d[a-z]*)"
)
_FAMILY: Final = re.compile(r"ml\.([a-z0-9-]+)\..+")
_GPU: Final = re.compile(r"(p\d|gr?\d)")
_NEURON: Final = re.compile(r"(inf\d|trn\d)")


def family(instance_type: str) -> str:
    """`g5` of `ml.g5.xlarge`; empty when it is no ml instance type."""
    match = _FAMILY.fullmatch(instance_type[:100])
    return match.group(1) if match else ""


def has_local_disk(instance_type: str) -> bool:
    """Whether its storage is a local NVMe disk, which the hardware encrypts itself."""
    return _LOCAL_DISK.fullmatch(family(instance_type)) is not None


def is_gpu(instance_type: str) -> bool:
    """Whether it carries NVIDIA GPUs."""
    return _GPU.match(family(instance_type)) is not None


def is_neuron(instance_type: str) -> bool:
    """Whether it carries AWS Inferentia or Trainium chips."""
    return _NEURON.match(family(instance_type)) is not None
