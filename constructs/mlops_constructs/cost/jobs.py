"""What schedules start: jobs of pipelines and native monitors, by how often they run.

How long a job takes nobody knows from a template; its maximum runtime bounds the cost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.cost.drivers import Document, parameters_of
from mlops_constructs.cost.schedules import runs_per_month
from mlops_constructs.cost.values import document, known, member, number, resources_of, text

# botocore, StoppingCondition and ProcessingStoppingCondition: the default is a day.
_DAY_SECONDS: Final = 86_400
_PIPELINE: Final = re.compile(r':pipeline/(?:\{"Ref": "(?P<id>\w+)"\}|(?P<name>[A-Za-z0-9-]+))$')
_DEFINITIONS: Final = (
    "DataQualityJobDefinition",
    "ModelBiasJobDefinition",
    "ModelExplainabilityJobDefinition",
    "ModelQualityJobDefinition",
)


@dataclass(frozen=True)
class Job:
    """A kind of job that a schedule starts.

    Attributes:
        what: In words.
        instance: The instance type; None if only the deployment knows.
        count: How many instances.
        runs: In an average month; None if not known.
        hours: The longest that a run may take.
    """

    what: str
    instance: str | None
    count: int | None
    runs: float | None
    hours: float


def scheduled(
    template: Document, logical_id: str, pipelines: Mapping[str, dict[str, Any]]
) -> Iterator[Job]:
    """The jobs that a resource of a template starts.

    Args:
        template: The template.
        logical_id: The resource.
        pipelines: The definitions of all pipelines, by name.
    """
    resource = template["Resources"][logical_id]
    properties = resource.get("Properties")
    if not isinstance(properties, dict):
        return
    match resource.get("Type"):
        case "AWS::Scheduler::Schedule":
            targets = [properties.get("Target")]
        case "AWS::Events::Rule":
            given = properties.get("Targets")
            targets = given if isinstance(given, list) else []
        case "AWS::SageMaker::MonitoringSchedule":
            yield from _native(template, properties)
            return
        case _:
            return
    if properties.get("State") == "DISABLED" or "ScheduleExpression" not in properties:
        return
    runs = runs_per_month(known(properties["ScheduleExpression"], parameters_of(template)))
    for target in targets:
        name = _pipeline_name(template, target)
        if name in pipelines:
            yield from _jobs_of(pipelines[name], name, runs)


def pipelines_of(template: Document) -> dict[str, dict[str, Any]]:
    """The definitions of the pipelines of a template, by name."""
    return {
        text(properties.get("PipelineName")): document(
            member(properties, "PipelineDefinition", "PipelineDefinitionBody")
        )
        for _, properties in resources_of(template, "AWS::SageMaker::Pipeline")
    }


def _pipeline_name(template: Document, target: Any) -> str:
    """The pipeline that a schedule starts: by its name, or by a reference in the same template."""
    found = _PIPELINE.search(text(target.get("Arn"))) if isinstance(target, dict) else None
    if found is None:
        return ""
    referred = member(template["Resources"], found["id"] or "", "Properties", "PipelineName")
    return found["name"] or text(referred)


def _jobs_of(definition: dict[str, Any], name: str, runs: float | None) -> Iterator[Job]:
    given = definition.get("Parameters")
    defaults = {
        str(parameter.get("Name")): parameter.get("DefaultValue")
        for parameter in (given if isinstance(given, list) else ())
        if isinstance(parameter, dict)
    }
    for step in _steps(definition.get("Steps")):
        arguments = step.get("Arguments")
        if not isinstance(arguments, dict):
            continue
        cluster = member(arguments, "ProcessingResources", "ClusterConfig") or arguments.get(
            "ResourceConfig"
        )
        if isinstance(cluster, dict):
            seconds = _given(
                member(arguments, "StoppingCondition", "MaxRuntimeInSeconds"), defaults
            )
            yield Job(
                f"step {step.get('Name')} of {name}",
                _instance(_given(cluster.get("InstanceType"), defaults)),
                number(_given(cluster.get("InstanceCount", 1), defaults), {}),
                runs,
                (number(seconds, {}) or _DAY_SECONDS) / 3600,
            )


def _steps(steps: Any) -> Iterator[dict[str, Any]]:
    """All steps, those behind a condition too."""
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            yield step
            arguments = step.get("Arguments")
            for branch in ("IfSteps", "ElseSteps"):
                if isinstance(arguments, dict):
                    yield from _steps(arguments.get(branch))


def _given(value: Any, defaults: Mapping[Any, Any]) -> Any:
    match value:
        case {"Get": str(path)} if path.startswith("Parameters."):
            return defaults.get(path.removeprefix("Parameters."))
        case dict():
            return None
    return value


def _native(template: Document, properties: dict[str, Any]) -> Iterator[Job]:
    """The job of a native monitor, if its definition stands in the same template."""
    config = properties.get("MonitoringScheduleConfig")
    if not isinstance(config, dict):
        return
    schedule = config.get("ScheduleConfig")
    expression = schedule.get("ScheduleExpression") if isinstance(schedule, dict) else None
    # SageMaker writes these without a year; "NOW" runs once.
    runs = (
        0.0 if expression == "NOW" else runs_per_month(known(expression, parameters_of(template)))
    )
    job = config.get("MonitoringJobDefinition")
    if not isinstance(job, dict):
        match config.get("MonitoringJobDefinitionName"):
            case {"Fn::GetAtt": [name, _]} | {"Ref": name}:
                found = template["Resources"].get(str(name))
                if str(member(found, "Type")).rpartition("::")[2] in _DEFINITIONS:
                    job = member(found, "Properties")
    if not isinstance(job, dict):
        return
    cluster = member(job, "JobResources", "ClusterConfig") or member(
        job, "MonitoringResources", "ClusterConfig"
    )
    seconds = member(job, "StoppingCondition", "MaxRuntimeInSeconds")
    parameters = parameters_of(template)
    yield Job(
        "job of a native monitor",
        _instance(known(member(cluster, "InstanceType"), parameters)),
        number(member(cluster, "InstanceCount"), parameters),
        runs,
        (number(seconds, parameters) or _DAY_SECONDS) / 3600,
    )


def _instance(found: Any) -> str | None:
    return found if isinstance(found, str) else None
