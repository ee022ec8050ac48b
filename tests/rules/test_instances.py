"""What is known about instance types, by the tables of the Amazon EC2 instance types guide."""

from __future__ import annotations

import pytest

from mlops_constructs.rules.instances import has_local_disk, is_gpu

LOCAL = "g4dn g5 g6 g6e gr6 g7e dl1 p3dn p4d p4de p5 p5en p6-b200 p6-b300 p6e-gb200 trn1n trn2 m5d"
REMOTE = "m5 c6i c7i-flex r8g t3 g5g inf1 inf2 p3 m8i-flex"


@pytest.mark.parametrize("family", LOCAL.split())
def test_families_with_an_instance_store(family: str) -> None:
    assert has_local_disk(f"ml.{family}.xlarge")


@pytest.mark.parametrize("family", REMOTE.split())
def test_families_without_an_instance_store(family: str) -> None:
    assert not has_local_disk(f"ml.{family}.xlarge")


@pytest.mark.parametrize(
    ("family", "expected"), [("g5", True), ("gr6", True), ("p6-b200", True), ("m5", False)]
)
def test_families_with_gpus(family: str, expected: bool) -> None:
    assert is_gpu(f"ml.{family}.xlarge") is expected
