"""An endpoint that shifts traffic to a new model step by step and rolls back by itself.

What it makes: a model and an endpoint configuration without names, which CloudFormation replaces
when the model changes; the endpoint by name, which moves to the new configuration by its
deployment policy; the alarms that stop a bad move; and a role that may do no more than this model
needs. Facts behind it:

- Every property of an endpoint configuration is create-only, so that a configuration with a fixed
  name could never change (CloudFormation registry). The endpoint follows its attribute.
- Guardrails need equal variant names before and after: there is one variant, `VARIANT_NAME`.
- An update resets instance counts that the autoscaler has set unless all variant properties are
  retained, which is what `add_target_tracking` turns on.
- An update that changes the *instance type* of an autoscaled variant fails until its scalable
  target is gone (SageMaker developer guide, "Update or delete endpoints that use automatic
  scaling"): take ``add_target_tracking`` out, deploy, change the type, put it back.
- A serverless endpoint cannot become a real-time one or the reverse: give it another name.
- SageMaker's network interfaces outlive an endpoint for 15 minutes or more and keep subnets and
  security groups from being deleted: put the VPC into another stack.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import (
    Annotations,
    CfnResource,
    Duration,
    aws_cloudwatch as cloudwatch,
    aws_iam as iam,
    aws_kms as kms,
    aws_sagemaker as sagemaker,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.encryption import ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.findings import acknowledge
from mlops_constructs.common.grants import allow_volume_key
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.roles import (
    allow_image_pull,
    allow_job_logs,
    allow_job_metrics,
    allow_vpc,
    sagemaker_role,
    wait_for_policy,
)
from mlops_constructs.common.tokens import is_token
from mlops_constructs.serving import checks, grants
from mlops_constructs.serving.alarms import RollbackAlarms
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.compute import Compute, Instances
from mlops_constructs.serving.deployment import Deployment, default_policy
from mlops_constructs.serving.interface import VARIANT_NAME, ServingEndpoint
from mlops_constructs.serving.model import ServedModel
from mlops_constructs.serving.scaling import TargetTracking


class BlueGreenEndpoint(ServingEndpoint):
    """An inference endpoint with guarded deployments.

    | ``compute`` | default ``deployment`` | VPC, isolation, capture | autoscaling |
    |---|---|---|---|
    | `Instances`, count 1 | `AllAtOnce`, bake of 10 minutes | yes | yes |
    | `Instances`, count 2 and more | `Canary` of one instance or 10 % | yes | yes |
    | `Instances` of type ml.inf1 | none: the service ignores it | yes | yes |
    | `Serverless` | none: the service has no guardrails there | no | no |

    Attributes:
        alarms: The alarms made here; deployments roll back by them and by ``rollback.own``.
        capture: The data capture, if any.
        condition: Whether a model was approved yet; None unless the model is an `ApprovedModel`.
            Resources that need the endpoint to exist need this condition too.
        encryption_key: The key of the fleet's storage, passed in or made.
        endpoint: The endpoint's resource.
        role: The role that SageMaker runs the model with.
    """

    @classmethod
    def from_endpoint_name(
        cls,
        scope: Construct,
        construct_id: str,
        endpoint_name: str,
        *,
        variant_name: str = VARIANT_NAME,
    ) -> ServingEndpoint:
        """An endpoint that exists already, in this account and region."""
        return ServingEndpoint(
            scope, construct_id, endpoint_name=endpoint_name, variant_name=variant_name
        )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ServedModel,
        compute: Compute,
        deployment: Deployment | None = None,
        rollback: RollbackAlarms | None = None,
        network: JobNetwork | None = None,
        network_isolation: bool = True,
        encryption_key: kms.IKey | None = None,
        capture: DataCapture | None = None,
        alarm_topic: sns.ITopic | None = None,
    ) -> None:
        """Make the endpoint.

        Args:
            scope: The parent.
            construct_id: The id.
            endpoint_name: Known at synth, lower case, at most 63 characters.
            model: What it serves.
            compute: What it runs on.
            deployment: How it moves to a new model; see the table of the class.
            rollback: When a deployment is rolled back; sensible thresholds by default.
            network: The VPC that the containers run in; the service's own network without it.
            network_isolation: Whether the containers are kept from any outbound connection.
                Turning it off warns.
            encryption_key: For the storage of the fleet; made if left out.
            capture: A sample of requests and answers in S3.
            alarm_topic: Told when an alarm fires or recovers.

        Raises:
            ValidationError: With everything that is wrong with the arguments.
        """
        super().__init__(scope, construct_id, endpoint_name=endpoint_name)
        rollback = rollback or RollbackAlarms()
        problems = Problems(self)
        checks.check_kinds(problems, model=model, compute=compute, deployment=deployment)
        self._compute = compute
        self._guarded = compute.guarded
        problems.check(
            not is_token(endpoint_name),
            "endpoint_name",
            got=endpoint_name,
            allowed="a literal name, as alarms and rules need it before the endpoint exists",
            instead="Write the name as text.",
        )
        check_name(problems, "endpoint_name", endpoint_name)
        model.check(problems)
        compute.check(problems)
        self._deployment = self._choose_deployment(problems, deployment)
        rollback.check(problems)
        if capture is not None:
            capture.check(problems)
        if isinstance(compute, Instances):
            checks.check_network(problems, network)
        else:
            checks.check_serverless(problems, network=network, capture=capture)
        problems.raise_if_any()

        isolated = network_isolation and isinstance(compute, Instances)
        self._warn(rollback, network_isolation=network_isolation)
        self.capture = capture
        self.encryption_key = ensure_key(
            self, encryption_key, description=f"Storage of the endpoint {endpoint_name}"
        )
        self.alarms = rollback.build(self, self, alarm_topic)
        self.role = self._make_role(model, network)

        bound = model.bind(self)
        self.condition = bound.condition
        self._model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=self.role.role_arn,
            primary_container=bound.container,
            enable_network_isolation=isolated,
            vpc_config={
                "subnets": network.subnet_ids,
                "securityGroupIds": network.security_group_ids,
            }
            if network is not None
            else None,
        )
        self._config = self._make_config()
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=self._config.attr_endpoint_config_name,
            deployment_config=self._deployment_config([*self.alarms, *rollback.own]),
        )
        for resource in (self._model, self._config, self.endpoint):
            wait_for_policy(resource, self.role)
            self._only_with_model(resource)

    def add_target_tracking(
        self,
        *,
        min_capacity: int,
        max_capacity: int,
        invocations_per_instance: int,
        scale_in_cooldown: Duration | None = None,
        scale_out_cooldown: Duration | None = None,
    ) -> TargetTracking:
        """Let the fleet follow its traffic, and updates keep the size that it has then.

        Args:
            min_capacity: The smallest fleet; large enough for the deployment policy.
            max_capacity: The largest fleet.
            invocations_per_instance: Requests a minute that one instance should take.
            scale_in_cooldown: Wait after removing instances; 5 minutes by default.
            scale_out_cooldown: Wait after adding instances; 1 minute by default.

        Raises:
            ValidationError: If the numbers do not fit, or the endpoint cannot scale this way.
        """
        tracking = TargetTracking(
            self,
            "TargetTracking",
            endpoint=self.endpoint,
            variant_name=self.variant_name,
            compute=self._compute,
            deployment=self._deployment,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            invocations_per_instance=invocations_per_instance,
            scale_in_cooldown=scale_in_cooldown or Duration.minutes(5),
            scale_out_cooldown=scale_out_cooldown or Duration.minutes(1),
        )
        self._only_with_model(tracking.target)
        self._only_with_model(tracking.policy)
        self.endpoint.retain_all_variant_properties = True
        return tracking

    def _choose_deployment(
        self, problems: Problems, deployment: Deployment | None
    ) -> Deployment | None:
        if not self._guarded:
            problems.check(
                deployment is None,
                "deployment",
                got=deployment,
                allowed="none: guardrails are not offered for serverless endpoints and ml.inf1, "
                "where the service would shift all traffic at once without baking",
                instead="Leave deployment out.",
            )
            return None
        count = self._compute.count if isinstance(self._compute, Instances) else 1
        if deployment is None:
            return default_policy(count)
        deployment.check(problems, count)
        return deployment

    def _warn(self, rollback: RollbackAlarms, *, network_isolation: bool) -> None:
        if not network_isolation:
            Annotations.of(self).add_warning_v2(
                "mlops-constructs:network-isolation-off",
                "network_isolation=False: the model's container can connect to anything that its "
                "network reaches. Leave it out unless the container calls other services.",
            )
        bake = self._deployment.bake_seconds if self._deployment is not None else 0
        if self._deployment is not None and bake < rollback.minutes * 60:
            Annotations.of(self).add_warning_v2(
                "mlops-constructs:bake-too-short",
                f"A bake of {bake} s ends before an alarm of {rollback.minutes} minutes can fire, "
                "so that a bad model is not rolled back. Bake longer.",
            )

    def _make_role(self, model: ServedModel, network: JobNetwork | None) -> iam.Role:
        role = sagemaker_role(
            self, "Role", description=f"What SageMaker may do for the endpoint {self.endpoint_name}"
        )
        allow_image_pull(role, *model.image_repository_arns)
        allow_job_logs(role, f"Endpoints/{self.endpoint_name}")
        allow_job_metrics(role, "/aws/sagemaker/Endpoints")
        for bucket in model.buckets:
            grants.allow_model_read(role, bucket)
        if self.capture is not None:
            grants.allow_capture(
                role, self.capture.bucket, self.capture.objects_of(self.endpoint_name)
            )
        if network is not None:
            allow_vpc(role)
        if self._guarded:
            grants.allow_rollback(role)
        allow_volume_key(role, self.encryption_key)
        return role

    def _make_config(self) -> sagemaker.CfnEndpointConfig:
        on_local_disk = self._compute.has_local_disk
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                {
                    "variantName": self.variant_name,
                    "modelName": self._model.attr_model_name,
                    "initialVariantWeight": 1,
                    **self._compute.to_variant(),
                }
            ],
            kms_key_id=None if on_local_disk else self.encryption_key.key_arn,
            data_capture_config=self.capture.to_property() if self.capture is not None else None,
        )
        if on_local_disk:
            acknowledge(
                config,
                {
                    "NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured": "The model "
                    "lies on the instance's own NVMe disk, which its hardware encrypts; a KMS key "
                    "would not apply to it and may fail the call."
                },
            )
        return config

    def _deployment_config(self, alarms: list[cloudwatch.IAlarm]) -> dict[str, Any] | None:
        if self._deployment is None:
            return None
        return {
            **self._deployment.to_property(),
            "autoRollbackConfiguration": {
                "alarms": [{"alarmName": alarm.alarm_name} for alarm in alarms]
            },
        }

    def _only_with_model(self, resource: CfnResource) -> None:
        if self.condition is not None:
            resource.cfn_options.condition = self.condition
