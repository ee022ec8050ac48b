"""Compiles a use case's ``pipeline.py`` to JSON, offline, with the SageMaker SDK.

``python -m pipeline_code.compiler <use case>`` writes two files into the use case's folder, both
to be committed: ``definition.json`` (see `build`) and ``definition.lock.json`` (see `lock`).
Nothing else in the project imports the SDK: synth reads the two files.
"""

from pipeline_code.compiler.context import Bundle, Context
from pipeline_code.compiler.errors import CompileError

__all__ = ["Bundle", "CompileError", "Context"]
