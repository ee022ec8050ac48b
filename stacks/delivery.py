"""The role by which GitHub Actions deploys an environment: deployed once, by hand, before it.

It is an app of its own, because it is what the deployments of `app.py` start from:

    cdk deploy --app ".venv/bin/python -m stacks.delivery" -c env=dev -c repository=OWNER/NAME

Where environments share an account, add ``-c provider=existing`` from the second one on: an
account holds one identity provider for GitHub.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import Aws, aws_iam as iam

from mlops_constructs import GitHubDeployRole, GitHubEnvironment, ValidationError
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.delivery.github import ISSUER
from stacks.base import PlatformStack, Setting
from stacks.environments import Environment, choose
from stacks.platform import new_app
from stacks.use_case import CENSUS_INCOME


class DeliveryStack(PlatformStack):
    """The deploy role of one environment.

    Attributes:
        deployer: Trusts jobs of the repository that name the environment.
    """

    def __init__(
        self,
        app: cdk.App,
        setting: Setting,
        *,
        repository: str,
        make_provider: bool = True,
    ) -> None:
        super().__init__(app, "Delivery", setting)
        self.deployer = GitHubDeployRole(
            self,
            "GitHub",
            repository=repository,
            trust=GitHubEnvironment(setting.environment.name),
            role_name=self.resource_name("deploy"),
            provider=None if make_provider else self._existing_provider(),
        )
        self._allow_verification()
        cdk.CfnOutput(self, "DeployRoleArn", value=self.deployer.role.role_arn)

    def _existing_provider(self) -> iam.IOidcProvider:
        return iam.OidcProviderNative.from_oidc_provider_arn(
            self,
            "Provider",
            f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:oidc-provider/{ISSUER}",
        )

    def _allow_verification(self) -> None:
        """What `tools/verify.py` calls after a deployment."""
        name = self.resource_name()
        pipeline, endpoint = (
            self.format_arn(service="sagemaker", resource=kind, resource_name=name)
            for kind in ("pipeline", "endpoint")
        )
        execution = f"{pipeline}/execution/*"
        self.deployer.role.add_to_policy(
            iam.PolicyStatement(actions=["sagemaker:StartPipelineExecution"], resources=[pipeline])
        )
        self.deployer.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "sagemaker:DescribePipelineExecution",
                    "sagemaker:ListPipelineExecutionSteps",
                ],
                resources=[execution],
            )
        )
        self.deployer.role.add_to_policy(
            iam.PolicyStatement(
                actions=["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"],
                resources=[endpoint],
            )
        )
        acknowledge_wildcards(
            self.deployer.role, [execution], "SageMaker names a run after it was started."
        )


def build(app: cdk.App, environment: Environment, repository: str, *, make_provider: bool) -> None:
    """Add the delivery stack of an environment to the app."""
    DeliveryStack(
        app,
        Setting(environment, CENSUS_INCOME),
        repository=repository,
        make_provider=make_provider,
    )


def main() -> None:
    """Build and synthesise; a mistake in the settings ends with one clear message."""
    app = new_app()
    read = app.node.try_get_context
    try:
        repository = read("repository")
        problems = Problems("app")
        problems.check(
            isinstance(repository, str),
            "-c repository",
            got=repository,
            allowed="owner/name",
            instead="Say whose workflow deploys: -c repository=octo-org/octo-repo.",
        )
        problems.raise_if_any()
        context = {key: read(key) for key in ("env", "account", "region")}
        for environment in choose({k: v for k, v in context.items() if v is not None}):
            build(app, environment, repository, make_provider=read("provider") != "existing")
        app.synth()
    except ValidationError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
