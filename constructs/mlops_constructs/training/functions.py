"""The function of a Lambda step: one Python file, run in an encrypted, logged, small function.

A use case keeps such files in ``functions/``, named after the sentinel: ``functions/champion.py``
is ``{{function.champion}}``. Each has ``handler(event, context)``, gets the step's inputs as its
event, and returns a value for each of the step's outputs. It may use boto3 and what Python holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import (
    Duration,
    IgnoreMode,
    RemovalPolicy,
    aws_iam as iam,
    aws_kms as kms,
    aws_lambda,
    aws_logs,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_logs
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards, in_packs
from mlops_constructs.common.lambdas import OLDER_RUNTIME, python_runtime
from mlops_constructs.common.roles import service_role

#: Pipelines gives a Lambda step ten minutes (SageMaker developer guide, "Lambda step").
_LONGEST = Duration.minutes(10)


class PipelineFunction(Construct):
    """A function for a Lambda step.

    Attributes:
        function: The function, for ``functions`` of `TrainingPipeline`.
        role: What it works with; it may write its log and nothing else until it is granted more.
        log_group: Its log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        file: str | Path,
        encryption_key: kms.IKey,
        description: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        log_retention: aws_logs.RetentionDays = aws_logs.RetentionDays.THREE_MONTHS,
    ) -> None:
        """Make the function.

        Args:
            scope: The parent.
            construct_id: The id below it.
            file: The Python file, with ``handler(event, context)``.
            encryption_key: Of its log and its environment.
            description: What it is for.
            environment: Environment variables.
            timeout: Up to ten minutes; one minute if None.
            log_retention: How long its log is kept.

        Raises:
            ValidationError: If there is no such file, or a step would not wait so long.
        """
        super().__init__(scope, construct_id)
        file = Path(file)
        timeout = timeout or Duration.minutes(1)
        problems = Problems(self)
        problems.check(
            file.is_file() and file.suffix == ".py",
            "file",
            got=str(file),
            allowed="a Python file with handler(event, context)",
            instead="Write it, or give the path of one that exists.",
        )
        problems.check(
            timeout.is_unresolved() or timeout.to_seconds() <= _LONGEST.to_seconds(),
            "timeout",
            got=f"{timeout.to_seconds()} s",
            allowed="up to ten minutes, as long as a Lambda step waits",
            instead="Do longer work in a Processing step, or wait for it in a Callback step.",
        )
        problems.raise_if_any()
        allow_logs(encryption_key)
        self.log_group = aws_logs.LogGroup(
            self,
            "Log",
            encryption_key=encryption_key,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = service_role(
            self,
            "Role",
            description=description or f"Runs {file.name} for a pipeline",
            service="lambda.amazonaws.com",
        )
        self.function = aws_lambda.Function(
            self,
            "Function",
            description=description,
            code=aws_lambda.Code.from_asset(
                str(file.parent),
                exclude=["*", f"!{file.name}"],
                ignore_mode=IgnoreMode.GIT,
            ),
            handler=f"{file.stem}.handler",
            runtime=python_runtime(),
            timeout=timeout,
            memory_size=256,
            log_group=self.log_group,
            role=self.role,
            environment=dict(environment) if environment else None,
            environment_encryption=encryption_key if environment else None,
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[self.log_group.log_group_arn],
            )
        )
        acknowledge_wildcards(
            self.role, [self.log_group.log_group_arn], "Streams are named by Lambda."
        )
        _acknowledge(self.function)


def _acknowledge(function: aws_lambda.Function) -> None:
    acknowledge(
        function,
        {
            **in_packs("LambdaConcurrency", "A pipeline calls it once in an execution."),
            **in_packs(
                "LambdaDLQ", "The pipeline's step waits for its answer, and fails without one."
            ),
            **in_packs(
                "LambdaInsideVPC", "It calls AWS APIs with what the step passes, and reads no data."
            ),
            **OLDER_RUNTIME,
        },
    )
