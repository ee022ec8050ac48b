"""One run after the other: a run waits while an earlier one of the same pipeline is under way.

Earlier is who was started first; of those started at the same moment, the one whose ARN sorts
first. So two runs never wait for one another, and never work at the same time, however they were
started: by the schedule, by labels that arrived, or by hand.

ListPipelineExecutions is eventually consistent: a run that does not see itself in the list does not
see the others either, and looks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .errors import AnalysisError

_POLL_SECONDS = 20.0
#: Looks for oneself in the list; about a minute.
_MOST_LOOKS = 12
_LOOK_SECONDS = 5.0


def wait_for_turn(
    pipeline: str,
    execution: str,
    *,
    client: Any = None,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Wait until no earlier execution is under way; how many seconds that took, about.

    The job's own time limit ends a wait that is too long.

    Args:
        pipeline: The pipeline's name.
        execution: The id of this execution, the end of its ARN.
        client: Of SageMaker; made when left out.
        sleep: Waits.

    Raises:
        AnalysisError: If the execution is not in the list after a minute.
    """
    if client is None:
        client = _client()
    waited, looks = 0.0, 0
    while True:
        running = _running(client, pipeline)
        own = [each for each in running if each[1].rsplit("/", 1)[-1] == execution]
        if own:
            if min(running) == own[0]:
                return waited
            pause = _POLL_SECONDS
        else:
            looks += 1
            if looks >= _MOST_LOOKS:
                raise AnalysisError(
                    f"{execution} is not among the running executions of {pipeline}: whether "
                    "another run is under way cannot be said."
                )
            pause = _LOOK_SECONDS
        sleep(pause)
        waited += pause


def _running(client: Any, pipeline: str) -> list[tuple[Any, str]]:
    request: dict[str, Any] = {
        "PipelineName": pipeline,
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 100,
    }
    # The newest hundred are enough: what is older than a hundred runs is not under way.
    return [
        (each["StartTime"], each["PipelineExecutionArn"])
        for each in client.list_pipeline_executions(**request)["PipelineExecutionSummaries"]
        if each["PipelineExecutionStatus"] in ("Executing", "Stopping")
    ]


def _client() -> Any:
    import boto3  # type: ignore[import-untyped,unused-ignore]  # it ships no types
    from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]  # as above

    return boto3.client(
        "sagemaker",
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 4}),
    )
