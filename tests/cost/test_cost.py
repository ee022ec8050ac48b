"""What templates cost, from the prices of a table of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.cli import main
from mlops_constructs.cost import PriceError, estimate, read_prices
from mlops_constructs.cost.report import as_text
from mlops_constructs.cost.schedules import runs_per_month

PRICES: dict[str, Any] = {
    "name": "made up",
    "region": "eu-west-1",
    "currency": "EUR",
    "as_of": "2026-01",
    "prices": {
        "instance/ml.m5.large": {"amount": 0.1, "per": "hour"},
        "kms-key": {"amount": 1, "per": "month"},
        "vpc-interface-endpoint": {"amount": 0.01, "per": "hour"},
        "cloudwatch-alarm-metric": {"amount": 0.1, "per": "month"},
        "cloudwatch-alarm-metric-high-resolution": {"amount": 0.3, "per": "month"},
    },
}


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    return path


def _template(*resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {"Resources": {f"R{i}": resource for i, resource in enumerate(resources)}, **sections}


def _resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _config(**variant: Any) -> dict[str, Any]:
    return _resource("SageMaker::EndpointConfig", ProductionVariants=[variant])


ENDPOINT = _resource("SageMaker::Endpoint", EndpointConfigName={"Fn::GetAtt": ["R0", "Name"]})
FLEET = {"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}


@pytest.mark.parametrize(
    ("resources", "sections", "quantity", "monthly", "note"),
    [
        ([_config(**FLEET), ENDPOINT], {}, 2, 146.0, ""),
        ([_config(**FLEET)], {}, 2, 146.0, "no endpoint of this template uses it"),
        ([_config(**FLEET | {"InstanceType": "ml.new.large"}), ENDPOINT], {}, 2, None, ""),
        (
            [_config(**FLEET | {"InitialInstanceCount": {"Ref": "N"}}), ENDPOINT],
            {"Parameters": {"N": {"Type": "Number", "Default": "3"}}},
            3,
            219.0,
            "",
        ),
        (
            [_config(**FLEET | {"InitialInstanceCount": {"Fn::ImportValue": "n"}}), ENDPOINT],
            {},
            None,
            None,
            "",
        ),
        (
            [
                _config(**FLEET),
                ENDPOINT,
                _resource(
                    "ApplicationAutoScaling::ScalableTarget",
                    ResourceId={"Fn::Join": ["", ["endpoint/", {"Ref": "X"}, "/variant/v"]]},
                    MinCapacity=1,
                    MaxCapacity=9,
                ),
            ],
            {},
            1,
            73.0,
            "scales up to 9",
        ),
        (
            [
                _config(
                    **FLEET
                    | {"ManagedInstanceScaling": {"MinInstanceCount": 0, "MaxInstanceCount": 4}}
                ),
                ENDPOINT,
            ],
            {},
            0,
            0.0,
            "scales up to 4",
        ),
        (
            [
                _config(
                    ServerlessConfig={
                        "MemorySizeInMB": 2048,
                        "MaxConcurrency": 9,
                        "ProvisionedConcurrency": 5,
                    }
                ),
                ENDPOINT,
            ],
            {},
            5,
            None,
            "",
        ),
        (
            [_resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"])],
            {},
            2,
            14.6,
            "1 endpoint",
        ),
        (
            [{**_resource("KMS::Key"), "Condition": "C"}],
            {},
            1,
            1.0,
            "1 more for each of its first two rotations; if C",
        ),
        ([_resource("CloudWatch::Alarm", Period=60, MetricName="m")], {}, 1, 0.1, ""),
        ([_resource("CloudWatch::Alarm", Period=10, MetricName="m")], {}, 1, 0.3, ""),
        (
            [
                _resource(
                    "CloudWatch::Alarm",
                    Metrics=[
                        {"Id": "e", "Expression": "a/b"},
                        {"Id": "a", "MetricStat": {"Period": 60}},
                        {"Id": "b", "MetricStat": {"Period": 60}},
                    ],
                )
            ],
            {},
            2,
            0.2,
            "",
        ),
        (
            [
                _resource(
                    "SageMaker::FeatureGroup",
                    ThroughputConfig={
                        "ThroughputMode": "Provisioned",
                        "ProvisionedReadCapacityUnits": 7,
                        "ProvisionedWriteCapacityUnits": 7,
                    },
                )
            ],
            {},
            7,
            None,
            "",
        ),
    ],
)
def test_what_stands_costs(  # noqa: PLR0917 - parametrised
    resources: list[dict[str, Any]],
    sections: dict[str, Any],
    quantity: float | None,
    monthly: float | None,
    note: str,
    prices: Path,
) -> None:
    found = estimate({"S": _template(*resources, **sections)}, read_prices(prices))
    line = found.lines[0]
    assert (line.quantity, line.note) == (quantity, note)
    assert line.monthly == (None if monthly is None else pytest.approx(monthly))
    assert not line.at_most


def _scaled(endpoint: Any, least: int) -> dict[str, Any]:
    return _resource(
        "ApplicationAutoScaling::ScalableTarget",
        ResourceId={"Fn::Join": ["", ["endpoint/", endpoint, "/variant/v"]]},
        MinCapacity=least,
        MaxCapacity=9,
    )


@pytest.mark.parametrize(
    "other", [{"Fn::GetAtt": ["Other", "EndpointName"]}, "named"], ids=["by attribute", "by name"]
)
def test_a_fleet_is_scaled_as_its_own_endpoint_says(other: Any, prices: Path) -> None:
    """Variants of several endpoints often have the same name."""
    template = _template(_config(**FLEET), ENDPOINT)
    template["Resources"] |= {
        "OtherConfig": _config(**FLEET),
        "Other": _resource(
            "SageMaker::Endpoint",
            EndpointName="named",
            EndpointConfigName={"Fn::GetAtt": "OtherConfig.EndpointConfigName"},
        ),
        "OtherTarget": _scaled(other, 5),
        "Target": _scaled({"Fn::GetAtt": ["R1", "EndpointName"]}, 3),
    }
    found = estimate({"S": template}, read_prices(prices))
    assert {line.resources: line.quantity for line in found.lines} == {("R0", "OtherConfig"): 8}
    template["Resources"].pop("Target")
    found = estimate({"S": template}, read_prices(prices))
    assert {line.resources: line.quantity for line in found.lines} == {
        ("R0",): 2,
        ("OtherConfig",): 5,
    }


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        ({}, "mlflow-tracking-server/Small"),
        ({"TrackingServerSize": "Large"}, "mlflow-tracking-server/Large"),
    ],
)
def test_a_tracking_server_costs_by_its_size(
    properties: dict[str, str], key: str, prices: Path
) -> None:
    server = _resource("SageMaker::MlflowTrackingServer", **properties)
    [line] = estimate({"S": _template(server)}, read_prices(prices)).lines
    assert (line.key, line.quantity, line.monthly) == (key, 1, None)


@pytest.mark.parametrize(
    ("variants", "quantity", "what"),
    [
        ([{"Fn::If": ["C", FLEET, {"Ref": "AWS::NoValue"}]}], 2, "ml.m5.large"),
        ([{"Fn::If": ["C", FLEET, {**FLEET, "VariantName": "w"}]}], None, "instance of unknown"),
        ({"Ref": "Variants"}, None, "instance of unknown type"),
        ([{**FLEET, "InstanceType": {"Fn::ImportValue": "t"}}], 2, "instance of unknown type"),
    ],
)
def test_variants_that_only_the_deployment_knows_are_told(
    variants: Any, quantity: int | None, what: str, prices: Path
) -> None:
    config = _resource("SageMaker::EndpointConfig", ProductionVariants=variants)
    [line] = estimate({"S": _template(config, ENDPOINT)}, read_prices(prices)).lines
    assert line.quantity == quantity
    assert line.what.startswith(what)


ODD: list[Any] = [None, "x", [None], {"Ref": None}, {"Fn::GetAtt": "a"}]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from _places(value[key], (*path, key))


@pytest.mark.parametrize("odd", ODD, ids=json.dumps)
def test_a_template_of_any_shape_gets_an_estimate(odd: Any, prices: Path) -> None:
    """Every value of a template that holds all drivers, replaced in turn."""
    table = read_prices(prices)
    definition = {
        "Parameters": [{"Name": "Type", "DefaultValue": "ml.m5.large"}],
        "Steps": [
            {
                "Name": "If",
                "Arguments": {
                    "IfSteps": [
                        {
                            "Name": "Train",
                            "Arguments": {
                                "ResourceConfig": {"InstanceType": {"Get": "Parameters.Type"}},
                                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                            },
                        }
                    ]
                },
            }
        ],
    }
    resources = [
        _config(**FLEET),
        ENDPOINT,
        _scaled({"Ref": "R1"}, 1),
        _resource(
            "SageMaker::Pipeline",
            PipelineName="p",
            PipelineDefinition={"PipelineDefinitionBody": definition},
        ),
        *(
            _resource(kind, ScheduleExpression="rate(1 day)", **target)
            for kind, target in (
                ("Scheduler::Schedule", {"Target": {"Arn": "a:pipeline/p"}}),
                ("Events::Rule", {"Targets": [{"Arn": "a:pipeline/p"}]}),
            )
        ),
        *_monitored("R6"),
        _resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a"]),
        _resource("CloudWatch::Alarm", Metrics=[{"Id": "a", "MetricStat": {"Period": 60}}]),
        _resource("SageMaker::Cluster", InstanceGroups=[{"InstanceType": "a", "InstanceCount": 1}]),
        _resource("SageMaker::App", ResourceSpec={"InstanceType": "ml.t3.medium"}),
    ]
    template = _template(*resources, Parameters={"N": {"Type": "Number", "Default": 1}})
    assert len(estimate({"S": template}, table).lines) == 7
    for *path, last in list(_places(template)):
        if last == "Resources":  # such a file is refused when it is read
            continue
        above = template
        for key in path:
            above = above[key]
        was, above[last] = above[last], odd
        as_text(estimate({"S": template}, table), None)
        above[last] = was


@pytest.mark.parametrize(
    "resource",
    [
        _resource("EC2::VPCEndpoint", VpcEndpointType="Gateway", RouteTableIds=["r"]),
        _resource("EC2::VPCEndpoint", RouteTableIds=["r"]),
        _config(ServerlessConfig={"MemorySizeInMB": 2048, "MaxConcurrency": 9}),
        _resource("SageMaker::FeatureGroup", ThroughputConfig={"ThroughputMode": "OnDemand"}),
        _resource("S3::Bucket"),
        {"Type": "AWS::KMS::Key", "Properties": None},
    ],
)
def test_what_is_billed_by_use_is_no_driver(resource: dict[str, Any], prices: Path) -> None:
    assert estimate({"S": _template(resource)}, read_prices(prices)).lines == ()


def _pipeline(name: str = "p") -> dict[str, Any]:
    def step(step_name: str, seconds: Any) -> dict[str, Any]:
        return {
            "Name": step_name,
            "Type": "Training",
            "Arguments": {
                "ResourceConfig": {
                    "InstanceCount": 2,
                    "InstanceType": {"Get": "Parameters.Instance"},
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
            },
        }

    definition = {
        "Parameters": [{"Name": "Instance", "Type": "String", "DefaultValue": "ml.m5.large"}],
        "Steps": [
            step("One", 3600),
            {"Name": "If", "Type": "Condition", "Arguments": {"IfSteps": [step("Two", 1800)]}},
        ],
    }
    text = json.dumps(definition)
    half = len(text) // 2
    body = {"Fn::Join": ["", [text[:half], text[half:]]]}
    return _resource(
        "SageMaker::Pipeline",
        PipelineName=name,
        PipelineDefinition={"PipelineDefinitionBody": body},
    )


def test_scheduled_jobs_cost_at_most_their_longest_run(prices: Path) -> None:
    arn = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":sagemaker:r:a:pipeline/p"]]}
    schedule = _resource(
        "Scheduler::Schedule", ScheduleExpression="rate(1 day)", Target={"Arn": arn}
    )
    rule = _resource("Events::Rule", ScheduleExpression="rate(1 day)", Targets=[{"Arn": arn}])
    off = _resource(
        "Scheduler::Schedule",
        ScheduleExpression="rate(1 day)",
        State="DISABLED",
        Target={"Arn": arn},
    )
    # The pipeline stands in another stack than its schedules.
    found = estimate(
        {"A": _template(schedule, rule, off), "B": _template(_pipeline())}, read_prices(prices)
    )
    assert [line.what for line in found.lines] == ["step One of p", "step Two of p"]
    # Twice a day, by the schedule and by the rule.
    assert [line.quantity for line in found.lines] == pytest.approx([60.8, 60.8])
    days = 365 / 12
    assert found.at_most() == pytest.approx(2 * days * 2 * 0.1 * (1 + 0.5))
    assert found.monthly() == 0


def test_a_schedule_may_refer_to_its_pipeline(prices: Path) -> None:
    arn = {"Fn::Join": ["", ["arn:aws:sagemaker:r:a:pipeline/", {"Ref": "R0"}]]}
    schedule = _resource(
        "Scheduler::Schedule", ScheduleExpression="rate(1 hour)", Target={"Arn": arn}
    )
    found = estimate({"S": _template(_pipeline(), schedule)}, read_prices(prices))
    assert [line.quantity for line in found.lines] == [730, 730]


def _monitored(definition_id: str = "R0") -> list[dict[str, Any]]:
    definition = _resource(
        "SageMaker::DataQualityJobDefinition",
        JobResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
        StoppingCondition={"MaxRuntimeInSeconds": 1800},
    )
    schedule = _resource(
        "SageMaker::MonitoringSchedule",
        MonitoringScheduleConfig={
            "MonitoringJobDefinitionName": {"Fn::GetAtt": [definition_id, "JobDefinitionName"]},
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
        },
    )
    return [definition, schedule]


def test_a_native_monitor_is_a_scheduled_job(prices: Path) -> None:
    found = estimate({"S": _template(*_monitored())}, read_prices(prices))
    assert found.at_most() == pytest.approx(730 * 0.5 * 0.1)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 hour)", 730),
        ("rate(5 minutes)", 8760),
        ("cron(15 * * * ? *)", 730),
        ("cron(0 3 ? * SUN *)", 53 / 12),
        ("cron(0 3 ? * 2-6 *)", 260 / 12),
        ("cron(0 8-18/2 ? * MON-FRI *)", 6 * 260 / 12),
        ("cron(0 0 1 * ? *)", 1),
        ("cron(0 0 31 * ? *)", 7 / 12),
        ("cron(0 0 L * ? *)", 1),
        ("cron(0 0 ? 1,7 MON#2 *)", 2 / 12),
        ("cron(0/15 9 1W JAN ? *)", 4 / 12),
        ("at(2026-01-01T00:00:00)", 0),
        ("cron(0 25 * * ? *)", None),
        ("cron(x * * * ? *)", None),
        ("every day", None),
        ("rate(0 hours)", None),
        (None, None),
    ],
)
def test_a_schedule_is_counted(expression: str | None, runs: float | None) -> None:
    assert runs_per_month(expression) == (None if runs is None else pytest.approx(runs))


def test_the_committed_table_is_dated_and_every_price_has_a_source() -> None:
    table = read_prices()
    assert (table.region, table.currency) == ("us-east-1", "USD")
    assert table.as_of.startswith("20")
    assert "not read from AWS" in table.note
    assert all(price.source for price in table.prices.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "cannot be read"),
        ("[]", "no price table"),
        (json.dumps({"prices": {}}), "these must be texts: name, region, currency, as_of"),
        (json.dumps(PRICES | {"prices": {"k": {"amount": -1, "per": "hour"}}}), "k: got"),
        (json.dumps(PRICES | {"prices": {"k": {"amount": True, "per": "hour"}}}), "k: got"),
        (json.dumps(PRICES | {"prices": {"k": {"amount": 1, "per": "year"}}}), "k: got"),
    ],
)
def test_a_wrong_table_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(content)
    with pytest.raises(PriceError, match=message):
        read_prices(path)
    with pytest.raises(PriceError, match="cannot be read"):
        read_prices(tmp_path / "missing.json")


@pytest.fixture
def stacks(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, count in ((old, 2), (new, 3)):
        folder.mkdir()
        config = _config(**FLEET | {"InitialInstanceCount": count})
        (folder / "Serving.template.json").write_text(json.dumps(_template(config, ENDPOINT)))
    (old / "Gone.template.json").write_text(json.dumps(_template(_resource("KMS::Key"))))
    return old, new


def test_the_command_says_what_changes(
    stacks: tuple[Path, Path], prices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = map(str, stacks)
    assert main(["cost", new, "--against", old, "--prices", str(prices)]) == 0
    said = capsys.readouterr().out
    assert "Serving: 219.00 EUR a month (+73.00)" in said
    assert "Gone: 0.00 EUR a month (-1.00)" in said
    assert "All stacks: 219.00 EUR a month (+72.00)" in said
    assert "made up, eu-west-1, EUR, as of 2026-01" in said


def test_markdown_has_a_row_for_each_stack_and_nothing_that_is_markup(
    tmp_path: Path, prices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = _template({**_resource("KMS::Key"), "Condition": "@all|<b>"})
    path = tmp_path / "S.template.json"
    path.write_text(json.dumps(template))
    assert main(["cost", str(path), "--prices", str(prices), "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    assert "| S | 1.00 | 0.00 |  |" in said
    assert "@all" not in said
    assert "<b>" not in said


def test_json_holds_every_line(
    stacks: tuple[Path, Path], prices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["cost", str(stacks[1]), "--prices", str(prices), "--format", "json"]
    assert main([*arguments, "--limit", "218.99"]) == 1
    said = capsys.readouterr()
    assert "above --limit 218.99" in said.err
    document = json.loads(said.out)
    assert document["monthly"] == 219.0
    assert document["lines"] == [
        {
            "stack": "Serving",
            "what": "ml.m5.large behind an endpoint",
            "resources": ["R0"],
            "quantity": 3,
            "unit": "unit",
            "price": "instance/ml.m5.large",
            "monthly": 219.0,
            "at_most": False,
            "note": "",
        }
    ]
    assert main([*arguments, "--limit", "219"]) == 0


def test_what_cannot_be_read_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "missing.json"]) == 2
    assert "missing.json" in capsys.readouterr().err


def test_the_platform_has_a_price_for_all_that_stands_but_flow_logs() -> None:
    from mlops_constructs.impact.inputs import read_folder
    from mlops_constructs.impact.revisions import SNAPSHOTS

    root = Path(__file__).resolve().parents[2]
    found = estimate(read_folder(root / SNAPSHOTS), read_prices())
    assert {line.what for line in found.unpriced} == {"flow log"}
    assert found.monthly("Serving-prod") > found.monthly("Serving-dev") > 0
    assert found.at_most("Monitoring-prod") > 0
