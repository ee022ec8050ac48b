"""What the people of the domain may do, by which way they reach AWS, and a job of each of them."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from demo.cloud import Cloud
from demo.console import detail, table
from demo.errors import DemoError
from mlops_constructs.access import Kind, Policies, Request, evaluate, read_estates
from mlops_constructs.access.matrix import as_markdown, make_matrix
from mlops_constructs.reach import prove
from mlops_constructs.reach.report import as_markdown as reach_as_markdown

_SHOWN = (
    "start a training job within the guards",
    "start one outside of every VPC",
    "start one without a key on its volumes",
    "start one on ml.p5.48xlarge",
    "run an app in the own space",
    "run one in another user's space",
    "approve a model version",
    "pass any other role to SageMaker",
)
_ACTION = "sagemaker:CreateProcessingJob"


def show_access(work: Path) -> None:
    """Print what personas may, and prove that all their calls have a way, from the templates."""
    [estate] = read_estates(str(work / "cdk.out"))
    matrix = make_matrix(estate)
    personas = [role.name for role in matrix.roles if role.kind is Kind.PERSONA]
    table(
        ("may a persona …", *personas),
        (
            (text, *("yes" if matrix.answers[text][name] else "no" for name in personas))
            for text in _SHOWN
        ),
    )
    (work / "access.md").write_text(as_markdown([matrix]) + "\n")
    detail(f"matrix  {work / 'access.md'}")
    proof = prove(estate)
    if proof.errors:
        raise DemoError(f"{proof.errors[0].caller} has no way: {proof.errors[0].message}")
    ways = {route.via for route in proof.routes}
    (work / "reach.md").write_text(reach_as_markdown([proof]) + "\n")
    detail(f"routes  {work / 'reach.md'}: {len(proof.routes)} calls by {len(ways)} endpoints")


def work_as_each_user(cloud: Cloud, outputs: dict[str, str]) -> dict[str, str]:
    """Run a job as each user of the domain; returns the name of each user's job.

    Sessions are real, as Studio makes them: the persona's role, the profile as source identity.
    The emulator enforces no policies. So each request is first held against the policies that were
    deployed, read back through IAM: the one within the guards is sent, the one outside is not.
    """
    sagemaker = cloud.client("sagemaker")
    domain = sagemaker.describe_domain(DomainId=outputs["DomainId"])
    example = _example(cloud, outputs["PipelineName"])
    jobs: dict[str, str] = {}
    for profile in sagemaker.list_user_profiles(DomainIdEquals=outputs["DomainId"])["UserProfiles"]:
        user = profile["UserProfileName"]
        role = _role_of(cloud, outputs["DomainId"], user)
        policies = Policies(identity=list(_deployed(cloud, role)))
        job = _job(example, domain, policies, f"{user}-{time.time_ns() % 10**9}")
        if _may(role, policies, job | {"NetworkConfig": {"EnableNetworkIsolation": True}}):
            raise DemoError(f"{user} could run a job outside of the VPC.")
        if not _may(role, policies, job):
            raise DemoError(f"{user} could not run a job within the guards.")
        client = _as_user(cloud, role, user)
        client.create_processing_job(**job)
        status = _ended(client, job["ProcessingJobName"])
        if status != "Completed":
            raise DemoError(f"The job of {user} ended as {status}.", cloud.log)
        detail(f"{user} as {role.rpartition('/')[2]}: {job['ProcessingJobName']} {status}")
        jobs[user] = job["ProcessingJobName"]
    return jobs


def _role_of(cloud: Cloud, domain: str, user: str) -> str:
    sagemaker = cloud.client("sagemaker")
    described = sagemaker.describe_user_profile(DomainId=domain, UserProfileName=user)
    return str(described["UserSettings"]["ExecutionRole"])


def _deployed(cloud: Cloud, role: str) -> Iterator[dict[str, Any]]:
    """The policies of a role as IAM has them."""
    iam, name = cloud.client("iam"), role.rpartition("/")[2]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        yield _document(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
        yield _document(found["PolicyVersion"]["Document"])


def _document(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = (
        json.loads(urllib.parse.unquote(value)) if isinstance(value, str) else value
    )
    return found


def _example(cloud: Cloud, pipeline: str) -> dict[str, Any]:
    """The first processing job of a pipeline's definition: an image, a network."""
    described = cloud.client("sagemaker").describe_pipeline(PipelineName=pipeline)
    steps = json.loads(described["PipelineDefinition"])["Steps"]
    found: dict[str, Any] = next(s["Arguments"] for s in steps if s["Type"] == "Processing")
    return found


def _job(
    example: dict[str, Any], domain: dict[str, Any], policies: Policies, name: str
) -> dict[str, Any]:
    """A processing job within the guards of a persona, on the image of the pipeline's jobs."""
    [passed, *_] = [
        resource
        for document in policies.identity
        for statement in document["Statement"]
        if "iam:PassRole" in statement["Action"]
        for resource in [statement["Resource"]]
    ]
    return {
        "ProcessingJobName": name,
        "RoleArn": passed if isinstance(passed, str) else passed[0],
        "AppSpecification": {
            "ImageUri": example["AppSpecification"]["ImageUri"],
            "ContainerEntrypoint": ["python3", "-c", "print('at work')"],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
                "VolumeKmsKeyId": domain["KmsKeyId"],
            }
        },
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": domain["KmsKeyId"]},
        "NetworkConfig": {
            "EnableNetworkIsolation": True,
            "VpcConfig": example["NetworkConfig"]["VpcConfig"],
        },
    }


def _may(role: str, policies: Policies, job: dict[str, Any]) -> bool:
    """Whether the deployed policies allow the request, by the keys that SageMaker would send."""
    cluster = job["ProcessingResources"]["ClusterConfig"]
    network = job["NetworkConfig"]
    vpc = network.get("VpcConfig", {})
    context: dict[str, Any] = {
        "sagemaker:InstanceTypes": [cluster["InstanceType"]],
        "sagemaker:VolumeKmsKey": cluster["VolumeKmsKeyId"],
        "sagemaker:OutputKmsKey": job["ProcessingOutputConfig"]["KmsKeyId"],
        "sagemaker:NetworkIsolation": str(network["EnableNetworkIsolation"]).lower(),
        "sagemaker:VpcSubnets": vpc.get("Subnets", []),
        "sagemaker:VpcSecurityGroupIds": vpc.get("SecurityGroupIds", []),
    }
    partition, region, account = role.split(":")[1], _region(cluster), role.split(":")[4]
    name = job["ProcessingJobName"]
    arn = f"arn:{partition}:sagemaker:{region}:{account}:processing-job/{name}"
    given = {key: value for key, value in context.items() if value}
    return evaluate(Request(role, _ACTION, arn, given), policies).allowed


def _region(cluster: dict[str, Any]) -> str:
    return str(cluster["VolumeKmsKeyId"].split(":")[3])


def _as_user(cloud: Cloud, role: str, user: str) -> Any:
    keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName=user, SourceIdentity=user)[
        "Credentials"
    ]
    return boto3.client(
        "sagemaker",
        endpoint_url=cloud.url,
        region_name=cloud.environment["AWS_REGION"],
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def _ended(client: Any, job: str, *, timeout: float = 60) -> str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        status = str(client.describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"])
        if status in ("Completed", "Failed", "Stopped"):
            return status
        time.sleep(0.2)
    return "InProgress"
