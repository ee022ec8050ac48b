"""PrivateNetwork: what it makes, what it lets through, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions, aws_ec2 as ec2, aws_kms as kms, aws_logs as logs
from cfnlint.helpers import REGIONS
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from mlops_constructs import allow_data_destruction
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.studio import (
    Capacity,
    ExistingVpc,
    NetworkFeature,
    NewVpc,
    OptionalEndpoint,
    OwnEndpoints,
    PrivateNetwork,
    SharedEndpoints,
    regions,
)
from mlops_constructs.studio.capacity import room_in
from mlops_constructs.studio.features import endpoints_for
from tests.support import feature_flags, nag_findings, new_stack, resources_of, template_of

ALL = frozenset(NetworkFeature)


@pytest.fixture(scope="module")
def full() -> cdk.Stack:
    stack = new_stack()
    PrivateNetwork(stack, "Network", vpc=NewVpc(zones=3), features=ALL)
    return stack


@pytest.fixture(scope="module")
def small() -> cdk.Stack:
    stack = new_stack()
    PrivateNetwork(stack, "Network", features=[NetworkFeature.JOBS])
    return stack


def services(stack: cdk.Stack) -> set[str]:
    endpoints = resources_of(stack, "AWS::EC2::VPCEndpoint").values()
    return {service_of(endpoint) for endpoint in endpoints}


def service_of(endpoint: dict[str, Any]) -> str:
    name = endpoint["Properties"]["ServiceName"]
    parts = name["Fn::Join"][1] if isinstance(name, dict) else [name]
    return "".join(part if isinstance(part, str) else "<region>" for part in parts)


def policy_of(stack: cdk.Stack, service: str) -> list[dict[str, Any]] | None:
    for endpoint in resources_of(stack, "AWS::EC2::VPCEndpoint").values():
        if service_of(endpoint).endswith(f".{service}"):
            document = endpoint["Properties"].get("PolicyDocument")
            return document["Statement"] if document else None
    raise AssertionError(f"no endpoint of {service}")


def rules(stack: cdk.Stack, kind: str) -> list[dict[str, Any]]:
    return [rule["Properties"] for rule in resources_of(stack, f"AWS::EC2::{kind}").values()]


def group(stack: cdk.Stack, name: str) -> Any:
    groups = resources_of(stack, "AWS::EC2::SecurityGroup")
    [found] = [g["Properties"] for key, g in groups.items() if name in key]
    return found


def test_no_way_to_the_internet(full: cdk.Stack) -> None:
    template = template_of(full)
    for kind in ("InternetGateway", "NatGateway", "Route", "EgressOnlyInternetGateway", "EIP"):
        template.resource_count_is(f"AWS::EC2::{kind}", 0)


def test_one_private_subnet_and_route_table_for_each_zone(full: cdk.Stack) -> None:
    subnets = [s["Properties"] for s in resources_of(full, "AWS::EC2::Subnet").values()]
    assert [s["CidrBlock"] for s in subnets] == ["10.20.0.0/18", "10.20.64.0/18", "10.20.128.0/18"]
    assert not any(s["MapPublicIpOnLaunch"] for s in subnets)
    zones = [s["AvailabilityZone"]["Fn::Select"][0] for s in subnets]
    assert zones == [0, 1, 2]
    template_of(full).resource_count_is("AWS::EC2::RouteTable", 3)


def test_a_third_zone_moves_no_subnet() -> None:
    assert NewVpc(zones=3).subnet_cidrs()[:2] == NewVpc(zones=2).subnet_cidrs()


def test_flow_logs_are_encrypted_and_kept(small: cdk.Stack) -> None:
    template = template_of(small)
    template.has_resource_properties(
        "AWS::EC2::FlowLog", {"TrafficType": "ALL", "LogDestinationType": "cloud-watch-logs"}
    )
    template.has_resource(
        "AWS::Logs::LogGroup",
        {
            "DeletionPolicy": "Retain",
            "Properties": {"KmsKeyId": assertions.Match.any_value(), "RetentionInDays": 365},
        },
    )


def test_flow_logs_wait_for_the_policy_of_their_role(small: cdk.Stack) -> None:
    [flow_log] = resources_of(small, "AWS::EC2::FlowLog").values()
    assert any("DefaultPolicy" in dependency for dependency in flow_log["DependsOn"])


def test_a_given_key_is_used_and_lets_logs_in() -> None:
    stack = new_stack()
    key = kms.Key(stack, "Given")
    network = PrivateNetwork(stack, "Network", encryption_key=key)
    assert network.encryption_key is key
    template_of(stack).resource_count_is("AWS::KMS::Key", 1)
    assert "kms:EncryptionContext:aws:logs:arn" in json.dumps(resources_of(stack, "AWS::KMS::Key"))


def test_destroying_flow_logs_takes_two_keys() -> None:
    with pytest.raises(ValidationError, match="destroy_data"):
        PrivateNetwork(new_stack(), "Network", destroy_data=True)
    stack = new_stack()
    allow_data_destruction(stack)
    PrivateNetwork(
        stack, "Network", destroy_data=True, flow_log_retention=logs.RetentionDays.ONE_WEEK
    )
    [found] = resources_of(stack, "AWS::Logs::LogGroup").values()
    assert found["DeletionPolicy"] == "Delete"
    assert found["Properties"]["RetentionInDays"] == 7


# --- endpoints ----------------------------------------------------------------------------------


def test_endpoints_follow_the_features(small: cdk.Stack, full: cdk.Stack) -> None:
    prefix = "com.amazonaws.<region>."
    assert services(small) == {
        f"{prefix}{name}"
        for name in (
            "dynamodb", "ecr.api", "ecr.dkr", "kms", "logs", "monitoring", "s3", "sagemaker.api",
            "sagemaker.metrics", "sagemaker.runtime", "sts",
        )
    }  # fmt: skip
    assert services(full) - services(small) == {
        "aws.sagemaker.<region>.studio",
        "aws.sagemaker.<region>.experiments",
        "aws.sagemaker.<region>.partner-app",
    } | {
        f"{prefix}{name}"
        for name in (
            "application-autoscaling", "athena", "bedrock-runtime", "codeartifact.api",
            "codeartifact.repositories", "codebuild", "codecommit", "codepipeline",
            "elasticfilesystem", "events", "git-codecommit", "glue", "lakeformation",
            "sagemaker.featurestore-runtime", "secretsmanager", "servicecatalog", "ssm",
            # FIPS
            "bedrock-runtime-fips", "codebuild-fips", "codecommit-fips", "elasticfilesystem-fips",
            "git-codecommit-fips", "kms-fips", "sagemaker.api-fips", "sagemaker.runtime-fips",
            "ssm-fips", "sts-fips",
        )
    }  # fmt: skip


def test_interface_endpoints_have_private_dns_and_the_endpoint_group(full: cdk.Stack) -> None:
    endpoints = [e["Properties"] for e in resources_of(full, "AWS::EC2::VPCEndpoint").values()]
    interfaces = [e for e in endpoints if e["VpcEndpointType"] == "Interface"]
    assert interfaces
    for endpoint in interfaces:
        assert endpoint["PrivateDnsEnabled"] is True
        assert len(endpoint["SubnetIds"]) == 3
        [group_id] = endpoint["SecurityGroupIds"]
        assert "EndpointGroup" in group_id["Fn::GetAtt"][0]


def test_gateway_endpoints_are_in_every_route_table(full: cdk.Stack) -> None:
    endpoints = [e["Properties"] for e in resources_of(full, "AWS::EC2::VPCEndpoint").values()]
    gateways = [e for e in endpoints if e["VpcEndpointType"] == "Gateway"]
    assert [len(gateway["RouteTableIds"]) for gateway in gateways] == [3, 3]


def test_s3_stays_in_the_account_but_for_buckets_of_aws(small: cdk.Stack) -> None:
    statements = policy_of(small, "s3")
    assert statements is not None
    account = [{"Ref": "AWS::AccountId"}]
    [own] = [s for s in statements if s["Action"] == "s3:*"]
    assert own["Condition"]["StringEquals"] == {
        "aws:PrincipalAccount": account,
        "aws:ResourceAccount": account,
    }
    open_to_all = [s for s in statements if "Condition" not in s]
    assert {s["Action"] for s in open_to_all} == {"s3:GetObject", "s3:ListBucket"}
    readable = json.dumps(open_to_all)
    for bucket in (":s3:::prod-", "-starport-layer-bucket/*", "jumpstart-cache-prod-"):
        assert bucket in readable
    assert '"Resource": "*"' not in readable


def test_trusted_accounts_pass_the_endpoints() -> None:
    stack = new_stack()
    PrivateNetwork(stack, "Network", trusted_accounts=["111122223333"])
    for service, key in (("s3", "aws:ResourceAccount"), ("sagemaker.api", "aws:PrincipalAccount")):
        statements = policy_of(stack, service)
        assert statements is not None
        accounts = statements[0]["Condition"]["StringEquals"][key]
        assert accounts == [{"Ref": "AWS::AccountId"}, "111122223333"]


def test_an_organization_takes_the_place_of_the_account() -> None:
    stack = new_stack()
    PrivateNetwork(stack, "Network", organization="o-a1b2c3d4e5", trusted_accounts=["111122223333"])
    callers = [s["Condition"].get("StringEquals") for s in policy_of(stack, "kms") or ()]
    assert callers == [
        {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
        {"aws:PrincipalAccount": ["111122223333"]},
        None,
    ]
    own = [s["Condition"] for s in policy_of(stack, "s3") or () if s["Action"] == "s3:*"]
    # Neither an account's caller on the organization's data nor the other way round.
    assert [sorted(condition["StringEquals"]) for condition in own] == [
        ["aws:PrincipalOrgID", "aws:ResourceOrgID"],
        ["aws:PrincipalAccount", "aws:ResourceAccount"],
    ]
    with pytest.raises(ValidationError, match="describe-organization"):
        PrivateNetwork(new_stack(), "Network", organization="123456789012")


def test_endpoints_for_browsers_ask_for_no_signature(full: cdk.Stack) -> None:
    assert policy_of(full, "studio") is None
    assert policy_of(full, "kms") is not None


def test_every_endpoint_service_of_fips_has_its_twin() -> None:
    """The table knows those that the CDK has a name for."""
    services_of_cdk = vars(ec2.InterfaceVpcEndpointAwsService)
    wanted = endpoints_for(ALL - {NetworkFeature.FIPS})
    known = {e.attribute for e in wanted if f"{e.attribute}_FIPS" in services_of_cdk}
    assert {e.attribute for e in wanted if e.twin is not None} == known


def test_policies_are_as_on_the_twin_but_for_the_runtime(full: cdk.Stack) -> None:
    assert policy_of(full, "kms-fips") == policy_of(full, "kms")
    assert policy_of(full, "sagemaker.runtime") is not None
    assert policy_of(full, "sagemaker.runtime-fips") is None


def test_fips_only_where_sagemaker_has_it() -> None:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Somewhere", env=cdk.Environment(region="eu-west-1"))
    with pytest.raises(ValidationError, match="us-gov-west-1"):
        PrivateNetwork(stack, "Network", features=[NetworkFeature.JOBS, NetworkFeature.FIPS])


@pytest.mark.parametrize(
    ("region", "feature"),
    [
        ("cn-north-1", NetworkFeature.BEDROCK),
        ("cn-north-1", NetworkFeature.MLFLOW),
        ("us-gov-west-1", NetworkFeature.FEATURE_STORE),
        ("ap-east-2", NetworkFeature.PROJECTS),
        ("ca-west-1", NetworkFeature.STUDIO),
    ],
)
def test_refuses_features_that_a_region_lacks(region: str, feature: NetworkFeature) -> None:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Somewhere", env=cdk.Environment(region=region))
    with pytest.raises(ValidationError, match=f"{feature.name} in {region}"):
        PrivateNetwork(stack, "Network", features=[NetworkFeature.JOBS, feature])


def test_the_regions_are_those_of_the_registry() -> None:
    for name, missing in regions._MISSING.items():
        known = {r for r in REGIONS if name not in PROVIDER_SCHEMA_MANAGER.get_resource_types(r)}
        # The registry's secret and sovereign regions are not in the table.
        assert missing == {r for r in known if not r.startswith(("us-iso", "eu-iso", "eusc"))}, name


# --- fewer and shared endpoints -----------------------------------------------------------------


def warnings_of(stack: cdk.Stack, pattern: str) -> list[str]:
    found = assertions.Annotations.from_stack(stack).find_warning(
        "*", assertions.Match.string_like_regexp(pattern)
    )
    return [str(message.entry.data) for message in found]


def test_a_cheap_network_says_what_it_costs_in_function() -> None:
    stack = new_stack()
    endpoints = OwnEndpoints(zones=1, without={OptionalEndpoint.MONITORING})
    network = PrivateNetwork(stack, "Network", vpc=NewVpc(zones=3), endpoints=endpoints)
    assert "Monitoring" not in network.interface_endpoints
    for endpoint in resources_of(stack, "AWS::EC2::VPCEndpoint").values():
        if endpoint["Properties"]["VpcEndpointType"] == "Interface":
            assert len(endpoint["Properties"]["SubnetIds"]) == 1
    [warning] = warnings_of(stack, "fewer interface endpoints")
    assert "neither puts nor reads metrics" in warning
    assert "the other 2 reach no AWS API" in warning
    # Groups, routes and gateways stay as they are.
    template_of(stack).resource_count_is("AWS::EC2::Subnet", 3)


def test_every_optional_endpoint_is_one_of_a_feature() -> None:
    made = {endpoint.construct_id for endpoint in endpoints_for(ALL)}
    assert {one.value for one in OptionalEndpoint} <= made
    assert all(one.lost for one in OptionalEndpoint)
    left = endpoints_for(ALL, without=set(OptionalEndpoint))
    assert made - {endpoint.construct_id for endpoint in left} == {
        one.value for one in OptionalEndpoint
    }


def test_a_central_network_shares_its_endpoints() -> None:
    """Both sides in one app, as if in one account."""
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    central, spoke = cdk.Stack(app, "Central"), cdk.Stack(app, "Spoke")
    hub = PrivateNetwork(
        central, "Network", vpc=NewVpc(cidr="10.0.0.0/16"), trusted_accounts=["111122223333"]
    )
    profile = hub.share_endpoints(
        "Sharing",
        profile_name="ml-endpoints",
        cidrs=["10.20.0.0/16"],
        transit_gateway_id="tgw-0123456789abcdef0",
        principals=["111122223333"],
    )
    shared = SharedEndpoints(
        profile_id=profile.attr_id, transit_gateway_id="tgw-0123456789abcdef0", cidr="10.0.0.0/16"
    )
    network = PrivateNetwork(
        spoke, "Network", endpoints=shared, gateway_prefix_lists=["pl-63a5400a"]
    )
    assert network.interface_endpoints == {}
    # A security group has no name across a transit gateway, addresses have.
    outgoing = [rule for rule in rules(spoke, "SecurityGroupEgress") if rule.get("FromPort") == 443]
    assert {rule.get("CidrIp") for rule in outgoing} == {"10.0.0.0/16", None}
    assert not any(rule.get("DestinationSecurityGroupId") for rule in outgoing if "CidrIp" in rule)

    here = template_of(spoke)
    here.resource_count_is("AWS::EC2::VPCEndpoint", 2)
    here.resource_count_is("AWS::EC2::TransitGatewayAttachment", 1)
    here.has_resource_properties(
        "AWS::EC2::Route",
        {"DestinationCidrBlock": "10.0.0.0/16", "TransitGatewayId": "tgw-0123456789abcdef0"},
    )
    here.resource_count_is("AWS::EC2::Route", 2)
    for route in resources_of(spoke, "AWS::EC2::Route").values():
        assert any("Attachment" in name for name in route["DependsOn"])
    there = template_of(central)
    there.resource_count_is(
        "AWS::Route53Profiles::ProfileResourceAssociation", len(hub.interface_endpoints)
    )
    there.has_resource_properties(
        "AWS::RAM::ResourceShare",
        {"AllowExternalPrincipals": False, "Principals": ["111122223333"]},
    )
    incoming = group(central, "EndpointGroup")["SecurityGroupIngress"]
    assert "10.20.0.0/16" in {rule.get("CidrIp") for rule in incoming}
    assert nag_findings(central) == []


def test_the_way_back_is_refused_where_it_cannot_work(small: cdk.Stack) -> None:
    network = small.node.find_child("Network")
    assert isinstance(network, PrivateNetwork)
    with pytest.raises(ValidationError) as error:
        network.share_endpoints(
            "Sharing",
            profile_name="123",
            cidrs=["10.20.1.0/24"],
            transit_gateway_id="tgw-1",
            principals=["999999999999"],
        )
    assert [p.what for p in error.value.problems] == ["profile_name", "cidrs", "principals"]


@pytest.mark.parametrize(
    ("endpoints", "what"),
    [
        (OwnEndpoints(zones=3), "endpoints.zones"),
        (OwnEndpoints(zones=0), "endpoints.zones"),
        (OwnEndpoints(without=("SagemakerApi",)), "endpoints.without"),  # type: ignore[arg-type]  # what the test is about
        (
            SharedEndpoints(profile_id="p", transit_gateway_id="tgw-1", cidr="10.0.0.0/16"),
            "endpoints.profile_id",
        ),
        (
            SharedEndpoints(profile_id="rp-1", transit_gateway_id="t", cidr="10.0.0.0/16"),
            "endpoints.transit_gateway_id",
        ),
        (
            SharedEndpoints(profile_id="rp-1", transit_gateway_id="tgw-1", cidr="10.20.9.0/24"),
            "endpoints.cidr",
        ),
        (
            SharedEndpoints(profile_id="rp-1", transit_gateway_id="tgw-1", cidr="central"),
            "endpoints.cidr",
        ),
    ],
)
def test_refuses_endpoints(endpoints: OwnEndpoints | SharedEndpoints, what: str) -> None:
    with pytest.raises(ValidationError) as error:
        PrivateNetwork(new_stack(), "Network", endpoints=endpoints)
    assert [problem.what for problem in error.value.problems] == [what]


# --- addresses ----------------------------------------------------------------------------------


def test_room_is_what_is_left_when_the_largest_zone_fails() -> None:
    # 64 addresses less 5 and 10; the larger one of 123 counts for nothing.
    assert room_in(["10.0.0.0/26", "10.0.0.128/25"], [10, 0]) == 49
    assert room_in(["10.0.0.0/28", "10.0.0.16/28"], [20, 20]) == 0


@pytest.mark.parametrize(
    ("capacity", "fits"),
    [
        (Capacity(users=12, job_instances=0), True),
        (Capacity(users=13, job_instances=0), False),
        (Capacity(users=0, job_instances=20, model_instances=4), True),
        (Capacity(users=0, job_instances=20, model_instances=5), False),
        (Capacity(users=-1), False),
    ],
)
def test_the_subnets_must_have_the_addresses(capacity: Capacity, fits: bool) -> None:
    # Ten endpoints, five that AWS keeps: 49 of 64 addresses.
    vpc = NewVpc(cidr="10.20.0.0/24")
    if fits:
        assert PrivateNetwork(new_stack(), "Network", vpc=vpc, capacity=capacity).room == 49
        return
    with pytest.raises(ValidationError) as error:
        PrivateNetwork(new_stack(), "Network", vpc=vpc, capacity=capacity)
    [problem] = error.value.problems
    assert problem.what == "capacity"
    if capacity.users == 13:
        assert "13 users x 4" in str(problem)
        assert "allowed: 49 addresses" in str(problem)


def test_addresses_of_an_existing_vpc_are_counted_where_they_are_known() -> None:
    stack = new_stack()
    subnets = [
        ec2.Subnet.from_subnet_attributes(
            stack,
            f"Subnet{number}",
            subnet_id=f"subnet-{number}",
            availability_zone=f"eu-west-1{zone}",
            ipv4_cidr_block=f"10.9.{number}.0/27",
            route_table_id=f"rtb-{number}",
        )
        for number, zone in enumerate("ab")
    ]
    vpc = ExistingVpc(vpc=imported(stack), subnets=ec2.SubnetSelection(subnets=subnets))
    with pytest.raises(ValidationError, match="allowed: 17 addresses"):
        PrivateNetwork(stack, "Network", vpc=vpc)


# --- security groups ----------------------------------------------------------------------------


def test_endpoints_take_https_from_the_two_groups_only(full: cdk.Stack) -> None:
    endpoints = group(full, "EndpointGroup")
    incoming = endpoints["SecurityGroupIngress"]
    sources = {rule["SourceSecurityGroupId"]["Fn::GetAtt"][0] for rule in incoming}
    assert {(rule["FromPort"], rule["ToPort"]) for rule in incoming} == {(443, 443)}
    assert len(sources) == 2
    assert all("JobGroup" in source or "StudioGroup" in source for source in sources)
    [outgoing] = endpoints["SecurityGroupEgress"]
    assert outgoing["CidrIp"] == "255.255.255.255/32"


def test_groups_let_in_only_themselves(full: cdk.Stack) -> None:
    incoming = rules(full, "SecurityGroupIngress")
    assert all(rule["GroupId"] == rule["SourceSecurityGroupId"] for rule in incoming)
    ports = {(rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort")) for rule in incoming}
    assert ports == {("-1", None, None), ("tcp", 8192, 65535), ("tcp", 2049, 2049)}
    assert not any("SecurityGroupIngress" in group(full, g) for g in ("JobGroup", "StudioGroup"))


def test_nfs_only_with_home_efs(small: cdk.Stack) -> None:
    assert all(rule.get("FromPort") != 2049 for rule in rules(small, "SecurityGroupIngress"))


def test_https_goes_to_prefix_lists_when_they_are_known() -> None:
    stack = new_stack()
    PrivateNetwork(stack, "Network", gateway_prefix_lists=["pl-1", "pl-2"])
    outgoing = [r for r in rules(stack, "SecurityGroupEgress") if r.get("FromPort") == 443]
    assert {r.get("DestinationPrefixListId") for r in outgoing} == {"pl-1", "pl-2", None}
    assert "0.0.0.0/0" not in json.dumps(resources_of(stack, "AWS::EC2::SecurityGroup"))


def test_another_group_may_use_the_endpoints() -> None:
    stack = new_stack()
    network = PrivateNetwork(stack, "Network")
    functions = ec2.SecurityGroup(stack, "Functions", vpc=network.vpc, allow_all_outbound=True)
    network.allow_https_to_endpoints(functions, "HTTPS from functions")
    incoming = group(stack, "EndpointGroup")["SecurityGroupIngress"]
    assert [rule["Description"] for rule in incoming][-1] == "HTTPS from functions"


# --- for other constructs -----------------------------------------------------------------------


def test_job_network_names_subnets_and_group(small: cdk.Stack) -> None:
    network = small.node.find_child("Network")
    assert isinstance(network, PrivateNetwork)
    jobs = network.job_network
    assert small.resolve(jobs.subnet_ids) == small.resolve(
        [subnet.subnet_id for subnet in network.subnets]
    )
    assert small.resolve(jobs.security_group_ids) == [
        small.resolve(network.job_security_group.security_group_id)
    ]


def test_job_network_needs_the_feature() -> None:
    network = PrivateNetwork(new_stack(), "Network", features=[NetworkFeature.STUDIO])
    with pytest.raises(ValidationError, match=r"NetworkFeature\.JOBS"):
        _ = network.job_network


@pytest.mark.parametrize(
    "env",
    [
        None,
        cdk.Environment(region="eu-west-1"),
        cdk.Environment(account="123456789012", region="eu-west-1"),
    ],
)
def test_synthesises_without_credentials(env: cdk.Environment | None) -> None:
    app = cdk.App(context=feature_flags(), builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Somewhere", env=env)
    PrivateNetwork(stack, "Network", vpc=NewVpc(zones=3))
    manifest = json.loads((Path(app.synth().directory) / "manifest.json").read_text())
    assert "missing" not in manifest


def test_no_findings(full: cdk.Stack) -> None:
    assert nag_findings(full, regulated=True) == []
    warnings = assertions.Annotations.from_stack(full).find_warning(
        "*", assertions.Match.any_value()
    )
    assert warnings == []


def test_the_policy_of_an_endpoint_fits(full: cdk.Stack) -> None:
    # Amazon VPC, "Control access to VPC endpoints": 20,480 characters with white space.
    for endpoint in resources_of(full, "AWS::EC2::VPCEndpoint").values():
        assert len(json.dumps(endpoint["Properties"].get("PolicyDocument"))) < 20_480


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vpc", "what"),
    [
        (NewVpc(zones=1), "vpc.zones"),
        (NewVpc(zones=4), "vpc.zones"),
        (NewVpc(zones=("eu-west-1a", "eu-west-1a")), "vpc.zones"),
        (NewVpc(zones=("a", "b")), "vpc.zones"),
        (NewVpc(cidr="10.20.0.0"), "vpc.cidr"),
        (NewVpc(cidr="10.20.0.1/16"), "vpc.cidr"),
        (NewVpc(cidr="10.0.0.0/8"), "vpc.cidr"),
        (NewVpc(cidr="10.20.0.0/25"), "vpc.cidr"),
        (NewVpc(cidr="8.8.0.0/16"), "vpc.cidr"),
        (NewVpc(cidr="172.17.0.0/16"), "vpc.cidr"),
        (NewVpc(cidr="nonsense"), "vpc.cidr"),
        (NewVpc(cidr=cdk.Aws.STACK_NAME), "vpc.cidr"),
    ],
)
def test_refuses_bad_address_spaces(vpc: NewVpc, what: str) -> None:
    with pytest.raises(ValidationError) as error:
        PrivateNetwork(new_stack(), "Network", vpc=vpc)
    assert {problem.what for problem in error.value.problems} == {what}


def test_named_zones_are_used() -> None:
    stack = new_stack()
    PrivateNetwork(stack, "Network", vpc=NewVpc(zones=("eu-west-1a", "eu-west-1c")))
    subnets = resources_of(stack, "AWS::EC2::Subnet").values()
    assert [s["Properties"]["AvailabilityZone"] for s in subnets] == ["eu-west-1a", "eu-west-1c"]


def test_reports_everything_that_is_wrong_at_once() -> None:
    with pytest.raises(ValidationError) as error:
        PrivateNetwork(
            new_stack(),
            "Network",
            vpc=NewVpc(cidr="10.0.0.0/30", zones=9),
            features=["JOBS"],  # type: ignore[list-item]  # what the test is about
            trusted_accounts=["123"],
            gateway_prefix_lists=["s3"],
        )
    assert [problem.what for problem in error.value.problems] == [
        "features",
        "vpc.zones",
        "vpc.cidr",
        "trusted_accounts",
        "gateway_prefix_lists",
    ]


# --- an existing VPC ----------------------------------------------------------------------------


def imported(stack: cdk.Stack, *, tables: bool = True) -> ec2.IVpc:
    return ec2.Vpc.from_vpc_attributes(
        stack,
        "Existing",
        vpc_id="vpc-1",
        availability_zones=["eu-west-1a", "eu-west-1b"],
        isolated_subnet_ids=["subnet-1", "subnet-2"],
        isolated_subnet_route_table_ids=["rtb-1", "rtb-2"] if tables else None,
    )


def test_an_existing_vpc_gets_groups_and_endpoints() -> None:
    stack = new_stack()
    network = PrivateNetwork(stack, "Network", vpc=ExistingVpc(vpc=imported(stack)))
    template = template_of(stack)
    for kind in ("EC2::VPC", "EC2::Subnet", "EC2::FlowLog", "KMS::Key", "Logs::LogGroup"):
        template.resource_count_is(f"AWS::{kind}", 0)
    assert network.flow_log_group is None
    assert network.encryption_key is None
    assert network.job_network.subnet_ids == ["subnet-1", "subnet-2"]
    assert "SagemakerApi" in network.interface_endpoints
    warnings = assertions.Annotations.from_stack(stack).find_warning(
        "*", assertions.Match.string_like_regexp("gateway_prefix_lists")
    )
    assert len(warnings) == 1
    assert nag_findings(stack) == []


def test_endpoints_may_be_elsewhere() -> None:
    stack = new_stack()
    vpc = ExistingVpc(vpc=imported(stack, tables=False), make_endpoints=False)
    network = PrivateNetwork(stack, "Network", vpc=vpc)
    template_of(stack).resource_count_is("AWS::EC2::VPCEndpoint", 0)
    assert network.interface_endpoints == {}


def test_refuses_subnets_without_known_route_tables() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError, match="make_endpoints=False"):
        PrivateNetwork(stack, "Network", vpc=ExistingVpc(vpc=imported(stack, tables=False)))


def test_refuses_a_selection_without_subnets() -> None:
    stack = new_stack()
    vpc = ExistingVpc(
        vpc=imported(stack), subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
    )
    with pytest.raises(ValidationError, match=r"vpc\.subnets"):
        PrivateNetwork(stack, "Network", vpc=vpc)


def test_refuses_prefix_lists_for_endpoints_elsewhere() -> None:
    stack = new_stack()
    vpc = ExistingVpc(vpc=imported(stack), make_endpoints=False)
    with pytest.raises(ValidationError, match="gateway_prefix_lists"):
        PrivateNetwork(stack, "Network", vpc=vpc, gateway_prefix_lists=["pl-1"])
