"""What a change of a template does to a resource."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mlops_constructs.impact.stateful import STATEFUL


class Action(StrEnum):
    """What deploying does to a resource, from harmless to harmful."""

    NONE = "none"
    UPDATE = "update"
    CREATE = "create"
    BLUE_GREEN = "blue-green"
    REPLACE = "replace"
    DELETE = "delete"

    @property
    def rank(self) -> int:
        """Its place in that order."""
        return list(Action).index(self)

    @property
    def ends_resource(self) -> bool:
        """Whether the resource that is there now goes, or leaves the stack."""
        return self in (Action.REPLACE, Action.DELETE)


@dataclass(frozen=True)
class Change:
    """What deploying a new template does to one resource.

    Attributes:
        stack: The stack.
        resource: The logical id.
        type: The type; the old one, if the type changes.
        action: What happens to it.
        because: Why, each reason with the property at fault.
        way_out: What to do instead, if the change is dangerous.
        digest: Identifies the change exactly: the same text only for the same change.
        acknowledged: The reason given in the file of acknowledged changes, if it is there.
    """

    stack: str
    resource: str
    type: str
    action: Action
    because: tuple[str, ...] = ()
    way_out: str = ""
    digest: str = ""
    acknowledged: str = ""

    @property
    def stateful(self) -> bool:
        """Whether the resource holds what a deployment cannot bring back."""
        return self.type in STATEFUL

    @property
    def dangerous(self) -> bool:
        """Whether what the resource holds is lost or left behind, and nobody has agreed to it."""
        return self.stateful and self.action.ends_resource and not self.acknowledged
