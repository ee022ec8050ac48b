"""Refuse at synth what CloudFormation lacks in a region, when the region is known.

The table is that of the rules: provider files of cfn-lint 1.58.0, registry schemas of 2026-10-20.
"""

from __future__ import annotations

from mlops_constructs.common.errors import Problems
from mlops_constructs.rules.types import MISSING_REGIONS


def check_region(problems: Problems, region: str, *types: str, what: str, instead: str) -> None:
    """Note the resource types that a region lacks; an unknown region (a token) passes.

    Args:
        problems: Where to note it.
        region: The stack's region.
        types: Such as ``AWS::SageMaker::Domain``.
        what: The argument that can mend it, or ``region``.
        instead: What to do instead.
    """
    missing = [name for name in types if region in MISSING_REGIONS[name]]
    problems.check(
        not missing,
        what,
        got=region,
        allowed=f"a region where CloudFormation has {', '.join(missing)}",
        instead=instead,
    )
