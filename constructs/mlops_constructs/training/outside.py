"""What steps use outside of SageMaker: Lambda functions, SQS queues, EMR.

A definition names them by sentinels, the construct is given the resources, and the pipeline's role
gets the grants that the steps need:

| step | sentinel | granted to the pipeline's role |
|---|---|---|
| Lambda | ``{{function.<name>}}`` | lambda:InvokeFunction on the function |
| Callback | ``{{queue.<name>}}`` | sqs:SendMessage on the queue, use of its key |
| EMR | ``{{emr_role.<name>}}`` | EMR's actions on the cluster, iam:PassRole to EMR |
| EMRServerless | ``{{emr_role.<name>}}`` | its actions on the application, iam:PassRole to it |

EMR's actions: AWS managed policy AmazonSageMakerPipelinesIntegrations. The rule that tells of a
cluster's state is ``…EMRClusterStatusUpdateRule`` in that policy and ``…EMRClusterStatusRule`` in
the developer guide ("EMR step"): both are granted. AWS documents no policy for EMR Serverless; its
actions are those of the API calls that start, watch and cancel a job run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Stack, aws_iam as iam, aws_lambda as lambda_, aws_sqs as sqs

from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.training.definition_function.binding import SENTINEL
from mlops_constructs.training.document import Json, Step

_STEP_ACTIONS = ("AddJobFlowSteps", "CancelSteps", "DescribeStep", "ListSteps")
_CLUSTER_ACTIONS = ("DescribeCluster", "RunJobFlow", "TerminateJobFlows")
_RULES = (
    "SageMakerPipelineExecutionEMRClusterStatusRule",
    "SageMakerPipelineExecutionEMRClusterStatusUpdateRule",
    "SageMakerPipelineExecutionEMRStepStatusUpdateRule",
)
_RUN_ACTIONS = ("CancelJobRun", "GetJobRun", "StartJobRun")
_APPLICATION_ACTIONS = (
    "CreateApplication",
    "DeleteApplication",
    "GetApplication",
    "StartApplication",
    "StopApplication",
    "TagResource",
)
_TRIGGERS = ("Any", "Completed", "Failed", "Stopped")


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What a pipeline was given of other services, by the names in its definition.

    Attributes:
        functions: Lambda functions of ``{{function.<name>}}``.
        queues: SQS queues of ``{{queue.<name>}}``.
        emr_roles: Roles of ``{{emr_role.<name>}}``.
        bindings: The caller's own sentinels, which may say which cluster a step runs on.
    """

    functions: Mapping[str, lambda_.IFunction] = field(default_factory=dict)
    queues: Mapping[str, sqs.IQueue] = field(default_factory=dict)
    emr_roles: Mapping[str, iam.IRole] = field(default_factory=dict)
    bindings: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def bound(self) -> dict[str, str]:
        """The sentinels with the tokens that take their places."""
        return {
            **{f"function.{name}": each.function_arn for name, each in self.functions.items()},
            **{f"queue.{name}": each.queue_url for name, each in self.queues.items()},
            **{f"emr_role.{name}": each.role_arn for name, each in self.emr_roles.items()},
        }

    def names(self) -> list[str]:
        """The sentinels that it binds."""
        return [
            *(f"function.{name}" for name in self.functions),
            *(f"queue.{name}" for name in self.queues),
            *(f"emr_role.{name}" for name in self.emr_roles),
        ]


def outside_problems(step: Step) -> Iterator[tuple[str, Json, str, str]]:
    """What is wrong with a step's use of other services: path, value, allowed, instead."""
    if step.type == "Lambda":
        yield from _sentinel_problem("FunctionArn", step.raw.get("FunctionArn"), "function")
    elif step.type == "Callback":
        yield from _sentinel_problem("SqsQueueUrl", step.raw.get("SqsQueueUrl"), "queue")
    elif step.type in ("EMR", "EMRServerless"):
        yield from _place_problem(step)
        for path, role in emr_role_slots(step):
            yield from _sentinel_problem(f"Arguments.{path}", role, "emr_role")
    for entry in step.raw.get("DependsOn", []):
        trigger = entry.get("Trigger", "Completed") if isinstance(entry, dict) else "Completed"
        if trigger not in _TRIGGERS:
            yield "DependsOn", trigger, ", ".join(_TRIGGERS), "Take one of these triggers."


def emr_role_slots(step: Step) -> Iterator[tuple[str, Json]]:
    """Where a step of EMR or EMR Serverless names a role: path and value."""
    owners: dict[str, tuple[Json, tuple[str, ...]]] = {
        "": (step.arguments, ("ExecutionRoleArn",)),
        "JobConfig.": (step.arguments.get("JobConfig"), ("executionRoleArn",)),
        "ClusterConfig.": (
            step.arguments.get("ClusterConfig"),
            ("AutoScalingRole", "ServiceRole", "StepExecutionRoleArn"),
        ),
    }
    for path, (owner, members) in owners.items():
        for member in members if isinstance(owner, dict) else ():
            if member in owner:
                yield path + member, owner[member]


def allow_outside(role: iam.Role, steps: Sequence[Step], outside: Outside) -> None:
    """Give the pipeline's role what its steps need of other services."""
    named = {
        name
        for step in steps
        for value in (step.raw.get("FunctionArn"), step.raw.get("SqsQueueUrl"))
        if isinstance(value, str)
        for name in SENTINEL.findall(value)
    }
    for name, function in outside.functions.items():
        if f"function.{name}" in named:
            _allow(role, "lambda", ("InvokeFunction",), [function.function_arn])
    for name, queue in outside.queues.items():
        if f"queue.{name}" in named:
            _allow(role, "sqs", ("SendMessage",), [queue.queue_arn])
            if (key := queue.encryption_master_key) is not None:
                key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")
    _allow_emr(role, [step for step in steps if step.type == "EMR"], outside)
    _allow_emr_serverless(role, [step for step in steps if step.type == "EMRServerless"], outside)


def _allow_emr(role: iam.Role, steps: Sequence[Step], outside: Outside) -> None:
    if not steps:
        return
    stack = Stack.of(role)
    own = any("ClusterConfig" in step.arguments for step in steps)
    ids = {"*"} if own else {_known(step.arguments["ClusterId"], outside) for step in steps}
    clusters = [
        stack.format_arn(service="elasticmapreduce", resource="cluster", resource_name=each)
        for each in sorted(ids)
    ]
    actions = (*_STEP_ACTIONS, *(_CLUSTER_ACTIONS if own else ()))
    _allow(role, "elasticmapreduce", actions, clusters)
    acknowledge_wildcards(role, clusters, "EMR makes up the ids of clusters that a step creates.")
    rules = [stack.format_arn(service="events", resource="rule", resource_name=r) for r in _RULES]
    _allow(role, "events", ("DescribeRule", "PutRule", "PutTargets"), rules)
    services = ["elasticmapreduce.amazonaws.com", *(["ec2.amazonaws.com"] if own else [])]
    _allow_pass(role, steps, outside, services)


def _allow_emr_serverless(role: iam.Role, steps: Sequence[Step], outside: Outside) -> None:
    if not steps:
        return
    stack = Stack.of(role)
    own = any("ApplicationConfig" in step.arguments for step in steps)
    ids = {"*"} if own else {_known(step.arguments["ApplicationId"], outside) for step in steps}

    def arns(suffix: str) -> list[str]:
        return [
            stack.format_arn(
                service="emr-serverless",
                resource="",
                resource_name=f"applications/{each}{suffix}",
            )
            for each in sorted(ids)
        ]

    applications, runs = arns(""), arns("/jobruns/*")
    _allow(role, "emr-serverless", _RUN_ACTIONS, [*applications, *runs])
    if own:
        everything = [stack.format_arn(service="emr-serverless", resource="", resource_name="*")]
        _allow(role, "emr-serverless", _APPLICATION_ACTIONS, everything)
        acknowledge_wildcards(
            role, everything, "EMR Serverless makes up the ids of applications that a step creates."
        )
    acknowledge_wildcards(
        role, [*applications, *runs], "EMR Serverless makes up the ids of job runs."
    )
    _allow_pass(role, steps, outside, ["emr-serverless.amazonaws.com"])


def _allow_pass(
    role: iam.Role, steps: Sequence[Step], outside: Outside, services: list[str]
) -> None:
    named = {value for step in steps for _, value in emr_role_slots(step)}
    passed = [
        each.role_arn
        for name, each in outside.emr_roles.items()
        if f"{{{{emr_role.{name}}}}}" in named
    ]
    if passed:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=passed,
                conditions={"StringEquals": {"iam:PassedToService": services}},
            )
        )


def _allow(role: iam.Role, service: str, actions: Sequence[str], resources: list[str]) -> None:
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[f"{service}:{action}" for action in actions], resources=resources
        )
    )


def _known(value: Json, outside: Outside) -> str:
    """The id of a cluster or application as far as synth knows it, else all of them."""
    if not isinstance(value, str):
        return "*"
    match = SENTINEL.fullmatch(value)
    if match is None:
        return value
    bound = outside.bindings.get(match.group(1))
    return bound if isinstance(bound, str) else "*"


def _place_problem(step: Step) -> Iterator[tuple[str, Json, str, str]]:
    places = (
        ("ClusterId", "ClusterConfig")
        if step.type == "EMR"
        else ("ApplicationId", "ApplicationConfig")
    )
    given = [place for place in places if place in step.arguments]
    if len(given) != 1:
        allowed = f"exactly one of {' and '.join(places)}"
        yield "Arguments", ", ".join(given) or None, allowed, "Say where the step runs."


def _sentinel_problem(path: str, value: Json, kind: str) -> Iterator[tuple[str, Json, str, str]]:
    if not (isinstance(value, str) and re.fullmatch(rf"\{{\{{{kind}\.[^{{}}]+\}}\}}", value)):
        yield (
            path,
            value,
            f"a sentinel {{{{{kind}.<name>}}}}, as the pipeline's role may use named ones only",
            f"Write {{{{{kind}.<name>}}}} and pass {kind}s={{'<name>': …}}.",
        )
