"""A small account with two used domains, for tests of what deletes one of them.

Each list has one item a page. What is deleted stays `changes` looks longer, as in AWS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from mlops_constructs.studio.deletion_function.domain import MARK
from mlops_constructs.studio.deletion_function.leftovers import OWNER

Item = dict[str, Any]
IDS = {
    "list_apps": "Apps",
    "list_spaces": "Spaces",
    "list_user_profiles": "UserProfiles",
    "list_tags": "Tags",
    "describe_file_systems": "FileSystems",
    "describe_mount_targets": "MountTargets",
    "describe_security_groups": "SecurityGroups",
    "describe_network_interfaces": "NetworkInterfaces",
}


def refusal(operation: str, code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def arn(domain: str) -> str:
    return f"arn:aws-cn:sagemaker:cn-north-1:111122223333:domain/{domain}"


class Account:
    """The services' state and their refusals.

    Args:
        changes: How many looks a deletion takes.
        domains: The ids of the domains.
    """

    def __init__(self, *, changes: int = 2, domains: tuple[str, ...] = ("d-one", "d-two")) -> None:
        self.changes = changes
        self.calls: Counter[str] = Counter()
        self.log: list[str] = []
        self.refuse: dict[str, list[ClientError]] = {}
        self.invoked: list[Item] = []
        self.ignores_filters = False
        self.domains: dict[str, Item] = {}
        self.items: dict[str, list[Item]] = {name: [] for name in IDS.values()}
        for domain in domains:
            self._used(domain)

    def _used(self, domain: str) -> None:
        tags = [{"Key": OWNER, "Value": arn(domain)}]
        self.domains[domain] = {"Status": "InService", "Mark": "true"}
        shared = {"DomainId": domain, "AppType": "JupyterLab", "AppName": "default"}
        self.items["Apps"] += [
            {**shared, "SpaceName": "work", "Status": "InService"},
            {**shared, "SpaceName": "team", "Status": "Pending"},
            {**shared, "UserProfileName": "ana", "AppType": "Canvas", "Status": "InService"},
            {**shared, "UserProfileName": "ana", "AppName": "old", "Status": "Deleted"},
            {**shared, "UserProfileName": "ana", "AppName": "broken", "Status": "Failed"},
        ]
        for name in ("work", "team"):
            self.items["Spaces"].append(
                {"DomainId": domain, "SpaceName": name, "Status": "InService"}
            )
        for name in ("ana", "by-hand"):
            self.items["UserProfiles"].append(
                {"DomainId": domain, "UserProfileName": name, "Status": "InService"}
            )
        self.items["FileSystems"].append(
            {"FileSystemId": f"fs-{domain}", "LifeCycleState": "available", "Tags": tags}
        )
        inbound, outbound = f"sg-in-{domain}", f"sg-out-{domain}"
        for way, identifier, other in (
            ("inbound", inbound, outbound),
            ("outbound", outbound, inbound),
        ):
            rule = {"IpProtocol": "tcp", "UserIdGroupPairs": [{"GroupId": other}]}
            self.items["SecurityGroups"].append(
                {
                    "GroupId": identifier,
                    "GroupName": f"security-group-for-{way}-nfs-{domain}",
                    "IpPermissions": [rule] if way == "inbound" else [],
                    "IpPermissionsEgress": [rule] if way == "outbound" else [],
                    "Tags": tags,
                }
            )
        for zone in ("a", "b"):
            self.items["MountTargets"].append(
                {
                    "MountTargetId": f"fsmt-{domain}-{zone}",
                    "FileSystemId": f"fs-{domain}",
                    "LifeCycleState": "available",
                    "Groups": [{"GroupId": inbound}],
                }
            )
        self.items["NetworkInterfaces"] += [
            {"NetworkInterfaceId": f"eni-app-{domain}", "Status": "in-use", "Left": 3}
            | {"TagSet": [], "Groups": [{"GroupId": outbound}]},
            {"NetworkInterfaceId": f"eni-busy-{domain}", "Status": "in-use", "Left": 4}
            | {"TagSet": tags, "Groups": []},
            {"NetworkInterfaceId": f"eni-loose-{domain}", "Status": "available"}
            | {"TagSet": tags, "Groups": []},
        ]

    # --- as a client of any service ---------------------------------------------------------------

    def __call__(self, service: str) -> Any:
        return self

    def get_paginator(self, operation: str) -> Any:
        return _Paginator(getattr(self, f"_{operation}"), operation, self)

    def check(self, operation: str) -> None:
        self.calls[operation] += 1
        if errors := self.refuse.get(operation):
            raise errors.pop(0)

    def __getattr__(self, name: str) -> Any:
        try:
            carried_out = object.__getattribute__(self, f"do_{name}")
        except AttributeError:
            raise AssertionError(f"the function calls {name}") from None

        def call(**request: Any) -> Any:
            self.check(name)
            return carried_out(**request)

        return call

    # --- lists -----------------------------------------------------------------------------------

    def _of_domain(self, kind: str, domain: str) -> list[Item]:
        if domain not in self.domains:
            raise refusal(f"List{kind}", "ResourceNotFound")
        self._pass_time(kind)
        return [item for item in self.items[kind] if item["DomainId"] == domain]

    def _list_apps(self, *, DomainIdEquals: str) -> list[Item]:  # noqa: N803  # AWS's names
        return self._of_domain("Apps", DomainIdEquals)

    def _list_spaces(self, *, DomainIdEquals: str) -> list[Item]:  # noqa: N803  # AWS's names
        return self._of_domain("Spaces", DomainIdEquals)

    def _list_user_profiles(self, *, DomainIdEquals: str) -> list[Item]:  # noqa: N803  # AWS's
        return self._of_domain("UserProfiles", DomainIdEquals)

    def _list_tags(self, *, ResourceArn: str) -> list[Item]:  # noqa: N803  # AWS's names
        mark = self.domains[ResourceArn.rsplit("/", 1)[-1]]["Mark"]
        return [{"Key": "team", "Value": "t"}, *([{"Key": MARK, "Value": mark}] if mark else [])]

    def _describe_file_systems(self) -> list[Item]:
        self._pass_time("FileSystems")
        return self.items["FileSystems"]

    def _describe_mount_targets(self, *, FileSystemId: str) -> list[Item]:  # noqa: N803  # AWS's
        self._pass_time("MountTargets")
        return [i for i in self.items["MountTargets"] if i["FileSystemId"] == FileSystemId]

    def _describe_security_groups(self, *, Filters: list[Item]) -> list[Item]:  # noqa: N803
        return [i for i in self.items["SecurityGroups"] if self._fits(i, Filters)]

    def _describe_network_interfaces(self, *, Filters: list[Item]) -> list[Item]:  # noqa: N803
        found = [i for i in self.items["NetworkInterfaces"] if self._fits(i, Filters)]
        for item in found:
            if "Left" in item:
                item["Left"] -= 1
        self._keep("NetworkInterfaces", lambda item: item.get("Left", 1) > 0)
        return found

    def _fits(self, item: Item, filters: list[Item]) -> bool:
        return self.ignores_filters or _fits(item, filters)

    def _pass_time(self, kind: str) -> None:
        for item in self.items[kind]:
            if item.get("Status") == "Pending":
                item["Status"] = "InService"
            if "Left" in item:
                item["Left"] -= 1
        self._keep(kind, lambda item: item.get("Left", 1) > 0)

    def _keep(self, kind: str, test: Callable[[Item], bool]) -> None:
        self.items[kind] = [item for item in self.items[kind] if test(item)]

    def _going(self, kind: str, **key: str) -> Item:
        for item in self.items[kind]:
            if all(item.get(name) == value for name, value in key.items()):
                state = "LifeCycleState" if "LifeCycleState" in item else "Status"
                item |= {state: "deleting" if state == "LifeCycleState" else "Deleting"}
                item["Left"] = self.changes
                self.log.append(f"{kind} {'/'.join(key.values())}")
                return item
        raise refusal(f"Delete{kind}", "ResourceNotFound")

    # --- operations ------------------------------------------------------------------------------

    def do_describe_domain(self, *, DomainId: str) -> Item:  # noqa: N803  # AWS's names
        if DomainId not in self.domains:
            raise refusal("DescribeDomain", "ResourceNotFound")
        found = self.domains[DomainId]
        if "Left" in found:
            found["Left"] -= 1
            if found["Left"] <= 0:
                del self.domains[DomainId]
        return found

    def do_delete_app(self, **key: str) -> None:
        [app] = [a for a in self.items["Apps"] if key.items() <= a.items()]
        assert app["Status"] == "InService", "SageMaker refuses to delete another app"
        self._going("Apps", **key)

    def do_delete_space(self, **key: str) -> None:
        self._refuse_used("DeleteSpace", ("Apps",), key)
        self._going("Spaces", **key)

    def do_delete_user_profile(self, **key: str) -> None:
        self._refuse_used("DeleteUserProfile", ("Apps",), key)
        self._going("UserProfiles", **key)

    def do_delete_domain(
        self,
        *,
        DomainId: str,  # noqa: N803  # AWS's names
        RetentionPolicy: dict[str, str],  # noqa: N803
    ) -> None:
        self._refuse_used(
            "DeleteDomain", ("Apps", "Spaces", "UserProfiles"), {"DomainId": DomainId}
        )
        self.log.append(f"Domain {DomainId} {RetentionPolicy['HomeEfsFileSystem']}")
        self.domains[DomainId] |= {"Status": "Deleting", "Left": self.changes}

    def _refuse_used(self, operation: str, kinds: tuple[str, ...], key: dict[str, str]) -> None:
        for kind in kinds:
            if any(
                key.items() <= item.items() and item["Status"] not in ("Deleted", "Failed")
                for item in self.items[kind]
            ):
                raise refusal(operation, "ResourceInUse", f"because {kind} are associated with it.")

    def do_delete_mount_target(self, *, MountTargetId: str) -> None:  # noqa: N803  # AWS's names
        self._going("MountTargets", MountTargetId=MountTargetId)

    def do_delete_file_system(self, *, FileSystemId: str) -> None:  # noqa: N803  # AWS's names
        if any(t["FileSystemId"] == FileSystemId for t in self.items["MountTargets"]):
            raise refusal("DeleteFileSystem", "FileSystemInUse")
        self._going("FileSystems", FileSystemId=FileSystemId)

    def do_delete_network_interface(self, *, NetworkInterfaceId: str) -> None:  # noqa: N803
        [found] = [
            one
            for one in self.items["NetworkInterfaces"]
            if one["NetworkInterfaceId"] == NetworkInterfaceId
        ]
        assert found["Status"] == "available", "it belongs to a running app"
        self.log.append(f"NetworkInterfaces {NetworkInterfaceId}")
        self._keep("NetworkInterfaces", lambda i: i["NetworkInterfaceId"] != NetworkInterfaceId)

    def do_revoke_security_group_ingress(self, **request: Any) -> None:
        self._revoke("IpPermissions", **request)

    def do_revoke_security_group_egress(self, **request: Any) -> None:
        self._revoke("IpPermissionsEgress", **request)

    def _revoke(self, rules: str, *, GroupId: str, IpPermissions: list[Item]) -> None:  # noqa: N803
        [group] = [g for g in self.items["SecurityGroups"] if g["GroupId"] == GroupId]
        group[rules] = [rule for rule in group[rules] if rule not in IpPermissions]

    def do_delete_security_group(self, *, GroupId: str) -> None:  # noqa: N803  # AWS's names
        used = [
            *(rule for g in self.items["SecurityGroups"] for rule in g["IpPermissions"]),
            *(rule for g in self.items["SecurityGroups"] for rule in g["IpPermissionsEgress"]),
        ]
        if any(p["GroupId"] == GroupId for rule in used for p in rule["UserIdGroupPairs"]) or any(
            {"GroupId": GroupId} in item["Groups"]
            for kind in ("NetworkInterfaces", "MountTargets")
            for item in self.items[kind]
        ):
            raise refusal("DeleteSecurityGroup", "DependencyViolation", "has a dependent object")
        self.log.append(f"SecurityGroups {GroupId}")
        self._keep("SecurityGroups", lambda group: group["GroupId"] != GroupId)

    def do_invoke(self, **request: Any) -> None:
        self.invoked.append(request)

    # --- what is left ----------------------------------------------------------------------------

    def left(self, domain: str) -> list[str]:
        """Everything that belongs to the domain, apps that are over left out."""
        found = [domain] if domain in self.domains else []
        for kind, items in self.items.items():
            found += [
                kind
                for item in items
                if domain in str(item) and item.get("Status") not in ("Deleted", "Failed")
            ]
        return found


class _Paginator:
    def __init__(self, answers: Any, operation: str, account: Account) -> None:
        self._answers, self._operation, self._account = answers, operation, account

    def paginate(self, **request: Any) -> Iterator[Item]:
        self._account.check(self._operation)
        for item in [*self._answers(**request)]:
            yield {IDS[self._operation]: [item]}
        yield {}


def _fits(item: Item, filters: list[Item]) -> bool:
    """Whether an item is found by filters."""
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags") or item.get("TagSet") or ()}
    for one in filters:
        name, wanted = one["Name"], [value.strip("*") for value in one["Values"]]
        if name.startswith("tag:"):
            values = [tags.get(name.removeprefix("tag:"), "")]
        elif name == "group-name":
            values = [item["GroupName"]]
        elif name == "description":
            values = [item.get("Description", "")]
        elif name == "group-id":
            values = [group["GroupId"] for group in item["Groups"]]
        else:
            raise AssertionError(name)
        exact = [value for value in values if any(w in value for w in wanted)]
        if not exact:
            return False
    return True
