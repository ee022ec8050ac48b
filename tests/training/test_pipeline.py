"""TrainingPipeline: the template that a definition becomes."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from cfnlint import api as cfnlint

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.common.images import FrameworkImage
from mlops_constructs.common.network import JobNetwork
from tests.support import feature_flags, nag_findings, resources_of, template_of
from tests.training.fixture import (
    Ground,
    Json,
    document,
    ground,
    model,
    step,
    training,
    transform,
    tuning,
)


@pytest.fixture
def place() -> Ground:
    return ground()


def pipeline_properties(place: Ground) -> Any:
    (resource,) = resources_of(place.stack, "AWS::SageMaker::Pipeline").values()
    return resource["Properties"]


def deployed(place: Ground) -> Json:
    """The definition that SageMaker gets, with ``<…>`` for what CloudFormation fills in."""
    body = pipeline_properties(place)["PipelineDefinition"]["PipelineDefinitionBody"]
    return json.loads("".join(_shown(part) for part in body["Fn::Join"][1]))


def _shown(part: Json) -> str:
    match part:
        case str():
            return part
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Sub": text}:
            return str(text)
        case {"Fn::FindInMap": [name, *_]}:
            return f"<{name}>"
    raise AssertionError(part)


def test_properties(place: Ground) -> None:
    pipeline = place.pipeline(max_parallel_steps=4, description="Census")
    made = pipeline_properties(place)
    assert made["PipelineName"] == "sample-dev"
    assert made["PipelineDescription"] == "Census"
    assert made["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 4}
    assert made["RoleArn"] == place.stack.resolve(pipeline.role.role_arn)


def test_definition_is_bound_and_protected(place: Ground) -> None:
    pipeline = place.pipeline()
    body = deployed(place)
    assert "{{" not in json.dumps(body)
    train = step(body, "Train")["Arguments"]
    key = place.stack.get_logical_id(place.key.node.default_child)  # type: ignore[arg-type]  # an L1
    assert train["RoleArn"].startswith("<TrainingTrainingRole")
    assert train["VpcConfig"] == {
        "Subnets": ["subnet-1", "subnet-2"],
        "SecurityGroupIds": ["sg-1"],
    }
    assert train["ResourceConfig"]["VolumeKmsKeyId"] == f"<{key}.Arn>"
    archive = pipeline.code["steps"].file_name
    assert train["HyperParameters"]["sagemaker_submit_directory"].endswith(f"/{archive}")
    assert train["AlgorithmSpecification"]["TrainingImage"].endswith("/sagemaker-xgboost:3.2-0")
    code = step(body, "Preprocess")["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"]
    assert code == f"s3://cdk-hnb659fds-assets-${{AWS::AccountId}}-${{AWS::Region}}/{archive}"
    assert step(body, "Register")["Arguments"]["ModelPackageGroupName"] == "sample-dev"
    assert body["Parameters"][0]["DefaultValue"].startswith("s3://<Data")
    assert body["Parameters"][2]["DefaultValue"] == 1.0


def test_definition_of_the_caller_is_left_alone(place: Ground) -> None:
    raw = document()
    place.pipeline(raw)
    assert raw == document()


def test_same_input_same_template() -> None:
    first, second = ground(), ground()
    first.pipeline()
    second.pipeline()
    assert template_of(first.stack).to_json() == template_of(second.stack).to_json()


def test_what_was_added_is_visible(place: Ground) -> None:
    lines = place.pipeline().hardening
    assert {line.partition(":")[0] for line in lines} == {"Preprocess", "Train", "Evaluate"}
    assert len(lines) == 15


def test_subnets_of_an_imported_vpc_that_are_known_at_deployment(place: Ground) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        place.stack,
        "Imported",
        vpc_id="vpc-2",
        availability_zones=["a", "b"],
        isolated_subnet_ids=cdk.Fn.split(",", cdk.Fn.import_value("Subnets"), 2),
    )
    place.pipeline(network=JobNetwork(vpc=vpc, security_groups=place.network.security_groups))
    body = pipeline_properties(place)["PipelineDefinition"]["PipelineDefinitionBody"]
    selected = {"Fn::Select": [0, {"Fn::Split": [",", {"Fn::ImportValue": "Subnets"}]}]}
    assert selected in body["Fn::Join"][1]


def test_resource_waits_for_all_policies(place: Ground) -> None:
    place.pipeline()
    (resource,) = resources_of(place.stack, "AWS::SageMaker::Pipeline").values()
    policies = [
        name
        for name in resources_of(place.stack, "AWS::IAM::Policy")
        if name.startswith("Training")
    ]
    assert len(policies) == 3
    assert set(policies) <= set(resource["DependsOn"])


def test_no_findings_with_every_step_type(place: Ground) -> None:
    raw = document()
    raw["Steps"] += [tuning("Tune", training("A")), model("Create"), transform("Predict")]
    place.pipeline(raw)
    assert nag_findings(place.stack) == []


def test_no_findings_across_stacks() -> None:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    place = ground(cdk.Stack(app, "Data"))
    place.stack = cdk.Stack(app, "Pipeline")
    place.pipeline()
    assert nag_findings(app) == []


def test_template_is_valid(place: Ground) -> None:
    pipeline = place.pipeline(max_parallel_steps=2)
    pipeline.add_schedule("Nightly", schedule="rate(1 day)", parameters={"MinAuc": 0.9})
    template = json.dumps(template_of(place.stack).to_json())
    # W3005: the CDK states dependencies that GetAtt implies.
    config = cfnlint.ManualArgs(regions=["us-east-1"], ignore_checks=["W3005"])
    assert [str(found) for found in cfnlint.lint(template, config=config)] == []


def test_images_of_ones_own(place: Ground) -> None:
    arn = "arn:aws:ecr:us-east-1:123456789012:repository/mine"
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    place.pipeline(images={"xgboost": FrameworkImage(uri=uri, repository_arn=arn)})
    body = deployed(place)
    assert step(body, "Train")["Arguments"]["AlgorithmSpecification"]["TrainingImage"] == uri
    assert arn in str(resources_of(place.stack, "AWS::IAM::Policy"))


def test_bindings_of_ones_own(place: Ground) -> None:
    raw = document()
    step(raw, "Train")["Arguments"]["Environment"] = {"SERVER": "{{mlflow.server}}"}
    place.pipeline(raw, bindings={"mlflow.server": cdk.Aws.STACK_NAME})
    assert step(deployed(place), "Train")["Arguments"]["Environment"] == {
        "SERVER": "<AWS::StackName>"
    }


def test_key_and_artifacts_bucket_are_made(place: Ground) -> None:
    pipeline = place.pipeline(encryption_key=None, artifacts_bucket=None)
    assert pipeline.encryption_key.node.path == "Test/Training/Key"
    assert pipeline.artifacts_bucket.node.path == "Test/Training/Artifacts"
    assert nag_findings(place.stack) == []


def test_exemptions_warn(place: Ground) -> None:
    place.pipeline(allow_network_access=["Train"], allow_plain_traffic=["Train"])
    train = step(deployed(place), "Train")["Arguments"]
    assert train["EnableNetworkIsolation"] is False
    assert train["EnableInterContainerTrafficEncryption"] is False
    warnings = cdk.assertions.Annotations.from_stack(place.stack).find_warning(
        "/Test/Training", cdk.assertions.Match.string_like_regexp("Jobs of Train may")
    )
    assert len(warnings) == 2


def test_metrics(place: Ground) -> None:
    pipeline = place.pipeline()
    failed = pipeline.metric_failed()
    assert (failed.namespace, failed.metric_name, failed.statistic) == (
        "AWS/Sagemaker/ModelBuildingPipeline",
        "ExecutionFailed",
        "Sum",
    )
    assert failed.dimensions == {"PipelineName": "sample-dev"}
    assert pipeline.metric_duration().statistic == "Maximum"
    assert pipeline.metric_succeeded().metric_name == "ExecutionSucceeded"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pipeline_name": "Sample_Dev"}, "pipeline_name: got 'Sample_Dev'.*'sample-dev'"),
        ({"pipeline_name": cdk.Aws.STACK_NAME}, "pipeline_name: .*a literal"),
        ({"max_parallel_steps": 0}, "max_parallel_steps: got 0; allowed: 1 or more"),
        ({"max_parallel_steps": "3"}, "max_parallel_steps: got '3'; allowed: 1 or more"),
        ({"definition": "census"}, r"definition: got 'census'.*PipelineDefinition.from_folder"),
        ({"network": None}, "network: got None; allowed: a JobNetwork"),
        (
            {"data_bucket": "raw", "encryption_key": "arn:x"},
            "(?s)2 problems.*encryption_key: got 'arn:x'.*data_bucket: got 'raw'.*from_bucket_name",
        ),
        ({"registry": None}, r"model_package_group.*Pass registry=ModelRegistry"),
        ({"data_bucket": None}, r"bucket\.data.*Pass data_bucket"),
        ({"bindings": {"x": "1"}}, r"bindings\['x'\]"),
        (
            {"allow_network_access": ["Gate"]},
            "allow_network_access: got 'Gate'; allowed: Preprocess, Train, Evaluate",
        ),
    ],
)
def test_bad_arguments(place: Ground, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        place.pipeline(**arguments)
    assert refused.value.path == "Test/Training"


def test_arguments_and_definition_are_reported_together(place: Ground) -> None:
    raw = document()
    step(raw, "Train")["DependsOn"] = ["Nothing"]
    step(raw, "Train")["Arguments"]["Environment"] = {"X": "{{unknown}}"}
    step(raw, "Train")["Arguments"]["EnableNetworkIsolation"] = False
    with pytest.raises(ValidationError) as refused:
        place.pipeline(raw, max_parallel_steps=0, allow_plain_traffic=["Nothing"])
    assert len(refused.value.problems) == 5


def test_defaults_that_do_not_fit_are_said_once(place: Ground) -> None:
    wrong = {"MinAuc": "high", "Rounds_Max": 1.5, "Approval": "yes", "Eta": 0.5}
    with pytest.raises(ValidationError) as refused:
        place.pipeline(parameters=wrong)
    assert [problem.what for problem in refused.value.problems] == [
        "parameters['MinAuc']",
        "parameters['Rounds_Max']",
        "parameters['Approval']",
    ]


def test_definition_may_name_what_protects_jobs(place: Ground) -> None:
    raw = document()
    step(raw, "Train")["Arguments"]["Environment"] = {"KEY": "{{job.key}}"}
    place.pipeline(raw)
    assert ".Arn>" in step(deployed(place), "Train")["Arguments"]["Environment"]["KEY"]


def test_list_of_the_construct_inside_a_string(place: Ground) -> None:
    raw = document()
    step(raw, "Train")["Arguments"]["Environment"] = {"SUBNETS": "{{job.subnets}}"}
    with pytest.raises(ValidationError, match=r"Environment\.SUBNETS: got .*which is a list"):
        place.pipeline(raw)


def test_nothing_is_made_when_something_is_refused(place: Ground) -> None:
    with pytest.raises(ValidationError):
        place.pipeline(encryption_key=None, artifacts_bucket=None, max_parallel_steps=0)
    assert place.stack.node.find_child("Training").node.children == []


def test_image_without_a_known_version(place: Ground) -> None:
    raw = document()
    specification = step(raw, "Train")["Arguments"]["AlgorithmSpecification"]
    specification["TrainingImage"] = "{{image.pytorch}}"
    with pytest.raises(ValidationError, match=r"\{\{image\.pytorch\}\}, which nothing binds"):
        place.pipeline(raw)


def test_a_definition_that_sagemaker_would_not_take_is_refused(place: Ground) -> None:
    raw = document()
    step(raw, "Train")["Arguments"]["HyperParameters"]["x"] = "y" * 1_048_576
    with pytest.raises(ValidationError, match="allowed: 1,048,576, the most that SageMaker takes"):
        place.pipeline(raw)
