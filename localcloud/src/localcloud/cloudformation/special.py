"""SageMaker resource types whose properties and requests differ by more than names."""

from __future__ import annotations

import json

from localcloud.cloudformation.resource import HandlerError, SageMakerResource
from localcloud.sagemaker.store import Json, Record


class EndpointResource(SageMakerResource):
    """An update of an endpoint is one UpdateEndpoint with its deployment configuration."""

    def change(self, record: Record, old: Json, new: Json, changed: set[str]) -> None:
        """Move the endpoint to its configuration.

        A deployment that SageMaker rolled back is a failed update. (Assumption: AWS does not say
        what its handler reports.)
        """
        super().change(record, old, new, changed)
        self.wait_ready(record)
        if record.data.get("FailureReason"):
            raise HandlerError(record.data["FailureReason"])


class FeatureGroupResource(SageMakerResource):
    """Features can only be added, and an update changes one thing at a time."""

    def change(self, record: Record, old: Json, new: Json, changed: set[str]) -> None:
        """Add features, or change the online store or the throughput."""
        request: Json = {"FeatureGroupName": record.data["FeatureGroupName"]}
        if "FeatureDefinitions" in changed:
            before, after = old["FeatureDefinitions"], new["FeatureDefinitions"]
            if after[: len(before)] != before:
                kept = {item["FeatureName"] for item in after}
                gone = [item["FeatureName"] for item in before if item["FeatureName"] not in kept]
                which = ", ".join(gone) or "changed or reordered ones"
                raise HandlerError(
                    f"Features cannot be removed, changed or reordered: {which}.", "InvalidRequest"
                )
            request["FeatureAdditions"] = after[len(before) :]
        if "OnlineStoreConfig" in changed:
            ttl = (new.get("OnlineStoreConfig") or {}).get("TtlDuration")
            request["OnlineStoreConfig"] = {"TtlDuration": ttl}
        if "ThroughputConfig" in changed:
            request["ThroughputConfig"] = new.get("ThroughputConfig")
        self._call("UpdateFeatureGroup", self._coerced(request))

    def _coerced(self, properties: Json) -> Json:
        return super().request("Update", properties)


class PipelineResource(SageMakerResource):
    """The definition is given as a body or as a place in S3, each under a name of its own."""

    def request(self, verb: str, properties: Json) -> Json:
        """The request with the definition where the API has it."""
        definition = properties.get("PipelineDefinition") or {}
        moved = {n: v for n, v in properties.items() if n != "PipelineDefinition"}
        place = definition.get("PipelineDefinitionS3Location")
        if place:
            moved["PipelineDefinitionS3Location"] = {
                "Bucket": place["Bucket"],
                "ObjectKey": place["Key"],
                "VersionId": place.get("Version"),
            }
        if definition.get("PipelineDefinitionBody"):
            moved["PipelineDefinition"] = definition["PipelineDefinitionBody"]
        return super().request(verb, moved)


class ModelPackageGroupResource(SageMakerResource):
    """The policy of a group is a property of its own."""

    def after_create(self, record: Record, properties: Json) -> None:
        """Set the policy."""
        if properties.get("ModelPackageGroupPolicy"):
            self._put_policy(record, properties)

    def change(self, record: Record, old: Json, new: Json, changed: set[str]) -> None:
        """Set or remove the policy."""
        del old, changed
        if new.get("ModelPackageGroupPolicy"):
            self._put_policy(record, new)
        else:
            group = {"ModelPackageGroupName": record.key[0]}
            self._call("DeleteModelPackageGroupPolicy", group)

    def _put_policy(self, record: Record, properties: Json) -> None:
        policy = properties["ModelPackageGroupPolicy"]
        text = policy if isinstance(policy, str) else json.dumps(policy)
        request = {"ModelPackageGroupName": record.key[0], "ResourcePolicy": text}
        self._call("PutModelPackageGroupPolicy", request)


class ModelPackageResource(SageMakerResource):
    """A model package is deleted by its ARN under the name of its name."""

    def named(self, operation: str, record: Record) -> Json:
        """The ARN, as each operation calls it."""
        member = "ModelPackageArn" if operation.startswith("Update") else "ModelPackageName"
        return {member: record.arn}


class ImageResource(SageMakerResource):
    """The registry prefixes what the API does not."""

    def request(self, verb: str, properties: Json) -> Json:
        """The request with the API's names."""
        names = {
            "ImageRoleArn": "RoleArn",
            "ImageDisplayName": "DisplayName",
            "ImageDescription": "Description",
        }
        renamed = {names.get(name, name): value for name, value in properties.items()}
        return super().request(verb, renamed)


class DomainResource(SageMakerResource):
    """An update takes the domain's settings under another name."""

    def request(self, verb: str, properties: Json) -> Json:
        """The request with the settings where the API has them."""
        if verb == "Update" and "DomainSettings" in properties:
            settings = properties["DomainSettings"]
            properties = {**properties, "DomainSettingsForUpdate": settings}
        return super().request(verb, properties)


SPECIAL: dict[str, type[SageMakerResource]] = {
    "Domain": DomainResource,
    "Endpoint": EndpointResource,
    "FeatureGroup": FeatureGroupResource,
    "Image": ImageResource,
    "ModelPackage": ModelPackageResource,
    "ModelPackageGroup": ModelPackageGroupResource,
    "Pipeline": PipelineResource,
}
"""The classes of the types that need one of their own."""
