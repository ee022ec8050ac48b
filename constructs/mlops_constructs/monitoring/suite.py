"""ModelMonitorSuite: drift is seen, explained and answered. One API, two engines.

What it makes with the default engine: a schedule that starts a pipeline which compares the last
hours of data with a reference; results in S3 in the layouts of SageMaker Model Monitor and as a
page; metrics, an alarm per severity, one for runs without an answer, a topic that they tell, and an
event per run that rules can answer, such as by training anew::

    training.on_event("OnDrift", event_pattern=monitor.violation_pattern())

SageMaker Model Monitor and Clarify take no new customers since 2026; `NativeEngine` is for accounts
that have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from aws_cdk import (
    Duration,
    RemovalPolicy,
    Stack,
    aws_cloudwatch as cloudwatch,
    aws_events as events,
    aws_iam as iam,
    aws_kms as kms,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.buckets import secure_bucket
from mlops_constructs.common.encryption import allow_publishers, ensure_key
from mlops_constructs.common.errors import Problem, Problems, ValidationError
from mlops_constructs.common.removal import data_removal_policy
from mlops_constructs.monitoring import access
from mlops_constructs.monitoring.alarms import (
    Severity,
    ViolationAlarm,
    check_alarms,
    failed_executions,
    make_alarm,
)
from mlops_constructs.monitoring.analysis.publish import EVENT_SOURCE, EVENT_TYPE, NAMESPACE
from mlops_constructs.monitoring.checks import check_suite
from mlops_constructs.monitoring.definition import METRIC_TYPES
from mlops_constructs.monitoring.engines import Engine, NativeEngine, OpenEngine
from mlops_constructs.monitoring.inputs import (
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    Monitor,
    S3Folder,
    Target,
)
from mlops_constructs.monitoring.native_engine import (
    KINDS,
    NativeMonitor,
    make_native_monitor,
    metric_namespace,
)
from mlops_constructs.monitoring.open_engine import OpenMonitor, make_open_monitor
from mlops_constructs.monitoring.plan import Plan
from mlops_constructs.monitoring.schedules import Hourly, Schedule, hours_of

_CALLED = {DataQuality: "data quality", ModelQuality: "model quality", BiasDrift: "bias"}


class ModelMonitorSuite(Construct):
    """Monitors of one endpoint or one data set.

    Attributes:
        monitor_name: The name, a dimension of the metrics.
        target: What is monitored.
        encryption_key: The key of volumes, results and topic.
        reports: Where the results are.
        topic: Whom the alarms tell.
        open_monitor: What the open engine made, if it is used.
        native_monitors: What the native engine made, by kind of monitor.
        violation_alarms: One per severity, of data quality; none with the native engine, which
            has no such metric.
        model_alarms: The same for the other monitors, by kind of monitor and severity.
        run_alarm: Fires when a run gave no answer; None with the native engine.

    Example:
        monitor = ModelMonitorSuite(
            self,
            "Monitor",
            monitor_name="census-dev",
            target=EndpointCapture(endpoint_name="census-dev", bucket=bucket, prefix="capture"),
            monitors=[DataQuality(reference=S3Dataset(bucket=bucket, prefix="reference"))],
            engine=OpenEngine(network=network),
        )
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        monitor_name: str,
        target: Target,
        monitors: Sequence[Monitor],
        schedule: Schedule | None = None,
        engine: Engine | None = None,
        reports: S3Folder | None = None,
        encryption_key: kms.IKey | None = None,
        topic: sns.ITopic | None = None,
        violation_alarms: Mapping[Severity, ViolationAlarm] | None = None,
        destroy_data: bool = False,
    ) -> None:
        """Make the monitors.

        Args:
            scope: The parent.
            construct_id: The id.
            monitor_name: At most 48 lower-case letters, digits and inner hyphens.
            target: An endpoint with data capture, or files in S3.
            monitors: At most one of each kind; the open engine has no `AttributionDrift`.
            schedule: `Hourly` by default; a run looks at the time since the run before.
            engine: `OpenEngine` by default.
            reports: Where results go; a bucket is made when left out. The folder of each run is
                named after the pipeline's execution.
            encryption_key: Made when left out.
            topic: Made when left out.
            violation_alarms: By severity; one violation of either in one run by default.
            destroy_data: Whether deleting the stack deletes a bucket and key made here. Needs
                `allow_data_destruction`.

        Raises:
            ValidationError: With everything that the services would refuse.
        """
        super().__init__(scope, construct_id)
        schedule = schedule or Hourly()
        engine = engine or OpenEngine()
        if violation_alarms is None:
            violation_alarms = {severity: ViolationAlarm() for severity in Severity}
        problems = Problems(self)
        check_suite(problems, self, monitor_name, target, monitors, schedule, engine)
        check_alarms(problems, violation_alarms)
        removal_policy = data_removal_policy(self, problems, destroy_data)
        problems.raise_if_any()

        self.monitor_name = monitor_name
        self.target = target
        self.encryption_key = ensure_key(
            self,
            encryption_key,
            description=f"Monitor {monitor_name}",
            removal_policy=removal_policy,
        )
        self.reports = reports or self._reports(removal_policy)
        self.topic = topic or self._topic()
        if self.topic.master_key is not None:
            allow_publishers(self.topic.master_key, "cloudwatch.amazonaws.com")
        plan = Plan(
            scope=self,
            monitor_name=monitor_name,
            target=target,
            schedule=schedule,
            reports=self.reports,
            key=self.encryption_key,
        )
        self.open_monitor: OpenMonitor | None = None
        self.native_monitors: dict[type[Monitor], NativeMonitor] = {}
        self.violation_alarms: dict[Severity, cloudwatch.Alarm] = {}
        self.model_alarms: dict[tuple[type[Monitor], Severity], cloudwatch.Alarm] = {}
        self.run_alarm: cloudwatch.Alarm | None = None
        if isinstance(engine, NativeEngine):
            self.native_monitors = {
                type(monitor): make_native_monitor(plan, monitor, engine) for monitor in monitors
            }
        else:
            self.open_monitor = make_open_monitor(plan, monitors, engine)
            self._alarms(
                self.open_monitor, monitors, violation_alarms, Duration.hours(hours_of(schedule))
            )

    def violation_pattern(self) -> events.EventPattern:
        """The pattern of the event that a run with violations causes.

        The open engine's event says in ``detail`` how many (``violations``), in which
        ``features``, and where the ``report`` is. The native engine's is the job's own: that its
        event names the schedule and begins the exit message with ``CompletedWithViolations`` is
        what DescribeProcessingJob says, not what a page on the event promises.
        """
        if self.open_monitor is not None:
            return events.EventPattern(
                source=[EVENT_SOURCE],
                detail_type=[EVENT_TYPE],
                detail={"monitor": [self.monitor_name], "status": ["CompletedWithViolations"]},
            )
        stack = Stack.of(self)
        return events.EventPattern(
            source=["aws.sagemaker"],
            detail_type=["SageMaker Processing Job State Change"],
            detail={
                "ExitMessage": events.Match.prefix("CompletedWithViolations"),
                "MonitoringScheduleArn": [
                    stack.format_arn(
                        service="sagemaker",
                        resource="monitoring-schedule",
                        resource_name=made.schedule_name,
                    )
                    for made in self.native_monitors.values()
                ],
            },
        )

    def on_violation(
        self, construct_id: str, *, target: events.IRuleTarget | None = None
    ) -> events.Rule:
        """A rule for runs with violations; it may see the same run twice.

        Args:
            construct_id: The rule's id.
            target: What answers; more can be added with ``add_target``.
        """
        return events.Rule(
            self,
            construct_id,
            description=f"Violations seen by the monitor {self.monitor_name}",
            event_pattern=self.violation_pattern(),
            targets=None if target is None else [target],
        )

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody start a run by hand.

        Raises:
            ValidationError: With the native engine, whose schedules alone start runs.
        """
        if self.open_monitor is None:
            self._refuse("grant_start", "Take OpenEngine(), or wait for the schedule.")
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:StartPipelineExecution"],
            resource_arns=[self.open_monitor.pipeline_arn],
        )

    def grant_read_reports(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody read the results of all runs."""
        self.encryption_key.grant_decrypt(grantee)
        return access.allow_read_folder(grantee, self.reports)

    def metric(
        self,
        metric_name: str,
        *,
        monitor: type[Monitor] = DataQuality,
        dimensions: Mapping[str, str] | None = None,
        statistic: str = "Maximum",
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        """A metric of the open engine, one value a run.

        Args:
            metric_name: One of those that `analysis.publish` lists.
            monitor: Of which kind of monitor.
            dimensions: More than ``Monitor`` and ``MonitorType``.
            statistic: How values are combined.
            period: Over what time; five minutes by default.

        Raises:
            ValidationError: With the native engine, which publishes by feature only.
        """
        if self.open_monitor is None:
            self._refuse("metric", "Take OpenEngine(), or metric_drift(feature).")
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric_name,
            dimensions_map={
                "Monitor": self.monitor_name,
                "MonitorType": METRIC_TYPES[monitor],
                **(dimensions or {}),
            },
            statistic=statistic,
            period=period,
        )

    def metric_violations(
        self,
        severity: Severity | None = None,
        *,
        monitor: type[Monitor] = DataQuality,
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        """Number of violations of one severity, or of all."""
        return self.metric(
            "Violations",
            monitor=monitor,
            dimensions={"Severity": str(severity)} if severity else None,
            period=period,
        )

    def metric_records(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Number of records that were analysed."""
        return self.metric("Records", statistic="Sum", period=period)

    def metric_run_failed(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """1 for a run without an answer, else 0."""
        return self.metric("RunFailed", period=period)

    def metric_measure(
        self, name: str, *, monitor: type[Monitor] = ModelQuality, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """A metric of model quality, such as ``auc``, or of bias, such as ``sex DPPL``."""
        return self.metric("Measure", monitor=monitor, dimensions={"Measure": name}, period=period)

    def metric_drift(self, feature: str, *, period: Duration | None = None) -> cloudwatch.Metric:
        """How far a feature's distribution is from the reference, by the measure of the engine."""
        if self.open_monitor is not None:
            return self.metric("Drift", dimensions={"Feature": feature}, period=period)
        if DataQuality not in self.native_monitors:
            self._refuse("metric_drift", "Add DataQuality(...) to the monitors.")
        dimensions = {"MonitoringSchedule": self.native_monitors[DataQuality].schedule_name}
        if isinstance(self.target, EndpointCapture):
            dimensions["Endpoint"] = self.target.endpoint_name
        return cloudwatch.Metric(
            namespace=metric_namespace(self.target, KINDS[DataQuality]),
            metric_name=f"feature_baseline_drift_{feature}",
            dimensions_map=dimensions,
            statistic="Maximum",
            period=period,
        )

    def _reports(self, removal_policy: RemovalPolicy) -> S3Folder:
        bucket = secure_bucket(
            self, "Bucket", encryption_key=self.encryption_key, removal_policy=removal_policy
        )
        return S3Folder(bucket=bucket, prefix=f"monitoring/{self.monitor_name}")

    def _topic(self) -> sns.Topic:
        return sns.Topic(
            self,
            "Topic",
            display_name=f"Monitor {self.monitor_name}",
            master_key=self.encryption_key,
            enforce_ssl=True,
        )

    def _alarms(
        self,
        made: OpenMonitor,
        monitors: Sequence[Monitor],
        violation_alarms: Mapping[Severity, ViolationAlarm],
        period: Duration,
    ) -> None:
        for kind in map(type, monitors):
            for severity, wanted in violation_alarms.items():
                alarm = make_alarm(
                    self,
                    f"{severity.capitalize()}ViolationsAlarm"
                    if kind is DataQuality
                    else f"{severity.capitalize()}{kind.__name__}Alarm",
                    description=f"{self.monitor_name}: {severity} violations of {_CALLED[kind]}. "
                    f"Reports: {self.reports.uri}",
                    metric=self.metric_violations(severity, monitor=kind, period=period),
                    threshold=wanted.at_least,
                    runs=wanted.consecutive_runs,
                    topic=self.topic,
                )
                if kind is DataQuality:
                    self.violation_alarms[severity] = alarm
                else:
                    self.model_alarms[kind, severity] = alarm
        self.run_alarm = make_alarm(
            self,
            "RunAlarm",
            description=f"{self.monitor_name}: a run of {made.pipeline_name} gave no answer",
            metric=failed_executions(made.pipeline_name, period),
            threshold=1,
            runs=1,
            topic=self.topic,
        )

    def _refuse(self, method: str, instead: str) -> NoReturn:
        engine = "OpenEngine" if self.open_monitor else "NativeEngine"
        raise ValidationError(
            self,
            [Problem(what=method, got=engine, allowed="an engine that has it", instead=instead)],
        )
