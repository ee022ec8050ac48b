"""Roles that SageMaker assumes, and the grants that every job needs, each as narrow as it can be.

Source of the actions: SageMaker developer guide, "SageMaker Roles" (execution roles per API).
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnResource, aws_iam as iam
from constructs import Construct

from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.pseudo import ACCOUNT_ID, PARTITION, REGION

_VPC_ACTIONS = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


def sagemaker_role(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    conditions: Mapping[str, object] | None = None,
) -> iam.Role:
    """A role without any permission that the SageMaker service may assume.

    Args:
        scope: The parent.
        construct_id: The role's id.
        description: What it is for.
        conditions: Under which SageMaker may; only on keys that it is documented to send, as a
            condition on another key is never met.
    """
    return service_role(
        scope,
        construct_id,
        description=description,
        service="sagemaker.amazonaws.com",
        conditions=conditions,
    )


def service_role(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    service: str,
    role_name: str | None = None,
    conditions: Mapping[str, object] | None = None,
) -> iam.Role:
    """A role without any permission that one AWS service may assume."""
    role = iam.Role(
        scope,
        construct_id,
        role_name=role_name,
        description=description,
        assumed_by=iam.ServicePrincipal(service, conditions=conditions),
    )
    acknowledge(
        role,
        in_packs(
            "IAMNoInlinePolicy",
            "The grants fit this one role and must go when it goes; a managed policy of the same "
            "content could be attached to anybody.",
        ),
    )
    return role


def allow_vpc(role: iam.Role) -> None:
    """Let SageMaker put network interfaces of the role's jobs into a VPC.

    The actions take no narrower resource and no condition: SageMaker checks for them when a job
    is created and refuses a role that has them with conditions ("validation checks fail").
    """
    role.add_to_policy(iam.PolicyStatement(actions=list(_VPC_ACTIONS), resources=["*"]))
    _acknowledge_star(
        role,
        "SageMaker validates that the role may manage network interfaces on every resource, "
        "without conditions, before it starts a job in a VPC.",
    )


def allow_job_logs(role: iam.Role, *groups: str) -> None:
    """Let jobs write their logs.

    Args:
        role: The jobs' role.
        groups: Names below ``/aws/sagemaker/``, such as ``ProcessingJobs`` or ``Endpoints/name``.
    """
    arns = [
        f"arn:{PARTITION}:logs:{REGION}:{ACCOUNT_ID}:log-group:/aws/sagemaker/{group}"
        for group in groups
    ]
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            resources=[resource for arn in arns for resource in (arn, f"{arn}:log-stream:*")],
        )
    )
    acknowledge(
        role,
        {
            f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:"
            f"<AWS::AccountId>:log-group:/aws/sagemaker/{group}:log-stream:*]": "SageMaker names "
            "the log streams of a job after the job and its hosts."
            for group in groups
        },
    )


def allow_job_metrics(role: iam.Role, namespace: str) -> None:
    """Let jobs put metrics into one CloudWatch namespace."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
        )
    )
    _acknowledge_star(
        role,
        "PutMetricData takes no resource; the condition limits it to one namespace.",
    )


def allow_image_pull(role: iam.Role, *repository_arns: str) -> None:
    """Let SageMaker pull container images with the role.

    Args:
        role: The jobs' or the model's role.
        repository_arns: The repositories, AWS's own ones included.
    """
    role.add_to_policy(iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            resources=list(repository_arns),
        )
    )
    _acknowledge_star(role, "ecr:GetAuthorizationToken takes no resource.")


def wait_for_policy(resource: CfnResource, role: iam.IRole) -> None:
    """Make a SageMaker L1 wait for the policies of its role; call it after all grants.

    CDK puts grants into an ``AWS::IAM::Policy`` of its own, on which an L1 does not depend, so
    that SageMaker would check the role before it may do anything ("Could not access model data",
    aws/aws-cdk#10064).
    """
    resource.node.add_dependency(role)


def _acknowledge_star(role: iam.Role, reason: str) -> None:
    acknowledge(role, {"AwsSolutions-IAM5[Resource::*]": reason})
