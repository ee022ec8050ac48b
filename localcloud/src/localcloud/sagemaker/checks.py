"""What the service refuses beyond the shape of a request.

``before_store`` is the one place that every new or changed resource passes, after its shape was
validated and before anything is kept: first the checks below, which know what exists, then the
service rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from localcloud.errors import invalid
from localcloud.sagemaker import errors, rules, shared
from localcloud.sagemaker.kinds import kind
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json

Check = Callable[[SageMaker, Json], None]


def before_store(cloud: SageMaker, kind_name: str, data: Json) -> None:
    """Refuse a resource that the service would refuse.

    Raises:
        ServiceError: In the words of the service.
    """
    for check in _BY_KIND.get(kind_name, ()):
        check(cloud, data)
    rules.refuse(cloud, kind_name, data)


def _variants_have_models(cloud: SageMaker, data: Json) -> None:
    variants = [*data["ProductionVariants"], *(data.get("ShadowProductionVariants") or [])]
    names = [variant["VariantName"] for variant in variants]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise invalid(f"Duplicate variant names are not allowed: {', '.join(doubled)}.")
    for variant in variants:
        if variant.get("ModelName"):
            _exists(cloud, "Model", {"ModelName": variant["ModelName"]})


def _endpoint_has_config(cloud: SageMaker, data: Json) -> None:
    _exists(cloud, "EndpointConfig", {"EndpointConfigName": data["EndpointConfigName"]})


def _job_has_model(cloud: SageMaker, data: Json) -> None:
    _exists(cloud, "Model", {"ModelName": data["ModelName"]})


def _belongs_to_domain(cloud: SageMaker, data: Json) -> None:
    _exists(cloud, "Domain", {"DomainId": data["DomainId"]})
    for owner in ("UserProfile", "Space"):
        member = f"{owner}Name"
        if data.get(member) and "AppType" in data:
            _exists(cloud, owner, {"DomainId": data["DomainId"], member: data[member]})


def _component_has_endpoint(cloud: SageMaker, data: Json) -> None:
    _exists(cloud, "Endpoint", {"EndpointName": data["EndpointName"]})


def _schedule_has_definition(cloud: SageMaker, data: Json) -> None:
    config = data["MonitoringScheduleConfig"]
    name, monitor = config.get("MonitoringJobDefinitionName"), config.get("MonitoringType")
    if bool(name) == bool(config.get("MonitoringJobDefinition")):
        raise invalid(
            "Exactly one of MonitoringJobDefinition and MonitoringJobDefinitionName must be given."
        )
    if name:
        _exists(cloud, f"{monitor}JobDefinition", {"JobDefinitionName": name})


def _containers_can_start(cloud: SageMaker, data: Json) -> None:
    primary, several = data.get("PrimaryContainer"), data.get("Containers")
    if bool(primary) == bool(several):
        raise invalid("Exactly one of PrimaryContainer and Containers must be given.")
    for container in several or [primary]:
        package = container.get("ModelPackageName")
        role = str(data.get("ExecutionRoleArn") or "")
        if package:
            found = shared.package(cloud, package, "CreateModel")
            if found is None:
                _exists(cloud, "ModelPackage", {"ModelPackageArn": package})
            else:
                shared.require_readable(cloud, role, shared.first_container(found.data))
        elif not container.get("Image"):
            raise invalid("A container must have an Image or a ModelPackageName.")
        shared.require_readable(cloud, role, container)
        if container.get("ModelDataUrl") and container.get("Mode") != "MultiModel":
            _object_exists(cloud, container["ModelDataUrl"])


def _features_are_declared(cloud: SageMaker, data: Json) -> None:
    del cloud
    types = {item["FeatureName"]: item["FeatureType"] for item in data["FeatureDefinitions"]}
    if len(types) != len(data["FeatureDefinitions"]):
        raise invalid("Validation Error: FeatureDefinitions contain duplicate feature names.")
    identifier, event_time = data["RecordIdentifierFeatureName"], data["EventTimeFeatureName"]
    for role, name in (("RecordIdentifier", identifier), ("EventTime", event_time)):
        if name not in types:
            raise invalid(
                f"Validation Error: {role} feature '{name}' must be in the FeatureDefinitions."
            )
    if identifier == event_time:
        raise invalid(
            "Validation Error: RecordIdentifier and EventTime must be different features."
        )
    if types[event_time] not in {"String", "Fractional"}:
        raise invalid(
            f"Validation Error: EventTime feature '{event_time}' must be of type String or"
            f" Fractional, not {types[event_time]}."
        )
    if data.get("OfflineStoreConfig") and not data.get("RoleArn"):
        raise invalid("Validation Error: RoleArn is required when OfflineStoreConfig is given.")


def _exists(cloud: SageMaker, kind_name: str, request: Json) -> None:
    wanted = kind(kind_name)
    if cloud.find(kind_name, request) is None:
        name = str(request[wanted.name_member])
        arn = name if name.startswith("arn:") else cloud.arn_of(wanted, request)
        raise errors.missing(f"Describe{kind_name}", wanted, name, arn)


def _object_exists(cloud: SageMaker, uri: str) -> None:
    location = urlsplit(uri)
    client: Any = cloud.clients.client("s3", cloud.scope)
    try:
        client.head_object(Bucket=location.netloc, Key=location.path.lstrip("/"))
    except ClientError as error:
        raise invalid(f"Could not find model data at {uri}.") from error


_BY_KIND: dict[str, tuple[Check, ...]] = {
    "App": (_belongs_to_domain,),
    "Endpoint": (_endpoint_has_config,),
    "EndpointConfig": (_variants_have_models,),
    "FeatureGroup": (_features_are_declared,),
    "InferenceComponent": (_component_has_endpoint,),
    "Model": (_containers_can_start,),
    "MonitoringSchedule": (_schedule_has_definition,),
    "Space": (_belongs_to_domain,),
    "TransformJob": (_job_has_model,),
    "UserProfile": (_belongs_to_domain,),
}
