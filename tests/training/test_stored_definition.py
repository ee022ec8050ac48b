"""A definition that is too large for a template."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from mlops_constructs.training.definition_function import index
from tests.support import nag_findings, resources_of
from tests.training.fixture import Ground, document, ground, step

LARGE = "y" * 300_000


@pytest.fixture(scope="module")
def place() -> Ground:
    made = ground()
    raw = document()
    step(raw, "Train")["Arguments"]["HyperParameters"]["x"] = LARGE
    made.pipeline(raw)
    return made


def _only(place: Ground, resource_type: str) -> Any:
    (found,) = resources_of(place.stack, resource_type).values()
    return found["Properties"]


def test_the_pipeline_reads_it_from_where_the_function_wrote_it(place: Ground) -> None:
    location = _only(place, "AWS::SageMaker::Pipeline")["PipelineDefinition"]
    assert location.keys() == {"PipelineDefinitionS3Location"}
    for member in ("Bucket", "Key"):
        (resource, attribute) = location["PipelineDefinitionS3Location"][member]["Fn::GetAtt"]
        assert resource.startswith("TrainingDefinitionCall")
        assert attribute == member


def test_tokens_are_properties_so_that_a_change_updates_the_pipeline(place: Ground) -> None:
    call = _only(place, "Custom::PipelineDefinition")
    assert call["Prefix"] == "sample-dev/definitions"
    assert "Fn::GetAtt" in call["Texts"]["role.training"]
    assert call["Texts"]["code.steps.file"].endswith(".tar.gz")
    assert call["Lists"] == {"job.subnets": "subnet-1,subnet-2", "job.security_groups": "sg-1"}
    assert LARGE not in json.dumps(call)


def test_the_function_may_write_below_the_prefix_only(place: Ground) -> None:
    (statement,) = (
        each
        for name, policy in resources_of(place.stack, "AWS::IAM::Policy").items()
        if name.startswith("TrainingDefinitionRole")
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
        if each["Action"] == "s3:PutObject"
    )
    assert "sample-dev/definitions/*" in json.dumps(statement["Resource"])


def test_no_findings(place: Ground) -> None:
    assert nag_findings(place.stack) == []


class Bucket:
    """S3 with one template; keeps what is written."""

    def __init__(self, template: Any) -> None:
        self._template = json.dumps(template).encode()
        self.written: dict[str, bytes] = {}

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 (botocore's spelling)
        assert (Bucket, Key) == ("assets", "template.json")
        return {"Body": io.BytesIO(self._template)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803 (as above)
        assert (Bucket, ContentType) == ("artifacts", "application/json")
        self.written[Key] = Body


def _event(kind: str, **properties: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Call",
        "ResponseURL": "https://answer",
        "ResourceProperties": {
            "TemplateBucket": "assets",
            "TemplateKey": "template.json",
            "Bucket": "artifacts",
            "Prefix": "p/definitions",
            **properties,
        },
    }


def _run(event: dict[str, Any], bucket: Bucket) -> Any:
    answers: list[tuple[str, bytes]] = []
    index.run(event, bucket, lambda url, body: answers.append((url, body)))
    ((url, body),) = answers
    assert url == "https://answer"
    return json.loads(body)


TEMPLATE = {"Role": "{{role.training}}", "Subnets": ["{{job.subnets}}"], "Uri": "s3://{{b}}/x"}


def test_the_function_writes_under_the_hash_of_the_content() -> None:
    bucket = Bucket(TEMPLATE)
    texts, lists = {"role.training": "arn:1", "b": "bucket"}, {"job.subnets": "a,b"}
    first = _run(_event("Create", Texts=texts, Lists=lists), bucket)
    assert first["Status"] == "SUCCESS"
    ((key, body),) = bucket.written.items()
    assert json.loads(body) == {"Role": "arn:1", "Subnets": ["a", "b"], "Uri": "s3://bucket/x"}
    assert first["Data"] == {"Bucket": "artifacts", "Key": key}
    again = _run(_event("Update", Texts=texts, Lists=lists), bucket)
    assert again["Data"] == first["Data"]
    changed = _run(_event("Update", Texts=texts | {"b": "other"}, Lists=lists), bucket)
    assert changed["Data"]["Key"] != key
    assert changed["PhysicalResourceId"] == first["PhysicalResourceId"], "no replacement"


def test_the_function_answers_whatever_happens() -> None:
    bucket = Bucket(TEMPLATE)
    failed = _run(_event("Create", Texts={}), bucket)
    assert (failed["Status"], failed["Reason"]) == ("FAILED", "KeyError: 'role.training'")
    deleted = _run(_event("Delete") | {"PhysicalResourceId": "Call"}, bucket)
    assert deleted["Status"] == "SUCCESS"
    assert bucket.written == {}
