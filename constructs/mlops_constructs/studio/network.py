"""PrivateNetwork: where Studio, jobs and models run without a way to the internet.

What it makes, and guarantees:

- subnets in two or three zones whose routes lead nowhere but to VPC endpoints: no NAT, no internet
  gateway, no peering (with `SharedEndpoints`, to those of a central VPC);
- interface endpoints with private DNS, those that the features need and no others (`features` has
  the table), and gateway endpoints of S3 and DynamoDB, with policies that keep other accounts'
  credentials and buckets out (`endpoint_policies`);
- room for the users and instances that it is made for (`Capacity`), checked at synth;
- one security group each for jobs, for Studio and for the endpoints;
- flow logs of all traffic in an encrypted log group.

It synthesises without credentials in every stack, with or without a concrete account and region.

Security groups (`security_groups` has the sources):

| group | in | out |
|---|---|---|
| jobs | everything from itself (hosts of a distributed job) | the same; HTTPS |
| studio | TCP 8192-65535 from itself; with home EFS TCP 2049 | the same; HTTPS |
| endpoints | HTTPS from both groups | nothing |

HTTPS goes out to any address, because CloudFormation does not tell the prefix lists of the
gateway endpoints; in a VPC made here, no other address has a route. With
``gateway_prefix_lists`` it goes out to the endpoints' group and to those lists only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from aws_cdk import (
    Annotations,
    RemovalPolicy,
    Stack,
    aws_ec2 as ec2,
    aws_kms as kms,
    aws_logs as logs,
    aws_route53profiles as route53profiles,
)
from constructs import Construct

from mlops_constructs.common.encryption import allow_logs, ensure_key
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.network import JobNetwork
from mlops_constructs.common.removal import data_removal_policy
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio.address_space import ExistingVpc, NewVpc
from mlops_constructs.studio.capacity import Capacity, find_room
from mlops_constructs.studio.endpoint_policies import (
    Perimeter,
    caller_statements,
    dynamodb_statements,
    s3_statements,
)
from mlops_constructs.studio.endpoints import (
    OwnEndpoints,
    SharedEndpoints,
    allow_from,
    check_cidrs,
    check_profile_name,
    share,
    use_shared,
)
from mlops_constructs.studio.features import NetworkFeature, endpoints_for
from mlops_constructs.studio.regions import check_features
from mlops_constructs.studio.security_groups import (
    HTTPS,
    NFS,
    STUDIO_APPS,
    allow_hosts,
    allow_https_out,
    allow_itself,
    make_group,
)
from mlops_constructs.studio.vpc import make_flow_log, make_vpc, select_subnets

#: AWS Organizations API reference, Organization.Id.
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")


class PrivateNetwork(Construct):
    """A VPC, or the part of one, that reaches AWS through endpoints only.

    Attributes:
        vpc: The VPC.
        subnets: The private subnets, one for each zone.
        features: What the network is used for.
        job_security_group: For jobs and models.
        studio_security_group: For Studio domains.
        endpoint_security_group: Of the interface endpoints.
        interface_endpoints: The endpoints made, by construct id.
        encryption_key: The key of the flow logs; None for an existing VPC.
        flow_log_group: Where flow logs go; None for an existing VPC.
        room: The addresses that are left for users and instances if the largest zone fails; None
            for an existing VPC whose addresses are not known.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: NewVpc | ExistingVpc | None = None,
        features: Collection[NetworkFeature] = (NetworkFeature.JOBS, NetworkFeature.STUDIO),
        endpoints: OwnEndpoints | SharedEndpoints | None = None,
        capacity: Capacity | None = None,
        encryption_key: kms.IKey | None = None,
        organization: str | None = None,
        trusted_accounts: Sequence[str] = (),
        gateway_prefix_lists: Sequence[str] = (),
        flow_log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
        destroy_data: bool = False,
    ) -> None:
        """Make the network.

        Args:
            scope: The parent.
            construct_id: The id below it.
            vpc: A new VPC (10.20.0.0/16 in two zones unless told otherwise) or an existing one.
            features: What the network is used for; each adds the endpoints that it needs.
            endpoints: Fewer endpoints (`OwnEndpoints`), or those of a central VPC
                (`SharedEndpoints`, for a new VPC only). Every endpoint in every zone unless given.
            capacity: How many users and instances the subnets must have addresses for.
            encryption_key: The key of the flow logs. Made if none is given. The policy of an
                imported key cannot be changed from here and must let CloudWatch Logs use it.
            organization: The id of the organization in AWS Organizations whose callers, buckets
                and tables the endpoints let through, ``o-…``; this account's alone unless given.
            trusted_accounts: Other accounts whose callers, buckets and tables the endpoints let
                through, such as the one with the shared model registry.
            gateway_prefix_lists: Ids of the region's prefix lists of S3 and DynamoDB
                (``aws ec2 describe-managed-prefix-lists``), to which HTTPS is then limited.
            flow_log_retention: How long flow logs are kept.
            destroy_data: Whether flow logs go with the stack; needs `allow_data_destruction`.

        Raises:
            ValidationError: If the service would refuse the network, with everything that is
                wrong.
        """
        super().__init__(scope, construct_id)
        choice = vpc or NewVpc()
        points = endpoints or OwnEndpoints()
        problems = Problems(self)
        self.features = frozenset(features)
        self._cidr = choice.cidr if isinstance(choice, NewVpc) else None
        self._check(problems, choice, trusted_accounts, gateway_prefix_lists)
        problems.check(
            organization is None
            or is_token(organization)
            or _ORGANIZATION.fullmatch(organization) is not None,
            "organization",
            got=organization,
            allowed="an id such as 'o-a1b2c3d4e5'",
            instead="Look it up with 'aws organizations describe-organization'.",
        )
        found = select_subnets(problems, choice) if isinstance(choice, ExistingVpc) else []
        self._check_endpoints(problems, choice, points, len(found))
        self.room = find_room(choice, points, self.features, found)
        (capacity or Capacity()).check(problems, self.room)
        removal_policy = data_removal_policy(self, problems, destroy_data)
        problems.raise_if_any()

        self.encryption_key: kms.IKey | None = None
        self.flow_log_group: logs.LogGroup | None = None
        if isinstance(choice, NewVpc):
            self.vpc = make_vpc(self, choice)
            self.subnets = list(self.vpc.isolated_subnets)
            self._log_traffic(encryption_key, flow_log_retention, removal_policy)
        else:
            self.vpc, self.subnets = choice.vpc, found
        self.endpoint_security_group = make_group(self, "EndpointGroup", self.vpc, "VPC endpoints")
        self.job_security_group = make_group(self, "JobGroup", self.vpc, "SageMaker jobs, models")
        self.studio_security_group = make_group(self, "StudioGroup", self.vpc, "SageMaker Studio")
        far = points.cidr if isinstance(points, SharedEndpoints) else None
        self._add_rules(gateway_prefix_lists, far)
        self.interface_endpoints: dict[str, ec2.InterfaceVpcEndpoint] = {}
        self._trusted_accounts = tuple(trusted_accounts)
        if isinstance(choice, NewVpc) or choice.make_endpoints:
            own = [] if organization is not None else [Stack.of(self).account]
            perimeter = Perimeter(accounts=[*own, *trusted_accounts], organization=organization)
            self._make_gateways(perimeter)
            if isinstance(points, SharedEndpoints):
                use_shared(Construct(self, "Shared"), points, self.vpc, self.subnets)
            else:
                self._make_endpoints(perimeter, points)
                points.warn(self, len(self.subnets))
        if isinstance(choice, ExistingVpc) and not gateway_prefix_lists:
            Annotations.of(self).add_warning_v2(
                "mlops-constructs:open-https",
                "HTTPS may go to any address that the existing VPC has a route to. Give "
                "gateway_prefix_lists to limit it to the endpoints.",
            )

    @property
    def subnet_selection(self) -> ec2.SubnetSelection:
        """The private subnets, as other constructs take them."""
        return ec2.SubnetSelection(subnets=self.subnets)

    @property
    def job_network(self) -> JobNetwork:
        """Where jobs and models run.

        Raises:
            ValidationError: If the network has no endpoints for jobs.
        """
        problems = Problems(self)
        check_feature(problems, self, NetworkFeature.JOBS)
        problems.raise_if_any()
        return JobNetwork(
            vpc=self.vpc,
            security_groups=[self.job_security_group],
            subnets=self.subnet_selection,
        )

    def share_endpoints(
        self,
        construct_id: str,
        *,
        profile_name: str,
        cidrs: Sequence[str],
        transit_gateway_id: str,
        principals: Sequence[str] = (),
    ) -> route53profiles.CfnProfile:
        """Let other VPCs use the interface endpoints of this one, by `SharedEndpoints`.

        Their accounts must be among ``trusted_accounts``, or the endpoints' policies turn them
        away. Call it once: a VPC has one attachment to a transit gateway.

        Args:
            construct_id: The id of what is made.
            profile_name: The name of the Route 53 Profile; create-only.
            cidrs: The addresses of the other VPCs.
            transit_gateway_id: What connects the VPCs.
            principals: Accounts, or ARNs of organizations or units, that the profile is shared
                with by AWS RAM; none if all VPCs are in this account.

        Returns:
            The profile, whose ``attr_id`` the other networks need.

        Raises:
            ValidationError: With everything that is wrong.
        """
        problems = Problems(self)
        check_profile_name(problems, profile_name)
        check_cidrs(problems, "cidrs", cidrs, self._cidr)
        problems.check(
            bool(cidrs),
            "cidrs",
            got=list(cidrs),
            allowed="the addresses of one VPC at least",
            instead="Name the VPCs that will use the endpoints.",
        )
        problems.check(
            bool(self.interface_endpoints),
            "endpoints",
            got="no interface endpoints",
            allowed="a network that makes its own",
            instead="Share those of the central network.",
        )
        strangers = [
            principal
            for principal in principals
            if not is_token(principal)
            and principal.isdecimal()
            and principal not in self._trusted_accounts
        ]
        problems.check(
            not strangers,
            "principals",
            got=strangers,
            allowed="accounts that the policies of the endpoints let through",
            instead="Add them to trusted_accounts of this network, too.",
        )
        problems.raise_if_any()
        allow_from(self.endpoint_security_group, cidrs)
        return share(
            Construct(self, construct_id),
            profile_name=profile_name,
            endpoints=self.interface_endpoints,
            vpc=self.vpc,
            subnets=self.subnets,
            transit_gateway_id=transit_gateway_id,
            cidrs=cidrs,
            principals=principals,
        )

    def allow_https_to_endpoints(self, peer: ec2.ISecurityGroup, description: str) -> None:
        """Let another security group use the endpoints, such as that of a Lambda function.

        Args:
            peer: The group. What it may send is its own business.
            description: Who it is, as the security group shows it.
        """
        self.endpoint_security_group.add_ingress_rule(
            ec2.Peer.security_group_id(peer.security_group_id), ec2.Port.tcp(HTTPS), description
        )

    def _check(
        self,
        problems: Problems,
        choice: NewVpc | ExistingVpc,
        trusted_accounts: Sequence[str],
        gateway_prefix_lists: Sequence[str],
    ) -> None:
        unknown = [feature for feature in self.features if not isinstance(feature, NetworkFeature)]
        problems.check(
            not unknown,
            "features",
            got=unknown,
            allowed="members of NetworkFeature",
            instead="Write, for example, features={NetworkFeature.JOBS, NetworkFeature.STUDIO}.",
        )
        if isinstance(choice, NewVpc):
            choice.check(problems)
        for account in trusted_accounts:
            problems.check(
                is_token(account) or (len(account) == 12 and account.isdecimal()),
                "trusted_accounts",
                got=account,
                allowed="account ids of 12 digits",
                instead="Write the id as a string; leading zeros count.",
            )
        for prefix_list in gateway_prefix_lists:
            problems.check(
                is_token(prefix_list) or prefix_list.startswith("pl-"),
                "gateway_prefix_lists",
                got=prefix_list,
                allowed="ids such as 'pl-63a5400a'",
                instead="Look them up with 'aws ec2 describe-managed-prefix-lists'.",
            )
        problems.check(
            not gateway_prefix_lists or isinstance(choice, NewVpc) or choice.make_endpoints,
            "gateway_prefix_lists",
            got=list(gateway_prefix_lists),
            allowed="only where the endpoints are made here",
            instead="Leave it out with make_endpoints=False: the addresses of endpoints that are "
            "elsewhere are not known here.",
        )

    def _check_endpoints(
        self,
        problems: Problems,
        choice: NewVpc | ExistingVpc,
        points: OwnEndpoints | SharedEndpoints,
        subnets: int,
    ) -> None:
        is_new = isinstance(choice, NewVpc)
        if isinstance(points, SharedEndpoints):
            points.check(problems, choice.cidr if isinstance(choice, NewVpc) else None)
            problems.check(
                is_new,
                "endpoints",
                got="SharedEndpoints in an existing VPC",
                allowed="SharedEndpoints with NewVpc",
                instead="Whoever owns the VPC leads it to the endpoints: write "
                "ExistingVpc(make_endpoints=False, …).",
            )
        else:
            points.check(problems, choice.zone_count if isinstance(choice, NewVpc) else subnets)
        check_features(problems, Stack.of(self).region, self.features)

    # --- parts ----------------------------------------------------------------------------------

    def _log_traffic(
        self, key: kms.IKey | None, retention: logs.RetentionDays, removal_policy: RemovalPolicy
    ) -> None:
        self.encryption_key = ensure_key(
            self,
            key,
            description="Flow logs of the private network",
            removal_policy=removal_policy,
        )
        allow_logs(self.encryption_key)
        self.flow_log_group = logs.LogGroup(
            self,
            "FlowLogs",
            encryption_key=self.encryption_key,
            retention=retention,
            removal_policy=removal_policy,
        )
        make_flow_log(self, self.vpc, self.flow_log_group)

    def _add_rules(self, gateway_prefix_lists: Sequence[str], far: str | None) -> None:
        studio = self.studio_security_group
        allow_hosts(self.job_security_group)
        allow_itself(studio, "Apps", "apps of Studio", STUDIO_APPS)
        if NetworkFeature.HOME_EFS in self.features:
            allow_itself(studio, "Nfs", "home directories", NFS)
        for group, users in ((self.job_security_group, "jobs and models"), (studio, "Studio")):
            self.allow_https_to_endpoints(group, f"HTTPS from {users}")
            allow_https_out(group, self.endpoint_security_group, gateway_prefix_lists, far)

    def _make_gateways(self, perimeter: Perimeter) -> None:
        selection = self.subnet_selection
        for construct_id, service, statements in (
            ("S3", ec2.GatewayVpcEndpointAwsService.S3, s3_statements(perimeter)),
            ("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB, dynamodb_statements(perimeter)),
        ):
            gateway = ec2.GatewayVpcEndpoint(
                self, construct_id, vpc=self.vpc, service=service, subnets=[selection]
            )
            for statement in statements:
                gateway.add_to_policy(statement)

    def _make_endpoints(self, perimeter: Perimeter, points: OwnEndpoints) -> None:
        selection = ec2.SubnetSelection(subnets=self.subnets[: points.zones])
        for wanted in endpoints_for(self.features, points.without):
            endpoint = ec2.InterfaceVpcEndpoint(
                self,
                wanted.construct_id,
                vpc=self.vpc,
                service=wanted.service,
                subnets=selection,
                security_groups=[self.endpoint_security_group],
                open=False,
                private_dns_enabled=True,
            )
            if wanted.guarded:
                for statement in caller_statements(perimeter):
                    endpoint.add_to_policy(statement)
            self.interface_endpoints[wanted.construct_id] = endpoint


def check_feature(problems: Problems, network: PrivateNetwork, feature: NetworkFeature) -> None:
    """Note that a network lacks the endpoints of a feature."""
    problems.check(
        feature in network.features,
        "network.features",
        got=sorted(given.name for given in network.features),
        allowed=f"a network with NetworkFeature.{feature.name}",
        instead=f"Add NetworkFeature.{feature.name} to the features of {network.node.path}.",
    )
