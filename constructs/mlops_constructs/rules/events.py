"""Rules about what starts pipelines, and about SageMaker's events."""

from __future__ import annotations

import difflib
import re
from typing import Final

from mlops_constructs.rules.definition import definition_of
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource, Scope, referred
from mlops_constructs.rules.engine.values import Node, Problems, Text, show
from mlops_constructs.rules.pipeline import PIPELINE, literal_parts

EVENT_RULE: Final = "AWS::Events::Rule"
SCHEDULE: Final = "AWS::Scheduler::Schedule"

DETAIL_TYPES: Final = (
    "SageMaker Algorithm State Change",
    "SageMaker Endpoint Config State Change",
    "SageMaker Endpoint Deployment State Change",
    "SageMaker Endpoint State Change",
    "SageMaker Feature Group State Change",
    "SageMaker HyperParameter Tuning Job State Change",
    "SageMaker HyperPod Cluster State Change",
    "SageMaker Image State Change",
    "SageMaker Image Version State Change",
    "SageMaker Model Building Pipeline Execution Status Change",
    "SageMaker Model Building Pipeline Execution Step Status Change",
    "SageMaker Model Card State Change",
    "SageMaker Model Package State Change",
    "SageMaker Model State Change",
    "SageMaker Monitoring Schedule State Change",
    "SageMaker Notebook Instance State Change",
    "SageMaker Notebook Lifecycle Config State Change",
    "SageMaker Processing Job State Change",
    "SageMaker Training Job State Change",
    "SageMaker Transform Job State Change",
)
"""The events that pipelines of machine learning wait for; SageMaker sends some more."""

_EVENT_PARAMETER: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_PIPELINE_ARN: Final = re.compile(r"arn:[\w-]+:sagemaker:[^:]*:[^:]*:pipeline/.+")


@rule(
    "PL05",
    EVENT_RULE,
    fix="Give the target RoleArn a role that may call sagemaker:StartPipelineExecution",
    source="SageMaker developer guide: Amazon EventBridge Integration (pipelines)",
)
def target_has_role(event_rule: Resource) -> Problems:
    """EventBridge has a role to start a pipeline."""
    for target in event_rule["Targets"].items:
        if starts_pipeline(target) and target["RoleArn"].absent:
            yield target.problem("A target that starts a pipeline has no RoleArn")


@rule(
    "PL06",
    EVENT_RULE,
    fix=(
        "Rename the pipeline's parameter to letters, digits and inner hyphens, or start the "
        "pipeline with EventBridge Scheduler, which takes underscores"
    ),
    source="botocore events SageMakerPipelineParameterName (the schema has no pattern)",
)
def target_parameter_names(event_rule: Resource) -> Problems:
    """Parameter names that EventBridge passes to a pipeline have no underscore."""
    for target in event_rule["Targets"].items:
        for parameter in target["SageMakerPipelineParameters.PipelineParameterList"].items:
            name = parameter["Name"]
            if name.text is not None and not _EVENT_PARAMETER.fullmatch(name.text[:1000]):
                yield name.problem(f"EventBridge refuses the parameter name {show(name.text)}")


def starts_pipeline(target: Node) -> bool:
    """Whether a target of a rule or schedule is certainly a SageMaker pipeline."""
    arn = target["Arn"]
    if isinstance(arn.value, str):
        return _PIPELINE_ARN.fullmatch(arn.value[:2000]) is not None
    if isinstance(arn.value, Text):
        return ":pipeline/" in "".join(literal_parts(arn)) and ":sagemaker:" in "".join(
            part if isinstance(part, str) else ":" for part in arn.value.parts
        )
    return target["SageMakerPipelineParameters"].present


def pipeline_of(target: Node) -> Resource | None:
    """The pipeline of this template that a target starts."""
    for name in referred(target["Arn"]):
        resource = target.scope.resource(name)
        if resource is not None and resource.type == PIPELINE:
            return resource
    name = (target["Arn"].text or "").partition(":pipeline/")[2]
    scope = target.scope
    return scope.once("pipelines by name", lambda: _by_lower_name(scope)).get(name)


def _by_lower_name(scope: Scope) -> dict[str, Resource]:
    """The pipelines by the name that their ARN has."""
    return {
        name.lower(): pipeline
        for pipeline in scope.of_type(PIPELINE)
        if (name := pipeline["PipelineName"].text)
    }


@rule(
    "PL12",
    EVENT_RULE,
    SCHEDULE,
    fix="Pass parameters that the definition declares, and those without a default",
    source="botocore StartPipelineExecution.PipelineParameters",
)
def target_parameters_exist(resource: Resource) -> Problems:
    """What starts a pipeline passes parameters that the pipeline has, and all it needs."""
    for target in _targets(resource):
        pipeline = pipeline_of(target)
        definition = definition_of(pipeline) if pipeline is not None else None
        if definition is None or definition.error or not definition.complete:
            continue
        parameters = target["SageMakerPipelineParameters.PipelineParameterList"]
        names = [parameter["Name"].text for parameter in parameters.items]
        declared = {parameter["Name"]: parameter for parameter in definition.parameters}
        if None in names or parameters.count is None:
            continue
        for parameter in parameters.items:
            if parameter["Name"].text not in declared:
                yield parameter.problem(f"The pipeline has no {show(parameter['Name'].text)}")
        for name, parameter_definition in declared.items():
            if "DefaultValue" not in parameter_definition and name not in names:
                yield target.problem(f"The parameter {show(name)} has no default and no value")


def _targets(resource: Resource) -> list[Node]:
    return [resource["Target"]] if resource.type == SCHEDULE else resource["Targets"].items


@rule(
    "PL13",
    EVENT_RULE,
    SCHEDULE,
    fix="Give the ARN of a pipeline, or leave SageMakerPipelineParameters out",
    source="botocore events Target.SageMakerPipelineParameters",
)
def parameters_for_pipelines(resource: Resource) -> Problems:
    """Pipeline parameters are passed to pipelines only."""
    for target in _targets(resource):
        arn, parameters = target["Arn"], target["SageMakerPipelineParameters"]
        if arn.text is not None and parameters.present and ":pipeline/" not in arn.text:
            yield parameters.problem(f"SageMakerPipelineParameters for {show(arn.text)}")


@rule(
    "PL14",
    EVENT_RULE,
    fix="Copy the detail-type from the EventBridge events reference",
    source="Amazon EventBridge events reference: Amazon SageMaker AI events",
    severity="warning",
)
def detail_types_exist(event_rule: Resource) -> Problems:
    """A rule waits for an event that SageMaker sends."""
    for kind in event_rule["EventPattern.detail-type"].items:
        if not isinstance(kind.value, str) or kind.value in DETAIL_TYPES:
            continue
        # SageMaker sends more events than are listed here: only what is nearly one is a slip.
        near = difflib.get_close_matches(kind.value[:100], DETAIL_TYPES, n=1, cutoff=0.9)
        if near:
            yield kind.problem(f"SageMaker sends no {show(kind.value)}, but {show(near[0])}")
