"""Batch transform by the clock: what the schedule asks the service for, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from aws_cdk import Duration, aws_sqs as sqs
from botocore.validate import ParamValidator

from mlops_constructs import (
    ApprovedModel,
    MultiModel,
    ScheduledTransform,
    SerialPipeline,
    Split,
    TransformInput,
    TransformInstances,
    TransformOutput,
    ValidationError,
)
from mlops_constructs.rules import check_template
from tests.serving.fixture import PARAMETER, REPOSITORY, Ground, faults, lint_findings, make_ground
from tests.serving.kinds import IMAGE, artifact
from tests.support import nag_findings, resources_of, template_of


def _transform(ground: Ground, **given: Any) -> ScheduledTransform:
    arguments: dict[str, Any] = {
        "job_name": "nightly",
        "model": ApprovedModel(
            parameter_name=PARAMETER,
            buckets=[ground.bucket],
            image_repository_arns=[REPOSITORY],
        ),
        "schedule": "cron(0 2 * * ? *)",
        "time_zone": "Europe/Berlin",
        "records": TransformInput(bucket=ground.bucket, prefix="to-score", filter="$[1:]"),
        "answers": TransformOutput(bucket=ground.bucket, prefix="scored", join_input=True),
        "compute": TransformInstances("ml.m5.large", count=2, concurrency=4, max_payload_mb=10),
        "network": ground.network,
        "encryption_key": ground.key,
    }
    return ScheduledTransform(ground.stack, "Nightly", **(arguments | given))


def _flat(value: Any) -> str:
    """A resolved text with placeholders for what only a deployment knows."""
    if isinstance(value, str):
        return value
    return "".join(part if isinstance(part, str) else "REF" for part in value["Fn::Join"][1])


@pytest.fixture(scope="module")
def ground() -> Ground:
    ground = make_ground()
    transform = _transform(
        ground,
        dead_letter_queue=sqs.Queue(
            ground.stack, "Failed", encryption_master_key=ground.key, enforce_ssl=True
        ),
    )
    transform.tell_failures(ground.topic)
    return ground


def test_no_finding_of_any_checker(ground: Ground) -> None:
    findings = nag_findings(ground.stack)
    assert [line for line in findings if "/Failed/" not in line] == []
    template = template_of(ground.stack).to_json()
    assert check_template(template, region="us-east-1") == []


@pytest.mark.slow
def test_cfn_lint_has_no_finding(ground: Ground) -> None:
    assert lint_findings(template_of(ground.stack).to_json()) == []


def test_each_run_is_a_request_that_the_service_takes(ground: Ground) -> None:
    (schedule,) = resources_of(ground.stack, "AWS::Scheduler::Schedule").values()
    target = schedule["Properties"]["Target"]
    assert _flat(target["Arn"]).endswith(":scheduler:::aws-sdk:sagemaker:createTransformJob")
    request = json.loads(_flat(target["Input"]))
    shape = (
        botocore.session.get_session()
        .get_service_model("sagemaker")
        .operation_model("CreateTransformJob")
        .input_shape
    )
    assert not ParamValidator().validate(request, shape).has_errors()
    assert request["TransformJobName"] == "nightly-<aws.scheduler.execution-id>"
    assert request["TransformOutput"]["S3OutputPath"].endswith(
        "/scored/<aws.scheduler.scheduled-time>/"
    )
    assert request["DataProcessing"] == {"InputFilter": "$[1:]", "JoinSource": "Input"}
    assert request["BatchStrategy"] == "MultiRecord"
    assert schedule["Properties"]["ScheduleExpressionTimezone"] == "Europe/Berlin"


def test_it_runs_once_a_model_was_approved(ground: Ground) -> None:
    (schedule,) = resources_of(ground.stack, "AWS::Scheduler::Schedule").values()
    (model,) = resources_of(ground.stack, "AWS::SageMaker::Model").values()
    assert schedule["Condition"] == model["Condition"]
    assert "ModelName" not in model["Properties"]


def test_a_schedule_starts_these_jobs_and_no_others(ground: Ground) -> None:
    text = json.dumps(resources_of(ground.stack, "AWS::IAM::Policy"))
    assert ":transform-job/nightly-*" in text
    assert "iam:PassRole" not in text


def test_a_topic_is_told_of_failures(ground: Ground) -> None:
    (rule,) = resources_of(ground.stack, "AWS::Events::Rule").values()
    assert rule["Properties"]["EventPattern"]["detail"] == {
        "TransformJobName": [{"prefix": "nightly-"}],
        "TransformJobStatus": ["Failed", "Stopped"],
    }


def test_local_disks_get_no_key() -> None:
    ground = make_ground()
    _transform(ground, compute=TransformInstances("ml.g5.xlarge"), model=artifact(ground.bucket))
    (schedule,) = resources_of(ground.stack, "AWS::Scheduler::Schedule").values()
    request = json.loads(_flat(schedule["Properties"]["Target"]["Input"]))
    assert "VolumeKmsKeyId" not in request["TransformResources"]
    assert "Condition" not in schedule


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"job_name": "Nightly"}, "job_name"),
        ({"job_name": "x" * 47}, "job_name"),
        ({"schedule": "every night"}, "schedule"),
        ({"compute": TransformInstances("m5.large")}, "compute.instance_type"),
        ({"compute": TransformInstances("ml.m5.large", count=101)}, "compute.count"),
        (
            {"compute": TransformInstances("ml.m5.large", max_payload_mb=101)},
            "compute.max_payload_mb",
        ),
        ({"compute": TransformInstances("ml.m5.large", retries=4)}, "compute.retries"),
        (
            {"compute": TransformInstances("ml.m5.large", timeout=Duration.hours(2))},
            "compute.timeout",
        ),
        (
            {"compute": TransformInstances("ml.m5.large", concurrency=20, max_payload_mb=6)},
            "compute.concurrency",
        ),
    ],
)
def test_refuses(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        _transform(make_ground(), **given)
    assert fault in faults(raised.value)


def test_refuses_what_names_neither_model_nor_container() -> None:
    ground = make_ground()
    reads: dict[str, Any] = {"buckets": [ground.bucket], "image_repository_arns": [REPOSITORY]}
    with pytest.raises(ValidationError, match="a model of one container, or SerialPipeline"):
        _transform(ground, model=MultiModel(image=IMAGE, models_url="s3://models/all/", **reads))
    ground = make_ground()
    uncompressed = artifact(ground.bucket, model_data_url="s3://models/llm/")
    with pytest.raises(ValidationError, match="takes no uncompressed models"):
        _transform(ground, model=SerialPipeline([artifact(ground.bucket), uncompressed]))


def test_refuses_records_that_do_not_fit() -> None:
    ground = make_ground()
    with pytest.raises(ValidationError) as raised:
        _transform(
            ground,
            records=TransformInput(
                bucket=ground.bucket, prefix="/x/", split=Split.NONE, filter="a"
            ),
            answers=TransformOutput(bucket=ground.bucket, prefix="", filter="$" * 64),
            compute=TransformInstances("ml.m5.large", one_record=True),
        )
    assert faults(raised.value) == [
        "records.prefix",
        "answers.prefix",
        "records.filter",
        "answers.filter",
        "compute.one_record",
    ]
