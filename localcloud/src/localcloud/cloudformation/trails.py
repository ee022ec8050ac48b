"""CloudTrail in CloudFormation: trails, with their event selectors, switched on and off."""

from __future__ import annotations

from localcloud import emulator
from localcloud.cloudformation.api_resource import ApiResource, picked
from localcloud.cloudformation.values import coerce
from localcloud.model import operation_model
from localcloud.sagemaker.store import Json


class Trail(ApiResource):
    """``AWS::CloudTrail::Trail``: Ref is the name."""

    service = "cloudtrail"
    gone = frozenset({"TrailNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the trail."""
        name = properties.get("TrailName") or emulator.physical_name(
            stack_name, logical_id, max_length=128, lowercase=False
        )
        arn = self._put("CreateTrail", name, properties)
        return name, {"Arn": arn}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the trail."""
        del old, stack_name
        return physical_id, {"Arn": self._put("UpdateTrail", physical_id, new)}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the trail; what it wrote stays in its bucket."""
        del properties
        self.client.delete_trail(Name=physical_id)

    def _put(self, operation: str, name: str, properties: Json) -> str:
        client = self.client
        shape = operation_model(self.service, operation).input_shape
        members = set(shape.members) - {"Name"}
        request = {"Name": name, **picked(properties, *sorted(members))}
        if "KMSKeyId" in properties:
            request["KmsKeyId"] = properties["KMSKeyId"]
        method = client.create_trail if operation == "CreateTrail" else client.update_trail
        arn = str(method(**coerce(shape, request))["TrailARN"])
        selectors = properties.get("EventSelectors")
        if selectors:
            shape = operation_model(self.service, "PutEventSelectors").input_shape
            wanted = {"TrailName": name, "EventSelectors": selectors}
            client.put_event_selectors(**coerce(shape, wanted))
        is_on = str(properties["IsLogging"]).lower() == "true"
        (client.start_logging if is_on else client.stop_logging)(Name=name)
        return arn


TRAILS: dict[str, type[ApiResource]] = {"AWS::CloudTrail::Trail": Trail}
"""The types of this module."""
