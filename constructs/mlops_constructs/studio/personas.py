"""Personas: what a kind of user may do in Studio, as a typed object.

| | data scientist | ML engineer |
|---|---|---|
| own private space and its apps | yes | yes |
| read SageMaker, job logs, metrics | yes | yes |
| training, processing, tuning, AutoML, transform jobs | guarded | guarded |
| start and stop deployed pipelines | yes | yes |
| make pipelines, models, endpoints | no | named with the trial prefix |
| register model versions | no | yes |
| approve model versions | no | no |
| pass roles | job roles, to SageMaker | job roles, to SageMaker |

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
from dataclasses import dataclass

from aws_cdk import aws_iam as iam

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.naming import check_name
from mlops_constructs.common.tokens import is_token
from mlops_constructs.studio import abilities
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
    """

    name: str = "data-scientist"
    instance_types: Sequence[str] = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge")
    app_instance_types: Sequence[str] = ("ml.t3.medium", "ml.t3.large", "ml.t3.xlarge")
    job_roles: Sequence[iam.IRole] = ()

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
            Permission(
                actions=["iam:PassRole"],
                resources=job_role_arns,
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
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
