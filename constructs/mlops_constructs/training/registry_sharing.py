"""Lets other accounts deploy the models of a registry.

Four things must let the other account in, and without one of them the deployment fails with a
message about another: the group (its packages are described, and models are created of them), the
bucket with the artifacts, the key of that bucket, and the repository of the image (SageMaker
developer guide, "Deploy a Model Version from a Different Account"). `RegistrySharing` is those four
and the events; what receives them is in `mlops_constructs.serving.sharing`.

Accounts may change nothing here: approving stays with the registry's account, also for each stage.

EventBridge drops an event that the other account's bus refuses, and tells nobody (EventBridge user
guide, "Retry policy": permissions that are missing are not retried): an alarm on the rule's failed
invocations does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import (
    Annotations,
    ArnFormat,
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_cloudwatch_actions as alarm_actions,
    aws_ecr as ecr,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.accounts import is_account
from mlops_constructs.common.approvals import approvals_of, bus_name, check_stage
from mlops_constructs.common.encryption import allow_publishers
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import check_type
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.common.roles import service_role
from mlops_constructs.common.tokens import is_literal

_PULL = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)
_OF_GROUP = ("sagemaker:DescribeModelPackageGroup", "sagemaker:ListModelPackages")
# CreateModel is checked on the version, too, when the version is of another account.
_OF_VERSIONS = (
    "sagemaker:CreateModel",
    "sagemaker:DescribeModelPackage",
    "sagemaker:ListModelPackages",
)


@dataclass(frozen=True, kw_only=True)
class StageAccount:
    """An account that gets versions when they are approved for a stage.

    Attributes:
        account: Its number.
        stage: The stage, as ``ModelLifeCycle.Stage`` of the versions has it: ``Production``.
    """

    account: str
    stage: str


class RegistrySharing(Construct):
    """Lets other accounts deploy the models of a group, and tells them of approvals.

    Attributes:
        rules: The rules that pass approvals on, by account.
        alarms: Alarms on approvals that an account did not get, by account; none without a topic.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group: sagemaker.CfnModelPackageGroup,
        accounts: Sequence[str | StageAccount],
        buckets: Sequence[s3.IBucket],
        repositories: Sequence[ecr.IRepository] = (),
        notify: sns.ITopic | None = None,
    ) -> None:
        """Set the policies and make the rules.

        Args:
            scope: The parent.
            construct_id: The id.
            group: The group, such as ``ModelRegistry.resource``; its policy is set here.
            accounts: The numbers of the accounts with endpoints, which get each version that is
                approved; or a `StageAccount`, which gets it once it is approved for a stage.
            buckets: The buckets with the artifacts of the models. A bucket or key of another
                stack app, whose policy cannot be changed from here, warns.
            repositories: Repositories of the images; those of AWS need nothing.
            notify: Told of approvals that an account did not get, so that nobody waits for them.

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
        check_type(problems, "repositories", repositories, Sequence[ecr.IRepository])
        check_type(problems, "notify", notify, sns.ITopic | None)
        stages = _stages(problems, accounts)
        if check_type(problems, "buckets", buckets, Sequence[s3.IBucket]):
            problems.check(
                bool(buckets),
                "buckets",
                got=[],
                allowed="the buckets with the artifacts",
                instead="Name the bucket that training writes models to.",
            )
        problems.raise_if_any()
        others = [iam.AccountPrincipal(number) for number in stages]
        self._share_group(group, list(stages))
        for bucket in buckets:
            self._share_bucket(bucket, others)
        for repository in repositories:
            result = repository.add_to_resource_policy(
                iam.PolicyStatement(principals=list(others), actions=list(_PULL))
            )
            self._warn_unless(result.statement_added, f"the repository {repository.node.path}")
        self.rules = {
            number: self._pass_on(name, number, stage) for number, stage in stages.items()
        }
        self.alarms: dict[str, cloudwatch.Alarm] = {}
        if notify is not None:
            if (key := notify.master_key) is not None:
                allow_publishers(key, "cloudwatch.amazonaws.com")
            for number, rule in self.rules.items():
                self.alarms[number] = self._watch(name, number, rule)
                self.alarms[number].add_alarm_action(alarm_actions.SnsAction(notify))

    def _share_group(self, group: sagemaker.CfnModelPackageGroup, accounts: Sequence[str]) -> None:
        stack = Stack.of(group)
        name = group.model_package_group_name
        principal = {"AWS": [f"arn:{PARTITION}:iam::{each}:root" for each in accounts]}
        group.model_package_group_policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": sid,
                    "Effect": "Allow",
                    "Principal": principal,
                    "Action": list(actions),
                    "Resource": stack.format_arn(
                        service="sagemaker",
                        resource=resource,
                        # SageMaker lower-cases names inside ARNs.
                        resource_name=resource_name.lower(),
                        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
                    ),
                }
                for sid, actions, resource, resource_name in (
                    ("Group", _OF_GROUP, "model-package-group", name),
                    ("Versions", _OF_VERSIONS, "model-package", f"{name}/*"),
                )
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

    def _pass_on(self, group: str, account: str, stage: str | None) -> events.Rule:
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
            event_pattern=approvals_of(group, stage=stage),
            targets=[targets.EventBus(bus, role=role)],
        )

    def _watch(self, group: str, account: str, rule: events.Rule) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            f"Undelivered-{account}",
            alarm_description=f"An approval of {group} did not reach {account}: look at the "
            "policy of its bus, then approve again.",
            metric=cloudwatch.Metric(
                namespace="AWS/Events",
                metric_name="FailedInvocations",
                dimensions_map={"RuleName": rule.rule_name},
                statistic="Sum",
                period=Duration.minutes(5),
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _warn_unless(self, added: bool, what: str) -> None:
        if not added:
            Annotations.of(self).add_warning_v2(
                f"mlops-constructs:not-shared:{what}",
                f"The policy of {what} cannot be changed from here: let the other accounts in "
                "where it is made, or their deployments fail.",
            )


def _stages(problems: Problems, accounts: Sequence[str | StageAccount]) -> dict[str, str | None]:
    """The stage of each account, None for all versions; what is none is noted."""
    if not check_type(problems, "accounts", accounts, Sequence[str | StageAccount]):
        return {}
    pairs = [
        (each.account, each.stage) if isinstance(each, StageAccount) else (each, None)
        for each in accounts
    ]
    stages = dict(pairs)
    problems.check(
        bool(stages) and all(map(is_account, stages)) and len(stages) == len(pairs),
        "accounts",
        got=[number for number, _ in pairs],
        allowed="one or more account numbers of 12 digits, each once",
        instead="Write ['444455556666'].",
    )
    for stage in stages.values():
        check_stage(problems, stage)
    return stages
