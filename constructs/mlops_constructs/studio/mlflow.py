"""MLflow beside a domain: a tracking server, or a serverless app.

| | `MlflowTrackingServer` | `MlflowApp` |
|---|---|---|
| runs, and costs | always, by its size | on demand |
| from the private network | by the endpoint ``aws.sagemaker.<region>.experiments`` \
(NetworkFeature.MLFLOW) | no endpoint is documented: the pages of Studio show it, notebooks and \
jobs do not reach it |
| reading without writing | by action (``sagemaker-mlflow:Get*``, …) | cannot be told apart |
| key of the customer | no property (registry schema) | no property here, one in the API |

Changing the name replaces the server or the app; so does the role of an app. Both hold what was
tracked: like a domain they stay when the stack goes, unless data may be destroyed.

Who may call an app is decided by ``sagemaker:CallMlflowAppApi`` and, so the developer guide ("Set
up IAM permissions for MLflow Apps"), by ``sagemaker-mlflow`` actions; the service authorization
reference has the latter for tracking servers only. Whoever is only to look is therefore given
nothing on an app.

MLflow's client puts artifacts into the bucket itself, under the caller's own role, hence
`Mlflow.grant_use` allows both. A job with network isolation reaches neither.

Sources: registry schemas of AWS::SageMaker::MlflowTrackingServer and MlflowApp (2026-10-20);
botocore, CreateMlflowApp; SageMaker developer guide, "Connecting to an MLflow tracking server
through an interface VPC endpoint", "Set up IAM permissions for MLflow" (AWS's example gives the
server's role every bucket; ours has one prefix).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from aws_cdk import (
    Annotations,
    RemovalPolicy,
    Stack,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.grants import allow_list, allow_read, allow_write
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.regions import check_region
from mlops_constructs.common.roles import sagemaker_role, wait_for_policy
from mlops_constructs.common.tokens import is_token

_WINDOW = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01]\d|2[0-3]):[0-5]\d")
_VERSION = re.compile(r"\d+(\.\d+)+")
#: Actions of MLflow that change nothing (service authorization reference, access levels).
_LOOKING: Final = ("sagemaker-mlflow:Get*", "sagemaker-mlflow:List*", "sagemaker-mlflow:Search*")
_WHOLE_API = (
    "MLflow's client picks the action; the resource holds it to this one server. What is deleted "
    "there can be restored."
)


class MlflowSize(Enum):
    """Sizes of a tracking server, for about 25, 50 and 100 users (botocore)."""

    SMALL = "Small"
    MEDIUM = "Medium"
    LARGE = "Large"


@dataclass(frozen=True, kw_only=True)
class _Mlflow:
    """What both kinds have.

    Attributes:
        name: Lower case; changing it replaces the resource.
        artifacts: The bucket of models, plots and files. Made if none is given.
        prefix: Where in the bucket, with a slash at its end.
        register_models: Whether models that are registered in MLflow get into SageMaker's
            registry, too; never as approved ones.
        maintenance: When AWS may update it, UTC, such as ``Sun:03:30``.
    """

    name: str
    artifacts: s3.IBucket | None = None
    prefix: str = "mlflow/"
    register_models: bool = False
    maintenance: str | None = None

    def check(self, problems: Problems) -> None:
        """Note everything that is wrong."""
        check_name(problems, "mlflow.name", self.name)
        problems.check(
            is_token(self.prefix)
            or (self.prefix.endswith("/") and not self.prefix.startswith("/")),
            "mlflow.prefix",
            got=self.prefix,
            allowed="a prefix with a slash at its end and none at its start",
            instead="Write, for example, 'mlflow/'.",
        )
        problems.check(
            self.maintenance is None or _WINDOW.fullmatch(self.maintenance) is not None,
            "mlflow.maintenance",
            got=self.maintenance,
            allowed="a day and a time in UTC such as 'Sun:03:30'",
            instead="Leave it out to have AWS choose.",
        )


@dataclass(frozen=True, kw_only=True)
class MlflowTrackingServer(_Mlflow):
    """A server that runs all the time, which notebooks reach from the private network.

    Attributes:
        size: How many people use it.
        version: Of MLflow, such as ``3.0``; AWS's latest when it is made unless given.
    """

    size: MlflowSize = MlflowSize.SMALL
    version: str | None = None

    def check(self, problems: Problems) -> None:
        """Note everything that is wrong."""
        super().check(problems)
        problems.check(
            self.version is None or _VERSION.fullmatch(self.version) is not None,
            "mlflow.version",
            got=self.version,
            allowed="numbers such as '3.0'",
            instead="Leave it out for the latest.",
        )


@dataclass(frozen=True, kw_only=True)
class MlflowApp(_Mlflow):
    """A serverless app, for people who look at it in Studio."""


class Mlflow(Construct):
    """A tracking server or an app, its role and its bucket.

    Attributes:
        resource: The server or the app.
        arn: Its ARN, which is MLflow's tracking URI (with the ``sagemaker-mlflow`` plugin).
        role: What it reads and writes artifacts as.
        bucket: Of the artifacts.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        mlflow: MlflowTrackingServer | MlflowApp,
        encryption_key: kms.IKey,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Make it.

        Args:
            scope: The parent.
            construct_id: The id below it.
            mlflow: Which kind, and how.
            encryption_key: Of the bucket, if one is made.
            removal_policy: Of the server or app, and of the bucket.

        Raises:
            ValidationError: With everything that is wrong.
        """
        super().__init__(scope, construct_id)
        is_app = isinstance(mlflow, MlflowApp)
        problems = Problems(self)
        mlflow.check(problems)
        check_region(
            problems,
            Stack.of(self).region,
            f"AWS::SageMaker::{'MlflowApp' if is_app else 'MlflowTrackingServer'}",
            what="mlflow",
            instead="Take the other kind, or a tracking server of a neighbouring region.",
        )
        problems.raise_if_any()
        self._prefix = mlflow.prefix
        self._is_app = is_app
        self.bucket: s3.IBucket = mlflow.artifacts or secure_bucket(
            self, "Artifacts", encryption_key=encryption_key, removal_policy=removal_policy
        )
        self.role = self._make_role(mlflow)
        uri = f"s3://{self.bucket.bucket_name}/{mlflow.prefix.removesuffix('/')}"
        self.resource: sagemaker.CfnMlflowApp | sagemaker.CfnMlflowTrackingServer
        if isinstance(mlflow, MlflowApp):
            mode = "Enabled" if mlflow.register_models else "Disabled"
            self.resource = sagemaker.CfnMlflowApp(
                self,
                "App",
                name=mlflow.name,
                artifact_store_uri=uri,
                role_arn=self.role.role_arn,
                model_registration_mode=f"AutoModelRegistration{mode}",
                weekly_maintenance_window_start=mlflow.maintenance,
            )
            self.arn: str = self.resource.attr_arn
            Annotations.of(self).add_warning_v2(
                "mlops-constructs:mlflow-app-unreachable",
                "No VPC endpoint is documented for MLflow apps: Studio shows this one, notebooks "
                "and jobs in the private network cannot log to it. Take MlflowTrackingServer if "
                "they are to.",
            )
        else:
            self.resource = sagemaker.CfnMlflowTrackingServer(
                self,
                "Server",
                tracking_server_name=mlflow.name,
                tracking_server_size=mlflow.size.value,
                artifact_store_uri=uri,
                role_arn=self.role.role_arn,
                mlflow_version=mlflow.version,
                automatic_model_registration=mlflow.register_models,
                weekly_maintenance_window_start=mlflow.maintenance,
            )
            self.arn = Stack.of(self).format_arn(
                service="sagemaker", resource="mlflow-tracking-server", resource_name=mlflow.name
            )
        self.resource.apply_removal_policy(removal_policy)
        wait_for_policy(self.resource, self.role)

    def grant_use(self, role: iam.IRole) -> None:
        """Let a role log runs, register models in MLflow, and open its pages."""
        if self._is_app:
            actions = ["sagemaker:CallMlflowAppApi", "sagemaker:CreatePresignedMlflowAppUrl"]
            self._allow(role, [*actions, "sagemaker-mlflow:*"], _WHOLE_API)
        else:
            self._allow(
                role,
                ["sagemaker:CreatePresignedMlflowTrackingServerUrl", "sagemaker-mlflow:*"],
                _WHOLE_API,
            )
            self._allow_pages(role)
        allow_read(role, self.bucket, [self._prefix])
        allow_write(role, self.bucket, [self._prefix])

    def grant_read(self, role: iam.IRole) -> None:
        """Let a role look at what was tracked; on an app, which cannot tell, nothing."""
        if self._is_app:
            return
        self._allow(
            role,
            ["sagemaker:CreatePresignedMlflowTrackingServerUrl", *_LOOKING],
            "Actions of MLflow that read, on this one server.",
        )
        self._allow_pages(role)
        allow_read(role, self.bucket, [self._prefix])

    # --- parts ----------------------------------------------------------------------------------

    def _make_role(self, mlflow: MlflowTrackingServer | MlflowApp) -> iam.Role:
        role = sagemaker_role(self, "Role", description=f"MLflow {mlflow.name}: its artifacts")
        allow_read(role, self.bucket, [mlflow.prefix])
        allow_write(role, self.bucket, [mlflow.prefix])
        # The service looks whose the bucket is (botocore, S3BucketOwnerVerification), which asks
        # for the bucket and no prefix.
        allow_list(role, self.bucket, [""])
        if mlflow.register_models:
            stack = Stack.of(self)
            groups, versions = (
                stack.format_arn(service="sagemaker", resource=kind, resource_name="*")
                for kind in ("model-package-group", "model-package")
            )
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=[
                        "sagemaker:AddTags",
                        "sagemaker:CreateModelPackageGroup",
                        "sagemaker:DescribeModelPackageGroup",
                    ],
                    resources=[groups, versions],
                )
            )
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"],
                    resources=[groups, versions],
                    conditions={
                        "StringNotEquals": {
                            "sagemaker:ModelApprovalStatus": "Approved",
                            "sagemaker:ModelLifeCycle:stageStatus": "Approved",
                        }
                    },
                )
            )
            _acknowledge(
                role,
                "MLflow names groups and versions as users name their models; it approves none.",
                *(
                    "Resource::arn:<AWS::Partition>:sagemaker:<AWS::Region>:<AWS::AccountId>:"
                    f"{kind}/*"
                    for kind in ("model-package-group", "model-package")
                ),
            )
        return role

    def _allow(self, role: iam.IRole, actions: Sequence[str], reason: str) -> None:
        iam.Grant.add_to_principal(grantee=role, actions=list(actions), resource_arns=[self.arn])
        _acknowledge(role, reason, *(f"Action::{action}" for action in actions if "*" in action))

    def _allow_pages(self, role: iam.IRole) -> None:
        iam.Grant.add_to_principal(
            grantee=role, actions=["sagemaker-mlflow:AccessUI"], resource_arns=["*"]
        )
        _acknowledge(
            role,
            "sagemaker-mlflow:AccessUI takes no resource; a presigned URL is for one server.",
            "Resource::*",
        )


def _acknowledge(role: iam.IRole, reason: str, *findings: str) -> None:
    acknowledge(role, {f"AwsSolutions-IAM5[{finding}]": reason for finding in findings})
