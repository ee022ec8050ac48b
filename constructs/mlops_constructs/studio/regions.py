"""Regions where a feature of the network, or a part of a domain, does not exist.

A region counts as having a service if CloudFormation has the service's type there: provider files
of cfn-lint 1.58.0, registry schemas of 2026-10-20. An endpoint of a service that a region lacks
fails the deployment of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from mlops_constructs.common.errors import Problems
from mlops_constructs.rules.types import MISSING_REGIONS
from mlops_constructs.studio.features import FIPS_REGIONS, NetworkFeature

HUB: Final = "AWS::SageMaker::Hub"
_CHINA: Final = ("cn-north-1", "cn-northwest-1")
_GOV: Final = ("us-gov-east-1", "us-gov-west-1")
_NEW: Final = (
    *("ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1"),
    *("eu-central-2", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1"),
)

#: Type to the regions without it, beside those that the rules know.
_MISSING: Final[Mapping[str, frozenset[str]]] = {
    "AWS::Bedrock::Guardrail": frozenset(
        {"af-south-1", "ap-east-1", "ap-southeast-6", "ca-west-1", "mx-central-1", *_CHINA}
    ),
    "AWS::CodeArtifact::Repository": frozenset(
        {
            *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-2", "ap-northeast-3"),
            *("ap-south-2", "ap-southeast-3", "ca-central-1", "sa-east-1", "us-west-1"),
            *(*_NEW, *_CHINA, *_GOV),
        }
    ),
    "AWS::CodeBuild::Project": frozenset({"ap-east-2", "ca-west-1", "mx-central-1"}),
    "AWS::CodeCommit::Repository": frozenset(
        {"af-south-1", "ap-east-2", "ap-south-2", "ap-southeast-3", *_NEW}
    ),
    HUB: frozenset({"me-central-1", *_CHINA, *_GOV}),
    "AWS::SageMaker::PartnerApp": frozenset(
        {
            *("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3"),
            *("eu-south-1", *_NEW, *_CHINA, *_GOV),
        }
    ),
    "AWS::ServiceCatalog::Portfolio": frozenset(
        {"ap-east-2", "ap-southeast-5", "ap-southeast-7", "mx-central-1"}
    ),
}

#: The types that a feature's endpoints are there for.
_TYPES: Final[Mapping[NetworkFeature, tuple[str, ...]]] = {
    NetworkFeature.BEDROCK: ("AWS::Bedrock::Guardrail",),
    NetworkFeature.CODE: ("AWS::CodeArtifact::Repository", "AWS::CodeCommit::Repository"),
    NetworkFeature.FEATURE_STORE: ("AWS::SageMaker::FeatureGroup",),
    NetworkFeature.MLFLOW: ("AWS::SageMaker::MlflowTrackingServer",),
    NetworkFeature.PARTNER_APPS: ("AWS::SageMaker::PartnerApp",),
    NetworkFeature.PROJECTS: ("AWS::CodeBuild::Project", "AWS::ServiceCatalog::Portfolio"),
    NetworkFeature.STUDIO: ("AWS::SageMaker::Domain",),
}


def lacking(type_name: str) -> frozenset[str]:
    """The regions without a type."""
    found = _MISSING.get(type_name)
    return frozenset(MISSING_REGIONS[type_name]) if found is None else found


def check_features(problems: Problems, region: str, features: Collection[NetworkFeature]) -> None:
    """Note the features that a region has no services for; an unknown region (a token) passes."""
    for feature in NetworkFeature:
        missing = [name for name in _TYPES.get(feature, ()) if region in lacking(name)]
        problems.check(
            feature not in features or not missing,
            "features",
            got=f"NetworkFeature.{feature.name} in {region}",
            allowed=f"a region where CloudFormation has {', '.join(missing)}",
            instead="Leave the feature out there: its endpoints could not be made.",
        )
    is_known = region[:1].isalpha()
    problems.check(
        NetworkFeature.FIPS not in features or not is_known or region in FIPS_REGIONS,
        "features",
        got=f"NetworkFeature.FIPS in {region}",
        allowed=", ".join(FIPS_REGIONS),
        instead="SageMaker has no FIPS endpoints elsewhere: leave the feature out.",
    )


def check_hub(problems: Problems, region: str) -> None:
    """Note that a region has no hubs."""
    problems.check(
        region not in lacking(HUB),
        "hub",
        got=region,
        allowed=f"a region where CloudFormation has {HUB}",
        instead="Leave it out: Studio then hides JumpStart.",
    )
