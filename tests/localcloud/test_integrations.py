from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.support import Cloud, until

ROLE = "arn:aws:iam::123456789012:role/r-start"


@pytest.fixture
def pipeline(cloud: Cloud) -> str:
    parameter = {"Name": "Message", "Type": "String", "DefaultValue": "default"}
    stop = {
        "Name": "S",
        "Type": "Fail",
        "Arguments": {"ErrorMessage": {"Get": "Parameters.Message"}},
    }
    definition = {"Version": "2020-12-01", "Parameters": [parameter], "Steps": [stop]}
    answer = cloud.call(
        "CreatePipeline",
        PipelineName="pipeline",
        PipelineDefinition=json.dumps(definition),
        RoleArn=ROLE,
    )
    return str(answer["PipelineArn"])


def _reasons(cloud: Cloud) -> str:
    listed = cloud.call("ListPipelineExecutions", PipelineName="pipeline")
    executions = listed["PipelineExecutionSummaries"]
    return " ".join(e.get("PipelineExecutionFailureReason", "") for e in executions)


def test_a_rule_starts_a_pipeline_with_what_the_event_says(cloud: Cloud, pipeline: str) -> None:
    events = cloud.client("events")
    events.put_rule(Name="rule", EventPattern=json.dumps({"source": ["mine"]}))
    parameters = [{"Name": "Message", "Value": "$.detail.reason"}]
    target = {
        "Id": "pipeline",
        "Arn": pipeline,
        "RoleArn": ROLE,
        "SageMakerPipelineParameters": {"PipelineParameterList": parameters},
    }
    events.put_targets(Rule="rule", Targets=[target])
    detail = json.dumps({"reason": "drift"})
    events.put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": detail}])
    until(lambda: "drift" in _reasons(cloud))


@pytest.mark.parametrize("templated", [True, False])
def test_a_schedule_starts_a_pipeline(cloud: Cloud, pipeline: str, templated: bool) -> None:
    from localcloud import emulator

    target: dict[str, Any] = {"RoleArn": ROLE}
    if templated:
        parameters = [{"Name": "Message", "Value": "scheduled"}]
        target["Arn"] = pipeline
        target["SageMakerPipelineParameters"] = {"PipelineParameterList": parameters}
    else:
        target["Arn"] = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
        parameters = [{"Name": "Message", "Value": "scheduled"}]
        request = {"PipelineName": "pipeline", "PipelineParameters": parameters}
        target["Input"] = json.dumps(request)
    with emulator.within(cloud.scope):
        emulator.fire_target(target)
    until(lambda: "scheduled" in _reasons(cloud))


def test_a_schedule_fills_in_its_run_and_time(cloud: Cloud) -> None:
    from localcloud import emulator

    value = "<aws.scheduler.execution-id> <aws.scheduler.scheduled-time>"
    request = {"Name": "run", "Type": "String", "Value": value}
    target = {
        "RoleArn": ROLE,
        "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
        "Input": json.dumps(request),
    }
    with emulator.within(cloud.scope):
        emulator.fire_target(target)
    found = cloud.client("ssm").get_parameter(Name="run")["Parameter"]["Value"]
    assert re.fullmatch(r"[0-9a-f]{16} \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found)


def test_state_machines_call_sagemaker_and_cloudformation(cloud: Cloud, pipeline: str) -> None:
    group = {
        "Type": "AWS::SageMaker::ModelPackageGroup",
        "Properties": {"ModelPackageGroupName": "g"},
    }
    template = json.dumps({"Resources": {"Group": group}})
    sdk = "arn:aws:states:::aws-sdk"
    states = {
        "Create": {
            "Type": "Task",
            "Resource": f"{sdk}:cloudformation:createStack",
            "Parameters": {"StackName": "stack", "TemplateBody": template},
            "ResultPath": None,
            "Next": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Describe"},
        "Describe": {
            "Type": "Task",
            "Resource": f"{sdk}:cloudformation:describeStacks",
            "Parameters": {"StackName": "stack"},
            "ResultSelector": {"status.$": "$.Stacks[0].StackStatus"},
            "ResultPath": "$.stack",
            "Next": "Made",
        },
        "Made": {
            "Type": "Choice",
            "Choices": [
                {
                    "Variable": "$.stack.status",
                    "StringEquals": "CREATE_IN_PROGRESS",
                    "Next": "Wait",
                }
            ],
            "Default": "Pipeline",
        },
        "Pipeline": {
            "Type": "Task",
            "Resource": f"{sdk}:sagemaker:describePipeline",
            "Parameters": {"PipelineName": "pipeline"},
            "ResultSelector": {"arn.$": "$.PipelineArn"},
            "ResultPath": "$.pipeline",
            "Next": "Again",
        },
        "Again": {
            "Type": "Task",
            "Resource": f"{sdk}:cloudformation:updateStack",
            "Parameters": {"StackName": "stack", "UsePreviousTemplate": True},
            "Catch": [
                {
                    "ErrorEquals": ["CloudFormation.CloudFormationException"],
                    "ResultPath": "$.error",
                    "Next": "Missing",
                }
            ],
            "Next": "Missing",
        },
        "Missing": {
            "Type": "Task",
            "Resource": f"{sdk}:sagemaker:describePipeline",
            "Parameters": {"PipelineName": "missing"},
            "Catch": [
                {
                    "ErrorEquals": ["SageMaker.ResourceNotFound"],
                    "ResultPath": "$.missing",
                    "Next": "End",
                }
            ],
            "Next": "End",
        },
        "End": {"Type": "Succeed"},
    }
    client = cloud.client("stepfunctions")
    machine = client.create_state_machine(
        name="machine", definition=json.dumps({"StartAt": "Create", "States": states}), roleArn=ROLE
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine, input="{}")["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_execution(executionArn=execution)
        return None if found["status"] == "RUNNING" else found

    result = until(ended)
    assert result["status"] == "SUCCEEDED", result
    output = json.loads(result["output"])
    assert output["stack"] == {"status": "CREATE_COMPLETE"}
    assert output["pipeline"] == {"arn": pipeline}
    assert output["error"]["Cause"].startswith("No updates are to be performed.")
    assert "does not exist" in output["missing"]["Cause"]


FUNCTION = """
import base64, json, os, pathlib

def handle(event, context):
    seen = [base64.b64decode(each["kinesis"]["data"]).decode() for each in event["Records"]]
    folder = pathlib.Path(os.environ["FOLDER"])
    number = len(list(folder.iterdir()))
    (folder / str(number)).write_text(json.dumps(seen))
    second = event["Records"][1]["kinesis"]["sequenceNumber"]
    return {"batchItemFailures": [] if number else [{"itemIdentifier": second}]}
"""


def test_a_batch_of_a_stream_that_failed_in_part_is_sent_again(
    cloud: Cloud, tmp_path: Path
) -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code.py", FUNCTION)
    functions, streams = cloud.client("lambda"), cloud.client("kinesis")
    functions.create_function(
        FunctionName="writer",
        Runtime="python3.14",
        Role=ROLE,
        Handler="code.handle",
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"FOLDER": str(tmp_path)}},
    )
    streams.create_stream(StreamName="stream", ShardCount=1)
    described = streams.describe_stream_summary(StreamName="stream")
    records = [{"Data": each, "PartitionKey": "p"} for each in (b"a", b"b", b"c")]
    until(
        lambda: (
            streams.describe_stream_summary(StreamName="stream")["StreamDescriptionSummary"][
                "StreamStatus"
            ]
            == "ACTIVE"
        )
    )
    streams.put_records(StreamName="stream", Records=records)
    functions.create_event_source_mapping(
        FunctionName="writer",
        EventSourceArn=described["StreamDescriptionSummary"]["StreamARN"],
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    until((tmp_path / "1").exists)
    assert [json.loads((tmp_path / each).read_text()) for each in "01"] == [["a", "b", "c"]] * 2
    assert not (tmp_path / "2").exists()
