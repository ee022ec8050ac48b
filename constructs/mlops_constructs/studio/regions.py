"""Regions where CloudFormation lacks the types of a domain.

Source: provider files of cfn-lint 1.58.0, registry schemas of 2026-10-20; a test compares them.
"""

from __future__ import annotations

from mlops_constructs.common.errors import Problems

MISSING: dict[str, frozenset[str]] = {
    "AWS::SageMaker::Domain": frozenset({"ca-west-1", "mx-central-1"}),
    "AWS::SageMaker::StudioLifecycleConfig": frozenset({"ca-west-1", "mx-central-1"}),
    "AWS::SageMaker::UserProfile": frozenset(
        {"ap-south-2", "ap-southeast-4", "ca-west-1", "mx-central-1"}
    ),
}


def check_region(problems: Problems, region: str) -> None:
    """Note the types that a region lacks; an unknown region (a token) passes."""
    missing = sorted(kind for kind, regions in MISSING.items() if region in regions)
    problems.check(
        not missing,
        "region",
        got=region,
        allowed=f"a region where CloudFormation has {', '.join(missing)}",
        instead="Deploy Studio to a neighbouring region; its network must be there too.",
    )
