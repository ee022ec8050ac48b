"""Files as an archive that is the same on every machine; nothing here imports aws_cdk."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlops_constructs.common.errors import Problems

_FILE_MODE = 0o644


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A gzipped tar archive.

    Attributes:
        digest: SHA-256 of names and contents, 64 hexadecimal digits. It is made before
            compression, because different builds of zlib compress differently.
        content: The archive.
    """

    digest: str
    content: bytes


def pack(problems: Problems, files: Mapping[str, Path]) -> Archive:
    """Pack files under their names; names are sorted, times, owners and modes are fixed.

    Args:
        problems: Of whoever packs.
        files: Where each file lies, by its path inside the archive (relative, with slashes).

    Raises:
        ValidationError: If there is no file, one is missing, or a path leaves the archive.
    """
    archive = _tar(_read(problems, files))
    return Archive(
        digest=hashlib.sha256(archive).hexdigest(), content=gzip.compress(archive, mtime=0)
    )


def _read(problems: Problems, files: Mapping[str, Path]) -> dict[str, bytes]:
    problems.check(
        bool(files),
        "files",
        got={},
        allowed="at least one file",
        instead="Name the script that the step runs.",
    )
    contents: dict[str, bytes] = {}
    for name, path in sorted(files.items()):
        inside = PurePosixPath(name)
        problems.check(
            name == str(inside)
            and not inside.is_absolute()
            and not {"..", "."} & set(inside.parts),
            "files",
            got=name,
            allowed="a relative path inside the archive, with slashes",
            instead="Write a path such as 'train.py' or 'lib/features.py'.",
        )
        if path.is_file():
            contents[name] = path.read_bytes()
        else:
            problems.add(
                f"files[{name!r}]",
                got=str(path),
                allowed="a file that exists",
                instead="Restore the file, or take it out of the bundle.",
            )
    problems.raise_if_any()
    return contents


def _tar(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = _FILE_MODE
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
