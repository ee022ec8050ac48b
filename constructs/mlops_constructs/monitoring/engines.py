"""Who does the analysis.

| | `OpenEngine` (default) | `NativeEngine` |
|---|---|---|
| runs | a scheduled SageMaker pipeline with our analysis | Model Monitor's schedules |
| open to | everybody | accounts that used Model Monitor before it closed to new customers |
| monitors | all four | all four |
| targets | capture, any S3 data set | capture, batch transform capture |
| schedules | hourly to daily, once, on ground truth | hourly to daily, once |
| baselines | the package's, given, the reference | the package's, given, made of the reference |
| violations | count by severity, event with the features | event with the job's exit message |
| answers to false alarms | rate per run, effect-size floor | distance threshold |
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_cdk import Duration

from mlops_constructs.common.images import FrameworkImage
from mlops_constructs.common.network import JobNetwork


@dataclass(frozen=True, kw_only=True)
class _Jobs:
    """How the jobs of an engine run.

    Attributes:
        network: The VPC; without it jobs run in AWS's own network. The VPC needs endpoints for
            S3, CloudWatch metrics and logs, EventBridge, the SageMaker API, ECR and KMS, or a way
            out.
        instance_type: An ML instance without local storage, which takes no volume key.
        volume_size_gb: 1 to 16,384.
        max_runtime: After that a job is stopped; at most the time between runs.
    """

    network: JobNetwork | None = None
    instance_type: str = "ml.m5.large"
    volume_size_gb: int = 20
    max_runtime: Duration = field(default_factory=lambda: Duration.minutes(30))


@dataclass(frozen=True, kw_only=True)
class OpenEngine(_Jobs):
    """Our analysis in AWS's scikit-learn container, or XGBoost's where models are explained.

    Attributes:
        image: Another image with Python 3.9 or later, numpy, scipy, pyarrow and boto3.
    """

    image: FrameworkImage | None = None


@dataclass(frozen=True, kw_only=True)
class NativeEngine(_Jobs):
    """SageMaker Model Monitor and Clarify, for accounts that have them."""


Engine = OpenEngine | NativeEngine
