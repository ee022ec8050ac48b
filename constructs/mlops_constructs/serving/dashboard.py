"""One page about an endpoint: traffic, latency, errors, saturation, and where a deployment stands.

The state of a deployment is seen in what the fleets do: metrics by ``EndpointConfigName`` have a
line for the old configuration and one for the new, whose names nobody knows before; a search finds
them (CloudWatch user guide, "Search expressions"). The alarms that would roll it back stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.serving.compute import Asynchronous, Compute, Fleet, Serverless
from mlops_constructs.serving.interface import ServingEndpoint

_HALF = 12
_MICROSECONDS = cloudwatch.YAxisProps(label="µs", show_units=False, min=0)
_SHARE = cloudwatch.YAxisProps(label="share of requests", show_units=False, min=0)
_COUNT = cloudwatch.YAxisProps(label="count", show_units=False, min=0)


def make_dashboard(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    endpoint: ServingEndpoint,
    compute: Compute,
    variants: Sequence[str],
    components: Mapping[str, str],
    alarms: Sequence[cloudwatch.IAlarm],
    many_models: bool,
) -> cloudwatch.Dashboard:
    """Make the page.

    Args:
        scope: The parent.
        construct_id: The id.
        name: The dashboard's name.
        endpoint: Whose metrics it shows.
        compute: What it runs on, which decides on the metrics that there are.
        variants: Its variants, the shadow included.
        components: Its inference components, with what callers call them.
        alarms: Whose states it shows.
        many_models: Whether one container serves many models.
    """
    page = _Page(endpoint, variants, components)
    rows: list[list[cloudwatch.IWidget]] = [
        [
            page.traffic(asynchronous=isinstance(compute, Asynchronous)),
            page.latency(overhead=not isinstance(compute, Asynchronous)),
        ],
        [page.errors(), page.saturation(compute)],
        [page.fleets(), *_states(alarms)],
    ]
    if many_models:
        rows.append([page.models()])
    return cloudwatch.Dashboard(scope, construct_id, dashboard_name=name, widgets=rows)


class _Page:
    """The widgets, each about all variants or components."""

    def __init__(
        self, endpoint: ServingEndpoint, variants: Sequence[str], components: Mapping[str, str]
    ) -> None:
        self._endpoint = endpoint
        self._variants = variants
        self._components = components

    def traffic(self, *, asynchronous: bool) -> cloudwatch.GraphWidget:
        """Requests by variant or component; of a queue, how long it is."""
        if asynchronous:
            return _graph(
                "Queue",
                [
                    self._endpoint.metric_backlog().with_(label="waiting or under way"),
                    self._endpoint.metric_oldest_request().with_(label="oldest, seconds"),
                    self._endpoint.metric_async_failures().with_(label="failed"),
                ],
                _COUNT,
            )
        return _graph("Requests a minute", self._each("Invocations", "Sum"), _COUNT)

    def latency(self, *, overhead: bool) -> cloudwatch.GraphWidget:
        """Percentiles of the time in the model, and of what the service adds."""
        found = [
            metric
            for statistic in ("p50", "p90", "p99")
            for metric in self._each("ModelLatency", statistic, f" {statistic}")
        ]
        if overhead and not self._components:
            found += self._each("OverheadLatency", "p99", " overhead p99")
        return _graph("Latency", found, _MICROSECONDS)

    def errors(self) -> cloudwatch.GraphWidget:
        """Shares of requests that ended badly."""
        return _graph(
            "Errors",
            [
                metric
                for status in ("4XX", "5XX")
                for metric in self._each(
                    f"Invocation{status}Errors", "Average", f" {status.lower()}"
                )
            ],
            _SHARE,
        )

    def saturation(self, compute: Compute) -> cloudwatch.GraphWidget:
        """How full what it runs on is."""
        endpoint, found = self._endpoint, []
        if isinstance(compute, Serverless):
            found = [
                endpoint.metric_concurrency_utilization().with_(label="concurrency"),
                endpoint.metric_cold_start().with_(label="cold start p90, µs"),
            ]
            return _graph("Saturation", found, _COUNT)
        for variant in self._variants:
            kinds = [
                ("CPU", endpoint.metric_cpu_utilization(variant_name=variant)),
                ("memory", endpoint.metric_memory_utilization(variant_name=variant)),
                ("disk", endpoint.metric_disk_utilization(variant_name=variant)),
                ("instances", endpoint.metric_instances(variant_name=variant)),
            ]
            if isinstance(compute, Fleet) and compute.has_gpu:
                kinds += [
                    ("GPU", endpoint.metric_gpu_utilization(variant_name=variant)),
                    ("GPU memory", endpoint.metric_gpu_memory_utilization(variant_name=variant)),
                ]
            found += [metric.with_(label=f"{variant} {kind}") for kind, metric in kinds]
        return _graph(
            "Saturation",
            found,
            cloudwatch.YAxisProps(label="%, instances", show_units=False, min=0),
        )

    def fleets(self) -> cloudwatch.GraphWidget:
        """Requests by configuration: in a deployment the old one fades and the new one grows."""
        search = (
            "SEARCH('{AWS/SageMaker,EndpointName,VariantName,EndpointConfigName} "
            f'EndpointName="{self._endpoint.endpoint_name}" '
            '(MetricName="Invocations" OR MetricName="Invocation5XXErrors")\', \'Sum\', 60)'
        )
        return cloudwatch.GraphWidget(
            title="Deployment: requests and 5xx by configuration",
            width=_HALF,
            left=[
                cloudwatch.MathExpression(
                    expression=search, using_metrics={}, label="", period=Duration.minutes(1)
                )
            ],
            left_y_axis=_COUNT,
        )

    def models(self) -> cloudwatch.GraphWidget:
        """How well the models fit into memory."""
        return _graph(
            "Models",
            [
                self._endpoint.metric_loaded_models().with_(label="loaded"),
                self._endpoint.metric_cache_hits().with_(label="cache hits"),
            ],
            _COUNT,
        )

    def _each(self, name: str, statistic: str, suffix: str = "") -> list[cloudwatch.Metric]:
        endpoint = self._endpoint
        if self._components:
            return [
                endpoint.component_metric(component, name, statistic=statistic).with_(
                    label=f"{component}{suffix}"
                )
                for component in self._components
            ]
        return [
            endpoint.metric(name, statistic=statistic, variant_name=variant).with_(
                label=f"{variant}{suffix}"
            )
            for variant in self._variants
        ]


def _graph(
    title: str, metrics: Sequence[cloudwatch.Metric], axis: cloudwatch.YAxisProps
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, width=_HALF, left=list(metrics), left_y_axis=axis)


def _states(alarms: Sequence[cloudwatch.IAlarm]) -> list[cloudwatch.IWidget]:
    if not alarms:
        return []
    return [cloudwatch.AlarmStatusWidget(title="Alarms", width=_HALF, alarms=list(alarms))]
