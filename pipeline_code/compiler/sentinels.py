"""Named place-holders for what is known only at deploy time.

In ``definition.json`` a sentinel reads ``{{name}}``, alone or inside a longer string, and the CDK
construct puts a token in its place:

| sentinel | stands for |
|---|---|
| ``{{role.<job>}}`` | the whole ARN of an IAM role; jobs: processing, training, model |
| ``{{bucket.<use>}}`` | the name (not the ARN) of a bucket; uses: artifacts, data |
| ``{{image.<framework>}}`` | the URI of a framework's container image |
| ``{{code.<bundle>.uri}}`` | the S3 URI of a code bundle, one .tar.gz object |
| ``{{code.<bundle>.file}}`` | that object's file name, as a job finds it in its input folder |
| ``{{model_package_group}}`` | the name of the model package group |
| ``{{function.<name>}}`` | the ARN of a Lambda function |
| ``{{queue.<name>}}`` | the URL of an SQS queue |
| ``{{emr_role.<name>}}`` | the ARN of a role that EMR or EMR Serverless works with |
| ``{{value.<name>}}`` | anything else: what the construct's ``bindings`` say |

While the SDK builds, each is represented by a stand-in of the right shape: the SDK parses role
ARNs and S3 URIs, and botocore's patterns and length limits then check realistic values.
"""

import re

from pipeline_code.compiler.errors import CompileError

ROLES = ("processing", "training", "model")
BUCKETS = ("artifacts", "data")
SENTINEL = re.compile(r"\{\{(.*?)\}\}")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

# An account number that AWS never hands out, and a region that no image list knows.
_ACCOUNT = "000000000000"
_REGION = "nowhere-0"
# What all stand-ins contain, and no text that somebody would write.
_MARK = "x-sentinel-x"


class Sentinels:
    """The sentinels that one pipeline uses, each with the stand-in that the SDK sees."""

    def __init__(self) -> None:
        self._stand_ins: dict[str, str] = {}

    def role(self, job: str) -> str:
        """The stand-in for the ARN of the role of a kind of job."""
        _require(job, ROLES, "role")
        return self._add(f"role.{job}", f"arn:aws:iam::{_ACCOUNT}:role/{_MARK}-{job}")

    def bucket(self, use: str) -> str:
        """The stand-in for a bucket's name."""
        _require(use, BUCKETS, "bucket")
        return self._add(f"bucket.{use}", f"{_MARK}-bucket-{use}")

    def image(self, framework: str) -> str:
        """The stand-in for the URI of a framework's image."""
        registry = f"{_ACCOUNT}.dkr.ecr.{_REGION}.amazonaws.com"
        return self._add(f"image.{framework}", f"{registry}/{_MARK}-{framework}:0")

    def code_uri(self, bundle: str) -> str:
        """The stand-in for the S3 URI of a code bundle."""
        return self._add(f"code.{bundle}.uri", f"s3://{_MARK}-code/{bundle}.tar.gz")

    def code_file(self, bundle: str) -> str:
        """The stand-in for the file name of a code bundle."""
        return self._add(f"code.{bundle}.file", f"{_MARK}-file-{bundle}.tar.gz")

    def model_package_group(self) -> str:
        """The stand-in for the name of the model package group."""
        return self._add("model_package_group", f"{_MARK}-model-package-group")

    def function(self, name: str) -> str:
        """The stand-in for the ARN of a Lambda function."""
        arn = f"arn:aws:lambda:{_REGION}:{_ACCOUNT}:function:{_MARK}-{_named(name)}"
        return self._add(f"function.{name}", arn)

    def queue(self, name: str) -> str:
        """The stand-in for the URL of an SQS queue."""
        url = f"https://sqs.{_REGION}.amazonaws.com/{_ACCOUNT}/{_MARK}-{_named(name)}"
        return self._add(f"queue.{name}", url)

    def emr_role(self, name: str) -> str:
        """The stand-in for the ARN of a role that EMR or EMR Serverless works with."""
        return self._add(
            f"emr_role.{name}", f"arn:aws:iam::{_ACCOUNT}:role/{_MARK}-emr-{_named(name)}"
        )

    def value(self, name: str) -> str:
        """The stand-in for something that only the construct's caller knows."""
        return self._add(f"value.{name}", f"{_MARK}-value-{_named(name)}")

    def substitute(self, text: str) -> str:
        """Put the sentinels where the stand-ins are.

        Args:
            text: A definition as the SDK made it.

        Raises:
            CompileError: Something in double braces is no sentinel of this pipeline, or a part
                of a stand-in is left over because the pipeline took one apart.
        """
        for name in SENTINEL.findall(text):
            raise CompileError(
                f"'{{{{{name}}}}}' is written into the pipeline by hand. "
                "Take place-holders from the context instead: context.role(...), "
                "context.bucket(...), context.image(...), context.bundle(...), "
                "context.model_package_group(), context.value(...)."
            )
        # Longest first: one stand-in may be the beginning of another.
        for name, stand_in in sorted(self._stand_ins.items(), key=lambda item: -len(item[1])):
            text = text.replace(stand_in, f"{{{{{name}}}}}")
        for left_over in (_ACCOUNT, _REGION, _MARK):
            if left_over in text:
                at = text.index(left_over)
                around = text[max(0, at - 40) : at + 40]
                raise CompileError(
                    f"A place-holder was cut or changed: '...{around}...'. "
                    "Use what the context returns as it is, or inside a longer string."
                )
        return text

    def _add(self, name: str, stand_in: str) -> str:
        self._stand_ins[name] = stand_in
        return stand_in


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CompileError(
            f"Place-holder '{name}': use lower-case letters, digits and inner hyphens, such as "
            "'notify-team'."
        )
    return name


def _require(name: str, allowed: tuple[str, ...], kind: str) -> None:
    if name not in allowed:
        raise CompileError(f"Unknown {kind} '{name}'. Allowed: {', '.join(allowed)}.")
