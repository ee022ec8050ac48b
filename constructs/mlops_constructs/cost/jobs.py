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
from mlops_constructs.cost.values import document, known, number, text

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
            targets = properties.get("Targets") or []
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
    found = {}
    for resource in template["Resources"].values():
        if resource.get("Type") == "AWS::SageMaker::Pipeline":
            properties = resource.get("Properties", {})
            body = properties.get("PipelineDefinition", {}).get("PipelineDefinitionBody")
            found[text(properties.get("PipelineName"))] = document(body)
    return found


def _pipeline_name(template: Document, target: Any) -> str:
    """The pipeline that a schedule starts: by its name, or by a reference in the same template."""
    found = _PIPELINE.search(text(target.get("Arn"))) if isinstance(target, dict) else None
    if found is None:
        return ""
    referred = template["Resources"].get(found["id"], {}).get("Properties", {})
    return found["name"] or text(referred.get("PipelineName"))


def _jobs_of(definition: dict[str, Any], name: str, runs: float | None) -> Iterator[Job]:
    defaults = {
        parameter.get("Name"): parameter.get("DefaultValue")
        for parameter in definition.get("Parameters", ())
        if isinstance(parameter, dict)
    }
    for step in _steps(definition.get("Steps")):
        arguments = step.get("Arguments")
        if not isinstance(arguments, dict):
            continue
        cluster = arguments.get("ProcessingResources", {}).get("ClusterConfig") or arguments.get(
            "ResourceConfig"
        )
        if isinstance(cluster, dict):
            seconds = _given(
                arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"), defaults
            )
            yield Job(
                f"step {step.get('Name')} of {name}",
                _given(cluster.get("InstanceType"), defaults),
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
                found = template["Resources"].get(name, {})
                if found.get("Type", "").rpartition("::")[2] in _DEFINITIONS:
                    job = found.get("Properties")
    if not isinstance(job, dict):
        return
    resources = job.get("JobResources") or job.get("MonitoringResources") or {}
    cluster = resources.get("ClusterConfig", {})
    seconds = job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    parameters = parameters_of(template)
    yield Job(
        "job of a native monitor",
        known(cluster.get("InstanceType"), parameters),
        number(cluster.get("InstanceCount"), parameters),
        runs,
        (number(seconds, parameters) or _DAY_SECONDS) / 3600,
    )
