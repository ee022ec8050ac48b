"""What each change of an endpoint does when it is deployed: the table in docs/serving.md.

Every row is two endpoints that differ in one argument, synthesised and compared by the impact gate.
``python -m tests.serving.safety`` writes the table; a test holds the page to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import Duration, aws_cloudwatch as cloudwatch

from mlops_constructs import (
    AllAtOnce,
    Asynchronous,
    AsyncOutput,
    BlueGreenEndpoint,
    Canary,
    Challenger,
    Component,
    DataCapture,
    InferenceComponents,
    Instances,
    ManagedInstances,
    RollbackAlarms,
    Routing,
    ScheduledCapacity,
    Serverless,
    Shadow,
    TrackInvocations,
)
from mlops_constructs.impact import Action, analyse
from tests.serving.fixture import Ground, make_ground
from tests.serving.kinds import artifact

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
BEGIN, END = "<!-- update-safety: begin -->\n", "<!-- update-safety: end -->"

Given = Callable[[Ground], dict[str, Any]]
Build = Callable[[BlueGreenEndpoint, Ground], None]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A row: one argument before and after.

    Attributes:
        argument: The argument, as callers write it.
        what: What changes.
        before: What differs from the usual endpoint before.
        after: What differs from it afterwards.
        then: What is called on the endpoint; twice the same, or before and after.
        known: What is known beyond the templates, such as that the service refuses it.
    """

    argument: str
    what: str
    before: Given = lambda ground: {}
    after: Given = lambda ground: {}
    then: tuple[Build | None, Build | None] = (None, None)
    known: str = ""


def _usual(ground: Ground) -> dict[str, Any]:
    return {
        "endpoint_name": "churn",
        "model": artifact(ground.bucket),
        "compute": Instances("ml.m5.large", count=2),
        "deployment": Canary(percent=50),
        "network": ground.network,
        "encryption_key": ground.key,
        "capture": DataCapture(bucket=ground.bucket),
        "alarm_topic": ground.topic,
    }


def _scaled(**given: Any) -> Build:
    arguments: dict[str, Any] = {
        "min_capacity": 2,
        "max_capacity": 4,
        "policies": [TrackInvocations(per_minute=600)],
    } | given

    def build(endpoint: BlueGreenEndpoint, ground: Ground) -> None:
        del ground
        endpoint.add_autoscaling(**arguments)

    return build


def _sets(**given: Any) -> Given:
    return lambda ground: given


def _served(version: int) -> Given:
    return lambda ground: {"model": artifact(ground.bucket, version)}


def _queue(**given: Any) -> Given:
    def make(ground: Ground) -> dict[str, Any]:
        output = AsyncOutput(bucket=ground.bucket)
        return {"compute": Asynchronous("ml.m5.large", count=2, output=output, **given)}

    return make


def _challenged(percent: float | None) -> Given:
    def make(ground: Ground) -> dict[str, Any]:
        if percent is None:
            return {}
        compute = Instances("ml.m5.large", count=2)
        model = artifact(ground.bucket, 2)
        return {"beside": [Challenger(name="bold", model=model, compute=compute, percent=percent)]}

    return make


def _shadowed(percent: float) -> Given:
    def make(ground: Ground) -> dict[str, Any]:
        compute = Instances("ml.m5.large", count=2)
        model = artifact(ground.bucket, 2)
        return {"beside": Shadow(name="new", model=model, compute=compute, percent=percent)}

    return make


def _parts(version: int = 1, copies: int = 2, memory_mb: int = 1024, most: int = 4) -> Given:
    def make(ground: Ground) -> dict[str, Any]:
        component = Component(
            name="chat",
            model=artifact(ground.bucket, version),
            memory_mb=memory_mb,
            copies=copies,
        )
        return {
            "model": InferenceComponents([component]),
            "compute": ManagedInstances("ml.m5.large", max_count=most),
            "deployment": None,
            "capture": None,
        }

    return make


def _serverless(memory_mb: int = 1024) -> Given:
    return _sets(
        compute=Serverless(memory_mb=memory_mb, max_concurrency=5),
        deployment=None,
        network=None,
        capture=None,
    )


def _captured(**given: Any) -> Given:
    return lambda ground: {"capture": DataCapture(bucket=ground.bucket, **given)}


def _seen(endpoint: BlueGreenEndpoint, ground: Ground) -> None:
    endpoint.add_warnings(topic=ground.topic)
    endpoint.add_dashboard()
    endpoint.tell_deployments(ground.topic)


_TYPE = Instances("ml.m5.xlarge", count=2)
_UNGUARDED = AllAtOnce(bake=Duration.seconds(0))
_SAME_KIND = (
    "Refused: the service does not turn one kind of endpoint into another. Give the new one "
    "another name, and move callers."
)

CHANGES = (
    Change(argument="endpoint_name", what="another name", after=_sets(endpoint_name="churn-2")),
    Change(argument="model", what="another artifact, image or package", after=_served(2)),
    Change(
        argument="model",
        what="environment",
        after=lambda ground: {"model": artifact(ground.bucket, environment={"WORKERS": "2"})},
    ),
    Change(
        argument="model",
        what="what its role may read",
        before=lambda ground: {"model": artifact(ground.bucket)},
        after=lambda ground: {
            "model": replace(
                artifact(ground.bucket), image_repository_arns=["arn:aws:ecr:x:1:repository/z"]
            )
        },
    ),
    Change(
        argument="compute",
        what="`count`",
        after=_sets(compute=Instances("ml.m5.large", count=4)),
    ),
    Change(
        argument="compute",
        what="`count`, with autoscaling",
        after=_sets(compute=Instances("ml.m5.large", count=3)),
        then=(_scaled(), _scaled()),
        known="Shifts by the deployment policy. The new fleet has the size that the autoscaler "
        "gave the old one.",
    ),
    Change(argument="compute", what="`instance_type`", after=_sets(compute=_TYPE)),
    Change(
        argument="compute",
        what="`instance_type`, with autoscaling",
        after=_sets(compute=_TYPE),
        then=(_scaled(), _scaled()),
        known="Refused before any traffic moves. Deploy `paused=True` first, then the new type "
        "without it.",
    ),
    Change(
        argument="compute",
        what="`instance_type`, from `paused=True` to scaled",
        after=_sets(compute=_TYPE),
        then=(_scaled(paused=True), _scaled()),
    ),
    Change(
        argument="compute",
        what="routing, volume, timeouts",
        after=_sets(
            compute=Instances(
                "ml.m5.large",
                count=2,
                routing=Routing.LEAST_OUTSTANDING_REQUESTS,
                volume_gb=30,
                startup_timeout=Duration.minutes(5),
            )
        ),
    ),
    Change(
        argument="compute",
        what="`Instances` → `Serverless`",
        after=_serverless(),
        known=_SAME_KIND,
    ),
    Change(
        argument="compute",
        what="`Serverless` → `Instances`",
        before=_serverless(),
        known="Allowed once: there is no way back, not even for a rollback of the stack.",
    ),
    Change(
        argument="compute",
        what="`Instances` → `Asynchronous`",
        after=_queue(),
        known="Not documented: try it on a copy, or give the new one another name.",
    ),
    Change(
        argument="compute",
        what="`Serverless`: memory",
        before=_serverless(),
        after=_serverless(2048),
    ),
    Change(
        argument="compute",
        what="`Asynchronous` → `Instances`",
        before=_queue(),
        known=_SAME_KIND,
    ),
    Change(
        argument="compute",
        what="`Asynchronous`: concurrency, output, topics",
        before=_queue(),
        after=_queue(concurrency=4),
    ),
    Change(
        argument="compute",
        what="`ManagedInstances`: `max_count`",
        before=_parts(),
        after=_parts(most=8),
        known="Moves all components at once. What happens to copies then is not documented: "
        "try it on a copy.",
    ),
    Change(
        argument="model",
        what="`Component`: another model",
        before=_parts(),
        after=_parts(version=2),
    ),
    Change(
        argument="model",
        what="`Component`: copies, memory",
        before=_parts(),
        after=_parts(copies=4, memory_mb=2048),
    ),
    Change(
        argument="deployment",
        what="another policy",
        after=_sets(deployment=AllAtOnce()),
    ),
    Change(
        argument="deployment",
        what="another policy, together with a model",
        after=lambda ground: {
            "deployment": AllAtOnce(),
            "model": artifact(ground.bucket, 2),
        },
    ),
    Change(
        argument="beside",
        what="a challenger comes or goes",
        before=_challenged(None),
        after=_challenged(10),
        known="Refused: guardrails need equal variant names before and after. Deploy it with "
        "`AllAtOnce(bake=Duration.seconds(0))`, and the policy afterwards.",
    ),
    Change(
        argument="beside",
        what="a challenger comes or goes, with `AllAtOnce(bake=Duration.seconds(0))`",
        before=_challenged(None),
        after=lambda ground: _challenged(10)(ground) | {"deployment": _UNGUARDED},
    ),
    Change(
        argument="beside",
        what="`percent` of a challenger",
        before=_challenged(10),
        after=_challenged(20),
    ),
    Change(
        argument="beside", what="`percent` of a shadow", before=_shadowed(10), after=_shadowed(20)
    ),
    Change(
        argument="rollback",
        what="thresholds",
        after=_sets(rollback=RollbackAlarms(error_rate=0.01, minutes=3)),
    ),
    Change(
        argument="rollback",
        what="an alarm of your own",
        after=lambda ground: {
            "rollback": RollbackAlarms(
                own=[
                    cloudwatch.Alarm.from_alarm_arn(
                        cdk.Stack.of(ground.key),
                        "Own",
                        "arn:aws:cloudwatch:us-east-1:123456789012:alarm:refunds",
                    )
                ]
            )
        },
    ),
    Change(argument="network", what="added, removed or changed", before=_sets(network=None)),
    Change(argument="network_isolation", what="turned off", after=_sets(network_isolation=False)),
    Change(
        argument="encryption_key",
        what="another key",
        after=lambda ground: {"encryption_key": None},
    ),
    Change(argument="capture", what="added or removed", before=_sets(capture=None)),
    Change(argument="capture", what="sampling, content types, prefix", after=_captured(percent=10)),
    Change(argument="alarm_topic", what="added, removed or changed", after=_sets(alarm_topic=None)),
    Change(argument="add_autoscaling", what="added", then=(None, _scaled())),
    Change(
        argument="add_autoscaling",
        what="capacities, values, schedules",
        then=(
            _scaled(),
            _scaled(
                max_capacity=8,
                policies=[TrackInvocations(per_minute=900)],
                schedules={"Day": ScheduledCapacity(schedule="cron(0 7 * * ? *)", min_capacity=3)},
            ),
        ),
    ),
    Change(
        argument="add_autoscaling", what="`paused=True`", then=(_scaled(), _scaled(paused=True))
    ),
    Change(
        argument="add_dashboard, add_warnings, tell_deployments",
        what="added or removed",
        then=(None, _seen),
    ),
)


def table() -> str:
    """The table as Markdown."""
    ground = make_ground()
    app = cdk.App.of(ground.stack)
    names: list[tuple[str, str]] = []
    for index, change in enumerate(CHANGES):
        pair = (f"Before{index}", f"After{index}")
        for name, given, build in zip(
            pair, (change.before, change.after), change.then, strict=True
        ):
            stack = cdk.Stack(app, name)
            endpoint = BlueGreenEndpoint(stack, "Endpoint", **(_usual(ground) | given(ground)))
            if build is not None:
                build(endpoint, ground)
        names.append(pair)
    assembly = app.synth()  # type: ignore[union-attr]  # the stack is in an app
    rows = [
        _row(change, *(assembly.get_stack_by_name(name).template for name in pair))
        for change, pair in zip(CHANGES, names, strict=True)
    ]
    head = "| argument | change | what CloudFormation does | traffic |\n|---|---|---|---|\n"
    return head + "".join(f"{row}\n" for row in rows)


def page_with(text: str) -> str:
    """The page with this table in its place."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{text}{END}{after}"


def _row(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    found: dict[str, Action] = {}
    for each in analyse({"Serving": old}, {"Serving": new}):
        kind = each.type.rpartition("::")[2]
        if each.action.rank > found.get(kind, Action.NONE).rank:
            found[kind] = each.action
    shown = {name: action for name, action in found.items() if action is not Action.NONE}
    does = ", ".join(f"{_VERBS[action]} {name}" for name, action in sorted(shown.items()))
    argument = ", ".join(f"`{name}`" for name in change.argument.split(", "))
    traffic = change.known or _traffic(shown, new)
    return f"| {argument} | {change.what} | {does or 'nothing'} | {traffic} |"


_VERBS = {
    Action.UPDATE: "updates",
    Action.CREATE: "creates",
    Action.BLUE_GREEN: "**moves**",
    Action.REPLACE: "replaces",
    Action.DELETE: "deletes",
}


def _traffic(actions: Mapping[str, Action], new: Mapping[str, Any]) -> str:
    (endpoint,) = (
        resource
        for resource in new["Resources"].values()
        if resource["Type"] == "AWS::SageMaker::Endpoint"
    )
    match actions.get("Endpoint"):
        case Action.REPLACE:
            return "A second endpoint comes and the first one goes: callers of the old name fail."
        case Action.BLUE_GREEN if "DeploymentConfig" in endpoint["Properties"]:
            return "Shifts by the deployment policy, under alarms. None is lost."
        case Action.BLUE_GREEN:
            return "Shifts at once, without baking or rollback. None is lost."
        case Action.UPDATE:
            return (
                "The same configuration: whether the service starts its fleet anew is not "
                "documented. None is lost."
            )
    if "InferenceComponent" in actions:
        return "Copies of that component are replaced in turn; the others are left alone."
    return "Not touched."


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
