"""Rules about inference components."""

from __future__ import annotations

from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.endpoint import percent
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, show
from mlops_constructs.rules.serving import config_named, variants

INFERENCE_COMPONENT: Final = "AWS::SageMaker::InferenceComponent"


def specifications(component: Resource) -> list[Node]:
    """The specifications of a component, in either form."""
    single = component["Specification"]
    return [*([single] if single.present else []), *component["Specifications"].items]


@rule(
    "IC01",
    INFERENCE_COMPONENT,
    fix="Give RuntimeConfig.CopyCount",
    source="botocore InferenceComponentRuntimeConfig.required",
)
def copy_count_given(component: Resource) -> Problems:
    """A runtime configuration says how many copies to run."""
    runtime = component["RuntimeConfig"]
    if runtime.present and runtime["CopyCount"].absent:
        yield runtime.problem("RuntimeConfig without CopyCount")


@rule(
    "IC02",
    INFERENCE_COMPONENT,
    fix="Give MinMemoryRequiredInMb, from 128 up to MaxMemoryRequiredInMb",
    source="botocore InferenceComponentComputeResourceRequirements.required",
)
def memory_given(component: Resource) -> Problems:
    """A component says how much memory it needs at least."""
    for specification in specifications(component):
        needs = specification["ComputeResourceRequirements"]
        least, most = needs["MinMemoryRequiredInMb"], needs["MaxMemoryRequiredInMb"].number
        if needs.present and least.absent:
            yield needs.problem("ComputeResourceRequirements without MinMemoryRequiredInMb")
        elif least.number is not None and least.number < 128:
            yield least.problem(f"MinMemoryRequiredInMb is {least.text}")
        elif least.number is not None and most is not None and least.number > most:
            yield least.problem(f"MinMemoryRequiredInMb is {least.text}, the maximum {most}")


@rule(
    "IC03",
    INFERENCE_COMPONENT,
    fix="Leave ComputeResourceRequirements out",
    source="botocore InferenceComponentSpecification.BaseInferenceComponentName",
)
def adapter_has_no_resources(component: Resource) -> Problems:
    """An adapter component uses the resources of its base component."""
    for specification in specifications(component):
        needs = specification["ComputeResourceRequirements"]
        if specification["BaseInferenceComponentName"].present and needs.present:
            yield needs.problem("ComputeResourceRequirements with BaseInferenceComponentName")


@rule(
    "IC04",
    INFERENCE_COMPONENT,
    fix="Give WaitIntervalInSeconds and MaximumBatchSize of 5 to 50 percent, or 1 copy and more",
    source="botocore InferenceComponentRollingUpdatePolicy",
)
def rolling_is_complete(component: Resource) -> Problems:
    """A rolling update policy is complete."""
    policy = component["DeploymentConfig.RollingUpdatePolicy"]
    if not policy.present:
        return
    for member in ("MaximumBatchSize", "WaitIntervalInSeconds"):
        if policy[member].absent:
            yield policy.problem(f"RollingUpdatePolicy without {member}")
    size = policy["MaximumBatchSize"]
    value, share = size["Value"].number, percent(size)
    if share is not None and not 5 <= share <= 50:
        yield size["Value"].problem(f"MaximumBatchSize is {share} percent")
    elif value is not None and value < 1:
        yield size["Value"].problem(f"MaximumBatchSize is {value}")


@rule(
    "IC05",
    INFERENCE_COMPONENT,
    fix="Leave ModelName off the variant and give the configuration an ExecutionRoleArn",
    source="github.com/hashicorp/terraform-provider-aws#40644",
)
def variant_has_no_model(component: Resource) -> Problems:
    """The variant that carries a component has no model of its own."""
    config, name = config_named(component["EndpointName"]), component["VariantName"]
    for variant in variants(config) if config is not None else ():
        same = variant["VariantName"].same_as(name)
        if same and variant["ModelName"].present:
            yield name.problem("The variant has a model, so it takes no inference components")


@rule(
    "IC06",
    INFERENCE_COMPONENT,
    fix="Give Specification, or Specifications with one entry for each instance type",
    source="botocore CreateInferenceComponent.Specifications (either, but not both)",
)
def one_specification(component: Resource) -> Problems:
    """A component has one form of specification."""
    single, several = component["Specification"], component["Specifications"]
    if single.present and several.present:
        yield several.problem("Both Specification and Specifications are given")


@rule(
    "IC07",
    INFERENCE_COMPONENT,
    fix="Give VariantName one of the configuration's ProductionVariants",
    source="botocore CreateInferenceComponent.VariantName",
)
def variant_exists(component: Resource) -> Problems:
    """A component runs on a variant of its endpoint."""
    config, name = config_named(component["EndpointName"]), component["VariantName"]
    if config is None or name.text is None:
        return
    names = [variant["VariantName"].text for variant in variants(config)]
    if names and None not in names and name.text not in names:
        yield name.problem(f"The endpoint has no variant {show(name.text)}")


IC08 = api_rule("IC08", INFERENCE_COMPONENT, group="text", kind="components", family=__name__)
IC09 = api_rule(
    "IC09", INFERENCE_COMPONENT, group="instance_type", kind="components", family=__name__
)
