"""The parameter that holds the approved model of a group, made once and never overwritten.

**Why a custom resource makes it.** As a plain ``AWS::SSM::Parameter`` it would have a value in the
template. CloudFormation writes that value again with every later change of the resource, be it of a
tag, so that ``none`` would take the place of the approved model. Here ``PutParameter`` runs without
permission to overwrite, when the resource is made or renamed, and never again; deleting the stack
leaves the parameter. The price is one small Lambda function per stack (the CDK's own, for all its
custom resources of that kind), and that the parameter carries no tags and shows no drift.
"""

from __future__ import annotations

from aws_cdk import Stack, aws_iam as iam, custom_resources as cr
from constructs import Construct

from mlops_constructs.common.findings import acknowledge

#: What the parameter holds until a version is approved.
NO_MODEL = "none"


def parameter_arn(scope: Construct, name: str) -> str:
    """The ARN of a parameter in the account and region of the scope's stack."""
    return Stack.of(scope).format_arn(
        service="ssm", resource="parameter", resource_name=name.removeprefix("/")
    )


def make_approved_parameter(scope: Construct, *, name: str, group: str) -> None:
    """Make the parameter unless it is there, below ``scope`` with the id ``ApprovedModel``.

    Args:
        scope: The parent.
        name: The parameter's name.
        group: The model package group, for the description.
    """
    put = cr.AwsSdkCall(
        service="SSM",
        action="PutParameter",
        parameters={
            "Name": name,
            "Description": f"Approved version of {group}",
            "Type": "String",
            "Value": NO_MODEL,
            "Overwrite": False,
        },
        ignore_error_codes_matching="ParameterAlreadyExists",
        physical_resource_id=cr.PhysicalResourceId.of(name),
    )
    resource = cr.AwsCustomResource(
        scope,
        "ApprovedModel",
        resource_type="Custom::ApprovedModelParameter",
        on_create=put,
        on_update=put,
        install_latest_aws_sdk=False,
        policy=cr.AwsCustomResourcePolicy.from_statements(
            [
                iam.PolicyStatement(
                    actions=["ssm:PutParameter"], resources=[parameter_arn(scope, name)]
                )
            ]
        ),
    )
    _acknowledge_function(scope, resource)


def _acknowledge_function(scope: Construct, resource: cr.AwsCustomResource) -> None:
    """Accept what cdk-nag finds on the CDK's own function, which a stack shares."""
    inline = "The grant is for one parameter and must go when the registry goes."
    acknowledge(resource, {"NIST.800.53.R5-IAMNoInlinePolicy": inline})
    function = Stack.of(scope).node.find_child(
        f"AWS{cr.AwsCustomResource.PROVIDER_FUNCTION_UUID.replace('-', '')}"
    )
    acknowledge(
        function,
        {
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSLambdaBasicExecutionRole]": "The CDK's function for custom resources gets this "
            "policy to write its logs; its other permissions are the registry's.",
            "NIST.800.53.R5-CloudWatchLogGroupEncrypted": "The log holds the name of a parameter "
            "and the result of one PutParameter call.",
            "NIST.800.53.R5-LambdaConcurrency": "CloudFormation calls it once per deployment that "
            "makes or renames the parameter.",
            "NIST.800.53.R5-LambdaDLQ": "CloudFormation waits for the answer and fails the "
            "deployment without one: nothing is lost in a queue.",
            "NIST.800.53.R5-LambdaInsideVPC": "It calls the Systems Manager API with a fixed "
            "payload and reads no data.",
        },
    )
