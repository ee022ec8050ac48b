"""Rules about MLflow and partner apps."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule

TRACKING_SERVER: Final = "AWS::SageMaker::MlflowTrackingServer"
MLFLOW_APP: Final = "AWS::SageMaker::MlflowApp"
PARTNER_APP: Final = "AWS::SageMaker::PartnerApp"

ML01 = api_rule(
    "ML01", TRACKING_SERVER, MLFLOW_APP, group="text", kind="MLflow resources", family=__name__
)
ML02 = api_rule("ML02", PARTNER_APP, group="text", kind="partner apps", family=__name__)
