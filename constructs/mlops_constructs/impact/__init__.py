"""The impact gate: what deploying new templates would do to deployed resources.

Plain Python over plain templates, without aws_cdk, network or AWS account. On the command line
it is `mlops-constructs impact`.
"""

from __future__ import annotations

from mlops_constructs.impact.analysis import analyse
from mlops_constructs.impact.changes import Action, Change
from mlops_constructs.impact.stateful import STATEFUL

__all__ = ["STATEFUL", "Action", "Change", "analyse"]
