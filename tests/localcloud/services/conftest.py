"""The endpoints that are scaled."""

from tests.localcloud.sagemaker.conftest import serving, slow_clock

__all__ = ["serving", "slow_clock"]
