"""Every action that is given on all resources, and why no narrower resource will do.

Source: service authorization reference, "Actions, resources, and condition keys": an action
without a resource type can be given on ``*`` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NONE: Final = "takes no resource"
_VPC: Final = "SageMaker checks that the role may, on all resources and without conditions"
_READS: Final = "takes no resource; reads names and states"

#: Action to reason.
WITHOUT_RESOURCE: Final[Mapping[str, str]] = {
    "cloudtrail:LookupEvents": _NONE,
    "cloudwatch:DescribeAlarms": "deployments with guardrails look for their alarms so",
    "cloudwatch:GetMetricData": _READS,
    "cloudwatch:GetMetricStatistics": _READS,
    "cloudwatch:ListMetrics": _READS,
    "cloudwatch:PutMetricData": "takes no resource; a condition names the namespace",
    "ec2:CreateNetworkInterface": _VPC,
    "ec2:CreateNetworkInterfacePermission": _VPC,
    "ec2:DeleteNetworkInterface": _VPC,
    "ec2:DeleteNetworkInterfacePermission": _VPC,
    "ec2:DescribeDhcpOptions": _VPC,
    "ec2:DescribeNetworkInterfaces": _VPC,
    "ec2:DescribeSecurityGroups": _VPC,
    "ec2:DescribeSubnets": _VPC,
    "ec2:DescribeVpcs": _VPC,
    "ecr:GetAuthorizationToken": _NONE,
    "logs:DescribeLogGroups": _READS,
    "sagemaker:GetSearchSuggestions": _READS,
    "sagemaker:List*": _READS,
    "sagemaker:Search": _READS,
    "sagemaker-mlflow:AccessUI": "takes no resource; a presigned URL is for one server",
}
