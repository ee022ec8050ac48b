"""AWS's images: account by region, from a table."""

import json

import aws_cdk as cdk
import pytest

from mlops_constructs.common.errors import ValidationError
from mlops_constructs.common.images import framework_image
from tests.support import ROOT, feature_flags, new_stack, template_of


def stack_in(region: str) -> cdk.Stack:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    return cdk.Stack(app, "Test", env=cdk.Environment(region=region))


def test_concrete_region() -> None:
    stack = stack_in("us-east-1")
    image = framework_image(stack, "xgboost", "3.2-0")
    assert stack.resolve(image.uri) == {
        "Fn::Join": [
            "",
            [
                "683313688378.dkr.ecr.us-east-1.",
                {"Ref": "AWS::URLSuffix"},
                "/sagemaker-xgboost:3.2-0",
            ],
        ]
    }
    assert "683313688378:repository/sagemaker-xgboost" in str(stack.resolve(image.repository_arn))
    assert "Mappings" not in template_of(stack).to_json()


def test_image_without_a_tag() -> None:
    stack = stack_in("eu-west-1")
    uri = stack.resolve(framework_image(stack, "model-monitor").uri)["Fn::Join"][1]
    assert uri[0].startswith("468650794304.dkr.")
    assert uri[-1] == "/sagemaker-model-monitor-analyzer"


def test_newest_version_is_the_default() -> None:
    stack = stack_in("us-east-1")
    assert framework_image(stack) == framework_image(stack, "xgboost", "3.2-0")


def test_environment_agnostic_stacks_share_a_mapping() -> None:
    stack = new_stack()
    first = framework_image(stack, "xgboost")
    framework_image(stack, "sklearn")
    framework_image(stack, "clarify")
    cdk.CfnOutput(stack, "Uri", value=first.uri)
    template = template_of(stack).to_json()
    assert sorted(template["Mappings"]) == ["ClarifyImageAccounts", "XgboostImageAccounts"]
    assert template["Mappings"]["XgboostImageAccounts"]["us-east-1"] == {"Account": "683313688378"}
    account = template["Outputs"]["Uri"]["Value"]["Fn::Join"][1][0]
    assert account == {"Fn::FindInMap": ["XgboostImageAccounts", {"Ref": "AWS::Region"}, "Account"]}


@pytest.mark.parametrize(
    ("framework", "version", "said"),
    [
        ("tensorflow", None, "framework: got 'tensorflow'; allowed: xgboost, sklearn"),
        ("xgboost", "9.9", "version: got '9.9'; allowed: 0.90-1"),
    ],
)
def test_unknown_image(framework: str, version: str | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        framework_image(new_stack(), framework, version)


def test_region_without_the_image() -> None:
    with pytest.raises(ValidationError, match=r"region: got 'eu-south-2'.*no clarify image there"):
        framework_image(stack_in("eu-south-2"), "clarify")


def test_table_agrees_with_the_images_of_compiled_pipelines() -> None:
    table = json.loads((ROOT / "constructs/mlops_constructs/common/images.json").read_text())
    locks = list((ROOT / "pipeline_code").glob("*/definition.lock.json"))
    assert locks
    for lock in locks:
        for image in json.loads(lock.read_text())["images"].values():
            entry = table["frameworks"][image["framework"]][image["version"]]
            assert (entry["repository"], entry["tag"]) == (image["repository"], image["tag"])
            assert table["accounts"][entry["accounts"]] == image["registries"]
