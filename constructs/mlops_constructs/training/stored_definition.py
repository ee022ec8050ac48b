"""A definition that is too large for a template, in S3, with its tokens bound.

A file asset cannot hold tokens, and the CDK's own way to put values into a file at deployment goes
by the hash of the file without them: a changed role would not update the pipeline. So the asset
holds the definition with its sentinels, a custom resource gets their values, and a small function
writes the bound definition under the hash of its content. Another value is another key, and another
key updates the pipeline.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import (
    CustomResource,
    Duration,
    Fn,
    IgnoreMode,
    RemovalPolicy,
    aws_iam as iam,
    aws_kms as kms,
    aws_lambda,
    aws_logs,
    aws_s3 as s3,
    aws_s3_assets as s3_assets,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_logs
from mlops_constructs.common.findings import acknowledge, acknowledge_wildcards, in_packs
from mlops_constructs.common.grants import allow_objects
from mlops_constructs.common.lambdas import OLDER_RUNTIME, python_runtime
from mlops_constructs.common.roles import service_role
from mlops_constructs.training.binding import Binding
from mlops_constructs.training.definition_function.binding import to_text
from mlops_constructs.training.document import Json, sentinels

_CODE = "definition_function"


class StoredDefinition(Construct):
    """A bound definition in S3.

    Attributes:
        bucket: Where it is, as known at deployment.
        key: Its key there, which changes with its content.
        function: What writes it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        document: Mapping[str, Json],
        bindings: Mapping[str, Binding],
        bucket: s3.IBucket,
        prefix: str,
        encryption_key: kms.IKey,
    ) -> None:
        """Make the asset, the function and its call.

        Args:
            scope: The parent.
            construct_id: The id below it.
            document: The definition with its sentinels.
            bindings: Their values.
            bucket: Where the bound definition goes.
            prefix: Below which.
            encryption_key: Of the bucket and of the function's log.
        """
        super().__init__(scope, construct_id)
        # The file's content names the asset, not its place.
        file = Path(tempfile.mkdtemp(prefix="definition-")) / "definition.json"
        file.write_text(to_text(document), encoding="utf-8")
        asset = s3_assets.Asset(self, "Template", path=str(file))
        allow_logs(encryption_key)
        log = aws_logs.LogGroup(
            self,
            "Log",
            encryption_key=encryption_key,
            retention=aws_logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = service_role(
            self, "Role", description=f"Writes {prefix}", service="lambda.amazonaws.com"
        )
        asset.grant_read(role)
        allow_objects(
            role,
            bucket,
            [f"{prefix}/*"],
            actions=("s3:PutObject",),
            reason="The key is the hash of a definition that is known at deployment.",
        )
        keys = {key.key_arn: key for key in (encryption_key, bucket.encryption_key) if key}
        for key in keys.values():
            key.grant(role, "kms:Decrypt", "kms:GenerateDataKey")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log.log_group_arn],
            )
        )
        acknowledge_wildcards(role, [log.log_group_arn], "Streams are named by Lambda.")
        _acknowledge_read(role, asset)
        self.function = aws_lambda.Function(
            self,
            "Function",
            description=f"Writes {prefix}",
            code=aws_lambda.Code.from_asset(
                str(Path(__file__).parent),
                exclude=["*", f"!{_CODE}", f"!{_CODE}/*.py"],
                ignore_mode=IgnoreMode.GIT,
            ),
            handler=f"{_CODE}.index.handler",
            runtime=python_runtime(),
            timeout=Duration.minutes(2),
            memory_size=512,
            retry_attempts=0,
            log_group=log,
            role=role,
        )
        _acknowledge_function(self.function)
        used = {name: bindings[name] for name in sentinels(document)}
        call = CustomResource(
            self,
            "Call",
            resource_type="Custom::PipelineDefinition",
            service_token=self.function.function_arn,
            service_timeout=Duration.minutes(5),
            properties={
                "TemplateBucket": asset.s3_bucket_name,
                "TemplateKey": asset.s3_object_key,
                "Bucket": bucket.bucket_name,
                "Prefix": prefix,
                "Texts": {name: value for name, value in used.items() if isinstance(value, str)},
                "Lists": {
                    name: Fn.join(",", list(value))
                    for name, value in used.items()
                    if not isinstance(value, str)
                },
            },
        )
        call.node.add_dependency(role)
        self.bucket = call.get_att_string("Bucket")
        self.key = call.get_att_string("Key")


def _acknowledge_read(role: iam.Role, asset: s3_assets.Asset) -> None:
    reason = "What the CDK grants to read an asset."
    acknowledge(
        role,
        {
            f"AwsSolutions-IAM5[Action::s3:{action}*]": reason
            for action in ("GetBucket", "GetObject", "List")
        },
    )
    acknowledge_wildcards(role, [asset.bucket.arn_for_objects("*")], reason)


def _acknowledge_function(function: aws_lambda.Function) -> None:
    acknowledge(
        function,
        {
            **in_packs("LambdaConcurrency", "CloudFormation calls it once in a deployment."),
            **in_packs(
                "LambdaDLQ",
                "CloudFormation waits for its answer and fails the deployment without one.",
            ),
            **in_packs(
                "LambdaInsideVPC", "It calls S3 with a definition, and reads no other data."
            ),
            **OLDER_RUNTIME,
        },
    )
