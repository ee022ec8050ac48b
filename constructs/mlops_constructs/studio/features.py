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
| FIPS | beside each of the above that has one, its twin with FIPS 140 cryptography |

S3 and DynamoDB have gateway endpoints in every network. An interface endpoint costs money for
every hour and zone, hence no feature is on that nobody asked for.

Sources: SageMaker developer guide, "Connect SageMaker Studio in a VPC to external resources" and
"Connect to SageMaker AI within your VPC" (endpoint policies have no effect on the FIPS endpoint of
the runtime); names: aws-cdk-lib, InterfaceVpcEndpointAwsService; regions with FIPS endpoints of
SageMaker's API and runtime: botocore, endpoints.json.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

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
    FIPS = "fips"


class OptionalEndpoint(Enum):
    """Endpoints that a network can do without; the values are their construct ids."""

    MONITORING = "Monitoring"
    SAGEMAKER_METRICS = "SagemakerMetrics"
    GLUE = "Glue"
    ATHENA = "Athena"
    LAKE_FORMATION = "LakeFormation"

    @property
    def lost(self) -> str:
        """What does not work without it."""
        return _LOST[self]


_LOST: Final = {
    OptionalEndpoint.MONITORING: "code in jobs and notebooks neither puts nor reads metrics",
    OptionalEndpoint.SAGEMAKER_METRICS: "metrics of training jobs do not show while they run",
    OptionalEndpoint.GLUE: "notebooks do not read the tables of the offline store",
    OptionalEndpoint.ATHENA: "notebooks do not query the offline store",
    OptionalEndpoint.LAKE_FORMATION: "tables that Lake Formation governs cannot be queried",
}

#: Where SageMaker's API and runtime have both a FIPS endpoint.
FIPS_REGIONS: Final = ("us-east-1", "us-east-2", "us-gov-west-1", "us-west-1", "us-west-2")
#: Services with an endpoint service for FIPS beside the normal one.
_WITH_FIPS: Final = frozenset(
    {
        *("SAGEMAKER_API", "SAGEMAKER_RUNTIME", "STS", "KMS", "ELASTIC_FILESYSTEM", "SSM"),
        *("CODEBUILD", "CODECOMMIT", "CODECOMMIT_GIT", "BEDROCK_RUNTIME"),
    }
)


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

    @property
    def twin(self) -> InterfaceEndpoint | None:
        """Its endpoint with FIPS cryptography, where there is one."""
        if self.attribute not in _WITH_FIPS:
            return None
        return InterfaceEndpoint(
            f"{self.construct_id}Fips",
            f"{self.attribute}_FIPS",
            guarded=self.guarded and self.attribute != "SAGEMAKER_RUNTIME",
        )


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


def endpoints_for(
    features: Collection[NetworkFeature], without: Collection[OptionalEndpoint] = ()
) -> list[InterfaceEndpoint]:
    """The interface endpoints that the features need, each once, in the order of the table."""
    left_out = {one.value for one in without if isinstance(one, OptionalEndpoint)}
    wanted = list(_ALWAYS)
    for feature in NetworkFeature:
        if feature in features:
            wanted += [
                point
                for point in _BY_FEATURE.get(feature, ())
                if point not in wanted and point.construct_id not in left_out
            ]
    if NetworkFeature.FIPS in features:
        wanted += [twin for point in wanted if (twin := point.twin) is not None]
    return wanted
