from __future__ import annotations

import json
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
            "Next": "Pipeline",
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
