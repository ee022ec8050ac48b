"""The folder that a job sees in place of ``/opt/ml``.

A container owns ``/opt/ml``; a process on a shared machine does not. Each job gets a folder of its
own and the prefix ``/opt/ml`` is replaced by it in entry points, arguments, hyperparameters and
environment values, and in the configuration files that name a path. A script must therefore take
its paths from its arguments or from ``SM_*`` variables (``SAGEMAKER_BASE_DIR`` holds the folder
itself), not from literals of its own: the habit that the container contract recommends anyway.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from localcloud.errors import ServiceError

BASE = "/opt/ml"
# Not the tail of a longer path (s3://bucket/opt/ml), but allowed after file://.
_BASE_PATH = re.compile(r"(?:(?<=file://)|(?<![\w/.-]))/opt/ml(?![\w.-])")
_SHELL_SAFE = re.compile(r"[\w/.+=:@,-]+")


class ContainerFolder:
    """A job's ``/opt/ml``, with the translation of paths into it.

    Args:
        workdir: A folder for this job alone; ``/opt/ml`` becomes ``<workdir>/opt/ml``.
    """

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir.resolve()
        self._link: Path | None = None
        top = self.workdir
        top.mkdir(parents=True, exist_ok=True)
        if not _SHELL_SAFE.fullmatch(str(top)):
            # Entry points are often `bash -c "cd /opt/ml/…"`, unquoted: a space would split them.
            self._link = Path(tempfile.mkdtemp(prefix="localcloud-")) / "job"
            self._link.symlink_to(top)
            top = self._link
        self.root = top / "opt" / "ml"
        self.root.mkdir(parents=True, exist_ok=True)
        self.temporary = top / "tmp"
        self.temporary.mkdir(exist_ok=True)

    def empty(self) -> None:
        """Take everything out of ``/opt/ml``, as it is on a new instance."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True, exist_ok=True)

    def local(self, path: str) -> Path:
        """Where an absolute path of the container is on this machine.

        Raises:
            ServiceError: ``ValidationException`` when it is not below ``/opt/ml``.
        """
        pure = PurePosixPath(path)
        if not pure.is_relative_to(BASE) or ".." in pure.parts:
            raise ServiceError(
                "ValidationException",
                f"A job can use paths below {BASE} only; got {path!r}.",
            )
        return self.root / pure.relative_to(BASE)

    def make(self, path: str) -> Path:
        """The same, and the folder exists afterwards."""
        folder = self.local(path)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def substitute(self, text: str) -> str:
        """The text with ``/opt/ml`` replaced by the job's folder."""
        return _BASE_PATH.sub(lambda _: str(self.root), text)

    def write_json(self, path: str, content: Any) -> None:
        """Write one of the contract's configuration files."""
        file = self.local(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))

    def read_text(self, path: str, limit: int) -> str | None:
        """The first characters of a file that the job may have written, or None."""
        file = self.local(path)
        if not file.is_file():
            return None
        with file.open(errors="replace") as stream:
            return stream.read(limit).strip()

    def remove(self) -> None:
        """Delete the folder, as a container disappears with its job."""
        shutil.rmtree(self.workdir, ignore_errors=True)
        if self._link is not None:
            shutil.rmtree(self._link.parent, ignore_errors=True)
