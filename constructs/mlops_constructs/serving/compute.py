"""What an endpoint runs on.

| compute | for | scales by |
|---|---|---|
| `Instances` | answers within a minute | `add_autoscaling`, from 1 |
| `Asynchronous` | answers within an hour, payloads up to 1 GB in S3 | `add_autoscaling`, from 0 |
| `ManagedInstances` | several models as inference components | copies of components, from 0 |
| `Serverless` | now and then, small models, no GPU | by itself |

They are a union: a mix of them cannot be written. Facts: botocore's model of SageMaker
(``ProductionVariant`` and below, ``AsyncInferenceConfig``) and the SageMaker developer guide,
"Serverless Inference" (feature exclusions), "Asynchronous inference" and "Exclusions" of the
deployment guardrails.
"""

from __future__ import annotations

from mlops_constructs.serving.asynchronous import Asynchronous, AsyncInput, AsyncOutput
from mlops_constructs.serving.fleet import (
    Fleet,
    Instances,
    ManagedInstances,
    PrefixRouting,
    Routing,
    ScaleIn,
)
from mlops_constructs.serving.serverless import Serverless

Compute = Instances | Asynchronous | ManagedInstances | Serverless

__all__ = [
    "AsyncInput",
    "AsyncOutput",
    "Asynchronous",
    "Compute",
    "Fleet",
    "Instances",
    "ManagedInstances",
    "PrefixRouting",
    "Routing",
    "ScaleIn",
    "Serverless",
]
