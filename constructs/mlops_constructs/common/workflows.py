"""State machines of AWS SDK integrations, in JSONata: the machine around their `states`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import (
    RemovalPolicy,
    Stack,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
    aws_stepfunctions as sfn,
)
from constructs import Construct

from mlops_constructs.common import pseudo
from mlops_constructs.common.encryption import allow_logs
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.states import PARTITION, State


def workflow_role(scope: Construct, construct_id: str, *, description: str) -> iam.Role:
    """The role of a state machine that `workflow` makes."""
    role = service_role(
        scope, construct_id, description=description, service="states.amazonaws.com"
    )
    acknowledge(
        role,
        {
            "AwsSolutions-IAM5[Resource::*]": "Log delivery and X-Ray, which CDK grants for the "
            "machine's log and traces, take no resource.",
            "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]": "What a topic's own grant asks for "
            "on the topic's key; SNS uses GenerateDataKey.",
        },
    )
    return role


def workflow(
    scope: Construct,
    construct_id: str,
    *,
    states: Mapping[str, State],
    start_at: str,
    comment: str,
    timeout_seconds: int,
    role: iam.Role,
    encryption_key: kms.IKey,
    variables: Mapping[str, Any] | None = None,
) -> sfn.StateMachine:
    """A logged and traced state machine.

    Args:
        scope: The parent; the log stands below it with the id ``Log``.
        construct_id: The machine's id.
        states: Its states, without the one that assigns ``variables``.
        start_at: The first of them.
        comment: What it does.
        timeout_seconds: How long an execution may take. One ends after 25,000 events in any case.
        role: From `workflow_role`.
        encryption_key: Of the log.
        variables: What variables hold at the beginning.
    """
    allow_logs(encryption_key)
    begin = {"Begin": {"Type": "Pass", "Assign": dict(variables or {}), "Next": start_at}}
    definition = {
        "Comment": comment,
        "QueryLanguage": "JSONata",
        "StartAt": "Begin" if variables else start_at,
        "TimeoutSeconds": timeout_seconds,
        "States": {**(begin if variables else {}), **states},
    }
    return sfn.StateMachine(
        scope,
        construct_id,
        definition_body=sfn.DefinitionBody.from_string(
            Stack.of(scope).to_json_string(
                json.loads(json.dumps(definition).replace(PARTITION, pseudo.PARTITION))
            )
        ),
        role=role,
        logs=sfn.LogOptions(
            destination=logs.LogGroup(
                scope,
                "Log",
                encryption_key=encryption_key,
                retention=logs.RetentionDays.THREE_MONTHS,
                removal_policy=RemovalPolicy.DESTROY,
            ),
            level=sfn.LogLevel.ALL,
            include_execution_data=True,
        ),
        tracing_enabled=True,
    )
