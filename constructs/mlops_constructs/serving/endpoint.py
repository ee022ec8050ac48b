"""An endpoint that shifts traffic to a new model step by step and rolls back by itself.

What it makes: a model and an endpoint configuration without names, which CloudFormation replaces
when the model changes; the endpoint by name, which moves to the new configuration by its
deployment policy; the alarms that stop a bad move; and a role that may do no more than this model
needs. Facts behind it:

- Every property of an endpoint configuration is create-only, so that a configuration with a fixed
  name could never change (CloudFormation registry). The endpoint follows its attribute.
- Guardrails need equal variant names before and after: the endpoint's own is `VARIANT_NAME`.
- An update resets instance counts that the autoscaler has set unless all variant properties are
  retained, which is what `add_autoscaling` turns on; weights still follow the template.
- An update that changes the *instance type* of a scaled variant fails until its scalable target is
  gone: see `add_autoscaling`, ``paused``.
- A real-time endpoint cannot become serverless, and an asynchronous one stays asynchronous: give it
  another name. A serverless one can become real-time, but not go back, not even when CloudFormation
  rolls the stack back (SageMaker developer guide, "Serverless Inference").
- SageMaker's network interfaces outlive an endpoint for 15 minutes or more and keep subnets and
  security groups from being deleted: put the VPC into another stack.
- Endpoints mount no file systems (EFS, FSx): their models come from S3 or with the image.

`mlops_constructs.serving.checks` has the table of what fits what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack, overload

from aws_cdk import (
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_iam as iam,
    aws_kms as kms,
    aws_sagemaker as sagemaker,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.encryption import ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.given import check_given
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.regions import check_region
from mlops_constructs.common.roles import wait_for_policy
from mlops_constructs.common.tokens import is_token
from mlops_constructs.rules.instances import has_local_disk
from mlops_constructs.serving import checks, hosting
from mlops_constructs.serving.alarms import RollbackAlarms, tell
from mlops_constructs.serving.capture import DataCapture
from mlops_constructs.serving.checks import ServedModel
from mlops_constructs.serving.components import LONGEST_NAME, InferenceComponents
from mlops_constructs.serving.compute import (
    Asynchronous,
    Compute,
    Fleet,
    Instances,
    ManagedInstances,
    Serverless,
)
from mlops_constructs.serving.containers import SerialPipeline
from mlops_constructs.serving.dashboard import make_dashboard
from mlops_constructs.serving.deployment import Deployment, Rolling
from mlops_constructs.serving.interface import VARIANT_NAME, ServingEndpoint
from mlops_constructs.serving.model import ModelSource
from mlops_constructs.serving.notes import annotate
from mlops_constructs.serving.parts import MadeComponent, make_components, make_config
from mlops_constructs.serving.policies import ScalingPolicy, ScheduledCapacity
from mlops_constructs.serving.saturation import SaturationWarnings
from mlops_constructs.serving.scaled import check_scaling, what_is_scaled
from mlops_constructs.serving.scaling import Autoscaling
from mlops_constructs.serving.variants import (
    Beside,
    Challenger,
    Shadow,
    VariantModel,
    all_beside,
    check_beside,
)
from mlops_constructs.serving.watch import Watch, resources_of

# The id that it had when it could only track targets: another would deregister fleets.
_SCALING = "TargetTracking"


class _Settings(TypedDict, total=False):
    rollback: RollbackAlarms | None
    encryption_key: kms.IKey | None
    alarm_topic: sns.ITopic | None


class _FleetSettings(_Settings, total=False):
    network: JobNetwork | None
    network_isolation: bool
    capture: DataCapture | None


class BlueGreenEndpoint(ServingEndpoint):
    """An inference endpoint with guarded deployments.

    | ``compute`` | default ``deployment`` |
    |---|---|
    | `Instances`, `Asynchronous`, count 1 | `AllAtOnce`, bake of 10 minutes |
    | the same, count 2 and more | `Canary` of one instance or 10 % |
    | the same of type ml.inf1 | none: the service ignores it |
    | `ManagedInstances` | the service's own; `Rolling` over the copies of components if given |
    | `Serverless` | none: the service has no guardrails there |

    Attributes:
        alarms: The alarms made here; deployments roll back by them and by ``rollback.own``. They
            are the critical ones; `add_warnings` makes others.
        capture: The data capture, if any.
        component_names: What callers write as ``InferenceComponentName``, by component.
        condition: Whether a model was approved yet; None unless the model is an `ApprovedModel`.
            Resources that need the endpoint to exist need this condition too.
        deployment: How it moves to a new model; None where the service has no such thing.
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

    @overload
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ModelSource,
        compute: Serverless,
        **settings: Unpack[_Settings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ModelSource | SerialPipeline,
        compute: Asynchronous,
        deployment: Deployment | None = None,
        **settings: Unpack[_FleetSettings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: VariantModel,
        compute: Instances,
        deployment: Deployment | None = None,
        beside: Sequence[Challenger] | None = None,
        **settings: Unpack[_FleetSettings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ModelSource,
        compute: Instances,
        deployment: Deployment | None = None,
        beside: Shadow,
        **settings: Unpack[_FleetSettings],
    ) -> None: ...

    @overload
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: InferenceComponents,
        compute: ManagedInstances,
        deployment: Rolling | None = None,
        **settings: Unpack[_FleetSettings],
    ) -> None: ...

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ServedModel,
        compute: Compute,
        deployment: Deployment | None = None,
        beside: Beside | None = None,
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
            beside: Challengers for a share of the traffic, or a shadow that gets copies of it.
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
        known = isinstance(endpoint_name, str)
        super().__init__(scope, construct_id, endpoint_name=endpoint_name if known else "none")
        rollback = RollbackAlarms() if rollback is None else rollback
        problems = Problems(self)
        checks.check_kinds(
            problems, model=model, compute=compute, deployment=deployment, beside=beside
        )
        for what, value, kind in (
            ("endpoint_name", endpoint_name, str),
            ("rollback", rollback, RollbackAlarms),
            ("network", network, JobNetwork | None),
            ("network_isolation", network_isolation, bool),
            ("encryption_key", encryption_key, kms.IKey | None),
            ("capture", capture, DataCapture | None),
            ("alarm_topic", alarm_topic, sns.ITopic | None),
        ):
            check_given(problems, what, value, kind)
        problems.raise_if_any()
        self._model = model
        self._compute = compute
        self._beside = all_beside(beside)
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
        check_beside(problems, beside)
        self.component_names = self._name_components(problems)
        self.deployment = checks.choose_deployment(
            problems, deployment=deployment, compute=compute, model=model, beside=beside
        )
        watch = Watch(
            endpoint=self,
            rollback=rollback,
            compute=compute,
            deployment=self.deployment,
            beside=self._beside,
        )
        rollback.check(problems, watch.count)
        if capture is not None:
            capture.check(problems)
        checks.check_fit(
            problems,
            model=model,
            compute=compute,
            beside=beside,
            network=network,
            network_isolation=network_isolation,
            capture=capture,
        )
        problems.raise_if_any()

        fleets = [compute, *(each.compute for each in self._beside)]
        local_disks = [each.instance_type for each in fleets if isinstance(each, Fleet)]
        annotate(
            watch,
            network_isolation=network_isolation,
            key_given=encryption_key is not None,
            local_disks=[each for each in local_disks if has_local_disk(each)],
        )
        self.capture = capture
        self.encryption_key = ensure_key(
            self, encryption_key, description=f"Storage of the endpoint {endpoint_name}"
        )
        self.alarms = watch.before()
        self.role = hosting.make_role(
            self,
            endpoint_name,
            sources=[
                source
                for each in (model, *(one.model for one in self._beside))
                for source in each.sources
            ],
            compute=compute,
            network=network,
            capture=capture,
            encryption_key=self.encryption_key,
        )
        host = hosting.Host(
            role=self.role,
            network=network,
            isolated=network_isolation and not isinstance(compute, Serverless),
        )
        self._config, self.condition = make_config(
            self,
            host,
            variant_name=self.variant_name,
            model=model,
            compute=compute,
            beside=self._beside,
            capture=capture,
            # A key where no disk takes one may fail the call; where some do, it is for those.
            encryption_key=None
            if all(isinstance(each, Fleet) and each.has_local_disk for each in fleets)
            else self.encryption_key,
        )
        config_name = self._config.attr_endpoint_config_name
        #: Alarms that are there only once the endpoint is.
        self._late = watch.between(config_name)
        hosting.only_if(self.condition, resources_of(self._late))
        self.alarms += self._late
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=config_name,
            deployment_config=None if watch.is_shared else watch.deployment_config(self.alarms),
        )
        for resource in (self._config, self.endpoint):
            wait_for_policy(resource, self.role)
        hosting.only_if(self.condition, [self._config, self.endpoint])
        self._components: dict[str, MadeComponent] = {}
        if isinstance(model, InferenceComponents):
            self._components = make_components(
                self, host, model, endpoint=self.endpoint, watch=watch, names=self.component_names
            )
            self.alarms += [each for made in self._components.values() for each in made.alarms]
        tell(
            self.alarms,
            alarm_topic,
            without="the alarm acts by rolling back updates, which read it."
            if watch.rolls_back
            else "no update of this compute is rolled back: it is there to be looked at.",
        )
        self._scaled: set[str] = set()
        self._warnings: list[cloudwatch.Alarm] = []

    def add_autoscaling(
        self,
        *,
        min_capacity: int,
        max_capacity: int,
        policies: Sequence[ScalingPolicy] = (),
        schedules: Mapping[str, ScheduledCapacity] | None = None,
        variant: str | None = None,
        component: str | None = None,
        paused: bool = False,
    ) -> Autoscaling:
        """Let capacity follow the traffic, and updates keep the capacity that there is then.

        Capacity is instances; for `Serverless` it is provisioned concurrency, for inference
        components it is copies. From a minimum of 0, which asynchronous endpoints and components
        have, the first request brings the first instance or copy.

        **Another instance type** takes two deployments: one with ``paused=True``, one with the
        new type and without it. In between the fleet keeps its size.

        Args:
            min_capacity: The smallest capacity; large enough for the deployment policy.
            max_capacity: The largest capacity.
            policies: By what it is scaled; see `mlops_constructs.serving.policies`.
            schedules: Other limits at certain hours, by name.
            variant: A challenger or the shadow; the endpoint's own variant by default.
            component: An inference component, which is what scales on `ManagedInstances`.
            paused: Leave the scalable target out for now.

        Raises:
            ValidationError: If the numbers do not fit, or the endpoint cannot scale this way.
        """
        problems = Problems(self)
        for what, value, kind in (
            ("min_capacity", min_capacity, int),
            ("max_capacity", max_capacity, int),
            ("policies", policies, Sequence[ScalingPolicy]),
            ("schedules", schedules, Mapping[str, ScheduledCapacity] | None),
        ):
            check_given(problems, what, value, kind)
        problems.raise_if_any()
        found = dict(schedules or {})
        name = component or variant or self.variant_name
        check_scaling(
            problems,
            compute=self._compute,
            beside={each.name: each.compute for each in self._beside},
            model=self._model,
            deployment=self.deployment,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            policies=policies,
            schedules=found,
            variant=variant,
            component=component,
        )
        problems.check(
            name not in self._scaled,
            "component" if component else "variant",
            got=name,
            allowed="one scalable target each",
            instead="Give all policies and schedules in one call.",
        )
        problems.raise_if_any()
        self._scaled.add(name)
        scaling = Autoscaling(
            self,
            _SCALING if name == self.variant_name else f"Scaling-{name}",
            scaled=what_is_scaled(
                self,
                self._compute,
                endpoint=self.endpoint,
                name=name,
                is_component=component is not None,
            ),
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            policies=policies,
            schedules=found,
            paused=paused,
        )
        condition = self.condition
        if component is not None:
            made = self._components[component]
            condition = made.condition
            scaling.node.add_dependency(made.component)
        hosting.only_if(condition, scaling.resources)
        if component is None and isinstance(self._compute, Fleet):
            self._keep_counts()
        return scaling

    def add_warnings(
        self, *, topic: sns.ITopic | None = None, warnings: SaturationWarnings | None = None
    ) -> list[cloudwatch.Alarm]:
        """Warn before callers notice anything: memory, disk, concurrency, waiting requests.

        Args:
            topic: Told of them; another one than that of the critical alarms, if wanted.
            warnings: The thresholds.

        Raises:
            ValidationError: If a threshold makes no sense.
        """
        warnings = SaturationWarnings() if warnings is None else warnings
        problems = Problems(self)
        check_given(problems, "topic", topic, sns.ITopic | None)
        check_given(problems, "warnings", warnings, SaturationWarnings)
        problems.check(
            self.node.try_find_child("Warnings") is None,
            "add_warnings",
            got="a second call",
            allowed="one call, with all thresholds",
            instead="Write add_warnings(topic=..., warnings=SaturationWarnings(...)).",
        )
        problems.raise_if_any()
        warnings.check(problems)
        problems.raise_if_any()
        alarms = warnings.build(Construct(self, "Warnings"), self, self._compute)
        tell(alarms, topic, without="it is there to be looked at, and for the dashboard.")
        self._warnings = alarms
        return alarms

    def add_dashboard(
        self, *, name: str | None = None, construct_id: str = "Dashboard"
    ) -> cloudwatch.Dashboard:
        """A page with traffic, latency, errors, saturation and the state of deployments.

        Args:
            name: The dashboard's name; that of the endpoint by default.
            construct_id: The id.
        """
        return make_dashboard(
            self,
            construct_id,
            name=name or self.endpoint_name,
            endpoint=self,
            compute=self._compute,
            variants=[self.variant_name, *(each.name for each in self._beside)],
            components=self.component_names,
            alarms=[
                *(each for each in self.alarms if self.condition is None or each not in self._late),
                *self._warnings,
            ],
            many_models=type(self._model).__name__ == "MultiModel",
        )

    @property
    def longest_update(self) -> Duration:
        """How long the deployment policy lets an update take; the service's own an hour."""
        return Duration.seconds(
            3600 if self.deployment is None else self.deployment.timeout_seconds
        )

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to send requests, and to exchange payloads and answers through S3."""
        granted = super().grant_invoke(grantee)
        if isinstance(self._compute, Asynchronous):
            granted = granted.combine(hosting.allow_exchange(grantee, self._compute))
        return granted

    @property
    def _invoke_action(self) -> str:
        asynchronous = isinstance(self._compute, Asynchronous)
        return f"sagemaker:InvokeEndpoint{'Async' if asynchronous else ''}"

    def _name_components(self, problems: Problems) -> dict[str, str]:
        if not isinstance(self._model, InferenceComponents):
            return {}
        check_region(
            problems,
            Stack.of(self).region,
            "AWS::SageMaker::InferenceComponent",
            what="model",
            instead="Write another model, or deploy to another region.",
        )
        names = {each.name: self.component_name(each.name) for each in self._model.components}
        for given, name in names.items():
            problems.check(
                is_token(name) or len(name) <= LONGEST_NAME,
                "model.components",
                got=given,
                allowed=f"a name that makes {name!r} at most {LONGEST_NAME} characters long",
                instead="Shorten it.",
            )
        return names

    def _keep_counts(self) -> None:
        """Let updates keep what the autoscaler has set, and take weights from the template."""
        self.endpoint.retain_all_variant_properties = True
        if self._beside:
            self.endpoint.exclude_retained_variant_properties = [
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")
            ]
