from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.errors import ServiceError
from tests.localcloud.compute.support import IMAGE
from tests.localcloud.support import Cloud, until

ROLE = "arn:aws:iam::123456789012:role/r-execution"


def _processing(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c", script],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                }
            },
            "RoleArn": ROLE,
        },
        **more,
    }


def _pipeline(cloud: Cloud, *steps: dict[str, Any], **more: Any) -> None:
    definition = {"Version": "2020-12-01", "Metadata": {}, "Steps": list(steps), **more}
    cloud.call(
        "CreatePipeline",
        PipelineName="pipeline",
        PipelineDefinition=json.dumps(definition),
        RoleArn=ROLE,
    )


def _start(cloud: Cloud, **more: Any) -> str:
    answer = cloud.call("StartPipelineExecution", PipelineName="pipeline", **more)
    return str(answer["PipelineExecutionArn"])


def _ended(cloud: Cloud, arn: str) -> dict[str, Any]:
    def described() -> dict[str, Any] | None:
        found = cloud.call("DescribePipelineExecution", PipelineExecutionArn=arn)
        return None if found["PipelineExecutionStatus"] in {"Executing", "Stopping"} else found

    found: dict[str, Any] = until(described, seconds=60)
    return found


def _steps(cloud: Cloud, arn: str) -> dict[str, dict[str, Any]]:
    answer = cloud.call("ListPipelineExecutionSteps", PipelineExecutionArn=arn)
    return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}


def test_an_execution_runs_its_jobs_and_tells_the_event_bus(cloud: Cloud) -> None:
    cached = {"Enabled": True, "ExpireAfter": "P1D"}
    _pipeline(cloud, _processing("Work", "print('hello')", CacheConfig=cached))
    recorded = cloud.events()
    arn = _start(cloud)
    assert _ended(cloud, arn)["PipelineExecutionStatus"] == "Succeeded"
    job_arn = _steps(cloud, arn)["Work"]["Metadata"]["ProcessingJob"]["Arn"]
    job = cloud.call("DescribeProcessingJob", ProcessingJobName=job_arn.rsplit("/", 1)[-1])
    assert job["ProcessingJobStatus"] == "Completed"
    events = recorded()
    changes = [
        (e["detail-type"].removeprefix("SageMaker "), e["detail"].get("currentStepStatus"))
        for e in events
    ]
    assert ("Model Building Pipeline Execution Step Status Change", "Succeeded") in changes
    assert [
        e["detail"]["ProcessingJobStatus"]
        for e in events
        if e["detail-type"] == "SageMaker Processing Job State Change"
    ] == ["InProgress", "Completed"]
    assert [
        e["detail"]["currentPipelineExecutionStatus"]
        for e in events
        if "currentPipelineExecutionStatus" in e["detail"]
    ] == ["Executing", "Succeeded"]

    again = _start(cloud)
    _ended(cloud, again)
    hit = _steps(cloud, again)["Work"]["CacheHitResult"]
    assert hit == {"SourcePipelineExecutionArn": arn}


def test_a_failed_step_says_why(cloud: Cloud) -> None:
    _pipeline(cloud, _processing("Work", "raise SystemExit('no data')"))
    arn = _start(cloud)
    ended = _ended(cloud, arn)
    assert ended["PipelineExecutionStatus"] == "Failed"
    assert "Work" in ended["FailureReason"]
    assert "no data" in _steps(cloud, arn)["Work"]["FailureReason"]
    streams = cloud.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/ProcessingJobs"
    )["logStreams"]
    assert len(streams) == 1


def test_an_execution_is_stopped_with_its_job(cloud: Cloud) -> None:
    _pipeline(cloud, _processing("Work", "import time; time.sleep(60)"))
    arn = _start(cloud)
    until(lambda: cloud.call("ListProcessingJobs")["ProcessingJobSummaries"])
    with pytest.raises(ServiceError, match="has running executions"):
        cloud.call("DeletePipeline", PipelineName="pipeline")
    cloud.call("StopPipelineExecution", PipelineExecutionArn=arn)
    assert _ended(cloud, arn)["PipelineExecutionStatus"] == "Stopped"
    (job,) = cloud.call("ListProcessingJobs")["ProcessingJobSummaries"]
    assert job["ProcessingJobStatus"] == "Stopped"
    cloud.call("DeletePipeline", PipelineName="pipeline")


def test_parameters(cloud: Cloud) -> None:
    parameter = {"Name": "Message", "Type": "String", "DefaultValue": "default"}
    stop = {
        "Name": "Stop",
        "Type": "Fail",
        "Arguments": {"ErrorMessage": {"Get": "Parameters.Message"}},
    }
    _pipeline(cloud, stop, Parameters=[parameter])
    arn = _start(cloud, PipelineParameters=[{"Name": "Message", "Value": "mine"}])
    assert "mine" in _ended(cloud, arn)["FailureReason"]
    given = cloud.call("ListPipelineParametersForExecution", PipelineExecutionArn=arn)
    assert given["PipelineParameters"] == [{"Name": "Message", "Value": "mine"}]
    with pytest.raises(ServiceError, match="unknown parameter 'Other'"):
        _start(cloud, PipelineParameters=[{"Name": "Other", "Value": "x"}])


def test_a_token_starts_one_execution(cloud: Cloud) -> None:
    _pipeline(cloud, {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}})
    token = "0" * 32
    assert _start(cloud, ClientRequestToken=token) == _start(cloud, ClientRequestToken=token)
    listed = cloud.call("ListPipelineExecutions", PipelineName="pipeline")
    assert len(listed["PipelineExecutionSummaries"]) == 1


@pytest.mark.parametrize(
    "body", ["nonsense", "{}", '{"Version": "2020-12-01", "Steps": [{"Name": "a b"}]}']
)
def test_a_definition_that_is_none_is_not_kept(cloud: Cloud, body: str) -> None:
    with pytest.raises(ServiceError, match="pipeline definition is invalid"):
        cloud.call("CreatePipeline", PipelineName="pipeline", PipelineDefinition=body, RoleArn=ROLE)
    assert not cloud.call("ListPipelines")["PipelineSummaries"]


def test_a_training_job_that_fails(cloud: Cloud) -> None:
    cloud.call(
        "CreateTrainingJob",
        TrainingJobName="job",
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://missing/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        HyperParameters={"sagemaker_program": "train.py"},
    )
    status = until(lambda: _not_in_progress(cloud), seconds=60)
    assert status["TrainingJobStatus"] == "Failed"
    assert status["FailureReason"]
    with pytest.raises(ServiceError, match="is in status Failed"):
        cloud.call("StopTrainingJob", TrainingJobName="job")


def _not_in_progress(cloud: Cloud) -> dict[str, Any] | None:
    job = cloud.call("DescribeTrainingJob", TrainingJobName="job")
    return None if job["TrainingJobStatus"] == "InProgress" else job


def test_a_training_job_shows_its_metrics_and_its_model(cloud: Cloud) -> None:
    bucket = cloud.bucket()
    script = "open('/opt/ml/model/m', 'w').write('m'); print('auc=0.9')"
    recorded = cloud.events()
    cloud.call(
        "CreateTrainingJob",
        TrainingJobName="job",
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", script],
            "MetricDefinitions": [{"Name": "auc", "Regex": "auc=([0-9.]+)"}],
        },
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    until(lambda: _not_in_progress(cloud), seconds=60)
    job = cloud.client("sagemaker").describe_training_job(TrainingJobName="job")
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["FinalMetricDataList"][0]["MetricName"] == "auc"
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/output/job/output/model.tar.gz"
    )
    statuses = until(lambda: [e["detail"]["TrainingJobStatus"] for e in recorded()])
    assert statuses == ["InProgress", "Completed"]


def _gated(cloud: Cloud) -> None:
    refuse = {"Name": "Refuse", "Type": "Fail", "Arguments": {"ErrorMessage": "too low"}}
    enough = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": 1,
        "RightValue": {"Get": "Parameters.Least"},
    }
    gate = {
        "Name": "Gate",
        "Type": "Condition",
        "DependsOn": ["Work"],
        "Arguments": {"Conditions": [enough], "IfSteps": [], "ElseSteps": [refuse]},
    }
    least = {"Name": "Least", "Type": "Integer", "DefaultValue": 2}
    _pipeline(cloud, _processing("Work", "pass"), gate, Parameters=[least])


def test_selected_steps_run_on_what_an_earlier_execution_gave(cloud: Cloud) -> None:
    _gated(cloud)
    first = _start(cloud)
    assert _ended(cloud, first)["PipelineExecutionStatus"] == "Failed"
    selected = {
        "SourcePipelineExecutionArn": first,
        "SelectedSteps": [{"StepName": "Gate"}, {"StepName": "Refuse"}],
    }
    parameters = [{"Name": "Least", "Value": "1"}]
    again = _start(cloud, SelectiveExecutionConfig=selected, PipelineParameters=parameters)
    ended = _ended(cloud, again)
    assert ended["PipelineExecutionStatus"] == "Succeeded"
    assert ended["SelectiveExecutionConfig"] == selected
    steps = _steps(cloud, again)
    assert steps.keys() == {"Work", "Gate"}
    assert steps["Work"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": first}
    assert len(cloud.call("ListProcessingJobs")["ProcessingJobSummaries"]) == 1
    with pytest.raises(ServiceError, match="'Gate' needs 'Work', which is not selected"):
        _start(cloud, SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "Gate"}]})
    other = {**selected, "SourcePipelineExecutionArn": first.replace("/pipeline/", "/other/")}
    with pytest.raises(ServiceError, match=r"not one of the pipeline|does not exist"):
        _start(cloud, SelectiveExecutionConfig=other)


def test_a_failed_execution_is_retried_from_what_succeeded(cloud: Cloud) -> None:
    _gated(cloud)
    arn = _start(cloud)
    _ended(cloud, arn)
    again = cloud.call("RetryPipelineExecution", PipelineExecutionArn=arn)
    assert again["PipelineExecutionArn"] == arn
    assert "too low" in _ended(cloud, arn)["FailureReason"]
    assert _steps(cloud, arn).keys() == {"Work", "Gate", "Refuse"}
    assert len(cloud.call("ListProcessingJobs")["ProcessingJobSummaries"]) == 1
    fine = _start(cloud, PipelineParameters=[{"Name": "Least", "Value": "1"}])
    _ended(cloud, fine)
    with pytest.raises(ServiceError, match="has status Succeeded: only one that is Failed"):
        cloud.call("RetryPipelineExecution", PipelineExecutionArn=fine)
