"""Rules about monitoring schedules and the four kinds of monitoring job definitions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, show
from mlops_constructs.rules.serving import (
    captures_data,
    config_named,
    is_serverless,
    model_of,
    variants,
)

SCHEDULE: Final = "AWS::SageMaker::MonitoringSchedule"
KINDS: Final = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
DEFINITIONS: Final = tuple(f"AWS::SageMaker::{kind}JobDefinition" for kind in KINDS)

_CRON: Final = re.compile(
    r"cron\(0 (\*|(?P<hour>\d{1,2})(/(?P<every>\d{1,2}))?) \? \* \* \*\)", re.ASCII
)
_DURATION: Final = re.compile(
    r"-?P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,5})S)?)?", re.ASCII
)
_OFFSET: Final = re.compile(r"-P(\d{1,4}D)?(T(\d{1,4}H)?(\d{1,4}M)?)?", re.ASCII)
_ANALYZER: Final = "sagemaker-model-monitor-analyzer"
_PROCESSING: Final = "/opt/ml/processing/"
_HOURLY_LIMITS: Final = {
    "DataQuality": 3600,
    "ModelExplainability": 3600,
    "ModelQuality": 1800,
    "ModelBias": 1800,
}


def kind_of(definition: Resource) -> str:
    """`DataQuality` of a data quality job definition."""
    return definition.type.removeprefix("AWS::SageMaker::").removesuffix("JobDefinition")


def job_input(definition: Resource) -> Node:
    """The input of a job definition."""
    return definition[f"{kind_of(definition)}JobInput"]


def definition_of(schedule: Resource) -> Resource | None:
    """The job definition that a schedule names, when it is in the template."""
    name = schedule["MonitoringScheduleConfig.MonitoringJobDefinitionName"]
    return schedule.scope.find(DEFINITIONS, "JobDefinitionName", name)


def schedules_of(definition: Resource) -> list[Resource]:
    """The schedules of a job definition that are in the template."""
    scope = definition.scope

    def make() -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for schedule in scope.of_type(SCHEDULE):
            scheduled = definition_of(schedule)
            if scheduled is not None:
                found.setdefault(scheduled.logical_id, []).append(schedule)
        return found

    return scope.once("schedules", make).get(definition.logical_id, [])


@rule(
    "MM01",
    *DEFINITIONS,
    fix="Give EndpointInput or BatchTransformInput",
    source="SageMaker developer guide: Schedule Model Quality Monitoring Jobs (Important)",
)
def one_input(definition: Resource) -> Problems:
    """A monitor reads an endpoint's captured data or a batch transform's, not both."""
    source = job_input(definition)
    if source["EndpointInput"].present and source["BatchTransformInput"].present:
        yield source.problem("Both EndpointInput and BatchTransformInput are given")


@rule(
    "MM02",
    *DEFINITIONS,
    fix="Give EndpointInput or BatchTransformInput",
    source="SageMaker developer guide: Schedule monitoring jobs",
)
def some_input(definition: Resource) -> Problems:
    """A monitor has an input."""
    source = job_input(definition)
    if source.present and source["EndpointInput"].absent and source["BatchTransformInput"].absent:
        yield source.problem("Neither EndpointInput nor BatchTransformInput is given")


@rule(
    "MM03",
    SCHEDULE,
    fix="Write cron(0 * ? * * *), cron(0 H ? * * *), cron(0 H/N ? * * *) or NOW",
    source="botocore ScheduleConfig.ScheduleExpression",
)
def schedule_expression(schedule: Resource) -> Problems:
    """A monitoring schedule runs hourly, daily, every few hours, or once."""
    expression = schedule["MonitoringScheduleConfig.ScheduleConfig.ScheduleExpression"]
    if expression.text is None or expression.text == "NOW":
        return
    match = _CRON.fullmatch(expression.text[:300])
    if match is None or int(match["hour"] or 0) > 23 or not 1 <= int(match["every"] or 1) <= 24:
        yield expression.problem(f"ScheduleExpression is {show(expression.text)}")


@rule(
    "MM04",
    SCHEDULE,
    fix="Give DataAnalysisStartTime and DataAnalysisEndTime, such as -PT5H and -PT0H",
    source="botocore ScheduleConfig; sagemaker-python-sdk _check_monitoring_schedule_cron_validity",
)
def once_needs_window(schedule: Resource) -> Problems:
    """A schedule that runs once has an analysis window."""
    config = schedule["MonitoringScheduleConfig.ScheduleConfig"]
    if config["ScheduleExpression"].text != "NOW":
        return
    for member in ("DataAnalysisStartTime", "DataAnalysisEndTime"):
        if config[member].absent:
            yield config.problem(f"NOW without {member}")


@rule(
    "MM05",
    SCHEDULE,
    fix="Give ISO-8601 durations such as -PT5H, the end after the start, at most 24 hours apart",
    source="botocore ScheduleConfig.DataAnalysisStartTime, DataAnalysisEndTime",
)
def window_is_short(schedule: Resource) -> Problems:
    """The analysis window of a schedule is at most 24 hours."""
    config = schedule["MonitoringScheduleConfig.ScheduleConfig"]
    times = []
    for member in ("DataAnalysisStartTime", "DataAnalysisEndTime"):
        node = config[member]
        time = _duration(node)
        if time is None and node.text is not None:
            yield node.problem(f"{member} is {show(node.text)}")
        times.append(time)
    start, end = times
    if start is not None and end is not None and not 0 < (end - start).total_seconds() <= 86_400:
        yield config.problem(f"The analysis window is {end - start} long")


def _duration(node: Node) -> timedelta | None:
    match = _DURATION.fullmatch((node.text or "")[:40])
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if (node.text or "").startswith("-") else length


@rule(
    "MM06",
    SCHEDULE,
    fix="Give MonitoringJobDefinitionName with MonitoringType, or MonitoringJobDefinition",
    source="botocore MonitoringScheduleConfig; sagemaker-python-sdk ModelMonitor",
)
def one_definition(schedule: Resource) -> Problems:
    """A schedule has one job definition and, for a named one, its type."""
    config = schedule["MonitoringScheduleConfig"]
    inline, name = config["MonitoringJobDefinition"], config["MonitoringJobDefinitionName"]
    if inline.present and name.present:
        yield config.problem("Both an inline and a named job definition are given")
    elif config.present and inline.absent and name.absent:
        yield config.problem("No job definition is given")
    elif name.present and config["MonitoringType"].absent:
        yield config.problem("MonitoringJobDefinitionName without MonitoringType")


@rule(
    "MM07",
    SCHEDULE,
    fix="Set MonitoringType to the kind of the job definition",
    source="botocore MonitoringScheduleConfig.MonitoringType",
)
def type_fits(schedule: Resource) -> Problems:
    """The type of a schedule is the kind of its job definition."""
    kind = schedule["MonitoringScheduleConfig.MonitoringType"]
    definition = definition_of(schedule)
    if definition is not None and kind.text is not None and kind.text != kind_of(definition):
        yield kind.problem(f"MonitoringType is {show(kind.text)} for a {kind_of(definition)} job")


@rule(
    "MM08",
    *DEFINITIONS,
    fix=(
        "Lower StoppingCondition.MaxRuntimeInSeconds to the period; hourly at most 3600 (data "
        "quality, explainability) or 1800 (model quality, bias)"
    ),
    source="botocore MonitoringStoppingCondition.MaxRuntimeInSeconds",
)
def runtime_fits_period(definition: Resource) -> Problems:
    """A monitoring job ends before its next run."""
    runtime = definition["StoppingCondition.MaxRuntimeInSeconds"]
    if runtime.number is None:
        return
    for schedule in schedules_of(definition):
        expression = schedule["MonitoringScheduleConfig.ScheduleConfig.ScheduleExpression"]
        hours = _period(expression)
        if hours is None:
            continue
        limit = _HOURLY_LIMITS[kind_of(definition)] if hours == 1 else hours * 3600
        if runtime.number > limit:
            yield runtime.problem(
                f"MaxRuntimeInSeconds is {runtime.text} with {show(expression.text)}, "
                f"which allows {limit}"
            )


def _period(expression: Node) -> int | None:
    """The hours between two runs."""
    match = _CRON.fullmatch((expression.text or "")[:300])
    if match is None:
        return None
    if match["hour"] is None:
        return 1
    return int(match["every"] or 24) or None


@rule(
    "MM09",
    DEFINITIONS[1],
    fix=(
        "Give InferenceAttribute; for BinaryClassification, ProbabilityAttribute with "
        "ProbabilityThresholdAttribute will do"
    ),
    source="SageMaker developer guide: Create a Model Quality Baseline",
)
def prediction_attribute(definition: Resource) -> Problems:
    """A model quality monitor knows where the prediction is."""
    problem = definition["ModelQualityAppSpecification.ProblemType"].text
    if problem is None:
        return
    for member in ("EndpointInput", "BatchTransformInput"):
        source = definition[f"ModelQualityJobInput.{member}"]
        if not source.present or not source["InferenceAttribute"].absent:
            continue
        probability = source["ProbabilityAttribute"]
        if problem != "BinaryClassification":
            yield source.problem(f"{member} of a {problem} monitor without InferenceAttribute")
        elif probability.absent:
            yield source.problem(f"{member} without InferenceAttribute or ProbabilityAttribute")
        elif source["ProbabilityThresholdAttribute"].absent and probability.present:
            yield source.problem("ProbabilityAttribute without ProbabilityThresholdAttribute")


@rule(
    "MM10",
    DEFINITIONS[1],
    DEFINITIONS[2],
    fix="Write offsets such as -P1D or -PT6H, the start earlier than the end",
    source="SageMaker developer guide: Model monitor offsets",
)
def time_offsets(definition: Resource) -> Problems:
    """Time offsets of a monitor are well-formed and in order."""
    for member in ("EndpointInput", "BatchTransformInput"):
        source = job_input(definition)[member]
        start, end = source["StartTimeOffset"], source["EndTimeOffset"]
        for offset in (start, end):
            if offset.text is not None and not _OFFSET.fullmatch(offset.text[:40]):
                yield offset.problem(f"{offset.path[-1]} is {show(offset.text)}")
        begins, ends = _duration(start), _duration(end)
        if begins is not None and ends is not None and begins >= ends:
            yield start.problem(f"{start.text} is not earlier than {end.text}")


@rule(
    "MM11",
    *DEFINITIONS,
    SCHEDULE,
    fix="Use /opt/ml/processing/input/endpoint and /opt/ml/processing/output",
    source="botocore ProcessingS3Input.LocalPath; sagemaker-python-sdk ModelMonitor",
)
def local_paths(definition: Resource) -> Problems:
    """Local paths of a monitor are under /opt/ml/processing/."""
    for path in _local_paths(definition):
        if path.text is not None and not path.text.startswith(_PROCESSING):
            yield path.problem(f"LocalPath is {show(path.text)}")


def _inputs(resource: Resource) -> list[Node]:
    if resource.type == SCHEDULE:
        job = resource["MonitoringScheduleConfig.MonitoringJobDefinition"]
        return job["MonitoringInputs"].items
    return [job_input(resource)]


def _local_paths(resource: Resource) -> list[Node]:
    if resource.type == SCHEDULE:
        job = resource["MonitoringScheduleConfig.MonitoringJobDefinition"]
        outputs = job["MonitoringOutputConfig"]
    else:
        outputs = resource[f"{kind_of(resource)}JobOutputConfig"]
    paths = [
        source[f"{member}.LocalPath"]
        for source in _inputs(resource)
        for member in ("EndpointInput", "BatchTransformInput")
    ]
    return paths + [o["S3Output.LocalPath"] for o in outputs["MonitoringOutputs"].items]


@rule(
    "MM12",
    *DEFINITIONS,
    SCHEDULE,
    fix="At most 50 variables with values of 256 characters",
    source="botocore MonitoringEnvironmentMap",
)
def environment_is_small(definition: Resource) -> Problems:
    """The environment of a monitor is small."""
    if definition.type == SCHEDULE:
        environment = definition["MonitoringScheduleConfig.MonitoringJobDefinition.Environment"]
    else:
        environment = definition[f"{kind_of(definition)}AppSpecification.Environment"]
    if environment.count is not None and environment.count > 50:
        yield environment.problem(f"{environment.count} environment variables")
    for name, value in environment.fields:
        if value.text is not None and len(value.text) > 256:
            yield value.problem(f"The variable {show(name, 40)} has {len(value.text)} characters")


@rule(
    "MM13",
    DEFINITIONS[2],
    DEFINITIONS[3],
    fix="Set NetworkConfig.EnableNetworkIsolation to false and use VpcConfig to confine the job",
    source=(
        "SageMaker developer guide: Give Amazon SageMaker Clarify Jobs Access to Resources in "
        "Your Amazon VPC"
    ),
)
def clarify_is_not_isolated(definition: Resource) -> Problems:
    """A Clarify monitor reaches its shadow endpoint."""
    isolation = definition["NetworkConfig.EnableNetworkIsolation"]
    if isolation.flag is True:
        yield isolation.problem(f"Network isolation on a {kind_of(definition)} job")


@rule(
    "MM14",
    *DEFINITIONS,
    SCHEDULE,
    fix="Give its configuration DataCaptureConfig with EnableCapture true",
    source="botocore EndpointInput; SageMaker developer guide: Model Monitor (Notes)",
)
def endpoint_captures(resource: Resource) -> Problems:
    """A monitored endpoint captures data and runs one model on instances."""
    for source in _inputs(resource):
        name = source["EndpointInput.EndpointName"]
        config = config_named(name)
        if config is None:
            continue
        if any(map(is_serverless, variants(config))):
            yield name.problem("The monitored endpoint is serverless, which cannot capture data")
        elif captures_data(config) is False:
            yield name.problem("The monitored endpoint does not capture data")
        for model in map(model_of, variants(config)):
            if model is not None and model["PrimaryContainer.Mode"].text == "MultiModel":
                yield name.problem("The monitored endpoint is a multi-model endpoint")


@rule(
    "MM15",
    *DEFINITIONS,
    SCHEDULE,
    fix="Give one of Csv, Json and Parquet",
    source="botocore MonitoringDatasetFormat",
)
def one_dataset_format(resource: Resource) -> Problems:
    """A batch input has one dataset format."""
    for source in _inputs(resource):
        dataset = source["BatchTransformInput.DatasetFormat"]
        if isinstance(dataset.value, dict) and dataset.count not in (None, 1):
            yield dataset.problem(f"DatasetFormat has {dataset.count} members")


@rule(
    "MM16",
    *DEFINITIONS[:2],
    fix="Leave the script out, or use the sagemaker-model-monitor-analyzer image",
    source="botocore MonitoringAppSpecification.RecordPreprocessorSourceUri",
    severity="warning",
)
def scripts_need_own_image(definition: Resource) -> Problems:
    """Pre- and post-processing scripts run in the prebuilt container only."""
    specification = definition[f"{kind_of(definition)}AppSpecification"]
    image = specification["ImageUri"].text
    for member in ("RecordPreprocessorSourceUri", "PostAnalyticsProcessorSourceUri"):
        if image is not None and _ANALYZER not in image and specification[member].present:
            yield specification[member].problem(f"{member} with the image {show(image)}")


@rule(
    "MM17",
    SCHEDULE,
    fix="Keep one of the schedules; an endpoint takes one schedule of each type",
    source="SageMaker developer guide: Schedule monitoring jobs; unproven that it is refused",
    severity="warning",
)
def one_schedule_for_definition(schedule: Resource) -> Problems:
    """A job definition is scheduled once."""
    definition = definition_of(schedule)
    first = schedules_of(definition)[0] if definition is not None else schedule
    if first is not schedule:
        yield schedule.problem(f"{first.logical_id} schedules the same job definition")


MM18 = api_rule("MM18", *DEFINITIONS, SCHEDULE, group="text", kind="monitors", family=__name__)
MM19 = api_rule(
    "MM19", *DEFINITIONS, SCHEDULE, group="instance_type", kind="monitors", family=__name__
)
