"""What a job, a pipeline or a model needs from the world around it.

The execution plane works on these protocols only, so that the same code runs behind the local
cloud's API and, later, on a definition without any server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from localcloud.errors import ServiceError

__all__ = ["Control", "FolderObjects", "Logs", "Objects", "S3Uri", "ServiceError"]


class Objects(Protocol):
    """Amazon S3, as far as jobs need it."""

    def get(self, bucket: str, key: str) -> bytes:
        """The object's content; raises ``ServiceError`` with ``NoSuchKey`` or ``NoSuchBucket``."""
        ...

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object; raises ``ServiceError`` with ``NoSuchBucket``."""
        ...

    def list(self, bucket: str, prefix: str) -> list[str]:
        """Every key that starts with the prefix, in S3's order."""
        ...


class Logs(Protocol):
    """Amazon CloudWatch Logs, as far as jobs need it."""

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        """Append lines to a stream, which is made when it does not exist."""
        ...


class Control(Protocol):
    """The SageMaker API (and ``Invoke`` of Lambda), called with the API's own names."""

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The operation's response; raises ``ServiceError`` as the API would."""
        ...


@dataclass(frozen=True)
class S3Uri:
    """An ``s3://bucket/key`` address."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Uri:
        """Read an address.

        Raises:
            ServiceError: ``ValidationException`` when it is not an S3 address.
        """
        match = re.fullmatch(r"s3://([^/]+)/?(.*)", uri)
        if match is None:
            raise ServiceError(
                "ValidationException", f"Not an S3 address: {uri!r}. Write s3://bucket/key."
            )
        return cls(match[1], match[2])

    def join(self, *parts: str) -> S3Uri:
        """The address below this one, with single slashes between the parts."""
        return S3Uri(self.bucket, "/".join([p for p in (self.key.rstrip("/"), *parts) if p]))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class FolderObjects:
    """``Objects`` over a local folder: ``<root>/<bucket>/<key>``.

    Args:
        root: The folder; buckets are made in it when something is put into them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, bucket: str, key: str) -> bytes:
        """The content of a file."""
        path = self._path(bucket, key)
        if not path.is_file():
            raise ServiceError("NoSuchKey", f"The specified key does not exist: {key}", status=404)
        return path.read_bytes()

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write a file and the folders above it."""
        path = self._path(bucket, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def list(self, bucket: str, prefix: str) -> list[str]:
        """Every file whose path below the bucket starts with the prefix."""
        top = self.root / bucket
        keys = (p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file())
        return sorted(key for key in keys if key.startswith(prefix))

    def _path(self, bucket: str, key: str) -> Path:
        path = (self.root / bucket / key).resolve()
        if not path.is_relative_to((self.root / bucket).resolve()):
            raise ServiceError("ValidationException", f"The key leaves its bucket: {key!r}.")
        return path
