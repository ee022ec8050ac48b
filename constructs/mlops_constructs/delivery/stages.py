"""What a delivery pipeline delivers, from where, and to which environments, in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_constructs.common.accounts import is_account
from mlops_constructs.common.errors import Problems
from mlops_constructs.common.pseudo import ACCOUNT_ID, PARTITION, REGION
from mlops_constructs.common.tokens import is_literal

# Names of roles and projects are made of the pipeline's and the stage's; a role's name has at
# most 64 characters, and "-verification" and three hyphens take their share.
_PIPELINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,29}")
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")
_CONNECTION = re.compile(
    r"arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[\w-]+"
)
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)+")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d")
# botocore, codepipeline, ActionConfigurationValue: 1,000, of which the names take their share.
_NOTE = 900
_RESERVED = frozenset({"source", "build"})


@dataclass(frozen=True, kw_only=True)
class ConnectionSource:
    """A repository at GitHub, GitLab or Bitbucket, read through an AWS connection.

    Somebody must authorise a new connection once, in the console; until then it is pending, and
    every run fails in the source stage.

    Attributes:
        connection_arn: ARN of the connection, in the pipeline's account and region.
        repository: ``owner/name``, with all groups in between at GitLab.
        branch: A push to it starts a run.
    """

    connection_arn: str
    repository: str
    branch: str = "main"


@dataclass(frozen=True, kw_only=True)
class StageApproval:
    """Somebody must agree before the stage, having seen what it would change.

    An action before it compares the stage's templates with what is deployed; its log is one click
    away from the question. An answer is waited for seven days, unless the account's default is
    another (CodePipeline user guide, "Quotas").

    Attributes:
        note: What the approver should know or look at, up to 900 characters.
    """

    note: str = "Read the comparison with what is deployed before you approve."


@dataclass(frozen=True, kw_only=True)
class DeliveryStage:
    """One environment that the pipeline deploys to.

    Attributes:
        name: Of the stage, such as ``staging``.
        synth: Commands that write the environment's cloud assembly to the folder ``$ASSEMBLY``.
        account: Where it is; the pipeline's own if left out. The account must be bootstrapped with
            ``cdk bootstrap --trust <the pipeline's account>``.
        region: Where it is; the pipeline's own if left out.
        approval: Asks somebody first; nobody if left out.
        verify: Commands that fail if what was deployed does not work. They run with the role that
            `VerificationRole` makes in the stage's account.
        roll_back: Deploy the last execution that succeeded in this stage again if deploying or
            verifying fails. A release that added a feature to a feature group cannot be taken
            back so, because features cannot be removed.
    """

    name: str
    synth: Sequence[str]
    account: str | None = None
    region: str | None = None
    approval: StageApproval | None = None
    verify: Sequence[str] = ()
    roll_back: bool = False

    @property
    def title(self) -> str:
        """The stage's name in ids of constructs: ``PreProd`` for ``pre-prod``."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    def role_arn(self, role_name: str) -> str:
        """ARN of a role in the stage's account."""
        return f"arn:{PARTITION}:iam::{self.account or ACCOUNT_ID}:role/{role_name}"

    def bootstrap_role_arns(self, qualifier: str, *names: str) -> list[str]:
        """ARNs of roles that ``cdk bootstrap`` made, such as ``deploy`` and ``lookup``."""
        account, region = self.account or ACCOUNT_ID, self.region or REGION
        return [self.role_arn(f"cdk-{qualifier}-{name}-role-{account}-{region}") for name in names]


def verification_role_name(pipeline_name: str, stage_name: str) -> str:
    """Name of the role in the stage's account that the verification runs with."""
    return f"{pipeline_name}-{stage_name}-verification"


def verifier_role_name(pipeline_name: str, stage_name: str) -> str:
    """Name of the build's role in the pipeline's account, which takes it."""
    return f"{pipeline_name}-{stage_name}-verifier"


def check_pipeline_name(problems: Problems, name: str) -> None:
    """Note what is wrong with the name of a delivery pipeline."""
    problems.check(
        _PIPELINE.fullmatch(name) is not None,
        "pipeline_name",
        got=name,
        allowed="1 to 30 letters, digits and hyphens",
        instead="Names of roles begin with it: write a short one such as 'mlops'.",
    )


def check_stage_name(problems: Problems, what: str, name: str) -> None:
    """Note what is wrong with the name of a stage."""
    problems.check(
        _STAGE.fullmatch(name) is not None and name not in _RESERVED,
        what,
        got=name,
        allowed="1 to 16 lower-case letters, digits and hyphens, a letter first; not 'source' or "
        "'build'",
        instead="Write the environment's name: 'dev', 'staging', 'prod'.",
    )


def check_source(problems: Problems, source: ConnectionSource) -> None:
    """Note what is wrong with a source."""
    problems.check(
        not is_literal(source.connection_arn)
        or _CONNECTION.fullmatch(source.connection_arn) is not None,
        "source.connection_arn",
        got=source.connection_arn,
        allowed="the ARN of a connection",
        instead="List yours with `aws codeconnections list-connections`.",
    )
    problems.check(
        _REPOSITORY.fullmatch(source.repository) is not None,
        "source.repository",
        got=source.repository,
        allowed="owner/name",
        instead="Write it as in the address of the repository: 'octo-org/octo-repo'.",
    )
    problems.check(
        bool(source.branch) and not set(source.branch) & set(" *?"),
        "source.branch",
        got=source.branch,
        allowed="the name of one branch",
        instead="Make a pipeline for each branch that is deployed from.",
    )


def check_stages(problems: Problems, stages: Sequence[DeliveryStage]) -> None:
    """Note everything that is wrong with the stages."""
    problems.check(
        bool(stages),
        "stages",
        got=list(stages),
        allowed="at least one",
        instead="Write stages=(DeliveryStage(name='dev', synth=(…,)),).",
    )
    titles = [stage.title for stage in stages]
    for stage, title in zip(stages, titles, strict=True):
        what = f"stages[{stage.name!r}]"
        check_stage_name(problems, f"{what}.name", stage.name)
        problems.check(
            titles.count(title) == 1,
            what,
            got=stage.name,
            allowed="a name that no other stage has",
            instead="Rename one of them.",
        )
        problems.check(
            bool(stage.synth) and not isinstance(stage.synth, str),
            f"{what}.synth",
            got=stage.synth,
            allowed="a sequence of at least one command",
            instead="Write synth=('npx cdk synth --quiet --output \"$ASSEMBLY\"',).",
        )
        note = "" if stage.approval is None else stage.approval.note
        problems.check(
            len(note) <= _NOTE,
            f"{what}.approval.note",
            got=f"{len(note)} characters",
            allowed=f"at most {_NOTE}",
            instead="Write a sentence and the address of what there is to read.",
        )
        problems.check(
            not isinstance(stage.verify, str),
            f"{what}.verify",
            got=stage.verify,
            allowed="a sequence of commands",
            instead="Put the command into a tuple: verify=('make smoke',).",
        )
        for field, value, fits, allowed in (
            ("account", stage.account, is_account, "12 digits, or None for the pipeline's account"),
            ("region", stage.region, _is_region, "such as 'eu-west-1', or None for the pipeline's"),
        ):
            problems.check(
                not is_literal(value) or fits(value),
                f"{what}.{field}",
                got=value,
                allowed=allowed,
                instead=f"Write the {field} that the stage deploys to.",
            )


def _is_region(value: str) -> bool:
    return _REGION.fullmatch(value) is not None
