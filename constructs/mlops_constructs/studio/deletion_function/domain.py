"""The domain itself: apps first, then spaces and profiles, then the domain.

SageMaker refuses to delete a space or a profile that has apps, and a domain that has any of the
three (botocore, DeleteDomain; the refusal is ``ResourceInUse``). A deleted app stays in the list
for a day; one that failed is no hindrance and cannot be deleted (developer guide, "Delete an
Amazon SageMaker AI domain").

Each step looks at what is there, begins what can be begun, and returns what it still waits for;
so it can be repeated, and taken up by another invocation, without any state kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .calls import Services, attempt, code_of, pages

_OVER = frozenset({"Deleted", "Failed"})
_CHANGING = frozenset({"Deleting", "Pending", "Updating"})
#: On the domain: it may go with its stack. Taken off, nothing is deleted.
MARK = "mlops-constructs:delete-with-stack"


@dataclass(frozen=True)
class Domain:
    """One domain.

    Attributes:
        services: The clients.
        domain_id: Its id.
        arn: Its ARN.
    """

    services: Services
    domain_id: str
    arn: str

    def described(self) -> dict[str, Any] | None:
        """What SageMaker knows of it; None once it is gone."""
        try:
            found: dict[str, Any] = self.services.sagemaker.describe_domain(DomainId=self.domain_id)
        except ClientError as error:
            if code_of(error) == "ResourceNotFound":
                return None
            raise
        return found

    def is_marked(self) -> bool:
        """Whether it still carries the mark that lets it go."""
        tags = pages(self.services.sagemaker, "list_tags", "Tags", ResourceArn=self.arn)
        return any(tag["Key"] == MARK and tag["Value"] == "true" for tag in tags)

    # --- steps ----------------------------------------------------------------------------------

    def without_apps(self) -> list[str]:
        """Stop all apps."""
        waiting = []
        for app in self._listed("list_apps", "Apps"):
            if app["Status"] in _OVER:
                continue
            owner = {name: app[name] for name in ("UserProfileName", "SpaceName") if app.get(name)}
            # A pending app is refused; it is deleted once it runs.
            if app["Status"] not in _CHANGING:
                attempt(
                    self.services.sagemaker.delete_app,
                    DomainId=self.domain_id,
                    AppType=app["AppType"],
                    AppName=app["AppName"],
                    **owner,
                )
            waiting.append(f"app {'/'.join([*owner.values(), app['AppType'], app['AppName']])}")
        return waiting

    def without_spaces(self, kept: Collection[str] = ()) -> list[str]:
        """Delete all spaces, with their volumes, but those that CloudFormation will delete."""
        waiting = []
        for space in self._listed("list_spaces", "Spaces"):
            name = space["SpaceName"]
            if name in kept:
                continue
            if space["Status"] not in _CHANGING:
                attempt(
                    self.services.sagemaker.delete_space, DomainId=self.domain_id, SpaceName=name
                )
            waiting.append(f"space {name} ({space['Status']})")
        return waiting

    def without_profiles(self, kept: Collection[str] = ()) -> list[str]:
        """Delete all profiles but those that CloudFormation will delete."""
        waiting = []
        for profile in self._listed("list_user_profiles", "UserProfiles"):
            name = profile["UserProfileName"]
            if name in kept:
                continue
            if profile["Status"] not in _CHANGING:
                attempt(
                    self.services.sagemaker.delete_user_profile,
                    DomainId=self.domain_id,
                    UserProfileName=name,
                )
            waiting.append(f"user profile {name} ({profile['Status']})")
        return waiting

    def gone(self, *, keep_homes: bool) -> list[str]:
        """Delete the domain.

        CloudFormation's own deletion has no retention policy and leaves the file system behind
        (aws-cloudformation/cloudformation-coverage-roadmap#1085).
        """
        found = self.described()
        if found is None:
            return []
        if found["Status"] not in _CHANGING:
            attempt(
                self.services.sagemaker.delete_domain,
                DomainId=self.domain_id,
                RetentionPolicy={"HomeEfsFileSystem": "Retain" if keep_homes else "Delete"},
            )
        reason = found.get("FailureReason")
        return [f"domain ({found['Status']}{f': {reason}' if reason else ''})"]

    def _listed(self, operation: str, key: str) -> list[dict[str, Any]]:
        try:
            return pages(self.services.sagemaker, operation, key, DomainIdEquals=self.domain_id)
        except ClientError as error:
            if code_of(error) == "ResourceNotFound":  # the domain is gone, and all in it
                return []
            raise
