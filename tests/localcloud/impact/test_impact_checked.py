"""What the impact gate says, against what deploying does.

Every change of `tests/impact/cases.py` that the local cloud can carry out is deployed, old and
then new, as a stack. What happened is read from the physical ids and from what the engine handed
to the resources, and compared with what the gate says about the same two templates.
"""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.impact import analyse
from tests.impact.cases import CASES, Case
from tests.localcloud.cloudformation.test_stacks import Stack, _platform
from tests.localcloud.compute.support import archive
from tests.localcloud.sagemaker.test_endpoints import CODE
from tests.localcloud.support import Cloud

Json = dict[str, Any]
DEPLOYABLE = [case for case in CASES if not case.undeployable]


@pytest.fixture
def handed_over(local: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Of each resource of the last update, whether its properties were other ones."""
    del local
    from ministack.services.cloudformation import stacks

    found: dict[str, bool] = {}
    update = stacks._update_keeping_seed

    def record(type_name: str, pid: str, old: Json, new: Json, *rest: Any) -> Any:
        found[rest[1]] = _sorted(old) != _sorted(new)
        return update(type_name, pid, old, new, *rest)

    monkeypatch.setattr(stacks, "_update_keeping_seed", record)
    return found


@pytest.mark.parametrize("case", DEPLOYABLE, ids=lambda case: case.name)
def test_deploying_does_what_the_gate_says(
    case: Case, cloud: Cloud, handed_over: dict[str, bool]
) -> None:
    assert _said(case.old, case.new) == _deployed(Stack(cloud), case.old, case.new, handed_over)


def test_a_new_model_shifts_the_endpoint(cloud: Cloud, handed_over: dict[str, bool]) -> None:
    bucket = cloud.bucket()
    names = ("Role", "Model", "Config", "Endpoint")

    def serving(word: str) -> Json:
        code = CODE.replace("{name}", word)
        url = cloud.put(bucket, f"{word}.tar.gz", archive({"code/inference.py": code}))
        return {"Resources": {name: _platform(url)[name] for name in names}}

    old, new = serving("first"), serving("second")
    happened = _deployed(Stack(cloud), old, new, handed_over)
    # The endpoint itself stays, and gets a configuration that did not exist before.
    assert happened == {"Role": "none", "Model": "replace", "Config": "replace"} | {
        "Endpoint": "update"
    }
    assert _said(old, new) == {**happened, "Endpoint": "blue-green"}


def test_enough_changes_are_checked() -> None:
    assert len(DEPLOYABLE) >= 60


def _said(old: Json, new: Json) -> dict[str, str]:
    changes = analyse({"stack": old}, {"stack": new})
    return {change.resource: change.action.value for change in changes}


def _deployed(stack: Stack, old: Json, new: Json, handed_over: dict[str, bool]) -> dict[str, str]:
    assert _deploy(stack.create, old) == "CREATE_COMPLETE", stack.reasons()
    before = stack.physical_ids()
    assert _deploy(stack.update, new) == "UPDATE_COMPLETE", stack.reasons()
    after = stack.physical_ids()
    return {
        logical_id: _happened(logical_id, before, after, handed_over)
        for logical_id in before.keys() | after.keys()
    }


def _deploy(operation: Any, template: Json) -> str:
    sections = {name: value for name, value in template.items() if name != "Resources"}
    return str(operation(template["Resources"], **sections))


def _happened(
    logical_id: str, before: dict[str, str], after: dict[str, str], handed_over: dict[str, bool]
) -> str:
    if logical_id not in after:
        return "delete"
    if logical_id not in before:
        return "create"
    if before[logical_id] != after[logical_id]:
        return "replace"
    return "update" if handed_over[logical_id] else "none"


def _sorted(properties: Json) -> Json:
    tags = properties.get("Tags")
    if isinstance(tags, list):
        properties = {**properties, "Tags": sorted(tags, key=lambda tag: str(tag["Key"]))}
    return properties
