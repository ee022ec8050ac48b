"""Application Auto Scaling: targets, policies, scheduled actions and what they did.

A target tracking policy makes two alarms, as it does in AWS, and is carried out when one of them
fires; a step scaling policy is what an alarm of the user's own names as its action. Schedules are
of real time, as they are for EventBridge.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from localcloud import emulator
from localcloud.errors import ServiceError
from localcloud.sagemaker import capacity
from localcloud.sagemaker.adapters import service_error
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.metrics import NAMESPACE
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.services.alarms import Alarms
from localcloud.services.json_service import JsonService
from localcloud.services.scaling import ACTIVITY, SCALE_IN_SHARE, Scaler, bounded

NAME = "application-autoscaling"
_TARGET, _POLICY, _ACTION = "ScalableTarget", "ScalingPolicy", "ScheduledAction"
_DIMENSION = ("ServiceNamespace", "ResourceId", "ScalableDimension")

_HIGH_PERIODS, _LOW_PERIODS = 3, 15
"""For how many minutes in a row the metric of a target tracking policy is above its target, or
below, before it is acted on (user guide, "Target tracking scaling policies")."""
_METRICS = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "ConcurrentRequestsPerModel",
        "Maximum",
        10,
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        "ServerlessProvisionedConcurrencyUtilization",
        "Maximum",
        60,
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": ("InvocationsPerCopy", "Sum", 60),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (
        "ConcurrentRequestsPerCopy",
        "Maximum",
        10,
    ),
}
"""Name, statistic and period of what a predefined metric means."""


class ApplicationAutoScaling:
    """Keeps scalable targets, scaling policies and scheduled actions, and carries them out.

    Args:
        cloud: Its store keeps the records; its endpoints are what is scaled.
    """

    def __init__(self, cloud: SageMaker) -> None:
        self._cloud = cloud
        self._scaler = Scaler(cloud, lambda: self.alarms, self._policy_and_target)
        self.alarms = Alarms(cloud, self._scaler.alarmed)
        self.service = JsonService(
            NAME,
            {
                "RegisterScalableTarget": self._register,
                "DeregisterScalableTarget": self._deregister,
                "DescribeScalableTargets": self._describe_targets,
                "PutScalingPolicy": self._put_policy,
                "DeleteScalingPolicy": self._delete_policy,
                "DescribeScalingPolicies": self._describe_policies,
                "PutScheduledAction": self._put_action,
                "DeleteScheduledAction": self._delete_action,
                "DescribeScheduledActions": self._describe_actions,
                "DescribeScalingActivities": self._describe_activities,
            },
        )

    def _register(self, request: Json) -> Json:
        if request["ServiceNamespace"] == "sagemaker":
            self._require_variant(request["ResourceId"])
        record = self._get(_TARGET, request)
        data: dict[str, Any] = {**(record.data if record else {}), **request}
        missing = [m for m in ("MinCapacity", "MaxCapacity") if data.get(m) is None]
        if missing:
            raise ServiceError("ValidationException", f"{' and '.join(missing)} must be given.")
        if data["MinCapacity"] > data["MaxCapacity"]:
            raise ServiceError(
                "ValidationException", "Maximum capacity cannot be less than minimum capacity"
            )
        if data["ServiceNamespace"] == "sagemaker":
            capacity.check(self._cloud, data, int(data["MinCapacity"]))
        if record is None:
            record = self._add(_TARGET, request, f"scalable-target/{uuid4().hex[:32]}")
        record.data.update(data, ScalableTargetARN=record.arn)
        self._into_bounds(record, "minimum or maximum capacity changed")
        return {"ScalableTargetARN": record.arn}

    def _deregister(self, request: Json) -> Json:
        target = self._require(_TARGET, request)
        for record in (*self._records(_POLICY), *self._records(_ACTION)):
            if _dimension(record.data) == _dimension(target.data):
                self._remove_alarms(record)
                self._cloud.store.remove(self._cloud.scope, record)
        self._cloud.store.remove(self._cloud.scope, target)
        return {}

    def _describe_targets(self, request: Json) -> Json:
        found = [
            record.data
            for record in self._records(_TARGET)
            if record.data["ServiceNamespace"] == request["ServiceNamespace"]
            and record.data["ResourceId"]
            in (request.get("ResourceIds") or [record.data["ResourceId"]])
        ]
        page, token = paginate(found, request, page=50)
        return {"ScalableTargets": page, "NextToken": token}

    def _put_policy(self, request: Json) -> Json:
        if self._get(_TARGET, request) is None:
            raise _missing("No scalable target registered", request)
        kind = request.get("PolicyType") or "StepScaling"
        if not request.get(
            f"{kind}ScalingPolicyConfiguration".replace("ScalingScaling", "Scaling")
        ):
            raise ServiceError(
                "ValidationException", f"The configuration of a {kind} policy must be given."
            )
        record = self._get(_POLICY, request)
        if record is None:
            name = f"{request['ServiceNamespace']}/{request['ResourceId']}"
            path = f"scalingPolicy:{uuid4()}:resource/{name}:policyName/{request['PolicyName']}"
            record = self._add(_POLICY, request, path)
        record.data.update(request, PolicyARN=record.arn, PolicyType=kind)
        if kind == "TargetTrackingScaling":
            self._put_alarms(record)
        return {"PolicyARN": record.arn, "Alarms": record.data.get("Alarms") or []}

    def _delete_policy(self, request: Json) -> Json:
        policy = self._require(_POLICY, request)
        self._remove_alarms(policy)
        self._cloud.store.remove(self._cloud.scope, policy)
        return {}

    def _describe_policies(self, request: Json) -> Json:
        found = [
            {**record.data, "Alarms": record.data.get("Alarms") or []}
            for record in self._records(_POLICY)
            if all(record.data.get(m) == request[m] for m in _DIMENSION if request.get(m))
            and record.data["PolicyName"]
            in (request.get("PolicyNames") or [record.data["PolicyName"]])
        ]
        page, token = paginate(found, request, page=50)
        return {"ScalingPolicies": page, "NextToken": token}

    # --- target tracking -------------------------------------------------------------------------

    def _put_alarms(self, policy: Record) -> None:
        """The two alarms of a target tracking policy, under the names that they had before."""
        settings = policy.data["TargetTrackingScalingPolicyConfiguration"]
        metric, period = _tracked_metric(policy.data, settings)
        target = float(settings["TargetValue"])
        sides = [
            ("AlarmHigh", "GreaterThanThreshold", target, _HIGH_PERIODS),
            ("AlarmLow", "LessThanThreshold", target * SCALE_IN_SHARE, _LOW_PERIODS),
        ]
        client: Any = self._cloud.clients.client("cloudwatch", self._cloud.scope)
        known = {each["AlarmName"].split("-")[-6]: each for each in policy.data.get("Alarms") or ()}
        alarms = []
        for side, comparison, threshold, periods in sides:
            name = (known.get(side) or {}).get("AlarmName") or (
                f"TargetTracking-{policy.data['ResourceId']}-{side}-{uuid4()}"
            )
            try:
                client.put_metric_alarm(
                    AlarmName=name,
                    AlarmDescription=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy"
                    f" {policy.arn}.",
                    ComparisonOperator=comparison,
                    Threshold=threshold,
                    EvaluationPeriods=periods * 60 // period if period < 60 else periods,
                    AlarmActions=[policy.arn],
                    **metric,
                )
            except ClientError as error:
                raise service_error(error) from error
            scope = self._cloud.scope
            arn = f"arn:aws:cloudwatch:{scope.region}:{scope.account}:alarm:{name}"
            alarms.append({"AlarmName": name, "AlarmARN": arn})
        policy.data["Alarms"] = alarms

    def _remove_alarms(self, record: Record) -> None:
        names = [each["AlarmName"] for each in record.data.get("Alarms") or ()]
        if names:
            client: Any = self._cloud.clients.client("cloudwatch", self._cloud.scope)
            client.delete_alarms(AlarmNames=names)

    def _policy_and_target(self, arn: str) -> tuple[Record, Record] | None:
        for policy in self._records(_POLICY):
            if policy.arn == arn:
                target = self._get(_TARGET, policy.data)
                return (policy, target) if target else None
        return None

    def _into_bounds(self, target: Record, cause: str) -> None:
        """Bring a target whose capacity is outside of its bounds into them."""
        if target.data["ServiceNamespace"] != "sagemaker":
            return
        now = capacity.current(self._cloud, target.data)
        wanted = bounded(target.data, now or 0)
        if now is not None and wanted != now:
            self._scaler.set(target, wanted, cause)

    # --- schedules -------------------------------------------------------------------------------

    def _put_action(self, request: Json) -> Json:
        if self._get(_TARGET, request) is None:
            raise _missing("No scalable target registered", request)
        record = self._get(_ACTION, request)
        data: dict[str, Any] = {**(record.data if record else {}), **request}
        if not data.get("Schedule"):
            raise ServiceError("ValidationException", "Schedule must be given.")
        if not any((data.get("ScalableTargetAction") or {}).values()):
            raise ServiceError(
                "ValidationException", "MinCapacity or MaxCapacity of the action must be given."
            )
        due = _due(data["Schedule"], datetime.now(UTC))
        if record is None:
            name = f"{request['ServiceNamespace']}/{request['ResourceId']}"
            path = (
                f"scheduledAction:{uuid4()}:resource/{name}:scheduledActionName/"
                f"{request['ScheduledActionName']}"
            )
            record = self._add(_ACTION, request, path)
        record.data.update(data, ScheduledActionARN=record.arn)
        record.hidden["due"] = due.timestamp() if due else None
        return {}

    def _delete_action(self, request: Json) -> Json:
        record = self._get(_ACTION, request)
        if record is None:
            raise _missing("No scheduled action found", request)
        self._cloud.store.remove(self._cloud.scope, record)
        return {}

    def _describe_actions(self, request: Json) -> Json:
        found = [
            record.data
            for record in self._records(_ACTION)
            if all(record.data.get(m) == request[m] for m in _DIMENSION if request.get(m))
            and record.data["ScheduledActionName"]
            in (request.get("ScheduledActionNames") or [record.data["ScheduledActionName"]])
        ]
        page, token = paginate(found, request, page=50)
        return {"ScheduledActions": page, "NextToken": token}

    def _describe_activities(self, request: Json) -> Json:
        found = [
            record.data
            for record in reversed(self._records(ACTIVITY))
            if all(record.data.get(m) == request[m] for m in _DIMENSION if request.get(m))
        ]
        page, token = paginate(found, request, page=50)
        return {"ScalingActivities": page, "NextToken": token}

    def tick(self) -> None:
        """Carry out the scheduled actions that are due."""
        now = datetime.now(UTC)
        for scope, record in self._cloud.store.of_kind(_ACTION):
            due = record.hidden.get("due")
            if due is None or now.timestamp() < due:
                continue
            with emulator.within(scope):
                following = _due(record.data["Schedule"], now)
                ends = record.data.get("EndTime")
                over = following is None or (ends and following.timestamp() > float(ends))
                record.hidden["due"] = None if over or not following else following.timestamp()
                self._act(record)

    def _act(self, action: Record) -> None:
        target = self._get(_TARGET, action.data)
        if target is None or (target.data.get("SuspendedState") or {}).get(
            "ScheduledScalingSuspended"
        ):
            return
        bounds = action.data["ScalableTargetAction"]
        target.data.update({name: value for name, value in bounds.items() if value is not None})
        cause = f"scheduled action name {action.data['ScheduledActionName']} was triggered"
        self._into_bounds(target, cause)

    def _require_variant(self, resource_id: str) -> None:
        parts = resource_id.split("/")
        if parts[0] == "inference-component":
            name = {"InferenceComponentName": parts[-1]}
            known = self._cloud.find("InferenceComponent", name) is not None
        else:
            endpoint = self._cloud.find("Endpoint", {"EndpointName": parts[1]})
            variants = endpoint.data["ProductionVariants"] if endpoint else []
            known = parts[3:] in [[variant["VariantName"]] for variant in variants]
        if not known:
            raise ServiceError(
                "ValidationException",
                f"SageMaker resource doesn't exist for resourceId: {resource_id}",
            )

    def _records(self, kind: str) -> list[Record]:
        return self._cloud.store.records(self._cloud.scope, kind)

    def _get(self, kind: str, request: Json) -> Record | None:
        return self._cloud.store.get(self._cloud.scope, kind, _key(kind, request))

    def _require(self, kind: str, request: Json) -> Record:
        record = self._get(kind, request)
        if record is None:
            what = "scalable target registered" if kind == _TARGET else "scaling policy found"
            raise _missing(f"No {what}", request)
        return record

    def _add(self, kind: str, request: Json, path: str) -> Record:
        scope = self._cloud.scope
        service = "application-autoscaling" if kind == _TARGET else "autoscaling"
        arn = f"arn:aws:{service}:{scope.region}:{scope.account}:{path}"
        record = Record(kind, _key(kind, request), arn, {"CreationTime": time.time()})
        self._cloud.store.add(scope, record)
        return record


def _key(kind: str, request: Json) -> tuple[str, ...]:
    named = {_POLICY: "PolicyName", _ACTION: "ScheduledActionName"}.get(kind)
    return (*_dimension(request), *((request[named],) if named else ()))


def _dimension(members: Json) -> tuple[str, ...]:
    return tuple(members[member] for member in _DIMENSION)


def _missing(what: str, request: Json) -> ServiceError:
    namespace, resource, dimension = _dimension(request)
    return ServiceError(
        "ObjectNotFoundException",
        f"{what} for service namespace: {namespace}, resource ID: {resource}, scalable dimension:"
        f" {dimension}",
    )


def _tracked_metric(policy: Json, settings: Json) -> tuple[Json, int]:
    """The members of PutMetricAlarm that say what a target tracking policy follows; its period.

    Raises:
        ServiceError: Not exactly one metric is given, or one of another service.
    """
    predefined: Json = settings.get("PredefinedMetricSpecification") or {}
    custom: Json = settings.get("CustomizedMetricSpecification") or {}
    if bool(predefined) == bool(custom):
        raise ServiceError(
            "ValidationException",
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must"
            " be given.",
        )
    if custom:
        if custom.get("Metrics"):
            return {"Metrics": [_query(each) for each in custom["Metrics"]]}, 60
        members = {n: custom[n] for n in ("Namespace", "MetricName", "Statistic")}
        return {**members, "Dimensions": custom.get("Dimensions") or [], "Period": 60}, 60
    found = _METRICS.get(predefined["PredefinedMetricType"])
    if found is None:
        raise ServiceError(
            "ValidationException",
            f"The metric {predefined['PredefinedMetricType']} is not one of SageMaker.",
        )
    name, statistic, period = found
    parts = policy["ResourceId"].split("/")
    dimensions = (
        {"InferenceComponentName": parts[-1]}
        if parts[0] == "inference-component"
        else {"EndpointName": parts[1], "VariantName": parts[-1]}
    )
    shown = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": shown}
    return {**metric, "Statistic": statistic, "Period": period}, period


def _query(query: Json) -> Json:
    """A metric of a policy as PutMetricAlarm takes it: that one has a period."""
    if not query.get("MetricStat"):
        return query
    return {**query, "MetricStat": {"Period": 60, **query["MetricStat"]}}


_UNITS = {"minute": 60, "hour": 3600, "day": 86400}


def _due(schedule: str, after: datetime) -> datetime | None:
    """When a schedule is due next.

    Raises:
        ServiceError: It is none of ``at(…)``, ``rate(…)`` and ``cron(…)``.
    """
    once = re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", schedule)
    if once:
        moment = datetime.fromisoformat(once[1]).replace(tzinfo=UTC)
        return moment if moment > after else None
    every = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    if every:
        return after + timedelta(seconds=int(every[1]) * _UNITS[every[2]])
    if schedule.startswith("cron("):
        return emulator.next_cron(schedule, after)
    raise ServiceError(
        "ValidationException",
        f"Invalid schedule expression {schedule!r}: use at(yyyy-mm-ddThh:mm:ss), rate(value unit)"
        " or cron(fields).",
    )
