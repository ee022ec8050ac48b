"""The workflow of a release, in Amazon States Language with JSONata.

One approval after the other: an execution goes on only when it is the oldest that runs. It looks
for itself in the list first, because the list is eventually consistent: an execution that does not
see itself yet does not see the others either. A stack that somebody else is updating is waited
for. What goes wrong before the parameter is changed is told; what goes wrong afterwards also puts
the parameter back. Why a resource failed only the events of the stack say, and they may be too many
for a state machine: they are asked for last, and without their answer the stack's own is told.

Errors of CloudFormation are recognised by their text: UpdateStack reports "No updates are to be
performed" and "is in UPDATE_IN_PROGRESS state" alike as a ValidationError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_constructs.common.states import ERROR_AS_REASON, RETRY, choice, wait

#: What CDK's own deployments acknowledge; a template never asks for more.
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

_POLL_SECONDS = 15
_QUEUE_SECONDS = 30
#: Long enough for the list of executions to show one that started at the same moment.
_SETTLE_SECONDS = 5

_IN_PROGRESS = "$contains($status, '_IN_PROGRESS')"
_LATE = "$millis() > $deadline"
# The stack says why it rolls back only while it does.
_CAUSE = (
    "$states.result.Stacks[0].($contains(StackStatus, 'ROLLBACK') and $boolean(StackStatusReason) "
    "? StackStatusReason : $cause)"
)
# Events are listed newest first; what failed first is why the rest was cancelled.
_FAILURE = (
    "( $failed := $states.result.StackEvents[$contains(ResourceStatus, '_FAILED') and "
    "$toMillis(Timestamp) >= $began and $boolean(ResourceStatusReason) and "
    "$not($contains(ResourceStatusReason, 'cancelled'))]; "
    "$began > 0 and $exists($failed) ? $reason & '. ' & $failed[-1].LogicalResourceId & ': ' & "
    "$substring($failed[-1].ResourceStatusReason, 0, 4000) : $reason )"
)


@dataclass(frozen=True, kw_only=True)
class ReleaseWorkflow:
    """What one release machine works on.

    Attributes:
        partition: Of the service integrations' ARNs.
        stack_name: The stack that follows the parameter.
        parameter_name: The parameter.
        topic_arn: Who is told, if anybody.
        timeout_seconds: How long an update may take before it is cancelled.
        stage: For which versions must be approved, if for one.
    """

    partition: str
    stack_name: str
    parameter_name: str
    topic_arn: str | None
    timeout_seconds: int
    stage: str | None = None

    def definition(self) -> dict[str, Any]:
        """The state machine's definition."""
        return {
            "Comment": f"Releases approved models to the stack {self.stack_name}",
            "QueryLanguage": "JSONata",
            "StartAt": "Begin",
            # A backstop: polling for longer would exceed the 25,000 events of an execution.
            "TimeoutSeconds": 12 * 3600,
            "States": {
                **self._queue(),
                **self._prepare(),
                **self._update(),
                **self._watch(),
                **self._end(),
            },
        }

    def _queue(self) -> dict[str, Any]:
        oldest = (
            "( $all := $states.result.Executions.($string(StartDate) & ' ' & ExecutionArn); "
            "$exists($all) ? $substringAfter($sort([$all])[0], ' ') : '' )"
        )
        return {
            "Begin": {
                "Type": "Pass",
                "Assign": {
                    "package": "{% $states.input.detail.ModelPackageArn %}",
                    "before": "",
                    "reason": "",
                    "cause": "",
                    "began": 0,
                    "cancelled": False,
                },
                "Next": "Settle",
            },
            "Settle": wait(_SETTLE_SECONDS, "ListReleases"),
            "ListReleases": self._task(
                "sfn:listExecutions",
                {
                    "StateMachineArn": "{% $states.context.StateMachine.Id %}",
                    "StatusFilter": "RUNNING",
                    "MaxResults": 1000,
                },
                assign={"oldest": f"{{% {oldest} %}}"},
                next_state="IsMyTurn",
                on_error="NotifyFailure",
            ),
            "IsMyTurn": choice(
                {"$oldest = $states.context.Execution.Id": "CheckApproval"}, "WaitForTurn"
            ),
            "WaitForTurn": wait(_QUEUE_SECONDS, "ListReleases"),
        }

    def _prepare(self) -> dict[str, Any]:
        return {
            "CheckApproval": self._task(
                "sagemaker:describeModelPackage",
                {"ModelPackageName": "{% $package %}"},
                assign={"approval": self._approval()},
                next_state="IsStillApproved",
                on_error="NotifyFailure",
            ),
            "IsStillApproved": choice({"$approval = 'Approved'": "ReadParameter"}, "Withdrawn"),
            "Withdrawn": {
                "Type": "Pass",
                "Comment": "The approval was taken back while the release waited for its turn.",
                "Output": {"outcome": "withdrawn", "approval": "{% $approval %}"},
                "End": True,
            },
            "ReadParameter": self._task(
                "ssm:getParameter",
                {"Name": self.parameter_name},
                assign={
                    "before": "{% $states.result.Parameter.Value %}",
                    "deadline": f"{{% $millis() + {self.timeout_seconds * 1000} %}}",
                },
                next_state="DescribeStack",
                on_error="NotifyFailure",
            ),
            "DescribeStack": self._task(
                "cloudformation:describeStacks",
                {"StackName": self.stack_name},
                assign={
                    "status": "{% $states.result.Stacks[0].StackStatus %}",
                    # A parameter that is left out would fall back to its default.
                    "parameters": "{% [$states.result.Stacks[0].Parameters."
                    "{'ParameterKey': ParameterKey, 'UsePreviousValue': true}] %}",
                },
                next_state="IsStackIdle",
                on_error="RestoreParameter",
            ),
            "IsStackIdle": choice(
                {
                    f"$not({_IN_PROGRESS})": "PutParameter",
                    _LATE: "GiveUp",
                },
                "WaitForStack",
            ),
            "WaitForStack": wait(_POLL_SECONDS, "DescribeStack"),
            "GiveUp": {
                "Type": "Pass",
                "Assign": {"reason": "{% 'The stack was busy for too long: ' & $status %}"},
                "Next": "RestoreParameter",
            },
        }

    def _approval(self) -> str:
        if self.stage is None:
            return "{% $states.result.ModelApprovalStatus %}"
        here = f"$states.result.ModelLifeCycle.Stage = '{self.stage}'"
        return (
            f"{{% {here} ? ($states.result.ModelApprovalStatus = 'Approved' "
            "? $states.result.ModelLifeCycle.StageStatus : 'not approved itself') "
            ": 'approved for another stage' %}"
        )

    def _update(self) -> dict[str, Any]:
        return {
            "PutParameter": self._task(
                "ssm:putParameter",
                {"Name": self.parameter_name, "Value": "{% $package %}", "Overwrite": True},
                assign={"began": "{% $millis() %}"},
                next_state="UpdateStack",
                on_error="RestoreParameter",
            ),
            # Not repeated blindly: whether to go on, to wait or to undo is for WhyRefused.
            "UpdateStack": self._task(
                "cloudformation:updateStack",
                {
                    "StackName": self.stack_name,
                    "UsePreviousTemplate": True,
                    "Parameters": "{% $parameters %}",
                    "Capabilities": _CAPABILITIES,
                },
                next_state="WaitForUpdate",
                on_error="WhyRefused",
                retry=False,
            ),
            "WhyRefused": choice(
                {
                    "$contains($reason, 'No updates are to be performed')": "IsNews",
                    f"$contains($reason, '_IN_PROGRESS') and $not({_LATE})": "WaitForStack",
                    f"$contains($reason, 'Rate exceeded') and $not({_LATE})": "WaitForStack",
                },
                "RestoreParameter",
            ),
            # The service may send the same approval twice.
            "IsNews": choice({"$before = $package": "Released"}, "NotifySuccess"),
        }

    def _watch(self) -> dict[str, Any]:
        describe = self._task(
            "cloudformation:describeStacks",
            {"StackName": self.stack_name},
            assign={
                "status": "{% $states.result.Stacks[0].StackStatus %}",
                "cause": f"{{% {_CAUSE} %}}",
                "reason": "{% ($why := " + _CAUSE + "; $states.result.Stacks[0].StackStatus & "
                "($why ? ': ' & $why : '') & "
                f"($cancelled ? ', cancelled after {self.timeout_seconds} s' : '')) %}}",
            },
            next_state="IsUpdateDone",
            on_error="RestoreParameter",
        )
        cancel = self._task(
            "cloudformation:cancelUpdateStack",
            {"StackName": self.stack_name},
            assign={"cancelled": True},
            # An update that has just ended cannot be cancelled; the next look tells how it ended.
            caught={"cancelled": True},
            next_state="WaitForUpdate",
            on_error="WaitForUpdate",
        )
        return {
            "WaitForUpdate": wait(_POLL_SECONDS, "DescribeUpdate"),
            "DescribeUpdate": describe,
            "IsUpdateDone": choice(
                {
                    f"{_IN_PROGRESS} and {_LATE} and $not($cancelled)": "CancelUpdate",
                    _IN_PROGRESS: "WaitForUpdate",
                    "$status = 'UPDATE_COMPLETE'": "NotifySuccess",
                },
                "RestoreParameter",
            ),
            "CancelUpdate": cancel,
        }

    def _end(self) -> dict[str, Any]:
        read_events = self._task(
            "cloudformation:describeStackEvents",
            {"StackName": self.stack_name},
            assign={"reason": f"{{% {_FAILURE} %}}"},
            next_state="NotifyFailure",
            on_error="NotifyFailure",
            caught={},
        )
        # States.ALL does not catch an answer of more than 256 KiB.
        read_events["Catch"].insert(
            0, {"ErrorEquals": ["States.DataLimitExceeded"], "Next": "NotifyFailure"}
        )
        return {
            "RestoreParameter": self._task(
                "ssm:putParameter",
                {"Name": self.parameter_name, "Value": "{% $before %}", "Overwrite": True},
                next_state="ReadEvents",
                on_error="NotifyFailure",
            ),
            "ReadEvents": read_events,
            "NotifySuccess": self._notify("released", next_state="Released"),
            "NotifyFailure": self._notify("not released", next_state="NotReleased"),
            "Released": {"Type": "Succeed"},
            "NotReleased": {"Type": "Fail", "Error": "NotReleased", "Cause": "{% $reason %}"},
        }

    def _notify(self, outcome: str, *, next_state: str) -> dict[str, Any]:
        if self.topic_arn is None:
            return {"Type": "Pass", "Next": next_state}
        message = (
            "{% $string({'outcome': '" + outcome + "', 'stack': '" + self.stack_name + "', "
            "'before': $before, 'after': $package, 'reason': $reason, "
            "'execution': $states.context.Execution.Id}, true) %}"
        )
        return self._task(
            "sns:publish",
            {
                "TopicArn": self.topic_arn,
                # SNS takes subjects of up to 100 characters.
                "Subject": f"Model {outcome}: {self.stack_name}"[:100],
                "Message": message,
            },
            next_state=next_state,
            on_error=next_state,
            caught={},
        )

    def _task(
        self,
        action: str,
        arguments: Mapping[str, Any],
        *,
        next_state: str,
        on_error: str,
        assign: Mapping[str, Any] | None = None,
        caught: Mapping[str, Any] = ERROR_AS_REASON,
        retry: bool = True,
    ) -> dict[str, Any]:
        task: dict[str, Any] = {
            "Type": "Task",
            "Resource": f"arn:{self.partition}:states:::aws-sdk:{action}",
            "Arguments": dict(arguments),
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": on_error}],
            "Next": next_state,
        }
        if caught:
            task["Catch"][0]["Assign"] = dict(caught)
        if assign:
            task["Assign"] = dict(assign)
        if retry:
            task["Retry"] = list(RETRY)
        return task
