"""Starts a pipeline's executions one after the other.

SageMaker runs as many executions of a pipeline at once as are started: ParallelismConfiguration
limits the steps of one execution, and nothing limits executions (SageMaker API reference,
StartPipelineExecution). So triggers start a state machine, and the machine starts the pipeline:

1. It lists the latest executions. Has one with this trigger's name begun since the machine began?
   Then whatever set the trigger off is taken care of: done.
2. Is one running? Then the machine waits and looks again, or gives up if it was told to.
3. Otherwise it starts one, and looks again.

**Two machines at once.** Both may find nothing running. Both then start the *successor of the same
execution*: the ClientRequestToken is a hash of the latest execution's ARN, and the service starts
one execution for one token. The same holds while the list of executions is behind.

**Many triggers at once.** Those that wait for the same run, with the same parameters, find step 1
true as soon as one of them has started the next: a thousand start one.

The name of an execution is that of its trigger, with a hash of the trigger's parameters if they
come from an event. ``START_TIME`` is put in when an execution is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_constructs.common.states import State, choice, task, wait

#: As a parameter's value: when the execution was started, as ``2026-11-21T03:00:00.000Z``. Data
#: that has changed behind the same URI needs another value of some parameter, or cached steps
#: take the place of the new run.
START_TIME = "{start-time}"

#: How long to wait until executions are looked at again, in seconds.
_POLL = 60
#: Until the list of executions shows one that was just started.
_SETTLE = 5
#: How often the service may refuse to start one: a wrong parameter will not become right.
_MOST_REFUSALS = 3
#: As long as the 25,000 events of an execution suffice for polling.
TIMEOUT_SECONDS = 24 * 3600

# Lists of one element are that element in JSONata, unless said otherwise.
_ALL = "$states.result.PipelineExecutionSummaries"
# Times are numbers of seconds or ISO texts, by the integration.
_BEGAN = "($type(StartTime) = 'number' ? StartTime * 1000 : $toMillis(StartTime))"
_OWN = f"{_ALL}[PipelineExecutionDisplayName = $name and {_BEGAN} >= $since]"
_ASSIGN = {
    "latest": f"{{% $count({_ALL}) > 0 ? {_ALL}[0].PipelineExecutionArn : 'none' %}}",
    "running": f"{{% $count({_ALL}[PipelineExecutionStatus in ['Executing', 'Stopping']]) > 0 %}}",
    "started": f"{{% $count({_OWN}) > 0 ? {_OWN}[0].PipelineExecutionArn : '' %}}",
}


def variables() -> dict[str, Any]:
    """What the machine's variables hold at the beginning, from its input.

    The input has ``trigger`` (a name), ``parameters`` (a list of ``Name`` and ``Value``),
    ``varies`` (whether an event gave the parameters), ``gather`` (seconds to wait for more
    triggers) and ``skip`` (whether to give up while an execution runs); it may have a
    ``description`` of the execution. The output has the ARN of the ``execution``.
    """
    given = "$states.input"
    return {
        "since": "{% $toMillis($states.context.Execution.StartTime) %}",
        "name": f"{{% {given}.trigger & ({given}.varies ? "
        f"'-' & $substring($hash($string({given}.parameters), 'SHA-256'), 0, 8) : '') %}}",
        "parameters": f"{{% [{given}.parameters] %}}",
        "description": f"{{% $exists({given}.description) ? {given}.description "
        f": 'Started by ' & {given}.trigger %}}",
        "skip": f"{{% {given}.skip %}}",
        "gather": f"{{% {given}.gather %}}",
        "refusals": 0,
        "reason": "",
    }


def states(pipeline_name: str) -> Mapping[str, State]:
    """The machine's states; the first is ``Gather``."""
    given = (
        "{% [$parameters.{'Name': Name, 'Value': Value = '" + START_TIME + "' ? $now() : Value}] %}"
    )
    return {
        "Gather": wait("{% $gather %}", "List"),
        "List": task(
            "sagemaker:listPipelineExecutions",
            {
                "PipelineName": pipeline_name,
                "SortBy": "CreationTime",
                "SortOrder": "Descending",
                "MaxResults": 100,
            },
            assign=_ASSIGN,
            next_state="Decide",
            on_error="NotStarted",
        ),
        "Decide": choice(
            {
                "$started != ''": "Started",
                "$running and $skip": "Skipped",
                "$running": "WaitForEnd",
                f"$refusals >= {_MOST_REFUSALS}": "NotStarted",
            },
            "Start",
        ),
        "WaitForEnd": wait(_POLL, "List"),
        "Start": {
            **task(
                "sagemaker:startPipelineExecution",
                {
                    "PipelineName": pipeline_name,
                    "PipelineExecutionDisplayName": "{% $name %}",
                    "PipelineExecutionDescription": "{% $description %}",
                    "PipelineParameters": given,
                    "ClientRequestToken": f"{{% $hash('{pipeline_name}' & $latest, 'SHA-256') %}}",
                },
                next_state="Settle",
                on_error="Refused",
            ),
        },
        # Somebody else may have started the successor with other parameters: look again.
        "Refused": {
            "Type": "Pass",
            "Assign": {"refusals": "{% $refusals + 1 %}"},
            "Next": "Settle",
        },
        "Settle": wait(_SETTLE, "List"),
        "Started": {"Type": "Pass", "Output": {"execution": "{% $started %}"}, "End": True},
        "Skipped": {"Type": "Succeed", "Comment": "An execution was running."},
        "NotStarted": {"Type": "Fail", "Error": "NotStarted", "Cause": "{% $reason %}"},
    }
