"""What costs money as long as it stands, by resource type, and what schedules start.

Sources of what is billed: the pricing pages of the services. What is billed by use alone
(requests, storage, log volume) is no driver, except flow logs, which write without being asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.cost.values import known, member, number, resources_of, text

Document = Mapping[str, Any]
Properties = dict[str, Any]

_VARIANT: Final = re.compile(r"endpoint/(?P<endpoint>.+)/variant/(?P<variant>[^/]+)", re.DOTALL)
# A reference in what `text` makes of Fn::Join or Fn::Sub.
_REFERENCE: Final = re.compile(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"|\$\{(\w+)')


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
    kind, properties = resource.get("Type"), resource.get("Properties")
    find = _FINDERS.get(kind) if isinstance(kind, str) else None
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
    endpoints = _endpoints_of(document, logical_id)
    unused = "" if endpoints else "no endpoint of this template uses it"
    for variant in _variants(properties, parameters):
        if variant is None:
            yield _instance(document, {}, "behind an endpoint", None, unused)
            continue
        serverless = variant.get("ServerlessConfig")
        if isinstance(serverless, dict):
            if "ProvisionedConcurrency" in serverless:
                memory = number(serverless.get("MemorySizeInMB"), parameters)
                yield Driver(
                    f"provisioned concurrency of {memory or 'unknown'} MB",
                    f"serverless-provisioned-concurrency/{memory}",
                    number(serverless["ProvisionedConcurrency"], parameters),
                    unused,
                )
            continue
        count, note = _fleet(document, variant, endpoints)
        notes = "; ".join(filter(None, (note, unused)))
        yield _instance(document, variant, "behind an endpoint", count, notes)


def _variants(properties: Properties, parameters: Mapping[str, Any]) -> Iterator[Properties | None]:
    """The variants of an endpoint configuration; None for what only the deployment knows."""
    for name in ("ProductionVariants", "ShadowProductionVariants"):
        given = known(properties.get(name, []), parameters)
        for variant in given if isinstance(given, list) else [None]:
            found = known(variant, parameters)
            yield found if isinstance(found, dict) else None


def _instance(
    document: Document, properties: Properties, what: str, count: float | None, note: str = ""
) -> Driver:
    instance = known(properties.get("InstanceType"), parameters_of(document))
    name = instance if isinstance(instance, str) else "instance of unknown type"
    return Driver(f"{name} {what}", f"instance/{instance}", count, note)


def _fleet(
    document: Document, variant: Properties, endpoints: Mapping[str, Any]
) -> tuple[float | None, str]:
    """The size of a fleet that nothing but time changes, and how far it may grow."""
    parameters = parameters_of(document)
    managed = variant.get("ManagedInstanceScaling")
    if isinstance(managed, dict):
        least = number(managed.get("MinInstanceCount"), parameters)
        return least, _growth(number(managed.get("MaxInstanceCount"), parameters))
    for _, target in resources_of(document, "AWS::ApplicationAutoScaling::ScalableTarget"):
        found = _VARIANT.fullmatch(text(target.get("ResourceId")))
        if (
            found is not None
            and found["variant"] == variant.get("VariantName")
            and _is_about(document, found["endpoint"], endpoints)
        ):
            most = number(target.get("MaxCapacity"), parameters)
            return number(target.get("MinCapacity"), parameters), _growth(most)
    return number(variant.get("InitialInstanceCount"), parameters, 1), ""


def _growth(most: int | None) -> str:
    return f"scales up to {'an unknown number' if most is None else most}"


def _is_about(document: Document, endpoint: str, endpoints: Mapping[str, Any]) -> bool:
    """Whether the endpoint of a scalable target is one of these, and not another of the template.

    Variants of several endpoints often have the same name.
    """
    referred = {one or other for one, other in _REFERENCE.findall(endpoint)}
    named = {
        logical_id
        for logical_id, properties in resources_of(document, "AWS::SageMaker::Endpoint")
        if logical_id in referred
        or ("EndpointName" in properties and text(properties["EndpointName"]) == endpoint)
    }
    return not named or not named.isdisjoint(endpoints)


def _endpoints_of(document: Document, config: str) -> dict[str, Properties]:
    """The endpoints of the template that have a configuration."""
    found = {}
    for logical_id, properties in resources_of(document, "AWS::SageMaker::Endpoint"):
        match properties.get("EndpointConfigName"):
            case {"Ref": name} | {"Fn::GetAtt": [name, _]} if name == config:
                found[logical_id] = properties
            case {"Fn::GetAtt": str(path)} if path.partition(".")[0] == config:
                found[logical_id] = properties
    return found


def _instances(what: str, *path: str) -> _Finder:
    def find(document: Document, _logical_id: str, properties: Properties) -> Iterator[Driver]:
        yield _instance(document, {"InstanceType": member(properties, *path)}, what, 1)

    return find


def _cluster(document: Document, _logical_id: str, properties: Properties) -> Iterator[Driver]:
    parameters = parameters_of(document)
    for group in _list(properties.get("InstanceGroups")):
        if isinstance(group, dict):
            count = number(group.get("InstanceCount"), parameters)
            yield _instance(document, group, "in a cluster", count)


def _tracking_server(
    document: Document, _logical_id: str, properties: Properties
) -> Iterator[Driver]:
    # botocore, CreateMlflowTrackingServer: small unless it says otherwise.
    size = known(properties.get("TrackingServerSize", "Small"), parameters_of(document))
    yield Driver(
        f"{size or 'unknown size of'} MLflow tracking server", f"mlflow-tracking-server/{size}", 1
    )


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
    "AWS::EC2::TransitGatewayAttachment": _one(
        "transit gateway attachment", "transit-gateway-attachment", "traffic comes on top"
    ),
    "AWS::EC2::TransitGatewayVpcAttachment": _one(
        "transit gateway attachment", "transit-gateway-attachment", "traffic comes on top"
    ),
    "AWS::EC2::VPCEndpoint": _vpc_endpoint,
    "AWS::KMS::Key": _one("key", "kms-key", "1 more for each of its first two rotations"),
    "AWS::KMS::ReplicaKey": _one("replica key", "kms-key"),
    "AWS::Lambda::Alias": _provisioned_lambda,
    "AWS::Lambda::Version": _provisioned_lambda,
    "AWS::Route53Profiles::Profile": _one(
        "Route 53 Profile", "route53-profile", "billed by hour and by VPC above the first 100"
    ),
    "AWS::SageMaker::App": _instances("of a Studio app", "ResourceSpec", "InstanceType"),
    "AWS::SageMaker::Cluster": _cluster,
    "AWS::SageMaker::EndpointConfig": _endpoint_config,
    "AWS::SageMaker::FeatureGroup": _feature_group,
    "AWS::SageMaker::MlflowTrackingServer": _tracking_server,
    "AWS::SageMaker::NotebookInstance": _instances("of a notebook", "InstanceType"),
}
