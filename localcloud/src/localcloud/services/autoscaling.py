"""Application Auto Scaling: targets and policies are kept, nothing is scaled.

There are no instances to scale here; what is proved is that registrations, policies and their order
are right.
"""

from __future__ import annotations

import time
from uuid import uuid4

from localcloud.errors import ServiceError
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.services.json_service import JsonService

NAME = "application-autoscaling"
_TARGET, _POLICY = "ScalableTarget", "ScalingPolicy"
_DIMENSION = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class ApplicationAutoScaling:
    """Keeps scalable targets and scaling policies.

    Args:
        cloud: Its store keeps the records; its endpoints are what is scaled.
    """

    def __init__(self, cloud: SageMaker) -> None:
        self._cloud = cloud
        self.service = JsonService(
            NAME,
            {
                "RegisterScalableTarget": self._register,
                "DeregisterScalableTarget": self._deregister,
                "DescribeScalableTargets": self._describe_targets,
                "PutScalingPolicy": self._put_policy,
                "DeleteScalingPolicy": self._delete_policy,
                "DescribeScalingPolicies": self._describe_policies,
            },
        )

    def _register(self, request: Json) -> Json:
        if request["ServiceNamespace"] == "sagemaker":
            self._require_variant(request["ResourceId"])
        record = self._get(_TARGET, request)
        if record is None:
            missing = [m for m in ("MinCapacity", "MaxCapacity") if request.get(m) is None]
            if missing:
                raise ServiceError("ValidationException", f"{' and '.join(missing)} must be given.")
            record = self._add(_TARGET, request, f"scalable-target/{uuid4().hex[:32]}")
        data = {**record.data, **request}
        if data["MinCapacity"] > data["MaxCapacity"]:
            raise ServiceError(
                "ValidationException", "Maximum capacity cannot be less than minimum capacity"
            )
        record.data.update(data, ScalableTargetARN=record.arn)
        return {"ScalableTargetARN": record.arn}

    def _deregister(self, request: Json) -> Json:
        target = self._require(_TARGET, request)
        for policy in self._records(_POLICY):
            if _dimension(policy.data) == _dimension(target.data):
                self._cloud.store.remove(self._cloud.scope, policy)
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
        record = self._get(_POLICY, request)
        if record is None:
            name = f"{request['ServiceNamespace']}/{request['ResourceId']}"
            path = f"scalingPolicy:{uuid4()}:resource/{name}:policyName/{request['PolicyName']}"
            record = self._add(_POLICY, request, path)
        record.data.update(request, PolicyARN=record.arn)
        record.data.setdefault("PolicyType", "StepScaling")
        return {"PolicyARN": record.arn, "Alarms": []}

    def _delete_policy(self, request: Json) -> Json:
        self._cloud.store.remove(self._cloud.scope, self._require(_POLICY, request))
        return {}

    def _describe_policies(self, request: Json) -> Json:
        found = [
            {**record.data, "Alarms": []}
            for record in self._records(_POLICY)
            if all(record.data.get(m) == request[m] for m in _DIMENSION if request.get(m))
            and record.data["PolicyName"]
            in (request.get("PolicyNames") or [record.data["PolicyName"]])
        ]
        page, token = paginate(found, request, page=50)
        return {"ScalingPolicies": page, "NextToken": token}

    def _require_variant(self, resource_id: str) -> None:
        parts = resource_id.split("/")
        if parts[0] == "endpoint":
            endpoint = self._cloud.find("Endpoint", {"EndpointName": parts[1]})
            variants = endpoint.data["ProductionVariants"] if endpoint else []
            if parts[3:] not in [[variant["VariantName"]] for variant in variants]:
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
    name = (request["PolicyName"],) if kind == _POLICY else ()
    return (*_dimension(request), *name)


def _dimension(members: Json) -> tuple[str, ...]:
    return tuple(members[member] for member in _DIMENSION)


def _missing(what: str, request: Json) -> ServiceError:
    namespace, resource, dimension = _dimension(request)
    return ServiceError(
        "ObjectNotFoundException",
        f"{what} for service namespace: {namespace}, resource ID: {resource}, scalable dimension:"
        f" {dimension}",
    )
