"""Fixtures of all tests of the analysis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.monitoring.worker import Worker


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker
