"""Updates of Studio's settings, which keep what they do not mention."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker import checks, crud
from localcloud.sagemaker.service import SageMaker
from localcloud.sagemaker.store import Json, Record


@crud.on_update("Domain")
def _change_domain(cloud: SageMaker, record: Record, members: Json) -> None:
    settings = members.pop("DomainSettingsForUpdate", None)
    if settings is not None:
        members["DomainSettings"] = {
            name.removesuffix("ForUpdate"): value for name, value in settings.items()
        }
    _change_settings(cloud, record, members)


@crud.on_update("Space")
@crud.on_update("UserProfile")
def _change_settings(cloud: SageMaker, record: Record, members: Json) -> None:
    """What an update leaves out stays as it is, at any depth; a list is replaced as a whole.

    The developer guide's calls of UpdateDomain and UpdateUserProfile give the one setting that is
    to change, without the execution role that DefaultUserSettings must have. How deep this goes
    is not documented.
    """
    merged = _merged(record.data, members)
    checks.before_store(cloud, record.kind, merged)
    cloud.touch(record, **{name: merged[name] for name in members})


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
