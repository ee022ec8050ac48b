"""The role, in an environment's account, with which a delivery pipeline verifies what it deployed.

The trust names the pipeline's account and, by ``aws:PrincipalArn``, the one role of the build
there. A principal that named the role itself would be refused while that role does not exist
(IAM: "Invalid principal in policy"), and would go stale when it is made anew.
"""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.common.accounts import is_account
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, in_packs
from mlops_constructs.common.pseudo import PARTITION
from mlops_constructs.delivery.stages import (
    check_pipeline_name,
    check_stage_name,
    verification_role_name,
    verifier_role_name,
)


class VerificationRole(Construct):
    """A role without permissions that one build of a `DeliveryPipeline` may take.

    Attributes:
        role: Grant it what the verification calls: starting the training pipeline, asking the
            endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_account: str,
        pipeline_name: str,
        stage_name: str,
    ) -> None:
        """Make the role, in the stage's account.

        Args:
            scope: The parent.
            construct_id: The id.
            pipeline_account: Where the pipeline is.
            pipeline_name: As given to `DeliveryPipeline`.
            stage_name: The `DeliveryStage`'s name.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        problems.check(
            is_account(pipeline_account),
            "pipeline_account",
            got=pipeline_account,
            allowed="12 digits",
            instead="Write the account that the pipeline is deployed to.",
        )
        check_pipeline_name(problems, pipeline_name)
        check_stage_name(problems, "stage_name", stage_name)
        problems.raise_if_any()
        verifier = verifier_role_name(pipeline_name, stage_name)
        self.role = iam.Role(
            self,
            "Role",
            role_name=verification_role_name(pipeline_name, stage_name),
            description=f"Verifies deployments of {pipeline_name} to {stage_name}",
            assumed_by=iam.AccountPrincipal(pipeline_account).with_conditions(
                {
                    "ArnEquals": {
                        "aws:PrincipalArn": f"arn:{PARTITION}:iam::{pipeline_account}"
                        f":role/{verifier}"
                    }
                }
            ),
        )
        acknowledge(
            self.role,
            in_packs("IAMNoInlinePolicy", "The grants fit this one role and must go when it goes."),
        )
