"""What is asked of every persona: requests that must be turned down, beside ones that must not.

The requests are made from what the persona may do: a training job within its guards, then the
same job outside of them, one difference at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mlops_constructs.access.estate import Estate
from mlops_constructs.access.evaluation import listed
from mlops_constructs.access.roles import Kind, Role
from mlops_constructs.access.witness import allowed_context

_JOB: Final = "sagemaker:CreateTrainingJob"
_SESSION: Final = {"sagemaker:DomainId": "d-1", "sagemaker:UserProfileName": "me"}
#: A job without anything that a guard asks for.
_BARE: Final[dict[str, Any]] = {
    "sagemaker:InstanceTypes": ["ml.m5.large"],
    "sagemaker:NetworkIsolation": "false",
}


@dataclass(frozen=True)
class Question:
    """A request in words and as IAM sees it."""

    text: str
    action: str
    resource: str
    context: dict[str, Any]

    def ask(self, role: Role) -> bool:
        """Whether the role may."""
        return role.decide(self.action, self.resource, self.context).allowed


def questions(estate: Estate, role: Role, jobs: list[Role]) -> Iterator[Question]:
    """What is asked of a role.

    Args:
        estate: The templates.
        role: The persona.
        jobs: The roles that jobs have.
    """
    yield from _training(estate, role)
    yield from _studio(estate)
    yield from _registry(estate)
    yield from _passing(estate, role, jobs)
    yield from _platform(estate)


def _arn(estate: Estate, resource: str) -> str:
    service, _, name = resource.partition(":")
    region = "" if service == "iam" else estate.region
    return f"arn:{estate.partition}:{service}:{region}:{estate.account}:{name}"


def _training(estate: Estate, role: Role) -> Iterator[Question]:
    job = _arn(estate, "sagemaker:training-job/any")
    inside = allowed_context(role, _JOB, job) or _BARE
    subnets, groups = "sagemaker:VpcSubnets", "sagemaker:VpcSecurityGroupIds"

    def without(*keys: str) -> dict[str, Any]:
        return {key: value for key, value in inside.items() if key not in keys}

    other_key = _arn(estate, "kms:key/other")
    for text, context in (
        ("start a training job within the guards", inside),
        ("start one outside of every VPC", without(subnets, groups)),
        ("start one in another subnet", inside | {subnets: ["subnet-other"]}),
        ("start one with another security group", inside | {groups: ["sg-other"]}),
        ("start one without a key on its volumes", without("sagemaker:VolumeKmsKey")),
        (
            "start one with another key on its volumes",
            inside | {"sagemaker:VolumeKmsKey": other_key},
        ),
        ("start one without a key on its output", without("sagemaker:OutputKmsKey")),
        ("start one on ml.p5.48xlarge", inside | {"sagemaker:InstanceTypes": ["ml.p5.48xlarge"]}),
        ("start one with a way to the network", inside | {"sagemaker:NetworkIsolation": "false"}),
    ):
        yield Question(text, _JOB, job, context)


def _studio(estate: Estate) -> Iterator[Question]:
    app = _arn(estate, "sagemaker:app/d-1/space/JupyterLab/default")
    for text, owner, sharing in (
        ("run an app in the own space", "me", "Private"),
        ("run one in another user's space", "somebody", "Private"),
        ("run one in a shared space", "me", "Shared"),
    ):
        yield Question(
            text,
            "sagemaker:CreateApp",
            app,
            {
                **_SESSION,
                "sagemaker:OwnerUserProfileArn": _arn(
                    estate, f"sagemaker:user-profile/d-1/{owner}"
                ),
                "sagemaker:SpaceSharingType": sharing,
                "sagemaker:InstanceTypes": ["ml.t3.medium"],
            },
        )
    for text, name in (
        ("open Studio as oneself", "me"),
        ("open Studio as another user", "somebody"),
    ):
        profile = _arn(estate, f"sagemaker:user-profile/d-1/{name}")
        yield Question(text, "sagemaker:CreatePresignedDomainUrl", profile, dict(_SESSION))


def _registry(estate: Estate) -> Iterator[Question]:
    version = _arn(estate, "sagemaker:model-package/any/1")
    for text, status in (
        ("approve a model version", "Approved"),
        ("reject a model version", "Rejected"),
    ):
        context = {"sagemaker:ModelApprovalStatus": status}
        yield Question(text, "sagemaker:UpdateModelPackage", version, context)


def _passing(estate: Estate, role: Role, jobs: list[Role]) -> Iterator[Question]:
    key = "iam:PassedToService"
    given = [
        str(resource)
        for statement in role.statements
        if "iam:PassRole" in listed(statement.get("Action"))
        for resource in listed(statement.get("Resource"))
    ]
    passed = given[0] if given else (jobs[0].arn if jobs else _arn(estate, "iam:role/job"))
    other = _arn(estate, "iam:role/other")
    for text, resource, service in (
        ("pass its job role to SageMaker", passed, "sagemaker"),
        ("pass its job role to Lambda", passed, "lambda"),
        ("pass any other role to SageMaker", other, "sagemaker"),
    ):
        yield Question(text, "iam:PassRole", resource, {key: f"{service}.amazonaws.com"})


def _platform(estate: Estate) -> Iterator[Question]:
    for text, action, resource in (
        ("update a deployed endpoint", "sagemaker:UpdateEndpoint", "sagemaker:endpoint/any"),
        ("change a deployed pipeline", "sagemaker:UpdatePipeline", "sagemaker:pipeline/any"),
        ("delete a feature group", "sagemaker:DeleteFeatureGroup", "sagemaker:feature-group/any"),
        (
            "delete a model group",
            "sagemaker:DeleteModelPackageGroup",
            "sagemaker:model-package-group/any",
        ),
        ("make a user profile", "sagemaker:CreateUserProfile", "sagemaker:user-profile/d-1/any"),
        ("change the domain", "sagemaker:UpdateDomain", "sagemaker:domain/d-1"),
        ("delete the domain", "sagemaker:DeleteDomain", "sagemaker:domain/d-1"),
        ("make a notebook instance", "sagemaker:CreateNotebookInstance",
         "sagemaker:notebook-instance/any"),
        ("change a role", "iam:PutRolePolicy", "iam:role/any"),
        ("change a key's policy", "kms:PutKeyPolicy", "kms:key/any"),
    ):  # fmt: skip
        yield Question(text, action, _arn(estate, resource), dict(_SESSION))


def asked(estate: Estate, roles: list[Role]) -> dict[str, dict[str, bool]]:
    """Question to persona to answer."""
    jobs = [role for role in roles if role.kind is Kind.JOB]
    answers: dict[str, dict[str, bool]] = {}
    for role in roles:
        if role.kind is not Kind.PERSONA:
            continue
        for question in questions(estate, role, jobs):
            answers.setdefault(question.text, {})[role.name] = question.ask(role)
    return answers
