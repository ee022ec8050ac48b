"""The SageMaker service: what answers an operation.

``call`` is the one way in, for HTTP requests, CloudFormation, pipelines and state machines alike:
it validates against the service model, then runs the operation written for that name, or the
generic one for its verb, and returns exactly what the model declares.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from localcloud import emulator
from localcloud.dag.callbacks import Callbacks
from localcloud.emulator import Scope
from localcloud.errors import ServiceError
from localcloud.model import operation_model, project
from localcloud.sagemaker import errors
from localcloud.sagemaker.captures import Captures
from localcloud.sagemaker.kinds import SERVICE, Kind, kind, kinds
from localcloud.sagemaker.lifecycle import Clock
from localcloud.sagemaker.offline_buffer import OfflineBuffer
from localcloud.sagemaker.routes import Routes
from localcloud.sagemaker.runs import Runs
from localcloud.sagemaker.store import Json, Record, Store
from localcloud.settings import Settings
from localcloud.transport import Clients
from localcloud.validation import validate

logger = logging.getLogger("localcloud.sagemaker")

Operation = Callable[["SageMaker", Json], Json]


class Routine(Protocol):
    """A generic operation: one for each verb."""

    def __call__(self, cloud: SageMaker, kind: Kind, operation: str, request: Json, /) -> Json:
        """Carry out ``operation`` on ``kind``."""


_OPERATIONS: dict[str, Operation] = {}
_ROUTINES: dict[str, Routine] = {}


def operation(name: str) -> Callable[[Operation], Operation]:
    """Register the function that carries out the operation ``name``."""

    def register(function: Operation) -> Operation:
        _OPERATIONS[name] = function
        return function

    return register


def routine(verb: str) -> Callable[[Routine], Routine]:
    """Register the function for all operations that begin with ``verb`` and have no own one."""

    def register(function: Routine) -> Routine:
        _ROUTINES[verb] = function
        return function

    return register


class SageMaker:
    """One SageMaker service, for all accounts and regions of an instance.

    Args:
        settings: Of the instance.
        clients: Makes clients of the other services.
    """

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self.settings = settings
        self.clients = clients
        self.store = Store()
        self.clock = Clock(settings.time_scale)
        self.runs = Runs()
        self.callbacks = Callbacks()
        self.routes = Routes()
        self.captures = Captures()
        self.offline = OfflineBuffer()
        self._on_stop: list[Callable[[], None]] = []

    # --- operations ------------------------------------------------------------------------------

    def call(self, name: str, request: Json) -> Json:
        """Carry out an operation in the current scope.

        Raises:
            ServiceError: The request is not valid, or the service refuses it.
        """
        model = operation_model(SERVICE, name)
        request = validate(model.input_shape, request)
        answer = _find(name)(self, request)
        shaped: Json = project(model.output_shape, answer)
        return shaped

    # --- records ---------------------------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        """The account and region of the running request."""
        return emulator.current_scope()

    def arn(self, resource: str) -> str:
        """The ARN of a resource of this service in the current scope, in lower case.

        The service keeps the case of names but writes ARNs in lower case, so an IAM policy that
        names a resource in mixed case never matches.
        """
        return self._arn(resource.lower())

    def arn_of(self, of: Kind, members: Json) -> str:
        """The ARN that a resource with these members has."""
        written = {name: str(value).lower() for name, value in members.items() if name != "Id"}
        resource = of.arn_format.format_map({**written, "Id": members.get("Id")})
        return self._arn(resource)

    def _arn(self, resource: str) -> str:
        scope = self.scope
        return f"arn:aws:sagemaker:{scope.region}:{scope.account}:{resource}"

    def find(self, kind_name: str, request: Json) -> Record | None:
        """The record that a request names, by name in any case or by ARN."""
        wanted = kind(kind_name)
        key = tuple(str(request.get(member) or "") for member in wanted.key)
        if key[-1].startswith("arn:"):
            return self.store.by_arn(self.scope, key[-1], kind_name)
        found = self.store.get(self.scope, kind_name, key)
        if found is None and len(key) == 1:
            # Clients take names out of ARNs, which are in lower case.
            found = self.store.by_arn(self.scope, self.arn(_resource(wanted, request)), kind_name)
        return found

    def require(self, kind_name: str, request: Json, operation_name: str) -> Record:
        """The record that a request names.

        Raises:
            ServiceError: There is no such record, in the words of the service.
        """
        record = self.find(kind_name, request)
        if record is None:
            wanted = kind(kind_name)
            name = str(request.get(wanted.name_member) or "")
            members = {member: request.get(member) or "" for member in wanted.key}
            arn = name if name.startswith("arn:") else self.arn(_resource(wanted, members))
            raise errors.missing(operation_name, wanted, name, arn)
        return record

    def touch(self, record: Record, **changes: Any) -> None:
        """Change what ``Describe…`` shows of a record, and its time of modification."""
        record.data.update(changes, LastModifiedTime=time.time())

    # --- life of the instance --------------------------------------------------------------------

    def on_stop(self, work: Callable[[], None]) -> None:
        """Run ``work`` when the instance stops, the latest first."""
        self._on_stop.append(work)

    def stop(self) -> None:
        """Stop timers, jobs and model servers."""
        self.clock.stop()
        self.runs.stop_all()
        self.routes.close_all()
        for work in reversed(self._on_stop):
            try:
                work()
            except Exception:
                logger.exception("stopping")

    @property
    def state_file(self) -> Path | None:
        """Where the records are kept over a restart."""
        state_dir = self.settings.state_dir
        return state_dir / "sagemaker.json" if state_dir else None


def _find(name: str) -> Operation:
    own = _OPERATIONS.get(name)
    if own:
        return own
    for verb, generic in _ROUTINES.items():
        stem = name.removeprefix(verb)
        target = kinds().get(stem) or (_plurals().get(stem) if verb == "List" else None)
        if stem != name and target:
            return _bound(generic, target, name)
    raise ServiceError(
        "UnsupportedOperation",
        f"The local cloud does not carry out {name}: nothing would come of it here.",
    )


def _bound(generic: Routine, target: Kind, name: str) -> Operation:
    return lambda cloud, request: generic(cloud, target, name, request)


def _plurals() -> dict[str, Kind]:
    return {
        (f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"): of
        for name, of in kinds().items()
    }


def _resource(of: Kind, members: Json) -> str:
    try:
        return of.arn_format.format_map(members)
    except KeyError:
        # Parts of the ARN are generated, and nothing was.
        return f"{of.arn_format.split('/')[0]}/{members.get(of.name_member, '')}"
