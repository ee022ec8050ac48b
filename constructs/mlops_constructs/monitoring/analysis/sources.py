"""Where data is read from: a folder, or a prefix in S3 of which only the window is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from .errors import AnalysisError
from .window import Window


class Source(Protocol):
    """Files below one place."""

    def by_hour(self, window: Window) -> Iterator[tuple[str, bytes]]:
        """Files whose folders end with an hour of the window, ``…/yyyy/mm/dd/hh/…``."""

    def by_change(self, window: Window) -> Iterator[tuple[str, bytes]]:
        """Files that were last changed within the window."""

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All files."""


def open_source(place: str) -> Source:
    """A source for ``s3://bucket/prefix`` or a path."""
    if place.startswith("s3://"):
        # Only here: tests and baselines on local files need no AWS library.
        import boto3  # type: ignore[import-untyped,unused-ignore]  # it ships no types

        bucket, _, prefix = place[len("s3://") :].partition("/")
        return S3Source(boto3.client("s3"), bucket, prefix)
    return Folder(Path(place))


class Folder:
    """Files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def by_hour(self, window: Window) -> Iterator[tuple[str, bytes]]:
        """Files in the window's hours."""
        hours = {_hour_path(hour) for hour in window.hours()}
        for path in self._files():
            if path.parent.as_posix().endswith(tuple(hours)):
                yield str(path), path.read_bytes()

    def by_change(self, window: Window) -> Iterator[tuple[str, bytes]]:
        """Files changed in the window."""
        for path in self._files():
            if datetime.fromtimestamp(path.stat().st_mtime, timezone.utc) in window:
                yield str(path), path.read_bytes()

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All files."""
        for path in self._files():
            yield str(path), path.read_bytes()

    def _files(self) -> list[Path]:
        if not self._root.exists():
            raise AnalysisError(f"{self._root} does not exist.")
        if self._root.is_file():
            return [self._root]
        return sorted(path for path in self._root.rglob("*") if path.is_file())


class S3Source:
    """Objects below a prefix."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""

    def by_hour(self, window: Window) -> Iterator[tuple[str, bytes]]:
        """Objects in the window's hours, below the prefix or below the variants in it.

        Data capture writes ``<prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/``. Only the folders of
        the variants and of the hours are listed, however long the history is.
        """
        parents = [self._prefix, *self._folders(self._prefix)]
        for parent in parents:
            for hour in window.hours():
                for entry in self._objects(f"{parent}{_hour_path(hour)[1:]}/"):
                    yield self._read(entry)

    def by_change(self, window: Window) -> Iterator[tuple[str, bytes]]:
        """Objects changed in the window."""
        for entry in self._objects(self._prefix):
            if entry["LastModified"] in window:
                yield self._read(entry)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All objects."""
        for entry in self._objects(self._prefix):
            yield self._read(entry)

    def _folders(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/"
        )
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        for page in pages:
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield entry

    def _read(self, entry: dict[str, Any]) -> tuple[str, bytes]:
        body = self._client.get_object(Bucket=self._bucket, Key=entry["Key"])["Body"]
        return entry["Key"], body.read()


def _hour_path(hour: datetime) -> str:
    return f"/{hour:%Y/%m/%d/%H}"
