"""Policies of VPC endpoints: who may pass, and to whose resources.

An endpoint policy grants nothing; it is the most that a request from inside may do. These let
the network's accounts, or its organization, reach their own buckets and tables, and read the
AWS-owned buckets that SageMaker cannot work without. They keep out credentials of other accounts
(somebody pastes a private access key into a notebook) and keep data from other accounts' buckets.

Sources: aws-samples/data-perimeter-policy-examples, "VPC endpoint policy examples" and
"Service-owned resources"; Amazon ECR user guide, "Minimum Amazon S3 bucket permissions for Amazon
ECR"; the JumpStart buckets are those of the SageMaker SDK's region table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from aws_cdk import aws_iam as iam

from mlops_constructs.common.pseudo import PARTITION, REGION


@dataclass(frozen=True, kw_only=True)
class Perimeter:
    """Whose callers and whose data pass.

    Attributes:
        accounts: Accounts; the network's own unless there is an organization.
        organization: An organization in AWS Organizations, ``o-…``.
    """

    accounts: Sequence[str] = ()
    organization: str | None = None

    def callers(self) -> list[dict[str, object]]:
        """The conditions on callers, one of which must be met."""
        return [{key: values} for key, values in self._keys("Principal")]

    def own(self) -> list[dict[str, object]]:
        """The conditions on callers and on what they call; no mix of account and organization."""
        both = zip(self._keys("Principal"), self._keys("Resource"), strict=True)
        return [{caller: values, data: values} for (caller, values), (data, _) in both]

    def _keys(self, of: str) -> list[tuple[str, object]]:
        keys: list[tuple[str, object]] = []
        if self.organization is not None:
            keys.append((f"aws:{of}OrgID", self.organization))
        if self.accounts:
            keys.append((f"aws:{of}Account", list(self.accounts)))
        return keys


def caller_statements(perimeter: Perimeter) -> list[iam.PolicyStatement]:
    """Lets in callers of the perimeter, and AWS services that act for them."""
    return [
        *(_allow(["*"], ["*"], {"StringEquals": wanted}) for wanted in perimeter.callers()),
        _service_principals(),
    ]


def s3_statements(perimeter: Perimeter) -> list[iam.PolicyStatement]:
    """Buckets of the perimeter (CDK's asset buckets among them), and those that AWS owns.

    ECR hands out layers by URLs that an ECR account has signed, and JumpStart's catalogue is
    read without a signature: a condition on the caller would break both.
    """
    jumpstart = [
        f"arn:{PARTITION}:s3:::jumpstart-cache-prod-{REGION}",
        f"arn:{PARTITION}:s3:::jumpstart-private-cache-prod-{REGION}",
    ]
    samples = [
        f"arn:{PARTITION}:s3:::sagemaker-sample-files",
        f"arn:{PARTITION}:s3:::sagemaker-sample-data-{REGION}",
    ]
    buckets = jumpstart + samples
    return [
        *_own_resources("s3:*", perimeter),
        _service_principals(),
        _allow(
            ["s3:GetObject"],
            [f"arn:{PARTITION}:s3:::prod-{REGION}-starport-layer-bucket/*"],
        ),
        _allow(["s3:GetObject"], [f"{bucket}/*" for bucket in buckets]),
        _allow(["s3:ListBucket"], buckets),
    ]


def dynamodb_statements(perimeter: Perimeter) -> list[iam.PolicyStatement]:
    """Tables of the perimeter."""
    return [*_own_resources("dynamodb:*", perimeter), _service_principals()]


def _own_resources(action: str, perimeter: Perimeter) -> list[iam.PolicyStatement]:
    return [_allow([action], ["*"], {"StringEquals": wanted}) for wanted in perimeter.own()]


def _service_principals() -> iam.PolicyStatement:
    return _allow(["*"], ["*"], {"Bool": {"aws:PrincipalIsAWSService": "true"}})


@cache
def _anybody() -> iam.AnyPrincipal:
    return iam.AnyPrincipal()


def _allow(
    actions: list[str], resources: list[str], conditions: dict[str, object] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[_anybody()],
        actions=actions,
        resources=resources,
        conditions=conditions,
    )
