"""Step code as deterministic archives: the same files give the same asset on every machine.

Archives are named ``<hash>.tar.gz``, as SageMaker's tools call them and step commands look for
them. An `aws_s3_assets.Asset` would keep only the last suffix (``.gz``), and its ``grant_read``
would open the whole asset bucket; so the archive is handed to the stack's synthesizer directly.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aws_cdk import Aws, FileAssetPackaging, Stack, Stage, aws_iam as iam
from constructs import Construct

from mlops_constructs.common.errors import Problems

_FILE_MODE = 0o644


@dataclass(frozen=True, kw_only=True)
class CodeBundle:
    """An archive of code in the asset bucket of the CDK bootstrap.

    Attributes:
        asset_hash: SHA-256 of names and contents, 64 hexadecimal digits.
        s3_bucket_name: The asset bucket.
        s3_object_key: The archive's key, ``<hash>.tar.gz`` after the bootstrap's prefix.
        s3_object_url: ``s3://<bucket>/<key>``.
    """

    asset_hash: str
    s3_bucket_name: str
    s3_object_key: str
    s3_object_url: str

    @property
    def file_name(self) -> str:
        """The archive's name without folders, as a job finds it among its inputs."""
        return PurePosixPath(self.s3_object_key).name

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a job read code archives of this bucket, and no other assets.

        Earlier archives are included: an execution that is under way when new code is deployed
        goes on with the archives that it began with.
        """
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["s3:GetObject", "s3:ListBucket"],
            resource_arns=[self._bucket_arn, self.archives_arn],
        )

    @property
    def archives_arn(self) -> str:
        """The ARN of all code archives of the bucket, which `grant_read` opens."""
        return f"{self._bucket_arn}/*.tar.gz"

    @property
    def _bucket_arn(self) -> str:
        return f"arn:{Aws.PARTITION}:s3:::{self.s3_bucket_name}"


def code_bundle(scope: Construct, construct_id: str, files: Mapping[str, Path]) -> CodeBundle:
    """Ship ``files`` as a gzipped tar archive in an asset with a key made of their content.

    Names are sorted; times, owners and modes are fixed. The hash is made before compression,
    because different builds of zlib compress differently and would change a template that nobody
    edited.

    Args:
        scope: A construct in the stack that uses the code.
        construct_id: What errors call the bundle.
        files: Where each file lies, by its path inside the archive (relative, with slashes).

    Raises:
        ValidationError: If there is no file, one is missing, or a path leaves the archive.
    """
    archive = _tar(_read(Problems(f"{scope.node.path}/{construct_id}"), files))
    digest = hashlib.sha256(archive).hexdigest()
    stage = Stage.of(scope)
    assert stage is not None, "a construct with a stack is in an app"  # noqa: S101 (for mypy)
    path = Path(stage.asset_outdir, f"asset.{digest}.tar.gz")
    path.write_bytes(gzip.compress(archive, mtime=0))
    location = Stack.of(scope).synthesizer.add_file_asset(
        # The key is the hash and the file's last suffix.
        source_hash=f"{digest}.tar",
        file_name=os.path.relpath(path, stage.outdir),
        packaging=FileAssetPackaging.FILE,
        display_name=f"{scope.node.path}/{construct_id}",
    )
    return CodeBundle(
        asset_hash=digest,
        s3_bucket_name=location.bucket_name,
        s3_object_key=location.object_key,
        s3_object_url=location.s3_object_url,
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
