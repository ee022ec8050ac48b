"""Tuning jobs really search, and spot jobs resume."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from localcloud.errors import ServiceError
from tests.localcloud.compute.support import IMAGE
from tests.localcloud.sagemaker.test_executions import ROLE, _ended, _pipeline, _start, _steps
from tests.localcloud.support import Cloud, until

# The best value is that of x = 2; whatever is tried leaves its value in the model.
SCRIPT = """
import json, time
given = json.load(open('/opt/ml/input/config/hyperparameters.json'))
x = int(given['x'])
for _ in range(int(given['rounds'])):
    print(f'score={10 - abs(x - 2)}', flush=True)
    time.sleep(float(given['pause']))
open('/opt/ml/model/x', 'w').write(str(x))
"""


def tuning(bucket: str, *, rounds: int = 1, pause: float = 0.0, **config: Any) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "2", "5"]}]
            },
            **config,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
            },
            "StaticHyperParameters": {
                "rounds": str(rounds),
                "pause": str(pause),
                "sagemaker_program": "script.py",
                "sagemaker_submit_directory": f"s3://{bucket}/code.tar.gz",
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/tune"},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }


def prepare(cloud: Cloud, script: str = SCRIPT) -> str:
    """A bucket with the code."""
    bucket = cloud.bucket()
    buffer = io.BytesIO()
    script = script.replace("'/opt/ml/", "__import__('os').environ['SAGEMAKER_BASE_DIR'] + '/")
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("script.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script.encode()))
    cloud.put(bucket, "code.tar.gz", buffer.getvalue())
    return bucket


def ended(cloud: Cloud, name: str) -> dict[str, Any]:
    def described() -> dict[str, Any] | None:
        found = cloud.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
        return None if found["HyperParameterTuningJobStatus"] == "InProgress" else found

    found: dict[str, Any] = until(described, seconds=60)
    return found


def test_a_tuning_step_hands_its_best_model_on(cloud: Cloud) -> None:
    bucket = prepare(cloud)
    best = {
        "Std:Join": {
            "On": "/",
            "Values": [
                "s3:/",
                bucket,
                "tune",
                {"Get": "Steps.Tune.TrainingJobSummaries[0].TrainingJobName"},
                "output/model.tar.gz",
            ],
        }
    }
    _pipeline(
        cloud,
        {"Name": "Tune", "Type": "Tuning", "Arguments": tuning(bucket)},
        {"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": best}},
    )
    arn = _start(cloud)
    _ended(cloud, arn)
    steps = _steps(cloud, arn)
    assert steps["Tune"]["StepStatus"] == "Succeeded", steps["Tune"].get("FailureReason")
    job_arn = steps["Tune"]["Metadata"]["TuningJob"]["Arn"]
    name = job_arn.rsplit("/", 1)[-1]
    job = cloud.client("sagemaker").describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"x": "2"}
    assert job["TrainingJobStatusCounters"]["Completed"] == 3
    uri = steps["Say"]["FailureReason"]
    key = uri.removeprefix(f"s3://{bucket}/")
    assert job["BestTrainingJob"]["TrainingJobName"] in key
    body = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        model = archive.extractfile("x")
        assert model is not None
        assert model.read() == b"2"


def test_a_job_that_lags_behind_is_stopped_early(cloud: Cloud) -> None:
    bucket = prepare(cloud)
    request = tuning(bucket, rounds=3, TrainingJobEarlyStoppingType="Auto")
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxParallelTrainingJobs"] = 1
    # The last point is worse than the median of the first two, and would take a minute.
    script = SCRIPT.replace("float(given['pause'])", "20 if x == 5 else 0")
    bucket = prepare(cloud, script)
    static = request["TrainingJobDefinition"]["StaticHyperParameters"]
    static["sagemaker_submit_directory"] = f"s3://{bucket}/code.tar.gz"
    cloud.call("CreateHyperParameterTuningJob", HyperParameterTuningJobName="early", **request)
    counters = ended(cloud, "early")["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["Stopped"]) == (2, 1)


def test_a_search_that_cannot_work_is_refused(cloud: Cloud) -> None:
    request = tuning("bucket", Strategy="Random")
    with pytest.raises(ServiceError, match="MaxNumberOfTrainingJobs is required"):
        cloud.call("CreateHyperParameterTuningJob", HyperParameterTuningJobName="a", **request)


SPOT = """
import json, os, signal, sys, time
folder = '/opt/ml/checkpoints'
state = {'step': 0, 'sum': 0}
if os.path.exists(folder + '/state.json'):
    state = json.load(open(folder + '/state.json'))
print('begins at', state['step'], flush=True)
while state['step'] < 4:
    state['step'] += 1
    state['sum'] += state['step'] ** 2
    with open(folder + '/new', 'w') as file:
        json.dump(state, file)
    os.replace(folder + '/new', folder + '/state.json')
    time.sleep(0.15 if os.environ['PAUSE'] == '1' else 0)
print('score=%d' % state['sum'])
open('/opt/ml/model/sum', 'w').write(str(state['sum']))
"""


def spot_job(cloud: Cloud, name: str, interruptions: int) -> dict[str, Any]:
    bucket = prepare(cloud, SPOT)
    cloud.call(
        "CreateTrainingJob",
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
        },
        HyperParameters={
            "sagemaker_program": "script.py",
            "sagemaker_submit_directory": f"s3://{bucket}/code.tar.gz",
        },
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints"},
        Environment={
            "LOCALCLOUD_SPOT_INTERRUPTIONS": str(interruptions),
            "PAUSE": str(min(interruptions, 1)),
        },
    )

    def finished() -> dict[str, Any] | None:
        job = cloud.call("DescribeTrainingJob", TrainingJobName=name)
        return None if job["TrainingJobStatus"] == "InProgress" else job

    found: dict[str, Any] = until(finished, seconds=60)
    return found


def test_an_interrupted_job_resumes_to_the_same_result(cloud: Cloud) -> None:
    calm, spot = spot_job(cloud, "calm", 0), spot_job(cloud, "spot", 1)
    assert spot["TrainingJobStatus"] == "Completed", spot
    assert [m["Value"] for m in spot["FinalMetricDataList"]] == [30.0]
    assert [m["Value"] for m in calm["FinalMetricDataList"]] == [30.0]
    logs = cloud.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")
    begins = [e["message"] for e in logs["events"] if e["message"].startswith("begins at")]
    assert begins[:2] == ["begins at 0", "begins at 0"]
    assert len(begins) == 3
    assert int(begins[2].split()[-1]) > 0


def test_a_callback_waits_for_its_answer(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="approvals")["QueueUrl"]
    callback = {
        "Name": "Approve",
        "Type": "Callback",
        "SqsQueueUrl": url,
        "Arguments": {"model": "m"},
        "OutputParameters": [{"OutputName": "score", "OutputType": "Float"}],
    }
    gate = {
        "Name": "Gate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {
                    "Type": "GreaterThan",
                    "LeftValue": {"Get": "Steps.Approve.OutputParameters['score']"},
                    "RightValue": 0.5,
                }
            ],
            "IfSteps": [],
            "ElseSteps": [],
        },
    }
    _pipeline(cloud, callback, gate)

    def asked() -> dict[str, Any]:
        answer = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=answer[0]["ReceiptHandle"])
        body: dict[str, Any] = json.loads(answer[0]["Body"])
        return body

    arn = _start(cloud)
    message = asked()
    assert message["arguments"] == {"model": "m"}
    assert message["pipelineExecutionArn"] == arn
    answer = cloud.client("sagemaker").send_pipeline_execution_step_success(
        CallbackToken=message["token"], OutputParameters=[{"Name": "score", "Value": "0.75"}]
    )
    assert answer["PipelineExecutionArn"] == arn
    assert _ended(cloud, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert _steps(cloud, arn)["Gate"]["Metadata"]["Condition"]["Outcome"] == "True"
    with pytest.raises(ServiceError, match="No step waits"):
        cloud.call("SendPipelineExecutionStepSuccess", CallbackToken=message["token"])

    arn = _start(cloud)
    cloud.call(
        "SendPipelineExecutionStepFailure", CallbackToken=asked()["token"], FailureReason="no"
    )
    assert _ended(cloud, arn)["PipelineExecutionStatus"] == "Failed"
    assert _steps(cloud, arn)["Approve"]["FailureReason"] == "ClientError: Callback failed: no"
