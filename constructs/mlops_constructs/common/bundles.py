"""Step code as deterministic archives: the same files give the same asset on every machine.

Archives are named ``<hash>.tar.gz``, as SageMaker's tools call them and step commands look for
them. An `aws_s3_assets.Asset` would keep only the last suffix (``.gz``), and its ``grant_read``
would open the whole asset bucket; so the archive is handed to the stack's synthesizer directly.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aws_cdk import FileAssetPackaging, Stack, Stage, aws_iam as iam
from constructs import Construct

from mlops_constructs.common.archives import pack
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.pseudo import PARTITION


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
        return f"arn:{PARTITION}:s3:::{self.s3_bucket_name}"


def code_bundle(scope: Construct, construct_id: str, files: Mapping[str, Path]) -> CodeBundle:
    """Ship ``files`` as a gzipped tar archive in an asset with a key made of their content.

    The same files give the same key on every machine (`archives.pack`), so that no template changes
    that nobody edited.

    Args:
        scope: A construct in the stack that uses the code.
        construct_id: What errors call the bundle.
        files: Where each file lies, by its path inside the archive (relative, with slashes).

    Raises:
        ValidationError: If there is no file, one is missing, or a path leaves the archive.
    """
    archive = pack(Problems(f"{scope.node.path}/{construct_id}"), files)
    digest = archive.digest
    stage = Stage.of(scope)
    assert stage is not None, "a construct with a stack is in an app"  # noqa: S101 (for mypy)
    path = Path(stage.asset_outdir, f"asset.{digest}.tar.gz")
    path.write_bytes(archive.content)
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
