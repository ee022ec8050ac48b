"""Delivery inside AWS: CodePipeline builds once, and deploys that to one account after the other.

The stages of the pipeline:

- ``Source``: the connection fetches a commit.
- ``Build``: CodeBuild runs the checks and synthesises the cloud assemblies of all environments.
  Its role may do nothing but read the commit and write the result: what is installed from package
  registries never sees credentials of an environment.
- for each environment that asks for approval ``Approve…``: CodeBuild compares the assembly with
  what is deployed, by a role that only looks, and somebody decides.
- for each environment ``Deploy…``: CodeBuild publishes the assets and deploys the assembly, byte
  for byte the one that was checked and compared; then it runs the verification.

Facts:

- The roles of ``cdk bootstrap`` decide what a deployment may change: ``cdk bootstrap --trust
  <account of the pipeline>`` in every other account lets the pipeline take them.
- Executions are superseded: while one waits for an approval, a newer one takes the place of those
  behind it (CodePipeline user guide, "Set or change the pipeline execution mode").
- CodePipeline rolls a stage back to an execution that succeeded there since the pipeline's
  structure was last changed; without one the stage simply fails ("Configuring stage rollback").
- A connection made since March 2024 has ``codeconnections`` in its ARN, an older one
  ``codestar-connections``, and the permission to use it is named after it (Developer Tools console
  guide, "Connections rename"). Both are granted on the one connection.
- The permissions of the pipeline's role are those of the user guide's "minimum service role
  policy" for the actions in use; those of the builds follow CodeBuild's "service role".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aws_cdk import (
    Duration,
    RemovalPolicy,
    Stack,
    aws_codebuild as codebuild,
    aws_codepipeline as codepipeline,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_kms as kms,
    aws_logs as logs,
    aws_s3 as s3,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_logs, allow_publishers, ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards, in_packs
from mlops_constructs.common.pseudo import REGION
from mlops_constructs.common.roles import service_role, wait_for_policy
from mlops_constructs.delivery.stages import (
    ConnectionSource,
    DeliveryStage,
    check_pipeline_name,
    check_source,
    check_stages,
    verification_role_name,
    verifier_role_name,
)

#: Sizes of builds (``ComputeType`` of AWS::CodeBuild::Project): 4, 8, 16, 72 and 145 GB of memory.
BuildSize = Literal["SMALL", "MEDIUM", "LARGE", "XLARGE", "2XLARGE"]

_COMMIT, _ASSEMBLIES = "Commit", "Assemblies"
_IMAGE = "aws/codebuild/standard:7.0"
# --app points at what the build synthesised, so that the app is not run again.
_DEPLOY = 'npx cdk deploy --app "$ASSEMBLY" --all --require-approval never --concurrency 2'
# A change set would need the right to create one; templates are compared instead.
_COMPARE = 'npx cdk diff --app "$ASSEMBLY" --method template'
_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
)
_DEPLOY_ROLES = ("deploy", "file-publishing", "image-publishing", "lookup")


class DeliveryPipeline(Construct):
    """A CodePipeline that checks a commit and deploys it to environments, one after the other.

    Attributes:
        pipeline: The pipeline, of type V2.
        key: Encrypts artifacts, logs and the topic.
        artifacts: The artifact bucket.
        topic: Told of questions for approval and of failed runs.
        projects: The CodeBuild projects by where they stand in the pipeline, such as ``build`` or
            ``staging-deploy``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        source: ConnectionSource,
        stages: Sequence[DeliveryStage],
        install: Sequence[str] = ("npm ci",),
        checks: Sequence[str] = (),
        deploy_install: Sequence[str] = ("npm ci",),
        topic: sns.ITopic | None = None,
        encryption_key: kms.IKey | None = None,
        build_image: str = _IMAGE,
        build_size: BuildSize = "MEDIUM",
        runtimes: Mapping[str, str] | None = None,
        qualifier: str = "hnb659fds",
    ) -> None:
        """Make the pipeline.

        Args:
            scope: The parent.
            construct_id: The id.
            pipeline_name: Of the pipeline; names of projects and roles begin with it.
            source: Where commits come from.
            stages: The environments, in order.
            install: Commands before the checks, and before each verification.
            checks: Commands that must succeed before anything is synthesised.
            deploy_install: Commands that bring the CDK command line, in the version that the
                commit locks; the app itself is not run again.
            topic: Passed in, or made. The key of one passed in must allow EventBridge, and the
                pipeline's role, to use it.
            encryption_key: Passed in, or made. One passed in must allow CloudWatch Logs, and
                EventBridge if the topic is made here.
            build_image: An image of CodeBuild's own.
            build_size: Of all builds.
            runtimes: ``runtime-versions`` of the builds; Python 3.11 and Node.js 20 if left out.
            qualifier: Of ``cdk bootstrap``, the same in all accounts.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        check_pipeline_name(problems, pipeline_name)
        check_source(problems, source)
        if problems.check_each(
            "stages", stages, DeliveryStage, example="DeliveryStage(name='dev', synth=[…])"
        ):
            check_stages(problems, stages)
        problems.raise_if_any()
        self._name = pipeline_name
        self._stages = tuple(stages)
        self._qualifier = qualifier
        self._runtimes = dict(runtimes or {"python": "3.11", "nodejs": "20"})
        self._environment = codebuild.CfnProject.EnvironmentProperty(
            type="LINUX_CONTAINER",
            image=build_image,
            compute_type=f"BUILD_GENERAL1_{build_size}",
        )
        self.key = ensure_key(
            self, encryption_key, description=f"Delivery pipeline {pipeline_name}"
        )
        if encryption_key is None:
            allow_logs(self.key)
            allow_publishers(self.key, "events.amazonaws.com")
        self.artifacts = secure_bucket(
            self,
            "Artifacts",
            encryption_key=self.key,
            # Nothing in here that the repository could not make again.
            removal_policy=RemovalPolicy.DESTROY,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(90), noncurrent_version_expiration=Duration.days(7)
                )
            ],
        )
        self._logs = logs.LogGroup(
            self,
            "Logs",
            encryption_key=self.key,
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.topic = topic or sns.Topic(self, "Topic", master_key=self.key, enforce_ssl=True)
        self.projects: dict[str, codebuild.CfnProject] = {}
        self._make_projects(list(install), list(deploy_install), list(checks))
        self.pipeline = self._make_pipeline(source)
        self._tell_failures()

    def _make_pipeline(self, source: ConnectionSource) -> codepipeline.CfnPipeline:
        role = self._make_pipeline_role(source)
        pipeline = codepipeline.CfnPipeline(
            self,
            "Pipeline",
            name=self._name,
            pipeline_type="V2",
            execution_mode="SUPERSEDED",
            role_arn=role.role_arn,
            artifact_store={
                "type": "S3",
                "location": self.artifacts.bucket_name,
                "encryptionKey": {"type": "KMS", "id": self.key.key_arn},
            },
            stages=[
                {"name": "Source", "actions": [_fetch(source)]},
                {"name": "Build", "actions": [self._run("build", writes=True)]},
                *(each for stage in self._stages for each in self._stages_of(stage)),
            ],
        )
        wait_for_policy(pipeline, role)
        return pipeline

    def _stages_of(self, stage: DeliveryStage) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if stage.approval is not None:
            question = {
                "name": "Approve",
                "runOrder": 2,
                "actionTypeId": _provider("Approval", "Manual"),
                "configuration": {
                    "NotificationArn": self.topic.topic_arn,
                    "CustomData": f"{self._name} to {stage.name}: {stage.approval.note}",
                },
            }
            compare = self._run(f"{stage.name}-compare")
            found.append({"name": f"Approve{stage.title}", "actions": [compare, question]})
        steps = [self._run(f"{stage.name}-deploy")]
        if stage.verify:
            steps.append(self._run(f"{stage.name}-verify") | {"runOrder": 2})
        found.append(
            {"name": f"Deploy{stage.title}", "actions": steps}
            | ({"onFailure": {"result": "ROLLBACK"}} if stage.roll_back else {})
        )
        return found

    def _run(self, project: str, *, writes: bool = False) -> dict[str, Any]:
        """A CodeBuild action that runs one of the projects."""
        inputs = [_COMMIT] if writes else [_COMMIT, _ASSEMBLIES]
        return {
            "name": project.rpartition("-")[2].capitalize(),
            "runOrder": 1,
            "actionTypeId": _provider("Build", "CodeBuild"),
            "configuration": {"ProjectName": self.projects[project].ref, "PrimarySource": _COMMIT},
            "inputArtifacts": [{"name": name} for name in inputs],
            "outputArtifacts": [{"name": _ASSEMBLIES}] if writes else [],
        }

    def _make_projects(
        self, install: list[str], deploy_install: list[str], checks: list[str]
    ) -> None:
        self._project(
            "build",
            description="Checks a commit and synthesises the assemblies of all environments",
            install=install,
            build=[
                *checks,
                *(
                    command
                    for stage in self._stages
                    for command in (
                        f'export ASSEMBLY="$CODEBUILD_SRC_DIR/.assemblies/{stage.name}"',
                        *stage.synth,
                    )
                ),
            ],
            artifacts={"base-directory": ".assemblies", "files": ["**/*"]},
        )
        for stage in self._stages:
            assembly = f'export ASSEMBLY="$CODEBUILD_SRC_DIR_{_ASSEMBLIES}/{stage.name}"'
            if stage.approval is not None:
                self._project(
                    f"{stage.name}-compare",
                    description=f"Compares a release with what is deployed in {stage.name}",
                    install=deploy_install,
                    build=[assembly, _COMPARE],
                    takes=stage.bootstrap_role_arns(self._qualifier, "lookup"),
                )
            self._project(
                f"{stage.name}-deploy",
                description=f"Deploys to {stage.name}",
                install=deploy_install,
                build=[assembly, _DEPLOY],
                takes=stage.bootstrap_role_arns(self._qualifier, *_DEPLOY_ROLES),
                minutes=240,
            )
            if stage.verify:
                self._project(
                    f"{stage.name}-verify",
                    description=f"Verifies {stage.name}",
                    install=install,
                    build=[*self._as_verification_role(stage), *stage.verify],
                    takes=[stage.role_arn(verification_role_name(self._name, stage.name))],
                    role_name=verifier_role_name(self._name, stage.name),
                )

    def _as_verification_role(self, stage: DeliveryStage) -> list[str]:
        """Commands that make the verification's role that of every AWS program after them.

        ``EcsContainer`` is where programs find the credentials of a build (AWS SDKs and Tools
        reference guide, "Assume role credential provider"); they renew the session by themselves.
        """
        lines = (
            "[profile stage]",
            f"role_arn = {stage.role_arn(verification_role_name(self._name, stage.name))}",
            "credential_source = EcsContainer",
            f"role_session_name = {self._name}",
            f"region = {stage.region or REGION}",
        )
        return [
            'export AWS_CONFIG_FILE="$(mktemp)"',
            *(f'echo "{line}" >> "$AWS_CONFIG_FILE"' for line in lines),
            "export AWS_PROFILE=stage",
        ]

    def _project(
        self,
        name: str,
        *,
        description: str,
        install: list[str],
        build: list[str],
        artifacts: Mapping[str, Any] | None = None,
        takes: Sequence[str] = (),
        role_name: str | None = None,
        minutes: int = 120,
    ) -> None:
        scope = Construct(self, "".join(part.capitalize() for part in name.split("-")))
        role = self._make_build_role(scope, description, takes, role_name, bool(artifacts))
        specification = {
            "version": "0.2",
            "env": {"shell": "bash"},
            "phases": {
                "install": {"runtime-versions": self._runtimes, "commands": install},
                "build": {"commands": build},
            },
            **({"artifacts": artifacts} if artifacts else {}),
        }
        project = codebuild.CfnProject(
            scope,
            "Project",
            name=f"{self._name}-{name}",
            description=description,
            service_role=role.role_arn,
            environment=self._environment,
            encryption_key=self.key.key_arn,
            timeout_in_minutes=minutes,
            artifacts={"type": "CODEPIPELINE"},
            source={
                "type": "CODEPIPELINE",
                "buildSpec": Stack.of(self).to_json_string(specification, 2),
            },
            logs_config={
                "cloudWatchLogs": {
                    "status": "ENABLED",
                    "groupName": self._logs.log_group_name,
                    "streamName": name,
                }
            },
        )
        acknowledge(
            project,
            in_packs(
                "CodeBuildProjectSourceRepoUrl",
                "The source is what CodePipeline fetched through a connection; there is no URL "
                "and no token here.",
            ),
        )
        wait_for_policy(project, role)
        self.projects[name] = project

    def _make_build_role(
        self,
        scope: Construct,
        description: str,
        takes: Sequence[str],
        role_name: str | None,
        writes: bool,
    ) -> iam.Role:
        role = service_role(
            scope,
            "Role",
            description=description,
            service="codebuild.amazonaws.com",
            role_name=role_name,
        )
        objects = self.artifacts.arn_for_objects("*")
        streams = f"{self._logs.log_group_arn}:log-stream:*"
        _allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], self._logs.log_group_arn)
        _allow(role, ["logs:PutLogEvents"], streams)
        _allow(role, ["s3:GetBucketAcl", "s3:GetBucketLocation"], self.artifacts.bucket_arn)
        _allow(
            role,
            ["s3:GetObject", "s3:GetObjectVersion", *(["s3:PutObject"] if writes else [])],
            objects,
        )
        self._allow_key(role)
        if takes:
            _allow(role, ["sts:AssumeRole"], *takes)
        acknowledge_wildcards(
            role, [objects, streams], "CodePipeline names artifacts, and CodeBuild log streams."
        )
        return role

    def _make_pipeline_role(self, source: ConnectionSource) -> iam.Role:
        role = service_role(
            self,
            "Role",
            description=f"Runs the delivery pipeline {self._name}",
            service="codepipeline.amazonaws.com",
        )
        objects = self.artifacts.arn_for_objects("*")
        _allow(
            role,
            ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"],
            self.artifacts.bucket_arn,
        )
        _allow(
            role,
            [
                "s3:GetObject",
                "s3:GetObjectTagging",
                "s3:GetObjectVersion",
                "s3:GetObjectVersionTagging",
                "s3:PutObject",
                "s3:PutObjectAcl",
                "s3:PutObjectTagging",
            ],
            objects,
        )
        self._allow_key(role)
        _allow(
            role,
            ["codeconnections:UseConnection", "codestar-connections:UseConnection"],
            source.connection_arn,
        )
        _allow(
            role,
            ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"],
            *(project.attr_arn for project in self.projects.values()),
        )
        if any(stage.approval for stage in self._stages):
            _allow(role, ["sns:Publish"], self.topic.topic_arn)
        acknowledge_wildcards(role, [objects], "CodePipeline names artifacts after their runs.")
        return role

    def _allow_key(self, role: iam.Role) -> None:
        _allow(role, list(_KEY_ACTIONS), self.key.key_arn)
        reason = "All forms of one action on one key, as CodePipeline's guide asks for."
        acknowledge(
            role,
            {
                f"AwsSolutions-IAM5[Action::{action}]": reason
                for action in _KEY_ACTIONS
                if action.endswith("*")
            },
        )

    def _tell_failures(self) -> None:
        run = events.EventField.from_path("$.detail.execution-id")
        events.Rule(
            self,
            "Failed",
            description=f"A run of the delivery pipeline {self._name} failed",
            event_pattern=events.EventPattern(
                source=["aws.codepipeline"],
                detail_type=["CodePipeline Pipeline Execution State Change"],
                detail={"pipeline": [self._name], "state": ["FAILED"]},
            ),
            targets=[
                targets.SnsTopic(
                    self.topic,
                    message=events.RuleTargetInput.from_text(
                        f"Delivery failed: {self._name}, run {run}, region {REGION}. What to "
                        "read: the log of the failed action, in the pipeline's execution history."
                    ),
                )
            ],
        )


def _fetch(source: ConnectionSource) -> dict[str, Any]:
    return {
        "name": _COMMIT,
        "runOrder": 1,
        "actionTypeId": _provider("Source", "CodeStarSourceConnection"),
        "configuration": {
            "ConnectionArn": source.connection_arn,
            "FullRepositoryId": source.repository,
            "BranchName": source.branch,
        },
        "outputArtifacts": [{"name": _COMMIT}],
    }


def _provider(category: str, provider: str) -> dict[str, str]:
    return {"category": category, "owner": "AWS", "provider": provider, "version": "1"}


def _allow(role: iam.Role, actions: list[str], *resources: str) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))
