"""The dev environment on the local cloud: what `make demo` tells, with assertions.

The tests build on one another, as the life of a model does; they run in the order of this file.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import features, people, story
from demo.cloud import Cdk, Cloud, local_cloud
from demo.errors import DemoError

pytestmark = pytest.mark.deploy

Outputs = dict[str, str]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def cloud(work: Path) -> Iterator[Cloud]:
    with local_cloud(work, keep=False) as running:
        yield running


@pytest.fixture(scope="module")
def cdk(cloud: Cloud, work: Path) -> Cdk:
    command = Cdk(cloud, work)
    command.bootstrap()
    return command


@pytest.fixture(scope="module")
def outputs(cdk: Cdk) -> Outputs:
    return cdk.deploy("dev")


@pytest.fixture(scope="module")
def data(cloud: Cloud, outputs: Outputs) -> str:
    return story.upload_data(cloud, outputs)


def _stack_status(cloud: Cloud, name: str) -> str:
    stacks = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return str(stacks[0]["StackStatus"])


def _steps(cloud: Cloud, execution: str) -> dict[str, Any]:
    sagemaker = cloud.client("sagemaker")
    found = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
    return {step["StepName"]: step for step in found["PipelineExecutionSteps"]}


def _approved_model(cloud: Cloud, outputs: Outputs) -> str:
    name = f"/mlops/{outputs['ModelPackageGroupName']}/approved-model"
    return str(cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def test_every_stack_is_there_and_no_endpoint_yet(cloud: Cloud, outputs: Outputs) -> None:
    for layer in ("network", "data", "training", "serving", "monitoring", "studio"):
        assert _stack_status(cloud, f"census-income-dev-{layer}") == "CREATE_COMPLETE"
    assert _approved_model(cloud, outputs) == "none"
    assert cloud.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_the_pipeline_registers_a_good_model(
    cloud: Cloud, outputs: Outputs, data: str, work: Path
) -> None:
    execution = story.run_pipeline(cloud, outputs, data)
    assert {
        name: step["StepStatus"] for name, step in _steps(cloud, execution).items()
    } == dict.fromkeys(
        (
            *("ValidateData", "IsDataValid", "Preprocess", "Tune", "Train", "Evaluate", "Assess"),
            *("FindChampion", "Compare", "IsGoodEnough", "Register"),
        ),
        "Succeeded",
    )
    package = cloud.client("sagemaker").describe_model_package(
        ModelPackageName=story.show_evaluation(cloud, outputs, work)
    )
    baselines = package["DriftCheckBaselines"]
    assert set(baselines) == {"Bias", "Explainability", "ModelDataQuality", "ModelQuality"}
    for each in ("Statistics", "Constraints"):
        key = baselines["ModelDataQuality"][each]["S3Uri"].split("/", 3)[3]
        cloud.client("s3").head_object(Bucket=outputs["ArtifactsBucketName"], Key=key)
    card = json.loads(package["ModelCard"]["ModelCardContent"])
    assert card["evaluation_details"][0]["metric_groups"][0]["metric_data"][0]["value"] >= 0.92
    metadata = package["CustomerMetadataProperties"]
    assert (metadata["champion"], metadata["auc-difference"]) == ("none", "0.0")
    report = json.loads((work / "evaluation.json").read_text())
    assert report["binary_classification_metrics"]["auc"]["value"] >= 0.92
    assert set(report["groups"]) == {"sex", "race"}
    assert (work / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_every_job_ran_protected(cloud: Cloud, outputs: Outputs) -> None:
    assert outputs
    sagemaker = cloud.client("sagemaker")
    processing = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
    training = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert len(processing) == 5
    assert len(training) == 3, "two of them by tuning"
    for job in processing:
        described = sagemaker.describe_processing_job(ProcessingJobName=job["ProcessingJobName"])
        network = described["NetworkConfig"]
        assert network["EnableNetworkIsolation"]
        assert network["EnableInterContainerTrafficEncryption"]
        assert len(network["VpcConfig"]["Subnets"]) == 2
        assert described["ProcessingOutputConfig"]["KmsKeyId"]
        assert described["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"]
    for job in training:
        described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
        assert described["EnableNetworkIsolation"]
        assert described["EnableInterContainerTrafficEncryption"]
        assert described["EnableManagedSpotTraining"]
        assert described["OutputDataConfig"]["KmsKeyId"]
        assert described["ResourceConfig"]["VolumeKmsKeyId"]


def test_logs_of_steps_are_in_cloudwatch(cloud: Cloud, outputs: Outputs) -> None:
    assert outputs
    logs = cloud.client("logs")
    for group in ("/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TrainingJobs"):
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        events = logs.get_log_events(
            logGroupName=group, logStreamName=streams[0]["logStreamName"], startFromHead=True
        )
        assert events["events"]


def test_what_did_not_change_comes_from_the_cache(
    cloud: Cloud, outputs: Outputs, data: str
) -> None:
    """And a gate that is not passed fails the execution with its reason."""
    sagemaker = cloud.client("sagemaker")
    execution = sagemaker.start_pipeline_execution(
        PipelineName=outputs["PipelineName"],
        PipelineParameters=[
            {"Name": "InputDataUri", "Value": data},
            {"Name": "MinAuc", "Value": "0.99"},
        ],
    )["PipelineExecutionArn"]
    described = _ended(cloud, execution)
    steps = _steps(cloud, execution)
    assert described["PipelineExecutionStatus"] == "Failed"
    assert "0.99" in described["FailureReason"]
    assert "0.99" in steps["RefuseModel"]["FailureReason"]
    assert "Register" not in steps
    assert "SourcePipelineExecutionArn" in steps["Train"]["CacheHitResult"]


def test_a_wrong_parameter_is_refused(cloud: Cloud, outputs: Outputs) -> None:
    sagemaker = cloud.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError, match="Nonsense"):
        sagemaker.start_pipeline_execution(
            PipelineName=outputs["PipelineName"],
            PipelineParameters=[{"Name": "Nonsense", "Value": "1"}],
        )


def test_a_failing_step_says_why(cloud: Cloud, outputs: Outputs) -> None:
    execution = cloud.client("sagemaker").start_pipeline_execution(
        PipelineName=outputs["PipelineName"],
        PipelineParameters=[
            {"Name": "InputDataUri", "Value": f"s3://{outputs['DataBucketName']}/nothing/here/"}
        ],
    )["PipelineExecutionArn"]
    described = _ended(cloud, execution)
    assert described["PipelineExecutionStatus"] == "Failed"
    validate = _steps(cloud, execution)["ValidateData"]
    assert validate["StepStatus"] == "Failed"
    assert "nothing/here" in validate["FailureReason"]


def test_a_rejected_model_changes_nothing(cloud: Cloud, outputs: Outputs) -> None:
    sagemaker = cloud.client("sagemaker")
    group = outputs["ModelPackageGroupName"]
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName=group)[
        "ModelPackageSummaryList"
    ]
    sagemaker.update_model_package(
        ModelPackageArn=package["ModelPackageArn"], ModelApprovalStatus="Rejected"
    )
    time.sleep(0.5)
    machine = outputs["ReleaseStateMachineArn"]
    assert (
        cloud.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []
    )
    assert _approved_model(cloud, outputs) == "none"


def test_an_approved_model_is_released_and_answers(
    cloud: Cloud, outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker = cloud.client("sagemaker")
    group = outputs["ModelPackageGroupName"]
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName=group)[
        "ModelPackageSummaryList"
    ]
    story.approve(cloud, outputs, package["ModelPackageArn"])
    assert _approved_model(cloud, outputs) == package["ModelPackageArn"]
    assert _stack_status(cloud, "census-income-dev-serving") == "UPDATE_COMPLETE"
    endpoint = sagemaker.describe_endpoint(EndpointName=outputs["EndpointName"])
    assert endpoint["EndpointStatus"] == "InService"
    story.predict(cloud, outputs)
    assert "200 requests" in capsys.readouterr().out


def test_bad_requests_are_the_callers_fault(cloud: Cloud, outputs: Outputs) -> None:
    runtime = cloud.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as error:
        runtime.invoke_endpoint(
            EndpointName=outputs["EndpointName"], ContentType="application/json", Body=b"{"
        )
    assert 400 <= error.value.response["OriginalStatusCode"] < 500


def test_features_become_a_training_set_without_the_future(
    cloud: Cloud, outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ingested, read online, and joined by Athena; 500 people have a newer record than labels."""
    every = 80
    records = features.ingest_people(cloud, outputs, every=every)
    uri = features.build_training_set(cloud, outputs, every=every, records=records)
    body = cloud.client("s3").get_object(Bucket=outputs["DataBucketName"], Key=uri.split("/", 3)[3])
    rows = csv.DictReader(io.StringIO(body["Body"].read().decode()))
    people = sorted(features.people(every), key=lambda person: person["person_id"])
    identity = ("person_id", "labelled_at")
    assert list(rows) == [
        {name: value for name, value in person.items() if name not in identity} for person in people
    ]
    assert re.search(r"p0 +40 +39\n", capsys.readouterr().out)


def test_the_monitor_looks_at_what_was_asked(
    cloud: Cloud, outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    story.look_for_drift(cloud, outputs)
    assert "Records     200" in capsys.readouterr().out


def test_each_user_works_within_the_guards(cloud: Cloud, outputs: Outputs, work: Path) -> None:
    people.show_access(work)
    assert "| start one outside of every VPC | no | no |" in (work / "access.md").read_text()
    jobs = people.work_as_each_user(cloud, outputs)
    assert set(jobs) == {"ana", "ben"}
    sagemaker, roles = cloud.client("sagemaker"), set()
    for job in jobs.values():
        described = sagemaker.describe_processing_job(ProcessingJobName=job)
        assert described["ProcessingJobStatus"] == "Completed"
        roles.add(described["RoleArn"])
    assert len(roles) == 1


def test_users_make_what_cloudformation_does_not_know(cloud: Cloud, outputs: Outputs) -> None:
    """Spaces, apps and a profile by hand: the domain cannot be deleted as it is."""
    sagemaker = cloud.client("sagemaker")
    domain = outputs["DomainId"]
    [user, *_] = sagemaker.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]
    app = {"DomainId": domain, "AppName": "default"}
    sagemaker.create_space(DomainId=domain, SpaceName="work")
    sagemaker.create_app(**app, SpaceName="work", AppType="JupyterLab")
    sagemaker.create_app(**app, UserProfileName=user["UserProfileName"], AppType="Canvas")
    sagemaker.create_user_profile(DomainId=domain, UserProfileName="by-hand")
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match=r"App\(s\) are associated"):
        sagemaker.delete_domain(DomainId=domain)


def test_destroy_leaves_what_it_should(cloud: Cloud, cdk: Cdk, outputs: Outputs) -> None:
    cdk.destroy("dev")
    sagemaker = cloud.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_pipelines()["PipelineSummaries"] == []
    assert sagemaker.list_feature_groups()["FeatureGroupSummaries"] == []
    assert sagemaker.list_domains()["Domains"] == []
    buckets = {bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]}
    assert not buckets & {outputs["DataBucketName"], outputs["ArtifactsBucketName"]}
    (group,) = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert group["ModelPackageGroupName"] == outputs["ModelPackageGroupName"]


def _ended(cloud: Cloud, execution: str) -> dict[str, Any]:
    sagemaker = cloud.client("sagemaker")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        described: dict[str, Any] = sagemaker.describe_pipeline_execution(
            PipelineExecutionArn=execution
        )
        if described["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return described
        time.sleep(0.1)
    raise DemoError(f"{execution} did not end in a minute", cloud.log)
