"""Policies of event buses in CloudFormation: one statement each, side by side in one policy."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.api_resource import ApiResource
from localcloud.sagemaker.store import Json

_DEFAULT = "default"


class EventBusPolicy(ApiResource):
    """``AWS::Events::EventBusPolicy``: Ref is ``bus|statement``.

    PutPermission takes a statement in parts, which know no condition on the source of events, or
    the whole policy: the statement is put among the others.
    """

    service = "events"
    gone = frozenset({"ResourceNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Add the statement."""
        del logical_id, stack_name
        bus, identifier = _bus(properties), str(properties["StatementId"])
        self._put(bus, [*self._others(bus, identifier), self._statement(bus, properties)])
        return f"{bus}|{identifier}", {}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Put another statement in its place."""
        del physical_id, old
        return self.make("", new, stack_name)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Take the statement out."""
        del physical_id
        self.client.remove_permission(
            EventBusName=_bus(properties), StatementId=str(properties["StatementId"])
        )

    def _statement(self, bus: str, properties: Json) -> Json:
        given = properties.get("Statement")
        if given:
            statement: Json = json.loads(given) if isinstance(given, str) else dict(given)
            return {**statement, "Sid": properties["StatementId"]}
        scope = self.cloud.scope
        principal = str(properties.get("Principal", "*"))
        root = f"arn:aws:iam::{principal}:root"
        made: Json = {
            "Sid": properties["StatementId"],
            "Effect": "Allow",
            "Principal": "*" if principal == "*" else {"AWS": root},
            "Action": properties.get("Action", "events:PutEvents"),
            "Resource": f"arn:aws:events:{scope.region}:{scope.account}:event-bus/{bus}",
        }
        condition = properties.get("Condition")
        if condition:
            made["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
        return made

    def _others(self, bus: str, identifier: str) -> list[Any]:
        policy = json.loads(self.client.describe_event_bus(Name=bus).get("Policy") or "{}")
        return [each for each in policy.get("Statement", ()) if each.get("Sid") != identifier]

    def _put(self, bus: str, statements: list[Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.client.put_permission(EventBusName=bus, Policy=json.dumps(policy))


def _bus(properties: Json) -> str:
    return str(properties.get("EventBusName") or _DEFAULT)


BUSES: dict[str, type[ApiResource]] = {"AWS::Events::EventBusPolicy": EventBusPolicy}
"""The types of this module."""
