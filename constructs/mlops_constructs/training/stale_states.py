"""The state machine that counts the days since a pipeline succeeded. No aws_cdk here."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_constructs.common.states import State, task

NAMESPACE = "MLOps/Pipelines"
METRIC = "DaysSinceSuccess"
DIMENSION = "PipelineName"

_SUCCEEDED = "$states.result.PipelineExecutionSummaries[PipelineExecutionStatus = 'Succeeded']"


def _millis(time: str) -> str:
    """A time of the integration, a number of seconds or an ISO text, in milliseconds."""
    return f"($type({time}) = 'number' ? {time} * 1000 : $toMillis({time}))"


def states(pipeline_name: str) -> Mapping[str, State]:
    """The machine's states; the first is ``Describe``."""
    return {
        "Describe": task(
            "sagemaker:describePipeline",
            {"PipelineName": pipeline_name},
            assign={"since": f"{{% {_millis('$states.result.CreationTime')} %}}"},
            next_state="List",
        ),
        "List": task(
            "sagemaker:listPipelineExecutions",
            {
                "PipelineName": pipeline_name,
                "SortBy": "CreationTime",
                "SortOrder": "Descending",
                "MaxResults": 100,
            },
            assign={
                "since": f"{{% $count({_SUCCEEDED}) > 0 "
                f"? $max({_SUCCEEDED}.{_millis('StartTime')}) : $since %}}"
            },
            next_state="Publish",
        ),
        "Publish": task(
            "cloudwatch:putMetricData",
            {
                "Namespace": NAMESPACE,
                "MetricData": [
                    {
                        "MetricName": METRIC,
                        "Dimensions": [{"Name": DIMENSION, "Value": pipeline_name}],
                        "Value": "{% ($millis() - $since) / 86400000 %}",
                    }
                ],
            },
        ),
    }
