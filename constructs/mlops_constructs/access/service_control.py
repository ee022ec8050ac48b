"""`mlops-constructs scp`: a service control policy that holds all accounts to the guards.

A persona's policy guards what the persona does; the organization's policy guards what any role
of its accounts does, that of an administrator included. It allows nothing.

| denied | unless |
|---|---|
| jobs and models | they name subnets of a VPC |
| jobs and notebook instances | they name a key for their volumes |
| notebook instances | root access and direct internet access are off |
| making a Studio domain, or opening one to the internet | it is in VpcOnly mode |
| jobs, endpoints and notebooks on other instance types | only with ``--instance-types`` |

Condition keys of each action: service authorization reference, "Actions, resources, and condition
keys for Amazon SageMaker". Quota: 5,120 characters for a policy (Organizations user guide).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

_MOST_CHARACTERS: Final = 5120
_INSTANCE_TYPE: Final = re.compile(r"ml\.[a-z0-9*-]+\.[a-z0-9*]+")
_JOBS: Final = (
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateTrainingJob",
)
_AUTO_ML: Final = ("sagemaker:CreateAutoMLJob", "sagemaker:CreateAutoMLJobV2")
_NOTEBOOK: Final = "sagemaker:CreateNotebookInstance"
_TRANSFORM: Final = "sagemaker:CreateTransformJob"


def service_control_policy(instance_types: Sequence[str] = ()) -> dict[str, Any]:
    """The policy document.

    Args:
        instance_types: The instance types that accounts may use, wildcards allowed; all if none
            are given.

    Raises:
        ValueError: Something is no instance type of SageMaker, or the policy would be longer than
            Organizations takes.
    """
    wrong = [kind for kind in instance_types if not _INSTANCE_TYPE.fullmatch(kind)]
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)}: no instance types of SageMaker; write, for example, ml.m5.*"
        )
    statements = [
        _deny(
            "OutsideOfVpc",
            [*_AUTO_ML, *_JOBS, "sagemaker:CreateModel", _NOTEBOOK],
            {"Null": {"sagemaker:VpcSubnets": "true"}},
        ),
        _deny(
            "WithoutKey",
            [*_AUTO_ML, *_JOBS, _NOTEBOOK, _TRANSFORM],
            {"Null": {"sagemaker:VolumeKmsKey": "true"}},
        ),
        _deny(
            "NotebookWithRoot",
            [_NOTEBOOK, "sagemaker:UpdateNotebookInstance"],
            {"StringEquals": {"sagemaker:RootAccess": "Enabled"}},
        ),
        # The service's default is root access and a way to the internet.
        _deny(
            "NotebookWithDefaults",
            [_NOTEBOOK],
            {"StringNotEquals": {"sagemaker:RootAccess": "Disabled"}},
        ),
        _deny(
            "NotebookOnTheInternet",
            [_NOTEBOOK],
            {"StringNotEquals": {"sagemaker:DirectInternetAccess": "Disabled"}},
        ),
        _deny(
            "DomainOnTheInternet",
            ["sagemaker:CreateDomain"],
            {"StringNotEquals": {"sagemaker:AppNetworkAccessType": "VpcOnly"}},
        ),
        # An update that leaves the access type alone keeps it.
        _deny(
            "DomainToTheInternet",
            ["sagemaker:UpdateDomain"],
            {"StringEquals": {"sagemaker:AppNetworkAccessType": "PublicInternetOnly"}},
        ),
    ]
    if instance_types:
        statements.append(
            _deny(
                "OtherInstanceTypes",
                [*_JOBS, "sagemaker:CreateEndpointConfig", _NOTEBOOK, _TRANSFORM],
                {"ForAnyValue:StringNotLike": {"sagemaker:InstanceTypes": list(instance_types)}},
            )
        )
    policy = {"Version": "2012-10-17", "Statement": statements}
    size = len(_short(policy))
    if size > _MOST_CHARACTERS:
        raise ValueError(
            f"{len(instance_types)} instance types make a policy of {size:,} characters, "
            f"Organizations takes {_MOST_CHARACTERS:,}; write families, for example, ml.m5.*"
        )
    return policy


def _short(policy: dict[str, Any]) -> str:
    return json.dumps(policy, separators=(",", ":"))


def _deny(sid: str, actions: Sequence[str], condition: dict[str, Any]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Action": sorted(actions),
        "Resource": "*",
        "Condition": condition,
    }


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Print a service control policy: jobs in a VPC and under a key, no notebooks with root or "
        "on the internet, no Studio domain on the internet. Attach it beside FullAWSAccess: it "
        "allows nothing."
    )
    parser.add_argument(
        "--instance-types",
        nargs="+",
        default=[],
        metavar="TYPE",
        help="deny all but these, such as ml.m5.* ml.g4dn.xlarge",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the policy, and return the exit status."""
    try:
        policy = service_control_policy(arguments.instance_types)
    except ValueError as error:
        print(f"mlops-constructs: {error}", file=sys.stderr)
        return 2
    text = json.dumps(policy, indent=2)
    print(text if len(text) <= _MOST_CHARACTERS else _short(policy))
    return 0
