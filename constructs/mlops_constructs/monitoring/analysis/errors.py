"""The error of the analysis: a sentence for people, shown as the job's exit message."""

from __future__ import annotations


class AnalysisError(Exception):
    """The run cannot give an answer, and why."""
