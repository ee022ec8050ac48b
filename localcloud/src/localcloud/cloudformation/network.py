"""Network resource types: addresses, NAT gateways, flow logs and rules of security groups."""

from __future__ import annotations

from localcloud.cloudformation.api_resource import ApiResource, picked
from localcloud.sagemaker.store import Json


def _tagged(properties: Json, resource_type: str) -> Json:
    tags = properties.get("Tags")
    if not tags:
        return {}
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags}]}


class _Ec2Resource(ApiResource):
    service = "ec2"

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Only tags can change in place."""
        del stack_name
        kept = {tag["Key"] for tag in new.get("Tags") or []}
        gone = [{"Key": t["Key"]} for t in old.get("Tags") or [] if t["Key"] not in kept]
        resource = self.taggable(physical_id)
        if gone:
            self.client.delete_tags(Resources=[resource], Tags=gone)
        if new.get("Tags"):
            self.client.create_tags(Resources=[resource], Tags=new["Tags"])
        return physical_id, self.attributes(physical_id)

    def taggable(self, physical_id: str) -> str:
        """The id under which EC2 keeps the tags."""
        return physical_id

    def attributes(self, physical_id: str) -> Json:
        """What ``Fn::GetAtt`` returns."""
        raise NotImplementedError


class ElasticIp(_Ec2Resource):
    """``AWS::EC2::EIP``: Ref is the address."""

    gone = frozenset({"InvalidAllocationID.NotFound", "InvalidAddress.NotFound"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Allocate an address."""
        del logical_id, stack_name
        answer = self.client.allocate_address(Domain="vpc", **_tagged(properties, "elastic-ip"))
        address = str(answer["PublicIp"])
        if properties.get("InstanceId"):
            self.client.associate_address(
                AllocationId=answer["AllocationId"], InstanceId=properties["InstanceId"]
            )
        return address, {"PublicIp": address, "AllocationId": answer["AllocationId"]}

    def attributes(self, physical_id: str) -> Json:
        """The address and its allocation."""
        found = self.client.describe_addresses(PublicIps=[physical_id])["Addresses"][0]
        return {"PublicIp": physical_id, "AllocationId": found["AllocationId"]}

    def taggable(self, physical_id: str) -> str:
        """The allocation."""
        return str(self.attributes(physical_id)["AllocationId"])

    def remove(self, physical_id: str, properties: Json) -> None:
        """Release the address."""
        del properties
        self.client.release_address(AllocationId=self.taggable(physical_id))


class NatGateway(_Ec2Resource):
    """``AWS::EC2::NatGateway``."""

    gone = frozenset({"NatGatewayNotFound"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the gateway."""
        del logical_id, stack_name
        wanted = picked(properties, "SubnetId", "AllocationId", "ConnectivityType", "VpcId")
        answer = self.client.create_nat_gateway(**wanted, **_tagged(properties, "natgateway"))
        identifier = str(answer["NatGateway"]["NatGatewayId"])
        return identifier, self.attributes(identifier)

    def attributes(self, physical_id: str) -> Json:
        """Its id."""
        return {"NatGatewayId": physical_id}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the gateway."""
        del properties
        self.client.delete_nat_gateway(NatGatewayId=physical_id)


class FlowLog(_Ec2Resource):
    """``AWS::EC2::FlowLog``."""

    gone = frozenset({"InvalidFlowLogId.NotFound"})

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Make the flow log."""
        del logical_id, stack_name
        wanted = picked(
            properties,
            *("ResourceType", "TrafficType", "LogDestinationType", "LogDestination"),
            *("LogGroupName", "DeliverLogsPermissionArn", "LogFormat", "MaxAggregationInterval"),
        )
        answer = self.client.create_flow_logs(
            ResourceIds=[properties["ResourceId"]],
            **wanted,
            **_tagged(properties, "vpc-flow-log"),
        )
        identifier = str(answer["FlowLogIds"][0])
        return identifier, self.attributes(identifier)

    def attributes(self, physical_id: str) -> Json:
        """Its id."""
        return {"Id": physical_id}

    def remove(self, physical_id: str, properties: Json) -> None:
        """Delete the flow log."""
        del properties
        self.client.delete_flow_logs(FlowLogIds=[physical_id])


class _SecurityGroupRule(ApiResource):
    service = "ec2"
    gone = frozenset({"InvalidGroup.NotFound", "InvalidPermission.NotFound"})
    direction: str
    """``ingress`` or ``egress``."""

    def make(self, logical_id: str, properties: Json, stack_name: str) -> tuple[str, Json]:
        """Add the rule to its group."""
        del logical_id, stack_name
        answer = getattr(self.client, f"authorize_security_group_{self.direction}")(
            GroupId=properties["GroupId"], IpPermissions=[_permission(properties)]
        )
        rules = answer.get("SecurityGroupRules") or [{}]
        identifier = str(rules[0].get("SecurityGroupRuleId") or _described(properties))
        return identifier, {"Id": identifier}

    def change(self, physical_id: str, old: Json, new: Json, stack_name: str) -> tuple[str, Json]:
        """Only the description changes in place: the rule is made anew with it."""
        self.remove(physical_id, old)
        return self.make("", new, stack_name)

    def remove(self, physical_id: str, properties: Json) -> None:
        """Take the rule out of its group."""
        del physical_id
        getattr(self.client, f"revoke_security_group_{self.direction}")(
            GroupId=properties["GroupId"], IpPermissions=[_permission(properties)]
        )


class SecurityGroupIngress(_SecurityGroupRule):
    """``AWS::EC2::SecurityGroupIngress``."""

    direction = "ingress"


class SecurityGroupEgress(_SecurityGroupRule):
    """``AWS::EC2::SecurityGroupEgress``."""

    direction = "egress"


def _permission(properties: Json) -> Json:
    """A rule's properties as EC2 takes them."""
    permission: Json = {"IpProtocol": str(properties["IpProtocol"])}
    for name in ("FromPort", "ToPort"):
        if properties.get(name) is not None:
            permission[name] = int(properties[name])
    described = picked(properties, "Description")
    group = properties.get("SourceSecurityGroupId") or properties.get("DestinationSecurityGroupId")
    prefix_list = properties.get("SourcePrefixListId") or properties.get("DestinationPrefixListId")
    if properties.get("CidrIp"):
        permission["IpRanges"] = [{"CidrIp": properties["CidrIp"], **described}]
    if properties.get("CidrIpv6"):
        permission["Ipv6Ranges"] = [{"CidrIpv6": properties["CidrIpv6"], **described}]
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group, **described}]
    if prefix_list:
        permission["PrefixListIds"] = [{"PrefixListId": prefix_list, **described}]
    return permission


def _described(properties: Json) -> str:
    ports = f"{properties.get('FromPort', '')}-{properties.get('ToPort', '')}"
    return f"{properties['GroupId']}|{properties['IpProtocol']}|{ports}"


NETWORK: dict[str, type[ApiResource]] = {
    "AWS::EC2::EIP": ElasticIp,
    "AWS::EC2::FlowLog": FlowLog,
    "AWS::EC2::NatGateway": NatGateway,
    "AWS::EC2::SecurityGroupEgress": SecurityGroupEgress,
    "AWS::EC2::SecurityGroupIngress": SecurityGroupIngress,
}
"""The network types."""
