"""Every type of step, in a definition that the SageMaker SDK compiled."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_iam as iam, aws_lambda as lambda_, aws_sqs as sqs

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.pipeline import TrainingPipeline
from mlops_constructs.training.step_types import STEP_TYPES
from tests.support import nag_findings, resources_of
from tests.training.fixture import Ground, ground, step

FOLDER = Path(__file__).parents[1] / "pipeline_code" / "vocabulary"
DOCUMENT = json.loads((FOLDER / "definition.json").read_text())
QUEUE = "arn:aws:sqs:us-east-1:123456789012:approvals"
KEY = "arn:aws:kms:us-east-1:123456789012:key/queue"
SECURE = {"Instances": {"Ec2SubnetId": "subnet-1"}, "SecurityConfiguration": "encrypted"}


def definition(raw: Any) -> PipelineDefinition:
    return PipelineDefinition(
        name="vocabulary",
        document=raw,
        bundles={"work": {"work.py": FOLDER / "steps" / "work.py"}},
        images={"xgboost": "3.2-0", "model-monitor": "", "clarify": "1.0"},
    )


def secured() -> Any:
    """The definition with the cluster's protection, which only its author can choose."""
    raw = copy.deepcopy(DOCUMENT)
    cluster = step(raw, "OwnCluster")["Arguments"]["ClusterConfig"]
    cluster["Instances"] |= SECURE["Instances"]
    cluster["SecurityConfiguration"] = SECURE["SecurityConfiguration"]
    return raw


def deploy(place: Ground, raw: Any, **changes: Any) -> TrainingPipeline:
    stack = place.stack
    role = "arn:aws:iam::123456789012:role/"
    given: dict[str, Any] = {
        "definition": definition(raw),
        "functions": {
            "notify": lambda_.Function.from_function_arn(
                stack, "Notify", "arn:aws:lambda:us-east-1:123456789012:function:notify"
            )
        },
        "queues": {
            "approvals": sqs.Queue.from_queue_attributes(
                stack, "Approvals", queue_arn=QUEUE, key_arn=KEY
            )
        },
        "emr_roles": {
            name: iam.Role.from_role_arn(stack, name, f"{role}{name}")
            for name in ("spark", "service")
        },
        "bindings": {"value.emr-cluster": "j-1ABCDEFGHIJKL", "value.emr-profile": "profile"},
    }
    return place.pipeline(**(given | changes))


def body(place: Ground) -> str:
    (pipeline,) = resources_of(place.stack, "AWS::SageMaker::Pipeline").values()
    parts = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else "TOKEN" for part in parts)


def allowed(place: Ground, prefix: str = "TrainingPipelineRole") -> dict[str, list[Any]]:
    """The actions of a role: each with its resources."""
    found: dict[str, list[Any]] = {}
    for name, policy in resources_of(place.stack, "AWS::IAM::Policy").items():
        if name.startswith(prefix):
            for each in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = each["Action"] if isinstance(each["Action"], list) else [each["Action"]]
                targets = each["Resource"]
                for action in actions:
                    found.setdefault(action, []).extend(
                        targets if isinstance(targets, list) else [targets]
                    )
    return found


@pytest.fixture(scope="module")
def place() -> Ground:
    found = ground()
    deploy(found, secured())
    return found


def test_the_fixture_has_every_type() -> None:
    assert {each.type for each in definition(DOCUMENT).steps} == STEP_TYPES.keys()


def test_it_is_bound_and_protected(place: Ground) -> None:
    deployed = json.loads(body(place))
    assert "{{" not in json.dumps(deployed)
    for name in ("Prepare", "Quality", "Bias"):
        network = step(deployed, name)["Arguments"]["NetworkConfig"]
        assert network["EnableNetworkIsolation"] is True
        assert network["EnableInterContainerTrafficEncryption"] is True
        assert network["VpcConfig"]["SecurityGroupIds"]
        assert step(deployed, name)["Arguments"]["ProcessingOutputConfig"]["KmsKeyId"] == "TOKEN"
    tuned = step(deployed, "Tune")["Arguments"]["TrainingJobDefinition"]
    for job in (step(deployed, "Train")["Arguments"], tuned):
        assert job["EnableNetworkIsolation"] is True
        assert job["EnableInterContainerTrafficEncryption"] is True
        assert job["VpcConfig"]["Subnets"]
        assert job["OutputDataConfig"]["KmsKeyId"] == "TOKEN"
        assert job["ResourceConfig"]["VolumeKmsKeyId"] == "TOKEN"
        assert job["EnableManagedSpotTraining"] is True
    assert step(deployed, "Alarm")["DependsOn"] == [{"Step": "Train", "Trigger": "Failed"}]
    assert step(deployed, "Approve")["SqsQueueUrl"].endswith("/approvals")
    assert step(deployed, "Spark")["Arguments"]["ClusterId"] == "j-1ABCDEFGHIJKL"


def test_the_role_may_what_the_steps_do_elsewhere(place: Ground) -> None:
    may = allowed(place)
    assert may["lambda:InvokeFunction"] == ["arn:aws:lambda:us-east-1:123456789012:function:notify"]
    assert may["sqs:SendMessage"] == [QUEUE]
    assert KEY in may["kms:GenerateDataKey"]
    assert {"elasticmapreduce:AddJobFlowSteps", "elasticmapreduce:RunJobFlow"} <= may.keys()
    assert {"emr-serverless:StartJobRun", "events:PutRule"} <= may.keys()
    # The application exists: the role may not make others.
    assert "emr-serverless:CreateApplication" not in may
    assert "sagemaker:ListModelPackages" in may
    passed = [str(each) for each in may["iam:PassRole"]]
    assert any("role/spark" in each for each in passed)
    assert any("role/service" in each for each in passed)


def test_nothing_is_allowed_on_everything(place: Ground) -> None:
    stars = {action for action, resources in allowed(place).items() if "*" in resources}
    assert not stars
    assert nag_findings(place.stack) == []


def test_a_cluster_that_exists_is_the_only_one() -> None:
    place = ground()
    raw = secured()
    raw["Steps"] = [each for each in raw["Steps"] if each["Name"] == "Spark"]
    pipeline = place.pipeline(
        raw,
        definition=definition(raw),
        emr_roles={"spark": iam.Role.from_role_arn(place.stack, "R", "arn:aws:iam::1:role/spark")},
        bindings={"value.emr-cluster": "j-1"},
        registry=None,
        data_bucket=place.data,
    )
    assert pipeline.job_roles == {}
    may = allowed(place)
    assert "elasticmapreduce:RunJobFlow" not in may
    assert "cluster/j-1" in str(may["elasticmapreduce:AddJobFlowSteps"])


def change(raw: Any, name: str, path: str, value: Any) -> Any:
    """Set a member of a step; None takes it away."""
    *owners, member = path.split(".")
    owner = step(raw, name)
    for each in owners:
        owner = owner[each]
    if value is None:
        del owner[member]
    else:
        owner[member] = value
    return raw


@pytest.mark.parametrize(
    ("name", "path", "value", "message"),
    [
        ("Ask", "FunctionArn", "arn:aws:lambda:x", r"step 'Ask', FunctionArn: .*{{function\.<name"),
        ("Approve", "SqsQueueUrl", None, r"step 'Approve', SqsQueueUrl: got None"),
        ("Ask", "FunctionArn", "{{function.other}}", r"Pass functions={'other': …}"),
        ("Approve", "SqsQueueUrl", "{{queue.other}}", r"Pass queues={'other': …}"),
        ("Spark", "Arguments.ExecutionRoleArn", "arn:aws:iam::1:role/r", r"emr_role\.<name>"),
        ("Spark", "Arguments.ClusterConfig", {}, r"exactly one of ClusterId and ClusterConfig"),
        (
            "OwnCluster",
            "Arguments.ClusterConfig.SecurityConfiguration",
            None,
            r"EMR encrypts nothing otherwise",
        ),
        (
            "OwnCluster",
            "Arguments.ClusterConfig.ReleaseLable",
            "emr-7.0.0",
            r"ReleaseLable: got 'emr-7.0.0'; allowed: ReleaseLabel",
        ),
        (
            "Serverless",
            "Arguments.JobConfig.jobDriver",
            {"sparkSubmit": {}},
            r"jobDriver\.sparkSubmit\.entryPoint: got None",
        ),
        ("Alarm", "DependsOn", [{"Step": "Train", "Trigger": "Failure"}], r"got 'Failure'"),
        (
            "Gate",
            "Arguments.Conditions",
            [
                {
                    "Type": "Equals",
                    "LeftValue": {"Get": "Steps.Ask.OutputParameters['skore']"},
                    "RightValue": 1,
                }
            ],
            r"output parameters of step 'Ask': score",
        ),
        (
            "Tune",
            "Arguments.HyperParameterTuningJobConfig.Strategy",
            "Guess",
            r"Strategy: got 'Guess'; allowed: Bayesian, Random, Hyperband, Grid",
        ),
        (
            "Train",
            "Arguments.StoppingCondition.MaxRuntimeInSeconds",
            "3600",
            r"MaxRuntimeInSeconds: got '3600'; allowed: a value of type integer",
        ),
        ("Quality", "Arguments.NetworkConfig", {"EnableNetworkIsolation": False}, r"got False"),
    ],
)
def test_mistake(name: str, path: str, value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        deploy(ground(), change(secured(), name, path, value))


def test_an_application_of_its_own_is_protected() -> None:
    place = ground()
    raw = secured()
    arguments = step(raw, "Serverless")["Arguments"]
    del arguments["ApplicationId"], arguments["JobConfig"]["applicationId"]
    arguments["ApplicationConfig"] = {"releaseLabel": "emr-7.0.0", "type": "SPARK"}
    deploy(place, raw)
    application = step(json.loads(body(place)), "Serverless")["Arguments"]["ApplicationConfig"]
    assert application["networkConfiguration"]["subnetIds"]
    assert application["diskEncryptionConfiguration"] == {"encryptionKeyArn": "TOKEN"}
    assert "emr-serverless:CreateApplication" in allowed(place)
    assert nag_findings(place.stack) == []
