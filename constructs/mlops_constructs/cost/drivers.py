"""What costs money as long as it stands, by resource type, and what schedules start.

Sources of what is billed: the pricing pages of the services. What is billed by use alone
(requests, storage, log volume) is no driver, except flow logs, which write without being asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.cost.values import known, number, text

Document = Mapping[str, Any]
Properties = dict[str, Any]


@dataclass(frozen=True)
class Driver:
    """Something that costs.

    Attributes:
        what: In words, such as ``ml.m5.large behind an endpoint``.
        key: Its price in the table.
        quantity: How many units; None if only the deployment knows.
        note: What else matters, or empty.
    """

    what: str
    key: str
    quantity: float | None
    note: str = ""


def always_on(document: Document, logical_id: str) -> Iterator[Driver]:
    """What a resource of a template costs while nobody uses it."""
    resource = document["Resources"][logical_id]
    properties = resource.get("Properties")
    find = _FINDERS.get(resource.get("Type"))
    if find is not None and isinstance(properties, dict):
        yield from find(document, logical_id, properties)


def parameters_of(document: Document) -> Mapping[str, Any]:
    """The parameters of a template."""
    found = document.get("Parameters")
    return found if isinstance(found, dict) else {}


def _endpoint_config(
    document: Document, logical_id: str, properties: Properties
) -> Iterator[Driver]:
    parameters = parameters_of(document)
    unused = "" if _is_used(document, logical_id) else "no endpoint of this template uses it"
    variants = [
        variant
        for name in ("ProductionVariants", "ShadowProductionVariants")
        for variant in _list(properties.get(name))
        if isinstance(variant, dict)
    ]
    for variant in variants:
        serverless = variant.get("ServerlessConfig")
        if isinstance(serverless, dict):
            if "ProvisionedConcurrency" in serverless:
                memory = number(serverless.get("MemorySizeInMB"), parameters)
                yield Driver(
                    f"provisioned concurrency of {memory} MB",
                    f"serverless-provisioned-concurrency/{memory}",
                    number(serverless["ProvisionedConcurrency"], parameters),
                    unused,
                )
            continue
        instance = known(variant.get("InstanceType"), parameters)
        count, note = _fleet(document, variant)
        yield Driver(
            f"{instance} behind an endpoint",
            f"instance/{instance}",
            count,
            "; ".join(filter(None, (note, unused))),
        )


def _fleet(document: Document, variant: Properties) -> tuple[float | None, str]:
    """The size of a fleet that nothing but time changes, and how far it may grow."""
    parameters = parameters_of(document)
    managed = variant.get("ManagedInstanceScaling")
    if isinstance(managed, dict):
        least = number(managed.get("MinInstanceCount"), parameters)
        return least, f"scales up to {managed.get('MaxInstanceCount')}"
    for resource in document["Resources"].values():
        if resource.get("Type") == "AWS::ApplicationAutoScaling::ScalableTarget":
            target = resource.get("Properties", {})
            if text(target.get("ResourceId")).endswith(f"/variant/{variant.get('VariantName')}"):
                most = number(target.get("MaxCapacity"), parameters)
                return number(target.get("MinCapacity"), parameters), f"scales up to {most}"
    return number(variant.get("InitialInstanceCount"), parameters, 1), ""


def _is_used(document: Document, config: str) -> bool:
    for resource in document["Resources"].values():
        if resource.get("Type") == "AWS::SageMaker::Endpoint":
            match resource.get("Properties", {}).get("EndpointConfigName"):
                case {"Ref": name} | {"Fn::GetAtt": [name, _]} if name == config:
                    return True
    return False


def _instances(what: str, type_name: str) -> _Finder:
    def find(document: Document, _logical_id: str, properties: Properties) -> Iterator[Driver]:
        instance = known(properties.get(type_name), parameters_of(document))
        yield Driver(f"{instance} {what}", f"instance/{instance}", 1)

    return find


def _cluster(document: Document, _logical_id: str, properties: Properties) -> Iterator[Driver]:
    parameters = parameters_of(document)
    for group in _list(properties.get("InstanceGroups")):
        if isinstance(group, dict):
            instance = known(group.get("InstanceType"), parameters)
            count = number(group.get("InstanceCount"), parameters)
            yield Driver(f"{instance} in a cluster", f"instance/{instance}", count)


def _vpc_endpoint(document: Document, _logical_id: str, properties: Properties) -> Iterator[Driver]:
    if known(properties.get("VpcEndpointType"), parameters_of(document)) != "Interface":
        return
    subnets = properties.get("SubnetIds")
    zones = len(subnets) if isinstance(subnets, list) else None
    yield Driver(
        "interface endpoint, in each zone",
        "vpc-interface-endpoint",
        zones,
        text(properties.get("ServiceName")).rpartition("}.")[2].rpartition(".")[2],
    )


def _alarm(document: Document, _logical_id: str, properties: Properties) -> Iterator[Driver]:
    queries = [query for query in _list(properties.get("Metrics")) if isinstance(query, dict)]
    watched = [
        query["MetricStat"] for query in queries if isinstance(query.get("MetricStat"), dict)
    ]
    periods = [stat.get("Period") for stat in watched] or [properties.get("Period")]
    seconds = [number(period, parameters_of(document), 60) for period in periods]
    high = any(period is not None and period < 60 for period in seconds)
    key = "cloudwatch-alarm-metric" + ("-high-resolution" if high else "")
    yield Driver("metric under an alarm", key, max(len(watched), 1))


def _provisioned_lambda(
    document: Document, _logical_id: str, properties: Properties
) -> Iterator[Driver]:
    config = properties.get("ProvisionedConcurrencyConfig")
    if isinstance(config, dict):
        count = number(config.get("ProvisionedConcurrentExecutions"), parameters_of(document))
        yield Driver("provisioned concurrency of Lambda", "lambda-provisioned-concurrency", count)


def _feature_group(
    document: Document, _logical_id: str, properties: Properties
) -> Iterator[Driver]:
    throughput = properties.get("ThroughputConfig")
    if isinstance(throughput, dict) and throughput.get("ThroughputMode") == "Provisioned":
        for side in ("Read", "Write"):
            units = throughput.get(f"Provisioned{side}CapacityUnits")
            yield Driver(
                f"provisioned {side.lower()} unit of a feature group",
                f"feature-store-{side.lower()}-unit",
                number(units, parameters_of(document)),
            )
    online = properties.get("OnlineStoreConfig")
    if isinstance(online, dict) and online.get("StorageType") == "InMemory":
        yield Driver("in-memory online store", "feature-store-in-memory", 1)


def _one(what: str, key: str, note: str = "") -> _Finder:
    def find(_document: Document, _logical_id: str, _properties: Properties) -> Iterator[Driver]:
        yield Driver(what, key, 1, note)

    return find


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_Finder = Callable[[Document, str, Properties], Iterator[Driver]]

_FINDERS: Final[Mapping[Any, _Finder]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _one("composite alarm", "cloudwatch-composite-alarm"),
    "AWS::CloudWatch::Dashboard": _one(
        "dashboard", "cloudwatch-dashboard", "the first three of an account are free"
    ),
    "AWS::EC2::EIP": _one("public IPv4 address", "public-ipv4"),
    "AWS::EC2::FlowLog": _one("flow log", "flow-log", "billed by the volume that it writes"),
    "AWS::EC2::NatGateway": _one("NAT gateway", "nat-gateway", "traffic comes on top"),
    "AWS::EC2::VPCEndpoint": _vpc_endpoint,
    "AWS::KMS::Key": _one("key", "kms-key", "1 more for each of its first two rotations"),
    "AWS::KMS::ReplicaKey": _one("replica key", "kms-key"),
    "AWS::Lambda::Alias": _provisioned_lambda,
    "AWS::Lambda::Version": _provisioned_lambda,
    "AWS::SageMaker::App": _instances("of a Studio app", "InstanceType"),
    "AWS::SageMaker::Cluster": _cluster,
    "AWS::SageMaker::EndpointConfig": _endpoint_config,
    "AWS::SageMaker::FeatureGroup": _feature_group,
    "AWS::SageMaker::NotebookInstance": _instances("of a notebook", "InstanceType"),
}
