"""The boto3 client of the Feature Store runtime, made only when none is passed in."""

from __future__ import annotations

import importlib
from typing import Any


def runtime_client(connections: int) -> Any:
    """A client for so many threads; it leaves repeating calls to its callers.

    Raises:
        ImportError: If boto3 is not installed.
    """
    try:
        boto3 = importlib.import_module("boto3")
        config = importlib.import_module("botocore.config")
    except ImportError as error:
        raise ImportError(
            "boto3 is not installed. Run `pip install boto3`, or pass a client."
        ) from error
    return boto3.client(
        "sagemaker-featurestore-runtime",
        config=config.Config(
            max_pool_connections=connections,
            # Records are built here, value by value; to look at each again takes a third of
            # the time of a call, and the service does it anyway.
            parameter_validation=False,
            retries={"mode": "standard", "total_max_attempts": 1},
        ),
    )
