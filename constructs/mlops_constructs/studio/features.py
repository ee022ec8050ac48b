"""What a private network is used for, and the interface endpoints that each use needs.

| feature | interface endpoints (``com.amazonaws.<region>.`` unless it says ``aws.sagemaker``) |
|---|---|
| always | sagemaker.api, sagemaker.runtime, sts, logs |
| JOBS | ecr.api, ecr.dkr, monitoring, kms, sagemaker.metrics |
| STUDIO | aws.sagemaker.<region>.studio, monitoring, kms |
| HOME_EFS | elasticfilesystem |
| FEATURE_STORE | sagemaker.featurestore-runtime, glue, athena, lakeformation |
| MLFLOW | aws.sagemaker.<region>.experiments |
| PARTNER_APPS | aws.sagemaker.<region>.partner-app |
| PROJECTS | servicecatalog, codebuild, codepipeline |
| CODE | codecommit, git-codecommit, codeartifact.api, codeartifact.repositories |
| CONFIGURATION | ssm, secretsmanager |
| EVENTS | events |
| AUTOSCALING | application-autoscaling |
| BEDROCK | bedrock-runtime |

S3 and DynamoDB have gateway endpoints in every network. An interface endpoint costs money for
every hour and zone, hence no feature is on that nobody asked for.

Sources: SageMaker developer guide, "Connect SageMaker Studio in a VPC to external resources" and
"Connect to SageMaker AI within your VPC"; names: aws-cdk-lib, InterfaceVpcEndpointAwsService.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from aws_cdk import aws_ec2 as ec2

_Services = ec2.InterfaceVpcEndpointAwsService


class NetworkFeature(Enum):
    """A use of the network that needs endpoints; the module's table says which."""

    JOBS = "jobs"
    STUDIO = "studio"
    HOME_EFS = "home-efs"
    FEATURE_STORE = "feature-store"
    MLFLOW = "mlflow"
    PARTNER_APPS = "partner-apps"
    PROJECTS = "projects"
    CODE = "code"
    CONFIGURATION = "configuration"
    EVENTS = "events"
    AUTOSCALING = "autoscaling"
    BEDROCK = "bedrock"


@dataclass(frozen=True)
class InterfaceEndpoint:
    """One interface endpoint.

    Attributes:
        construct_id: Its id below the network; part of the contract.
        attribute: The constant of ``ec2.InterfaceVpcEndpointAwsService``.
        guarded: Whether its policy lets in only callers of the network's accounts. False where
            requests carry a token or a presigned URL instead of a signature, and where endpoint
            policies are not documented for the service: a condition on the caller would turn
            users away, or the endpoint could not be made.
    """

    construct_id: str
    attribute: str
    guarded: bool = True

    @property
    def service(self) -> ec2.InterfaceVpcEndpointAwsService:
        """The service, as CDK names it."""
        service: ec2.InterfaceVpcEndpointAwsService = getattr(_Services, self.attribute)
        return service


_ALWAYS = (
    InterfaceEndpoint("SagemakerApi", "SAGEMAKER_API"),
    InterfaceEndpoint("SagemakerRuntime", "SAGEMAKER_RUNTIME"),
    InterfaceEndpoint("Sts", "STS"),
    InterfaceEndpoint("Logs", "CLOUDWATCH_LOGS"),
)
_MONITORING = InterfaceEndpoint("Monitoring", "CLOUDWATCH_MONITORING")
_KMS = InterfaceEndpoint("Kms", "KMS")

_BY_FEATURE: dict[NetworkFeature, tuple[InterfaceEndpoint, ...]] = {
    NetworkFeature.JOBS: (
        InterfaceEndpoint("EcrApi", "ECR"),
        InterfaceEndpoint("EcrDocker", "ECR_DOCKER"),
        _MONITORING,
        _KMS,
        InterfaceEndpoint("SagemakerMetrics", "SAGEMAKER_METRICS", guarded=False),
    ),
    NetworkFeature.STUDIO: (
        InterfaceEndpoint("SagemakerStudio", "SAGEMAKER_STUDIO", guarded=False),
        _MONITORING,
        _KMS,
    ),
    NetworkFeature.HOME_EFS: (InterfaceEndpoint("Efs", "ELASTIC_FILESYSTEM"),),
    NetworkFeature.FEATURE_STORE: (
        InterfaceEndpoint("FeatureStoreRuntime", "SAGEMAKER_FEATURESTORE_RUNTIME"),
        InterfaceEndpoint("Glue", "GLUE"),
        InterfaceEndpoint("Athena", "ATHENA"),
        InterfaceEndpoint("LakeFormation", "LAKE_FORMATION", guarded=False),
    ),
    NetworkFeature.MLFLOW: (
        InterfaceEndpoint("Experiments", "SAGEMAKER_EXPERIMENTS", guarded=False),
    ),
    NetworkFeature.PARTNER_APPS: (
        InterfaceEndpoint("PartnerApps", "SAGEMAKER_PARTNER_APP", guarded=False),
    ),
    NetworkFeature.PROJECTS: (
        InterfaceEndpoint("ServiceCatalog", "SERVICE_CATALOG", guarded=False),
        InterfaceEndpoint("CodeBuild", "CODEBUILD"),
        InterfaceEndpoint("CodePipeline", "CODEPIPELINE", guarded=False),
    ),
    NetworkFeature.CODE: (
        InterfaceEndpoint("CodeCommit", "CODECOMMIT", guarded=False),
        InterfaceEndpoint("CodeCommitGit", "CODECOMMIT_GIT", guarded=False),
        InterfaceEndpoint("CodeArtifactApi", "CODEARTIFACT_API"),
        InterfaceEndpoint("CodeArtifact", "CODEARTIFACT_REPOSITORIES", guarded=False),
    ),
    NetworkFeature.CONFIGURATION: (
        InterfaceEndpoint("Ssm", "SSM"),
        InterfaceEndpoint("SecretsManager", "SECRETS_MANAGER"),
    ),
    NetworkFeature.EVENTS: (InterfaceEndpoint("Events", "EVENTBRIDGE"),),
    NetworkFeature.AUTOSCALING: (InterfaceEndpoint("AutoScaling", "APPLICATION_AUTOSCALING"),),
    NetworkFeature.BEDROCK: (InterfaceEndpoint("BedrockRuntime", "BEDROCK_RUNTIME"),),
}


def endpoints_for(features: Collection[NetworkFeature]) -> list[InterfaceEndpoint]:
    """The interface endpoints that the features need, each once, in the order of the table."""
    wanted = list(_ALWAYS)
    for feature in NetworkFeature:
        if feature in features:
            wanted += [point for point in _BY_FEATURE[feature] if point not in wanted]
    return wanted
