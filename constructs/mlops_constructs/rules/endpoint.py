"""Rules about endpoints and how their updates are rolled out."""

from __future__ import annotations

import math
from typing import Final

from mlops_constructs.rules.constraints import api_rule
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource, Scope
from mlops_constructs.rules.engine.values import Node, Problems, show
from mlops_constructs.rules.instances import family
from mlops_constructs.rules.scaling import scaled_endpoints
from mlops_constructs.rules.serving import ENDPOINT, config_of, is_serverless, variants

_BLUE_GREEN: Final = "DeploymentConfig.BlueGreenUpdatePolicy"
_ROUTING: Final = f"{_BLUE_GREEN}.TrafficRoutingConfiguration"
_ROLLING: Final = "DeploymentConfig.RollingUpdatePolicy"
_EXCLUSIONS: Final = "SageMaker developer guide: Deployment guardrails, Exclusions"
_RETAINABLE: Final = ("DesiredInstanceCount", "DesiredWeight")


def percent(size: Node) -> int | float | None:
    """The value of a capacity size that is a percentage."""
    return size["Value"].number if size["Type"].text == "CAPACITY_PERCENT" else None


@rule(
    "EP01",
    ENDPOINT,
    fix="Shorten the name (the schema's limit of 64 is wrong)",
    source="botocore EndpointName.max",
)
def name_is_short(endpoint: Resource) -> Problems:
    """An endpoint's name has at most 63 characters."""
    name = endpoint["EndpointName"]
    if name.text is not None and len(name.text) > 63:
        yield name.problem(f"EndpointName has {len(name.text)} characters")


@rule(
    "EP02",
    ENDPOINT,
    fix="Give BlueGreenUpdatePolicy or RollingUpdatePolicy",
    source="botocore DeploymentConfig",
)
def one_update_policy(endpoint: Resource) -> Problems:
    """An endpoint has one update policy."""
    if endpoint[_BLUE_GREEN].present and endpoint[_ROLLING].present:
        yield endpoint[_ROLLING].problem("Both update policies are given")


@rule(
    "EP03",
    ENDPOINT,
    fix="Give WaitIntervalInSeconds, 0 to 3600",
    source="botocore TrafficRoutingConfig.required",
)
def wait_interval_given(endpoint: Resource) -> Problems:
    """Traffic routing has a waiting interval, for every routing type."""
    routing = endpoint[_ROUTING]
    if routing.present and routing["WaitIntervalInSeconds"].absent:
        yield routing.problem("TrafficRoutingConfiguration without WaitIntervalInSeconds")


@rule(
    "EP04",
    ENDPOINT,
    fix="CANARY takes CanarySize only, LINEAR takes LinearStepSize only, ALL_AT_ONCE neither",
    source="SageMaker developer guide: Canary Traffic Shifting, Linear Traffic Shifting",
)
def sizes_fit_type(endpoint: Resource) -> Problems:
    """The sizes of traffic routing fit its type."""
    routing = endpoint[_ROUTING]
    kind = routing["Type"].text
    if kind not in ("CANARY", "LINEAR", "ALL_AT_ONCE"):
        return
    for size, owner in (("CanarySize", "CANARY"), ("LinearStepSize", "LINEAR")):
        if kind == owner and routing[size].absent:
            yield routing.problem(f"{kind} without {size}")
        elif kind != owner and routing[size].present:
            yield routing[size].problem(f"{size} with {kind}")


@rule(
    "EP05",
    ENDPOINT,
    fix="Give CanarySize of 1 to 50 percent",
    source="botocore TrafficRoutingConfig.CanarySize",
)
def canary_size(endpoint: Resource) -> Problems:
    """A canary is at most half of the fleet."""
    yield from _percent_between(endpoint[_ROUTING]["CanarySize"], 1, 50)


@rule(
    "EP06",
    ENDPOINT,
    fix="Give LinearStepSize of 10 to 50 percent",
    source="botocore TrafficRoutingConfig.LinearStepSize",
)
def linear_size(endpoint: Resource) -> Problems:
    """A linear step is a tenth to half of the fleet."""
    yield from _percent_between(endpoint[_ROUTING]["LinearStepSize"], 10, 50)


@rule(
    "EP07",
    ENDPOINT,
    fix="Give MaximumBatchSize of 5 to 50 percent, RollbackMaximumBatchSize of at most 100",
    source="botocore RollingUpdatePolicy.MaximumBatchSize, RollbackMaximumBatchSize",
)
def rolling_size(endpoint: Resource) -> Problems:
    """A rolling batch is 5 to 50 percent of the fleet."""
    yield from _percent_between(endpoint[_ROLLING]["MaximumBatchSize"], 5, 50)
    yield from _percent_between(endpoint[_ROLLING]["RollbackMaximumBatchSize"], 1, 100)


def _percent_between(size: Node, least: int, most: int) -> Problems:
    value = percent(size)
    if value is not None and not least <= value <= most:
        yield size["Value"].problem(f"{size.path[-1]} is {value} percent")


@rule(
    "EP08",
    ENDPOINT,
    fix="Raise MaximumExecutionTimeoutInSeconds, or shorten the waits",
    source="botocore BlueGreenUpdatePolicy.MaximumExecutionTimeoutInSeconds",
)
def timeout_covers_waits(endpoint: Resource) -> Problems:
    """A deployment's timeout is longer than its waits together."""
    policy = endpoint[_BLUE_GREEN]
    timeout = policy["MaximumExecutionTimeoutInSeconds"]
    interval = policy["TrafficRoutingConfiguration.WaitIntervalInSeconds"].number
    steps = _waits(policy["TrafficRoutingConfiguration"])
    if timeout.number is None or interval is None or steps is None:
        return
    waits = (policy["TerminationWaitInSeconds"].number or 0) + interval * steps
    if timeout.number <= waits:
        yield timeout.problem(f"The timeout is {timeout.text} s and the waits add up to {waits} s")


def _waits(routing: Node) -> int | None:
    """How often a deployment waits for the interval: after each step of traffic but the last."""
    kind = routing["Type"].text
    if kind == "LINEAR":
        step = percent(routing["LinearStepSize"])
        return None if step is None or step < 1 else max(1, math.ceil(100 / step) - 1)
    return {"CANARY": 1, "ALL_AT_ONCE": 1}.get(kind or "")


@rule(
    "EP09",
    ENDPOINT,
    fix="Give at least one alarm, or leave AutoRollbackConfiguration out",
    source="botocore AlarmList",
)
def some_alarm(endpoint: Resource) -> Problems:
    """Automatic rollback watches 1 to 10 alarms."""
    rollback = endpoint["DeploymentConfig.AutoRollbackConfiguration"]
    alarms = rollback["Alarms"]
    if rollback.present and alarms.count is not None and not 1 <= alarms.count <= 10:
        yield rollback.problem(f"AutoRollbackConfiguration has {alarms.count} alarms")


@rule(
    "EP10",
    ENDPOINT,
    fix=(
        "Set RetainAllVariantProperties to true and exclude at most three of "
        f"{' and '.join(_RETAINABLE)}; DataCaptureConfig is currently not supported"
    ),
    source="botocore UpdateEndpoint, VariantPropertyType",
)
def exclusions_have_effect(endpoint: Resource) -> Problems:
    """Exclusions from retained variant properties are known and have an effect."""
    exclude, retain = (
        endpoint["ExcludeRetainedVariantProperties"],
        endpoint["RetainAllVariantProperties"],
    )
    if not exclude.items:
        return
    if retain.absent or retain.flag is False:
        yield exclude.problem("Properties are excluded from retention and nothing is retained")
    if len(exclude.items) > 3:
        yield exclude.problem(f"{len(exclude.items)} exclusions")
    for item in exclude.items:
        kind = item["VariantPropertyType"]
        if kind.text is not None and kind.text not in _RETAINABLE:
            yield kind.problem(f"VariantPropertyType {show(kind.text)}")


@rule(
    "EP11",
    ENDPOINT,
    fix="Raise InitialInstanceCount to 2 or more, or use ALL_AT_ONCE",
    source="derived from botocore TrafficRoutingConfig and RollingUpdatePolicy",
)
def fleet_has_steps(endpoint: Resource) -> Problems:
    """A fleet that is shifted in steps has instances for two steps."""
    config = config_of(endpoint)
    steps = [
        endpoint[f"{_ROUTING}.CanarySize"],
        endpoint[f"{_ROUTING}.LinearStepSize"],
        endpoint[f"{_ROLLING}.MaximumBatchSize"],
    ]
    given = next((step for step in steps if step.present), None)
    if config is None or given is None:
        return
    for variant in variants(config):
        count, name = variant["InitialInstanceCount"].number, show(variant["VariantName"].text)
        if count is None:
            continue
        if count < 2:
            yield given.problem(f"The variant {name} has {count} instance")
        elif given["Type"].text == "INSTANCE_COUNT":
            size = given["Value"].number
            if size is not None and size > count // 2:
                yield given.problem(f"A step of {size} instances and {name} has {count}")


@rule(
    "EP12",
    ENDPOINT,
    fix="Use BlueGreenUpdatePolicy",
    source=_EXCLUSIONS,
)
def rolling_is_for_one(endpoint: Resource) -> Problems:
    """A rolling deployment has one variant, on instances."""
    config, rolling = config_of(endpoint), endpoint[_ROLLING]
    if config is None or not rolling.present:
        return
    if len(variants(config)) > 1:
        yield rolling.problem(f"A rolling policy with {len(variants(config))} variants")
    elif any(map(is_serverless, variants(config))):
        yield rolling.problem("A rolling policy with a serverless variant")


@rule(
    "EP13",
    ENDPOINT,
    fix="Leave DeploymentConfig out, or use other compute: the service shifts all at once here",
    source=_EXCLUSIONS,
    severity="warning",
)
def guardrails_apply(endpoint: Resource) -> Problems:
    """Deployment guardrails apply to the endpoint's instances."""
    config, deployment = config_of(endpoint), endpoint["DeploymentConfig"]
    gradual = endpoint[f"{_ROUTING}.Type"].text in ("CANARY", "LINEAR")
    if config is None or not (gradual or endpoint[_ROLLING].present):
        return
    for variant in variants(config):
        instance = variant["InstanceType"].text or ""
        if is_serverless(variant) and not endpoint[_ROLLING].present:
            yield deployment.problem("A gradual deployment of a serverless variant")
        elif family(instance) == "inf1":
            yield deployment.problem(f"A gradual deployment of {instance}")


@rule(
    "EP14",
    ENDPOINT,
    fix=(
        "Leave EndpointConfigName off the configuration and give the endpoint "
        "Fn::GetAtt EndpointConfigName: a changed configuration then has a new name"
    ),
    source="github.com/hashicorp/terraform-provider-aws#48993, #14337",
    severity="warning",
)
def config_name_follows(endpoint: Resource) -> Problems:
    """An endpoint takes the name of its configuration from the configuration."""
    name = endpoint["EndpointConfigName"]
    if name.fixed:
        yield name.problem("The name is fixed, so that no update reaches the endpoint")


@rule(
    "EP15",
    ENDPOINT,
    fix="Set RetainAllVariantProperties to true",
    source="github.com/hashicorp/terraform-provider-aws#49069; botocore UpdateEndpoint",
    severity="warning",
)
def scaling_survives_updates(endpoint: Resource) -> Problems:
    """Updates of a scaled endpoint keep its instance counts."""
    retain = endpoint["RetainAllVariantProperties"]
    if retain.present and retain.flag is not False:
        return
    target = scaled_endpoints(endpoint.scope).get(endpoint.logical_id)
    if target is not None:
        yield retain.problem(f"An update resets the capacity that {target.logical_id} scales")


@rule(
    "EP16",
    ENDPOINT,
    fix="Keep one, and give another endpoint another name (case makes no difference)",
    source="botocore CreateEndpoint.EndpointName (unique in a region, case-insensitive)",
)
def names_differ(endpoint: Resource) -> Problems:
    """Endpoints of a template have different names, regardless of case."""
    name = (endpoint["EndpointName"].text or "").lower()
    first = endpoint.scope.once("endpoints by name", lambda: _by_lower_name(endpoint.scope))
    if name and first[name] is not endpoint:
        yield endpoint["EndpointName"].problem(f"{first[name].logical_id} has the same name")


def _by_lower_name(scope: Scope) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for endpoint in scope.of_type(ENDPOINT):
        found.setdefault((endpoint["EndpointName"].text or "").lower(), endpoint)
    return found


@rule(
    "EP17",
    ENDPOINT,
    fix="Give each alarm once, by its name",
    source="botocore Alarm.AlarmName (its pattern takes an ARN); unproven that the API refuses it",
    severity="warning",
)
def alarms_by_name(endpoint: Resource) -> Problems:
    """Alarms of automatic rollback are names, not ARNs."""
    for alarm in endpoint["DeploymentConfig.AutoRollbackConfiguration.Alarms"].items:
        name = alarm["AlarmName"]
        reference = name.reference
        is_arn = reference is not None and reference.attribute == "Arn"
        if is_arn or (name.text or "").startswith("arn:"):
            yield name.problem("AlarmName is an ARN")


EP18 = api_rule("EP18", ENDPOINT, group="text", kind="endpoints", family=__name__)
