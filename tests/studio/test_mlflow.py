"""MLflow in a domain: the server, the app, and who may log and who may look."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions, aws_iam as iam, aws_kms as kms, aws_s3 as s3
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from mlops_constructs.access import Role, roles_of
from mlops_constructs.common.errors import ValidationError
from mlops_constructs.reach import prove
from mlops_constructs.reach.services import endpoints_of, no_endpoint
from mlops_constructs.studio import (
    Auditor,
    DataScientist,
    Mlflow,
    MlflowApp,
    MlflowSize,
    MlflowTrackingServer,
    ModelReviewer,
    NetworkFeature,
    PrivateNetwork,
    SecureVpcDomain,
)
from tests.access.support import estate_of
from tests.support import nag_findings, new_stack, resources_of, template_of

SERVER = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server"


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    SecureVpcDomain(
        stack,
        "Studio",
        domain_name="census-dev",
        personas=(DataScientist(), ModelReviewer(), Auditor()),
        mlflow=MlflowTrackingServer(
            name="census", size=MlflowSize.MEDIUM, register_models=True, maintenance="Sun:03:30"
        ),
    )
    return stack


@pytest.fixture(scope="module")
def roles(stack: cdk.Stack) -> dict[str, Role]:
    return {
        name: role
        for role in roles_of(estate_of({"Test": dict(template_of(stack).to_json())}))
        for name in ("datascientist", "modelreviewer", "auditor", "MlflowRole")
        if name in role.name
    }


def test_the_server_is_there_and_stays(stack: cdk.Stack) -> None:
    [server] = resources_of(stack, "AWS::SageMaker::MlflowTrackingServer").values()
    properties = server["Properties"]
    assert properties["TrackingServerName"] == "census"
    assert properties["TrackingServerSize"] == "Medium"
    assert properties["AutomaticModelRegistration"] is True
    assert server["DeletionPolicy"] == "Retain"
    assert any("MlflowRoleDefaultPolicy" in name for name in server["DependsOn"])
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(
        "us-east-1", "AWS::SageMaker::MlflowTrackingServer"
    ).schema
    assert set(properties) <= set(schema["properties"])
    assert properties["TrackingServerSize"] in (schema["properties"]["TrackingServerSize"]["enum"])


def test_the_network_has_its_endpoint_and_the_calls_get_there(stack: cdk.Stack) -> None:
    documents = {"Test": dict(template_of(stack).to_json())}
    routes = [
        route
        for route in prove(estate_of(documents)).routes
        if route.action.startswith("sagemaker-mlflow:")
    ]
    assert {route.severity for route in routes} == {"ok"}
    assert {route.service for route in routes} == {"aws.sagemaker.us-east-1.experiments"}


def test_who_works_logs_and_who_reads_looks(roles: dict[str, Role]) -> None:
    def may(name: str, action: str, server: str = "census") -> bool:
        return roles[name].decide(f"sagemaker-mlflow:{action}", f"{SERVER}/{server}").allowed

    for name in ("datascientist", "modelreviewer", "auditor"):
        assert may(name, "GetRun")
        assert may(name, "SearchExperiments")
        assert not may(name, "GetRun", "another")
        assert roles[name].decide("sagemaker-mlflow:AccessUI").allowed
        url = "sagemaker:CreatePresignedMlflowTrackingServerUrl"
        assert roles[name].decide(url, f"{SERVER}/census").allowed
        assert may(name, "LogMetric") == (name == "datascientist")
        assert may(name, "DeleteExperiment") == (name == "datascientist")


def test_artifacts_are_below_the_prefix(roles: dict[str, Role]) -> None:
    for name, writes in (("datascientist", True), ("MlflowRole", True), ("auditor", False)):
        bucket = next(
            resource.removesuffix("/mlflow/*")
            for statement in roles[name].statements
            for resource in map(str, _listed(statement["Resource"]))
            if resource.endswith("/mlflow/*")
        )
        assert roles[name].decide("s3:GetObject", f"{bucket}/mlflow/1/model").allowed
        assert roles[name].decide("s3:PutObject", f"{bucket}/mlflow/1/model").allowed is writes
        assert not roles[name].decide("s3:GetObject", f"{bucket}/other/model").allowed


def test_the_server_registers_models_and_approves_none(roles: dict[str, Role]) -> None:
    version = "arn:aws:sagemaker:us-east-1:111122223333:model-package/x/1"
    for status, allowed in (("PendingManualApproval", True), ("Approved", False)):
        context = {"sagemaker:ModelApprovalStatus": status}
        decision = roles["MlflowRole"].decide("sagemaker:CreateModelPackage", version, context)
        assert decision.allowed is allowed
        context = {"sagemaker:ModelLifeCycle:stageStatus": status}
        decision = roles["MlflowRole"].decide("sagemaker:UpdateModelPackage", version, context)
        assert decision.allowed is allowed


def test_no_findings(stack: cdk.Stack) -> None:
    assert nag_findings(stack, regulated=True) == []


def test_an_app_is_for_looking_in_studio() -> None:
    stack = new_stack()
    bucket = s3.Bucket.from_bucket_name(stack, "Given", "models")
    made = Mlflow(
        stack,
        "Mlflow",
        mlflow=MlflowApp(name="census", artifacts=bucket, prefix="runs/"),
        encryption_key=kms.Key(stack, "Key"),
    )
    user, reader = (
        iam.Role(stack, name, assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        for name in ("User", "Reader")
    )
    made.grant_use(user)
    made.grant_read(reader)
    [app] = resources_of(stack, "AWS::SageMaker::MlflowApp").values()
    assert app["Properties"]["ArtifactStoreUri"] == "s3://models/runs"
    assert app["Properties"]["ModelRegistrationMode"] == "AutoModelRegistrationDisabled"
    assert app["DeletionPolicy"] == "Retain"
    template_of(stack).resource_count_is("AWS::S3::Bucket", 0)
    warnings = assertions.Annotations.from_stack(stack).find_warning(
        "*", assertions.Match.string_like_regexp("No VPC endpoint is documented")
    )
    assert len(warnings) == 1
    estate = estate_of({"Test": dict(template_of(stack).to_json())})
    callers = {
        role.name
        for role in roles_of(estate)
        for statement in role.statements
        if "sagemaker:CallMlflowAppApi" in _listed(statement["Action"])
    }
    assert callers == {"User"}


def test_reach_knows_that_no_endpoint_takes_the_calls_of_an_app() -> None:
    assert endpoints_of("sagemaker:CallMlflowAppApi") is None
    assert "documents no VPC endpoint" in no_endpoint("sagemaker:CallMlflowAppApi")


@pytest.mark.parametrize(
    ("mlflow", "what"),
    [
        (MlflowTrackingServer(name="Census"), "mlflow.name"),
        (MlflowTrackingServer(name="x", version="latest"), "mlflow.version"),
        (MlflowTrackingServer(name="x", prefix="/mlflow"), "mlflow.prefix"),
        (MlflowApp(name="x", maintenance="Sunday 3:30"), "mlflow.maintenance"),
    ],
)
def test_refuses(mlflow: MlflowTrackingServer | MlflowApp, what: str) -> None:
    with pytest.raises(ValidationError) as error:
        SecureVpcDomain(new_stack(), "Studio", domain_name="x", mlflow=mlflow)
    assert [problem.what for problem in error.value.problems] == [what]


def test_refuses_a_network_without_the_endpoint_and_regions_without_the_type() -> None:
    stack = new_stack()
    network = PrivateNetwork(stack, "Network")
    with pytest.raises(ValidationError, match=r"Add NetworkFeature\.MLFLOW"):
        SecureVpcDomain(
            stack,
            "Studio",
            domain_name="x",
            network=network,
            mlflow=MlflowTrackingServer(name="x"),
        )
    assert NetworkFeature.MLFLOW not in network.features
    app = cdk.App(builtin_cloud_formation_validation=False)
    gov = cdk.Stack(app, "Gov", env=cdk.Environment(region="us-gov-west-1"))
    for mlflow in (MlflowTrackingServer(name="x"), MlflowApp(name="x")):
        with pytest.raises(ValidationError, match="us-gov-west-1"):
            Mlflow(
                gov,
                mlflow.__class__.__name__,
                mlflow=mlflow,
                encryption_key=kms.Key(gov, f"K{mlflow.__class__.__name__}"),
            )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
