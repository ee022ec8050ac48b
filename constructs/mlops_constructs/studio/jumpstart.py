"""JumpStart through a hub of one's own: the models that somebody has looked at, and no others.

A hub holds references to models of JumpStart's public hub, and the organization's own. Users see
and train what is in it; ML engineers deploy from it; administrators choose what comes in. The
public hub itself belongs to AWS, and no persona but the administrator reads it.

The files of public models are in buckets of AWS that the policies of the S3 endpoint let through.

Sources: registry schema of AWS::SageMaker::Hub (2026-10-20; name and storage are create-only);
service authorization reference (DeployHubModel, TrainHubModel, CreateHubContentReference, …);
SageMaker developer guide, "Private curated hubs for foundation model access control in JumpStart".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aws_cdk import RemovalPolicy, aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.pseudo import PARTITION, REGION
from mlops_constructs.studio.permissions import Permission, sagemaker as arns

_KEYWORD = re.compile(r"[^A-Z]{1,255}")
_MOST_KEYWORDS = 50
_PUBLIC = "SageMakerPublicHub"
_NAMED_LATER = "Administrators choose what is in the hub; the hub's name holds users to it."


@dataclass(frozen=True, kw_only=True)
class CuratedHub:
    """A hub of models.

    Attributes:
        name: Lower case, unique in account and region; create-only.
        description: What is in it.
        keywords: What it is found by, lower case.
    """

    name: str
    description: str
    keywords: tuple[str, ...] = ()

    def check(self, problems: Problems) -> None:
        """Note everything that is wrong."""
        check_name(problems, "hub.name", self.name)
        problems.check(
            0 < len(self.description) <= 1023,
            "hub.description",
            got=self.description,
            allowed="1 to 1,023 characters",
            instead="Say what is in the hub.",
        )
        wrong = [word for word in self.keywords if not _KEYWORD.fullmatch(word)]
        problems.check(
            not wrong and len(self.keywords) <= _MOST_KEYWORDS,
            "hub.keywords",
            got=wrong or f"{len(self.keywords)} keywords",
            allowed=f"up to {_MOST_KEYWORDS} of up to 255 characters without capitals",
            instead="Write them in lower case.",
        )

    def make(self, scope: Construct, removal_policy: RemovalPolicy) -> sagemaker.CfnHub:
        """The hub below ``scope``."""
        hub = sagemaker.CfnHub(
            scope,
            "Hub",
            hub_name=self.name,
            hub_description=self.description,
            hub_search_keywords=list(self.keywords) or None,
        )
        hub.apply_removal_policy(removal_policy)
        return hub

    def using(self, *, deploys: bool) -> list[Permission]:
        """What users of the hub may: look, train, and deploy if they deploy at all."""
        verbs = ["CreateHubContentPresignedUrls", "TrainHubModel"]
        return [
            Permission(
                actions=[
                    f"sagemaker:{verb}"
                    for verb in [*verbs, *(["DeployHubModel"] if deploys else [])]
                ],
                resources=self._resources(),
                reason=_NAMED_LATER,
            )
        ]

    def curating(self) -> list[Permission]:
        """Choosing what is in the hub, from the public one and from the organization's models."""
        public = f"arn:{PARTITION}:sagemaker:{REGION}:aws"
        return [
            Permission(
                actions=[
                    "sagemaker:CreateHubContentReference",
                    "sagemaker:DeleteHubContent",
                    "sagemaker:DeleteHubContentReference",
                    "sagemaker:ImportHubContent",
                    "sagemaker:UpdateHub",
                    "sagemaker:UpdateHubContent",
                    "sagemaker:UpdateHubContentReference",
                ],
                resources=self._resources(),
                reason=_NAMED_LATER,
            ),
            Permission(
                actions=["sagemaker:DescribeHub", "sagemaker:DescribeHubContent"],
                resources=[
                    f"{public}:hub/{_PUBLIC}",
                    f"{public}:hub-content/{_PUBLIC}/*",
                ],
                reason="The public hub is AWS's, which names what is in it.",
            ),
        ]

    def _resources(self) -> list[str]:
        return [*arns("hub", name=self.name), *arns("hub-content", name=f"{self.name}/*")]
