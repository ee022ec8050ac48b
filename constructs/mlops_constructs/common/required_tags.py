"""Refuse at synth what lacks the tags that cost reports are made by.

A resource without them is in nobody's budget, and is found months later on the bill. The check sees
tags as they end up in the template, wherever they were added, and is about every resource that can
be tagged but those of `UNTAGGED`: a tag that is added to one of these later replaces it.

Service control policies and tag policies of AWS Organizations hold what is made by hand; this holds
what is made by the app, before it is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jsii
from aws_cdk import Annotations, AspectPriority, Aspects, CfnResource, IAspect, TagManager
from constructs import Construct, IConstruct

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tags import UNTAGGED
from mlops_constructs.common.tokens import is_token

#: The keys that `CostTags` gives.
COST_TAGS = ("Project", "Team", "Environment", "CostCenter")
_MOST_KEY = 128


@jsii.implements(IAspect)
class RequiredTags:
    """Tags that every resource must carry.

    `CostTags` gives them; where a resource lacks one, synth fails and names the construct.
    """

    def __init__(self, tags: Sequence[str] | Mapping[str, Sequence[str]] = COST_TAGS) -> None:
        """Say which.

        Args:
            tags: Keys; or keys with the values that are allowed, none for any value.

        Raises:
            ValidationError: If a key is none that AWS takes.
        """
        self._allowed: dict[str, tuple[str, ...]] = (
            {key: tuple(values) for key, values in tags.items()}
            if isinstance(tags, Mapping)
            else dict.fromkeys(tags, ())
        )
        problems = Problems("RequiredTags")
        wrong = [
            key
            for key in self._allowed
            if not 0 < len(key) <= _MOST_KEY or key.lower().startswith("aws:")
        ]
        problems.check(
            not wrong and bool(self._allowed) and not isinstance(tags, str),
            "tags",
            got=wrong or tags,
            allowed=f"keys of 1 to {_MOST_KEY} characters that do not start with 'aws:'",
            instead="Write RequiredTags(('Project', 'CostCenter')).",
        )
        problems.raise_if_any()

    def apply_to(self, scope: Construct) -> None:
        """Check everything below ``scope``, such as the app, once all tags have been added."""
        Aspects.of(scope).add(self, priority=AspectPriority.READONLY)

    def visit(self, node: IConstruct) -> None:
        """Check one construct; called by the CDK."""
        if not isinstance(node, CfnResource) or node.cfn_resource_type in UNTAGGED:
            return
        manager = TagManager.of(node)
        if manager is None:
            return
        given = manager.tag_values()
        missing = [key for key in self._allowed if not given.get(key)]
        wrong = [
            f"{key}={given[key]!r} (allowed: {', '.join(values)})"
            for key, values in self._allowed.items()
            if values and given.get(key) and not is_token(given[key]) and given[key] not in values
        ]
        faults = [f"lacks the tags {', '.join(missing)}"] if missing else []
        faults += [f"has the tag {fault}" for fault in wrong]
        if faults:
            Annotations.of(node).add_error(
                f"{node.cfn_resource_type} {' and '.join(faults)}. "
                "Write CostTags(…).apply_to(app), or Tags.of(construct).add(key, value)."
            )
