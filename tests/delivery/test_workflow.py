"""The workflows deploy in order, after approvals, and without any long-lived key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from stacks.environments import ENVIRONMENTS

_FOLDER = Path(__file__).resolve().parents[2] / ".github" / "workflows"


def _workflow(name: str) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    found: dict[str, Any] = yaml.load((_FOLDER / f"{name}.yml").read_text(), Loader=yaml.BaseLoader)
    return found


def test_environments_are_deployed_one_after_the_other() -> None:
    jobs = _workflow("deploy")["jobs"]
    names = [environment.name for environment in ENVIRONMENTS]
    assert [job["with"]["environment"] for job in jobs.values()] == names
    assert [job.get("needs") for job in jobs.values()] == [None, *names[:-1]]
    assert {job["with"]["commit"] for job in jobs.values()} == {
        "${{ github.event.workflow_run.head_sha }}"
    }
    assert [job["with"]["verify"] for job in jobs.values()] == [
        "pipeline",
        "pipeline endpoint",
        "endpoint",
    ]


def test_nothing_is_deployed_that_failed_its_checks() -> None:
    workflow = _workflow("deploy")
    assert workflow["on"]["workflow_run"] == {
        "workflows": ["ci"],
        "branches": ["main"],
        "types": ["completed"],
    }
    condition = workflow["jobs"]["dev"]["if"]
    assert "conclusion == 'success'" in condition
    # A fork's pull request may come from a branch called main.
    assert "event == 'push'" in condition


def test_one_deployment_of_an_environment_at_a_time() -> None:
    (job,) = _workflow("deploy-environment")["jobs"].values()
    assert job["concurrency"] == {
        "group": "deploy-${{ inputs.environment }}",
        "cancel-in-progress": "false",
    }
    # There, a run that has nothing to deploy would cancel one that waits.
    assert "concurrency" not in _workflow("deploy")


def test_credentials_come_from_the_environments_role_and_after_the_installation() -> None:
    (job,) = _workflow("deploy-environment")["jobs"].values()
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    steps = [step.get("uses") or step["run"] for step in job["steps"]]
    role = next(i for i, step in enumerate(steps) if "configure-aws-credentials" in step)
    assert steps.index("make setup") < role
    # Longer than the job they are not needed, shorter they would end amid a deployment.
    asked = int(job["steps"][role]["with"]["role-duration-seconds"])
    assert asked == 60 * int(job["timeout-minutes"])
    assert "secrets." not in "".join(path.read_text() for path in _FOLDER.glob("deploy*.yml"))


def test_what_was_checked_is_what_is_deployed() -> None:
    (job,) = _workflow("deploy-environment")["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert any("cdk synth" in command for command in commands)
    (deploy,) = [command for command in commands if "cdk deploy" in command]
    assert "--app cdk.out" in deploy


def test_the_comment_holds_impact_and_cost() -> None:
    job = _workflow("ci")["jobs"]["synth-diff"]
    assert job["permissions"]["pull-requests"] == "write"
    (text,) = [step["run"] for step in job["steps"] if "> comment.md" in step.get("run", "")]
    for command in ("impact", "cost"):
        assert f'mlops-constructs {command} --base "origin/$BASE" --format markdown' in text


def test_only_the_comment_itself_sees_the_token() -> None:
    steps = [step for job in _workflow("ci")["jobs"].values() for step in job["steps"]]
    (comment,) = [step for step in steps if "GH_TOKEN" in step.get("env", {})]
    assert comment["run"].startswith("gh pr comment")
    assert "\n" not in comment["run"]


def test_actions_are_pinned_and_leave_no_token_behind() -> None:
    for path in _FOLDER.glob("*.yml"):
        jobs = _workflow(path.stem)["jobs"].values()
        used = [step for job in jobs for step in job.get("steps", ()) if "uses" in step]
        for step in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), (path.name, step)
            if step["uses"].startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false", path.name
        text = path.read_text()
        assert text.count("uses: actions/") + text.count("uses: aws-actions/") == len(
            re.findall(r"uses: .*@[0-9a-f]{40} # v\d+\.\d+\.\d+$", text, re.MULTILINE)
        )
