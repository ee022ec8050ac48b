"""A SageMaker session that never leaves the process.

The SDK expects credentials, a region and a default bucket even to write JSON. This module gives
it harmless ones and closes what would go to the network or into the output: the ListBuckets
call behind ``default_bucket()``, telemetry (an HTTP request per ``run()``), the caller's own
SDK configuration files, uploads, and IAM and STS look-ups.
"""

import functools
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from pipeline_code.compiler.errors import CompileError

if TYPE_CHECKING:
    import boto3
    from sagemaker.core.workflow.pipeline_context import PipelineSession

# Credentials that open nothing; a region because the SDK's import fails without one. The two
# *_CONFIG_OVERRIDE variables keep files in the user's home out of the definition.
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "offline",
    "AWS_SECRET_ACCESS_KEY": "offline",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": os.devnull,
    "SAGEMAKER_USER_CONFIG_OVERRIDE": os.devnull,
    "SAGEMAKER_VALIDATE_ROLE": "false",
}
_UNWANTED = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER")
_CONFIG = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


@contextmanager
def offline() -> Iterator[None]:
    """Give the SDK an environment without accounts, and keep its log lines to itself."""
    before = dict(os.environ)
    for name in _UNWANTED:
        os.environ.pop(name, None)
    os.environ.update(_ENVIRONMENT)
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        os.environ.clear()
        os.environ.update(before)


@functools.cache
def _boto_session() -> "boto3.Session":
    """One for all use cases: it keeps the service models that it has read."""
    import boto3

    return boto3.Session(region_name="us-east-1")


def offline_session(default_bucket: str) -> "PipelineSession":
    """Make the session; call it inside `offline`.

    Args:
        default_bucket: The bucket name that the SDK uses where a pipeline names none.
    """
    # Imported here: it takes about two seconds, and `offline` must be in force.
    from sagemaker.core.config.config_manager import SageMakerConfig
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    class OfflineSession(PipelineSession):  # type: ignore[misc] # the SDK has no types
        def expand_role(self, role: str) -> str:
            return role

        def account_id(self) -> str:
            return "000000000000"

        def upload_data(self, path: str, *_: object, **__: object) -> NoReturn:
            raise CompileError(
                f"The pipeline wants to upload '{path}'. Declare it with "
                "context.bundle(...) and pass the bundle's uri instead."
            )

        def upload_string_as_file_body(self, *_: object, **__: object) -> NoReturn:
            raise CompileError(
                "The pipeline wants to upload a string to S3. Put it into a file of a "
                "context.bundle(...) instead."
            )

    session = OfflineSession(
        boto_session=_boto_session(),
        default_bucket=default_bucket,
        sagemaker_config=_CONFIG,
    )
    # The SDK validates its configuration against a JSON schema, and that schema against the schema
    # of schemas, on each of some 40 look-ups: two thirds of the time of a compilation. Ours is the
    # constant above, and valid: the session has just been made with it.
    SageMakerConfig.validate_sagemaker_config = staticmethod(lambda _=None: None)
    session._default_bucket = default_bucket
    return session
