"""Models as local processes with the inference contract of SageMaker."""

from localcloud.serving.instances import (
    Call,
    Container,
    Instance,
    NoCapacityError,
    Pool,
    PoolClosedError,
    Reply,
    ThrottledError,
)
from localcloud.serving.model_process import Answer, ModelProcess
from localcloud.serving.multi_model import MultiModel
from localcloud.serving.serverless import ServerlessPool

__all__ = [
    "Answer",
    "Call",
    "Container",
    "Instance",
    "ModelProcess",
    "MultiModel",
    "NoCapacityError",
    "Pool",
    "PoolClosedError",
    "Reply",
    "ServerlessPool",
    "ThrottledError",
]
