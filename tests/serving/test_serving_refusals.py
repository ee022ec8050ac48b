"""Wrong combinations of model, compute and what runs beside: refused, each with a way out."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration, assertions, aws_s3 as s3
from constructs import Construct

from mlops_constructs import (
    Adapter,
    Asynchronous,
    AsyncOutput,
    Canary,
    Challenger,
    Component,
    DataCapture,
    DirectContainers,
    InferenceCode,
    InferenceComponents,
    Instances,
    ManagedInstances,
    ModelFolder,
    MultiModel,
    PrefixRouting,
    RollbackAlarms,
    Rolling,
    SerialPipeline,
    Serverless,
    Shadow,
    ValidationError,
)
from tests.serving.fixture import REPOSITORY, faults, small_endpoint
from tests.serving.kinds import IMAGE, artifact
from tests.support import ROOT, new_stack, resources_of

_FLEET = Instances("ml.m5.large", count=2)


@pytest.fixture(scope="module")
def bucket() -> s3.IBucket:
    return s3.Bucket.from_bucket_name(new_stack(), "Models", "models")


@cache
def _ground() -> cdk.Stack:
    """One stack for all that is refused, as a new app takes longer than a refusal."""
    return new_stack()


def _refused(**given: Any) -> ValidationError:
    place: Any = Construct(_ground(), f"Use{len(_ground().node.children)}")
    with pytest.raises(ValidationError) as raised:
        small_endpoint(place, **given)
    return raised.value


def _many(bucket: s3.IBucket, **given: Any) -> MultiModel:
    arguments: dict[str, Any] = {
        "image": IMAGE,
        "models_url": "s3://models/all/",
        "buckets": [bucket],
        "image_repository_arns": [REPOSITORY],
    }
    return MultiModel(**(arguments | given))


def test_each_compute_says_what_it_serves(bucket: s3.IBucket) -> None:
    many = _many(bucket)
    direct = DirectContainers({"a": artifact(bucket), "b": artifact(bucket)})
    parts = InferenceComponents([Component(name="chat", model=artifact(bucket), memory_mb=128)])
    queue = Asynchronous("ml.m5.large", output=AsyncOutput(bucket=bucket))
    serverless = Serverless(memory_mb=1024, max_concurrency=1)
    managed = ManagedInstances("ml.m5.large")
    for model, compute, told in (
        (many, serverless, "one container of one model"),
        (many, queue, "neither a model of several nor a container"),
        (direct, queue, "SerialPipeline on Asynchronous"),
        (direct, serverless, "Write compute=Instances(...)."),
        (parts, _FLEET, "Write compute=ManagedInstances("),
        (parts, serverless, "Write compute=ManagedInstances("),
        (artifact(bucket), managed, "Write model=InferenceComponents([Component(...)])."),
    ):
        error = _refused(model=model, compute=compute)
        assert faults(error) == ["model"]
        assert told in str(error)


def test_one_variant_only_where_the_service_takes_one(bucket: s3.IBucket) -> None:
    beside = Shadow(name="b", model=artifact(bucket), compute=_FLEET, percent=10)
    queue = Asynchronous("ml.m5.large", output=AsyncOutput(bucket=bucket))
    for compute in (queue, Serverless(memory_mb=1024, max_concurrency=1)):
        assert faults(_refused(compute=compute, beside=beside)) == ["beside"]


@pytest.mark.parametrize(
    ("percents", "told"),
    [([60, 40], "less than 100 % in total"), ([0], "above 0"), ([1] * 10, "at most 9")],
)
def test_shares_leave_something_to_the_endpoints_own(
    bucket: s3.IBucket, percents: list[int], told: str
) -> None:
    beside = [
        Challenger(name=f"c{index}", model=artifact(bucket), compute=_FLEET, percent=percent)
        for index, percent in enumerate(percents)
    ]
    assert told in str(_refused(beside=beside))


def test_what_runs_beside_is_named_and_whole(bucket: s3.IBucket) -> None:
    def challenger(**given: Any) -> Challenger:
        arguments: dict[str, Any] = {
            "name": "bold",
            "model": artifact(bucket),
            "compute": _FLEET,
            "percent": 10,
        }
        return Challenger(**(arguments | given))

    assert faults(_refused(beside=[challenger(name="AllTraffic")])) == ["beside[0].name"]
    assert faults(_refused(beside=[challenger(), challenger(name="Bold")])) == ["beside"]
    assert faults(_refused(beside=[challenger(compute=Instances("ml.m5.large", count=0))]))[0] == (
        "beside[0].compute.count"
    )
    assert faults(_refused(beside=[challenger(model="s3://model")])) == ["beside[0].model"]
    serverless = Serverless(memory_mb=1024, max_concurrency=1)
    assert faults(_refused(beside=[challenger(compute=serverless)])) == ["beside[0].compute"]
    assert faults(_refused(beside=challenger())) == ["beside"]
    shadow = Shadow(name="b", model=artifact(bucket), compute=_FLEET, percent=10)
    assert faults(_refused(beside=[challenger(), shadow])) == ["beside"]


def test_shadows_are_for_models_of_one_container(bucket: s3.IBucket) -> None:
    def shadow(model: Any, compute: Instances = _FLEET) -> Shadow:
        return Shadow(name="b", model=model, compute=compute, percent=10)

    one = artifact(bucket)
    for several in (
        _many(bucket),
        SerialPipeline([one, one]),
        DirectContainers({"a": one, "b": one}),
    ):
        assert faults(_refused(beside=shadow(several))) == ["beside.model"]
        assert faults(_refused(model=several, beside=shadow(one))) == ["model"]
    inferentia = Instances("ml.inf1.xlarge", count=2)
    assert faults(_refused(beside=shadow(one, inferentia))) == ["beside.compute.instance_type"]
    assert faults(_refused(compute=inferentia, beside=shadow(one))) == ["compute.instance_type"]


def test_the_smallest_of_several_fleets_must_fit(bucket: s3.IBucket) -> None:
    beside = [
        Challenger(
            name="bold", model=artifact(bucket), compute=Instances("ml.m5.large"), percent=10
        )
    ]
    error = _refused(beside=beside, deployment=Canary(percent=50))
    assert "Canary of 50 % on a fleet of 1" in str(error)
    assert "do not roll" in str(
        _refused(
            beside=beside,
            compute=Instances("ml.m5.large", count=4),
            deployment=Rolling(percent=50),
        )
    )


def test_components_roll_over_their_copies(bucket: s3.IBucket) -> None:
    def parts(copies: int) -> InferenceComponents:
        return InferenceComponents(
            [Component(name="chat", model=artifact(bucket), memory_mb=128, copies=copies)]
        )

    compute = ManagedInstances("ml.m5.large")
    assert "Rolling, which inference components are updated by" in str(
        _refused(model=parts(2), compute=compute, deployment=Canary(percent=50))
    )
    assert "Write copies=4, or deployment=Rolling(percent=50)." in str(
        _refused(model=parts(2), compute=compute, deployment=Rolling(percent=25))
    )
    assert "Write copies=2, or deployment=None." in str(
        _refused(model=parts(1), compute=compute, deployment=Rolling(percent=50))
    )


def test_components_that_the_service_would_refuse(bucket: s3.IBucket) -> None:
    model = InferenceComponents(
        [
            Component(
                name="Chat",
                model=_many(bucket),  # type: ignore[arg-type]  # the mistake under test
                memory_mb=64,
                max_memory_mb=32,
                cpus=0.1,
                accelerators=0,
                copies=-1,
                startup_timeout=Duration.hours(2),
            ),
            Adapter(name="legal", base="chat", artifact_url="models/legal"),
            Adapter(name="legal", base="Chat", artifact_url="s3://models/legal.tar.gz"),
        ]
    )
    error = _refused(model=model, compute=ManagedInstances("ml.m5.large"))
    assert faults(error) == [
        "model.components",
        "model.components[0].name",
        "model.components[0].model",
        "model.components[0].memory_mb",
        "model.components[0].max_memory_mb",
        "model.components[0].cpus",
        "model.components[0].accelerators",
        "model.components[0].copies",
        "model.components[0].startup_timeout",
        "model.components[1].base",
        "model.components[1].artifact_url",
        # The second list of checks: against the fleet.
        "model.components[0].accelerators",
    ]


def test_component_names_are_joined_to_that_of_the_endpoint(bucket: s3.IBucket) -> None:
    model = InferenceComponents([Component(name="c" * 50, model=artifact(bucket), memory_mb=128)])
    assert "at most 63" in str(_refused(model=model, compute=ManagedInstances("ml.m5.large")))


def test_containers_come_in_twos_to_fifteens(bucket: s3.IBucket) -> None:
    for count in (1, 16):
        model = SerialPipeline([artifact(bucket)] * count)
        assert faults(_refused(model=model)) == ["model.containers"]
    wrong = artifact(bucket, image="two words")
    assert faults(_refused(model=SerialPipeline([artifact(bucket), wrong]))) == [
        "model.containers[1].image"
    ]
    assert faults(_refused(model=DirectContainers({"a_b": artifact(bucket), "c": wrong}))) == [
        "model.containers",
        "model.containers['c'].image",
    ]
    large = artifact(bucket, environment={f"A{n}": "x" * 1000 for n in range(20)})
    assert faults(_refused(model=SerialPipeline([large, large]))) == ["model.containers"]
    nested: Any = SerialPipeline([_many(bucket), artifact(bucket)])  # type: ignore[list-item] # the mistake under test
    assert faults(_refused(model=nested)) == ["model.containers[0]"]


@pytest.mark.parametrize("url", ["s3://models/all", "models/", "s3://models/model.tar.gz"])
def test_many_models_lie_below_a_prefix(bucket: s3.IBucket, url: str) -> None:
    assert faults(_refused(model=_many(bucket, models_url=url))) == ["model.models_url"]


def test_a_queue_with_nothing_to_tell(bucket: s3.IBucket) -> None:
    compute = Asynchronous(
        "ml.m5.large",
        output=AsyncOutput(bucket=bucket, prefix="/a", failure_prefix="/a"),
        concurrency=1001,
        include_answer=True,
    )
    assert faults(_refused(compute=compute)) == [
        "compute.output.prefix",
        "compute.output.failure_prefix",
        "compute.output.failure_prefix",
        "compute.concurrency",
        "compute.include_answer",
    ]


@pytest.mark.parametrize(
    ("compute", "fault"),
    [
        (Instances("ml.m5.large", volume_gb=513), "compute.volume_gb"),
        (Instances("ml.g5.xlarge", volume_gb=100), "compute.volume_gb"),
        (
            Instances("ml.m5.large", download_timeout=Duration.seconds(30)),
            "compute.download_timeout",
        ),
        (Instances("ml.m5.large", startup_timeout=Duration.hours(2)), "compute.startup_timeout"),
        (
            Instances("ml.m5.large", routing=PrefixRouting(prefix_length=1)),
            "compute.routing.prefix_length",
        ),
        (
            Instances("ml.m5.large", routing=PrefixRouting(concurrency=0)),
            "compute.routing.concurrency",
        ),
    ],
)
def test_settings_of_fleets_have_limits(compute: Instances, fault: str) -> None:
    assert faults(_refused(compute=compute)) == [fault]


def test_managed_instances_have_a_range(bucket: s3.IBucket) -> None:
    model = InferenceComponents([Component(name="chat", model=artifact(bucket), memory_mb=128)])
    for compute in (
        ManagedInstances("ml.m5.large", min_count=3, max_count=2, count=3),
        ManagedInstances("ml.m5.large", min_count=2, max_count=4),
    ):
        assert faults(_refused(model=model, compute=compute))[-1].startswith("compute.")


def _code(folder: Path) -> InferenceCode:
    (folder / "inference.py").write_text("def model_fn(path): ...\n")
    return InferenceCode(folder=folder)


def test_code_that_the_container_fetches_needs_a_network(
    bucket: s3.IBucket, tmp_path: Path
) -> None:
    model = artifact(bucket, code=_code(tmp_path))
    error = _refused(model=model)
    assert faults(error) == ["network_isolation"]
    assert "ModelFolder" in str(error)
    stack = new_stack()
    small_endpoint(stack, model=model, network_isolation=False)
    (made,) = resources_of(stack, "AWS::SageMaker::Model").values()
    environment = made["Properties"]["PrimaryContainer"]["Environment"]
    assert environment["SAGEMAKER_PROGRAM"] == "inference.py"
    assert "SAGEMAKER_SUBMIT_DIRECTORY" in environment
    missing = artifact(bucket, code=InferenceCode(folder=tmp_path, entry_point="serve.py"))
    assert faults(_refused(model=missing, network_isolation=False)) == ["model.code"]


def test_a_folder_goes_along_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "code").mkdir()
    weights = tmp_path / "model" / "weights.bin"
    weights.write_bytes(b"1")
    code = _code(tmp_path / "code")

    def model(**given: Any) -> ModelFolder:
        arguments: dict[str, Any] = {
            "image": IMAGE,
            "image_repository_arns": [REPOSITORY],
            "folder": tmp_path / "model",
            "code": code,
        }
        return ModelFolder(**(arguments | given))

    def url() -> Any:
        stack = new_stack()
        small_endpoint(stack, model=model())
        (made,) = resources_of(stack, "AWS::SageMaker::Model").values()
        container = made["Properties"]["PrimaryContainer"]
        assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"
        assert made["Properties"]["EnableNetworkIsolation"] is True
        return container["ModelDataUrl"]

    first = url()
    assert url() == first
    weights.write_bytes(b"2")
    assert url() != first
    (tmp_path / "empty").mkdir()
    error = _refused(model=model(folder=tmp_path / "empty", image="", image_repository_arns=[]))
    assert faults(error) == ["model.image_repository_arns", "model.image", "model.folder"]


def test_uncompressed_models_need_instances(bucket: s3.IBucket) -> None:
    error = _refused(
        model=artifact(bucket, model_data_url="s3://models/llm/"),
        compute=Serverless(memory_mb=1024, max_concurrency=1),
    )
    assert faults(error) == ["model.model_data_url"]


def test_says_what_protects_nothing() -> None:
    stack = new_stack()
    small_endpoint(stack, compute=Instances("ml.g5.xlarge", count=2))
    small_endpoint_of(stack, "Quiet", compute=Instances("ml.inf1.xlarge", count=2))
    small_endpoint_of(
        stack,
        "Blind",
        compute=Instances("ml.m5.large", count=50),
        deployment=Canary(percent=2),
        rollback=RollbackAlarms(error_rate=0.05),
    )
    found = assertions.Annotations.from_stack(stack)
    for text in ("local NVMe disks", "a model that fails always is not rolled back"):
        assert found.find_warning("*", assertions.Match.string_like_regexp(text))
    assert found.find_info("*", assertions.Match.string_like_regexp("guardrails do not apply"))


def small_endpoint_of(stack: Any, name: str, **given: Any) -> None:
    """A further endpoint in a stack that has one."""
    from aws_cdk import aws_kms as kms
    from constructs import Construct

    from mlops_constructs import BlueGreenEndpoint

    place = Construct(stack, name)
    arguments: dict[str, Any] = {
        "endpoint_name": name.lower(),
        "model": artifact(s3.Bucket.from_bucket_name(place, "Models", "models")),
        "encryption_key": kms.Key.from_key_arn(
            place, "Given", "arn:aws:kms:us-east-1:123456789012:key/0000"
        ),
    }
    BlueGreenEndpoint(place, "Endpoint", **(arguments | given))


_WRONG: Any = "a text, or whatever somebody without a type checker writes"


@pytest.mark.parametrize(
    ("given", "fault", "told"),
    [
        ({"endpoint_name": None}, "endpoint_name", "allowed: text"),
        ({"network": "vpc-1"}, "network", "Write JobNetwork(...)."),
        ({"network_isolation": "no"}, "network_isolation", "True or False"),
        ({"encryption_key": "arn:aws:kms:x"}, "encryption_key", "has from_... methods"),
        ({"alarm_topic": "arn:aws:sns:x"}, "alarm_topic", "allowed: ITopic"),
        ({"capture": {"percent": 10}}, "capture", "Write DataCapture(...)."),
        ({"capture": DataCapture(bucket=_WRONG)}, "capture.bucket", "allowed: IBucket"),
        ({"rollback": {}}, "rollback", "Write RollbackAlarms(...)."),
        ({"rollback": RollbackAlarms(own=_WRONG)}, "rollback.own", "a list, each IAlarm"),
        ({"deployment": Canary(percent=50, bake=600)}, "deployment.bake", "Duration.seconds(600)"),  # type: ignore[arg-type] # the mistake under test
        ({"deployment": Canary(percent=33.5)}, "deployment.percent", "a whole number"),  # type: ignore[arg-type] # the mistake under test
        ({"compute": Instances("ml.m5.large", count=_WRONG)}, "compute.count", "a whole number"),
        (
            {"compute": Instances("ml.m5.large", count=2, routing=_WRONG)},
            "compute.routing",
            "Write Routing.RANDOM.",
        ),
        (
            {"compute": Asynchronous("ml.m5.large", output=AsyncOutput(bucket=_WRONG))},
            "compute.output.bucket",
            "allowed: IBucket",
        ),
        (
            {"deployment": Canary(percent=50, bake=Duration.millis(1500))},
            "deployment.bake",
            "in whole seconds",
        ),
        ({"rollback": RollbackAlarms(p99_latency=Duration.millis(0))}, "rollback.p99_latency", ""),
    ],
)
def test_wrong_types_are_no_tracebacks(given: dict[str, Any], fault: str, told: str) -> None:
    error = _refused(**given)
    assert faults(error) == [fault]
    assert told in str(error)


def test_wrong_types_inside_a_model(bucket: s3.IBucket) -> None:
    one = artifact(bucket, buckets=bucket, environment={"WORKERS": 2})
    error = _refused(model=SerialPipeline([one, artifact(bucket)]))
    assert faults(error) == [
        "model.containers[0].buckets",
        "model.containers[0].environment",
    ]
    assert "Put it into a list: [...]." in str(error)


@pytest.mark.slow
def test_a_type_checker_refuses_wrong_combinations(tmp_path: Path) -> None:
    lines = {
        "model=many, compute=Serverless(memory_mb=1024, max_concurrency=1)": False,
        "model=one, compute=Serverless(memory_mb=1024, max_concurrency=1)": True,
        "model=one, compute=Serverless(memory_mb=1024, max_concurrency=1), capture=None": False,
        "model=one, compute=Serverless(memory_mb=1024, max_concurrency=1), network=None": False,
        "model=one, compute=fleet, deployment=Canary(percent=50), beside=[]": True,
        "model=direct, compute=queue": False,
        "model=one, compute=queue, beside=[]": False,
        "model=one, compute=queue, deployment=Canary(percent=50)": True,
        "model=parts, compute=fleet": False,
        "model=one, compute=fleet, beside=shadow": True,
        "model=many, compute=fleet, beside=shadow": False,
        "model=many, compute=fleet, beside=[]": True,
        "model=one, compute=ManagedInstances('ml.m5.large')": False,
        "model=parts, compute=ManagedInstances('ml.m5.large'), deployment=Canary(percent=9)": False,
        "model=parts, compute=ManagedInstances('ml.m5.large'), deployment=Rolling(percent=9)": True,
    }
    head = (
        "from aws_cdk import Stack\nfrom mlops_constructs import *\n\n\n"
        "def make(stack: Stack, one: ModelArtifact, many: MultiModel, direct: DirectContainers,\n"
        "         parts: InferenceComponents, fleet: Instances, queue: Asynchronous,\n"
        "         shadow: Shadow) -> None:\n"
    )
    script = tmp_path / "combinations.py"
    script.write_text(
        head
        + "".join(f"    BlueGreenEndpoint(stack, 'E', endpoint_name='e', {x})\n" for x in lines)
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    refused = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    first = head.count("\n") + 1
    wrong = {first + index for index, right in enumerate(lines.values()) if not right}
    assert refused == wrong, done.stdout
