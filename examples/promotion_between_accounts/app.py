"""One registry, endpoints in other accounts: a model goes to staging, is looked at, goes to prod.

A version that reviewers approved is proposed for a stage and approved for it, in the registry's
account, by whoever may. The approval reaches the stage's account as an event; there a state machine
puts the version into the parameter that the endpoint follows, updates the stack, and puts the old
version back if that fails. Nobody in staging or prod can change a version, nobody here an endpoint.

Deploy the registry first, then each stage with the bucket and key that the registry's outputs name:

    cdk deploy -c account=registry --all
    cdk deploy -c account=staging -c models=… -c models-key=arn:aws:kms:… --all
    cdk deploy -c account=prod -c models=… -c models-key=arn:aws:kms:… --all

The account numbers are those of AWS's documentation: write yours.
"""

import os
from dataclasses import dataclass

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_iam as iam, aws_kms as kms, aws_s3 as s3, aws_sns as sns
from constructs import Construct

from mlops_constructs import (
    ApprovalBus,
    ApprovedModel,
    ApprovedModelParameter,
    BlueGreenEndpoint,
    Canary,
    CostTags,
    Instances,
    ModelRegistry,
    ModelRelease,
    RegistryAccount,
    ServiceRules,
    StageAccount,
    framework_image,
)
from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_publishers

REGION = "eu-west-1"
REGISTRY = "111122223333"
GROUP = "churn"
# Known once the registry is deployed: `-c models=… -c models-key=…` name yours.
MODELS = "churn-models"
KEY = f"arn:aws:kms:{REGION}:{REGISTRY}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@dataclass(frozen=True)
class Stage:
    """An account with an endpoint, and what a version must be approved for to get there."""

    name: str
    account: str
    stage: str


STAGES = (
    Stage("staging", "444455556666", "Staging"),
    Stage("prod", "777788889999", "Production"),
)


class Registry(cdk.Stack):
    """Versions, their artifacts, who approves them, and what happened to them."""

    def __init__(self, scope: Construct, construct_id: str, *, env: cdk.Environment) -> None:
        super().__init__(scope, construct_id, env=env)
        key = kms.Key(self, "Key", enable_key_rotation=True)
        allow_publishers(key, "events.amazonaws.com")
        models = secure_bucket(self, "Models", encryption_key=key)
        people = sns.Topic(self, "People", master_key=key, enforce_ssl=True)
        registry = ModelRegistry(self, "Registry", model_package_group_name=GROUP)
        registry.grant_deploy(
            *(StageAccount(account=each.account, stage=each.stage) for each in STAGES),
            buckets=[models],
            notify=people,
        )
        registry.add_audit_trail("Audit", encryption_key=key)
        registry.ask_for_approval("Review", topic=people)
        reviewer = self._role("Reviewer")
        registry.grant_approve(reviewer)
        for each in STAGES:
            registry.ask_for_approval(f"Ask{each.stage}", topic=people, stage=each.stage)
            registry.grant_approve_stage(self._role(f"Lead{each.stage}"), each.stage)
        cdk.CfnOutput(self, "ModelsBucket", value=models.bucket_name)
        cdk.CfnOutput(self, "ModelsKey", value=key.key_arn)

    def _role(self, name: str) -> iam.Role:
        """A role that people of this account take, as far as their own policies let them."""
        return iam.Role(
            self, name, role_name=f"churn-{name}", assumed_by=iam.AccountRootPrincipal()
        )


class Following(cdk.Stack):
    """Where approvals arrive, and what the endpoint follows: deployed before it."""

    def __init__(self, scope: Construct, construct_id: str, *, env: cdk.Environment) -> None:
        super().__init__(scope, construct_id, env=env)
        parameter = ApprovedModelParameter(self, "Approved", model_package_group_name=GROUP)
        self.parameter_name = parameter.parameter_name
        self.approvals = ApprovalBus(
            self, "Approvals", model_package_group_name=GROUP, registry_account=REGISTRY
        )


class Serving(cdk.Stack):
    """The endpoint of a stage, and its releases."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        env: cdk.Environment,
        stage: Stage,
        following: Following,
    ) -> None:
        super().__init__(scope, construct_id, env=env)
        self.add_stack_dependency(following)
        # The endpoint's role is allowed on its side what the registry's account allows on its own.
        # An imported bucket needs its key.
        models_key = self.node.try_get_context("models-key") or KEY
        models = s3.Bucket.from_bucket_attributes(
            self,
            "Models",
            bucket_name=self.node.try_get_context("models") or MODELS,
            encryption_key=kms.Key.from_key_arn(self, "ModelsKey", models_key),
        )
        key = kms.Key(self, "Key", enable_key_rotation=True)
        allow_publishers(key, "cloudwatch.amazonaws.com", "events.amazonaws.com")
        alerts = sns.Topic(self, "Alerts", master_key=key, enforce_ssl=True)
        endpoint = BlueGreenEndpoint(
            self,
            "Endpoint",
            endpoint_name=GROUP,
            model=ApprovedModel(
                parameter_name=following.parameter_name,
                buckets=[models],
                image_repository_arns=[framework_image(self, "sklearn", "1.4-2").repository_arn],
            ),
            compute=Instances("ml.m5.large", count=2),
            deployment=Canary(percent=50, bake=cdk.Duration.minutes(10)),
            encryption_key=key,
            alarm_topic=alerts,
        )
        release = ModelRelease(
            self,
            "Release",
            model_package_group_name=GROUP,
            parameter_name=following.parameter_name,
            registry=RegistryAccount(account=REGISTRY, event_bus=following.approvals.event_bus),
            stage=stage.stage,
            endpoint=endpoint,
            encryption_key=key,
            notify=alerts,
        )
        cdk.CfnOutput(self, "Machine", value=release.state_machine.state_machine_arn)
        cdk.CfnOutput(self, "Topic", value=alerts.topic_arn)


app = cdk.App()
cdk.Validations.of(app).add_plugins(ServiceRules())
wanted = app.node.try_get_context("account")
stacks: list[tuple[str, cdk.Stack]] = []
if wanted in (None, "registry"):
    env = cdk.Environment(account=REGISTRY, region=REGION)
    stacks.append(("registry", Registry(app, "ChurnRegistry", env=env)))
for stage in STAGES:
    if wanted in (None, stage.name):
        env = cdk.Environment(account=stage.account, region=REGION)
        following = Following(app, f"ChurnFollowing-{stage.name}", env=env)
        serving = Serving(
            app, f"ChurnServing-{stage.name}", env=env, stage=stage, following=following
        )
        stacks += [(stage.name, following), (stage.name, serving)]
for environment, stack in stacks:
    CostTags(
        project="churn", team="growth", environment=environment, cost_center="growth-42"
    ).apply_to(stack)
app.synth()
