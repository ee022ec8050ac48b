"""ModelRegistry: versions of a model, and which of them is approved.

It makes a model package group, and an SSM parameter that holds the ARN of the approved version,
or ``none``. A serving stack resolves the parameter at every deployment; whoever releases an
approved version writes it there and updates that stack.

**Why the parameter is made by a custom resource.** As a plain ``AWS::SSM::Parameter`` it would
have a value in the template. CloudFormation writes that value again with every later change of
the resource, be it of a tag, so that ``none`` would take the place of the approved model. Here
``PutParameter`` runs without permission to overwrite, when the resource is made or renamed, and
never again; deleting the stack leaves the parameter, as it leaves the group. The price is one
small Lambda function per stack (the CDK's own, for all its custom resources of that kind), and
that the parameter carries no tags and shows no drift.

Groups are kept when their stack is deleted: one with versions cannot be deleted. Name and
description are create-only (CloudFormation registry schema), so that a new description replaces
the group and fails as its name is taken: decide on both at the start.
"""

from __future__ import annotations

import re

from aws_cdk import (
    RemovalPolicy,
    Stack,
    aws_events as events,
    aws_iam as iam,
    aws_sagemaker as sagemaker,
    custom_resources as cr,
)
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.tokens import is_token

#: What the parameter holds until a version is approved.
NO_MODEL = "none"

_LONGEST_DESCRIPTION = 1024  # CloudFormation registry schema
# botocore, PSParameterName and the limits of the Systems Manager guide.
_PARAMETER_NAME = re.compile(r"/[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+){0,14}")
_RESERVED = ("/aws", "/ssm")


class ModelRegistry(Construct):
    """A model package group and the parameter that names its approved version.

    Attributes:
        model_package_group_name: The group's name, a literal.
        model_package_group_arn: Its ARN.
        model_packages_arn: The ARN of all its versions, ``…:model-package/<group>/*``.
        approved_model_parameter_name: The SSM parameter's name, a literal.
        approved_model_parameter_arn: Its ARN.
        resource: The ``AWS::SageMaker::ModelPackageGroup``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        description: str | None = None,
        approved_model_parameter_name: str | None = None,
    ) -> None:
        """Make the group and the parameter.

        Args:
            scope: The parent.
            construct_id: The id below it.
            model_package_group_name: 1 to 63 lower-case letters, digits and inner hyphens.
            description: Up to 1024 characters; cannot be changed later.
            approved_model_parameter_name: ``/mlops/<group>/approved-model`` unless given.

        Raises:
            ValidationError: If a name or the description is not one that the services take.
        """
        super().__init__(scope, construct_id)
        parameter = (
            approved_model_parameter_name or f"/mlops/{model_package_group_name}/approved-model"
        )
        _check(Problems(self), model_package_group_name, description, parameter)
        stack = Stack.of(self)
        self.model_package_group_name = model_package_group_name
        self.approved_model_parameter_name = parameter
        self.approved_model_parameter_arn = stack.format_arn(
            service="ssm", resource="parameter", resource_name=parameter.removeprefix("/")
        )
        self.model_packages_arn = stack.format_arn(
            service="sagemaker",
            resource="model-package",
            resource_name=f"{model_package_group_name}/*",
        )
        self.resource = sagemaker.CfnModelPackageGroup(
            self,
            "Resource",
            model_package_group_name=model_package_group_name,
            model_package_group_description=description,
        )
        self.resource.apply_removal_policy(RemovalPolicy.RETAIN)
        self.model_package_group_arn = self.resource.attr_model_package_group_arn
        self._make_parameter()

    def on_approved(
        self, construct_id: str, target: events.IRuleTarget | None = None
    ) -> events.Rule:
        """Run a target whenever a version of this group is approved.

        The service may send an event more than once: the target must bear that.
        """
        return self._on_approval_status(construct_id, "Approved", target)

    def on_rejected(
        self, construct_id: str, target: events.IRuleTarget | None = None
    ) -> events.Rule:
        """Run a target whenever a version of this group is rejected."""
        return self._on_approval_status(construct_id, "Rejected", target)

    def grant_register(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a pipeline add versions to the group."""
        return self._grant(
            grantee,
            ["AddTags", "CreateModelPackage", "DescribeModelPackage", "DescribeModelPackageGroup"],
        )

    def grant_baselines(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a native check find the baselines of the approved version."""
        return self._grant(grantee, ["DescribeModelPackage", "ListModelPackages"])

    def grant_approve(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a person or a rule approve and reject versions."""
        return self._grant(
            grantee, ["DescribeModelPackage", "ListModelPackages", "UpdateModelPackage"]
        )

    def grant_deploy(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a deployment find the approved version and make models of versions."""
        return self._grant(
            grantee, ["DescribeModelPackage", "DescribeModelPackageGroup", "ListModelPackages"]
        ).combine(
            iam.Grant.add_to_principal(
                grantee=grantee,
                actions=["ssm:GetParameter", "ssm:GetParameters"],
                resource_arns=[self.approved_model_parameter_arn],
            )
        )

    def grant_release(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a release write which version is the approved one."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["ssm:GetParameter", "ssm:PutParameter"],
            resource_arns=[self.approved_model_parameter_arn],
        )

    def _grant(self, grantee: iam.IGrantable, actions: list[str]) -> iam.Grant:
        if isinstance(grantee, iam.Role):
            acknowledge_wildcards(
                grantee,
                [self.model_packages_arn],
                "Versions of the group get their numbers when they are registered.",
            )
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[f"sagemaker:{action}" for action in actions],
            resource_arns=[self.model_package_group_arn, self.model_packages_arn],
        )

    def _on_approval_status(
        self, construct_id: str, status: str, target: events.IRuleTarget | None
    ) -> events.Rule:
        return events.Rule(
            self,
            construct_id,
            description=f"Versions of {self.model_package_group_name} become {status}",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Model Package State Change"],
                detail={
                    "ModelPackageGroupName": [self.model_package_group_name],
                    "ModelApprovalStatus": [status],
                },
            ),
            targets=None if target is None else [target],
        )

    def _make_parameter(self) -> None:
        put = cr.AwsSdkCall(
            service="SSM",
            action="PutParameter",
            parameters={
                "Name": self.approved_model_parameter_name,
                "Description": f"Approved version of {self.model_package_group_name}",
                "Type": "String",
                "Value": NO_MODEL,
                "Overwrite": False,
            },
            ignore_error_codes_matching="ParameterAlreadyExists",
            physical_resource_id=cr.PhysicalResourceId.of(self.approved_model_parameter_name),
        )
        resource = cr.AwsCustomResource(
            self,
            "ApprovedModel",
            resource_type="Custom::ApprovedModelParameter",
            on_create=put,
            on_update=put,
            install_latest_aws_sdk=False,
            policy=cr.AwsCustomResourcePolicy.from_statements(
                [
                    iam.PolicyStatement(
                        actions=["ssm:PutParameter"],
                        resources=[self.approved_model_parameter_arn],
                    )
                ]
            ),
        )
        _acknowledge_function(self, resource)


def _check(problems: Problems, group: str, description: str | None, parameter: str) -> None:
    problems.check(
        not is_token(group),
        "model_package_group_name",
        got=group,
        allowed="a literal: people, pipelines and releases address the group by it",
        instead="Write the name.",
    )
    check_name(problems, "model_package_group_name", group)
    problems.check(
        description is None or is_token(description) or len(description) <= _LONGEST_DESCRIPTION,
        "description",
        got=description,
        allowed=f"at most {_LONGEST_DESCRIPTION} characters",
        instead="Shorten it.",
    )
    problems.check(
        _PARAMETER_NAME.fullmatch(parameter) is not None
        and not parameter.lower().startswith(_RESERVED),
        "approved_model_parameter_name",
        got=parameter,
        allowed="a literal path of up to 15 parts of letters, digits and _ . -, such as "
        "/mlops/<group>/approved-model, not below /aws or /ssm",
        instead="Leave it out, or write such a path.",
    )
    problems.raise_if_any()


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
