"""Sentinels bound to resources of the local cloud, and files of this machine brought into it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from localcloud import emulator
from localcloud.run.embedded import Embedded
from localcloud.run.request import Request, RunError

_SENTINEL = re.compile(r"\{\{(.*?)\}\}")
_NAMES = {"bucket": "local-{}", "role": "local-{}", "emr_role": "local-emr-{}"}
CODE_BUCKET = "local-code"
DATA_BUCKET = _NAMES["bucket"].format("data")
HASH_LENGTH = 16
_FUNCTION_RUNTIME = "python3.12"
_TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


class Binder:
    """Makes what the sentinels of a definition stand for.

    Args:
        cloud: Where.
        request: The run.
    """

    def __init__(self, cloud: Embedded, request: Request) -> None:
        self._cloud = cloud
        self._request = request
        self._s3 = cloud.client("s3")
        self._buckets: set[str] = set()

    def bound_definition(self) -> str:
        """The definition with a value for every sentinel.

        Raises:
            RunError: Nothing here can stand for a sentinel; all such are named.
        """
        text = json.dumps(self._request.definition)
        names = sorted(set(_SENTINEL.findall(text)))
        values = {name: self._value(name) for name in names}
        unbound = [_advice(name, self._request) for name, value in values.items() if value is None]
        if unbound:
            raise RunError("Nothing stands for these place-holders:\n  " + "\n  ".join(unbound))
        for name, value in values.items():
            # The value goes into JSON text.
            text = text.replace(f"{{{{{name}}}}}", json.dumps(value)[1:-1])
        return text

    def uploaded(self, files: Mapping[str, Path]) -> str:
        """Bring files into the data bucket; where they are then.

        The place is named after their content: a step that is cached runs again on other data.
        """
        digest = hashlib.sha256()
        for name, path in sorted(files.items()):
            with path.open("rb") as stream:
                digest.update(name.encode() + hashlib.file_digest(stream, "sha256").digest())
        prefix = digest.hexdigest()[:HASH_LENGTH]
        self._bucket(DATA_BUCKET)
        for name, path in files.items():
            self._put(DATA_BUCKET, f"{prefix}/{name}", path)
        return f"s3://{DATA_BUCKET}/{prefix}/"

    def _value(self, name: str) -> str | None:
        if name in self._request.bindings:
            return self._request.bindings[name]
        kind, _, rest = name.partition(".")
        makers: Mapping[str, Callable[[], str | None]] = {
            "bucket": lambda: self._bucket(_NAMES[kind].format(rest)),
            "role": lambda: self._role(_NAMES[kind].format(rest)),
            "emr_role": lambda: self._role(_NAMES[kind].format(rest)),
            "image": lambda: self._request.images.get(rest),
            "code": lambda: self._code(*rest.rpartition(".")[::2]),
            "model_package_group": lambda: self._group(self._request.pipeline),
            "queue": lambda: self._queue(rest),
            "function": lambda: self._function(rest),
        }
        return makers[kind]() if kind in makers else None

    def _bucket(self, name: str) -> str:
        if name not in self._buckets:
            try:
                self._s3.create_bucket(Bucket=name)
            except ClientError as error:
                if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                    raise
            self._buckets.add(name)
        return name

    def _role(self, name: str) -> str:
        iam = self._cloud.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)["Role"]["Arn"]
        return arn

    def _code(self, bundle: str, part: str) -> str | None:
        archive = self._request.archives.get(bundle)
        if archive is None:
            return None
        self._bucket(CODE_BUCKET)
        self._put(CODE_BUCKET, archive.name, archive)
        return archive.name if part == "file" else f"s3://{CODE_BUCKET}/{archive.name}"

    def _put(self, bucket: str, key: str, path: Path) -> None:
        """Keys name what they hold: what is there already is the same."""
        try:
            head = self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            head = {}
        if head.get("ContentLength") != path.stat().st_size:
            with path.open("rb") as body:
                self._s3.put_object(Bucket=bucket, Key=key, Body=body)

    def _queue(self, name: str) -> str:
        url: str = self._cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        return url

    def _group(self, name: str) -> str:
        sagemaker = self._cloud.sagemaker
        named = {"ModelPackageGroupName": name}
        with emulator.within(self._cloud.scope):
            if sagemaker.find("ModelPackageGroup", named) is None:
                sagemaker.call("CreateModelPackageGroup", named)
        return name

    def _function(self, name: str) -> str | None:
        source = function_file(self._request.folder, name)
        if not source.is_file():
            return None
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.write(source, source.name)
        answer: dict[str, Any] = self._cloud.client("lambda").create_function(
            FunctionName=f"local-{name}",
            Runtime=_FUNCTION_RUNTIME,
            Handler=f"{source.stem}.handler",
            Role=self._role(f"local-function-{name}"),
            Code={"ZipFile": archive.getvalue()},
            Timeout=900,
        )
        return str(answer["FunctionArn"])


def function_file(folder: Path, name: str) -> Path:
    """Where the code of ``{{function.<name>}}`` lies: ``handler`` in a module of its own."""
    return folder / "functions" / f"{name.replace('-', '_')}.py"


def _advice(name: str, request: Request) -> str:
    kind, _, rest = name.partition(".")
    if kind == "function":
        file = function_file(request.folder, rest)
        return (
            f"{{{{{name}}}}}: write {file} with `def handler(event, context)`, "
            f"or give an ARN: --bind {name}=ARN"
        )
    if kind in ("image", "code"):
        return f"{{{{{name}}}}}: definition.lock.json does not say what it is; compile it again"
    return f"{{{{{name}}}}}: say --bind {name}=VALUE"
