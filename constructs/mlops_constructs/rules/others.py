"""Rules about types that have no family of their own."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule

ALGORITHM: Final = "AWS::SageMaker::Algorithm"
DEVICE_FLEET: Final = "AWS::SageMaker::DeviceFleet"
MODEL_CARD: Final = "AWS::SageMaker::ModelCard"
WORKFORCE: Final = "AWS::SageMaker::Workforce"

OT01 = api_rule(
    "OT01", ALGORITHM, DEVICE_FLEET, MODEL_CARD, group="text", kind="resources", family=__name__
)
OT02 = api_rule("OT02", ALGORITHM, group="count", kind="algorithms", family=__name__)
OT03 = api_rule("OT03", WORKFORCE, group="required", kind="workforces", family=__name__)
