"""Data between Amazon S3 and a job's folder: inputs, outputs, archives."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.compute.outcome import JobFailure
from localcloud.compute.ports import Objects, S3Uri, ServiceError

_SYNC_SECONDS = 1.0


def download(source: Mapping[str, Any], folder: Path, objects: Objects, role: str = "") -> None:
    """Bring an S3 data source into a folder.

    ``S3Prefix`` takes every key that starts with the address, as the service does, so
    ``s3://b/train`` also takes ``s3://b/train-2/x``. ``ManifestFile`` is a JSON list: an object
    with a ``prefix`` first, then the keys relative to it.

    Args:
        source: A ``ProcessingS3Input`` or an ``S3DataSource``.
        folder: Where the files go, by their path below the prefix.
        objects: Where the data is.
        role: The job's role, named in the error as the service names it.

    Raises:
        JobFailure: ``ClientError`` when there is nothing to download, or the kind of source
            cannot be read from a local process.
    """
    uri = S3Uri.parse(source["S3Uri"])
    kind = source.get("S3DataType", "S3Prefix")
    if kind == "S3Prefix":
        files = {key: _below(uri.key, key) for key in objects.list(uri.bucket, uri.key)}
        files = {key: name for key, name in files.items() if name and not key.endswith("/")}
        bucket = uri.bucket
    elif kind == "ManifestFile":
        bucket, files = _manifest(uri, objects)
    else:
        raise JobFailure(
            f"ClientError: The local cloud cannot read S3DataType {kind!r} ({uri}); "
            "use S3Prefix or ManifestFile."
        )
    if not files:
        raise JobFailure(
            f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source. '
            "Please ensure that the bucket exists, that objects exist under that S3 prefix, and "
            f'that the role "{role}" has "s3:ListBucket" permissions on bucket "{uri.bucket}".'
        )
    for key, name in files.items():
        write_below(folder, name, _get(objects, bucket, key))


def write_below(folder: Path, name: str, body: bytes) -> None:
    """Write a file under a folder, refusing names that leave it."""
    target = folder / name
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise JobFailure(f"ClientError: The key {name!r} would leave the folder of its input.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)


def _get(objects: Objects, bucket: str, key: str) -> bytes:
    try:
        return objects.get(bucket, key)
    except ServiceError as error:
        raise JobFailure(
            f"ClientError: Data download failed for s3://{bucket}/{key}: {error.message}"
        ) from error


def _below(prefix: str, key: str) -> str:
    """The key's path in the channel's folder."""
    if key == prefix:
        return key.rsplit("/", 1)[-1]
    rest = key[len(prefix) :]
    if prefix == "" or prefix.endswith("/") or rest.startswith("/"):
        return rest.lstrip("/")
    return key[prefix.rfind("/") + 1 :]


def _manifest(uri: S3Uri, objects: Objects) -> tuple[str, dict[str, str]]:
    try:
        entries = json.loads(_get(objects, uri.bucket, uri.key))
        base = S3Uri.parse(entries[0]["prefix"])
        names = [str(name) for name in entries[1:]]
    except (ValueError, LookupError, TypeError, ServiceError) as error:
        raise JobFailure(
            f"ClientError: Invalid manifest {uri}: it must be a JSON list whose first element is "
            '{"prefix": "s3://bucket/prefix/"} and whose other elements are keys below it.'
        ) from error
    return base.bucket, {base.key + name: name for name in names}


def upload(folder: Path, uri: S3Uri, objects: Objects) -> None:
    """Put every file of a folder under an S3 prefix, by its path in the folder."""
    for file in _files(folder):
        target = uri.join(file.relative_to(folder).as_posix())
        objects.put(target.bucket, target.key, file.read_bytes())


def upload_archive(folder: Path, uri: S3Uri, objects: Objects) -> None:
    """Put a folder's content as one ``tar.gz``, with the folder itself as the archive's root."""
    buffer = io.BytesIO()
    # Level 6 is gzip's own default; Python's 9 takes several times as long for 1 % less.
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for child in sorted(folder.iterdir()):
            archive.add(child, arcname=child.name)
    objects.put(uri.bucket, uri.key, buffer.getvalue())


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    # Python has filters since 3.11.4, and some systems ship an older one.
    for member in archive:
        target = (folder / member.name).resolve()
        if not (member.isfile() or member.isdir()) or not target.is_relative_to(folder.resolve()):
            raise tarfile.TarError(f"{member.name!r} is a link, a device or outside the archive")
        archive.extract(member, folder)


def extract_archive(body: bytes, folder: Path) -> None:
    """Unpack a ``tar.gz`` without letting a member leave the folder.

    Raises:
        JobFailure: ``ClientError`` when it is not such an archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:*") as archive:
            _extract(archive, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise JobFailure(f"ClientError: Not a readable tar.gz archive: {error}") from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class ContinuousUpload:
    """Uploads what changes in some folders while a job runs (``S3UploadMode: Continuous``).

    Args:
        folders: Folder → S3 prefix.
        objects: Where the files go.
    """

    def __init__(self, folders: Mapping[Path, S3Uri], objects: Objects) -> None:
        self._folders = dict(folders)
        self._objects = objects
        self._seen: dict[Path, tuple[int, int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="continuous-upload", daemon=True)

    def __enter__(self) -> ContinuousUpload:
        if self._folders:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._folders:
            self._thread.join()
            self._sync()

    def _run(self) -> None:
        while not self._ended.wait(_SYNC_SECONDS):
            self._sync()

    def _sync(self) -> None:
        for folder, uri in self._folders.items():
            for file in _files(folder):
                try:
                    status = file.stat()
                    if self._seen.get(file) == (status.st_mtime_ns, status.st_size):
                        continue
                    body = file.read_bytes()
                except FileNotFoundError:
                    continue  # removed by the job between listing and reading
                self._seen[file] = (status.st_mtime_ns, status.st_size)
                target = uri.join(file.relative_to(folder).as_posix())
                self._objects.put(target.bucket, target.key, body)
