"""A pipeline as CloudFormation declares it: real commits, real commands, real zips in S3."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.support import Cloud, until

ROLE = "arn:aws:iam::{account}:role/build"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    (folder / "greeting.txt").write_text("hello")
    (folder / "run.sh").write_text("#!/bin/sh\ncat greeting.txt\n")
    (folder / "run.sh").chmod(0o755)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "First"),
    ):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


@pytest.fixture
def delivery(cloud: Cloud, checkout: Path) -> Delivery:
    repositories: Any = cloud.sagemaker.settings.repositories
    repositories["octo-org/octo-repo"] = checkout
    return Delivery(cloud)


class Delivery:
    """A pipeline of one account."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = cloud.client("codepipeline")
        self.bucket = cloud.bucket()
        cloud.client("iam").create_role(
            RoleName="build",
            AssumeRolePolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "codebuild.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            ),
        )

    def project(self, name: str, *commands: str, artifacts: Any = None, minutes: int = 5) -> str:
        specification = {
            "version": "0.2",
            "phases": {"build": {"commands": list(commands)}},
            **({"artifacts": artifacts} if artifacts else {}),
        }
        self.cloud.client("codebuild").create_project(
            name=name,
            source={"type": "CODEPIPELINE", "buildspec": json.dumps(specification)},
            artifacts={"type": "CODEPIPELINE"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            serviceRole=ROLE.format(account=self.cloud.scope.account),
            timeoutInMinutes=minutes,
        )
        return name

    def create(self, *stages: dict[str, Any], repository: str = "octo-org/octo-repo") -> None:
        fetch = action("Commit", "Source", "CodeStarSourceConnection", outputs=["Commit"])
        fetch["configuration"] = {
            "ConnectionArn": "arn:aws:codeconnections:us-east-1:111122223333:connection/a",
            "FullRepositoryId": repository,
            "BranchName": "main",
        }
        self.client.create_pipeline(
            pipeline={
                "name": "mlops",
                "roleArn": ROLE.format(account=self.cloud.scope.account),
                "artifactStore": {"type": "S3", "location": self.bucket},
                "stages": [{"name": "Source", "actions": [fetch]}, *stages],
            }
        )

    def executions(self) -> list[dict[str, Any]]:
        found = self.client.list_pipeline_executions(pipelineName="mlops")
        listed: list[dict[str, Any]] = found["pipelineExecutionSummaries"]
        return listed

    def ended(self, number: int = 1) -> dict[str, Any]:
        """The newest execution, when there are so many and it has ended."""

        def probe() -> Any:
            found = self.executions()
            done = len(found) >= number and found[0]["status"] not in ("InProgress", "Stopping")
            return found[0] if done else None

        answer: dict[str, Any] = until(probe)
        return answer

    def action(self, stage: str, name: str) -> dict[str, Any]:
        state = self.client.get_pipeline_state(name="mlops")
        (found,) = (
            each.get("latestExecution", {})
            for one in state["stageStates"]
            if one["stageName"] == stage
            for each in one["actionStates"]
            if each["actionName"] == name
        )
        answer: dict[str, Any] = found
        return answer

    def token(self, stage: str) -> str:
        token: str = until(lambda: self.action(stage, "Approve").get("token"))
        return token

    def answer(self, stage: str, status: str, token: str) -> None:
        self.client.put_approval_result(
            pipelineName="mlops",
            stageName=stage,
            actionName="Approve",
            result={"status": status, "summary": "seen"},
            token=token,
        )

    def log(self, stage: str, name: str) -> list[str]:
        group, _, stream = self.action(stage, name)["summary"].removeprefix("log: ").partition(", ")
        events = self.cloud.client("logs").get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True
        )["events"]
        return [event["message"] for event in events]


def action(
    name: str,
    category: str,
    provider: str,
    *,
    project: str | None = None,
    inputs: list[str] | None = None,
    outputs: list[str] | None = None,
    order: int = 1,
) -> dict[str, Any]:
    configuration = {"ProjectName": project, "PrimarySource": "Commit"} if project else {}
    return {
        "name": name,
        "runOrder": order,
        "actionTypeId": {
            "category": category,
            "owner": "AWS",
            "provider": provider,
            "version": "1",
        },
        "configuration": configuration,
        "inputArtifacts": [{"name": each} for each in inputs or []],
        "outputArtifacts": [{"name": each} for each in outputs or []],
    }


def build(project: str, *inputs: str, outputs: list[str] | None = None) -> dict[str, Any]:
    return action(
        project.capitalize(),
        "Build",
        "CodeBuild",
        project=project,
        inputs=["Commit", *inputs],
        outputs=outputs,
    )


APPROVE = action("Approve", "Approval", "Manual")


def test_what_one_build_writes_the_next_one_reads(delivery: Delivery) -> None:
    made = {"base-directory": ".made", "files": ["**/*"]}
    delivery.project("make", "mkdir -p .made/sub", "./run.sh > .made/sub/out.txt", artifacts=made)
    delivery.project(
        "read",
        'word="$(cat "$CODEBUILD_SRC_DIR_Made/sub/out.txt")"',
        'echo "$word from $(basename "$PWD") in $AWS_REGION"',
        'test -n "$AWS_CONTAINER_CREDENTIALS_FULL_URI" && test -z "$AWS_ACCESS_KEY_ID"',
    )
    delivery.create(
        {"name": "Make", "actions": [build("make", outputs=["Made"])]},
        {"name": "Read", "actions": [build("read", "Made")]},
    )
    ended = delivery.ended()
    assert (ended["status"], ended["trigger"]["triggerType"]) == ("Succeeded", "CreatePipeline")
    assert "hello from Commit in us-east-1" in delivery.log("Read", "Read")
    found = delivery.client.get_pipeline_execution(
        pipelineName="mlops", pipelineExecutionId=ended["pipelineExecutionId"]
    )["pipelineExecution"]
    assert found["artifactRevisions"][0]["revisionSummary"] == "First"


def test_a_failed_command_fails_the_stage_and_a_retry_goes_on(
    delivery: Delivery, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    delivery.project("try", f"test -e {flag} || (echo no flag; exit 3)")
    delivery.project("after", "echo after")
    delivery.create(
        {"name": "Try", "actions": [build("try")]},
        {"name": "After", "actions": [build("after")]},
    )
    ended = delivery.ended()
    assert ended["status"] == "Failed"
    assert delivery.action("Try", "Try")["errorDetails"] == {
        "code": "JobFailed",
        "message": "COMMAND_EXECUTION_ERROR: exit status 3. Its last line: no flag",
    }
    assert delivery.action("After", "After") == {}
    flag.touch()
    delivery.client.retry_stage_execution(
        pipelineName="mlops",
        stageName="Try",
        pipelineExecutionId=ended["pipelineExecutionId"],
        retryMode="FAILED_ACTIONS",
    )
    until(lambda: delivery.executions()[0]["status"] == "Succeeded")
    assert len(delivery.executions()) == 1


def test_nothing_passes_without_approval(delivery: Delivery) -> None:
    delivery.project("deploy", "echo deployed")
    delivery.create(
        {"name": "Ask", "actions": [APPROVE]}, {"name": "Deploy", "actions": [build("deploy")]}
    )
    token = delivery.token("Ask")
    assert delivery.action("Deploy", "Deploy") == {}
    with pytest.raises(delivery.client.exceptions.InvalidApprovalTokenException):
        delivery.answer("Ask", "Approved", "00000000-0000-0000-0000-000000000000")
    delivery.answer("Ask", "Rejected", token)
    assert delivery.ended()["status"] == "Failed"
    delivery.client.start_pipeline_execution(name="mlops")
    delivery.answer(
        "Ask", "Approved", until(lambda: delivery.action("Ask", "Approve").get("token"))
    )
    assert delivery.ended(2)["status"] == "Succeeded"


def test_the_newest_execution_in_front_of_a_stage_supersedes_the_others(
    delivery: Delivery,
) -> None:
    delivery.create({"name": "Ask", "actions": [APPROVE]})
    token = delivery.token("Ask")
    second = delivery.client.start_pipeline_execution(name="mlops")["pipelineExecutionId"]
    delivery.client.start_pipeline_execution(name="mlops")
    states = until(
        lambda: (
            {each["pipelineExecutionId"]: each["status"] for each in delivery.executions()}
            if any(each["status"] == "Superseded" for each in delivery.executions())
            else None
        )
    )
    assert states[second] == "Superseded"
    delivery.answer("Ask", "Approved", token)
    delivery.answer("Ask", "Approved", until(lambda: _new_token(delivery, token)))
    assert delivery.ended(3)["status"] == "Succeeded"


def test_a_stage_rolls_back_to_what_succeeded_there(delivery: Delivery, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    delivery.project("deploy", f"test ! -e {broken}")
    stage = {"name": "Deploy", "actions": [build("deploy")], "onFailure": {"result": "ROLLBACK"}}
    delivery.create(stage)
    first = delivery.ended()
    broken.touch()
    delivery.client.start_pipeline_execution(name="mlops")
    rolled_back = delivery.ended(3)
    assert rolled_back["executionType"] == "ROLLBACK"
    assert rolled_back["trigger"]["triggerType"] == "AutomatedRollback"
    target = rolled_back["rollbackMetadata"]["rollbackTargetPipelineExecutionId"]
    assert target == first["pipelineExecutionId"]


def test_structures_that_the_service_refuses(delivery: Delivery) -> None:
    with pytest.raises(delivery.client.exceptions.InvalidStructureException) as error:
        delivery.create({"name": "Read", "actions": [build("read", "Made")]})
    assert "no action before makes Made" in str(error.value)


def test_an_unknown_repository_says_how_to_give_it(delivery: Delivery) -> None:
    delivery.create({"name": "Ask", "actions": [APPROVE]}, repository="octo-org/unknown")
    assert delivery.ended()["status"] == "Failed"
    message = delivery.action("Source", "Commit")["errorDetails"]["message"]
    assert "localcloud up --repository octo-org/unknown=FOLDER" in message


def _new_token(delivery: Delivery, old: str) -> str | None:
    token = delivery.action("Ask", "Approve").get("token")
    return token if token and token != old else None
