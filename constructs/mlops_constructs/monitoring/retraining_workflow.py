"""The workflow of an answer to drift, in Amazon States Language with JSONata.

One item of a table says when the pipeline was started in the last week. Who wants to start it reads
the item, decides, and writes it back on the condition that nobody has written in between; who loses
that race reads again and then finds the other's start. So neither the cool-down nor the week's cap
can be exceeded, however many violations arrive at once. A start is written down before a person is
asked: what is declined is not asked again within the cool-down.

**One execution at a time.** SageMaker runs as many executions of a pipeline as are started. Where
a machine starts the pipeline once no other execution runs (``TrainingPipeline.starter``), that
machine is asked, and watched until it has. A pipeline without one is looked at before it is
started, which leaves the moment between look and start to others. In both cases an answer during an
execution waits for its end, a day at most, and the topic is told so at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_constructs.common.states import ERROR_AS_REASON, RETRY, choice, wait

_WEEK_SECONDS = 7 * 24 * 3600
_NOW = "$floor($millis() / 1000)"
# $split of an empty text is one empty text; the brackets keep one start a list.
_RECENT = (
    "{% ( $now := " + _NOW + "; $text := $states.result.Item.starts.S; "
    "$exists($text) and $text != '' "
    f"? [$filter($map($split($text, ','), $number), function($at) {{ $at > $now - {_WEEK_SECONDS} "
    "})] : [] ) %}"
)
_POLL_SECONDS = 60
#: Until the starter has started something where nothing runs; it looks again after five seconds.
_SETTLE_SECONDS = 20
#: A day of looks, far from the 25,000 events that end an execution of Step Functions.
_MOST_LOOKS = 24 * 3600 // _POLL_SECONDS
_ELSE_TOLD = {
    "ErrorEquals": ["States.ALL"],
    "Assign": ERROR_AS_REASON,
    "Next": "NotifyFailure",
}
_QUEUED = "Another execution is under way; this one begins when that one has ended."


@dataclass(frozen=True, kw_only=True)
class RetrainingWorkflow:
    """What one machine works on.

    Attributes:
        partition: Of the service integrations' ARNs.
        monitor_name: Whose violations are answered.
        pipeline_name: What is started.
        parameters: Of the pipeline; paths that begin with ``$.detail.`` are read from the event.
        table_name: Of the table with the item.
        topic_arn: Who is told, and asked.
        cool_down_seconds: For how long after a start nothing is started.
        most_per_week: How many starts in seven days.
        approval_seconds: How long a person may take to say yes; None when nobody is asked.
        starter_arn: Of the machine that starts the pipeline; None to start it here.
    """

    partition: str
    monitor_name: str
    pipeline_name: str
    parameters: Mapping[str, str]
    table_name: str
    topic_arn: str
    cool_down_seconds: int
    most_per_week: int
    approval_seconds: int | None
    starter_arn: str | None = None

    def definition(self) -> dict[str, Any]:
        """The state machine's definition."""
        return {
            "Comment": f"Answers violations of {self.monitor_name} with {self.pipeline_name}",
            "QueryLanguage": "JSONata",
            "StartAt": "Begin",
            "States": {
                **self._decide(),
                **self._ask(),
                **self._look(),
                **self._start(),
                **self._end(),
            },
        }

    def _decide(self) -> dict[str, Any]:
        cool = f"$count($starts) > 0 and $max($starts) > {_NOW} - {self.cool_down_seconds}"
        return {
            "Begin": {
                "Type": "Pass",
                "Assign": {
                    "detail": "{% $states.input.detail %}",
                    "token": "{% $uuid() %}",
                    "looks": 0,
                },
                "Next": "ReadStarts",
            },
            "ReadStarts": self._task(
                "dynamodb:getItem",
                {
                    "TableName": self.table_name,
                    "Key": {"pipeline": {"S": self.pipeline_name}},
                    "ConsistentRead": True,
                },
                assign={
                    "starts": _RECENT,
                    "version": "{% $exists($states.result.Item.version.N) "
                    "? $number($states.result.Item.version.N) : 0 %}",
                },
                next_state="MayStart",
            ),
            "MayStart": choice(
                {
                    cool: "CoolingDown",
                    f"$count($starts) >= {self.most_per_week}": "NotifyCap",
                },
                "WriteStart",
            ),
            "CoolingDown": {
                "Type": "Succeed",
                "Comment": "The pipeline was started a short while ago.",
            },
            "NotifyCap": self._notify(
                "not started",
                f"It was started {self.most_per_week} times in seven days; the violations stand.",
                next_state="Capped",
            ),
            "Capped": {"Type": "Succeed", "Comment": "As often as a week allows."},
            "WriteStart": self._write_start(),
        }

    def _write_start(self) -> dict[str, Any]:
        task = self._task(
            "dynamodb:putItem",
            {
                "TableName": self.table_name,
                "Item": {
                    "pipeline": {"S": self.pipeline_name},
                    "version": {"N": "{% $string($version + 1) %}"},
                    "starts": {"S": f"{{% $join($map($append($starts, {_NOW}), $string), ',') %}}"},
                },
                "ConditionExpression": "attribute_not_exists(#v) OR #v = :seen",
                "ExpressionAttributeNames": {"#v": "version"},
                "ExpressionAttributeValues": {":seen": {"N": "{% $string($version) %}"}},
            },
            next_state="Look" if self.approval_seconds is None else "Ask",
        )
        task["Catch"].insert(
            0,
            {"ErrorEquals": ["DynamoDb.ConditionalCheckFailedException"], "Next": "ReadStarts"},
        )
        # Lost races are no faults: they are not repeated, but read again.
        task["Retry"] = [
            {"ErrorEquals": ["DynamoDb.ConditionalCheckFailedException"], "MaxAttempts": 0},
            *task["Retry"],
        ]
        return task

    def _ask(self) -> dict[str, Any]:
        if self.approval_seconds is None:
            return {}
        days = self.approval_seconds / 86_400
        message = (
            f"{{% 'The monitor {self.monitor_name} found: ' & $string($detail.violations) & ' "
            "violation(s) in ' & $string($detail.drifted) & '.\\nReport: ' & "
            "$string($detail.report) & "
            f"'\\n\\nStart {self.pipeline_name}? You have {days:.3g} day(s).\\n\\nYes:\\n"
            'aws stepfunctions send-task-success --task-output "{}" --task-token \' & '
            "$states.context.Task.Token & '\\n\\nNo:\\naws stepfunctions send-task-failure "
            "--error Declined --task-token ' & $states.context.Task.Token %}"
        )
        return {
            "Ask": {
                "Type": "Task",
                "Resource": f"arn:{self.partition}:states:::aws-sdk:sns:publish.waitForTaskToken",
                "Arguments": {
                    "TopicArn": self.topic_arn,
                    "Subject": f"Start {self.pipeline_name}?"[:100],
                    "Message": message,
                },
                "TimeoutSeconds": self.approval_seconds,
                "Catch": [
                    {"ErrorEquals": ["Declined", "States.Timeout"], "Next": "Declined"},
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Assign": ERROR_AS_REASON,
                        "Next": "NotifyFailure",
                    },
                ],
                "Next": "Look",
            },
            "Declined": {"Type": "Succeed", "Comment": "A person said no, or nothing."},
        }

    def _look(self) -> dict[str, Any]:
        """Wait while another execution runs, or leave that to the starter; say so in both cases."""
        waits = self.starter_arn is None
        cases = {
            "$not($running)": "Start",
            "$looks = 1": "NotifyQueued",
            f"$looks > {_MOST_LOOKS}": "NotifyFailure",
        }
        return {
            "Look": self._task(
                "sagemaker:listPipelineExecutions",
                {
                    "PipelineName": self.pipeline_name,
                    "SortBy": "CreationTime",
                    "SortOrder": "Descending",
                    "MaxResults": 100,
                },
                assign={
                    "running": "{% $count($states.result.PipelineExecutionSummaries"
                    "[PipelineExecutionStatus in ['Executing', 'Stopping']]) > 0 %}",
                    "looks": "{% $looks + 1 %}",
                    "reason": "Another execution has been under way for a day.",
                },
                next_state="MayRun",
            ),
            "MayRun": choice(cases, "Wait")
            if waits
            else choice({"$running": "NotifyQueued"}, "Start"),
            "NotifyQueued": self._notify(
                "queued", _QUEUED, next_state="Wait" if waits else "Start"
            ),
            **({"Wait": wait(_POLL_SECONDS, "Look")} if waits else {}),
        }

    def _start(self) -> dict[str, Any]:
        about = (
            f"'Violations seen by {self.monitor_name}: ' & "
            "$substring($string($detail.drifted), 0, 1000)"
        )
        values = {name: _value(value) for name, value in self.parameters.items()}
        if self.starter_arn is not None:
            return self._ask_starter(self.starter_arn, about, values)
        return {
            "Start": self._task(
                "sagemaker:startPipelineExecution",
                {
                    "PipelineName": self.pipeline_name,
                    "PipelineExecutionDescription": f"{{% {about} %}}",
                    "ClientRequestToken": "{% $token %}",
                    "PipelineParameters": [
                        {"Name": name, "Value": value} for name, value in values.items()
                    ],
                },
                assign={"execution": "{% $states.result.PipelineExecutionArn %}"},
                next_state="NotifyStart",
            ),
        }

    def _ask_starter(self, arn: str, about: str, values: Mapping[str, str]) -> dict[str, Any]:
        given = ", ".join(
            f"{{'Name': '{name}', 'Value': {_expression(value)}}}" for name, value in values.items()
        )
        return {
            "Start": self._task(
                "sfn:startExecution",
                {
                    "StateMachineArn": arn,
                    # Of the same name and input there is one, however often this is repeated.
                    "Name": "{% $token %}",
                    "Input": f"{{% $string({{'trigger': 'Drift-{self.monitor_name}', "
                    f"'parameters': [{given}], 'varies': true, 'skip': false, 'gather': 0, "
                    f"'description': {about}}}) %}}",
                },
                assign={"starter": "{% $states.result.ExecutionArn %}"},
                next_state="Settle",
            ),
            "Settle": wait(_SETTLE_SECONDS, "Watch"),
            "Watch": self._task(
                "sfn:describeExecution",
                {"ExecutionArn": "{% $starter %}"},
                assign={
                    "status": "{% $states.result.Status %}",
                    "execution": "{% $exists($states.result.Output) "
                    "? $parse($states.result.Output).execution : '' %}",
                    "reason": "{% $exists($states.result.Cause) "
                    "? $states.result.Cause : $states.result.Status %}",
                },
                next_state="HasStarted",
            ),
            "HasStarted": choice(
                {"$status = 'SUCCEEDED'": "NotifyStart", "$status = 'RUNNING'": "Wait"},
                "NotifyFailure",
            ),
            "Wait": wait(_POLL_SECONDS, "Watch"),
        }

    def _end(self) -> dict[str, Any]:
        return {
            "NotifyStart": self._notify("started", None, next_state="Started"),
            "Started": {"Type": "Succeed"},
            "NotifyFailure": self._notify("not started", None, next_state="NotStarted"),
            "NotStarted": {"Type": "Fail", "Error": "NotStarted", "Cause": "{% $reason %}"},
        }

    def _notify(self, outcome: str, reason: str | None, *, next_state: str) -> dict[str, Any]:
        said = "$execution" if outcome == "started" else "$reason"
        told = json.dumps(reason) if reason is not None else said
        task = self._task(
            "sns:publish",
            {
                "TopicArn": self.topic_arn,
                # SNS takes subjects of up to 100 characters.
                "Subject": f"Pipeline {outcome}: {self.pipeline_name}"[:100],
                "Message": f"{{% $string({{'outcome': '{outcome}', 'monitor': "
                f"'{self.monitor_name}', 'pipeline': '{self.pipeline_name}', 'why': {told}, "
                "'features': $detail.features, 'report': $detail.report}, true) %}",
            },
            next_state=next_state,
        )
        task["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": next_state}]
        return task

    def _task(
        self,
        action: str,
        arguments: Mapping[str, Any],
        *,
        next_state: str,
        assign: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": f"arn:{self.partition}:states:::aws-sdk:{action}",
            "Arguments": dict(arguments),
            **({"Assign": dict(assign)} if assign else {}),
            "Retry": list(RETRY),
            "Catch": [_ELSE_TOLD],
            "Next": next_state,
        }


def _value(value: str) -> str:
    """A parameter's value; lists become texts with commas, which no parameter is longer than."""
    if not value.startswith("$."):
        return value
    path = value.removeprefix("$.")
    return (
        f"{{% ( $found := ${path}; $substring($type($found) = 'array' ? $join($found, ',') : "
        "$string($found), 0, 1024) ) %}"
    )


def _expression(value: str) -> str:
    """A value as a part of an expression."""
    if value.startswith("{%"):
        return value.removeprefix("{%").removesuffix("%}").strip()
    return json.dumps(value)
