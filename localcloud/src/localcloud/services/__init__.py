"""Services that ministack does not have and that ML platforms use."""

from __future__ import annotations

from localcloud import delivery
from localcloud.delivery.credentials import BuildCredentials
from localcloud.sagemaker import metrics
from localcloud.sagemaker.service import SageMaker
from localcloud.services import autoscaling, lakeformation, pulse
from localcloud.services.json_service import JsonService


def build(cloud: SageMaker, credentials: BuildCredentials) -> dict[str, JsonService]:
    """The services by the name that requests are signed for."""
    scaling = autoscaling.ApplicationAutoScaling(cloud)
    pulse.Pulse(cloud, metrics.Observer(cloud).tick, scaling.alarms.tick, scaling.tick)
    return {
        autoscaling.NAME: scaling.service,
        delivery.NAME: delivery.CodePipeline(cloud, credentials).service,
        lakeformation.NAME: lakeformation.LakeFormation(cloud).service,
    }
