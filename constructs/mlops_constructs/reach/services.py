"""Which VPC endpoint an API is called through, and which feature of a network brings it.

| what calls | calls from inside the VPC |
|---|---|
| a role's policies | the APIs that they allow, but for those that AWS carries out itself |
| every job | STS: SDKs ask who they are |
| whoever pulls an image | S3 beside ECR: the layers are in a bucket of AWS |
| the training jobs of a pipeline | sagemaker.metrics, S3, logs |
| a domain in VpcOnly mode | SageMaker's API and runtime, Studio, STS, logs, S3, its key |
| a feature group | its runtime; Athena, Glue, Lake Formation for an offline store |

Sources: SageMaker developer guide, "Connect SageMaker Studio in a VPC to external resources",
"Connect to SageMaker AI within your VPC"; AWS PrivateLink guide, "AWS services that integrate with
AWS PrivateLink" (the names); service authorization reference (which service an action belongs to).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlops_constructs.access.patterns import matches


@dataclass(frozen=True)
class Endpoint:
    """An endpoint service.

    Attributes:
        suffix: What follows the region in its name.
        feature: The member of `NetworkFeature` that brings it, or where else it comes from.
        call: An action that features send through it, whatever the policies of roles say.
        prefix: What its name starts with.
        gateway: Whether it is a gateway endpoint, which route tables lead to.
    """

    suffix: str
    feature: str
    call: str = ""
    prefix: str = "com.amazonaws"
    gateway: bool = False

    def service_name(self, region: str) -> str:
        """The name as ``CreateVpcEndpoint`` takes it."""
        prefix = f"cn.{self.prefix}" if region.startswith("cn-") else self.prefix
        return f"{prefix}.{region}.{self.suffix}"

    def names(self, region: str, *, fips: bool = False) -> frozenset[str]:
        """All names of endpoints that serve it.

        Args:
            region: The region.
            fips: Whether the caller's SDK uses FIPS endpoints, which have names of their own
                and are no help to other callers.
        """
        name = self.service_name(region)
        if fips and self.suffix in WITH_FIPS:
            return frozenset({f"{name}-fips"})
        return frozenset({name, name.removeprefix("cn.")})


#: Services with a second endpoint service that has FIPS cryptography.
WITH_FIPS: Final = frozenset(
    {
        *("sagemaker.api", "sagemaker.runtime", "sts", "kms", "elasticfilesystem", "ssm"),
        *("codebuild", "codecommit", "git-codecommit", "bedrock-runtime"),
    }
)

_ALWAYS: Final = "every network"
_JOBS: Final = "JOBS"
_STORE: Final = "FEATURE_STORE"
_STUDIO: Final = "aws.sagemaker"

S3: Final = Endpoint("s3", _ALWAYS, "s3:GetObject", gateway=True)
STS: Final = Endpoint("sts", _ALWAYS, "sts:GetCallerIdentity")
LOGS: Final = Endpoint("logs", _ALWAYS, "logs:PutLogEvents")
SAGEMAKER_API: Final = Endpoint("sagemaker.api", _ALWAYS, "sagemaker:CreateApp")
SAGEMAKER_RUNTIME: Final = Endpoint("sagemaker.runtime", _ALWAYS, "sagemaker:InvokeEndpoint")
KMS: Final = Endpoint("kms", _JOBS, "kms:Decrypt")
MONITORING: Final = Endpoint("monitoring", _JOBS)
METRICS: Final = Endpoint("sagemaker.metrics", _JOBS, "sagemaker:BatchPutMetrics")
STUDIO: Final = Endpoint("studio", "STUDIO", "sagemaker:CreateApp", prefix=_STUDIO)
EFS: Final = Endpoint("elasticfilesystem", "HOME_EFS", "elasticfilesystem:ClientMount")
FEATURE_STORE_RUNTIME: Final = Endpoint(
    "sagemaker.featurestore-runtime", _STORE, "sagemaker:GetRecord"
)
ATHENA: Final = Endpoint("athena", _STORE, "athena:StartQueryExecution")
GLUE: Final = Endpoint("glue", _STORE, "glue:GetTable")
LAKE_FORMATION: Final = Endpoint("lakeformation", _STORE, "lakeformation:GetDataAccess")
MLFLOW: Final = Endpoint("experiments", "MLFLOW", prefix=_STUDIO)
_ECR: Final = (Endpoint("ecr.api", _JOBS), Endpoint("ecr.dkr", _JOBS))
_RECORDS: Final = (FEATURE_STORE_RUNTIME,)

#: Patterns of actions to the endpoints that carry them, or None; the first that fits counts.
_ROUTES: Final[Mapping[str, tuple[Endpoint, ...] | None]] = {
    # AWS does these for the caller, from its own side.
    "ec2:*": (),
    "iam:PassRole": (),
    "kms:CreateGrant": (),
    "sagemaker:BatchGetRecord": _RECORDS,
    "sagemaker:DeleteRecord": _RECORDS,
    "sagemaker:GetRecord": _RECORDS,
    "sagemaker:PutRecord": _RECORDS,
    "sagemaker:InvokeEndpoint*": (SAGEMAKER_RUNTIME,),
    "sagemaker:BatchPutMetrics": (METRICS,),
    "sagemaker:CallPartnerAppApi": (Endpoint("partner-app", "PARTNER_APPS", prefix=_STUDIO),),
    # Of an MLflow app, whose host AWS documents no endpoint for; a tracking server has one.
    "sagemaker:CallMlflowAppApi": None,
    "sagemaker:*": (SAGEMAKER_API,),
    "sagemaker-mlflow:*": (MLFLOW,),
    "s3:*": (S3,),
    "dynamodb:*": (Endpoint("dynamodb", _ALWAYS, gateway=True),),
    "ecr:*": _ECR,
    "logs:*": (LOGS,),
    "cloudwatch:*": (MONITORING,),
    "kms:*": (KMS,),
    "sts:*": (STS,),
    "events:*": (Endpoint("events", "EVENTS"),),
    "glue:*": (GLUE,),
    "athena:*": (ATHENA,),
    "lakeformation:*": (LAKE_FORMATION,),
    "ssm:*": (Endpoint("ssm", "CONFIGURATION"),),
    "secretsmanager:*": (Endpoint("secretsmanager", "CONFIGURATION"),),
    "elasticfilesystem:*": (EFS,),
    "application-autoscaling:*": (Endpoint("application-autoscaling", "AUTOSCALING"),),
    "bedrock:Invoke*": (Endpoint("bedrock-runtime", "BEDROCK"),),
    "bedrock:Converse*": (Endpoint("bedrock-runtime", "BEDROCK"),),
    "servicecatalog:*": (Endpoint("servicecatalog", "PROJECTS"),),
    "codebuild:*": (Endpoint("codebuild", "PROJECTS"),),
    "codepipeline:*": (Endpoint("codepipeline", "PROJECTS"),),
    "codecommit:GitPull": (Endpoint("git-codecommit", "CODE"),),
    "codecommit:GitPush": (Endpoint("git-codecommit", "CODE"),),
    "codecommit:*": (Endpoint("codecommit", "CODE"),),
    "codeartifact:GetPackageVersionAsset": (Endpoint("codeartifact.repositories", "CODE"),),
    "codeartifact:ReadFromRepository": (Endpoint("codeartifact.repositories", "CODE"),),
    "codeartifact:*": (Endpoint("codeartifact.api", "CODE"),),
}
#: Not of `NetworkFeature`: made by the user's own ``ec2.InterfaceVpcEndpoint``.
_OTHER: Final = "no feature"
_NAMES: Final[Mapping[str, str]] = {"ecs": "ecs", "mwaa": "airflow.api", "states": "states"}
#: Services that have no endpoint in a VPC of most regions.
_NONE: Final = frozenset({"iam", "organizations", "route53", "budgets", "cloudfront", "support"})


def endpoints_of(action: str) -> tuple[Endpoint, ...] | None:
    """The endpoints that an action is called through.

    Args:
        action: As a policy writes it, wildcards included.

    Returns:
        None where no endpoint exists; nothing where the call does not come from inside.
    """
    if action in ("*", "*:*"):
        return ()
    for pattern, endpoints in _ROUTES.items():
        if matches(action, pattern, ignore_case=True):
            return endpoints
    service = action.partition(":")[0].lower()
    if service in _NONE:
        return None
    return (Endpoint(_NAMES.get(service, service), _OTHER),)


def no_endpoint(action: str) -> str:
    """Why an action is called through no endpoint."""
    service = action.partition(":")[0].lower()
    if service in _NONE:
        return f"AWS has no VPC endpoint for {service}"
    return f"AWS documents no VPC endpoint that takes {action}"
