"""What connections fetch: a branch of a repository on this machine in place of GitHub's."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import ServiceError


@dataclass(frozen=True)
class Commit:
    """A fetched commit.

    Args:
        revision: Its id.
        summary: The first line of its message.
        archive: Its files, zipped.
    """

    revision: str
    summary: str
    archive: bytes


def fetch(repositories: Mapping[str, Path], repository: str, branch: str) -> Commit:
    """Fetch the end of a branch.

    Raises:
        ServiceError: The repository is not known here, or has no such branch.
    """
    path = repositories.get(repository)
    if path is None:
        raise ServiceError(
            "ConfigurationError",
            f"The local cloud knows no checkout of {repository}. Start it with "
            f"`localcloud up --repository {repository}=FOLDER`.",
        )
    try:
        revision = _git(path, "rev-parse", "--verify", f"refs/heads/{branch}").decode().strip()
        summary = _git(path, "log", "-1", "--format=%s", revision).decode().strip()
        archive = _git(path, "archive", "--format=zip", "-1", revision)
    except subprocess.CalledProcessError as error:
        raise ServiceError(
            "ConfigurationError",
            f"No branch {branch!r} in the checkout of {repository}: "
            f"{error.stderr.decode(errors='replace').strip()}",
        ) from error
    return Commit(revision, summary, archive)


def _git(folder: Path, *words: str) -> bytes:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, check=True)
    return done.stdout
