"""TrainingPipeline: a compiled pipeline definition, deployed with protection on every job.

It reads a definition that was compiled beforehand (the SageMaker SDK is never imported), refuses
one that is stale or that the service would refuse, puts network, isolation and encryption on
every job, ships step code as content-hashed archives, makes the roles, and deploys the pipeline
with the definition in the template: a changed role, bucket or image updates the pipeline, with no
Lambda function in between. A definition of more than 262,144 characters goes to S3, see
`stored_definition`.

What the construct binds, as sentinels of the definition:

| sentinel | bound to |
|---|---|
| ``{{role.processing}}``, ``{{role.training}}``, ``{{role.model}}`` | the ARNs of roles made here |
| ``{{bucket.artifacts}}``, ``{{bucket.data}}`` | names of buckets |
| ``{{image.<name>}}`` | URIs of container images |
| ``{{code.<bundle>.uri}}``, ``{{code.<bundle>.file}}`` | a code archive's S3 URI and file name |
| ``{{model_package_group}}`` | the registry's group |
| ``{{function.<name>}}``, ``{{queue.<name>}}`` | ARNs of functions, URLs of queues |
| ``{{emr_role.<name>}}`` | ARNs of roles that EMR or EMR Serverless works with |
| ``["{{job.subnets}}"]``, ``["{{job.security_groups}}"]``, ``{{job.key}}`` | what protects jobs |

Everything else is bound by ``bindings``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from aws_cdk import (
    Annotations,
    Stack,
    aws_iam as iam,
    aws_kms as kms,
    aws_lambda as lambda_,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
    aws_sqs as sqs,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.bundles import CodeBundle, code_bundle
from mlops_constructs.common.encryption import ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.images import FrameworkImage, framework_image
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.roles import wait_for_policy
from mlops_constructs.training.binding import Binding, tokens
from mlops_constructs.training.definition import PipelineDefinition
from mlops_constructs.training.definition_function.binding import bind, to_text
from mlops_constructs.training.document import Json, sentinels
from mlops_constructs.training.functions import PipelineFunction
from mlops_constructs.training.inputs import (
    KEY,
    SECURITY_GROUPS,
    SUBNETS,
    check_definition,
    check_given,
    check_pipeline,
)
from mlops_constructs.training.outside import Outside
from mlops_constructs.training.parameters import Value, with_defaults
from mlops_constructs.training.registry import ModelRegistry
from mlops_constructs.training.roles import (
    Resources,
    folders_of,
    job_role,
    kinds_of,
    pipeline_role,
)
from mlops_constructs.training.started import StartedPipeline
from mlops_constructs.training.stored_definition import StoredDefinition

# botocore, PipelineDefinition.
_LONGEST_DEFINITION = 1_048_576
# The template around the definition may have 1 MB (CloudFormation quotas); the quotes of the
# definition are escaped in it, and a stack holds more than a pipeline.
_LONGEST_INLINE = 262_144


class TrainingPipeline(StartedPipeline):
    """A SageMaker pipeline with its roles, code and triggers.

    Attributes:
        pipeline_name: The pipeline's name, a literal.
        pipeline_arn: Its ARN.
        definition: What was given, with this deployment's defaults.
        hardening: A line for everything that was added to the definition's jobs, or left out.
        artifacts_bucket: Given or made.
        encryption_key: Given or made.
        role: The role that runs the steps.
        job_roles: The roles of jobs, by kind: ``processing``, ``training``, ``model``.
        code: The code archives, by bundle.
        functions: The functions of Lambda steps that were made here, by name.
        resource: The ``AWS::SageMaker::Pipeline``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        definition: PipelineDefinition,
        network: JobNetwork,
        encryption_key: kms.IKey | None = None,
        data_bucket: s3.IBucket | None = None,
        artifacts_bucket: s3.IBucket | None = None,
        registry: ModelRegistry | None = None,
        images: Mapping[str, FrameworkImage] | None = None,
        functions: Mapping[str, lambda_.IFunction] | None = None,
        queues: Mapping[str, sqs.IQueue] | None = None,
        emr_roles: Mapping[str, iam.IRole] | None = None,
        bindings: Mapping[str, Binding] | None = None,
        parameters: Mapping[str, Value] | None = None,
        max_parallel_steps: int | None = None,
        description: str | None = None,
        allow_network_access: Collection[str] = (),
        allow_plain_traffic: Collection[str] = (),
    ) -> None:
        """Check the definition and deploy it.

        Args:
            scope: The parent.
            construct_id: The id below it.
            pipeline_name: 1 to 256 lower-case letters, digits and inner hyphens; create-only.
            definition: The compiled definition.
            network: Where jobs run.
            encryption_key: Encrypts volumes and outputs; made if not given.
            data_bucket: Raw data, read by jobs that name ``{{bucket.data}}``.
            artifacts_bucket: What jobs write, below the pipeline's name; made if not given.
            registry: Where versions of the model are registered.
            images: Images by name, in place of AWS's or beside them.
            functions: Functions of Lambda steps, by the name in ``{{function.<name>}}``; the
                pipeline may invoke them. Made from the definition's own files if not given; these
                may look up versions of the registry.
            queues: Queues of Callback steps, by the name in ``{{queue.<name>}}``; the pipeline
                may write to them.
            emr_roles: Roles of EMR and EMR Serverless steps, by the name in
                ``{{emr_role.<name>}}``; the pipeline may pass them to that service.
            bindings: More sentinels: a string, or a list where the sentinel stands alone in one.
            parameters: Defaults of the pipeline's parameters that differ in this deployment, such
                as a smaller tuning budget; whoever starts an execution may still override them.
            max_parallel_steps: Most steps of an execution that run at once; no limit if None.
            description: Up to 3072 characters.
            allow_network_access: Names of steps whose containers may reach the VPC's network
                (Feature Store, MLflow). Weakens a default, and warns.
            allow_plain_traffic: Names of steps whose containers talk to one another unencrypted,
                as encryption slows distributed training. Weakens a default, and warns.

        Raises:
            ValidationError: With everything that is wrong with the arguments or the definition.
        """
        super().__init__(scope, construct_id)
        problems = Problems(self)
        check_given(
            problems,
            definition=definition,
            network=network,
            encryption_key=encryption_key,
            data_bucket=data_bucket,
            artifacts_bucket=artifacts_bucket,
        )
        definition = replace(
            definition, document=with_defaults(problems, definition.document, parameters or {})
        )
        self.definition = definition
        self.pipeline_name = pipeline_name
        images = images or {}
        bindings = bindings or {}
        given_functions = functions or {}
        own_functions = _own_functions(definition, given_functions)
        outside = Outside(
            queues=queues or {},
            emr_roles=emr_roles or {},
            bindings=bindings,
        )
        check_pipeline(problems, pipeline_name=pipeline_name, max_parallel_steps=max_parallel_steps)
        document, self.hardening = check_definition(
            problems,
            definition,
            given=[
                "bucket.artifacts",
                *(["bucket.data"] if data_bucket else []),
                *(["model_package_group"] if registry else []),
                *(f"image.{name}" for name in (*definition.images, *images)),
                *outside.names(),
                *(f"function.{name}" for name in (*given_functions, *own_functions)),
            ],
            bindings=bindings,
            network_access=allow_network_access,
            plain_traffic=allow_plain_traffic,
        )
        problems.raise_if_any()
        self._warn("network-access", "reach the network of the VPC", allow_network_access)
        self._warn("plain-traffic", "exchange data unencrypted", allow_plain_traffic)

        self.encryption_key = ensure_key(
            self, encryption_key, description=f"Jobs of the pipeline {pipeline_name}"
        )
        self.artifacts_bucket = artifacts_bucket or secure_bucket(
            self, "Artifacts", encryption_key=self.encryption_key
        )
        self.code = {
            name: code_bundle(self, f"Code-{name}", files)
            for name, files in definition.bundles.items()
        }
        self.functions = {
            name: PipelineFunction(
                self,
                f"Function-{name}",
                file=file,
                encryption_key=self.encryption_key,
                description=f"The function {name} of the pipeline {pipeline_name}",
            )
            for name, file in own_functions.items()
        }
        if registry is not None:
            for made in self.functions.values():
                registry.grant_read_versions(made.role)
        outside = replace(
            outside,
            functions={
                **given_functions,
                **{name: made.function for name, made in self.functions.items()},
            },
        )
        used_images = self._images(images)
        resources = Resources(
            artifacts=self.artifacts_bucket,
            data=data_bucket,
            key=self.encryption_key,
            images=list(used_images.values()),
            code=list(self.code.values()),
        )
        folders = folders_of(definition, pipeline_name)
        self.job_roles = {
            kind: job_role(self, kind, definition=definition, folders=folders, resources=resources)
            for kind in kinds_of(definition.steps)
        }
        self.role = pipeline_role(
            self,
            definition=definition,
            folders=folders,
            resources=resources,
            job_roles=list(self.job_roles.values()),
            registry=registry,
            outside=outside,
        )
        bound = {
            **bindings,
            **outside.bound(),
            **_code_bindings(self.code),
            **{f"image.{name}": image.uri for name, image in used_images.items()},
            **{f"role.{kind}": role.role_arn for kind, role in self.job_roles.items()},
            "bucket.artifacts": self.artifacts_bucket.bucket_name,
            SUBNETS: network.subnet_ids,
            SECURITY_GROUPS: network.security_group_ids,
            KEY: self.encryption_key.key_arn,
        }
        if data_bucket is not None:
            bound["bucket.data"] = data_bucket.bucket_name
        if registry is not None:
            bound["model_package_group"] = registry.model_package_group_name
        self.resource = sagemaker.CfnPipeline(
            self,
            "Resource",
            pipeline_name=pipeline_name,
            pipeline_description=description,
            # These two are typed Any and take CloudFormation's spelling.
            pipeline_definition=self._place(problems, document, bound),
            parallelism_configuration=None
            if max_parallel_steps is None
            else {"MaxParallelExecutionSteps": max_parallel_steps},
            role_arn=self.role.role_arn,
        )
        wait_for_policy(self.resource, self.role)
        for role in self.job_roles.values():
            wait_for_policy(self.resource, role)
        self.pipeline_arn = Stack.of(self).format_arn(
            service="sagemaker", resource="pipeline", resource_name=self.resource.ref
        )

    def _images(self, given: Mapping[str, FrameworkImage]) -> dict[str, FrameworkImage]:
        used = [
            name.partition(".")[2]
            for name in sentinels(self.definition.document)
            if name.startswith("image.")
        ]
        return {
            name: given[name]
            if name in given
            else framework_image(self, name, self.definition.images[name])
            for name in sorted(used)
        }

    def _warn(self, name: str, what: str, steps: Collection[str]) -> None:
        if steps:
            Annotations.of(self).add_warning_v2(
                f"mlops-constructs:{name}",
                f"Jobs of {', '.join(sorted(steps))} may {what}, as the construct was told.",
            )

    def _place(
        self, problems: Problems, document: Mapping[str, Json], bound: Mapping[str, Binding]
    ) -> dict[str, object]:
        """Where CloudFormation finds the definition: in the template, or in S3 if it is large."""
        body = to_text(bind(document, tokens(bound)))
        problems.check(
            len(body) <= _LONGEST_DEFINITION,
            "definition",
            got=f"{len(body):,} characters",
            allowed=f"{_LONGEST_DEFINITION:,}, the most that SageMaker takes",
            instead="Move long arguments of steps into files of their code bundles.",
        )
        problems.raise_if_any()
        if len(body) <= _LONGEST_INLINE:
            return {"PipelineDefinitionBody": body}
        stored = StoredDefinition(
            self,
            "Definition",
            document=document,
            bindings=bound,
            bucket=self.artifacts_bucket,
            prefix=f"{self.pipeline_name}/definitions",
            encryption_key=self.encryption_key,
        )
        return {"PipelineDefinitionS3Location": {"Bucket": stored.bucket, "Key": stored.key}}


def _own_functions(
    definition: PipelineDefinition, given: Mapping[str, lambda_.IFunction]
) -> dict[str, Path]:
    """The definition's functions that a step names and that nobody gave."""
    used = sentinels(definition.document)
    return {
        name: file
        for name, file in definition.functions.items()
        if f"function.{name}" in used and name not in given
    }


def _code_bindings(code: Mapping[str, CodeBundle]) -> dict[str, str]:
    bindings = {}
    for name, bundle in code.items():
        bindings[f"code.{name}.uri"] = bundle.s3_object_url
        bindings[f"code.{name}.file"] = bundle.file_name
    return bindings
