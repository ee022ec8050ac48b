"""What a deleted domain leaves in the VPC: mount targets, interfaces and security groups.

SageMaker tags what it makes for a domain with the domain's ARN. It calls the groups
``security-group-for-{inbound,outbound}-nfs-<domain id>``; they refer to each other and stay when
the domain goes, as the file system does, and then block the deletion of subnets and VPC
(hashicorp/terraform-provider-aws#20986). Nothing without this tag, or a name with the domain's
id, is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .calls import Services, attempt, pages

OWNER = "ManagedByAmazonSageMakerResource"


@dataclass(frozen=True)
class Leftovers:
    """What one domain left behind.

    Attributes:
        services: The clients.
        domain_id: The domain's id.
        arn: Its ARN.
    """

    services: Services
    domain_id: str
    arn: str

    def file_systems(self) -> list[dict[str, Any]]:
        """The domain's home file systems that are not being deleted."""
        return [
            found
            for found in pages(self.services.efs, "describe_file_systems", "FileSystems")
            if _owner(found) == self.arn and found["LifeCycleState"] not in ("deleting", "deleted")
        ]

    # --- steps ----------------------------------------------------------------------------------

    def without_mount_targets(self) -> list[str]:
        """Take the file systems out of the VPC; nothing is lost by it."""
        waiting = []
        for file_system in self.file_systems():
            identifier = file_system["FileSystemId"]
            for target in pages(
                self.services.efs,
                "describe_mount_targets",
                "MountTargets",
                FileSystemId=identifier,
            ):
                if target["LifeCycleState"] != "deleting":
                    attempt(
                        self.services.efs.delete_mount_target,
                        MountTargetId=target["MountTargetId"],
                    )
                waiting.append(f"mount target {target['MountTargetId']} of {identifier}")
        return waiting

    def without_file_systems(self) -> list[str]:
        """Delete the home directories of all users."""
        waiting = []
        for file_system in self.file_systems():
            identifier = file_system["FileSystemId"]
            refused = attempt(self.services.efs.delete_file_system, FileSystemId=identifier)
            waiting.append(f"file system {identifier}{f' ({refused})' if refused else ''}")
        return waiting

    def without_interfaces(self) -> list[str]:
        """Wait for the apps' interfaces, which go minutes after the apps; delete loose ones."""
        waiting = []
        for interface in self._interfaces():
            identifier = interface["NetworkInterfaceId"]
            # Only what is tagged: the function may not delete another one.
            if interface["Status"] == "available" and self.domain_id in _owner(interface):
                attempt(self.services.ec2.delete_network_interface, NetworkInterfaceId=identifier)
            waiting.append(f"network interface {identifier} ({interface['Status']})")
        return waiting

    def without_security_groups(self) -> list[str]:
        """Delete the service's groups, after the rules by which they refer to each other."""
        groups = self._groups()
        waiting = []
        for group in groups:
            identifier = group["GroupId"]
            for rules, revoke in (
                ("IpPermissions", self.services.ec2.revoke_security_group_ingress),
                ("IpPermissionsEgress", self.services.ec2.revoke_security_group_egress),
            ):
                if group.get(rules):
                    attempt(revoke, GroupId=identifier, IpPermissions=group[rules])
        for group in groups:
            identifier = group["GroupId"]
            refused = attempt(self.services.ec2.delete_security_group, GroupId=identifier)
            waiting.append(f"security group {identifier}{f' ({refused})' if refused else ''}")
        return waiting

    # --- what is there --------------------------------------------------------------------------

    def _groups(self) -> list[dict[str, Any]]:
        names = [
            f"security-group-for-{way}-nfs-{self.domain_id}" for way in ("inbound", "outbound")
        ]
        found = self._found(
            *("describe_security_groups", "SecurityGroups", "GroupId"),
            {f"tag:{OWNER}": [self.arn]},
            {"group-name": names},
        )
        return [g for g in found if _owner(g) == self.arn or g["GroupName"] in names]

    def _interfaces(self) -> list[dict[str, Any]]:
        mentioned = [f"*{self.domain_id}*"]
        filters = [{f"tag:{OWNER}": mentioned}, {"description": mentioned}]
        groups = {group["GroupId"] for group in self._groups()}
        if groups:
            filters.append({"group-id": sorted(groups)})
        found = self._found(
            *("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"), *filters
        )
        return [
            interface
            for interface in found
            if self.domain_id in f"{_owner(interface)} {interface.get('Description', '')}"
            or groups & {group["GroupId"] for group in interface.get("Groups", ())}
        ]

    def _found(
        self, operation: str, key: str, identifier: str, *choices: dict[str, list[str]]
    ) -> list[dict[str, Any]]:
        """What any of the choices finds.

        The callers look again at what was found: what is deleted must not depend on whether an
        endpoint or a proxy passed the filter on.
        """
        found: dict[str, dict[str, Any]] = {}
        for choice in choices:
            filters = [{"Name": name, "Values": values} for name, values in choice.items()]
            for item in pages(self.services.ec2, operation, key, Filters=filters):
                found[item[identifier]] = item
        return list(found.values())


def _owner(item: dict[str, Any]) -> str:
    tags: Iterable[dict[str, str]] = item.get("Tags") or item.get("TagSet") or ()
    return next((tag["Value"] for tag in tags if tag["Key"] == OWNER), "")
