"""The Python that Lambda functions of this library run on, the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import aws_lambda as lambda_

#: Why cdk-nag's wish for the newest runtime is not met.
OLDER_RUNTIME: Final[Mapping[str, str]] = {
    "AwsSolutions-L1": "New runtimes reach GovCloud and China months later, and a stack that fits "
    "any region cannot ask for the newest; the function uses nothing that a later Python brings."
}


def python_runtime() -> lambda_.Runtime:
    """Python 3.13, which every partition has.

    GovCloud took python3.12 ten months after the other regions (awslabs/LISA#92), and in China the
    announced dates of runtimes do not hold (user guide of AWS in China, "Lambda"). Nobody says
    which regions have python3.14; python3.13 is older than any such delay.
    """
    return lambda_.Runtime.PYTHON_3_13
