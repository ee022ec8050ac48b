"""What a domain has on request, and which personas may do what with it."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import (
    RemovalPolicy,
    aws_iam as iam,
    aws_kms as kms,
    aws_s3 as s3,
    aws_sagemaker as sagemaker,
)
from constructs import Construct

from mlops_constructs.studio.jumpstart import CuratedHub
from mlops_constructs.studio.mlflow import Mlflow, MlflowApp, MlflowTrackingServer
from mlops_constructs.studio.permissions import give
from mlops_constructs.studio.personas import Administrator, Persona
from mlops_constructs.studio.projects import ProjectTemplates

#: Personas with their roles.
People = Sequence[tuple[Persona, iam.Role]]


def add_mlflow(
    scope: Construct,
    mlflow: MlflowTrackingServer | MlflowApp | None,
    people: People,
    key: kms.IKey,
    removal_policy: RemovalPolicy,
) -> Mlflow | None:
    """MLflow, which those who work log to, and the others look at."""
    if mlflow is None:
        return None
    made = Mlflow(scope, "Mlflow", mlflow=mlflow, encryption_key=key, removal_policy=removal_policy)
    for persona, role in people:
        if persona.tracks:
            made.grant_use(role)
        else:
            made.grant_read(role)
    return made


def add_projects(
    scope: Construct, projects: ProjectTemplates | None, people: People, key: kms.IKey
) -> s3.IBucket | None:
    """The bucket of the templates of projects."""
    if projects is None:
        return None
    bucket = projects.find_bucket(Construct(scope, "Projects"), key)
    for persona, role in people:
        if persona.makes_projects:
            projects.allow(role, bucket)
    return bucket


def add_hub(
    scope: Construct, hub: CuratedHub | None, people: People, removal_policy: RemovalPolicy
) -> sagemaker.CfnHub | None:
    """The hub of models: administrators choose, those who work train, engineers deploy."""
    if hub is None:
        return None
    made = hub.make(Construct(scope, "JumpStart"), removal_policy)
    for persona, role in people:
        if isinstance(persona, Administrator):
            give(role, hub.curating())
        elif persona.tracks:
            give(role, hub.using(deploys=persona.makes_projects))
    return made
