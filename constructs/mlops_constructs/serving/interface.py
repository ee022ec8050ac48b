"""What can be done with any endpoint, made here or elsewhere: invoke, measure, listen.

Metric names, dimensions and meanings: SageMaker developer guide, "Monitor Amazon SageMaker AI with
Amazon CloudWatch". The counts of errors are 0 or 1 for each request, so that their average is a
rate. Latencies are in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import (
    ArnFormat,
    Duration,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_iam as iam,
)
from constructs import Construct

#: The variant of an endpoint with one model. Guardrails demand that it keeps its name.
VARIANT_NAME = "AllTraffic"

_REQUESTS = "AWS/SageMaker"
_HOSTS = "/aws/sagemaker/Endpoints"


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

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to send requests to the endpoint."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:InvokeEndpoint"],
            resource_arns=[self.endpoint_arn],
        )

    def metric(
        self,
        name: str,
        *,
        statistic: str,
        variant_name: str | None = None,
        period: Duration | None = None,
        namespace: str = _REQUESTS,
    ) -> cloudwatch.Metric:
        """A metric of one variant.

        Args:
            name: Such as ``ModelLatency``.
            statistic: Such as ``Sum`` or ``p99``.
            variant_name: The variant; the endpoint's own by default.
            period: One minute by default.
            namespace: ``AWS/SageMaker``, or ``/aws/sagemaker/Endpoints`` for the instances.
        """
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map={
                "EndpointName": self.endpoint_name,
                "VariantName": variant_name or self.variant_name,
            },
            statistic=statistic,
            period=period or Duration.minutes(1),
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
