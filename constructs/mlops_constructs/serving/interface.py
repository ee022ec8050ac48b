"""What can be done with any endpoint, made here or elsewhere: invoke, measure, listen.

Metric names, dimensions and meanings: SageMaker developer guide, "Monitor Amazon SageMaker AI with
Amazon CloudWatch". The counts of errors are 0 or 1 for each request, so that their average is a
rate. Latencies are in microseconds.

Not every endpoint has every metric: asynchronous ones publish no ``Invocations``, no overhead and
no ``InvocationModelErrors`` but metrics of their queue (developer guide, "Alarms and logs for
tracking metrics from asynchronous endpoints", which calls its list exhaustive).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from aws_cdk import (
    ArnFormat,
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_sns as sns,
)
from constructs import Construct

#: The variant of an endpoint with one model. Guardrails demand that it keeps its name.
VARIANT_NAME = "AllTraffic"

_REQUESTS = "AWS/SageMaker"
_HOSTS = "/aws/sagemaker/Endpoints"


@cache
def _minute() -> Duration:
    return Duration.minutes(1)


class ServingEndpoint(Construct):
    """An endpoint, by name.

    Attributes:
        endpoint_name: Its name.
        endpoint_arn: Its ARN, lower-case as IAM compares it.
        variant_name: The variant that metrics are of unless another is named.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variant_name: str = VARIANT_NAME,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name = endpoint_name
        self.variant_name = variant_name
        self.endpoint_arn = Stack.of(self).format_arn(
            service="sagemaker",
            resource="endpoint",
            resource_name=endpoint_name,
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )

    @property
    def _invoke_action(self) -> str:
        return "sagemaker:InvokeEndpoint"

    def on_state_change(
        self, construct_id: str, *, target: events.IRuleTarget, statuses: Sequence[str] = ()
    ) -> events.Rule:
        """A rule for changes of the endpoint's status.

        Args:
            construct_id: The rule's id.
            target: What is called. The service may send several events for one change.
            statuses: Those of interest, in the upper-snake form of events: ``IN_SERVICE``,
                ``UPDATING``, ``ROLLING_BACK``, ``FAILED``, …; all by default.
        """
        return self._rule(construct_id, "SageMaker Endpoint State Change", target, statuses)

    def on_deployment_state_change(
        self, construct_id: str, *, target: events.IRuleTarget, statuses: Sequence[str] = ()
    ) -> events.Rule:
        """A rule for the steps of a deployment: traffic shifted, baking, rolled back.

        Args:
            construct_id: The rule's id.
            target: What is called.
            statuses: Endpoint statuses of interest, such as ``UPDATING``; all by default.
        """
        return self._rule(
            construct_id, "SageMaker Endpoint Deployment State Change", target, statuses
        )

    def tell_deployments(
        self, topic: sns.ITopic, *, construct_id: str = "Deployments"
    ) -> events.Rule:
        """Tell a topic of every step of a deployment and of every rollback and failure.

        CloudFormation reports an update that the service rolled back only at its end, and other
        tools not at all; the events tell at once. An encrypted topic needs a key that EventBridge
        may use (`allow_publishers`), and the service sends no deployment events for compute to
        which guardrails do not apply (developer guide, "Deployment guardrails").

        Args:
            topic: Who is told, in one line of text.
            construct_id: The rule's id.
        """
        kind, status, summary = (
            events.EventField.from_path(f"$.{path}")
            for path in ("detail-type", "detail.EndpointStatus", "detail.PendingDeploymentSummary")
        )
        message = events.RuleTargetInput.from_text(
            f"{kind} of {self.endpoint_name}: {status}, {summary}"
        )
        return events.Rule(
            self,
            construct_id,
            description=f"Deployments of {self.endpoint_name}",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=[
                    "SageMaker Endpoint Deployment State Change",
                    "SageMaker Endpoint State Change",
                ],
                detail={"EndpointName": [self.endpoint_name]},
            ),
            targets=[targets.SnsTopic(topic, message=message)],
        )

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to send requests to the endpoint."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[self._invoke_action],
            resource_arns=[self.endpoint_arn],
        )

    def metric(
        self,
        name: str,
        *,
        statistic: str,
        variant_name: str | None = None,
        config_name: str | None = None,
        period: Duration | None = None,
        namespace: str = _REQUESTS,
    ) -> cloudwatch.Metric:
        """A metric of one variant.

        Args:
            name: Such as ``ModelLatency``.
            statistic: Such as ``Sum`` or ``p99``.
            variant_name: The variant; the endpoint's own by default.
            config_name: Of the fleet with this endpoint configuration alone; of all by default.
            period: One minute by default.
            namespace: ``AWS/SageMaker``, or ``/aws/sagemaker/Endpoints`` for the instances.
        """
        dimensions = {
            "EndpointName": self.endpoint_name,
            "VariantName": variant_name or self.variant_name,
        }
        if config_name is not None:
            dimensions["EndpointConfigName"] = config_name
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            period=period or _minute(),
        )

    def metric_invocations(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Requests a minute."""
        return self.metric("Invocations", statistic="Sum", variant_name=variant_name)

    def metric_invocations_per_instance(
        self, *, variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Requests a minute and instance: what target tracking follows."""
        return self.metric("InvocationsPerInstance", statistic="Sum", variant_name=variant_name)

    def metric_latency(
        self, *, statistic: str = "p99", variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Time in the model's container, in microseconds."""
        return self.metric("ModelLatency", statistic=statistic, variant_name=variant_name)

    def metric_overhead_latency(
        self, *, statistic: str = "p99", variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Time that SageMaker adds to the model's, in microseconds."""
        return self.metric("OverheadLatency", statistic=statistic, variant_name=variant_name)

    def metric_client_errors(
        self, *, statistic: str = "Average", variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Answers with a 4xx status: their rate (``Average``, 0 to 1) or their ``Sum``."""
        return self.metric("Invocation4XXErrors", statistic=statistic, variant_name=variant_name)

    def metric_server_errors(
        self, *, statistic: str = "Average", variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Answers with a 5xx status: their rate (``Average``, 0 to 1) or their ``Sum``."""
        return self.metric("Invocation5XXErrors", statistic=statistic, variant_name=variant_name)

    def metric_model_errors(
        self, *, statistic: str = "Average", variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Answers of the model other than 2xx, timeouts and broken connections included."""
        return self.metric("InvocationModelErrors", statistic=statistic, variant_name=variant_name)

    def metric_instances(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """How many instances run: each reports its CPU once a minute."""
        return self.metric(
            "CPUUtilization", statistic="SampleCount", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_cpu_utilization(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """CPU of the instances in percent; 100 for each core."""
        return self.metric(
            "CPUUtilization", statistic="Average", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_memory_utilization(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Memory of the instances in percent."""
        return self.metric(
            "MemoryUtilization", statistic="Average", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_disk_utilization(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Disk of the instances in percent."""
        return self.metric(
            "DiskUtilization", statistic="Average", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_gpu_utilization(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """GPUs of the instances in percent; 100 for each device."""
        return self.metric(
            "GPUUtilization", statistic="Average", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_gpu_memory_utilization(
        self, *, variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Memory of the GPUs in percent; 100 for each device."""
        return self.metric(
            "GPUMemoryUtilization", statistic="Average", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_concurrency_utilization(
        self, *, variant_name: str | None = None
    ) -> cloudwatch.Metric:
        """Serverless: the share of ``max_concurrency`` in use, 0 to 1."""
        return self.metric(
            "ServerlessConcurrentExecutionsUtilization",
            statistic="Maximum",
            variant_name=variant_name,
        )

    def metric_cold_start(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Serverless: time to launch new capacity, in microseconds; one value a cold start."""
        return self.metric("ModelSetupTime", statistic="p90", variant_name=variant_name)

    def metric_loaded_models(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Multi-model: models in memory, on average over the containers."""
        return self.metric(
            "LoadedModelCount", statistic="Average", variant_name=variant_name, namespace=_HOSTS
        )

    def metric_cache_hits(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Multi-model: the share of requests whose model was in memory, 0 to 1."""
        return self.metric("ModelCacheHit", statistic="Average", variant_name=variant_name)

    def metric_backlog(self, *, per_instance: bool = False) -> cloudwatch.Metric:
        """Asynchronous: requests that wait or are under way."""
        name = "ApproximateBacklogSizePerInstance" if per_instance else "ApproximateBacklogSize"
        return self.endpoint_metric(name, statistic="Average")

    def metric_oldest_request(self) -> cloudwatch.Metric:
        """Asynchronous: the age of the oldest request in the queue, in seconds."""
        return self.endpoint_metric("ApproximateAgeOfOldestRequest", statistic="Maximum")

    def metric_async_failures(self, *, variant_name: str | None = None) -> cloudwatch.Metric:
        """Asynchronous: requests whose inference failed."""
        return self.metric("InvocationFailures", statistic="Sum", variant_name=variant_name)

    def endpoint_metric(self, name: str, *, statistic: str) -> cloudwatch.Metric:
        """A metric that the service publishes for the endpoint as a whole.

        Args:
            name: Such as ``HasBacklogWithoutCapacity``.
            statistic: Such as ``Average``.
        """
        return cloudwatch.Metric(
            namespace=_REQUESTS,
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name},
            statistic=statistic,
            period=_minute(),
        )

    def component_metric(self, component: str, name: str, *, statistic: str) -> cloudwatch.Metric:
        """A metric of one inference component.

        Args:
            component: Its name within the endpoint.
            name: Such as ``ModelLatency``.
            statistic: Such as ``p99``.
        """
        return cloudwatch.Metric(
            namespace=_REQUESTS,
            metric_name=name,
            dimensions_map={"InferenceComponentName": self.component_name(component)},
            statistic=statistic,
            period=_minute(),
        )

    def component_name(self, component: str) -> str:
        """What callers write as ``InferenceComponentName``."""
        return f"{self.endpoint_name}-{component}"

    def _rule(
        self, construct_id: str, event: str, target: events.IRuleTarget, statuses: Sequence[str]
    ) -> events.Rule:
        detail = {"EndpointName": [self.endpoint_name]}
        if statuses:
            detail["EndpointStatus"] = list(statuses)
        return events.Rule(
            self,
            construct_id,
            description=f"{event}: {self.endpoint_name}",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"], detail_type=[event], detail=detail
            ),
            targets=[target],
        )
