r"""What delivers the environments: deployed once, by hand, before them.

It is an app of its own, because it is what the deployments of `app.py` start from. By GitHub
Actions, for each environment the role that its jobs take:

    cdk deploy --app ".venv/bin/python -m stacks.delivery" -c env=dev -c repository=OWNER/NAME

Where environments share an account, add ``-c provider=existing`` from the second one on: an
account holds one identity provider for GitHub.

By CodePipeline, first in each environment's account the role of its verification, then, in the
pipeline's account, the pipeline:

    cdk deploy --app ".venv/bin/python -m stacks.delivery" -c env=dev -c pipeline-account=ACCOUNT
    cdk deploy --app ".venv/bin/python -m stacks.delivery" -c connection=ARN \
        -c repository=OWNER/NAME
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import Duration, aws_iam as iam

from mlops_constructs import (
    ConnectionSource,
    DeliveryPipeline,
    DeliveryStage,
    GitHubDeployRole,
    GitHubEnvironment,
    StageApproval,
    ValidationError,
    VerificationRole,
)
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge_wildcards
from mlops_constructs.common.pseudo import ACCOUNT_ID, PARTITION
from mlops_constructs.delivery.github import ISSUER
from stacks.base import PlatformStack, Setting
from stacks.environments import Environment, choose
from stacks.platform import new_app
from stacks.use_case import CENSUS_INCOME

PIPELINE_NAME = CENSUS_INCOME.name

# As long as the job may take, and as the workflow asks for: an endpoint that shifts its traffic
# step by step, and is rolled back, takes longer than an hour.
_SESSION = Duration.hours(3)


class DeliveryStack(PlatformStack):
    """The role of GitHub's jobs in one environment.

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
            session=_SESSION,
            provider=None if make_provider else self._existing_provider(),
        )
        _allow_verification(self, self.deployer.role)
        cdk.CfnOutput(self, "DeployRoleArn", value=self.deployer.role.role_arn)

    def _existing_provider(self) -> iam.IOidcProvider:
        return iam.OidcProviderNative.from_oidc_provider_arn(
            self,
            "Provider",
            f"arn:{PARTITION}:iam::{ACCOUNT_ID}:oidc-provider/{ISSUER}",
        )


class VerificationStack(PlatformStack):
    """The role of the delivery pipeline's verification in one environment.

    Attributes:
        verification: Trusts the build in the pipeline's account that verifies this environment.
    """

    def __init__(self, app: cdk.App, setting: Setting, *, pipeline_account: str) -> None:
        super().__init__(app, "Verification", setting)
        self.verification = VerificationRole(
            self,
            "Verification",
            pipeline_account=pipeline_account,
            pipeline_name=PIPELINE_NAME,
            stage_name=setting.environment.name,
        )
        _allow_verification(self, self.verification.role)


class DeliveryPipelineStack(cdk.Stack):
    """The pipeline that delivers all environments, in an account of its own or in one of theirs.

    Attributes:
        delivery: Deploys the environments in their order; every one but the first asks first.
    """

    def __init__(
        self,
        app: cdk.App,
        environments: Sequence[Environment],
        *,
        connection_arn: str,
        repository: str,
        branch: str = "main",
    ) -> None:
        super().__init__(
            app,
            f"{PIPELINE_NAME}-delivery-pipeline",
            description=f"Delivers {PIPELINE_NAME}",
            tags={"Project": PIPELINE_NAME},
        )
        self.delivery = DeliveryPipeline(
            self,
            "Delivery",
            pipeline_name=PIPELINE_NAME,
            source=ConnectionSource(
                connection_arn=connection_arn, repository=repository, branch=branch
            ),
            install=("make setup",),
            checks=("make check", "make test"),
            stages=[
                _stage(environment, first=index == 0)
                for index, environment in enumerate(environments)
            ],
        )


def _stage(environment: Environment, *, first: bool) -> DeliveryStage:
    name = environment.name
    return DeliveryStage(
        name=name,
        account=environment.account,
        region=environment.region,
        synth=(f'node_modules/.bin/cdk synth --quiet -c env={name} --output "$ASSEMBLY"',),
        approval=None if first else StageApproval(),
        verify=tuple(
            f".venv/bin/python -m tools.verify {what} --env {name}"
            for what in (("pipeline",) if first else ("pipeline", "endpoint"))
        ),
    )


def _allow_verification(stack: PlatformStack, role: iam.Role) -> None:
    """What `tools/verify.py` calls after a deployment."""
    name = stack.resource_name()
    pipeline, endpoint = (
        stack.format_arn(service="sagemaker", resource=kind, resource_name=name)
        for kind in ("pipeline", "endpoint")
    )
    execution = f"{pipeline}/execution/*"
    for actions, resource in (
        (["sagemaker:StartPipelineExecution"], pipeline),
        (
            ["sagemaker:DescribePipelineExecution", "sagemaker:ListPipelineExecutionSteps"],
            execution,
        ),
        (["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"], endpoint),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
    acknowledge_wildcards(role, [execution], "SageMaker names a run after it was started.")


def build(
    app: cdk.App,
    environments: Sequence[Environment],
    *,
    repository: str | None = None,
    make_provider: bool = True,
    pipeline_account: str | None = None,
    connection_arn: str | None = None,
) -> None:
    """Add what was asked for to the app.

    Args:
        app: The app.
        environments: The environments.
        repository: Whose workflow, or whose commits, are deployed.
        make_provider: Whether to make the account's identity provider for GitHub.
        pipeline_account: Where the delivery pipeline is, to make the roles of its verification.
        connection_arn: The connection of the delivery pipeline, to make the pipeline.

    Raises:
        ValidationError: If something is missing or does not fit.
    """
    problems = Problems("app")
    problems.check(
        pipeline_account is not None or repository is not None,
        "-c repository",
        got=repository,
        allowed="owner/name",
        instead="Say whose workflow deploys: -c repository=octo-org/octo-repo.",
    )
    problems.raise_if_any()
    settings = [Setting(environment, CENSUS_INCOME) for environment in environments]
    if pipeline_account is not None:
        for setting in settings:
            VerificationStack(app, setting, pipeline_account=pipeline_account)
        return
    assert repository is not None  # noqa: S101  # checked above, which mypy cannot see
    if connection_arn is not None:
        DeliveryPipelineStack(
            app, environments, connection_arn=connection_arn, repository=repository
        )
        return
    for setting in settings:
        DeliveryStack(app, setting, repository=repository, make_provider=make_provider)


def main() -> None:
    """Build and synthesise; a mistake in the settings ends with one clear message."""
    app = new_app()

    def read(name: str) -> str | None:
        value = app.node.try_get_context(name)
        return None if value is None else str(value)

    try:
        context = {key: read(key) for key in ("env", "account", "region")}
        build(
            app,
            choose({key: value for key, value in context.items() if value is not None}),
            repository=read("repository"),
            make_provider=read("provider") != "existing",
            pipeline_account=read("pipeline-account"),
            connection_arn=read("connection"),
        )
        app.synth()
    except ValidationError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
