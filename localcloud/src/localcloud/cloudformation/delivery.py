"""Resource types of delivery: pipelines and build projects."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.cloudformation.api_resource import ApiResource
from localcloud.cloudformation.values import coerce
from localcloud.model import operation_model
from localcloud.sagemaker.store import Json


class DeliveryPipeline(ApiResource):
    """``AWS::CodePipeline::Pipeline``: Ref is the name."""

    service = "codepipeline"

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Create the pipeline, which starts its first execution."""
        name = properties.get("Name") or _name(stack_name, logical_id)
        self.client.create_pipeline(pipeline=_declaration("CreatePipeline", name, properties))
        return name, {"Version": "1"}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the pipeline."""
        del old, stack_name
        declaration = _declaration("UpdatePipeline", physical_id, new)
        answer = self.client.update_pipeline(pipeline=declaration)
        return physical_id, {"Version": str(answer["pipeline"]["version"])}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the pipeline."""
        del properties
        self.client.delete_pipeline(name=physical_id)


class BuildProject(ApiResource):
    """``AWS::CodeBuild::Project``: Ref is the name."""

    service = "codebuild"
    gone = frozenset({"ResourceNotFoundException"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Create the project."""
        name = properties.get("Name") or _name(stack_name, logical_id)
        answer = self.client.create_project(**_project("CreateProject", name, properties))
        return name, {"Arn": answer["project"]["arn"]}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Update the project."""
        del old, stack_name
        answer = self.client.update_project(**_project("UpdateProject", physical_id, new))
        return physical_id, {"Arn": answer["project"]["arn"]}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the project."""
        del properties
        self.client.delete_project(name=physical_id)


def _name(stack_name: str, logical_id: str) -> str:
    return emulator.physical_name(stack_name, logical_id, max_length=100, lowercase=False)


def _declaration(operation: str, name: str, properties: Json) -> Any:
    shape = operation_model("codepipeline", operation).input_shape.members["pipeline"]
    declaration = _camel({**properties, "Name": name})
    for stage in declaration["stages"]:
        for action in stage["actions"]:
            # The keys of a configuration are the action's own.
            action["configuration"] = _configuration(properties, stage["name"], action["name"])
    return coerce(shape, declaration)


def _configuration(properties: Json, stage: str, action: str) -> Json:
    (found,) = (
        each.get("Configuration") or {}
        for declared in properties["Stages"]
        if declared["Name"] == stage
        for each in declared["Actions"]
        if each["Name"] == action
    )
    return dict(found)


def _project(operation: str, name: str, properties: Json) -> Any:
    shape = operation_model("codebuild", operation).input_shape
    request = _camel({**properties, "Name": name})
    if "buildSpec" in request["source"]:
        request["source"]["buildspec"] = request["source"].pop("buildSpec")
    return coerce(shape, request)


def _camel(value: Any) -> Any:
    """The names of CloudFormation as the services write them: the first letter small."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _camel(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_camel(item) for item in value]
    return value


DELIVERY: dict[str, type[ApiResource]] = {
    "AWS::CodeBuild::Project": BuildProject,
    "AWS::CodePipeline::Pipeline": DeliveryPipeline,
}
"""The types of this module."""
