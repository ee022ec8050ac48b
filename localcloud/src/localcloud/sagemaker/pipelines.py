"""Pipelines: their definitions."""

from __future__ import annotations

from localcloud.dag.definition import parse
from localcloud.errors import ServiceError, invalid
from localcloud.sagemaker import checks, crud, errors
from localcloud.sagemaker.adapters import EmulatorObjects
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker, operation
from localcloud.sagemaker.store import Json, Record

RUNNING = frozenset({"Executing", "Stopping"})
"""The statuses of executions that have not ended."""


@operation("CreatePipeline")
def create_pipeline(cloud: SageMaker, request: Json) -> Json:
    """Keep a pipeline with its definition, read from S3 where the request points there."""
    return crud.create(cloud, kind("Pipeline"), "CreatePipeline", _with_body(cloud, request))


@operation("UpdatePipeline")
def update_pipeline(cloud: SageMaker, request: Json) -> Json:
    """Change a pipeline; executions that run keep their definition."""
    record = cloud.require("Pipeline", request, "UpdatePipeline")
    changes = {n: v for n, v in request.items() if n not in {"PipelineName", "ClientRequestToken"}}
    if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
        changes["PipelineDefinition"] = _with_body(cloud, request)["PipelineDefinition"]
    changes.pop("PipelineDefinitionS3Location", None)
    checks.before_store(cloud, "Pipeline", {**record.data, **changes})
    cloud.touch(record, **changes)
    return record.data


@crud.before_delete("Pipeline")
def _refuse_while_running(cloud: SageMaker, record: Record, operation_name: str) -> None:
    if any(r.data["PipelineExecutionStatus"] in RUNNING for r in executions(cloud, record)):
        raise errors.in_use(
            operation_name,
            f"Pipeline {record.arn} has running executions. Stop them, or wait for their end.",
        )


def executions(cloud: SageMaker, pipeline: Record) -> list[Record]:
    """The executions of a pipeline, the latest first."""
    found = [
        record
        for record in cloud.store.records(cloud.scope, "PipelineExecution")
        if record.data["PipelineArn"] == pipeline.arn
    ]
    return sorted(found, key=lambda record: float(record.data["CreationTime"]), reverse=True)


def _with_body(cloud: SageMaker, request: Json) -> Json:
    body, location = request.get("PipelineDefinition"), request.get("PipelineDefinitionS3Location")
    if bool(body) == bool(location):
        raise invalid(
            "Exactly one of PipelineDefinition and PipelineDefinitionS3Location must be given."
        )
    if location:
        try:
            objects = EmulatorObjects(cloud, cloud.scope)
            content = objects.get(location["Bucket"], location["ObjectKey"])
        except ServiceError as error:
            place = f"s3://{location['Bucket']}/{location['ObjectKey']}"
            raise invalid(f"Pipeline definition not found at {place}: {error.message}") from error
        body = content.decode()
    parse(body or "")
    dropped = {"ClientRequestToken", "PipelineDefinitionS3Location"}
    data = {name: value for name, value in request.items() if name not in dropped}
    return {**data, "PipelineDefinition": body}
