"""Who calls which API by which endpoint, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from mlops_constructs.access.estate import ACCOUNT, Estate, Item, section
from mlops_constructs.access.evaluation import (
    Request,
    conditions_of,
    listed,
    policy,
    statements_of,
)
from mlops_constructs.access.patterns import matches
from mlops_constructs.access.roles import Kind, Role, roles_of
from mlops_constructs.reach import services
from mlops_constructs.reach.paths import Network, Place
from mlops_constructs.reach.services import Endpoint, endpoints_of, no_endpoint

_VPC_SUBNETS: Final = "sagemaker:VpcSubnets"
_VPC_GROUPS: Final = "sagemaker:VpcSecurityGroupIds"
#: Actions after which layers of an image are downloaded.
_PULLS: Final = ("ecr:getdownloadurlforlayer", "ecr:*")
_ECR: Final = "arn:aws:iam::999999999999:role/ecr"
_WHOLE_VPC: Final = "no template says where"

Severity = Literal["ok", "error", "unknown"]


@dataclass(frozen=True)
class Need:
    """A reason to reach an endpoint service.

    Attributes:
        caller: Who calls: a role, a domain, a feature group.
        arn: As whom the endpoint's policy sees it.
        action: The IAM action of the call.
        resources: On what.
        endpoint: The endpoint service; None where AWS has none.
        place: Where the call comes from.
    """

    caller: str
    arn: str
    action: str
    resources: tuple[str, ...]
    endpoint: Endpoint | None
    place: Place


@dataclass(frozen=True)
class Route:
    """What was found about a need.

    Attributes:
        environment: The stacks that it is about.
        caller: Who calls.
        place: From where.
        action: What.
        service: The name of the endpoint service.
        feature: The member of `NetworkFeature` that brings the endpoint.
        via: The endpoint, or the way out; empty if there is none.
        severity: ``ok``, ``error`` for a missing route, ``unknown`` for a VPC that is elsewhere.
        message: What is wrong and what to do; empty for a route that is fine.
    """

    environment: str
    caller: str
    place: str
    action: str
    service: str
    feature: str
    via: str
    severity: Severity
    message: str = ""

    def as_dict(self) -> dict[str, str]:
        """The fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Proof:
    """The routes of an estate.

    Attributes:
        environment: The name of the estate.
        routes: One for each caller and API.
        outside: Roles whose calls do not come from a VPC.
        unused: Endpoints that nobody needs.
        unfollowed: What roles inside a VPC may call beyond that, as nobody can tell what it is.
    """

    environment: str
    routes: list[Route]
    outside: list[str]
    unused: list[str]
    unfollowed: list[str]

    @property
    def errors(self) -> list[Route]:
        """The routes that are missing."""
        return [route for route in self.routes if route.severity == "error"]


def prove(estate: Estate, *, fips: bool = False) -> Proof:
    """Follow every call of personas and jobs to the endpoint that carries it.

    Args:
        estate: The templates.
        fips: Whether the callers' SDKs use FIPS endpoints (``AWS_USE_FIPS_ENDPOINT=true``).
    """
    network = Network(estate, fips=fips)
    roles = roles_of(estate, Kind.PERSONA, Kind.JOB)
    places = {role.arn: _places(estate, role, roles) for role in roles}
    needs = [need for role in roles for place in places[role.arn] for need in _of(role, place)]
    needs += _of_features(estate)
    routes = [_route(estate, network, need) for need in needs]
    wanted = {
        item.label
        for need in set(needs)
        if need.endpoint is not None
        for item in network.candidates(need.endpoint, need.place)
    }
    return Proof(
        environment=estate.name,
        routes=routes,
        outside=[role.name for role in roles if not places[role.arn]],
        unused=[
            f"{item.label} ({item.properties.get('ServiceName')})"
            for item in network.endpoints
            if item.label not in wanted and not _is_twin(item, network)
        ],
        unfollowed=[
            f"{role.name}: {what}"
            for role in roles
            if places[role.arn]
            for what in _open_ends(role)
        ],
    )


def _is_twin(item: Item, network: Network) -> bool:
    """Whether an endpoint with or without FIPS stands beside the other kind of its service."""
    name = str(item.properties.get("ServiceName"))
    other = name.removesuffix("-fips") if name.endswith("-fips") else f"{name}-fips"
    return any(twin.properties.get("ServiceName") == other for twin in network.endpoints)


# --- who calls what -----------------------------------------------------------------------------


def _of(role: Role, place: Place) -> Iterator[Need]:
    """What the role's policies allow, and what every SDK needs."""
    calls: dict[str, dict[str, None]] = {}
    if role.kind is Kind.JOB:
        calls["sts:GetCallerIdentity"] = {"*": None}
    for statement in role.statements:
        if statement["Effect"] == "Allow":
            resources = dict.fromkeys(map(str, listed(statement.get("Resource")) or ["*"]))
            for action in map(str, listed(statement.get("Action"))):
                calls.setdefault(action, {}).update(resources)
    for action, found in sorted(calls.items()):
        endpoints = endpoints_of(action)
        for endpoint in (None,) if endpoints is None else endpoints:
            yield Need(role.name, role.arn, action, tuple(found), endpoint, place)
        if action.lower() in _PULLS:
            # By a URL that ECR's own account has signed.
            layers = "arn:{partition}:s3:::prod-{region}-starport-layer-bucket/layer"
            yield Need(role.name, _ECR, "s3:GetObject", (layers,), services.S3, place)


def _open_ends(role: Role) -> Iterator[str]:
    """What a role may call besides the actions that its policies name."""
    for name in role.unknown:
        yield f"{name} is in none of these templates"
    for statement in role.statements:
        if statement["Effect"] == "Allow":
            if "NotAction" in statement:
                excepted = ", ".join(map(str, listed(statement["NotAction"])))
                yield f"everything but {excepted}"
            elif any(action in ("*", "*:*") for action in listed(statement.get("Action"))):
                yield "everything"


def _of_features(estate: Estate) -> list[Need]:
    """What the features in the templates need, whatever the policies say."""
    needs: list[Need] = []
    domains = [item for item in estate.of_type("AWS::SageMaker::Domain") if _domain_place(item)]
    for domain in domains:
        place = _domain_place(domain)
        wanted = [
            services.SAGEMAKER_API, services.SAGEMAKER_RUNTIME, services.STUDIO, services.STS,
            services.LOGS, services.S3,
        ]  # fmt: skip
        if domain.properties.get("KmsKeyId"):
            wanted.append(services.KMS)
        if domain.properties.get("HomeEfsFileSystemCreation", "Enabled") == "Enabled":
            wanted.append(services.EFS)
        needs += _wanted(estate, f"domain {domain.label}", wanted, place)
    for group in estate.of_type("AWS::SageMaker::FeatureGroup"):
        wanted = []
        online = section(group.properties, "OnlineStoreConfig")
        if str(online.get("EnableOnlineStore")).lower() == "true":
            wanted.append(services.FEATURE_STORE_RUNTIME)
        offline = section(group.properties, "OfflineStoreConfig")
        if offline and str(offline.get("DisableGlueTableCreation", "false")).lower() != "true":
            wanted += [services.ATHENA, services.GLUE, services.LAKE_FORMATION]
        for domain in domains:
            place = _domain_place(domain)
            needs += _wanted(estate, f"feature group {group.label}", wanted, place)
    for pipeline in estate.of_type("AWS::SageMaker::Pipeline"):
        for job in _objects(_definition(pipeline)):
            place = _place_in(job, f"training jobs of {pipeline.label}")
            if place is not None and "AlgorithmSpecification" in job:
                wanted = [services.METRICS, services.S3, services.LOGS]
                needs += _wanted(estate, f"pipeline {pipeline.label}", wanted, place)
    return list(dict.fromkeys(needs))


def _wanted(
    estate: Estate, caller: str, endpoints: list[Endpoint], place: Place | None
) -> Iterator[Need]:
    account = f"arn:{estate.partition}:iam::{estate.account}:root"
    if place is not None:
        for endpoint in endpoints:
            yield Need(caller, account, endpoint.call, ("*",), endpoint, place)


# --- from where ---------------------------------------------------------------------------------


def _places(estate: Estate, role: Role, roles: list[Role]) -> list[Place]:
    """Where calls of a role come from; nothing if not from a VPC."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], Place] = {}
    if role.kind is Kind.PERSONA:
        if not _has_apps(estate, role):
            return []
        candidates = [_domain_place(item) for item in estate.of_type("AWS::SageMaker::Domain")]
    else:
        candidates = [*_job_places(estate, role), *_guarded_places(role, roles)]
    for place in candidates:
        if place is not None:
            found.setdefault((place.subnets, place.groups), place)
    may_use_vpc = any(
        "ec2:CreateNetworkInterface" in listed(statement.get("Action"))
        for statement in role.statements
    )
    if not found and may_use_vpc:
        return [Place(_WHOLE_VPC, (), ())]
    return list(found.values())


def _has_apps(estate: Estate, role: Role) -> bool:
    """Whether the role calls from apps; others only open Studio's pages in a browser."""
    shared = [
        section(domain.properties, "DefaultUserSettings").get("ExecutionRole")
        for domain in estate.of_type("AWS::SageMaker::Domain")
    ]
    return role.arn in shared or any(
        matches("sagemaker:CreateApp", str(action), ignore_case=True)
        for statement in role.statements
        for action in listed(statement.get("Action"))
    )


def _domain_place(domain: Item) -> Place | None:
    properties = domain.properties
    if properties.get("AppNetworkAccessType") != "VpcOnly":
        return None
    settings = section(properties, "DefaultUserSettings")
    return Place(
        "apps of Studio",
        tuple(map(str, listed(properties.get("SubnetIds")))),
        tuple(map(str, listed(settings.get("SecurityGroups")))),
    )


def _job_places(estate: Estate, role: Role) -> Iterator[Place | None]:
    """Where the jobs and models run that name the role."""
    for item in estate.items:
        if not item.type.startswith("AWS::SageMaker::"):
            continue
        properties: Any = item.properties
        if item.type == "AWS::SageMaker::Pipeline":
            properties = _definition(item)
        for job in _objects(properties):
            if role.arn in (job.get("RoleArn"), job.get("ExecutionRoleArn")):
                yield _place_in(job, item.label)


def _guarded_places(role: Role, roles: list[Role]) -> Iterator[Place | None]:
    """Where personas that may pass the role are made to run their jobs."""
    for persona in roles:
        if not persona.decide(
            "iam:PassRole", role.arn, {"iam:PassedToService": "sagemaker.amazonaws.com"}
        ).allowed:
            continue
        for statement in persona.statements:
            keys = {
                key: tuple(map(str, values))
                for operator, key, values in conditions_of(statement)
                if operator.endswith("StringEquals")
            }
            if _VPC_SUBNETS in keys:
                subnets, groups = keys[_VPC_SUBNETS], keys.get(_VPC_GROUPS, ())
                yield Place(f"jobs of {persona.name}", subnets, groups)


def _place_in(job: Mapping[str, Any], what: str) -> Place | None:
    config = section(job, "VpcConfig") or section(section(job, "NetworkConfig"), "VpcConfig")
    if not config:
        return None
    subnets, groups = (
        tuple(map(str, listed(config.get(k)))) for k in ("Subnets", "SecurityGroupIds")
    )
    return Place(what, subnets, groups)


def _definition(pipeline: Item) -> Any:
    body = section(pipeline.properties, "PipelineDefinition").get("PipelineDefinitionBody", "")
    try:
        return json.loads(body)
    except (TypeError, ValueError):
        return {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


# --- by which way -------------------------------------------------------------------------------


def _route(estate: Estate, network: Network, need: Need) -> Route:
    def found(via: str, severity: Severity, message: str = "") -> Route:
        endpoint = need.endpoint
        return Route(
            environment=estate.name,
            caller=need.caller,
            place=need.place.what,
            action=need.action,
            service=endpoint.service_name(estate.region) if endpoint else "",
            feature=endpoint.feature if endpoint else "",
            via=via,
            severity=severity,
            message=message,
        )

    internet = network.internet(need.place)
    if need.endpoint is None:
        if internet:
            return found(internet, "ok")
        return found("", "error", f"{no_endpoint(need.action)}: take the action away")
    why: list[str] = []
    for item in network.candidates(need.endpoint, need.place):
        obstacles = list(network.obstacles(item, need.place))
        if not obstacles:
            obstacles = [
                "its policy does not let the call through"
                + ("" if resource == "*" else f", on {resource}")
                for resource in need.resources
                if not network.lets_through(item, _request(estate, need, resource, item))
            ][:1]
        if not obstacles:
            return found(item.label, "ok")
        why.append(f"{item.label}: {'; '.join(obstacles)}")
    if internet:
        return found(internet, "ok")
    if why:
        return found("", "error", f"an endpoint is there, but {' and '.join(why)}")
    if not network.is_known(need.place):
        return found("", "unknown", "its VPC is in none of these templates: give its template, too")
    profiles = network.profiles(need.place)
    if profiles:
        return found(
            "",
            "unknown",
            f"{', '.join(profiles)} may share it, whose endpoints are in none of these templates: "
            "give the central network's template, too",
        )
    name = need.endpoint.service_name(estate.region)
    return found("", "error", f"no route: {_advice(need.endpoint, name)}")


def _advice(endpoint: Endpoint, name: str) -> str:
    if endpoint.feature == "no feature":
        return f"add an interface endpoint for {name}"
    if endpoint.feature == "every network":
        return f"add the endpoint {name}; a PrivateNetwork that makes its endpoints has it"
    return f"add the endpoint {name}, or NetworkFeature.{endpoint.feature} to the network"


def _request(estate: Estate, need: Need, resource: str, endpoint: Item) -> Request:
    """The call as the endpoint's policy sees it.

    No template says which organization an account is in: the one that the policy names. So is the
    account, where the templates leave it open.
    """
    foreign = need.arn == _ECR
    if foreign:
        resource = resource.format(partition=estate.partition, region=estate.region)
        return Request(need.arn, need.action, resource, {"aws:ResourceAccount": "999999999999"})
    own = estate.account
    if own == ACCOUNT:
        own = next(_named(endpoint, "aws:PrincipalAccount"), own)
    account = _account(resource)
    context = {
        "aws:PrincipalAccount": own,
        "aws:ResourceAccount": own if account in ("", estate.account) else account,
    }
    for organization in _named(endpoint, "aws:PrincipalOrgID"):
        context |= {"aws:PrincipalOrgID": organization, "aws:ResourceOrgID": organization}
    return Request(need.arn, need.action, resource, context)


def _account(arn: str) -> str:
    """The account in an ARN; buckets have none in theirs."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4].isdecimal() else ""


def _named(endpoint: Item, key: str) -> Iterator[str]:
    """The values that an endpoint's policy wants for a condition key."""
    document = policy(endpoint.properties.get("PolicyDocument"))
    for statement in statements_of(document) if document is not None else ():
        for _, name, values in conditions_of(statement):
            if name == key:
                yield from map(str, values)
