"""Everything that this package takes from ministack; no other module imports it.

ministack is pinned exactly, because most of what is used here is private to it. Each private name
is listed in ``PRIVATE_NAMES``, which the contract test resolves one by one: an upgrade that moves
one of them fails there with its name, not somewhere in a deployment.

The process environment (``settings.emulator_environment``) must be set before this module is
imported: ministack reads account, region and persistence settings when it is loaded.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast
from uuid import uuid4

import ministack.app as _app
from ministack.core import (
    iam_evaluator as _iam_evaluator,
    responses as _responses,
    router as _router,
)
from ministack.services import (
    athena as _athena,
    cloudwatch as _cloudwatch,
    eventbridge as _eventbridge,
    iam as _iam,
    lambda_svc as _lambda,
    s3 as _s3,
    scheduler as _scheduler,
    stepfunctions as _stepfunctions,
)
from ministack.services.cloudformation import (
    changesets as _changesets,
    engine as _engine,
    handlers as _handlers,
    provisioners as _provisioners,
    stacks as _stacks,
)

logger = logging.getLogger("localcloud.emulator")

PRIVATE_NAMES = (
    "ministack.app.SERVICE_HANDLERS",
    "ministack.app._reset_all_state",
    "ministack.services.cloudwatch._alarms",
    "ministack.services.cloudwatch._calc_stats",
    "ministack.services.cloudwatch._dims_key",
    "ministack.services.cloudwatch._dispatch_alarm_actions",
    "ministack.services.cloudwatch._evaluate_alarm",
    "ministack.services.cloudwatch._evaluate_parent_alarms",
    "ministack.services.cloudwatch._evict_old_metrics",
    "ministack.services.cloudwatch._metric_bucket",
    "ministack.services.cloudwatch._metrics",
    "ministack.services.cloudwatch._put_metric_alarm",
    "ministack.services.cloudwatch._record_history",
    "ministack.services.cloudwatch._stat_value",
    "ministack.services.eventbridge._cron_next_fire",
    "ministack.services.eventbridge._parse_cron_fields",
    "ministack.core.responses.AccountRegionScopedDict",
    "ministack.core.responses.AccountScopedDict",
    "ministack.services.eventbridge.start_scheduler",
    "ministack.services.scheduler.start_scheduler",
    "ministack.services.athena._executions",
    "ministack.services.athena._table_relation",
    "ministack.services.athena._empty_relation",
    "ministack.services.athena._data_format",
    "ministack.services.athena._save_query_results",
    "ministack.core.iam_evaluator._request_origin",
    "ministack.core.iam_evaluator._resolve_managed_policy_document",
    "ministack.services.eventbridge._archive_event",
    "ministack.services.eventbridge._dispatch_event",
    "ministack.services.eventbridge._event_bus_policies",
    "ministack.services.eventbridge._event_buses",
    "ministack.services.eventbridge._put_events",
    "ministack.services.eventbridge._put_permission",
    "ministack.services.eventbridge._invoke_target",
    "ministack.services.eventbridge._pattern_event_view",
    "ministack.services.iam._roles",
    "ministack.services.lambda_svc._execute_function",
    "ministack.services.lambda_svc._poll_kinesis",
    "ministack.services.s3._bucket_owner_account",
    "ministack.services.stepfunctions._AWS_SDK_SERVICE_MAP",
    "ministack.services.stepfunctions._AWS_SDK_ERROR_PREFIX",
    "ministack.services.cloudformation.provisioners._RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners._REPLACING_PROPERTIES",
    "ministack.services.cloudformation.provisioners._CONDITIONALLY_REPLACING_PROPERTIES",
    "ministack.services.cloudformation.provisioners._STACK_TAG_PROPERTY",
    "ministack.services.cloudformation.provisioners._cw_metric_alarm_record",
    "ministack.services.cloudformation.provisioners._physical_name",
    "ministack.services.cloudformation.provisioners._replacing_change",
    "ministack.services.cloudformation.stacks._replacing_change",
    "ministack.services.cloudformation.stacks._runs_on_worker_thread",
    "ministack.services.cloudformation.stacks._evaluate_conditions",
    "ministack.services.cloudformation.engine._evaluate_conditions",
    "ministack.services.cloudformation.handlers._evaluate_conditions",
    "ministack.services.cloudformation.changesets._evaluate_conditions",
)
"""The names that ministack does not promise to keep."""

T = TypeVar("T")
Json = dict[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
AsgiApp = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]

app: AsgiApp = _app.app
"""ministack's ASGI application."""


_METRICS_KEPT_SECONDS = 14 * 24 * 3600.0

_SIGNED_SERVICE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")

# --- account and region of a request -------------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """The account and region that a request or a background task acts in."""

    account: str
    region: str


def current_scope() -> Scope:
    """The scope of the running request."""
    return Scope(_responses.get_account_id(), _responses.get_region())


def within(scope: Scope) -> AbstractContextManager[None]:
    """Run a block in ``scope``: what is done there belongs to that account and region."""
    return cast(
        "AbstractContextManager[None]", _responses.request_scope(scope.account, scope.region)
    )


def signed_service(headers: Mapping[str, str]) -> str:
    """The service in the credential scope of a request's signature; empty if it has none."""
    match = _SIGNED_SERVICE.search(headers.get("authorization", ""))
    return match[1] if match else ""


def enter_request(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> None:
    """Set the scope of this request from its signature, as ministack does for its own services."""
    key = _router.extract_access_key_id(headers, query)
    if key:
        _responses.set_request_account_id(key)
    _responses.set_request_region(_router.extract_region(headers, query))


def bound(function: Callable[[T], None]) -> Callable[[T], None]:
    """``function`` in the scope of the caller, for threads that call it later."""
    scope = current_scope()

    def call(argument: T) -> None:
        with within(scope):
            function(argument)

    return call


def in_current_context(work: Callable[[], None]) -> Callable[[], None]:
    """``work`` bound to the scope of the caller, for a thread or timer that runs it later."""
    context = contextvars.copy_context()
    return lambda: context.run(work)


# --- events and metrics --------------------------------------------------------------------------


def put_service_event(
    *, detail_type: str, detail: Json, resources: list[str], source: str = "aws.sagemaker"
) -> None:
    """Put a service's event on the default bus of the current scope.

    PutEvents refuses sources that begin with ``aws.``, here as in AWS: only the service may emit.
    """
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
    _eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def record_metric(
    namespace: str, name: str, value: float, *, unit: str, dimensions: Mapping[str, str]
) -> None:
    """Add one datum to CloudWatch, in the current scope."""
    _cloudwatch.record_metric(namespace, name, value, unit, dict(dimensions))


class Tally:
    """One metric, written often: equal values within a while become one datum with a count.

    A busy endpoint would otherwise fill the memory with a datum for each request and metric.

    Args:
        namespace: Of the metric.
        name: Of the metric.
        unit: As CloudWatch calls it.
        dimensions: Of the metric.
        seconds: How long values are counted together.
    """

    def __init__(
        self, namespace: str, name: str, *, unit: str, dimensions: Mapping[str, str], seconds: float
    ) -> None:
        self._scope = current_scope()
        self._key = (namespace, name, _cloudwatch._dims_key(dict(dimensions)))
        self._unit, self._dimensions, self._seconds = unit, dict(dimensions), seconds
        self._lock = threading.Lock()
        self._until = 0.0
        self._data: dict[float, Json] = {}

    def add(self, value: float) -> None:
        """Count one value."""
        now = time.time()
        with self._lock:
            if now >= self._until:
                self._data = {}
                self._until = now + self._seconds
            datum = self._data.get(value)
            if datum is not None:
                datum["Count"] += 1.0
                return
            datum = {
                "Timestamp": now,
                "Value": float(value),
                "Count": 1.0,
                "Unit": self._unit,
                "Dimensions": self._dimensions,
            }
            self._data[value] = datum
            with within(self._scope):
                _cloudwatch._metric_bucket(self._key).append(datum)


def metric_values(
    namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, ends: list[float]
) -> list[float | None]:
    """A statistic of a metric, in the current scope, over each of several periods.

    Args:
        namespace: Of the metric.
        name: Of the metric.
        dimensions: All of them: another set of dimensions is another metric.
        statistic: ``Sum``, ``p99``, ….
        ends: When the periods begin and end: one moment more than there are periods.
    """
    key = (namespace, name, _cloudwatch._dims_key(dict(dimensions)))
    periods: list[list[Json]] = [[] for _ in ends[1:]]
    for datum in list(_cloudwatch._metrics.get(key) or ()):
        if ends[0] <= datum["Timestamp"] < ends[-1]:
            periods[bisect_right(ends, datum["Timestamp"]) - 1].append(datum)
    return [
        _cloudwatch._stat_value(_cloudwatch._calc_stats(data), statistic, data) if data else None
        for data in periods
    ]


# --- alarms --------------------------------------------------------------------------------------


def alarms() -> dict[Scope, list[Json]]:
    """The metric alarms of all scopes, as DescribeAlarms shows them."""
    found: dict[Scope, list[Json]] = {}
    for (account, region, _), alarm in list(_cloudwatch._alarms._data.items()):
        found.setdefault(Scope(account, region), []).append(alarm)
    return found


def change_alarm(alarm: Json, state: str, reason: str) -> None:
    """Move an alarm of the current scope to a state, with all that comes of it."""
    before = alarm["StateValue"]
    alarm["StateValue"], alarm["StateReason"] = state, reason
    alarm["StateUpdatedTimestamp"] = int(time.time())
    _cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    _cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    _cloudwatch._evaluate_parent_alarms(alarm)


def extend_cloudwatch(evaluate: Callable[[Json], None], scale: Callable[[str, Json], None]) -> None:
    """Evaluate alarms by all of their settings, metric math among them, and let them scale.

    ministack's own evaluation takes no notice of dimensions, of ``DatapointsToAlarm`` and of
    missing data, and refuses metric math.

    Args:
        evaluate: Gets an alarm of the current scope that may have to change its state.
        scale: Gets the ARN of a scaling policy that is an action of an alarm, and the alarm.
    """
    put, record = _cloudwatch._put_metric_alarm, _provisioners._cw_metric_alarm_record
    dispatch = _cloudwatch._dispatch_alarm_actions

    def put_metric_alarm(params: Any, data: Json, is_cbor: bool, is_json: bool = False) -> Any:
        answer = put(params, data, is_cbor, is_json)
        name = (data or {}).get("AlarmName")
        if name and data.get("Metrics") and name in _cloudwatch._alarms:
            alarm = _with_math(_cloudwatch._alarms[name], data["Metrics"])
            _cloudwatch._alarms[name] = alarm
            evaluate(alarm)
        return answer

    def alarm_record(name: str, properties: Json) -> Json:
        queries = properties.get("Metrics")
        if not queries:
            return cast("Json", record(name, properties))
        plain = {k: v for k, v in properties.items() if k != "Metrics"}
        alarm = record(name, {**plain, "MetricName": "math", "Namespace": "math"})
        return _with_math(alarm, queries)

    def dispatch_actions(alarm: Json, old: str, new: str, reason: str) -> None:
        dispatch(alarm, old, new, reason)
        if new == "ALARM" and alarm.get("ActionsEnabled", True):
            for action in alarm.get("AlarmActions") or ():
                if ":scalingPolicy:" in action:
                    work = in_current_context(lambda arn=action: scale(arn, alarm))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                    threading.Thread(target=work, daemon=True).start()

    _cloudwatch._put_metric_alarm = put_metric_alarm
    _cloudwatch._evaluate_alarm = evaluate
    _cloudwatch._dispatch_alarm_actions = dispatch_actions
    _cloudwatch._evict_old_metrics = _evict_old_metrics
    _provisioners._cw_metric_alarm_record = alarm_record


_OF_ONE_METRIC = frozenset(
    {"MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions"}
)


def _with_math(alarm: Json, queries: list[Json]) -> Json:
    """An alarm on metric math, made of one on a metric."""
    kept = {name: value for name, value in alarm.items() if name not in _OF_ONE_METRIC}
    return {**kept, "Metrics": queries}


def _evict_old_metrics() -> None:
    """Forget old data.

    The engine's own puts a new list in place of each: what is added meanwhile would be lost.
    """
    oldest = time.time() - _METRICS_KEPT_SECONDS
    for key in list(_cloudwatch._metrics):
        data = _cloudwatch._metrics.get(key) or []
        while data and data[0]["Timestamp"] < oldest:
            data.pop(0)


def next_cron(expression: str, after: datetime) -> datetime | None:
    """When a ``cron(…)`` of six fields is due next; None if never."""
    found = _eventbridge._cron_next_fire(_eventbridge._parse_cron_fields(expression), after)
    return cast("datetime | None", found)


TargetHandler = Callable[[Json, Json, str], bool]
"""Gets the target, the event and the target's input; says whether it took the target."""


class UndeliveredError(Exception):
    """A target that refuses an event. The sender learns nothing of it; the rule's metric does."""


def add_event_target(handler: TargetHandler) -> None:
    """Let ``handler`` take targets of rules and schedules before ministack looks at them."""
    original = _eventbridge._invoke_target

    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        try:
            taken = handler(target, event, str(target.get("Arn", "")))
        except UndeliveredError as error:
            logger.warning("rule %s: %s", rule.get("Name"), error)
            bus = rule.get("EventBusName", "default")
            dimensions = {"RuleName": str(rule.get("Name"))}
            if bus != "default":
                dimensions["EventBusName"] = str(bus)
            record_metric(
                "AWS/Events", "FailedInvocations", 1.0, unit="Count", dimensions=dimensions
            )
            return
        if not taken:
            original(target, event, rule, view)

    _eventbridge._invoke_target = invoke


def hold_schedules() -> None:
    """Let nothing happen by the clock: the engine's timers are not started."""
    _eventbridge.start_scheduler = lambda: None
    _scheduler.start_scheduler = lambda: None


def fire_target(target: Json) -> None:
    """Deliver to a target now what a schedule would deliver when it is due."""
    scope = current_scope()
    event = {
        "EventId": str(uuid4()),
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": int(time.time()),
        "Resources": [],
        "Account": scope.account,
        "Region": scope.region,
    }
    _eventbridge._invoke_target(target, event, {})


def event_document(event: Json) -> Json:
    """The event as its targets get it."""
    view = _eventbridge._pattern_event_view(event)
    return cast("Json", json.loads(json.dumps(view.event_with_detail())))


# --- tables that several threads use -------------------------------------------------------------


def read_tables_whole() -> None:
    """Look at a table again when another thread wrote to it meanwhile.

    The engine copies a table's items before it walks them, but the copy is not one step: each pair
    is a new object, and making one may run the garbage collector, and with it another thread.
    """
    for table in (_responses.AccountScopedDict, _responses.AccountRegionScopedDict):
        for name in ("items", "values", "keys", "all_items", "items_scoped", "values_scoped"):
            if view := vars(table).get(name):
                setattr(table, name, _whole(view))


def _whole(view: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    @wraps(view)
    def look(*arguments: Any) -> list[Any]:
        while True:
            try:
                return view(*arguments)
            except RuntimeError as error:
                if "changed size during iteration" not in str(error):
                    raise

    return look


# --- accounts that let one another in ------------------------------------------------------------


@dataclass(frozen=True)
class RolePolicies:
    """What a role may do.

    Args:
        identity: Its policies, inline and attached.
        boundary: Its permissions boundary, if it has one.
    """

    identity: tuple[Json, ...]
    boundary: Json | None


def role_policies(arn: str) -> RolePolicies | None:
    """The policies of a role of any account; None if there is no such role."""
    account, name = arn.split(":")[4], arn.rsplit("/", 1)[-1]
    role = _iam._roles.get_scoped(account, None, name)
    if role is None:
        return None
    boundary = role.get("PermissionsBoundary")
    return RolePolicies(
        (
            *(_document(text) for text in (role.get("InlinePolicies") or {}).values()),
            *(_managed_policy(policy, account) for policy in role.get("AttachedPolicies") or ()),
        ),
        _managed_policy(boundary, account) if boundary else None,
    )


def _managed_policy(arn: str, account: str) -> Json:
    # A policy that is not there allows nothing.
    found = _iam_evaluator._resolve_managed_policy_document(arn, account)
    return _document(found) if found else {"Statement": []}


def _document(policy: str | Json) -> Json:
    return cast("Json", json.loads(policy)) if isinstance(policy, str) else policy


def caller_identity(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Json:
    """Who signed a request: its ``accessKey``, ``accountId``, ``userArn`` and ``userId``.

    What is signed with anything but a key that the emulator has given is the account's own.
    """
    key = _router.extract_access_key_id(headers, query)
    account = current_scope().account
    return cast("Json | None", _iam_evaluator.resolve_caller_identity(key)) or {
        "accessKey": key,
        "accountId": account,
        "userArn": f"arn:aws:iam::{account}:root",
        "userId": account,
    }


def bucket_owner(name: str) -> str | None:
    """The account of a bucket; None if there is none of that name, which is one for all."""
    return cast("str | None", _s3._bucket_owner_account(name))


def take_requests_for_encrypted() -> None:
    """Count requests as such that come by TLS, as all do in AWS that an SDK sends.

    They stay on this machine. A bucket whose policy denies plain HTTP would let no other account
    in, whatever else it says.
    """
    _iam_evaluator._request_origin = contextvars.ContextVar("origin", default=("127.0.0.1", True))


def event_bus_policy(name: str) -> Json | None:
    """The resource policy of an event bus of the current scope."""
    policy = _eventbridge._event_bus_policies.get(name)
    return cast("Json | None", policy)


def hand_over_event(event: Json, bus: str) -> bool:
    """Put an event of another account or region on a bus of the current scope.

    It keeps its id and says where it comes from, as in AWS.

    Returns:
        Whether there is such a bus.
    """
    if bus != "default" and bus not in _eventbridge._event_buses:
        return False
    handed = {**event, "EventBusName": bus}
    _eventbridge._dispatch_event(handed)
    _eventbridge._archive_event(handed)
    return True


def extend_event_buses() -> None:
    """Let PutPermission take a whole policy, which the engine drops (botocore: ``Policy``)."""
    put = _eventbridge._put_permission

    def put_permission(data: Json) -> Any:
        if not data.get("Policy"):
            return put(data)
        bus = str(data.get("EventBusName") or "default")
        if bus != "default" and bus not in _eventbridge._event_buses:
            return _responses.error_response_json(
                "ResourceNotFoundException", f"Event bus {bus} does not exist.", 400
            )
        _eventbridge._event_bus_policies[bus] = json.loads(data["Policy"])
        return _responses.json_response({})

    _eventbridge._put_permission = put_permission


# --- Athena --------------------------------------------------------------------------------------


def extend_athena() -> None:
    """Read Parquet by the columns of the table, and write results where the execution says.

    The engine reads the columns that the files have: one that was added to the table later is
    null in AWS, and would be unknown here.
    """
    relation, save = _athena._table_relation, _athena._save_query_results

    def table_relation(table: Json, files: list[str]) -> str:
        found = str(relation(table, files))
        if _athena._data_format(table) != "parquet":
            return found
        columns = _athena._empty_relation(table)
        return f"(SELECT * FROM {columns} UNION ALL BY NAME SELECT * FROM {found})"  # noqa: S608  # both are made by the engine

    # The engine takes the place of the file, which it has told the client, for a folder.
    async def save_query_results(query: str) -> None:
        result = _athena._executions[query]["ResultConfiguration"]
        told = result["OutputLocation"]
        result["OutputLocation"] = told.rpartition("/")[0]
        try:
            await save(query)
        finally:
            result["OutputLocation"] = told

    _athena._table_relation = table_relation
    _athena._save_query_results = save_query_results


# --- Lambda --------------------------------------------------------------------------------------


def extend_lambda() -> None:
    """Send a batch of a Kinesis stream again of which a function says that a part failed.

    The engine takes such a batch for done. Lambda sends it again from the lowest sequence number
    that was reported; here the whole batch is sent again, a second later and until it passes.
    """
    execute, poll = _lambda._execute_function, _lambda._poll_kinesis
    polling = threading.local()

    def poll_kinesis() -> bool:
        polling.now = True
        try:
            return bool(poll())
        finally:
            polling.now = False

    def execute_function(function: Json, event: Json) -> Json:
        result = cast("Json", execute(function, event))
        body = result.get("body")
        if isinstance(body, str | bytes) and b"batchItemFailures" in (
            body.encode() if isinstance(body, str) else body
        ):
            body = json.loads(body)
        failed = body.get("batchItemFailures") if isinstance(body, dict) else None
        if getattr(polling, "now", False) and failed and not result.get("error"):
            told = {"errorType": "BatchItemFailures", "errorMessage": f"of {failed[0]} at least"}
            return {**result, "error": True, "body": told}
        return result

    _lambda._execute_function = execute_function
    _lambda._poll_kinesis = poll_kinesis


# --- Step Functions ------------------------------------------------------------------------------

ServiceHandler = Callable[
    [str, str, Mapping[str, str], bytes, Mapping[str, list[str]]],
    Awaitable[tuple[int, dict[str, str], bytes]],
]


def add_sdk_integration(service: str, *, error_prefix: str, **entry: str) -> None:
    """Let state machines call ``arn:aws:states:::aws-sdk:<service>:*``."""
    _stepfunctions._AWS_SDK_SERVICE_MAP[service] = entry
    _stepfunctions._AWS_SDK_ERROR_PREFIX[service] = error_prefix


def query_service_for_state_machines(name: str) -> ServiceHandler:
    """A query-protocol service whose refusals state machines can catch by their names.

    ministack finds an error in a response only where it has RDS's XML namespace or none.
    """
    handler = _app.SERVICE_HANDLERS[name]

    async def handle(
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, list[str]],
    ) -> tuple[int, dict[str, str], bytes]:
        status, answer_headers, content = await handler(method, path, headers, body, query)
        if status >= 400:
            content = re.sub(rb' xmlns="[^"]*"', b"", content)
            # What the SDK has no class for is the service's own exception to it.
            content = content.replace(b"<Code>ValidationError<", b"<Code>CloudFormationException<")
        return status, answer_headers, content

    return handle


def add_service(name: str, handler: ServiceHandler) -> None:
    """Make ``handler`` what ministack's own services reach under ``name``."""
    _app.SERVICE_HANDLERS[name] = handler


# --- CloudFormation ------------------------------------------------------------------------------


class ResourceHandlers(Protocol):
    """What the CloudFormation engine calls for a resource type."""

    def create(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the resource; return its physical id and its attributes."""

    def update(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the resource in place; return its physical id and its attributes."""

    def delete(self, physical_id: str, properties: Json) -> None:
        """Delete the resource."""


ReplacementRule = Callable[[Json, Json], bool]
"""Gets old and new properties; says whether the change replaces the resource."""

_replacement_rules: dict[str, ReplacementRule] = {}
_blocking_types: set[str] = set()


def supported_resource_types() -> frozenset[str]:
    """The resource types that the CloudFormation engine knows now."""
    return frozenset(_provisioners._RESOURCE_HANDLERS)


def add_resource_type(
    name: str,
    handlers: ResourceHandlers,
    *,
    create_only: frozenset[str],
    conditionally_create_only: frozenset[str] = frozenset(),
    replaces: ReplacementRule,
    tags: str | None = None,
) -> None:
    """Register a resource type with the CloudFormation engine.

    Args:
        name: Such as ``AWS::SageMaker::Model``.
        handlers: Make, update and delete resources; they may block, each runs on its own thread.
        create_only: Properties whose change always replaces, as change sets report them.
        conditionally_create_only: Properties with a create-only member further down.
        replaces: Decides over a concrete change.
        tags: The property that takes the tags of the stack, if the type takes any.
    """
    _provisioners._RESOURCE_HANDLERS[name] = {
        "create": handlers.create,
        "update": handlers.update,
        "delete": handlers.delete,
    }
    _provisioners._REPLACING_PROPERTIES[name] = tuple(sorted(create_only))
    _provisioners._CONDITIONALLY_REPLACING_PROPERTIES[name] = tuple(
        sorted(conditionally_create_only)
    )
    if tags:
        _provisioners._STACK_TAG_PROPERTY[name] = (tags, "list")
    _replacement_rules[name] = replaces
    _blocking_types.add(name)


Completion = Callable[[str, Json, Json], Json]
"""Gets physical id, properties and attributes of a resource; returns the attributes."""


def complete_resource_type(name: str, complete: Completion) -> None:
    """Run ``complete`` after ministack has made or updated a resource of one of its own types."""
    handlers = dict(_provisioners._RESOURCE_HANDLERS[name])
    create, update = handlers["create"], handlers["update"]

    def completed_create(logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        physical_id, attributes = create(logical_id, properties, stack_name)
        return physical_id, complete(physical_id, properties, attributes)

    def completed_update(
        physical_id: str, old: Json, new: Json, stack_name: str, *rest: Any
    ) -> tuple[str, Json]:
        updated, attributes = update(physical_id, old, new, stack_name, *rest)
        return updated, complete(updated, new, attributes)

    handlers |= {"create": completed_create, "update": completed_update}
    _provisioners._RESOURCE_HANDLERS[name] = handlers
    _blocking_types.add(name)


def physical_name(stack_name: str, logical_id: str, *, max_length: int, lowercase: bool) -> str:
    """The name that CloudFormation generates for a resource without one."""
    return cast(
        "str",
        _provisioners._physical_name(
            stack_name, logical_id, lowercase=lowercase, max_len=max_length
        ),
    )


def extend_cloudformation() -> None:
    """Correct what the engine gets wrong for types registered here, and ``Ref: AWS::Region``."""
    blocks = _stacks._runs_on_worker_thread
    replacing = _provisioners._replacing_change
    evaluate = _engine._evaluate_conditions

    def runs_on_worker_thread(resource_type: str) -> bool:
        return resource_type in _blocking_types or blocks(resource_type)

    def replacing_change(resource_type: str, old: Json, new: Json) -> bool:
        rule = _replacement_rules.get(resource_type)
        return rule(old, new) if rule else replacing(resource_type, old, new)

    # The engine evaluates `Ref: AWS::Region` in a condition to the text "AWS::Region".
    def evaluate_conditions(template: Json, parameters: Json) -> dict[str, bool]:
        scope = current_scope()
        pseudo = {
            "AWS::Region": {"Value": scope.region},
            "AWS::AccountId": {"Value": scope.account},
            "AWS::Partition": {"Value": "aws"},
            "AWS::URLSuffix": {"Value": "amazonaws.com"},
        }
        return cast("dict[str, bool]", evaluate(template, {**pseudo, **parameters}))

    _stacks._runs_on_worker_thread = runs_on_worker_thread
    for module in (_provisioners, _stacks):
        module._replacing_change = replacing_change
    for module in (_engine, _stacks, _handlers, _changesets):
        module._evaluate_conditions = evaluate_conditions


def on_reset(work: Callable[[], None]) -> None:
    """Run ``work`` too when a client posts to ministack's ``/_ministack/reset``."""
    original = _app._reset_all_state

    def reset() -> None:
        work()
        original()

    _app._reset_all_state = reset


def missing_private_names() -> list[str]:
    """The entries of ``PRIVATE_NAMES`` that this ministack does not have."""
    missing = []
    for dotted in PRIVATE_NAMES:
        module, _, name = dotted.rpartition(".")
        if not hasattr(import_module(module), name):
            missing.append(dotted)
    return missing
