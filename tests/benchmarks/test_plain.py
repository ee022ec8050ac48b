"""The baselines give what the platform gives, so that only the way there is compared."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import BenchmarkError
from benchmarks.plain.languages import JavaScriptWriter, PythonWriter
from benchmarks.plain.templates import Template, differences, read_templates
from benchmarks.synth import unpack_javascript

# One stack with what the writers know: parameter, mapping, condition, import, export, custom
# resource, policies, dependencies, structs, lists of structs, untyped properties.
TEMPLATE: Template = {
    "Description": "A stack.",
    "Parameters": {
        "Model": {"Type": "String", "Default": "none", "Description": "Which model."},
        "Stands": {"Type": "String", "Default": "true", "AllowedValues": ["true", "false"]},
        "BootstrapVersion": {"Type": "String"},
    },
    "Mappings": {"Images": {"us-east-1": {"Account": "1"}}},
    "Conditions": {
        "Exists": {
            "Fn::And": [{"Condition": "HasModel"}, {"Fn::Equals": [{"Ref": "Stands"}, "true"]}]
        },
        "HasModel": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Model"}, "none"]}]},
    },
    "Resources": {
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "p",
                "Roles": [{"Ref": "Role"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "s3:GetObject",
                            "Resource": [
                                {"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/*"]]},
                                {"Fn::ImportValue": "Other:Arn"},
                            ],
                        }
                    ],
                },
            },
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": {"Fn::Sub": "${AWS::StackName}-bucket"},
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
                "Tags": [{"Key": "Team", "Value": "ml"}],
            },
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {
                "ProductionVariants": [
                    {
                        "VariantName": "main",
                        "ModelName": {"Ref": "Model"},
                        "InitialVariantWeight": 1.5,
                    }
                ]
            },
            "Condition": "Exists",
            "DependsOn": ["Policy", "Role"],
        },
        "Own": {
            "Type": "Custom::Thing",
            "Properties": {
                "ServiceToken": {
                    "Fn::FindInMap": ["Images", {"Ref": "AWS::Region"}, "Account"],
                }
            },
        },
    },
    "Outputs": {
        "Name": {"Value": {"Ref": "Bucket"}, "Export": {"Name": "Here:Name"}},
        "Token": {"Value": {"Fn::GetAtt": ["Own", "Token"]}},
    },
}


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_a_plain_program_gives_the_same_template(tmp_path: Path, language: str) -> None:
    if language == "python":
        command = [sys.executable, "-c", PythonWriter({"One": TEMPLATE}).program()]
    else:
        unpack_javascript(tmp_path / "node_modules")
        (tmp_path / "plain.js").write_text(JavaScriptWriter({"One": TEMPLATE}).program())
        command = [shutil.which("node") or "node", str(tmp_path / "plain.js")]
    done = subprocess.run(
        command,
        env=os.environ | {"CDK_OUTDIR": str(tmp_path / "out"), "CDK_VALIDATION": "false"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = read_templates(tmp_path / "out")
    # The CDK's own additions.
    rules = {"Rules": found["One"].get("Rules")}
    parameters = TEMPLATE["Parameters"] | {
        "BootstrapVersion": found["One"]["Parameters"]["BootstrapVersion"]
    }
    assert differences({"One": TEMPLATE | {"Parameters": parameters} | rules}, found) == []


def test_python_uses_the_generated_classes() -> None:
    """Generic resources and untyped dictionaries would be a faster, and another, program."""
    program = PythonWriter({"One": TEMPLATE}).program()
    assert "aws_s3.CfnBucket.PublicAccessBlockConfigurationProperty(block_public_acls=True)" in (
        program
    )
    assert "aws_sagemaker.CfnEndpointConfig.ProductionVariantProperty(" in program
    assert "cdk.CfnTag(key='Team', value='ml')" in program
    assert "r_Bucket.attr_arn" in program
    assert program.index("r_Role =") < program.index("r_Policy =")


def test_differences_are_found() -> None:
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Bucket"]["Properties"]["Tags"][0]["Value"] = "other"
    del changed["Outputs"]["Token"]
    assert differences({"One": TEMPLATE}, {"One": changed}) == [
        "One/Outputs",
        "One/Bucket (AWS::S3::Bucket)",
    ]


def test_other_resources_are_refused() -> None:
    changed = json.loads(json.dumps(TEMPLATE))
    del changed["Resources"]["Bucket"]
    with pytest.raises(BenchmarkError, match="AWS::S3::Bucket"):
        differences({"One": TEMPLATE}, {"One": changed})


def test_the_spelling_of_joins_does_not_count() -> None:
    one = {"Outputs": {"A": {"Value": {"Fn::Join": ["", ["a", {"Ref": "B"}, "c"]]}}}}
    nested = {"Fn::Join": ["", [{"Ref": "B"}, "c"]]}
    other = {"Outputs": {"A": {"Value": {"Fn::Join": ["", ["a", nested]]}}}}
    assert differences({"One": one}, {"One": other}) == []
