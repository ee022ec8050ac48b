"""Verify an environment after a deployment: run its pipeline, ask its endpoint.

    .venv/bin/python -m tools.verify pipeline --env dev
    .venv/bin/python -m tools.verify endpoint --env staging

`pipeline` starts the training pipeline on the environment's own data and waits for its end.
`endpoint` waits until the endpoint is in service and sends it one record. Both need credentials
as any AWS program does. The exit status is 0 only if what was asked for really happened.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# Node 20 prints an end-of-life banner on every start of jsii, before aws_cdk is imported.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

from stacks.use_case import CENSUS_INCOME

# A record as a client of the census model sends it.
RECORD = {
    "age": 39,
    "workclass": "State-gov",
    "education": "Bachelors",
    "education_num": 13,
    "marital_status": "Never-married",
    "occupation": "Adm-clerical",
    "relationship": "Not-in-family",
    "race": "White",
    "sex": "Male",
    "capital_gain": 2174,
    "capital_loss": 0,
    "hours_per_week": 40,
    "native_country": "United-States",
}
_POLL_SECONDS = 20


class VerificationError(Exception):
    """What does not work, for the one who deployed it."""


def run_pipeline(client: Any, name: str, *, timeout: float, wait: Callable[[float], None]) -> str:
    """Run the pipeline to its end; returns the ARN of the run.

    Raises:
        VerificationError: It failed, or took too long.
    """
    arn: str = client.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    for _ in range(max(int(timeout // _POLL_SECONDS), 1)):
        found = client.describe_pipeline_execution(PipelineExecutionArn=arn)
        status = found["PipelineExecutionStatus"]
        if status == "Succeeded":
            return arn
        if status in ("Failed", "Stopped"):
            raise VerificationError(f"{arn} {status.lower()}: {_why(client, arn, found)}")
        wait(_POLL_SECONDS)
    raise VerificationError(f"{arn} still runs after {timeout:.0f} s")


def ask_endpoint(
    client: Any, runtime: Any, name: str, *, timeout: float, wait: Callable[[float], None]
) -> float:
    """Wait until the endpoint is in service, and send it a record; returns its answer.

    Raises:
        VerificationError: There is no endpoint, it failed, or its answer is no probability.
    """
    for _ in range(max(int(timeout // _POLL_SECONDS), 1)):
        try:
            status = client.describe_endpoint(EndpointName=name)["EndpointStatus"]
        except client.exceptions.ClientError as error:
            raise VerificationError(
                f"no endpoint {name}: it comes with the first approved model ({error})"
            ) from None
        if status == "InService":
            break
        if status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
            raise VerificationError(f"the endpoint {name} is {status}")
        wait(_POLL_SECONDS)
    else:
        raise VerificationError(f"the endpoint {name} is not in service after {timeout:.0f} s")
    body = runtime.invoke_endpoint(
        EndpointName=name,
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps([RECORD]),
    )["Body"].read()
    answer = _probability(body)
    if answer is None:
        raise VerificationError(f"the endpoint {name} answered {body[:200]!r}: no probability")
    return answer


def _probability(body: bytes) -> float | None:
    """The one probability in an answer, however deep it lies."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    while isinstance(found, dict | list) and found:
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and 0 <= found <= 1 else None


def _why(client: Any, arn: str, found: dict[str, Any]) -> str:
    steps = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    reasons = [
        f"step {step['StepName']}: {step['FailureReason']}"
        for step in steps["PipelineExecutionSteps"]
        if step.get("FailureReason")
    ]
    return "; ".join(reasons) or found.get("FailureReason", "no reason given")


def main() -> int:
    """Verify what the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("what", choices=("pipeline", "endpoint"))
    parser.add_argument("--env", required=True, help="the environment")
    parser.add_argument(
        "--timeout", type=float, default=3600, help="seconds (default: %(default)s)"
    )
    arguments = parser.parse_args()

    import boto3
    import botocore.exceptions

    name = f"{CENSUS_INCOME.name}-{arguments.env}"
    try:
        client = boto3.client("sagemaker")
        options = {"timeout": arguments.timeout, "wait": time.sleep}
        if arguments.what == "pipeline":
            print(f"succeeded: {run_pipeline(client, name, **options)}")
        else:
            runtime = boto3.client("sagemaker-runtime")
            print(f"{name} answered {ask_endpoint(client, runtime, name, **options):.3f}")
    except (VerificationError, botocore.exceptions.BotoCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except botocore.exceptions.ClientError as error:
        print(f"error: AWS refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
