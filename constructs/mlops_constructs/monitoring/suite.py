"""ModelMonitorSuite: drift is seen, explained and answered. One API, two engines.

What it makes with the default engine: a schedule that starts a pipeline which compares the last
hours of data with a reference; results in S3 in the layouts of SageMaker Model Monitor and as a
page; metrics, an alarm per severity, one for runs without an answer, one that sums them up, a topic
that they tell, and an event per run that rules can answer, such as by training anew::

    monitor.retrain(
        "Retrain",
        pipeline_name=training.pipeline_name,
        starter=training.starter.machine,
        most_per_week=2,
    )

Runs take turns: a run that begins while an earlier one is under way waits for it, and each window
of time is read by one run.

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
    aws_stepfunctions as sfn,
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
)
from mlops_constructs.monitoring.analysis.publish import EVENT_SOURCE, EVENT_TYPE, NAMESPACE
from mlops_constructs.monitoring.checks import check_suite
from mlops_constructs.monitoring.dashboard import widgets_of
from mlops_constructs.monitoring.definition import METRIC_TYPES
from mlops_constructs.monitoring.engines import Engine, NativeEngine, OpenEngine
from mlops_constructs.monitoring.inputs import (
    DataQuality,
    EndpointCapture,
    ModelQuality,
    Monitor,
    PackageBaselines,
    S3Folder,
    Target,
)
from mlops_constructs.monitoring.native_alarms import run_pattern, with_violations
from mlops_constructs.monitoring.native_engine import (
    KINDS,
    NativeMonitor,
    make_native_monitor,
    metric_namespace,
)
from mlops_constructs.monitoring.open_engine import OpenMonitor, make_open_monitor
from mlops_constructs.monitoring.package_copies import PackageCopies
from mlops_constructs.monitoring.plan import Plan
from mlops_constructs.monitoring.retraining import Retraining
from mlops_constructs.monitoring.schedules import Hourly, Schedule, hours_between
from mlops_constructs.monitoring.suite_alarms import native_alarms, open_alarms


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
        package_copies: Puts the served package's baselines where the native engine reads them;
            None unless it is used with `PackageBaselines`.
        violation_alarms: One per severity, of data quality; none with the native engine, whose
            runs have no severity.
        model_alarms: The same for the other monitors, by kind of monitor and severity.
        native_alarms: One for each monitor of the native engine: of violations of any severity.
        run_alarm: Fires when a run gave no answer.
        empty_alarm: Fires when a run found no data; None unless asked for.
        model_alarm: Is in alarm while any of the others is, the state of the model at a glance. It
            tells nobody, because the others do.

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
        baselines: PackageBaselines | None = None,
        alarm_when_empty: bool = False,
        destroy_data: bool = False,
    ) -> None:
        """Make the monitors.

        Args:
            scope: The parent.
            construct_id: The id.
            monitor_name: At most 48 lower-case letters, digits and inner hyphens.
            target: An endpoint with data capture, or files in S3.
            monitors: At most one of each kind.
            schedule: `Hourly` by default; a run looks at the time since the run before.
            engine: `OpenEngine` by default.
            reports: Where results go; a bucket is made when left out. The folder of each run is
                named after the pipeline's execution.
            encryption_key: Made when left out.
            topic: Made when left out.
            violation_alarms: By severity; one violation of either in one run by default. The native
                engine's violations have none: it takes the settings for warnings, else the others.
            baselines: Where reference, constraints and model come from, if from the model package
                that is served.
            alarm_when_empty: Whether a run that found no data alarms. Open engine only.
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
        check_suite(problems, self, monitor_name, target, monitors, schedule, engine, baselines)
        hours = hours_between(schedule) if isinstance(schedule, Schedule) else 1
        check_alarms(problems, violation_alarms, hours=hours)
        if isinstance(engine, NativeEngine):
            for severity, wanted in violation_alarms.items():
                problems.check(
                    wanted.at_least == 1,
                    f"violation_alarms[{severity}].at_least",
                    got=wanted.at_least,
                    allowed="1 with NativeEngine, which does not count violations",
                    instead="Leave it out, or take OpenEngine().",
                )
        problems.check(
            not alarm_when_empty or isinstance(engine, OpenEngine),
            "alarm_when_empty",
            got=True,
            allowed="False with NativeEngine, which counts no records",
            instead="Watch the endpoint's Invocations, or take OpenEngine().",
        )
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
            baselines=baselines,
        )
        self.monitors = tuple(type(monitor) for monitor in monitors)
        self.open_monitor: OpenMonitor | None = None
        self.native_monitors: dict[type[Monitor], NativeMonitor] = {}
        self.package_copies: PackageCopies | None = None
        if isinstance(engine, NativeEngine):
            self.native_monitors = {
                type(monitor): make_native_monitor(plan, monitor, engine) for monitor in monitors
            }
            if baselines is not None:
                self.package_copies = PackageCopies(
                    self,
                    "Baselines",
                    plan=plan,
                    baselines=baselines,
                    monitors=[(monitor, KINDS[type(monitor)].slug) for monitor in monitors],
                    topic=self.topic,
                )
            made = native_alarms(self, violation_alarms, Duration.hours(hours))
        else:
            self.open_monitor = make_open_monitor(plan, monitors, engine)
            made = open_alarms(
                self,
                self.open_monitor.pipeline_name,
                violation_alarms,
                Duration.hours(hours),
                when_empty=alarm_when_empty,
            )
        self.violation_alarms: dict[Severity, cloudwatch.Alarm] = made.violations
        self.model_alarms: dict[tuple[type[Monitor], Severity], cloudwatch.Alarm] = made.models
        self.native_alarms: dict[type[Monitor], cloudwatch.Alarm] = made.natives
        self.run_alarm: cloudwatch.Alarm = made.run
        self.empty_alarm: cloudwatch.Alarm | None = made.empty
        self.model_alarm: cloudwatch.CompositeAlarm = made.sum_up(self)

    def violation_pattern(self, severity: Severity | None = None) -> events.EventPattern:
        """The pattern of the event that a run with violations causes.

        Args:
            severity: Only if there is a violation of this severity; the native engine's event has
                none.

        The open engine's event says in ``detail`` how many (``violations``), in which
        ``features``, and where the ``report`` is. The native engine's is the job's own: that its
        event names the schedule and begins the exit message with ``CompletedWithViolations`` is
        what DescribeProcessingJob says, not what a page on the event promises.
        """
        if self.open_monitor is not None:
            return events.EventPattern(
                source=[EVENT_SOURCE],
                detail_type=[EVENT_TYPE],
                detail={
                    "monitor": [self.monitor_name],
                    "status": ["CompletedWithViolations"],
                    **({str(severity): [{"numeric": [">", 0]}]} if severity else {}),
                },
            )
        if severity is not None:
            self._refuse("violation_pattern(severity)", "Leave the severity out.")
        return run_pattern(self.schedule_arns(self.monitors), with_violations())

    def schedule_arns(self, kinds: Sequence[type[Monitor]]) -> list[str]:
        """The ARNs of the native engine's schedules of some kinds of monitors."""
        return [
            Stack.of(self).format_arn(
                service="sagemaker",
                resource="monitoring-schedule",
                resource_name=self.native_monitors[kind].schedule_name,
            )
            for kind in kinds
        ]

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

    def retrain(
        self,
        construct_id: str,
        *,
        pipeline_name: str,
        parameters: Mapping[str, str] | None = None,
        severity: Severity | None = None,
        cool_down: Duration | None = None,
        most_per_week: int = 3,
        approval: Duration | None = None,
        starter: sfn.IStateMachine | None = None,
    ) -> Retraining:
        """Answer violations by starting a pipeline, such as the one that trained the model.

        Args:
            construct_id: The id of what is made below the suite.
            pipeline_name: The pipeline.
            parameters: Its parameters; ``$.detail.features`` and other paths are read from the
                event (`analysis.publish` lists what it holds).
            severity: Only if the run has a violation of this severity; any by default.
            cool_down: For how long after a start nothing more is started: an hour to 7 days, one
                day by default.
            most_per_week: How many starts in seven days, 1 to 50.
            approval: For how long a person is asked before each start, an hour to 30 days; nobody
                is asked when left out.
            starter: What starts the pipeline once no other execution runs, such as
                ``TrainingPipeline.starter.machine``. Without it the pipeline is looked at before
                it is started; what others start in that moment runs beside it.

        Raises:
            ValidationError: With what is out of range, and with the native engine for paths into
                an event that is not its own.
        """
        return Retraining(
            self,
            construct_id,
            pattern=self.violation_pattern(severity),
            monitor_name=self.monitor_name,
            pipeline_name=pipeline_name,
            parameters=parameters or {},
            cool_down=cool_down or Duration.days(1),
            most_per_week=most_per_week,
            approval=approval,
            topic=self.topic,
            encryption_key=self.encryption_key,
            event_is_ours=self.open_monitor is not None,
            starter=starter,
        )

    def widgets(self, *, width: int = 12) -> list[cloudwatch.IWidget]:
        """What a dashboard shows of the model: violations, drift, quality, volume, alarms.

        Args:
            width: Of each, up to 24.
        """
        return widgets_of(self, width=width)

    def add_dashboard(self, construct_id: str, *, name: str) -> cloudwatch.Dashboard:
        """A dashboard with all `widgets`."""
        made = self.widgets()
        return cloudwatch.Dashboard(
            self,
            construct_id,
            dashboard_name=name,
            widgets=[made[at : at + 2] for at in range(0, len(made), 2)],
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

    def metric_records(
        self, *, monitor: type[Monitor] = DataQuality, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Number of records that were analysed."""
        return self.metric("Records", monitor=monitor, statistic="Sum", period=period)

    def metric_run_failed(
        self, *, monitor: type[Monitor] = DataQuality, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """1 for a run without an answer, else 0."""
        return self.metric("RunFailed", monitor=monitor, period=period)

    def metric_coverage(
        self, *, monitor: type[Monitor] = ModelQuality, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """The share of predictions whose truth is known, 0 to 1."""
        return self.metric("Coverage", monitor=monitor, statistic="Average", period=period)

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

    def _refuse(self, method: str, instead: str) -> NoReturn:
        engine = "OpenEngine" if self.open_monitor else "NativeEngine"
        raise ValidationError(
            self,
            [Problem(what=method, got=engine, allowed="an engine that has it", instead=instead)],
        )
