"""ModelRegistry: versions of a model, and which of them is approved.

It makes a model package group, and an SSM parameter that holds the ARN of the approved version,
or ``none``. A serving stack resolves the parameter at every deployment; whoever releases an
approved version writes it there and updates that stack.

The parameter is made once and never overwritten; `common.approved_parameter` says why and how.

Groups are kept when their stack is deleted: one with versions cannot be deleted. The next
deployment would find the name taken. ``adopt=True`` then uses the group that is there; it may stay
set, and setting it on a stack that made its group leaves the group as it is. A deployment that
fails before it ends deletes the group that it made.

Name and description are create-only (CloudFormation registry schema), so that a new description
replaces the group and fails as its name is taken: decide on both at the start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import (
    RemovalPolicy,
    Stack,
    aws_ecr as ecr,
    aws_events as events,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
    aws_sns as sns,
    aws_stepfunctions as sfn,
)
from constructs import Construct

from mlops_constructs.common.approvals import check_stage, stage_changes, status_changes
from mlops_constructs.common.approved_parameter import (
    make_approved_parameter,
    parameter_arn,
)
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.tokens import is_token
from mlops_constructs.training.approvals import (
    approval_machine,
    check_limits,
    machine_target,
    question,
)
from mlops_constructs.training.registry_audit import RegistryAudit
from mlops_constructs.training.registry_sharing import RegistrySharing, StageAccount

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
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        description: str | None = None,
        approved_model_parameter_name: str | None = None,
        adopt: bool = False,
    ) -> None:
        """Make the group and the parameter.

        Args:
            scope: The parent.
            construct_id: The id below it.
            model_package_group_name: 1 to 63 lower-case letters, digits and inner hyphens.
            description: Up to 1024 characters; cannot be changed later.
            approved_model_parameter_name: ``/mlops/<group>/approved-model`` unless given.
            adopt: Use a group that an earlier deployment has left, instead of making it.

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
        self.approved_model_parameter_arn = parameter_arn(self, parameter)
        self.model_packages_arn = stack.format_arn(
            service="sagemaker",
            resource="model-package",
            resource_name=f"{model_package_group_name}/*",
        )
        self._group: sagemaker.CfnModelPackageGroup | None = None
        self.model_package_group_arn = stack.format_arn(
            service="sagemaker",
            resource="model-package-group",
            resource_name=model_package_group_name,
        )
        if not adopt:
            self._group = sagemaker.CfnModelPackageGroup(
                self,
                "Resource",
                model_package_group_name=model_package_group_name,
                model_package_group_description=description,
            )
            # A group that a failed first deployment made is empty: it must not be in the way of
            # the next.
            self._group.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
            self.model_package_group_arn = self._group.attr_model_package_group_arn
        make_approved_parameter(self, name=parameter, group=model_package_group_name)

    def grant_deploy(
        self,
        *accounts: str | StageAccount,
        buckets: Sequence[s3.IBucket],
        repositories: Sequence[ecr.IRepository] = (),
        notify: sns.ITopic | None = None,
    ) -> RegistrySharing:
        """Let other accounts deploy the models, and tell them of approvals.

        Call it once, with all accounts: a group has one policy.

        Args:
            accounts: The numbers of the accounts with endpoints, which get each version that is
                approved; or a `StageAccount`, which gets it once it is approved for a stage.
            buckets: The buckets with the artifacts of the models; their keys are opened, too.
            repositories: Repositories of the images; those of AWS need nothing.
            notify: Told of approvals that an account did not get, so that nobody waits for them.

        Raises:
            ValidationError: With everything that is wrong with the arguments, if the group was
                adopted, or if it has been called before.
        """
        problems = Problems(self)
        problems.check(
            self.node.try_find_child("Deploy") is None,
            "grant_deploy",
            got="a second call",
            allowed="one call, because a group has one policy",
            instead="Write all accounts into one: grant_deploy('111122223333', '444455556666', …).",
        )
        problems.raise_if_any()
        return RegistrySharing(
            self,
            "Deploy",
            group=self.resource,
            accounts=accounts,
            buckets=buckets,
            repositories=repositories,
            notify=notify,
        )

    @property
    def resource(self) -> sagemaker.CfnModelPackageGroup:
        """The ``AWS::SageMaker::ModelPackageGroup``.

        Raises:
            ValidationError: If the group was adopted: no template holds it.
        """
        if self._group is None:
            problems = Problems(self)
            problems.add(
                "resource",
                got="adopt=True",
                allowed="a group that is made here",
                instead="Set what you need on the group by hand, or import it into the stack "
                "with `cdk import` and take adopt=True out.",
            )
            problems.raise_if_any()
        assert self._group is not None  # noqa: S101 (refused above)
        return self._group

    def on_registered(
        self, construct_id: str, target: events.IRuleTarget | None = None
    ) -> events.Rule:
        """Run a target whenever a version of this group waits for approval."""
        return self._on_approval_status(construct_id, "PendingManualApproval", target)

    def ask_for_approval(
        self, construct_id: str, *, topic: sns.ITopic, stage: str | None = None
    ) -> events.Rule:
        """Ask people to approve or reject versions, with the commands that do it.

        Args:
            construct_id: The rule's id.
            topic: Who is asked.
            stage: Ask about approved versions that are proposed for this stage, by their
                ``ModelLifeCycle`` with the status ``PendingApproval``; about each new version if
                left out.

        Raises:
            ValidationError: If the stage is none that the service takes.
        """
        if stage is not None:
            self._check_stage(construct_id, stage)
        target = question(topic, group=self.model_package_group_name, stage=stage)
        if stage is None:
            return self.on_registered(construct_id, target)
        return events.Rule(
            self,
            construct_id,
            description=f"Versions of {self.model_package_group_name} are proposed for {stage}",
            event_pattern=stage_changes(self.model_package_group_name, stage, "PendingApproval"),
            targets=[target],
        )

    def approve_when(
        self,
        construct_id: str,
        *,
        encryption_key: kms.IKey,
        minimum: Mapping[str, float] | None = None,
        maximum: Mapping[str, float] | None = None,
        reject: bool = False,
    ) -> sfn.StateMachine:
        """Approve each new version whose measures are within limits.

        Measures are numbers in the versions' customer metadata, where a pipeline's register step
        writes them; a version without one of them is not approved.

        Args:
            construct_id: The rule's id.
            encryption_key: Of the log of what was decided.
            minimum: The least of each measure, such as ``{"auc": 0.93}``.
            maximum: The most of each measure.
            reject: Whether other versions are rejected; people decide on them otherwise.

        Raises:
            ValidationError: If there are no limits, or one is no number.
        """
        problems = Problems(f"{self.node.path}/{construct_id}")
        check_limits(problems, minimum=minimum or {}, maximum=maximum or {})
        problems.raise_if_any()
        place = Construct(self, construct_id)
        machine = approval_machine(
            place,
            group=self.model_package_group_name,
            minimum=minimum or {},
            maximum=maximum or {},
            reject=reject,
            encryption_key=encryption_key,
        )
        self.grant_approve(machine.role)
        self.on_registered(f"{construct_id}Rule", machine_target(place, machine))
        return machine

    def add_audit_trail(
        self,
        construct_id: str,
        *,
        encryption_key: kms.IKey,
        retention: logs.RetentionDays = logs.RetentionDays.TEN_YEARS,
    ) -> logs.ILogGroup:
        """Write down what happens to versions, with their lineage, and who did it.

        Args:
            construct_id: The id of what holds it.
            encryption_key: Of the log group.
            retention: How long events are kept.

        Returns:
            The log group, ``/aws/events/model-registry/<group>/…``.
        """
        return RegistryAudit(
            self,
            construct_id,
            group=self.model_package_group_name,
            packages_arn_prefix=self.model_packages_arn.removesuffix("*"),
            encryption_key=encryption_key,
            retention=retention,
        ).log_group

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
        """Let a person or a rule approve and reject versions, but not for a stage."""
        return self._grant(grantee, ["DescribeModelPackage", "ListModelPackages"]).combine(
            self._grant(
                grantee,
                ["UpdateModelPackage"],
                conditions={"Null": {"sagemaker:ModelLifeCycle:stage": "true"}},
            )
        )

    def grant_approve_stage(self, grantee: iam.IGrantable, stage: str) -> iam.Grant:
        """Let a person or a test propose, approve and reject versions for a stage, and no more.

        Args:
            grantee: Who may.
            stage: The stage, as in `StageAccount`.

        Raises:
            ValidationError: If the stage is none that the service takes.
        """
        self._check_stage("grant_approve_stage", stage)
        return self._grant(grantee, ["DescribeModelPackage", "ListModelPackages"]).combine(
            self._grant(
                grantee,
                ["UpdateModelPackage"],
                conditions={
                    "StringEquals": {"sagemaker:ModelLifeCycle:stage": stage},
                    # A request may change the version's own status as well.
                    "Null": {"sagemaker:ModelApprovalStatus": "true"},
                },
            )
        )

    def grant_read_versions(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role find the approved version and read what the versions are."""
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

    def _check_stage(self, what: str, stage: str) -> None:
        problems = Problems(f"{self.node.path}/{what}")
        check_stage(problems, stage)
        problems.raise_if_any()

    def _grant(
        self,
        grantee: iam.IGrantable,
        actions: list[str],
        *,
        conditions: Mapping[str, Mapping[str, str]] | None = None,
    ) -> iam.Grant:
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
            conditions=conditions,
        )

    def _on_approval_status(
        self, construct_id: str, status: str, target: events.IRuleTarget | None
    ) -> events.Rule:
        return events.Rule(
            self,
            construct_id,
            description=f"Versions of {self.model_package_group_name} become {status}",
            event_pattern=status_changes(self.model_package_group_name, status),
            targets=None if target is None else [target],
        )


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
