"""Deploy what was approved, without drift: CloudFormation stays the owner of the endpoint.

An approval in the registry starts a state machine of AWS SDK integrations: it puts the package's
ARN into the SSM parameter that the serving stack follows (`ApprovedModel`), updates that stack with
its previous template, waits, and tells a topic what was served before and after. If the update
fails or is rolled back (by an alarm of the endpoint, for example), it puts the parameter back.

- Approvals queue: the next one starts when the one before has ended. The service may send an
  approval twice; the second finds nothing to update and says nothing.
- A rejected model does nothing, and neither does one whose approval is taken back in the queue.
- The machine may live in the stack that it updates or in another. The previous template with
  another parameter value changes the model, the endpoint configuration and the endpoint and nothing
  else, so that an update never touches the machine that runs it.
- The stack must have been deployed with an execution role, as ``cdk deploy`` does: CloudFormation
  goes on using that role, and the machine needs no permission on any resource of the stack (AWS
  CloudFormation user guide, "CloudFormation service role").
- The group may be in another account: see `RegistryAccount`.
- With a ``stage`` a version is released once it is approved for it, by its ``ModelLifeCycle``; so
  staging and prod follow one registry, one after the other.
- Metadata that change on an approved version do nothing: only what is approved now is released.
- An approval from before the machine existed is not seen; start the machine by hand with
  ``{"detail": {"ModelPackageArn": "…"}}``.
"""

from __future__ import annotations

from typing import Protocol

from aws_cdk import (
    DefaultStackSynthesizer,
    Duration,
    RemovalPolicy,
    Stack,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
    aws_sns as sns,
    aws_stepfunctions as sfn,
)
from constructs import Construct

from mlops_constructs.common.approvals import approvals_of, check_stage
from mlops_constructs.common.approved_parameter import parameter_arn
from mlops_constructs.common.encryption import allow_logs, ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.tokens import is_literal
from mlops_constructs.serving.grants import allow_pattern
from mlops_constructs.serving.sharing import RegistryAccount
from mlops_constructs.serving.workflow import ReleaseWorkflow

_SHORTEST = Duration.minutes(10)
_LONGEST = Duration.hours(9)


class UpdatedEndpoint(Protocol):
    """What `BlueGreenEndpoint` offers of itself."""

    @property
    def longest_update(self) -> Duration:
        """How long its deployment policy lets an update take."""


class ModelRelease(Construct):
    """Brings every approved model of a group to the endpoint that follows a parameter.

    Attributes:
        encryption_key: The key of the log, passed in or made.
        log_group: The log of the machine.
        role: The role of the machine.
        rule: The rule that starts it.
        state_machine: The machine.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        parameter_name: str,
        stack: Stack | str | None = None,
        registry: RegistryAccount | None = None,
        stage: str | None = None,
        endpoint: UpdatedEndpoint | None = None,
        notify: sns.ITopic | None = None,
        encryption_key: kms.IKey | None = None,
        timeout: Duration | None = None,
    ) -> None:
        """Make the rule and the machine.

        Args:
            scope: The parent.
            construct_id: The id.
            model_package_group_name: The group whose approvals are released.
            parameter_name: The SSM parameter that `ApprovedModel` follows.
            stack: The stack with the endpoint, or its name; the stack of ``scope`` by default.
            registry: Where the group is, if in another account.
            stage: Release versions that are approved for this stage, as `StageAccount` has it;
                every approved version if left out.
            endpoint: The endpoint that is updated, whose deployment ``timeout`` must outlast.
            notify: Told of every release, with what was served before and after.
            encryption_key: For the log; made if left out.
            timeout: How long an update may take before it is cancelled: 10 minutes to 9 hours.
                By default 3 hours, or half an hour more than the deployment of ``endpoint`` may
                take, if that is longer.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        here = Stack.of(self)
        target = stack if stack is not None else here
        stack_name = target if isinstance(target, str) else target.stack_name
        longest = endpoint.longest_update if endpoint is not None else Duration.seconds(0)
        if timeout is None:
            usual = max(3 * 3600, int(longest.to_seconds()) + 1800)
            timeout = Duration.seconds(usual)
        self._check(
            model_package_group_name,
            parameter_name,
            stack_name,
            stage=stage,
            timeout=timeout,
            longest=longest,
        )
        self._registry = registry

        self.encryption_key = ensure_key(
            self, encryption_key, description=f"Log of the releases to {stack_name}"
        )
        allow_logs(self.encryption_key)
        self.log_group = logs.LogGroup(
            self,
            "Log",
            encryption_key=self.encryption_key,
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.role = self._make_role(
            group=model_package_group_name,
            parameter_name=parameter_name,
            stack_arn=here.stack_id if target is here else None,
            stack_name=stack_name,
            notify=notify,
        )
        workflow = ReleaseWorkflow(
            partition=PARTITION,
            stack_name=stack_name,
            parameter_name=parameter_name,
            topic_arn=notify.topic_arn if notify is not None else None,
            timeout_seconds=int(timeout.to_seconds()),
            stage=stage,
        )
        self.state_machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(
                here.to_json_string(workflow.definition())
            ),
            role=self.role,
            logs=sfn.LogOptions(
                destination=self.log_group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
            tracing_enabled=True,
        )
        self._allow_queue()
        self.rule = self._make_rule(model_package_group_name, stage)

    def _check(
        self,
        group: str,
        parameter_name: str,
        stack_name: str,
        *,
        stage: str | None,
        timeout: Duration,
        longest: Duration,
    ) -> None:
        problems = Problems(self)
        check_stage(problems, stage)
        for what, name, instead in (
            ("model_package_group_name", group, "Write the group's name as text."),
            ("parameter_name", parameter_name, "Write the parameter's name as text."),
            ("stack", stack_name, "Pass the stack, or its name as text."),
        ):
            problems.check(
                is_literal(name) and bool(name),
                what,
                got=name,
                allowed="a name that is known at synth",
                instead=instead,
            )
        problems.check(
            _SHORTEST.to_seconds() <= timeout.to_seconds() <= _LONGEST.to_seconds(),
            "timeout",
            got=f"{timeout.to_seconds():.0f} s",
            allowed="10 minutes to 9 hours; the longest deployment of an endpoint takes 8",
            instead="Write Duration.hours(3).",
        )
        problems.check(
            timeout.to_seconds() > longest.to_seconds(),
            "timeout",
            got=f"{timeout.to_seconds():.0f} s",
            allowed=f"more than {longest.to_seconds():.0f} s, which the deployment policy of the "
            "endpoint may take; the release would cancel it",
            instead="Leave timeout out, or bake for a shorter time.",
        )
        problems.raise_if_any()

    def _make_role(
        self,
        *,
        group: str,
        parameter_name: str,
        stack_arn: str | None,
        stack_name: str,
        notify: sns.ITopic | None,
    ) -> iam.Role:
        here = Stack.of(self)
        role = service_role(
            self,
            "Role",
            description=f"What a release to {stack_name} may do",
            service="states.amazonaws.com",
        )
        approved = parameter_arn(self, parameter_name)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameter", "ssm:PutParameter"], resources=[approved]
            )
        )
        # CloudFormation resolves a template's SSM parameters with the caller's permissions; every
        # CDK template has the bootstrap version among them.
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameters"],
                resources=[approved, parameter_arn(self, _bootstrap_version(here))],
            )
        )
        actions = [
            "cloudformation:CancelUpdateStack",
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStacks",
            "cloudformation:UpdateStack",
        ]
        if stack_arn is not None:
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[stack_arn]))
        else:
            allow_pattern(
                role,
                here.format_arn(
                    service="cloudformation", resource="stack", resource_name=f"{stack_name}/*"
                ),
                actions=actions,
                reason="The ARN of a stack ends with an id that CloudFormation gives it.",
            )
        allow_pattern(
            role,
            # SageMaker lower-cases names inside ARNs.
            here.format_arn(
                service="sagemaker",
                account=self._registry.account if self._registry is not None else None,
                resource="model-package",
                resource_name=f"{group.lower()}/*",
            ),
            actions=["sagemaker:DescribeModelPackage"],
            reason="Every version of the group may be approved.",
        )
        if notify is not None:
            notify.grant_publish(role)
        acknowledge(
            role,
            {
                "AwsSolutions-IAM5[Resource::*]": "Log delivery and X-Ray, which CDK grants for "
                "the machine's log and traces, take no resource.",
                "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]": "What a topic's own grant asks "
                "for on the topic's key; SNS uses GenerateDataKey.",
            },
        )
        return role

    def _allow_queue(self) -> None:
        """Let the machine list its executions.

        In a policy of its own: the machine waits for the policy of its role, and a policy that
        names the machine would wait for it in turn.
        """
        queue = iam.Policy(
            self,
            "QueuePolicy",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    actions=["states:ListExecutions"],
                    resources=[self.state_machine.state_machine_arn],
                )
            ],
        )
        acknowledge(
            queue,
            {
                "NIST.800.53.R5-IAMNoInlinePolicy": "It names this machine and must go when the "
                "machine goes."
            },
        )

    def _make_rule(self, group: str, stage: str | None) -> events.Rule:
        return events.Rule(
            self,
            "Approval",
            description=f"A model of {group} was approved",
            event_bus=self._registry.event_bus if self._registry is not None else None,
            event_pattern=approvals_of(
                group,
                account=self._registry.account if self._registry is not None else None,
                stage=stage,
            ),
            targets=[
                targets.SfnStateMachine(
                    self.state_machine,
                    role=service_role(
                        self,
                        "StarterRole",
                        description=f"Starts releases of {group}",
                        service="events.amazonaws.com",
                    ),
                )
            ],
        )


def _bootstrap_version(stack: Stack) -> str:
    qualifier = stack.synthesizer.bootstrap_qualifier or DefaultStackSynthesizer.DEFAULT_QUALIFIER
    return f"/cdk-bootstrap/{qualifier}/version"
