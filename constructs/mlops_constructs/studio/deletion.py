"""What makes the deletion of a used domain succeed: a function and two custom resources.

CloudFormation deletes what it made: profiles, then the domain. SageMaker refuses both while there
are apps and spaces, which users make, and a deleted domain leaves its file system, interfaces and
security groups in the VPC, which then cannot be deleted either. So CloudFormation calls twice:

| resource | deleted | what it does |
|---|---|---|
| ``Users`` | before the profiles | apps; spaces and profiles that CloudFormation does not know |
| ``Domain`` | after the profiles, before the domain | the domain, with a word on its home \
directories, and what it leaves in the VPC |

The second deletes the domain itself, because only the API has a retention policy and because the
id is lost with the domain; CloudFormation then finds the domain gone, which is no error. Being
made before the profiles, it also cleans up when a first deployment is rolled back.

Nothing goes by accident: the domain carries a mark, and without it the function deletes nothing.
Turning ``destroy_data`` off takes the mark away before CloudFormation removes these resources.

The function may change only this domain's resources (by id), what SageMaker tagged with the
domain's ARN, and interfaces in its VPC. Lists take no resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import (
    CustomResource,
    Duration,
    IgnoreMode,
    RemovalPolicy,
    Stack,
    aws_iam as iam,
    aws_kms as kms,
    aws_lambda as lambda_,
    aws_logs as logs,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_logs
from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.lambdas import OLDER_RUNTIME, python_runtime
from mlops_constructs.common.roles import service_role
from mlops_constructs.studio.deletion_function.domain import MARK
from mlops_constructs.studio.deletion_function.leftovers import OWNER

_CODE = "deletion_function"
_TYPE: Final = "Custom::StudioDomainDeletion"
#: The longest that Lambda runs a function; the work goes on in another invocation.
_TIMEOUT = Duration.minutes(15)
_LISTS = (
    "elasticfilesystem:DescribeFileSystems",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
)


class DomainDeletion(Construct):
    """Empties a domain when its stack is deleted, and deletes it.

    Attributes:
        function: What does it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        domain: sagemaker.CfnDomain,
        profiles: Mapping[str, sagemaker.CfnUserProfile],
        spaces: Mapping[str, sagemaker.CfnSpace],
        encryption_key: kms.IKey,
        keep_home_directories: bool,
    ) -> None:
        """Make the function and its two calls.

        Args:
            scope: The parent.
            construct_id: The id below it.
            domain: The domain, which CloudFormation deletes too (removal policy DESTROY).
            profiles: The profiles that CloudFormation deletes, by name.
            spaces: The spaces that CloudFormation deletes, by name.
            encryption_key: Of the function's log.
            keep_home_directories: Whether the file system of the home directories stays. Its id
                is in the log and in the stack's events.
        """
        super().__init__(scope, construct_id)
        domain.tags.set_tag(MARK, "true")
        allow_logs(encryption_key)
        log = logs.LogGroup(
            self,
            "Log",
            encryption_key=encryption_key,
            retention=logs.RetentionDays.THREE_MONTHS,
            # It says which file system was kept.
            removal_policy=RemovalPolicy.RETAIN if keep_home_directories else RemovalPolicy.DESTROY,
        )
        role = service_role(
            self,
            "Role",
            description="Empties and deletes a Studio domain",
            service="lambda.amazonaws.com",
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description="Empties a Studio domain before CloudFormation deletes it",
            code=lambda_.Code.from_asset(
                str(Path(__file__).parent),
                exclude=["*", f"!{_CODE}", f"!{_CODE}/*.py"],
                ignore_mode=IgnoreMode.GIT,
            ),
            handler=f"{_CODE}.index.handler",
            runtime=python_runtime(),
            timeout=_TIMEOUT,
            memory_size=256,
            retry_attempts=0,
            log_group=log,
            role=role,
        )
        _acknowledge_function(self.function)
        # Not the role's own policy: the function would wait for it, and it names the function.
        policy = iam.Policy(
            self,
            "Policy",
            roles=[role],
            statements=self._statements(domain, log, keep_home_directories),
        )
        _acknowledge_policy(policy, domain)
        shared = {
            "DomainId": domain.attr_domain_id,
            "DomainArn": domain.attr_domain_arn,
            "HomeDirectories": "Keep" if keep_home_directories else "Delete",
        }
        last = self._call("Domain", {**shared, "Part": "Domain"})
        first = self._call(
            "Users",
            {
                **shared,
                "Part": "Users",
                "UserProfiles": sorted(profiles),
                "Spaces": sorted(spaces),
            },
        )
        for call in (last, first):
            call.node.add_dependency(policy, log)
        for profile in profiles.values():
            profile.node.add_dependency(last)
            first.node.add_dependency(profile)
        for space in spaces.values():
            first.node.add_dependency(space)
        first.node.add_dependency(last)

    def _call(self, construct_id: str, properties: dict[str, object]) -> CustomResource:
        return CustomResource(
            self,
            construct_id,
            resource_type=_TYPE,
            service_token=self.function.function_arn,
            service_timeout=Duration.hours(1),
            properties=properties,
        )

    def _statements(
        self, domain: sagemaker.CfnDomain, log: logs.LogGroup, keep_home_directories: bool
    ) -> list[iam.PolicyStatement]:
        stack = Stack.of(self)
        identifier, arn = domain.attr_domain_id, domain.attr_domain_arn

        def sagemaker_arns(*kinds: str) -> list[str]:
            return [
                stack.format_arn(
                    service="sagemaker", resource=kind, resource_name=f"{identifier}/*"
                )
                for kind in kinds
            ]

        owned = {"StringLike": {f"aws:ResourceTag/{OWNER}": f"*{identifier}*"}}
        file_systems = ["elasticfilesystem:DeleteMountTarget"]
        if not keep_home_directories:
            file_systems.append("elasticfilesystem:DeleteFileSystem")
        return [
            iam.PolicyStatement(
                actions=[
                    "sagemaker:DeleteDomain",
                    "sagemaker:DescribeDomain",
                    "sagemaker:ListTags",
                ],
                resources=[arn],
            ),
            iam.PolicyStatement(
                actions=[
                    "sagemaker:DeleteApp",
                    "sagemaker:DeleteSpace",
                    "sagemaker:DeleteUserProfile",
                ],
                resources=sagemaker_arns("app", "space", "user-profile"),
            ),
            iam.PolicyStatement(
                actions=[
                    "sagemaker:ListApps",
                    "sagemaker:ListSpaces",
                    "sagemaker:ListUserProfiles",
                    *_LISTS,
                ],
                resources=["*"],
            ),
            iam.PolicyStatement(
                actions=[*file_systems, "elasticfilesystem:DescribeMountTargets"],
                resources=[_file_systems(stack)],
                conditions=owned,
            ),
            iam.PolicyStatement(
                actions=[
                    "ec2:DeleteSecurityGroup",
                    "ec2:RevokeSecurityGroupEgress",
                    "ec2:RevokeSecurityGroupIngress",
                ],
                resources=[_ec2(stack, "security-group")],
                conditions=owned,
            ),
            # EFS deletes the interface of a mount target in the caller's name, and does not tag
            # it (EFS API reference, DeleteMountTarget). A shared VPC belongs to another account.
            iam.PolicyStatement(
                actions=["ec2:DeleteNetworkInterface"],
                resources=[_ec2(stack, "network-interface")],
                conditions={
                    "ArnLike": {
                        "ec2:Vpc": stack.format_arn(
                            service="ec2",
                            account="*",
                            resource="vpc",
                            resource_name=domain.vpc_id,
                        )
                    }
                },
            ),
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[self.function.function_arn]
            ),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log.log_group_arn],
            ),
        ]


def _file_systems(stack: Stack) -> str:
    return stack.format_arn(service="elasticfilesystem", resource="file-system", resource_name="*")


def _ec2(stack: Stack, kind: str) -> str:
    return stack.format_arn(service="ec2", resource=kind, resource_name="*")


def _acknowledge_function(function: lambda_.Function) -> None:
    acknowledge(
        function,
        {
            **in_packs(
                "LambdaConcurrency", "CloudFormation calls it twice in the life of a domain."
            ),
            **in_packs(
                "LambdaDLQ",
                "CloudFormation waits for its answer and fails the deletion without one: nothing "
                "is lost in a queue.",
            ),
            **in_packs(
                "LambdaInsideVPC",
                "It removes the domain's network and cannot stand in it; it calls AWS APIs and "
                "reads no data.",
            ),
            **OLDER_RUNTIME,
        },
    )


def _acknowledge_policy(policy: iam.Policy, domain: sagemaker.CfnDomain) -> None:
    logical_id = Stack.of(policy).resolve(domain.logical_id)
    arn = "arn:<AWS::Partition>:{service}:<AWS::Region>:<AWS::AccountId>:{resource}"
    reasons = {
        "AwsSolutions-IAM5[Resource::*]": "Lists of SageMaker, EFS and EC2 take no resource.",
        **in_packs("IAMNoInlinePolicy", "It fits this one role and must go when it goes."),
    }
    for kind in ("app", "space", "user-profile"):
        found = arn.format(service="sagemaker", resource=f"{kind}/<{logical_id}.DomainId>/*")
        reasons[f"AwsSolutions-IAM5[Resource::{found}]"] = (
            f"Users name what they make: any {kind} of this one domain."
        )
    for service, kind, held in (
        ("elasticfilesystem", "file-system", "its tag holds the function to those of this domain"),
        ("ec2", "security-group", "its tag holds the function to those of this domain"),
        ("ec2", "network-interface", "its VPC holds the function to the domain's network"),
    ):
        found = arn.format(service=service, resource=f"{kind}/*")
        reasons[f"AwsSolutions-IAM5[Resource::{found}]"] = (
            f"AWS makes the {kind} under an id of its own; the condition on {held}."
        )
    acknowledge(policy, reasons)
