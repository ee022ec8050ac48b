"""AWS CodePipeline, and the builds of AWS CodeBuild that its actions run, as local processes."""

from __future__ import annotations

from localcloud.delivery.service import NAME, CodePipeline

__all__ = ["NAME", "CodePipeline"]
