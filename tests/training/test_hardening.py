"""Every job gets network, isolation and encryption, and it is visible what was added."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_constructs.common.errors import Problems, ValidationError
from mlops_constructs.training.document import find_steps
from mlops_constructs.training.hardening import JobSecurity, harden
from tests.training.fixture import Json, model, processing, training, transform, tuning

VPC = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
KEY = "arn:aws:kms:us-east-1:123456789012:key/k"


def hardened(*steps: Json, **exempt: Any) -> tuple[str, ...]:
    """Harden the steps in place; returns the lines."""
    security = JobSecurity(subnets=["subnet-1"], security_groups=["sg-1"], key=KEY, **exempt)
    document = {
        "Parameters": [{"Name": "InstanceType", "Type": "String", "DefaultValue": "ml.m5.large"}]
    }
    problems = Problems("Test")
    lines = harden(problems, document, list(find_steps(list(steps))), security)
    problems.raise_if_any()
    return lines


def instance(step: Json, instance_type: Json) -> Json:
    step["Arguments"]["ResourceConfig"]["InstanceType"] = instance_type
    return step


def test_processing() -> None:
    step = processing("P")
    lines = hardened(step)
    assert step["Arguments"]["NetworkConfig"] == {
        "VpcConfig": VPC,
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": True,
    }
    assert step["Arguments"]["ProcessingOutputConfig"]["KmsKeyId"] == KEY
    assert step["Arguments"]["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == KEY
    assert lines == (
        "P: NetworkConfig.VpcConfig = the given VPC",
        "P: NetworkConfig.EnableNetworkIsolation = true",
        "P: NetworkConfig.EnableInterContainerTrafficEncryption = true",
        "P: ProcessingOutputConfig.KmsKeyId = the given key",
        "P: ProcessingResources.ClusterConfig.VolumeKmsKeyId = the given key",
    )


def test_processing_without_outputs() -> None:
    step = processing("P")
    del step["Arguments"]["ProcessingOutputConfig"]
    assert "P: ProcessingOutputConfig.KmsKeyId = the given key" not in hardened(step)


def assert_protected(job: Json) -> None:
    assert job["VpcConfig"] == VPC
    assert job["EnableNetworkIsolation"] is True
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert job["OutputDataConfig"]["KmsKeyId"] == KEY
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == KEY


def test_training() -> None:
    step = training("T")
    assert len(hardened(step)) == 5
    assert_protected(step["Arguments"])


def test_each_job_of_a_tuning_step() -> None:
    step = tuning("Tune", training("A"), training("B"))
    single = training("C")["Arguments"]
    single["HyperParameterTuningResourceConfig"] = {"InstanceConfigs": []}
    step["Arguments"]["TrainingJobDefinition"] = single
    lines = hardened(step)
    for job in (*step["Arguments"]["TrainingJobDefinitions"], single):
        assert_protected(job)
    assert single["HyperParameterTuningResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert "Tune: TrainingJobDefinitions[1].EnableNetworkIsolation = true" in lines
    assert "Tune: TrainingJobDefinition.EnableNetworkIsolation = true" in lines


def test_transform() -> None:
    step = transform("T")
    assert len(hardened(step)) == 3
    arguments = step["Arguments"]
    assert arguments["TransformOutput"]["KmsKeyId"] == KEY
    assert arguments["TransformResources"]["VolumeKmsKeyId"] == KEY
    assert arguments["DataCaptureConfig"]["KmsKeyId"] == KEY


def test_model() -> None:
    step = model("M")
    assert len(hardened(step)) == 2
    assert step["Arguments"]["VpcConfig"] == VPC
    assert step["Arguments"]["EnableNetworkIsolation"] is True
    assert "EnableInterContainerTrafficEncryption" not in step["Arguments"]


@pytest.mark.parametrize("instance_type", ["ml.g5.xlarge", "ml.p4d.24xlarge", "ml.r5d.large"])
def test_local_storage_takes_no_volume_key(instance_type: str) -> None:
    step = instance(training("T"), instance_type)
    lines = hardened(step)
    assert "VolumeKmsKeyId" not in step["Arguments"]["ResourceConfig"]
    assert lines[-1].startswith(
        f"T: ResourceConfig.VolumeKmsKeyId left out: {instance_type} has local NVMe storage"
    )


def test_local_storage_in_one_group_of_a_cluster() -> None:
    step = training("T")
    step["Arguments"]["ResourceConfig"] = {
        "InstanceGroups": [{"InstanceType": "ml.c5.large"}, {"InstanceType": "ml.g4dn.xlarge"}]
    }
    assert "left out: ml.g4dn.xlarge" in hardened(step)[-1]


def test_local_storage_by_the_default_of_a_parameter() -> None:
    step = instance(training("T"), {"Get": "Parameters.InstanceType"})
    assert hardened(step)[-1] == "T: ResourceConfig.VolumeKmsKeyId = the given key"


def test_volume_key_with_local_storage_is_refused() -> None:
    step = instance(training("T"), "ml.g5.xlarge")
    step["Arguments"]["ResourceConfig"]["VolumeKmsKeyId"] = "key"
    with pytest.raises(ValidationError, match=r"none: ml\.g5\.xlarge encrypts its local storage"):
        hardened(step)


@pytest.mark.parametrize("weaker", [False, {"Get": "Parameters.Isolated"}])
@pytest.mark.parametrize(
    "name", ["EnableNetworkIsolation", "EnableInterContainerTrafficEncryption"]
)
def test_weaker_setting_is_refused(name: str, weaker: Json) -> None:
    step = training("T", **{name: weaker})
    with pytest.raises(ValidationError, match=rf"step 'T', Arguments\.{name}: got") as refused:
        hardened(step)
    assert "only the construct's allow_… arguments weaken it" in str(refused.value)


def test_key_that_an_execution_could_choose_is_refused() -> None:
    step = training("T")
    step["Arguments"]["OutputDataConfig"]["KmsKeyId"] = {"Get": "Parameters.Key"}
    with pytest.raises(ValidationError, match="executions may override parameters"):
        hardened(step)


def test_fixed_network_and_key_of_the_definition_stay() -> None:
    own = {"Subnets": ["subnet-9"], "SecurityGroupIds": ["sg-9"]}
    step = training("T", VpcConfig=own)
    step["Arguments"]["OutputDataConfig"]["KmsKeyId"] = "{{other.key}}"
    lines = hardened(step)
    assert step["Arguments"]["VpcConfig"] == own
    assert "T: VpcConfig kept as the definition has it" in lines
    assert "T: OutputDataConfig.KmsKeyId kept as the definition has it" in lines


def test_exempt_step() -> None:
    lines = hardened(
        step := training("T", EnableNetworkIsolation=True),
        other := training("U"),
        network_access=frozenset({"T"}),
        plain_traffic=frozenset({"T"}),
    )
    assert step["Arguments"]["EnableNetworkIsolation"] is False
    assert step["Arguments"]["EnableInterContainerTrafficEncryption"] is False
    assert "T: EnableNetworkIsolation = false, as the construct was told" in lines
    assert_protected(other["Arguments"])


def test_jobs_do_not_share_one_vpc_config() -> None:
    hardened(first := training("A"), second := training("B"))
    assert first["Arguments"]["VpcConfig"] is not second["Arguments"]["VpcConfig"]
