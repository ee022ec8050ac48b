"""AWS Lake Formation: grants, registered locations and settings are kept, nothing is enforced."""

from __future__ import annotations

import json
import time

from localcloud.errors import ServiceError
from localcloud.sagemaker.listing import paginate
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record
from localcloud.services.json_service import JsonService

NAME = "lakeformation"
_GRANT, _LOCATION, _SETTINGS = (
    "LakeFormationGrant",
    "LakeFormationLocation",
    "LakeFormationSettings",
)


class LakeFormation:
    """Keeps what is granted on databases, tables and locations.

    Args:
        cloud: Its store keeps the records.
    """

    def __init__(self, cloud: SageMaker) -> None:
        self._cloud = cloud
        self.service = JsonService(
            NAME,
            {
                "GrantPermissions": self._grant,
                "RevokePermissions": self._revoke,
                "ListPermissions": self._list,
                "RegisterResource": self._register,
                "DeregisterResource": self._deregister,
                "ListResources": self._list_resources,
                "PutDataLakeSettings": self._put_settings,
                "GetDataLakeSettings": self._get_settings,
            },
        )

    def _grant(self, request: Json) -> Json:
        record = self._find(_GRANT, _key(request))
        members = {name: request[name] for name in ("Principal", "Resource")}
        if record is None:
            record = self._add(_GRANT, _key(request), members)
        for member in ("Permissions", "PermissionsWithGrantOption"):
            granted = {*record.data.get(member, ()), *(request.get(member) or ())}
            record.data[member] = sorted(granted)
        return {}

    def _revoke(self, request: Json) -> Json:
        record = self._find(_GRANT, _key(request))
        if record is None or not {*request["Permissions"]} <= {*record.data["Permissions"]}:
            raise ServiceError("InvalidInputException", "No permissions revoked. Grantee has none.")
        for member in ("Permissions", "PermissionsWithGrantOption"):
            left = {*record.data.get(member, ())} - {*request["Permissions"]}
            record.data[member] = sorted(left)
        if not record.data["Permissions"]:
            self._cloud.store.remove(self._cloud.scope, record)
        return {}

    def _list(self, request: Json) -> Json:
        found = [
            record.data
            for record in self._cloud.store.records(self._cloud.scope, _GRANT)
            if all(
                request.get(member) in (None, record.data[member])
                for member in ("Principal", "Resource")
            )
        ]
        page, token = paginate(found, request, page=100)
        return {"PrincipalResourcePermissions": page, "NextToken": token}

    def _register(self, request: Json) -> Json:
        key = (request["ResourceArn"],)
        if self._find(_LOCATION, key):
            raise ServiceError("AlreadyExistsException", "Resource is already registered.")
        self._add(_LOCATION, key, {**request, "LastModified": time.time()})
        return {}

    def _deregister(self, request: Json) -> Json:
        record = self._find(_LOCATION, (request["ResourceArn"],))
        if record is None:
            raise ServiceError("EntityNotFoundException", "Entity not found")
        self._cloud.store.remove(self._cloud.scope, record)
        return {}

    def _list_resources(self, request: Json) -> Json:
        records = self._cloud.store.records(self._cloud.scope, _LOCATION)
        page, token = paginate([record.data for record in records], request, page=100)
        return {"ResourceInfoList": page, "NextToken": token}

    def _put_settings(self, request: Json) -> Json:
        record = self._find(_SETTINGS, ("settings",)) or self._add(_SETTINGS, ("settings",), {})
        record.data = dict(request)
        return {}

    def _get_settings(self, request: Json) -> Json:
        del request
        record = self._find(_SETTINGS, ("settings",))
        return record.data if record else {"DataLakeSettings": {}}

    def _find(self, kind: str, key: tuple[str, ...]) -> Record | None:
        return self._cloud.store.get(self._cloud.scope, kind, key)

    def _add(self, kind: str, key: tuple[str, ...], data: Json) -> Record:
        record = Record(kind, key, f"{kind}:{':'.join(key)}", data)
        self._cloud.store.add(self._cloud.scope, record)
        return record


def _key(request: Json) -> tuple[str, ...]:
    principal = request["Principal"]["DataLakePrincipalIdentifier"]
    return (principal, json.dumps(request["Resource"], sort_keys=True))
