"""Reviewers, administrators, auditors and boundaries: asked of the evaluator, both ways."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from mlops_constructs.access import Kind, Role, roles_of
from mlops_constructs.access.without_resource import WITHOUT_RESOURCE
from mlops_constructs.studio import (
    Administrator,
    Auditor,
    DataScientist,
    ModelReviewer,
    SecureVpcDomain,
)
from tests.access.support import estate_of
from tests.support import nag_findings, new_stack, template_of

ACCOUNT = "us-east-1:111122223333"
SESSION = {"sagemaker:DomainId": "d-1", "sagemaker:UserProfileName": "ana"}


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    boundary = iam.ManagedPolicy(
        stack,
        "Boundary",
        statements=[
            iam.PolicyStatement(not_actions=["sagemaker:CreateTrainingJob"], resources=["*"])
        ],
    )
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(
            Administrator(),
            Auditor(),
            ModelReviewer(),
            DataScientist(permissions_boundary=boundary),
        ),
    )
    return stack


@pytest.fixture(scope="module")
def roles(stack: cdk.Stack) -> dict[str, Role]:
    found = roles_of(estate_of({"Test": dict(template_of(stack).to_json())}))
    return {
        name: role
        for role in found
        for name in ("administrator", "auditor", "modelreviewer", "datascientist", "JobRole")
        if name in role.name
    }


def may(role: Role, action: str, resource: str, **context: Any) -> bool:
    return role.decide(
        f"sagemaker:{action}",
        f"arn:aws:sagemaker:{ACCOUNT}:{resource}",
        SESSION | {f"sagemaker:{key}": value for key, value in context.items()},
    ).allowed


def test_a_reviewer_decides_and_does_nothing_else(roles: dict[str, Role]) -> None:
    reviewer = roles["modelreviewer"]
    version = "model-package/census/1"
    for status in ("Approved", "Rejected", "PendingManualApproval"):
        assert may(reviewer, "UpdateModelPackage", version, ModelApprovalStatus=status)
    # Approving for a stage, by the way, is for whoever the registry names.
    both = {"ModelApprovalStatus": "Approved", "ModelLifeCycle:stage": "Production"}
    assert not may(reviewer, "UpdateModelPackage", version, **both)
    # Metadata alone, and versions of one's own, are no reviewer's business.
    assert not may(reviewer, "UpdateModelPackage", version)
    assert not may(reviewer, "CreateModelPackage", version, ModelApprovalStatus="Approved")
    for action, resource in (
        ("CreateTrainingJob", "training-job/x"),
        ("CreateApp", "app/d-1/s/JupyterLab/default"),
        ("UpdateEndpoint", "endpoint/x"),
        ("StartPipelineExecution", "pipeline/x"),
    ):
        assert not may(reviewer, action, resource)
    assert may(reviewer, "DescribeModelPackage", version)
    assert may(reviewer, "CreatePresignedDomainUrl", "user-profile/d-1/ana")
    assert not may(reviewer, "CreatePresignedDomainUrl", "user-profile/d-1/ben")


def test_an_administrator_looks_after_the_domain_within_guards(roles: dict[str, Role]) -> None:
    admin = roles["administrator"]
    domain = "domain/d-1"
    assert may(admin, "UpdateDomain", domain, AppNetworkAccessType="VpcOnly")
    assert may(admin, "UpdateDomain", domain)
    assert not may(admin, "UpdateDomain", domain, AppNetworkAccessType="PublicInternetOnly")
    assert not may(admin, "UpdateDomain", domain, VpcSubnets=["subnet-other"])
    assert not may(admin, "DeleteDomain", domain)
    assert not may(admin, "CreateUserProfile", "user-profile/d-1/x")
    assert not may(admin, "UpdateUserProfile", "user-profile/d-1/x")
    assert may(admin, "DeleteSpace", "space/d-1/of-somebody")
    assert may(admin, "CreateStudioLifecycleConfig", "studio-lifecycle-config/x")
    assert may(admin, "StopTrainingJob", "training-job/x")
    assert not may(admin, "CreateTrainingJob", "training-job/x")
    assert not may(admin, "CreateApp", "app/d-1/s/JupyterLab/default")
    assert not may(admin, "UpdateModelPackage", "model-package/x/1", ModelApprovalStatus="Approved")


def test_a_notebook_instance_is_closed(roles: dict[str, Role]) -> None:
    from mlops_constructs.access.witness import allowed_context

    admin = roles["administrator"]
    notebook = f"arn:aws:sagemaker:{ACCOUNT}:notebook-instance/x"
    action = "sagemaker:CreateNotebookInstance"
    context = allowed_context(admin, action, notebook)
    assert context is not None
    assert {"sagemaker:RootAccess", "sagemaker:DirectInternetAccess"} <= context.keys()
    for key in context:
        without = {k: v for k, v in context.items() if k != key}
        assert not admin.decide(action, notebook, without).allowed, key
        assert not admin.decide(action, notebook, context | {key: "other"}).allowed, key


def test_an_auditor_reads(roles: dict[str, Role]) -> None:
    auditor = roles["auditor"]
    assert auditor.decide("cloudtrail:LookupEvents").allowed
    assert auditor.decide("iam:GetRolePolicy", "arn:aws:iam::111122223333:role/x").allowed
    assert may(auditor, "DescribeDomain", "domain/d-1")
    verbs = {
        action.split(":")[1]
        for statement in auditor.statements
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
        if not action.startswith(("kms:", "logs:"))
    }
    assert all(
        verb.startswith(("Describe", "List", "Get", "Lookup", "Search"))
        or verb == "CreatePresignedDomainUrl"
        for verb in verbs
    )


def test_only_who_has_job_roles_passes_them(roles: dict[str, Role]) -> None:
    context = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    job = roles["JobRole"].arn
    passing = {
        name
        for name, role in roles.items()
        if role.kind is Kind.PERSONA and role.decide("iam:PassRole", job, context).allowed
    }
    assert passing == {"administrator", "datascientist"}
    for name in passing:
        other = roles["auditor"].arn
        assert not roles[name].decide("iam:PassRole", other, context).allowed


def test_a_boundary_is_the_most_that_a_role_may(roles: dict[str, Role]) -> None:
    from mlops_constructs.access.witness import access

    scientist = roles["datascientist"]
    job = f"arn:aws:sagemaker:{ACCOUNT}:training-job/*"
    assert not access(scientist, "sagemaker:CreateTrainingJob", job).allowed
    processing = f"arn:aws:sagemaker:{ACCOUNT}:processing-job/*"
    assert access(scientist, "sagemaker:CreateProcessingJob", processing).allowed
    assert roles["auditor"].policies.boundary is None


def test_all_resources_only_for_actions_of_the_table(roles: dict[str, Role]) -> None:
    for role in roles.values():
        for statement in role.statements:
            if statement["Resource"] == "*":
                action = statement["Action"]
                assert set([action] if isinstance(action, str) else action) <= (
                    WITHOUT_RESOURCE.keys()
                )


def test_has_no_findings(stack: cdk.Stack) -> None:
    findings = nag_findings(stack, regulated=True)
    assert [found for found in findings if "Test/Boundary/" not in found] == []


@pytest.mark.parametrize("persona", [Administrator, Auditor, ModelReviewer])
def test_takes_no_option_that_would_do_nothing(persona: type) -> None:
    with pytest.raises(TypeError):
        persona(app_instance_types=("ml.t3.large",))
