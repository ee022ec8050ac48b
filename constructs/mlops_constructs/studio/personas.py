"""Personas: what a kind of user may do in Studio, as a typed object.

| | data scientist | ML engineer | model reviewer | administrator | auditor |
|---|---|---|---|---|---|
| open Studio's pages as oneself | yes | yes | yes | yes | yes |
| own private space and its apps | yes | yes | no | no | no |
| read SageMaker, job logs, metrics | yes | yes | yes | yes | yes |
| training, processing, tuning, … jobs | guarded | guarded | no | stop | no |
| start and stop deployed pipelines | yes | yes | no | stop | no |
| make pipelines, models, endpoints | no | with the trial prefix | no | no | no |
| register model versions | no | yes | no | no | no |
| approve model versions | no | no | yes | no | no |
| delete others' apps and spaces | no | no | no | yes | no |
| lifecycle scripts, images | no | no | no | yes | no |
| change the domain | no | no | no | in VpcOnly mode, its subnets | no |
| notebook instances | no | no | no | without root, in the VPC | no |
| read roles, key policy, CloudTrail | no | no | no | no | yes |
| objects of buckets | its `ProjectData` | its `ProjectData` | no | no | no |
| MLflow, where the domain has it | log and look | log and look | look | look | look |
| make SageMaker Projects, where the domain has them | no | yes | no | no | no |
| models of the domain's JumpStart hub | train | train, deploy | no | choose | no |
| pass roles | job roles | job roles | no | job roles | no |

Who registers a version does not approve it. Profiles and personas are deployed, not made by hand:
nobody makes a profile with a role of their choice. Roles are passed to SageMaker alone.

Guarded: in the domain's subnets with the job security group, volumes and outputs under the domain's
key, on listed instance types, with network isolation. AutoML has no condition keys for instance
types and isolation, transform jobs none for the network; AutoML jobs must encrypt the traffic
between their containers instead.

Volumes under a key rule out instance types with local disks (``ml.g5``, ``ml.p4d``, …): SageMaker
refuses VolumeKmsKeyId for them.

What makes two users of one persona different is their session: ``${sagemaker:UserProfileName}`` is
the profile that a session of Studio belongs to (AWS managed policy AmazonSageMakerFullAccess), and
the same name is the source identity that CloudTrail records.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from aws_cdk import aws_iam as iam

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio import abilities
from mlops_constructs.studio.data import ProjectData
from mlops_constructs.studio.guards import Guards
from mlops_constructs.studio.permissions import Permission, sagemaker

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9*-]+\.[a-z0-9*]+")
_TRIAL_PREFIX = re.compile(r"[a-z0-9]{1,20}-")
#: The "instance" of JupyterServer apps, which cost nothing.
_SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Persona:
    """What every persona has: a space of its own, and guarded jobs.

    Attributes:
        name: Lower case; names the role and appears in profiles.
        instance_types: Of jobs; exact or with wildcards, such as ``ml.m5.*``.
        app_instance_types: Of apps in Studio.
        job_roles: The roles that users may pass to jobs and pipelines; the domain's job role if
            none is given.
        permissions_boundary: The most that the role may ever do, whatever is granted to it.
        data: What the persona and its jobs read and write; no object unless given. Roles in
            ``job_roles`` are somebody else's and get nothing here.
    """

    name: str = "data-scientist"
    instance_types: Sequence[str] = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge")
    app_instance_types: Sequence[str] = ("ml.t3.medium", "ml.t3.large", "ml.t3.xlarge")
    job_roles: Sequence[iam.IRole] = ()
    permissions_boundary: iam.IManagedPolicy | None = None
    data: Sequence[ProjectData] = ()

    #: Whether it logs to MLflow; whoever does not may look.
    tracks: ClassVar[bool] = True
    #: Whether it makes SageMaker Projects, and deploys models of a hub.
    makes_projects: ClassVar[bool] = False

    def check(self, problems: Problems) -> None:
        """Note everything that is wrong with the persona."""
        what = f"personas[{self.name!r}]"
        problems.check(
            not is_token(self.name),
            f"{what}.name",
            got=self.name,
            allowed="a name that is known at synth",
            instead="Write it out: it is a construct id.",
        )
        check_name(problems, f"{what}.name", self.name, most=40)
        for field_name, types in (
            ("instance_types", self.instance_types),
            ("app_instance_types", self.app_instance_types),
        ):
            wrong = [
                kind for kind in types if not is_token(kind) and not _INSTANCE_TYPE.fullmatch(kind)
            ]
            problems.check(
                bool(types) and not isinstance(types, str) and not wrong,
                f"{what}.{field_name}",
                got=types if isinstance(types, str) else wrong or types,
                allowed="instance types such as 'ml.m5.large' or 'ml.m5.*'",
                instead="List at least one; SageMaker's types start with 'ml.'.",
            )
        for number, data in enumerate(self.data):
            data.check(problems, f"{what}.data[{number}]")

    def permissions(self, guards: Guards, job_role_arns: Sequence[str]) -> list[Permission]:
        """What the persona's role may do.

        Args:
            guards: What its jobs are held to.
            job_role_arns: The roles that it may pass.
        """
        return [
            *abilities.reading(),
            *abilities.own_space([_SYSTEM, *self.app_instance_types]),
            *abilities.jobs(guards),
            Permission(
                actions=[
                    "sagemaker:StartPipelineExecution",
                    "sagemaker:StopPipelineExecution",
                    "sagemaker:RetryPipelineExecution",
                ],
                resources=sagemaker("pipeline"),
                reason="Users run every pipeline of the account; what its steps may do is up to "
                "the pipeline's role.",
            ),
            _passing(job_role_arns),
        ]


@dataclass(frozen=True, kw_only=True)
class DataScientist(Persona):
    """Explores data, runs guarded jobs, starts deployed pipelines."""


@dataclass(frozen=True, kw_only=True)
class MlEngineer(Persona):
    """A data scientist who also tries out pipelines, models and endpoints, and registers models.

    Attributes:
        trial_prefix: What the names of hand-made pipelines, models and endpoints start with.
            What was deployed has other names, and is out of reach.
    """

    name: str = "ml-engineer"
    trial_prefix: str = "trial-"

    makes_projects = True

    def check(self, problems: Problems) -> None:
        """Note everything that is wrong with the persona."""
        super().check(problems)
        problems.check(
            bool(_TRIAL_PREFIX.fullmatch(self.trial_prefix)),
            f"personas[{self.name!r}].trial_prefix",
            got=self.trial_prefix,
            allowed="1 to 20 lower-case letters and digits, then a hyphen",
            instead="Write, for example, 'trial-'.",
        )

    def permissions(self, guards: Guards, job_role_arns: Sequence[str]) -> list[Permission]:
        """What a data scientist may do, and the trials of an engineer."""
        return [
            *super().permissions(guards, job_role_arns),
            *abilities.trials(guards, f"{self.trial_prefix}*"),
            *abilities.registering(),
        ]


@dataclass(frozen=True, kw_only=True)
class _WithoutJobs(Persona):
    """A persona that runs nothing: it opens Studio's pages and reads."""

    instance_types: Sequence[str] = field(default=("ml.m5.large",), init=False, repr=False)
    app_instance_types: Sequence[str] = field(default=("ml.t3.medium",), init=False, repr=False)
    job_roles: Sequence[iam.IRole] = field(default=(), init=False, repr=False)
    data: Sequence[ProjectData] = field(default=(), init=False, repr=False)
    tracks = False


@dataclass(frozen=True, kw_only=True)
class ModelReviewer(_WithoutJobs):
    """Approves and rejects the model versions that others registered."""

    name: str = "model-reviewer"

    def permissions(self, guards: Guards, job_role_arns: Sequence[str]) -> list[Permission]:
        """Reading, and the approval status of every version."""
        return [*abilities.reading(), *abilities.opening(), *abilities.approving()]


@dataclass(frozen=True, kw_only=True)
class Auditor(_WithoutJobs):
    """Reads what was done and who may do what, and changes nothing."""

    name: str = "auditor"

    def permissions(self, guards: Guards, job_role_arns: Sequence[str]) -> list[Permission]:
        """Reading, of roles, the key's policy and CloudTrail too."""
        return [
            *abilities.reading(),
            *abilities.opening(),
            *abilities.auditing(guards.key_arn),
        ]


@dataclass(frozen=True, kw_only=True)
class Administrator(Persona):
    """Looks after the domain: its settings, scripts, images, and what users leave running.

    Its ``instance_types`` and ``job_roles`` are those of notebook instances.
    """

    name: str = "administrator"
    app_instance_types: Sequence[str] = field(default=("ml.t3.medium",), init=False, repr=False)
    data: Sequence[ProjectData] = field(default=(), init=False, repr=False)
    tracks = False

    def permissions(self, guards: Guards, job_role_arns: Sequence[str]) -> list[Permission]:
        """Reading and administering; neither spaces nor jobs of its own."""
        return [
            *abilities.reading(),
            *abilities.opening(),
            *abilities.administering(guards),
            _passing(job_role_arns),
        ]


def _passing(job_role_arns: Sequence[str]) -> Permission:
    return Permission(
        actions=["iam:PassRole"],
        resources=job_role_arns,
        conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )
