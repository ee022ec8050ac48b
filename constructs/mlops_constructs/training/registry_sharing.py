"""Lets other accounts deploy the models of a registry.

Four things must let the other account in, and without one of them the deployment fails with a
message about another: the group (its packages are described), the bucket with the artifacts, the
key of that bucket, and the repository of the image (SageMaker developer guide, "Deploy a Model
Version from a Different Account"). `RegistrySharing` is those four and the events; what receives
them is in `mlops_constructs.serving.sharing`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import (
    Annotations,
    ArnFormat,
    Aws,
    Stack,
    aws_ecr as ecr,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.approvals import approvals_of, bus_name
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.tokens import is_literal

_ACCOUNT = re.compile(r"\d{12}")
_PULL = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)
_DESCRIBE = (
    "sagemaker:DescribeModelPackage",
    "sagemaker:DescribeModelPackageGroup",
    "sagemaker:ListModelPackages",
)


class RegistrySharing(Construct):
    """Lets other accounts deploy the models of a group, and tells them of approvals.

    Attributes:
        rules: The rules that pass approvals on, by account.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group: sagemaker.CfnModelPackageGroup,
        accounts: Sequence[str],
        buckets: Sequence[s3.IBucket],
        repositories: Sequence[ecr.IRepository] = (),
    ) -> None:
        """Set the policies and make the rules.

        Args:
            scope: The parent.
            construct_id: The id.
            group: The group, such as ``ModelRegistry.resource``; its policy is set here.
            accounts: The numbers of the accounts with endpoints.
            buckets: The buckets with the artifacts of the models. A bucket or key of another
                stack app, whose policy cannot be changed from here, warns.
            repositories: Repositories of the images; those of AWS need nothing.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        name = group.model_package_group_name
        problems = Problems(self)
        problems.check(
            is_literal(name),
            "group",
            got=name,
            allowed="a group whose name is known at synth",
            instead="Write its name as text.",
        )
        problems.check(
            bool(accounts) and all(_ACCOUNT.fullmatch(account) for account in accounts),
            "accounts",
            got=list(accounts),
            allowed="one or more account numbers of 12 digits",
            instead="Write ['444455556666'].",
        )
        problems.check(
            bool(buckets),
            "buckets",
            got=[],
            allowed="the buckets with the artifacts",
            instead="Name the bucket that training writes models to.",
        )
        problems.raise_if_any()
        others = [iam.AccountPrincipal(account) for account in accounts]
        self._share_group(group, accounts)
        for bucket in buckets:
            self._share_bucket(bucket, others)
        for repository in repositories:
            result = repository.add_to_resource_policy(
                iam.PolicyStatement(principals=list(others), actions=list(_PULL))
            )
            self._warn_unless(result.statement_added, f"the repository {repository.node.path}")
        self.rules = {account: self._pass_on(name, account) for account in accounts}

    def _share_group(self, group: sagemaker.CfnModelPackageGroup, accounts: Sequence[str]) -> None:
        stack = Stack.of(group)
        name = group.model_package_group_name
        group.model_package_group_policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "DeployFromOtherAccounts",
                    "Effect": "Allow",
                    "Principal": {
                        "AWS": [f"arn:{Aws.PARTITION}:iam::{each}:root" for each in accounts]
                    },
                    "Action": list(_DESCRIBE),
                    "Resource": [
                        stack.format_arn(
                            service="sagemaker",
                            resource="model-package-group",
                            # SageMaker lower-cases names inside ARNs.
                            resource_name=name.lower(),
                            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
                        ),
                        stack.format_arn(
                            service="sagemaker",
                            resource="model-package",
                            resource_name=f"{name.lower()}/*",
                            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
                        ),
                    ],
                }
            ],
        }

    def _share_bucket(self, bucket: s3.IBucket, others: Sequence[iam.AccountPrincipal]) -> None:
        for actions, resource in (
            (["s3:GetObject"], bucket.arn_for_objects("*")),
            (["s3:ListBucket"], bucket.bucket_arn),
        ):
            result = bucket.add_to_resource_policy(
                iam.PolicyStatement(principals=list(others), actions=actions, resources=[resource])
            )
            self._warn_unless(result.statement_added, f"the bucket {bucket.node.path}")
        if bucket.encryption_key is not None:
            result = bucket.encryption_key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=list(others),
                    actions=["kms:Decrypt", "kms:DescribeKey"],
                    resources=["*"],
                )
            )
            self._warn_unless(result.statement_added, f"the key of {bucket.node.path}")

    def _pass_on(self, group: str, account: str) -> events.Rule:
        stack = Stack.of(self)
        bus = events.EventBus.from_event_bus_arn(
            self,
            f"Bus-{account}",
            stack.format_arn(
                service="events",
                account=account,
                resource="event-bus",
                resource_name=bus_name(group),
            ),
        )
        role = service_role(
            self,
            f"Role-{account}",
            description=f"Passes approvals of {group} on to {account}",
            service="events.amazonaws.com",
        )
        return events.Rule(
            self,
            f"Approvals-{account}",
            description=f"Approvals of {group} for {account}",
            event_pattern=approvals_of(group),
            targets=[targets.EventBus(bus, role=role)],
        )

    def _warn_unless(self, added: bool, what: str) -> None:
        if not added:
            Annotations.of(self).add_warning_v2(
                f"mlops-constructs:not-shared:{what}",
                f"The policy of {what} cannot be changed from here: let the other accounts in "
                "where it is made, or their deployments fail.",
            )
