"""Where data is read from: a folder, or a prefix in S3 of which only the window is fetched.

A file is on disk while it is looked at, never in memory as a whole: an object of S3 is fetched into
a temporary file that is deleted before the next one is fetched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from .errors import AnalysisError
from .window import Window

_COPY = 1 << 20
#: An address in S3 that ends so is one object, not a prefix.
_OBJECTS = (".csv", ".gz", ".json", ".jsonl", ".ndjson", ".parquet")
#: What the service puts beside data.
_BESIDE = ("statistics.json", "constraints.json", "constraint_violations.json")


@dataclass(frozen=True)
class File:
    """One file.

    Attributes:
        name: Its path or key; the ending says the format.
        path: Where its content is, until the next file is asked for.
    """

    name: str
    path: Path


class Source(Protocol):
    """Files below one place."""

    def by_hour(self, window: Window) -> Iterator[File]:
        """Files whose folders end with an hour of the window, ``…/yyyy/mm/dd/hh/…``."""

    def by_change(self, window: Window) -> Iterator[File]:
        """Files that were last changed within the window."""

    def everything(self) -> Iterator[File]:
        """All files."""


def open_source(place: str) -> Source:
    """A source for ``s3://bucket/prefix`` or a path."""
    if place.startswith("s3://"):
        # Only here: tests and baselines on local files need no AWS library.
        import boto3  # type: ignore[import-untyped,unused-ignore]  # it ships no types

        bucket, _, prefix = place[len("s3://") :].partition("/")
        return S3Source(boto3.client("s3"), bucket, prefix)
    return Folder(Path(place))


def data_files(source: Source) -> Iterator[File]:
    """All files of a source but what the service puts beside data."""
    for file in source.everything():
        if Path(file.name).name not in _BESIDE:
            yield file


class Folder:
    """Files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def by_hour(self, window: Window) -> Iterator[File]:
        """Files in the window's hours."""
        hours = {_hour_path(hour) for hour in window.hours()}
        for path in self._files():
            if path.parent.as_posix().endswith(tuple(hours)):
                yield File(str(path), path)

    def by_change(self, window: Window) -> Iterator[File]:
        """Files changed in the window."""
        for path in self._files():
            if datetime.fromtimestamp(path.stat().st_mtime, timezone.utc) in window:
                yield File(str(path), path)

    def everything(self) -> Iterator[File]:
        """All files."""
        for path in self._files():
            yield File(str(path), path)

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
        whole = prefix.endswith(_OBJECTS)
        self._prefix = prefix if whole else prefix.rstrip("/") + "/" if prefix else ""

    def by_hour(self, window: Window) -> Iterator[File]:
        """Objects in the window's hours, below the prefix or below the variants in it.

        Data capture writes ``<prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/``. Only the folders of
        the variants and of the hours are listed, however long the history is.
        """
        parents = [self._prefix, *self._folders(self._prefix)]
        for parent in parents:
            for hour in window.hours():
                for entry in self._objects(f"{parent}{_hour_path(hour)[1:]}/"):
                    yield from self._fetched(entry)

    def by_change(self, window: Window) -> Iterator[File]:
        """Objects changed in the window."""
        for entry in self._objects(self._prefix):
            if entry["LastModified"] in window:
                yield from self._fetched(entry)

    def everything(self) -> Iterator[File]:
        """All objects."""
        for entry in self._objects(self._prefix):
            yield from self._fetched(entry)

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

    def _fetched(self, entry: dict[str, Any]) -> Iterator[File]:
        body = self._client.get_object(Bucket=self._bucket, Key=entry["Key"])["Body"]
        with tempfile.NamedTemporaryFile(prefix="monitor-") as file:
            shutil.copyfileobj(body, file, _COPY)
            file.flush()
            yield File(entry["Key"], Path(file.name))


def _hour_path(hour: datetime) -> str:
    return f"/{hour:%Y/%m/%d/%H}"
