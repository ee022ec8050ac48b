"""A delivery pipeline in one account deploys an app to two: real commits, builds, and roles."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.accounts import CDK, cdk, client, local_cloud
from tests.support import ROOT

pytestmark = [pytest.mark.deploy, pytest.mark.slow]

TOOLS, PROD = "111111111111", "222222222222"
REGION = "us-east-1"
_BIN = ROOT / ".venv" / "bin"

#: What is delivered: one parameter, with the word that the commit says.
_APP = """
import os, sys
import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm
app = cdk.App()
name, account = app.node.get_context("name"), app.node.get_context("account")
stack = cdk.Stack(app, f"app-{name}", env=cdk.Environment(account=account, region="us-east-1"))
word = open("word.txt").read().strip()
ssm.StringParameter(stack, "Word", parameter_name="/app/word", string_value=word)
app.synth()
"""

#: Both stacks of the delivery: the pipeline, and the verification's role where it deploys to.
_DELIVERY = f"""
import sys
import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from mlops_constructs import (
    ConnectionSource, DeliveryPipeline, DeliveryStage, StageApproval, VerificationRole
)
python, cdk_command, root = sys.argv[1:]
app = cdk.App(builtin_cloud_formation_validation=False)
tools = cdk.Stack(app, "tools", env=cdk.Environment(account="{TOOLS}", region="{REGION}"))
synth = f'{{cdk_command}} synth --quiet --app "{{python}} app.py" --output "$ASSEMBLY"'
asks = "import boto3; print(boto3.client('ssm').get_parameter(Name='/app/word')['Parameter'])"
DeliveryPipeline(
    tools,
    "Delivery",
    pipeline_name="words",
    source=ConnectionSource(
        connection_arn="arn:aws:codeconnections:{REGION}:{TOOLS}:connection/a",
        repository="octo-org/words",
    ),
    install=("true",),
    checks=("grep -v forbidden word.txt",),
    deploy_install=(f"ln -s {{root}}/node_modules node_modules",),
    stages=(
        DeliveryStage(name="dev", synth=(synth + " -c name=dev -c account={TOOLS}",)),
        DeliveryStage(
            name="prod",
            account="{PROD}",
            region="{REGION}",
            synth=(synth + " -c name=prod -c account={PROD}",),
            approval=StageApproval(),
            verify=(f'{{python}} -c "{{asks}}"',),
        ),
    ),
)
prod = cdk.Stack(app, "prod", env=cdk.Environment(account="{PROD}", region="{REGION}"))
VerificationRole(
    prod, "Verification", pipeline_account="{TOOLS}", pipeline_name="words", stage_name="prod"
).role.add_to_policy(
    iam.PolicyStatement(
        actions=["ssm:GetParameter"],
        resources=[f"arn:aws:ssm:{REGION}:{PROD}:parameter/app/word"],
    )
)
app.synth()
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    (folder / "app.py").write_text(_APP)
    (folder / "word.txt").write_text("first\n")
    subprocess.run(["git", "-C", folder, "init", "-q", "-b", "main"], check=True)
    _commit(folder, "First")
    return folder


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("cloud")
    with local_cloud(home, "--repository", f"octo-org/words={checkout}") as environment:
        yield environment


@pytest.fixture(scope="module")
def delivered(cloud: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pipeline's client, with both accounts bootstrapped and the delivery deployed."""
    folder = tmp_path_factory.mktemp("delivery")
    program = folder / "delivery.py"
    program.write_text(_DELIVERY)
    app = f"{sys.executable} {program} {sys.executable} {CDK} {ROOT}"
    for account, stack in ((TOOLS, "tools"), (PROD, "prod")):
        trust = ("--trust", TOOLS) if account != TOOLS else ()
        administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
        policies = ("--cloudformation-execution-policies", administrator)
        words = ("bootstrap", f"aws://{account}/{REGION}", *trust, *policies)
        cdk(cloud, account, REGION, *words, folder=folder)
        output = ("--output", str(folder / "out"))
        words = ("deploy", stack, "--app", app, "--require-approval", "never", *output)
        cdk(cloud, account, REGION, *words, folder=folder)
    return _client(cloud, TOOLS, "codepipeline")


def test_a_commit_reaches_prod_after_somebody_agreed(delivered: Any, cloud: dict[str, str]) -> None:
    token = _until(lambda: _approval(delivered).get("token"), delivered)
    assert _word(cloud, TOOLS) == "first"
    assert _word(cloud, PROD) is None
    _answer(delivered, token)
    _until(lambda: _newest(delivered)["status"] == "Succeeded", delivered)
    assert _word(cloud, PROD) == "first"


def test_what_the_checks_refuse_goes_nowhere(
    delivered: Any, cloud: dict[str, str], checkout: Path
) -> None:
    (checkout / "word.txt").write_text("forbidden\n")
    _commit(checkout, "Forbidden")
    delivered.start_pipeline_execution(name="words")
    _until(lambda: _newest(delivered)["status"] == "Failed", None)
    assert _word(cloud, TOOLS) == "first"


def test_no_stage_can_take_the_roles_of_another(delivered: Any, cloud: dict[str, str]) -> None:
    projects = _client(cloud, TOOLS, "codebuild").list_projects()["projects"]
    assert set(projects) == {
        "words-build",
        "words-dev-deploy",
        "words-prod-compare",
        "words-prod-deploy",
        "words-prod-verify",
    }
    granted = _client(cloud, PROD, "iam").get_role(RoleName="words-prod-verification")["Role"]
    (statement,) = granted["AssumeRolePolicyDocument"]["Statement"]
    trusted = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    assert trusted == f"arn:aws:iam::{TOOLS}:role/words-prod-verifier"
    _client(cloud, TOOLS, "iam").get_role(RoleName="words-prod-verifier")


def _client(cloud: dict[str, str], account: str, service: str) -> Any:
    return client(cloud, account, service, REGION)


def _commit(folder: Path, message: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("add", "."), (*who, "commit", "-qm", message)):
        subprocess.run(["git", "-C", folder, *words], check=True)


def _newest(client: Any) -> dict[str, Any]:
    found = client.list_pipeline_executions(pipelineName="words")["pipelineExecutionSummaries"]
    newest: dict[str, Any] = found[0]
    return newest


def _approval(client: Any) -> dict[str, Any]:
    for stage in client.get_pipeline_state(name="words")["stageStates"]:
        for action in stage["actionStates"]:
            if action["actionName"] == "Approve":
                found: dict[str, Any] = action.get("latestExecution", {})
                return found
    return {}


def _answer(client: Any, token: str) -> None:
    client.put_approval_result(
        pipelineName="words",
        stageName="ApproveProd",
        actionName="Approve",
        result={"status": "Approved", "summary": "compared"},
        token=token,
    )


def _word(cloud: dict[str, str], account: str) -> str | None:
    client = _client(cloud, account, "ssm")
    try:
        word: str = client.get_parameter(Name="/app/word")["Parameter"]["Value"]
    except client.exceptions.ParameterNotFound:
        return None
    return word


def _until(probe: Callable[[], Any], client: Any | None, *, seconds: float = 120.0) -> Any:
    """Wait for something true; a run that fails on the way fails the test with its state."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        failed = client is not None and _newest(client)["status"] == "Failed"
        if failed or time.monotonic() > deadline:
            state = client.get_pipeline_state(name="words")["stageStates"] if client else None
            pytest.fail(json.dumps(state, default=str, indent=1))
        time.sleep(0.2)
    return found
