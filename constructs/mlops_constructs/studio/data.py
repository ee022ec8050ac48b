"""What of a project's data a persona and its jobs read and write: prefixes of buckets, exactly.

In a prefix, `ProjectData.USER` stands for the user: ``f"users/{ProjectData.USER}/"`` is a folder of
each user's own, which no other user of the persona reads from Studio. It is the source identity of
the session, which Studio sets to the name of the user profile (ExecutionRoleIdentityConfig) and
which no session can change (IAM user guide, "Monitor and control actions taken with assumed
roles"). Jobs have no source identity: what users may read and write below it, their jobs may for
every user, so that it keeps colleagues' work apart and is no wall between users who start jobs with
the same role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from aws_cdk import aws_iam as iam, aws_s3 as s3

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.grants import allow_read, allow_write
from mlops_constructs.common.tokens import is_token

_USERS = "Users name the objects below the prefixes of their project."


@dataclass(frozen=True, kw_only=True)
class ProjectData:
    """Prefixes of one bucket that a project's people work with.

    Attributes:
        bucket: The bucket.
        read: Prefixes to read, each with a slash at its end, such as ``census/raw/``.
        write: Prefixes to write, and to read; `USER` may be part of them.
        USER: In a prefix: the user profile that the session belongs to.
    """

    USER: ClassVar[str] = "${aws:SourceIdentity}"

    bucket: s3.IBucket
    read: Sequence[str] = ()
    write: Sequence[str] = ()

    def check(self, problems: Problems, what: str) -> None:
        """Note everything that is wrong with the prefixes."""
        for name, prefixes in (("read", self.read), ("write", self.write)):
            wrong = [
                prefix
                for prefix in ([prefixes] if isinstance(prefixes, str) else prefixes)
                if not is_token(prefix)
                and (not prefix.endswith("/") or prefix.startswith("/") or "*" in prefix)
            ]
            problems.check(
                not wrong and not isinstance(prefixes, str),
                f"{what}.{name}",
                got=wrong or prefixes,
                allowed="prefixes such as 'census/raw/': a slash at the end, none at the start, "
                "no wildcards",
                instead="Write what the keys of the objects start with, in a tuple.",
            )
        problems.check(
            bool(self.read or self.write),
            what,
            got="no prefixes",
            allowed="prefixes to read or to write",
            instead="Name the project's folders, or leave the bucket out.",
        )

    def allow_user(self, role: iam.IRole) -> None:
        """Grant the prefixes to the role of a persona."""
        self._allow(role, self.read, self.write)

    def allow_jobs(self, role: iam.IRole) -> None:
        """Grant the prefixes to the role of the persona's jobs, for every user."""
        read, write = (
            [prefix.replace(self.USER, "*") for prefix in prefixes]
            for prefixes in (self.read, self.write)
        )
        self._allow(role, read, write)

    def _allow(self, role: iam.IRole, read: Sequence[str], write: Sequence[str]) -> None:
        allow_read(role, self.bucket, [*read, *write], reason=_USERS)
        if write:
            allow_write(role, self.bucket, list(write), reason=_USERS)
