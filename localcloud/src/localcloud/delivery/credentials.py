"""Where builds get credentials: what ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` points at.

Every request takes the build's role anew, so that the session is never older than the request.
"""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

from localcloud.emulator import Scope
from localcloud.responses import Response, json_response
from localcloud.transport import Clients

PATH = "/_localcloud/credentials/"


class BuildCredentials:
    """Hands out sessions of roles by secret paths.

    Args:
        clients: Reach STS.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._roles: dict[str, tuple[Scope, str]] = {}
        self._lock = threading.Lock()

    def open(self, scope: Scope, role_arn: str) -> str:
        """The path at which sessions of a role are handed out, until it is closed."""
        path = f"{PATH}{uuid4().hex}"
        with self._lock:
            self._roles[path] = (scope, role_arn)
        return path

    def close(self, path: str) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._roles.pop(path, None)

    def answer(self, path: str) -> Response:
        """A session, as a container's endpoint answers."""
        with self._lock:
            found = self._roles.get(path)
        if found is None:
            return Response(404, {}, b"")
        scope, role_arn = found
        sts: Any = self._clients.client("sts", scope)
        session = sts.assume_role(RoleArn=role_arn, RoleSessionName="build")["Credentials"]
        return json_response(
            {
                "AccessKeyId": session["AccessKeyId"],
                "SecretAccessKey": session["SecretAccessKey"],
                "Token": session["SessionToken"],
                "Expiration": session["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                "RoleArn": role_arn,
            }
        )
