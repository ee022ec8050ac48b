"""Puts the baselines of the served model package where the native engine looks for them.

A machine (`package_states`) copies them whenever the endpoint is in service with another
configuration, or a version of the group is approved, and once an hour, ten minutes before the
service's schedules begin: an event may be lost, or older than this stack.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import (
    Duration,
    aws_events as events,
    aws_events_targets as targets,
    aws_iam as iam,
    aws_scheduler as scheduler,
    aws_sns as sns,
)
from constructs import Construct

from mlops_constructs.common.approvals import approvals_of
from mlops_constructs.common.roles import service_role, wait_for_policy
from mlops_constructs.common.workflows import workflow, workflow_role
from mlops_constructs.monitoring import access
from mlops_constructs.monitoring.alarms import make_alarm
from mlops_constructs.monitoring.baseline_job import copies_folder
from mlops_constructs.monitoring.inputs import (
    AttributionDrift,
    BiasDrift,
    DataQuality,
    EndpointCapture,
    ModelQuality,
    Monitor,
    PackageBaselines,
    S3Folder,
)
from mlops_constructs.monitoring.package_states import Copied, states
from mlops_constructs.monitoring.plan import Plan

_TIMEOUT_SECONDS = 600


class PackageCopies(Construct):
    """The machine and what starts it.

    Attributes:
        role: What the machine works with.
        machine: The machine.
        rule: Starts it when another package is served.
        schedule: Starts it every hour.
        alarm: Fires when files could not be copied, or were in neither place.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        plan: Plan,
        baselines: PackageBaselines,
        monitors: Sequence[tuple[Monitor, str]],
        topic: sns.ITopic,
    ) -> None:
        """Make them.

        Args:
            scope: The parent.
            construct_id: The id.
            plan: Of the suite.
            baselines: Whose packages.
            monitors: The monitors, each with the name of its folder.
            topic: Whom the alarm tells.
        """
        super().__init__(scope, construct_id)
        target = plan.target
        endpoint = target.endpoint_name if isinstance(target, EndpointCapture) else None
        self.role = workflow_role(
            self, "Role", description=f"Copies the baselines of the model of {plan.monitor_name}"
        )
        access.allow_package(self.role, endpoint, baselines)
        for monitor, _ in monitors:
            for folder in (monitor.constraints, getattr(monitor, "config", None)):
                if isinstance(folder, S3Folder):
                    access.allow_read_folder(self.role, folder)
        access.allow_write_folder(
            self.role,
            S3Folder(bucket=plan.reports.bucket, prefix=f"{plan.reports.prefix}/baselines"),
        )
        self.machine = workflow(
            self,
            "Machine",
            states=states(
                endpoint=endpoint,
                group=baselines.model_package_group_name,
                files=[file for each in monitors for file in _files(plan, *each)],
                bucket=plan.reports.bucket.bucket_name,
            ),
            start_at="Find",
            comment=f"Copies the baselines of the model that {plan.monitor_name} watches",
            timeout_seconds=_TIMEOUT_SECONDS,
            role=self.role,
            encryption_key=plan.key,
            variables={"reason": "", "package": ""},
        )
        self.rule = events.Rule(
            self,
            "Served",
            description=f"Another model may be served to those whom {plan.monitor_name} watches",
            event_pattern=approvals_of(baselines.model_package_group_name)
            if endpoint is None
            else _in_service(endpoint),
            targets=[
                targets.SfnStateMachine(
                    self.machine, role=self._starter("RuleRole", "events.amazonaws.com")
                )
            ],
        )
        starter = self._starter("ScheduleRole", "scheduler.amazonaws.com")
        self.schedule = scheduler.CfnSchedule(
            self,
            "Hourly",
            description=f"Looks for baselines of the model of {plan.monitor_name}",
            schedule_expression="cron(50 * * * ? *)",
            flexible_time_window={"mode": "OFF"},
            target={"arn": self.machine.state_machine_arn, "roleArn": starter.role_arn},
        )
        wait_for_policy(self.schedule, starter)
        self.alarm = make_alarm(
            self,
            "NoBaseline",
            description=f"{plan.monitor_name} is without a baseline of the model that is served",
            metric=self.machine.metric_failed(period=Duration.hours(1)),
            threshold=1,
            topic=topic,
        )

    def _starter(self, construct_id: str, service: str) -> iam.Role:
        role = service_role(
            self, construct_id, description="Starts one state machine", service=service
        )
        self.machine.grant_start_execution(role)
        return role


def _files(plan: Plan, monitor: Monitor, slug: str) -> list[Copied]:
    baselines, metrics = "DriftCheckBaselines", "ModelMetrics"
    match monitor:
        case DataQuality():
            members = {
                name: [f"{source}.ModelDataQuality.{name}" for source in (baselines, metrics)]
                for name in ("Statistics", "Constraints")
            }
        case ModelQuality():
            members = {
                "Constraints": [
                    f"{source}.ModelQuality.Constraints" for source in (baselines, metrics)
                ]
            }
        case BiasDrift():
            members = {
                "Constraints": [
                    f"{baselines}.Bias.{stage}TrainingConstraints" for stage in ("Post", "Pre")
                ],
                "ConfigFile": [f"{baselines}.Bias.ConfigFile"],
            }
        case AttributionDrift():
            members = {"Constraints": [f"{baselines}.Explainability.Constraints"]}
    own = {
        "Constraints": monitor.constraints,
        "Statistics": monitor.constraints,
        "ConfigFile": getattr(monitor, "config", None),
    }
    return [
        Copied(
            name=f"{type(monitor).__name__}.{name}",
            members=places,
            otherwise="" if (folder := own[name]) is None else f"{folder.uri}/{_NAMES[name]}",
            key=f"{copies_folder(plan, slug).prefix}/{_NAMES[name]}",
        )
        for name, places in members.items()
    ]


_NAMES = {
    "Constraints": "constraints.json",
    "Statistics": "statistics.json",
    "ConfigFile": "analysis_config.json",
}


def _in_service(endpoint: str) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.sagemaker"],
        detail_type=["SageMaker Endpoint State Change"],
        detail={"EndpointName": [endpoint], "EndpointStatus": ["IN_SERVICE"]},
    )
