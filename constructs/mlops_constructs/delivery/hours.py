"""An endpoint that stands only in working hours, without anybody going behind CloudFormation.

A fleet of instances cannot scale to zero (only inference components and asynchronous endpoints
can), and deleting the endpoint by API would be drift that the next deployment trips over. So the
template has a parameter, `PARAMETER`, and EventBridge Scheduler updates the stack with its
previous template and that parameter alone: "false" deletes the endpoint and its scaling, "true"
makes them again. Model, configuration, role, key and alarms stay.

- A ``cdk deploy`` in between keeps the value: the CDK passes previous parameters on. So does a
  release; what was approved at night is served in the morning.
- The endpoint answers some minutes after the start: SageMaker makes it anew.
- An update that meets another update of the stack is tried again for an hour.
- CloudFormation resolves the template's SSM parameters with the caller's permissions, and goes on
  with the role that the stack was deployed with.

Source: Amazon EventBridge Scheduler user guide, "Using universal targets"; CloudFormation API
reference, UpdateStack.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from aws_cdk import (
    CfnCondition,
    CfnParameter,
    CfnResource,
    DefaultStackSynthesizer,
    Fn,
    Stack,
    aws_iam as iam,
    aws_scheduler as scheduler,
)
from constructs import Construct, Node

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.common.roles import service_role

#: The parameter's construct id; its logical id begins with the id of the construct.
PARAMETER = "Stands"

_STOPPED = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::InferenceComponent",
)
_DAYS = re.compile(r"(SUN|MON|TUE|WED|THU|FRI|SAT)(-(SUN|MON|TUE|WED|THU|FRI|SAT))?|\*")
_ZONE = re.compile(r"[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}")
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class StoppableEndpoint(Protocol):
    """What `BlueGreenEndpoint` offers of itself.

    Attributes:
        condition: When the endpoint exists.
    """

    condition: CfnCondition | None

    @property
    def node(self) -> Node:
        """Its node in the tree."""


class EndpointHours(Construct):
    """Takes an endpoint away in the evening and brings it back in the morning.

    Attributes:
        parameter: Says whether the endpoint stands.
        role: What the schedules update the stack with.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: StoppableEndpoint,
        start_hour: int,
        stop_hour: int,
        days: str = "MON-FRI",
        time_zone: str = "Etc/UTC",
    ) -> None:
        """Make the parameter and the schedules.

        Args:
            scope: The parent, in the stack of the endpoint.
            construct_id: The id.
            endpoint: The endpoint; its resources get one more condition.
            start_hour: When it comes back, 0 to 23.
            stop_hour: When it goes, 0 to 23, after the start.
            days: On which days it comes back, such as ``MON-FRI`` or ``*``; it goes on all days.
            time_zone: Of the hours, such as ``Europe/Berlin``.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self._check(endpoint, start_hour, stop_hour, days, time_zone)
        others = [found for found in stack.node.find_all() if isinstance(found, CfnParameter)]
        self.parameter = CfnParameter(
            self,
            PARAMETER,
            type="String",
            default="true",
            allowed_values=["true", "false"],
            description="Whether the endpoint stands; set by schedules",
        )
        self._condition(endpoint)
        self.role = self._make_role(others)
        for name, stands, hour, on in (
            ("Start", "true", start_hour, days),
            ("Stop", "false", stop_hour, "*"),
        ):
            update = {
                "StackName": stack.stack_name,
                "UsePreviousTemplate": True,
                "Capabilities": _CAPABILITIES,
                "Parameters": [
                    {"ParameterKey": self.parameter.logical_id, "ParameterValue": stands},
                    *(
                        {"ParameterKey": other.logical_id, "UsePreviousValue": True}
                        for other in others
                    ),
                ],
            }
            self._schedule(name, f"cron(0 {hour} ? * {on} *)", time_zone, update)

    def _condition(self, endpoint: StoppableEndpoint) -> None:
        stands = Fn.condition_equals(self.parameter.value_as_string, "true")
        both = [stands] if endpoint.condition is None else [endpoint.condition, stands]
        condition = CfnCondition(
            self,
            "Exists",
            expression=both[0] if len(both) == 1 else Fn.condition_and(*both),  # type: ignore[arg-type] # jsii: a condition is an expression
        )
        # What is added to the endpoint later, such as its scaling, takes the condition from there.
        endpoint.condition = condition
        for found in endpoint.node.find_all():
            if isinstance(found, CfnResource) and found.cfn_resource_type in _STOPPED:
                found.cfn_options.condition = condition

    def _make_role(self, parameters: list[CfnParameter]) -> iam.Role:
        stack = Stack.of(self)
        role = service_role(
            self,
            "Role",
            description=f"Updates the stack {stack.node.id} in the morning and in the evening",
            service="scheduler.amazonaws.com",
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["cloudformation:UpdateStack"], resources=[stack.stack_id])
        )
        qualifier = stack.synthesizer.bootstrap_qualifier
        names = {
            f"/cdk-bootstrap/{qualifier or DefaultStackSynthesizer.DEFAULT_QUALIFIER}/version",
            *(
                str(parameter.default)
                for parameter in parameters
                if parameter.type.startswith("AWS::SSM::Parameter::")
            ),
        }
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameters"],
                resources=[
                    stack.format_arn(
                        service="ssm", resource="parameter", resource_name=name.removeprefix("/")
                    )
                    for name in sorted(names)
                ],
            )
        )
        return role

    def _schedule(self, name: str, expression: str, zone: str, update: dict[str, Any]) -> None:
        schedule = scheduler.CfnSchedule(
            self,
            name,
            description=f"{name}s the endpoint of {Stack.of(self).node.id}",
            schedule_expression=expression,
            schedule_expression_timezone=zone,
            flexible_time_window={"mode": "OFF"},
            target={
                "arn": f"arn:{PARTITION}:scheduler:::aws-sdk:cloudformation:updateStack",
                "roleArn": self.role.role_arn,
                "input": Stack.of(self).to_json_string(update),
                "retryPolicy": {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 20},
            },
        )
        schedule.node.add_dependency(self.role)

    def _check(
        self, endpoint: StoppableEndpoint, start: int, stop: int, days: str, zone: str
    ) -> None:
        problems = Problems(self)
        here = Stack.of(self)
        problems.check(
            here.node.path == endpoint.node.scopes[1].node.path
            if len(endpoint.node.scopes) > 1
            else False,
            "endpoint",
            got=endpoint.node.path,
            allowed=f"an endpoint of the stack {here.node.path}, which the schedules update",
            instead="Make EndpointHours in the stack of the endpoint.",
        )
        problems.check(
            0 <= start < stop <= 23,
            "start_hour and stop_hour",
            got=(start, stop),
            allowed="0 <= start_hour < stop_hour <= 23",
            instead="Write start_hour=7, stop_hour=19.",
        )
        problems.check(
            _DAYS.fullmatch(days) is not None,
            "days",
            got=days,
            allowed="a day such as MON, a range such as MON-FRI, or *",
            instead="Write days='MON-FRI'.",
        )
        problems.check(
            _ZONE.fullmatch(zone) is not None,
            "time_zone",
            got=zone,
            allowed="a name of the IANA time zone database",
            instead="Write 'Europe/Berlin'.",
        )
        problems.raise_if_any()
