"""Resource types of operations: autoscaling, alarms, schedules, budgets and data grants."""

from __future__ import annotations

import json
from typing import Any

from localcloud import emulator
from localcloud.cloudformation.api_resource import ApiResource, picked
from localcloud.cloudformation.values import coerce
from localcloud.model import operation_model
from localcloud.sagemaker.store import Json


def _name(stack_name: str, logical_id: str, *, length: int) -> str:
    return emulator.physical_name(stack_name, logical_id, max_length=length, lowercase=False)


class ScalableTarget(ApiResource):
    """``AWS::ApplicationAutoScaling::ScalableTarget``: Ref is ``resource|dimension|namespace``."""

    service = "application-autoscaling"
    gone = frozenset({"ObjectNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Register the target."""
        del logical_id, stack_name
        shape = operation_model(self.service, "RegisterScalableTarget").input_shape
        self.client.register_scalable_target(**coerce(shape, properties))
        identifier = "|".join(
            properties[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")
        )
        return identifier, {"Id": identifier}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Register it again, with other capacities."""
        del physical_id, old
        return self.make("", new, stack_name)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Deregister the target."""
        del properties
        resource, dimension, namespace = physical_id.split("|")
        self.client.deregister_scalable_target(
            ResourceId=resource, ScalableDimension=dimension, ServiceNamespace=namespace
        )


class ScalingPolicy(ApiResource):
    """``AWS::ApplicationAutoScaling::ScalingPolicy``: Ref is the ARN."""

    service = "application-autoscaling"
    gone = frozenset({"ObjectNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Put the policy."""
        del logical_id, stack_name
        shape = operation_model(self.service, "PutScalingPolicy").input_shape
        request = coerce(shape, {**properties, **_target(properties)})
        answer = self.client.put_scaling_policy(**request)
        arn = str(answer["PolicyARN"])
        return arn, {"Arn": arn}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Put it again."""
        del physical_id, old
        return self.make("", new, stack_name)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the policy."""
        del physical_id
        self.client.delete_scaling_policy(
            PolicyName=properties["PolicyName"], **_target(properties)
        )


def _target(properties: Json) -> Json:
    """What a policy scales: named by the Ref of a target, or by its three members."""
    names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    if properties.get("ScalingTargetId"):
        return dict(zip(names, properties["ScalingTargetId"].split("|"), strict=True))
    return {name: properties[name] for name in names}


class CompositeAlarm(ApiResource):
    """``AWS::CloudWatch::CompositeAlarm``: Ref is the name."""

    service = "cloudwatch"
    gone = frozenset({"ResourceNotFound"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Put the alarm."""
        name = properties.get("AlarmName") or _name(stack_name, logical_id, length=255)
        return self._put(name, properties)

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Put it again."""
        del old, stack_name
        return self._put(physical_id, new)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the alarm."""
        del properties
        self.client.delete_alarms(AlarmNames=[physical_id])

    def _put(self, name: str, properties: Json) -> tuple[str, Json]:
        shape = operation_model(self.service, "PutCompositeAlarm").input_shape
        self.client.put_composite_alarm(**coerce(shape, {**properties, "AlarmName": name}))
        scope = self.cloud.scope
        arn = f"arn:aws:cloudwatch:{scope.region}:{scope.account}:alarm:{name}"
        return name, {"Arn": arn}


class Schedule(ApiResource):
    """``AWS::Scheduler::Schedule``: Ref is the name.

    ministack's own handler drops time zone, dates and retry policy, and swallows refusals.
    """

    service = "scheduler"
    gone = frozenset({"ResourceNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the schedule."""
        name = properties.get("Name") or _name(stack_name, logical_id, length=64)
        answer = self.client.create_schedule(**self._request("CreateSchedule", name, properties))
        return name, {"Arn": answer["ScheduleArn"]}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the schedule."""
        del old, stack_name
        request = self._request("UpdateSchedule", physical_id, new)
        return physical_id, {"Arn": self.client.update_schedule(**request)["ScheduleArn"]}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the schedule."""
        self.client.delete_schedule(Name=physical_id, **picked(properties, "GroupName"))

    def _request(self, operation: str, name: str, properties: Json) -> Json:
        shape = operation_model(self.service, operation).input_shape
        request: Json = coerce(shape, {**properties, "Name": name})
        return request


class Budget(ApiResource):
    """``AWS::Budgets::Budget``: Ref is the name."""

    service = "budgets"
    gone = frozenset({"NotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the budget."""
        wanted = properties["Budget"]
        name = wanted.get("BudgetName") or _name(stack_name, logical_id, length=100)
        shape = operation_model(self.service, "CreateBudget").input_shape
        request = {
            "AccountId": self.cloud.scope.account,
            "Budget": {**wanted, "BudgetName": name},
            **picked(properties, "NotificationsWithSubscribers"),
        }
        self.client.create_budget(**coerce(shape, request))
        return name, {"Id": name}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the budget."""
        del old, stack_name
        shape = operation_model(self.service, "UpdateBudget").input_shape
        budget = {**new["Budget"], "BudgetName": physical_id}
        request = {"AccountId": self.cloud.scope.account, "NewBudget": budget}
        self.client.update_budget(**coerce(shape, request))
        return physical_id, {"Id": physical_id}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the budget."""
        del properties
        self.client.delete_budget(AccountId=self.cloud.scope.account, BudgetName=physical_id)


class _LakeFormationGrant(ApiResource):
    service = "lakeformation"
    gone = frozenset({"InvalidInputException", "EntityNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Grant."""
        del logical_id, stack_name
        self.client.grant_permissions(**self.grant(properties))
        principal = json.dumps(properties[self.principal], sort_keys=True)
        resource = json.dumps(properties["Resource"], sort_keys=True)
        attributes = {"PrincipalIdentifier": principal, "ResourceIdentifier": resource}
        return f"{principal}|{resource}", attributes

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Revoke what was granted, then grant anew."""
        self.remove(physical_id, old)
        return self.make("", new, stack_name)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Revoke."""
        del physical_id
        self.client.revoke_permissions(**self.grant(properties))

    principal: str

    def grant(self, properties: Json) -> Json:
        """The request that grants, and revokes, the same."""
        raise NotImplementedError


class PrincipalPermissions(_LakeFormationGrant):
    """``AWS::LakeFormation::PrincipalPermissions``."""

    principal = "Principal"

    def grant(self, properties: Json) -> Json:
        """The properties are the request."""
        wanted = ("Principal", "Resource", "Permissions", "PermissionsWithGrantOption")
        return picked(properties, *wanted)


class Permissions(_LakeFormationGrant):
    """``AWS::LakeFormation::Permissions``, the older type."""

    principal = "DataLakePrincipal"

    def grant(self, properties: Json) -> Json:
        """The request with the API's names."""
        names = {
            "DatabaseResource": "Database",
            "TableResource": "Table",
            "TableWithColumnsResource": "TableWithColumns",
            "DataLocationResource": "DataLocation",
        }
        resource: dict[str, Any] = {}
        for name, value in properties["Resource"].items():
            content = dict(value)
            if name == "DataLocationResource":
                content = {"ResourceArn": content["S3Resource"]}
            resource[names[name]] = content
        return {
            "Principal": properties["DataLakePrincipal"],
            "Resource": resource,
            "Permissions": properties.get("Permissions") or [],
            "PermissionsWithGrantOption": properties.get("PermissionsWithGrantOption") or [],
        }


class LakeFormationResource(ApiResource):
    """``AWS::LakeFormation::Resource``: a registered location; Ref is its ARN."""

    service = "lakeformation"
    gone = frozenset({"EntityNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Register the location."""
        del logical_id, stack_name
        shape = operation_model(self.service, "RegisterResource").input_shape
        self.client.register_resource(**coerce(shape, properties))
        return str(properties["ResourceArn"]), {"Id": properties["ResourceArn"]}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Deregister the location."""
        del physical_id
        self.client.deregister_resource(ResourceArn=properties["ResourceArn"])


class DataLakeSettings(ApiResource):
    """``AWS::LakeFormation::DataLakeSettings``: one per account and region."""

    service = "lakeformation"

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Put the settings."""
        del logical_id, stack_name
        settings = {
            "DataLakeAdmins": properties.get("Admins") or [],
            "CreateDatabaseDefaultPermissions": properties.get("CreateDatabaseDefaultPermissions")
            or [],
            "CreateTableDefaultPermissions": properties.get("CreateTableDefaultPermissions") or [],
        }
        self.client.put_data_lake_settings(DataLakeSettings=settings)
        scope = self.cloud.scope
        return f"{scope.account}-{scope.region}", {"Id": f"{scope.account}-{scope.region}"}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Put them again."""
        del physical_id, old
        return self.make("", new, stack_name)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Put empty settings."""
        del physical_id, properties
        self.client.put_data_lake_settings(DataLakeSettings={"DataLakeAdmins": []})


OPERATIONS: dict[str, type[ApiResource]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTarget,
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicy,
    "AWS::Budgets::Budget": Budget,
    "AWS::CloudWatch::CompositeAlarm": CompositeAlarm,
    "AWS::LakeFormation::DataLakeSettings": DataLakeSettings,
    "AWS::LakeFormation::Permissions": Permissions,
    "AWS::LakeFormation::PrincipalPermissions": PrincipalPermissions,
    "AWS::LakeFormation::Resource": LakeFormationResource,
    "AWS::Scheduler::Schedule": Schedule,
}
"""The types of this module."""
