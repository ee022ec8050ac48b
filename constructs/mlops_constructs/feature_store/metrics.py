"""What is seen of a feature group: metrics, alarms, graphs.

Names, units, statistics and dimensions: SageMaker developer guide, "Amazon SageMaker AI metrics in
Amazon CloudWatch", section "Amazon SageMaker Feature Store metrics" (monitoring-cloudwatch.html);
which units are counted in which mode: "Throughput modes", section "Throughput mode metrics"
(feature-store-throughput-mode.html). Editions of the guide differ: the one of 2023 lists the
consumed request units alone. By group there are metrics of single records only; BatchGetRecord,
and by the same rule BatchWriteRecord, have the dimension ``OperationName`` alone.

The guide names the namespace for every kind of SageMaker metric but these. It is taken to be
``AWS/SageMaker``: Datadog, which calls a metric after its namespace
(``aws.sagemaker.modelbuildingpipeline.…``, ``aws.sagemaker.labelingjobs.…``), lists
``aws.sagemaker.consumed_read_requests_units``. Where a group has traffic,
``aws cloudwatch list-metrics --metric-name ConsumedReadRequestsUnits`` tells.
"""

from __future__ import annotations

from aws_cdk import Duration, aws_cloudwatch as cloudwatch, aws_sns as sns
from constructs import Construct

from mlops_constructs.common.errors import Problem, ValidationError
from mlops_constructs.feature_store.alarms import FeatureGroupAlarms
from mlops_constructs.feature_store.stores import (
    OfflineOnly,
    Stores,
    is_provisioned,
    throughput_config,
)
from mlops_constructs.feature_store.types import BatchOperation, Operation

#: See the docstring of this module.
METRIC_NAMESPACE = "AWS/SageMaker"

#: What consumes units. The guide restricts the operational metrics of batch operations to the
#: account, and not those of their consumption.
_CONSUMERS = {
    "Read": ("GetRecord", "BatchGetRecord"),
    "Write": ("PutRecord", "DeleteRecord", "BatchWriteRecord"),
}


class FeatureGroupMetrics(Construct):
    """Metrics, alarms and graphs of a feature group.

    Attributes:
        feature_group_name: The name.
        stores: Where the records are.
    """

    feature_group_name: str
    stores: Stores

    def add_alarms(
        self,
        construct_id: str = "Alarms",
        *,
        topic: sns.ITopic | None = None,
        when: FeatureGroupAlarms | None = None,
    ) -> list[cloudwatch.Alarm]:
        """Alarms on throttling, latency, failing writes and, if it is reserved, on capacity.

        Args:
            construct_id: Below which id the alarms are.
            topic: Who is told when they fire and recover.
            when: Thresholds; the defaults of `FeatureGroupAlarms`.

        Raises:
            ValidationError: If a threshold makes no sense.
        """
        return (when or FeatureGroupAlarms()).build(Construct(self, construct_id), self, topic)

    def widgets(self, *, width: int = 12) -> list[cloudwatch.IWidget]:
        """Graphs for a dashboard: requests, latency, what was refused or failed, consumed units.

        Args:
            width: Of each, in the 24 columns of a dashboard.
        """
        operations = self.operations
        refused = [self.metric_throttled_requests(each) for each in operations]
        failed = [
            metric(each)
            for each in operations
            for metric in (self.metric_client_errors, self.metric_server_errors)
        ]
        consumed = [self.metric_consumed_write_units()]
        if Operation.GET_RECORD in operations:
            consumed.insert(0, self.metric_consumed_read_units())
        graphs = (
            ("requests", [self.metric_invocations(each) for each in operations]),
            ("p99 latency in microseconds", [self.metric_latency(each) for each in operations]),
            ("throttled and failed requests", refused + failed),
            ("consumed units", consumed),
        )
        return [
            cloudwatch.GraphWidget(
                title=f"{self.feature_group_name}: {title}",
                left=[_named(metric) for metric in metrics],
                width=width,
            )
            for title, metrics in graphs
        ]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is done with single records: reads only where there is an online store."""
        if isinstance(self.stores, OfflineOnly):
            return (Operation.PUT_RECORD, Operation.DELETE_RECORD)
        return tuple(Operation)

    def metric(
        self,
        metric_name: str,
        *,
        operation: Operation,
        statistic: str = "Sum",
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        """A metric of one runtime operation on this group, per minute in the service.

        Args:
            metric_name: A name of the developer guide's list.
            operation: GetRecord, PutRecord or DeleteRecord.
            statistic: How values are combined.
            period: Over what time; five minutes by default.
        """
        return self._metric(metric_name, str(operation), statistic=statistic, period=period)

    def metric_of_batches(
        self,
        metric_name: str,
        *,
        operation: BatchOperation,
        statistic: str = "Sum",
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        """A metric of a batch operation, of all groups of the account and region together.

        Args:
            metric_name: A name of the developer guide's list of operational metrics.
            operation: BatchGetRecord or BatchWriteRecord.
            statistic: How values are combined.
            period: Over what time; five minutes by default.
        """
        return cloudwatch.Metric(
            namespace=METRIC_NAMESPACE,
            metric_name=metric_name,
            dimensions_map={"OperationName": str(operation)},
            statistic=statistic,
            period=period,
        )

    def metric_invocations(
        self, operation: Operation, *, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Number of requests."""
        return self.metric("Invocations", operation=operation, period=period)

    def metric_client_errors(
        self, operation: Operation, *, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Number of requests answered with a 4xx code."""
        return self.metric("Operation4XXErrors", operation=operation, period=period)

    def metric_server_errors(
        self, operation: Operation, *, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Number of requests answered with a 5xx code."""
        return self.metric("Operation5XXErrors", operation=operation, period=period)

    def metric_throttled_requests(
        self, operation: Operation, *, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Number of requests refused because of too much traffic."""
        return self.metric("ThrottledRequests", operation=operation, period=period)

    def metric_latency(
        self, operation: Operation, *, statistic: str = "p99", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Time to answer, in microseconds."""
        return self.metric("Latency", operation=operation, statistic=statistic, period=period)

    def metric_consumed_read_units(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Read units that GetRecord consumed: of reserved capacity, or of requests on demand."""
        unit = "Capacity" if is_provisioned(self.stores) else "Requests"
        return self.metric(
            f"ConsumedRead{unit}Units", operation=Operation.GET_RECORD, period=period
        )

    def metric_consumed_write_units(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Write units that PutRecord consumed: of reserved capacity, or of requests on demand."""
        unit = "Capacity" if is_provisioned(self.stores) else "Requests"
        return self.metric(
            f"ConsumedWrite{unit}Units", operation=Operation.PUT_RECORD, period=period
        )

    def metric_read_capacity_used(
        self, *, period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Percent of the provisioned read units in use, by single and batch reads.

        Of a provisioned group only.
        """
        return self._used("Read", period)

    def metric_write_capacity_used(
        self, *, period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Percent of the provisioned write units in use, by single and batch writes, deletions.

        Of a provisioned group only.
        """
        return self._used("Write", period)

    def provisioned_units(self, kind: str) -> int | None:
        """Provisioned units a second for ``Read`` or ``Write``; None unless there are some."""
        units = throughput_config(self.stores).get(f"provisioned{kind}CapacityUnits")
        return int(units) if units else None

    def _used(self, kind: str, period: Duration | None) -> cloudwatch.MathExpression:
        units = self.provisioned_units(kind)
        if units is None:
            raise ValidationError(
                self,
                [
                    Problem(
                        what=f"metric_{kind.lower()}_capacity_used",
                        got=throughput_config(self.stores),
                        allowed=f"a group with provisioned {kind.lower()} units",
                        instead="Give its store throughput=Provisioned(...), or look at the "
                        "consumed units.",
                    )
                ],
            )
        consumed = {
            f"{operation[0].lower()}{operation[1:]}": self._metric(
                f"Consumed{kind}CapacityUnits", operation, period=period
            )
            for operation in _CONSUMERS[kind]
        }
        # A sum leaves out what has no data; `a + b` would have none unless both have some.
        total = f"SUM([{', '.join(consumed)}])"
        return cloudwatch.MathExpression(
            expression=f"100 * {total} / PERIOD({next(iter(consumed))}) / {units}",
            using_metrics=consumed,
            label=f"{kind} capacity used (%)",
            period=period,
        )

    def _metric(
        self,
        metric_name: str,
        operation: str,
        *,
        statistic: str = "Sum",
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=METRIC_NAMESPACE,
            metric_name=metric_name,
            dimensions_map={
                "FeatureGroupName": self.feature_group_name,
                "OperationName": operation,
            },
            statistic=statistic,
            period=period,
        )


def _named(metric: cloudwatch.Metric) -> cloudwatch.Metric:
    """Lines of several operations in one graph would all be called after their metric."""
    operation = (metric.dimensions or {}).get("OperationName")
    return metric.with_(label=f"{operation} {metric.metric_name}")
