"""What happens to the service's state when an instance stops and starts again."""

from __future__ import annotations

import logging
import time

from localcloud import emulator
from localcloud.sagemaker import components, endpoints, offline_store
from localcloud.sagemaker.kinds import kinds
from localcloud.sagemaker.lifecycle import LIFECYCLES
from localcloud.sagemaker.pipelines import RUNNING
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Record

logger = logging.getLogger("localcloud.restart")

_INTERRUPTED = "InternalServerError: the local cloud was stopped while this ran."


def save(cloud: SageMaker) -> None:
    """Write the records, if the instance keeps state."""
    if cloud.state_file:
        offline_store.flush(cloud)
        cloud.store.save(cloud.state_file)


def load(cloud: SageMaker) -> None:
    """Read the records and go on: endpoints start their models, what was running has failed."""
    if not cloud.state_file:
        return
    cloud.store.load(cloud.state_file)
    for scope, record in cloud.store.everything():
        with emulator.within(scope):
            _resume(cloud, record)


def _resume(cloud: SageMaker, record: Record) -> None:
    lifecycle = LIFECYCLES.get(record.kind)
    member = kinds()[record.kind].status_member if record.kind in kinds() else None
    if record.kind == "Endpoint":
        if record.data["EndpointStatus"] == "Deleting":
            cloud.store.remove(cloud.scope, record)
        elif record.data["EndpointStatus"] != "Failed":
            endpoints.restore(cloud, record)
    elif record.kind == "InferenceComponent":
        if record.data["InferenceComponentStatus"] == "Deleting":
            cloud.store.remove(cloud.scope, record)
        elif record.data["InferenceComponentStatus"] != "Failed":
            components.restore(cloud, record)
    elif (
        record.kind.endswith("Job") and member and record.data[member] in {"InProgress", "Stopping"}
    ):
        record.data |= {member: "Failed", "FailureReason": _INTERRUPTED}
    elif record.kind == "PipelineExecution" and record.data["PipelineExecutionStatus"] in RUNNING:
        record.data |= {
            "PipelineExecutionStatus": "Failed",
            "FailureReason": _INTERRUPTED,
            "LastModifiedTime": time.time(),
        }
    elif lifecycle and member:
        if record.data.get(member) == lifecycle.deleting:
            cloud.store.remove(cloud.scope, record)
        elif record.data.get(member) in {lifecycle.creating, lifecycle.updating}:
            record.data[member] = lifecycle.ready
