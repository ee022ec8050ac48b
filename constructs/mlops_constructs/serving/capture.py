"""Data capture: a sample of the requests and answers of an endpoint, as JSON Lines in S3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_s3 as s3

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token

# botocore, CsvContentType and JsonContentType: no dots before, no plus signs anywhere.
_CONTENT_TYPE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*/[a-zA-Z0-9](-*[a-zA-Z0-9.])*")


@dataclass(frozen=True, kw_only=True)
class DataCapture:
    """Capture of inputs and outputs.

    The service appends ``/<endpoint>/<variant>/yyyy/mm/dd/hh/`` to the prefix. Without a matching
    content type it writes the payload as base64, which monitors cannot read.

    Attributes:
        bucket: Where the captured data go, encrypted with the bucket's key.
        percent: 0 to 100 % of the requests.
        prefix: The key prefix, without slashes at its ends.
        csv_content_types: Content types that are written as CSV text, at most 10.
        json_content_types: Content types that are written as JSON text, at most 10.
    """

    bucket: s3.IBucket
    percent: int = 100
    prefix: str = "capture"
    csv_content_types: Sequence[str] = ("text/csv",)
    json_content_types: Sequence[str] = ("application/json",)

    def check(self, problems: Problems) -> None:
        """Note what the service would refuse."""
        if not is_token(self.percent):
            problems.check(
                0 <= self.percent <= 100,
                "capture.percent",
                got=self.percent,
                allowed="0 to 100",
                instead="Write 100 to capture every request.",
            )
        if not is_token(self.prefix):
            problems.check(
                bool(self.prefix) and self.prefix.strip("/") == self.prefix,
                "capture.prefix",
                got=self.prefix,
                allowed="a key prefix that neither starts nor ends with a slash",
                instead=f"Write {self.prefix.strip('/') or 'capture'!r}.",
            )
        for what, types in (
            ("capture.csv_content_types", self.csv_content_types),
            ("capture.json_content_types", self.json_content_types),
        ):
            problems.check(
                1 <= len(types) <= 10 and all(_CONTENT_TYPE.fullmatch(name) for name in types),
                what,
                got=list(types),
                allowed="1 to 10 content types of letters, digits, hyphens and dots",
                instead="Write ['text/csv'] or ['application/json'].",
            )

    def objects_of(self, endpoint_name: str) -> str:
        """The key pattern of everything that one endpoint captures."""
        return f"{self.prefix}/{endpoint_name}/*"

    def to_property(self) -> dict[str, Any]:
        """``DataCaptureConfig`` (L1 spelling)."""
        config: dict[str, Any] = {
            "enableCapture": True,
            "initialSamplingPercentage": self.percent,
            "destinationS3Uri": f"s3://{self.bucket.bucket_name}/{self.prefix}",
            "captureOptions": [{"captureMode": "Input"}, {"captureMode": "Output"}],
            "captureContentTypeHeader": {
                "csvContentTypes": list(self.csv_content_types),
                "jsonContentTypes": list(self.json_content_types),
            },
        }
        if self.bucket.encryption_key is not None:
            config["kmsKeyId"] = self.bucket.encryption_key.key_arn
        return config
