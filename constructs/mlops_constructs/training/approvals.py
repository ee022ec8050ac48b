"""Approval of a model's versions: people are asked through a topic, or a rule decides."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from aws_cdk import (
    Stack,
    aws_events as events,
    aws_events_targets as targets,
    aws_kms as kms,
    aws_sns as sns,
    aws_stepfunctions as sfn,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.given import check_type
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.workflows import workflow, workflow_role
from mlops_constructs.training import approval_states

_TIMEOUT_SECONDS = 600
# botocore, CustomerMetadataKey; a quote would end the text that the machine compares with.
_MEASURE = re.compile(r"[A-Za-z0-9_.:/=+@ -]{1,128}")


def question(topic: sns.ITopic, *, group: str, stage: str | None = None) -> events.IRuleTarget:
    """What asks people to approve or reject a version, for a stage if one is named."""
    if (key := topic.master_key) is not None:
        allow_publishers(key, "events.amazonaws.com")
    arn = events.EventField.from_path("$.detail.ModelPackageArn")
    version = events.EventField.from_path("$.detail.ModelPackageVersion")
    update = f"aws sagemaker update-model-package --model-package-arn {arn}"
    if stage is None:
        for_stage, answer = "", "--model-approval-status "
    else:
        for_stage = f" for {stage}"
        answer = f"--model-life-cycle Stage={stage},StageStatus="
    return targets.SnsTopic(
        topic,
        message=events.RuleTargetInput.from_text(
            f"Version {version} of {group} waits for approval{for_stage}. Look at its metrics and "
            f"its model card in Studio (Models, {group}), or: aws sagemaker describe-model-package "
            f"--model-package-name {arn} Then approve it: {update} {answer}Approved Or reject it: "
            f"{update} {answer}Rejected"
        ),
    )


def check_limits(
    problems: Problems, *, minimum: Mapping[str, float], maximum: Mapping[str, float]
) -> None:
    """Note what no rule can be made of."""
    limits = Mapping[str, float]
    typed = check_type(problems, "minimum", minimum, limits)
    if not check_type(problems, "maximum", maximum, limits) or not typed:
        return
    problems.check(
        bool(minimum or maximum),
        "minimum and maximum",
        got="none",
        allowed="a limit of at least one measure: without one every version would be approved",
        instead="Write minimum={'auc': 0.93}, or let the pipeline register versions as Approved.",
    )
    for what, given in (("minimum", minimum), ("maximum", maximum)):
        for name, limit in given.items():
            problems.check(
                _MEASURE.fullmatch(name) is not None and math.isfinite(limit),
                f"{what}[{name!r}]",
                got=limit,
                allowed="a number, for a key of the versions' customer metadata",
                instead="Write a key that the pipeline's register step sets, such as 'auc'.",
            )
    for name in minimum.keys() & maximum.keys():
        problems.check(
            minimum[name] <= maximum[name],
            f"minimum[{name!r}] and maximum[{name!r}]",
            got=(minimum[name], maximum[name]),
            allowed="a minimum that is no more than the maximum: nothing would ever be approved",
            instead="Swap them, or leave one out.",
        )


def approval_machine(
    scope: Construct,
    *,
    group: str,
    minimum: Mapping[str, float],
    maximum: Mapping[str, float],
    reject: bool,
    encryption_key: kms.IKey,
) -> sfn.StateMachine:
    """The machine that decides; its role may not change a version yet."""
    role = workflow_role(scope, "Role", description=f"Approves versions of {group} by a rule")
    return workflow(
        scope,
        "Machine",
        states=approval_states.states(minimum=minimum, maximum=maximum, reject=reject),
        start_at="Describe",
        comment=f"Approves versions of {group} by a rule",
        timeout_seconds=_TIMEOUT_SECONDS,
        role=role,
        encryption_key=encryption_key,
        variables=approval_states.VARIABLES,
    )


def machine_target(scope: Construct, machine: sfn.StateMachine) -> events.IRuleTarget:
    """The machine as the target of a rule, with a role that may start it."""
    role = service_role(
        scope,
        "StarterRole",
        description="Starts one state machine",
        service="events.amazonaws.com",
        conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
    )
    acknowledge(
        role, in_packs("IAMNoInlinePolicy", "It fits this one role and must go when it goes.")
    )
    return targets.SfnStateMachine(machine, role=role)
