from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.localcloud.sagemaker.support import TINY, Serving
from tests.localcloud.support import Cloud


@pytest.fixture
def serving(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """An account whose containers are tiny ones, and whose endpoints are stopped afterwards."""
    monkeypatch.setattr("localcloud.serving.model_process._SERVER", TINY)
    yield Serving(cloud)
    routes, store = cloud.sagemaker.routes, cloud.sagemaker.store
    for record in store.records(cloud.scope, "InferenceComponent"):
        routes.close_component(record.arn, seconds=0.0)
    for record in store.records(cloud.scope, "Endpoint"):
        routes.close(record.arn, seconds=0.0)


@pytest.fixture
def slow_clock(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> float:
    """A minute of AWS takes 0.3 s, so that requests can be sent during a deployment's waits."""
    scale = 0.005
    monkeypatch.setattr(cloud.sagemaker.clock, "scale", scale)
    return scale
