"""An endpoint goes in the evening and comes back in the morning, by its deployed schedules.

The template is the one that `tests/delivery/test_hours.py` holds to what the construct gives. The
schedules are delivered when the test says, not by the clock.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.localcloud.compute.support import archive
from tests.localcloud.sagemaker.support import TINY
from tests.localcloud.support import Cloud, until

pytestmark = pytest.mark.slow

_COMMITTED = Path(__file__).parents[2] / "delivery" / "__snapshots__" / "test_hours"
_TEMPLATE = _COMMITTED / "test_a_model_that_needs_no_approval_has_one_condition.json"
_MODEL = "def answer(body, headers):\n    return 200, b'answered'\n"


def test_the_deployed_schedules_take_the_endpoint_away_and_bring_it_back(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localcloud import emulator
    from localcloud.compute.containers import STAND_INS

    monkeypatch.setattr("localcloud.serving.model_process._SERVER", TINY)
    monkeypatch.setitem(STAND_INS, "m", "sklearn")
    cloud.put(cloud.bucket("models"), "m.tar.gz", archive({"handler.py": _MODEL}))
    formation, scheduler = cloud.client("cloudformation"), cloud.client("scheduler")
    formation.create_stack(
        StackName="Test", TemplateBody=_TEMPLATE.read_text(), Capabilities=["CAPABILITY_IAM"]
    )

    def status() -> str:
        return str(formation.describe_stacks(StackName="Test")["Stacks"][0]["StackStatus"])

    def settled() -> str:
        until(lambda: not status().endswith("IN_PROGRESS"), seconds=60)
        return status()

    def deliver(stands: str) -> None:
        for summary in scheduler.list_schedules()["Schedules"]:
            schedule = scheduler.get_schedule(Name=summary["Name"])
            [own, *_] = json.loads(schedule["Target"]["Input"])["Parameters"]
            if own["ParameterValue"] == stands:
                with emulator.within(cloud.scope):
                    emulator.fire_target(schedule["Target"])
                return
        raise AssertionError(f"no schedule sets {stands}")

    def answer() -> bytes:
        runtime = cloud.client("sagemaker-runtime")
        body: bytes = runtime.invoke_endpoint(EndpointName="e", Body=b"it")["Body"].read()
        return body

    assert settled() == "CREATE_COMPLETE"
    assert answer() == b"answered"
    models = cloud.call("ListModels")["Models"]

    deliver("false")
    assert settled() == "UPDATE_COMPLETE"
    assert cloud.call("ListEndpoints")["Endpoints"] == []
    # What costs nothing stays, so that nothing but the endpoint is made anew.
    assert cloud.call("ListModels")["Models"] == models
    assert len(cloud.call("ListEndpointConfigs")["EndpointConfigs"]) == 1

    deliver("true")
    assert settled() == "UPDATE_COMPLETE"
    assert answer() == b"answered"
    assert cloud.call("ListModels")["Models"] == models
