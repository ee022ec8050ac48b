"""Updates of endpoints under traffic: who answers meanwhile, and what alarms make of it."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud.errors import ServiceError
from tests.localcloud.sagemaker.support import ENDPOINT, WAITS, Serving
from tests.localcloud.support import until

BAD = "def answer(body, headers):\n    return 500, b'bad'\n"
CRASHES = "import os\ndef answer(body, headers):\n    os._exit(3)\n"
SLOW = "import time\ndef answer(body, headers):\n    time.sleep(0.4)\n    return 200, b'slow'\n"
BAKE = 97
Shares = dict[float, Counter[str]]


def blue_green(
    kind: str, percent: int | None = None, *, wait: int = 60, alarms: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The members of UpdateEndpoint."""
    size = {"Type": "CAPACITY_PERCENT", "Value": percent}
    member = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **({member: size} if member else {})}
    return guarded({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}, alarms)


def guarded(policy: dict[str, Any], alarms: tuple[str, ...]) -> dict[str, Any]:
    if alarms:
        names = [{"AlarmName": name} for name in alarms]
        policy = {**policy, "AutoRollbackConfiguration": {"Alarms": names}}
    return {"DeploymentConfig": policy}


@pytest.fixture
def bakes(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shares]:
    """Updates an endpoint under traffic, and tells who answered at each share of the new fleet.

    A bake of `BAKE` lasts as long as a machine takes to answer 150 requests.
    """

    def update(**given: Any) -> Shares:
        found: Shares = {}
        clock = serving.cloud.sagemaker.clock
        sleep = clock.sleep

        def bake(seconds: float, stop: threading.Event | None = None) -> bool:
            if seconds != BAKE:
                return bool(sleep(seconds, stop))
            start, share = traffic.mark(), serving.share()
            until(lambda: traffic.mark() >= start + 150, seconds=60)
            found[share] = traffic.counted_between(start, traffic.mark())
            return False

        monkeypatch.setattr(clock, "sleep", bake)
        with serving.traffic(pause=0.001) as traffic:
            until(lambda: traffic.mark() > 5)
            serving.update(serving.variant("new", InitialInstanceCount=2), **given)
            serving.settled()
            settled = traffic.mark()
            until(lambda: traffic.mark() > settled + 30)
        # Nobody was refused, and nothing goes to the old fleet any more.
        assert set(traffic.counted()) == {"old", "new"}
        assert set(traffic.answers[-10:]) == {"new"}
        assert serving.processes() == 2
        return found

    return update


def is_share(counted: Counter[str], share: float) -> bool:
    """Whether the answers are what chance makes of a share: five standard deviations at most."""
    asked = sum(counted.values())
    return abs(counted["new"] - share * asked) < 5 * math.sqrt(asked * share * (1 - share))


def test_a_canary_gets_its_share_then_everything(
    serving: Serving, bakes: Callable[..., Shares]
) -> None:
    serving.create(serving.variant("old", InitialInstanceCount=2))
    found = bakes(**blue_green("CANARY", 20, wait=BAKE))
    assert list(found) == [0.2, 1.0]
    assert is_share(found[0.2], 0.2)
    assert found[1.0]["old"] <= 2  # under way when the share was changed


@pytest.mark.slow
def test_traffic_is_shifted_in_steps(serving: Serving, bakes: Callable[..., Shares]) -> None:
    serving.create(serving.variant("old", InitialInstanceCount=2))
    found = bakes(**blue_green("LINEAR", 30, wait=BAKE))
    assert list(found) == [0.3, 0.6, 0.9, 1.0]
    assert all(is_share(found[share], share) for share in (0.3, 0.6, 0.9))


@pytest.mark.slow
def test_a_rolling_update_replaces_batch_by_batch(
    serving: Serving, bakes: Callable[..., Shares]
) -> None:
    serving.create(serving.variant("old", InitialInstanceCount=2))
    batch = {"Type": "INSTANCE_COUNT", "Value": 1}
    rolling = {"MaximumBatchSize": batch, "WaitIntervalInSeconds": BAKE}
    found = bakes(DeploymentConfig={"RollingUpdatePolicy": rolling})
    assert list(found) == [0.5, 1.0]
    assert is_share(found[0.5], 0.5)


@pytest.mark.usefixtures("slow_clock")
@pytest.mark.parametrize(
    ("code", "metric", "settings"),
    [
        (BAD, "Invocation5XXErrors", {"threshold": 3}),
        pytest.param(*(CRASHES, "Invocation5XXErrors", {"threshold": 3}), marks=pytest.mark.slow),
        pytest.param(
            *(SLOW, "ModelLatency", {"threshold": 300_000, "ExtendedStatistic": "p99"}),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["errors", "crashes", "slow"],
)
def test_a_bad_model_is_rolled_back_and_hurts_the_canary_alone(
    serving: Serving, code: str, metric: str, settings: dict[str, Any]
) -> None:
    old = serving.create(serving.variant("old", InitialInstanceCount=2))
    serving.alarm("bad", metric, **settings)
    with serving.traffic() as traffic:
        until(lambda: traffic.mark() > 20)
        began = traffic.mark()
        update = blue_green("CANARY", 20, wait=3600, alarms=("bad",))
        serving.update(serving.variant(code, InitialInstanceCount=2), **update)
        described = serving.settled()
        ended = traffic.mark()
        until(lambda: traffic.mark() > ended + 30)
    assert described["EndpointConfigName"] == old["EndpointConfigName"]
    assert "alarm in state ALARM: bad" in described["FailureReason"]
    during = traffic.counted_between(began, ended)
    hurt = sum(during.values()) - during["old"]
    assert 0 < hurt <= 0.4 * sum(during.values())
    # Afterwards nobody is hurt: the first few were under way.
    assert set(traffic.counted(ended + 5)) == {"old"}


@pytest.mark.usefixtures("slow_clock")
def test_the_last_bake_is_watched_too(serving: Serving) -> None:
    old = serving.create(serving.variant("old"))
    serving.alarm("bad", "Invocation5XXErrors", 3)
    # As the developer guide writes it: the only wait of a shift all at once.
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 3600}
    with serving.traffic() as traffic:
        until(lambda: traffic.mark() > 5)
        update = guarded({"BlueGreenUpdatePolicy": policy}, ("bad",))
        serving.update(serving.variant(BAD), **update)
        described = serving.settled()
        ended = traffic.mark()
        until(lambda: traffic.mark() > ended + 10)
    assert described["EndpointConfigName"] == old["EndpointConfigName"]
    assert "alarm in state ALARM: bad" in described["FailureReason"]
    assert set(traffic.counted(ended + 5)) == {"old"}


@pytest.mark.slow
@pytest.mark.usefixtures("slow_clock")
def test_a_wrong_model_is_rolled_back_by_a_metric_of_the_users_own(serving: Serving) -> None:
    old = serving.create(serving.variant("old", InitialInstanceCount=2))
    own = {"Namespace": "Shop", "Dimensions": [], "Period": 60}
    serving.alarm("wrong", "Rejected", 2, **own)
    update = blue_green("CANARY", 50, wait=3600, alarms=("wrong",))
    serving.update(serving.variant("nonsense", InitialInstanceCount=2), **update)
    while serving.described()["EndpointStatus"] == "Updating":
        if serving.ask() == "nonsense":
            datum = {"MetricName": "Rejected", "Value": 1.0, "Unit": "Count"}
            serving.cloudwatch.put_metric_data(Namespace="Shop", MetricData=[datum])
        time.sleep(0.01)
    assert serving.settled()["EndpointConfigName"] == old["EndpointConfigName"]
    assert {serving.ask() for _ in range(10)} == {"old"}


def test_what_is_under_way_is_answered_by_who_took_it(serving: Serving, tmp_path: Path) -> None:
    serving.create(serving.variant(WAITS.replace("{name}", "old")))
    answers: list[str] = []
    goes_on = tmp_path / "goes-on"
    body = str(goes_on).encode()
    asking = threading.Thread(target=lambda: answers.append(serving.ask(body)))
    asking.start()
    until(lambda: serving.under_way() == 1)
    serving.update(serving.variant("new"))
    until(lambda: serving.ask() == "new")
    assert not answers
    goes_on.touch()
    asking.join()
    assert answers == ["old"]


@pytest.mark.slow
@pytest.mark.usefixtures("slow_clock")
def test_a_composite_alarm_and_a_rate_roll_a_rolling_update_back(serving: Serving) -> None:
    old = serving.create(serving.variant("old", InitialInstanceCount=2))

    def metric(name: str) -> dict[str, Any]:
        dimensions = [
            {"Name": "EndpointName", "Value": ENDPOINT},
            {"Name": "VariantName", "Value": "v0"},
        ]
        of = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions}
        return {"MetricStat": {"Metric": of, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    serving.cloudwatch.put_metric_alarm(
        AlarmName="rate",
        Metrics=[
            {"Id": "rate", "Expression": "100 * bad / FILL(all, 1)", "ReturnData": True},
            {"Id": "bad", **metric("Invocation5XXErrors")},
            {"Id": "all", **metric("Invocations")},
        ],
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    serving.cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("rate")')
    batch = {"Type": "CAPACITY_PERCENT", "Value": 50}
    rolling = {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 3600}
    with serving.traffic() as traffic:
        until(lambda: traffic.mark() > 20)
        serving.update(
            serving.variant(BAD, InitialInstanceCount=2),
            **guarded({"RollingUpdatePolicy": rolling}, ("any",)),
        )
        described = serving.settled()
        ended = traffic.mark()
        until(lambda: traffic.mark() > ended + 30)
    assert described["EndpointConfigName"] == old["EndpointConfigName"]
    assert described["FailureReason"].endswith("ALARM: any")
    assert set(traffic.counted(ended + 5)) == {"old"}
    assert serving.processes() == 2


def test_counts_and_weights_are_retained_or_not(serving: Serving) -> None:
    serving.create(serving.variant("old"))
    wanted = {"VariantName": "v0", "DesiredInstanceCount": 2, "DesiredWeight": 3.0}
    serving.cloud.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName=ENDPOINT,
        DesiredWeightsAndCapacities=[wanted],
    )
    assert serving.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert serving.processes() == 2
    serving.update(serving.variant("kept"), RetainAllVariantProperties=True)
    variant = serving.settled()["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (2, 3.0)
    assert serving.processes() == 2
    excluded = [{"VariantPropertyType": "DesiredInstanceCount"}]
    serving.update(
        serving.variant("reset"),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=excluded,
    )
    variant = serving.settled()["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (1, 3.0)
    assert serving.processes() == 1


def test_what_an_update_cannot_change(serving: Serving) -> None:
    serving.create(serving.variant("old", InitialInstanceCount=2))
    with pytest.raises(ServiceError, match="must have the same names"):
        serving.update(
            serving.variant("new", name="other", InitialInstanceCount=2),
            **blue_green("CANARY", 50),
        )
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    with pytest.raises(ServiceError, match="cannot become serverless"):
        serving.update(serving.variant("new", ServerlessConfig=serverless))
    with pytest.raises(ServiceError, match="cannot have 0 instances"):
        serving.cloud.call(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName=ENDPOINT,
            DesiredWeightsAndCapacities=[{"VariantName": "v0", "DesiredInstanceCount": 0}],
        )
