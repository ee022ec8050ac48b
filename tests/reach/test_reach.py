"""Reachability: every endpoint, route, rule and policy on the way is needed, and is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.access.conditions import PolicyError
from mlops_constructs.cli import main
from mlops_constructs.reach import Proof, prove
from mlops_constructs.reach.report import FORMATS
from mlops_constructs.reach.services import WITH_FIPS, Endpoint, endpoints_of
from mlops_constructs.studio.features import NetworkFeature, endpoints_for
from tests.access.support import Documents, document, estate_of, one_role, platform

NETWORK = "Network-dev"
ENDPOINTS = sorted(
    logical_id
    for logical_id, resource in platform()[NETWORK]["Resources"].items()
    if resource["Type"] == "AWS::EC2::VPCEndpoint"
)


def resources(documents: Documents, stack: str = NETWORK) -> dict[str, Any]:
    found: dict[str, Any] = documents[stack]["Resources"]
    return found


def service_of(endpoint: dict[str, Any]) -> str:
    name = endpoint["Properties"]["ServiceName"]
    return "".join(part if isinstance(part, str) else "us-east-1" for part in name["Fn::Join"][1])


def proof_after(change: Callable[[dict[str, Any]], None]) -> Proof:
    documents = platform()
    change(resources(documents))
    return prove(estate_of(documents))


def test_everything_of_the_platform_has_a_route() -> None:
    proof = prove(estate_of(platform()))
    assert [route for route in proof.routes if route.severity != "ok"] == []
    places = {route.place for route in proof.routes}
    assert "apps of Studio" in places
    assert any(place.startswith("jobs of ") for place in places)
    # DynamoDB's gateway costs nothing, and the platform keeps no table.
    assert proof.unused == [
        label for label in proof.unused if label.endswith("(com.amazonaws.us-east-1.dynamodb)")
    ]


@pytest.mark.parametrize("logical_id", ENDPOINTS)
def test_an_endpoint_that_is_taken_away_is_named(logical_id: str) -> None:
    service = service_of(resources(platform())[logical_id])
    proof = proof_after(lambda found: found.pop(logical_id))
    missing = {route.service for route in proof.errors}
    if service.endswith(".dynamodb"):
        assert missing == set()
        return
    assert missing == {service}
    for route in proof.errors:
        assert route.caller
        assert service in route.message
        assert route.feature == "every network" or f"NetworkFeature.{route.feature}" in (
            route.message
        )


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_so_do_the_other_environments(environment: str) -> None:
    assert prove(estate_of(platform(environment))).errors == []


# --- what else may be in the way ----------------------------------------------------------------


def of_service(found: dict[str, Any], suffix: str) -> dict[str, Any]:
    [endpoint] = [
        found[name]["Properties"]
        for name in ENDPOINTS
        if name in found and service_of(found[name]).endswith(f".{suffix}")
    ]
    properties: dict[str, Any] = endpoint
    return properties


def test_private_dns_is_needed() -> None:
    proof = proof_after(lambda found: of_service(found, "kms").update(PrivateDnsEnabled=False))
    assert {route.service for route in proof.errors} == {"com.amazonaws.us-east-1.kms"}
    assert all("has no private DNS" in route.message for route in proof.errors)


def test_the_endpoints_group_must_let_the_caller_in() -> None:
    def shut(found: dict[str, Any]) -> None:
        [group] = [r for n, r in found.items() if n.startswith("NetworkEndpointGroup")]
        rules = group["Properties"]["SecurityGroupIngress"]
        rules[:] = [rule for rule in rules if rule["Description"] != "HTTPS from Studio"]

    proof = proof_after(shut)
    assert proof.errors
    assert {route.place for route in proof.errors} == {"apps of Studio"}
    assert all("lets no HTTPS in from" in route.message for route in proof.errors)


def test_the_callers_group_must_let_https_out() -> None:
    def shut(found: dict[str, Any]) -> None:
        for name, resource in found.items():
            if resource["Type"] == "AWS::EC2::SecurityGroup" and "JobGroup" in name:
                [rule] = resource["Properties"]["SecurityGroupEgress"]
                rule.update(CidrIp="255.255.255.255/32", IpProtocol="icmp", FromPort=252, ToPort=86)

    proof = proof_after(shut)
    assert {route.service.rpartition(".")[2] for route in proof.errors} >= {"s3", "kms", "logs"}
    assert "apps of Studio" not in {route.place for route in proof.errors}


def test_a_gateway_must_be_in_the_route_tables() -> None:
    proof = proof_after(lambda found: of_service(found, "s3")["RouteTableIds"].pop())
    assert {route.service for route in proof.errors} == {"com.amazonaws.us-east-1.s3"}
    assert all("does not lead to it" in route.message for route in proof.errors)


@pytest.mark.parametrize("as_text", [False, True])
def test_the_policy_of_an_endpoint_must_let_the_caller_through(as_text: bool) -> None:
    def narrow(found: dict[str, Any]) -> None:
        for statement in of_service(found, "monitoring")["PolicyDocument"]["Statement"]:
            statement["Action"] = "cloudwatch:Get*"

        if as_text:
            endpoint = of_service(found, "monitoring")
            # Fn::Sub fills in what a text refers to.
            text = json.dumps(endpoint["PolicyDocument"])
            text = text.replace('{"Ref": "AWS::AccountId"}', '"${AWS::AccountId}"')
            endpoint["PolicyDocument"] = {"Fn::Sub": text}

    proof = proof_after(narrow)
    assert {route.action for route in proof.errors} == {
        "cloudwatch:DescribeAlarms",
        "cloudwatch:ListMetrics",
        "cloudwatch:PutMetricData",
    }
    assert all("its policy does not let" in route.message for route in proof.errors)


def test_the_policy_of_the_s3_gateway_must_let_image_layers_through() -> None:
    def narrow(found: dict[str, Any]) -> None:
        policy = of_service(found, "s3")["PolicyDocument"]
        policy["Statement"] = [s for s in policy["Statement"] if s["Action"] == "s3:*"]

    proof = proof_after(narrow)
    assert proof.errors
    assert {(route.action, route.service) for route in proof.errors} == {
        ("s3:GetObject", "com.amazonaws.us-east-1.s3")
    }


def test_the_policy_must_let_every_resource_of_a_call_through() -> None:
    other = "arn:aws:kms:us-east-1:444455556666:key/theirs"
    documents = platform()
    for resource in resources(documents, "Studio-dev").values():
        if resource["Type"] == "AWS::IAM::Policy":
            resource["Properties"]["PolicyDocument"]["Statement"].append(
                {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": other}
            )
    policy = of_service(resources(documents), "kms")["PolicyDocument"]["Statement"]
    assert prove(estate_of(documents)).errors == []
    for statement in policy:
        keys = statement["Condition"].get("StringEquals", {})
        keys |= {key.replace("Principal", "Resource"): value for key, value in keys.items()}
    errors = prove(estate_of(documents)).errors
    assert {route.action for route in errors} == {"kms:Decrypt"}
    assert all(f"does not let the call through, on {other}" in route.message for route in errors)


def test_a_policy_that_iam_would_refuse_is_named() -> None:
    def break_it(found: dict[str, Any]) -> None:
        of_service(found, "kms")["PolicyDocument"]["Statement"][0]["Condition"] = "x"

    with pytest.raises(PolicyError, match=r"^Network-dev: .*Kms.*: a statement's Condition"):
        proof_after(break_it)


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        ({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/Full"]}, "arn:aws:iam::aws:policy/Full"),
        ({"Policies": [{"PolicyDocument": document({"Action": "*"})}]}, "everything"),
        (
            {"Policies": [{"PolicyDocument": document({"NotAction": ["iam:*"]})}]},
            "everything but iam:*",
        ),
    ],
    ids=["managed", "everything", "but"],
)
def test_what_nobody_can_follow_is_told(policies: dict[str, Any], told: str) -> None:
    role = one_role(**policies).stacks["Test"].document["Resources"]["Role"]
    model = {
        "Type": "AWS::SageMaker::Model",
        "Properties": {
            "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        },
    }
    proof = prove(estate_of({"Test": {"Resources": {"Role": role, "Model": model}}}))
    [found] = proof.unfollowed
    assert found.startswith(f"Role: {told}")
    for form in FORMATS.values():
        assert told in form([proof])


def test_an_endpoint_that_is_there_but_shut_is_needed() -> None:
    proof = proof_after(lambda found: of_service(found, "kms").update(PrivateDnsEnabled=False))
    assert not any(".kms" in endpoint for endpoint in proof.unused)


def test_an_endpoint_of_another_vpc_does_not_count() -> None:
    proof = proof_after(lambda found: of_service(found, "kms").update(VpcId="vpc-other"))
    assert {route.service for route in proof.errors} == {"com.amazonaws.us-east-1.kms"}


def test_the_organization_of_a_policy_is_the_callers_own() -> None:
    def organized(found: dict[str, Any]) -> None:
        for suffix in ("kms", "s3"):
            for statement in of_service(found, suffix)["PolicyDocument"]["Statement"]:
                wanted = statement.get("Condition", {}).get("StringEquals", {})
                for key in list(wanted):
                    del wanted[key]
                    wanted[key.replace("Account", "OrgID")] = "o-a1b2c3d4e5"

    assert proof_after(organized).errors == []


def central(found: dict[str, Any]) -> None:
    """Move the interface endpoints into a VPC of their own, which shares them by a profile."""
    vpc = next(n for n, r in found.items() if r["Type"] == "AWS::EC2::VPC")
    found["Hub"] = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
    found["Profile"] = {"Type": "AWS::Route53Profiles::Profile", "Properties": {"Name": "p"}}
    profile = {"Fn::GetAtt": ["Profile", "Id"]}
    found["Association"] = {
        "Type": "AWS::Route53Profiles::ProfileAssociation",
        "Properties": {"Name": "p", "ProfileId": profile, "ResourceId": {"Ref": vpc}},
    }
    for name in ENDPOINTS:
        if found[name]["Properties"]["VpcEndpointType"] == "Interface":
            found[name]["Properties"]["VpcId"] = {"Ref": "Hub"}
            arn = {"Fn::Sub": f"arn:aws:ec2:us-east-1:1:vpc-endpoint/${{{name}}}"}
            found[f"{name}Shared"] = {
                "Type": "AWS::Route53Profiles::ProfileResourceAssociation",
                "Properties": {"Name": name, "ProfileId": profile, "ResourceArn": arn},
            }
    for name in [n for n, r in found.items() if r["Type"] == "AWS::EC2::RouteTable"]:
        found[f"{name}ToHub"] = {
            "Type": "AWS::EC2::Route",
            "Properties": {
                "RouteTableId": {"Ref": name},
                "DestinationCidrBlock": "10.0.0.0/16",
                "TransitGatewayId": "tgw-1",
            },
        }
    [group] = [r for n, r in found.items() if n.startswith("NetworkEndpointGroup")]
    group["Properties"]["SecurityGroupIngress"] = [
        {"CidrIp": "10.20.0.0/16", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ]


def test_endpoints_of_a_central_vpc_are_reached_by_a_transit_gateway() -> None:
    assert proof_after(central).errors == []


def test_a_route_to_the_central_vpc_is_needed() -> None:
    def lost(found: dict[str, Any]) -> None:
        central(found)
        del found[next(name for name in found if name.endswith("ToHub"))]

    errors = proof_after(lost).errors
    assert errors
    assert all("does not lead to its VPC" in route.message for route in errors)


def test_so_is_the_central_group_that_lets_the_vpc_in() -> None:
    def shut(found: dict[str, Any]) -> None:
        central(found)
        [group] = [r for n, r in found.items() if n.startswith("NetworkEndpointGroup")]
        group["Properties"]["SecurityGroupIngress"][0]["CidrIp"] = "10.99.0.0/16"

    errors = proof_after(shut).errors
    assert errors
    assert all("lets no HTTPS in" in route.message for route in errors)


def test_without_the_association_there_is_no_way() -> None:
    def alone(found: dict[str, Any]) -> None:
        central(found)
        del found["Association"]

    errors = proof_after(alone).errors
    assert "com.amazonaws.us-east-1.kms" in {route.service for route in errors}
    assert not any(route.service.endswith(".s3") for route in errors)


def test_a_profile_from_elsewhere_is_unknown_and_no_error() -> None:
    def elsewhere(found: dict[str, Any]) -> None:
        central(found)
        found["Association"]["Properties"]["ProfileId"] = "rp-1"

    proof = proof_after(elsewhere)
    assert proof.errors == []
    unknown = [route for route in proof.routes if route.severity == "unknown"]
    assert unknown
    assert all("rp-1 may share it" in route.message for route in unknown)


def test_nat_is_a_way_too() -> None:
    def nat(found: dict[str, Any]) -> None:
        for name in ENDPOINTS:
            del found[name]
        tables = [n for n, r in found.items() if r["Type"] == "AWS::EC2::RouteTable"]
        for table in tables:
            found[f"{table}Default"] = {
                "Type": "AWS::EC2::Route",
                "Properties": {
                    "RouteTableId": {"Ref": table},
                    "DestinationCidrBlock": "0.0.0.0/0",
                    "NatGatewayId": "nat-1",
                },
            }

    proof = proof_after(nat)
    assert proof.errors == []
    assert {route.via for route in proof.routes} == {"NatGateway"}


def test_a_network_elsewhere_is_unknown_and_no_error() -> None:
    documents = platform()
    del documents[NETWORK]
    proofs = [
        prove(estate_of({name: document}))
        for name, document in documents.items()
        if name.startswith("Studio")
    ]
    assert {route.severity for proof in proofs for route in proof.routes} == {"unknown"}


def test_an_action_without_any_endpoint_is_an_error() -> None:
    documents = platform()
    for resource in resources(documents, "Studio-dev").values():
        if resource["Type"] == "AWS::IAM::Policy":
            resource["Properties"]["PolicyDocument"]["Statement"].append(
                {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"}
            )
    errors = prove(estate_of(documents)).errors
    assert {route.action for route in errors} == {"iam:ListRoles"}
    assert all("no VPC endpoint for iam" in route.message for route in errors)


# --- the table and the command ------------------------------------------------------------------


def test_the_table_knows_the_features_of_the_network() -> None:
    """What `reach` advises to add is what the feature of the network really makes."""
    from mlops_constructs.reach import services

    known = [endpoint for route in services._ROUTES.values() for endpoint in route or ()]
    known += [value for value in vars(services).values() if isinstance(value, Endpoint)]
    for endpoint in known:
        if endpoint.gateway or endpoint.feature == "every network":
            continue
        made = endpoints_for([NetworkFeature[endpoint.feature]])
        assert any(e.service.short_name.endswith(endpoint.suffix) for e in made), endpoint


@pytest.mark.parametrize(
    ("action", "suffixes"),
    [
        ("sagemaker:CreateTrainingJob", ["sagemaker.api"]),
        ("sagemaker:InvokeEndpointAsync", ["sagemaker.runtime"]),
        ("SageMaker:putrecord", ["sagemaker.featurestore-runtime"]),
        ("ecr:BatchGetImage", ["ecr.api", "ecr.dkr"]),
        ("ec2:CreateNetworkInterface", []),
        ("iam:PassRole", []),
        ("states:StartExecution", ["states"]),
        ("bedrock:InvokeModel", ["bedrock-runtime"]),
    ],
)
def test_routes_of_actions(action: str, suffixes: list[str]) -> None:
    assert [endpoint.suffix for endpoint in endpoints_of(action) or ()] == suffixes


def test_names_in_china_and_with_fips() -> None:
    kms = Endpoint("kms", "JOBS")
    assert kms.service_name("cn-north-1") == "cn.com.amazonaws.cn-north-1.kms"
    fips = {"com.amazonaws.us-gov-west-1.kms-fips"}
    assert kms.names("us-gov-west-1", fips=True) == fips
    assert not kms.names("us-gov-west-1") & fips


def test_the_endpoints_with_fips_are_those_of_the_network() -> None:
    made = {e.service.short_name for e in endpoints_for(set(NetworkFeature))}
    twins = {name.removesuffix("-fips") for name in made if name.endswith("-fips")}
    assert twins == WITH_FIPS


def test_fips_endpoints_help_only_callers_that_use_them() -> None:
    def only_fips(found: dict[str, Any]) -> None:
        name = of_service(found, "kms")["ServiceName"]
        name["Fn::Join"][1][-1] += "-fips"

    documents = platform()
    only_fips(resources(documents))
    estate = estate_of(documents)
    assert {r.service for r in prove(estate).errors} == {"com.amazonaws.us-east-1.kms"}
    served = {r.service for r in prove(estate, fips=True).errors}
    # The other services have no such endpoint in this network yet.
    assert "com.amazonaws.us-east-1.kms" not in served
    assert "com.amazonaws.us-east-1.sts" in served


def write(folder: Path, documents: Documents) -> list[str]:
    for name, found in documents.items():
        (folder / f"{name}.template.json").write_text(json.dumps(found))
    return ["reach", str(folder)]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = platform()
    assert main(write(tmp_path, documents)) == 0
    out, err = capsys.readouterr()
    assert "0 without a route" in err
    assert "sagemaker:CreateTrainingJob" in out

    del resources(documents)[next(name for name in ENDPOINTS if "Athena" in name)]
    arguments = write(tmp_path, documents)
    assert main(arguments) == 1
    assert (
        "needs com.amazonaws.us-east-1.athena (feature FEATURE_STORE): no route: add the endpoint "
        "com.amazonaws.us-east-1.athena, or NetworkFeature.FEATURE_STORE to the network."
    ) in capsys.readouterr().out
    assert main([*arguments, "--format", "json"]) == 1
    [found] = json.loads(capsys.readouterr().out)
    assert found["environment"] == "dev"
    assert main([*arguments, "--format", "markdown", "--region", "eu-west-1"]) == 1
    assert "com.amazonaws.eu-west-1.athena" in capsys.readouterr().out


def test_templates_without_an_assembly_are_in_the_region_and_account_that_they_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(platform()).replace('{"Ref": "AWS::Region"}', '"eu-central-1"')
    documents = json.loads(text)
    for endpoint in resources(documents).values():
        if endpoint["Type"] == "AWS::EC2::VPCEndpoint":
            name = endpoint["Properties"]["ServiceName"]
            endpoint["Properties"]["ServiceName"] = "".join(name["Fn::Join"][1])
            text = json.dumps(endpoint).replace('{"Ref": "AWS::AccountId"}', '"444455556666"')
            endpoint.update(json.loads(text))
    assert main(write(tmp_path, documents)) == 0, capsys.readouterr().out[:500]
    assert "com.amazonaws.eu-central-1.kms by" in capsys.readouterr().out


def test_the_command_tells_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reach", str(tmp_path / "none.json")]) == 2
    assert "no such file" in capsys.readouterr().err
