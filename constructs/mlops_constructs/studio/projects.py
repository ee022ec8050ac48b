"""SageMaker Projects on request: templates of the organization that users make projects from.

Templates are CloudFormation files below a prefix of a bucket, each with the object tag
``sagemaker:studio-visibility=true``; the tag ``sagemaker:projectS3TemplatesLocation`` on the domain
tells Studio where they are. So there is no need for the account-wide switch
``EnableSagemakerServicecatalogPortfolio``, which CloudFormation has no resource for and which only
AWS's own templates need.

Studio's pages read the templates from the browser, hence the rule for other origins (CORS).

Sources: SageMaker developer guide, "Create a project from templates in Amazon S3"; AWS Machine
Learning blog on S3-based templates of SageMaker AI Projects; registry schema of
AWS::SageMaker::Project (CfnTemplateProviderDetail).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_iam as iam, aws_kms as kms, aws_s3 as s3
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.grants import allow_objects, allow_read
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio.permissions import Permission, give, sagemaker

#: The tag on the domain.
LOCATION: Final = "sagemaker:projectS3TemplatesLocation"
_NAMED_LATER = "Whoever looks after the templates names them."


@dataclass(frozen=True, kw_only=True)
class ProjectTemplates:
    """Templates that users make projects from.

    Attributes:
        launch_role: What CloudFormation makes a project's resources as; it trusts
            cloudformation.amazonaws.com. What projects may hold is up to it.
        bucket: Where the templates are. Made if none is given; one that is passed in must let
            ``https://*.sagemaker.aws`` read by a CORS rule.
        prefix: Below which, with a slash at its end.
    """

    launch_role: iam.IRole
    bucket: s3.IBucket | None = None
    prefix: str = "templates/"

    def check(self, problems: Problems) -> None:
        """Note what is wrong."""
        problems.check(
            is_token(self.prefix)
            or (self.prefix.endswith("/") and not self.prefix.startswith("/")),
            "projects.prefix",
            got=self.prefix,
            allowed="a prefix with a slash at its end and none at its start",
            instead="Write, for example, 'templates/'.",
        )

    def find_bucket(self, scope: Construct, key: kms.IKey) -> s3.IBucket:
        """The bucket that was passed in, or one made below ``scope``; it is always kept."""
        if self.bucket is not None:
            return self.bucket
        bucket = secure_bucket(scope, "Templates", encryption_key=key)
        bucket.add_cors_rule(
            allowed_origins=["https://*.sagemaker.aws"],
            allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD],
            allowed_headers=["*"],
        )
        return bucket

    def allow(self, role: iam.Role, bucket: s3.IBucket) -> None:
        """Let a persona make, change and delete projects from the templates."""
        allow_read(role, bucket, [self.prefix], reason=_NAMED_LATER)
        allow_objects(
            role,
            bucket,
            [f"{self.prefix}*"],
            actions=["s3:GetObjectTagging"],
            reason=_NAMED_LATER,
        )
        give(
            role,
            [
                Permission(
                    actions=[
                        "sagemaker:CreateProject",
                        "sagemaker:DeleteProject",
                        "sagemaker:UpdateProject",
                    ],
                    resources=sagemaker("project"),
                    reason="Users name projects; what one may hold is up to its launch role.",
                ),
                Permission(
                    actions=["sagemaker:AddTags"],
                    resources=sagemaker("project"),
                    conditions={"StringEquals": {"sagemaker:TaggingAction": ["CreateProject"]}},
                    reason="Tags given at creation, and at no other time.",
                ),
                Permission(
                    actions=["iam:PassRole"],
                    resources=[self.launch_role.role_arn],
                    conditions={
                        "StringEquals": {
                            "iam:PassedToService": [
                                "cloudformation.amazonaws.com",
                                "sagemaker.amazonaws.com",
                            ]
                        }
                    },
                ),
            ],
        )
