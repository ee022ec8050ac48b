"""Account, partition, region and URL suffix of whatever stack they end up in, as tokens.

`aws_cdk.Aws` asks Node for them at each use, a good thousand times for the platform; here once.
"""

from __future__ import annotations

from aws_cdk import Aws

ACCOUNT_ID = Aws.ACCOUNT_ID
PARTITION = Aws.PARTITION
REGION = Aws.REGION
URL_SUFFIX = Aws.URL_SUFFIX
