"""Services that ministack does not have and that ML platforms use."""

from __future__ import annotations

from localcloud.sagemaker.service import SageMaker
from localcloud.services import autoscaling, lakeformation
from localcloud.services.json_service import JsonService


def build(cloud: SageMaker) -> dict[str, JsonService]:
    """The services by the name that requests are signed for."""
    return {
        autoscaling.NAME: autoscaling.ApplicationAutoScaling(cloud).service,
        lakeformation.NAME: lakeformation.LakeFormation(cloud).service,
    }
