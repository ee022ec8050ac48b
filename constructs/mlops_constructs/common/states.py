"""States of Step Functions, in JSONata. Nothing here imports aws_cdk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

State = dict[str, Any]

#: Stands for the partition in the ARNs of integrations until a machine is made of the states.
PARTITION = "{partition}"

#: What a state that catches an error assigns: ``$reason`` says what it was.
ERROR_AS_REASON = {"reason": "{% $states.errorOutput.Error & ': ' & $states.errorOutput.Cause %}"}

#: Of a call of the AWS SDK: five times in all.
RETRY = (
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 2,
        "MaxAttempts": 4,
        "BackoffRate": 2,
        "JitterStrategy": "FULL",
    },
)


def task(
    action: str,
    arguments: Mapping[str, Any],
    *,
    next_state: str | None = None,
    assign: Mapping[str, Any] | None = None,
    on_error: str | None = None,
) -> State:
    """A call of the AWS SDK, tried five times; the last state if nothing follows.

    Args:
        action: Service and action as Step Functions spells them, ``ssm:getParameter``.
        arguments: Of the call.
        next_state: What follows.
        assign: Variables that its result sets.
        on_error: What follows an error; ``$reason`` then says what it was.
    """
    made: State = {
        "Type": "Task",
        "Resource": f"arn:{PARTITION}:states:::aws-sdk:{action}",
        "Arguments": dict(arguments),
        "Retry": list(RETRY),
        **({"End": True} if next_state is None else {"Next": next_state}),
    }
    if assign:
        made["Assign"] = dict(assign)
    if on_error is not None:
        made["Catch"] = [
            {"ErrorEquals": ["States.ALL"], "Assign": ERROR_AS_REASON, "Next": on_error}
        ]
    return made


def wait(seconds: int | str, next_state: str) -> State:
    """A wait of so many seconds, or of as many as an expression says."""
    return {"Type": "Wait", "Seconds": seconds, "Next": next_state}


def choice(cases: Mapping[str, str], default: str) -> State:
    """The state of the first condition that holds."""
    return {
        "Type": "Choice",
        "Choices": [
            {"Condition": f"{{% {condition} %}}", "Next": target}
            for condition, target in cases.items()
        ],
        "Default": default,
    }
