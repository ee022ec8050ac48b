"""The three accounts of the promotion's example: deployed, asked, and given models to promote."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.accounts import cdk, client
from tests.support import ROOT

REGION = "eu-west-1"
REGISTRY, STAGING, PROD = "111122223333", "444455556666", "777788889999"
STRANGER = "999999999999"
GROUP = ENDPOINT = "churn"
PARAMETER = f"/mlops/{GROUP}/approved-model"
_EXAMPLE = ROOT / "examples" / "promotion_between_accounts"
# Minutes of baking take as many seconds as alarms and this machine need.
TIME_SCALE = ("--time-scale", "0.004")
_IMAGE = f"141502667606.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"

#: What is trained: two clusters told apart, and the version that answers.
_TRAIN = """
import argparse, json, os, shutil
import joblib
from sklearn.linear_model import LogisticRegression
parser = argparse.ArgumentParser()
parser.add_argument("--version")
parser.add_argument("--fault", default="")
options, _ = parser.parse_known_args()
folder = os.environ["SM_MODEL_DIR"]
model = LogisticRegression().fit([[0.0], [1.0], [9.0], [10.0]], [0, 0, 1, 1])
joblib.dump(model, os.path.join(folder, "model.joblib"))
with open(os.path.join(folder, "facts.json"), "w") as file:
    json.dump(vars(options), file)
os.makedirs(os.path.join(folder, "code"))
shutil.copy(os.path.join(os.path.dirname(__file__), "inference.py"), os.path.join(folder, "code"))
"""
_INFERENCE = """
import json, os
import joblib
def model_fn(folder):
    with open(os.path.join(folder, "facts.json")) as file:
        facts = json.load(file)
    if facts["fault"] == "loading":
        raise ValueError("this model does not load")
    return facts, joblib.load(os.path.join(folder, "model.joblib"))
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(rows, loaded):
    facts, model = loaded
    if facts["fault"] == "answering":
        raise ValueError("this model does not answer")
    return {"version": facts["version"], "classes": model.predict(rows).tolist()}
def output_fn(answer, accept):
    return json.dumps(answer), "application/json"
"""


@dataclass
class Accounts:
    """The three accounts, and what was deployed to them."""

    environment: dict[str, str]
    outputs: dict[str, dict[str, str]]

    def client(self, account: str, service: str, **credentials: str) -> Any:
        return client(self.environment, account, service, REGION, **credentials)

    def person(self, name: str, role: str) -> Any:
        """SageMaker of the registry's account, as somebody who took a role there."""
        taken = self.client(REGISTRY, "sts").assume_role(
            RoleArn=f"arn:aws:iam::{REGISTRY}:role/churn-{role}", RoleSessionName=name
        )["Credentials"]
        return self.client(
            REGISTRY,
            "sagemaker",
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
        )

    def releases(self, account: str) -> list[dict[str, Any]]:
        """Executions of the account's release machine, the newest first."""
        listed = self.client(account, "stepfunctions").list_executions(
            stateMachineArn=self.outputs[account]["Machine"]
        )
        return list(listed["executions"])

    def released(self, account: str, count: int) -> str:
        """The status of the account's ``count``-th release when it has ended, or why it failed."""
        until(
            lambda: (
                (found := self.releases(account))
                and len(found) == count
                and found[0]["status"] != "RUNNING"
            ),
            seconds=90,
        )
        described = self.client(account, "stepfunctions").describe_execution(
            executionArn=self.releases(account)[0]["executionArn"]
        )
        return str(described.get("cause") or described["status"])

    def approved(self, account: str) -> str:
        ssm = self.client(account, "ssm")
        return str(ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"])

    def answer(self, account: str) -> dict[str, Any]:
        answered = self.client(account, "sagemaker-runtime").invoke_endpoint(
            EndpointName=ENDPOINT,
            ContentType="application/json",
            Accept="application/json",
            Body=json.dumps([[0.5], [9.5]]),
        )
        content: dict[str, Any] = json.loads(answered["Body"].read())
        return content


def until(probe: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """Wait until the probe returns something true; return that."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def deployed(cloud: dict[str, str], folder: Path) -> Accounts:
    """The example deployed: the registry first, then both stages with what it tells them."""

    def bootstrap(account: str) -> None:
        # In a folder without an app, which the CDK would synthesise for this.
        cdk(cloud, account, REGION, "bootstrap", f"aws://{account}/{REGION}", folder=folder)

    def deploy(account: str, app: str, *stacks: str) -> dict[str, str]:
        outputs = folder / f"{account}.json"
        cdk(
            cloud,
            account,
            REGION,
            *("deploy", *stacks, "--app", app, "--outputs-file", str(outputs)),
            *("--require-approval", "never", "--method", "direct"),
            *("--output", str(folder / account)),
            folder=_EXAMPLE,
        )
        made = json.loads(outputs.read_text())
        return {key: value for stack in made.values() for key, value in stack.items()}

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(bootstrap, account) for account in (STAGING, PROD)]
        bootstrap(REGISTRY)
        registry = deploy(REGISTRY, f"{sys.executable} app.py", "ChurnRegistry")
        assembly = synthesised(
            folder, models=registry["ModelsBucket"], **{"models-key": registry["ModelsKey"]}
        )
        for each in waiting:
            each.result()
        stages = [
            pool.submit(deploy, account, assembly, f"ChurnFollowing-{name}", f"ChurnServing-{name}")
            for account, name in ((STAGING, "staging"), (PROD, "prod"))
        ]
        staging, prod = (each.result() for each in stages)
    made = Accounts(cloud, {REGISTRY: registry, STAGING: staging, PROD: prod})
    # Organizations have one already; without a trail the audit knows what, not who.
    made.client(REGISTRY, "s3").create_bucket(
        Bucket="trail-of-the-registry",
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    trails = made.client(REGISTRY, "cloudtrail")
    trails.create_trail(Name="all", S3BucketName="trail-of-the-registry")
    trails.start_logging(Name="all")
    return made


def upload_code(accounts: Accounts) -> None:
    """Put the scripts where training jobs read them."""
    s3 = accounts.client(REGISTRY, "s3")
    bucket = accounts.outputs[REGISTRY]["ModelsBucket"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in (("train.py", _TRAIN), ("inference.py", _INFERENCE)):
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    s3.put_object(Bucket=bucket, Key="code/source.tar.gz", Body=buffer.getvalue())


def train_and_register(accounts: Accounts, number: int, fault: str) -> str:
    """Train a version with a fault, or none, and register it; returns its ARN."""
    sagemaker = accounts.client(REGISTRY, "sagemaker")
    bucket, job = accounts.outputs[REGISTRY]["ModelsBucket"], f"train-{number}"
    sagemaker.create_training_job(
        TrainingJobName=job,
        RoleArn=f"arn:aws:iam::{REGISTRY}:role/training",
        AlgorithmSpecification={"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
        HyperParameters={
            "version": str(number),
            "fault": fault,
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{bucket}/code/source.tar.gz",
        },
        OutputDataConfig={
            "S3OutputPath": f"s3://{bucket}/models",
            "KmsKeyId": accounts.outputs[REGISTRY]["ModelsKey"],
        },
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )

    def ended() -> Any:
        found = sagemaker.describe_training_job(TrainingJobName=job)
        return found if found["TrainingJobStatus"] not in ("InProgress", "Stopping") else None

    trained = until(ended, seconds=90)
    assert trained["TrainingJobStatus"] == "Completed", trained.get("FailureReason")
    registered = sagemaker.create_model_package(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": _IMAGE,
                    "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"],
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "inference.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    return str(registered["ModelPackageArn"])


def synthesised(folder: Path, **context: str) -> str:
    """The example's cloud assembly, once for both stages."""
    out = folder / "stages"
    settings = {"CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(context)}
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=_EXAMPLE,
        env=os.environ | settings | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
    )
    return str(out)
