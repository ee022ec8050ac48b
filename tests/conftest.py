"""Loaded by the tests of every environment: nothing here may import a library of one of them."""

from __future__ import annotations

import importlib.util
import os

# Node 20 prints an end-of-life banner on every start of jsii.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

# Each environment collects what it can run; the Makefile runs all three.
collect_ignore = [
    folder
    for folder, needs in (("localcloud", "ministack"), ("pipeline_code", "sagemaker"))
    if importlib.util.find_spec(needs) is None
]
