"""The workflows deploy in order, after approvals, and without any long-lived key."""

from __future__ import annotations

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
    assert workflow["concurrency"]["cancel-in-progress"] == "false"


def test_credentials_come_from_the_environments_role_and_after_the_installation() -> None:
    (job,) = _workflow("deploy-environment")["jobs"].values()
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    steps = [step.get("uses") or step["run"] for step in job["steps"]]
    role = next(i for i, step in enumerate(steps) if "configure-aws-credentials" in step)
    assert steps.index("make setup") < role
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
    (comment,) = [step["run"] for step in job["steps"] if "gh pr comment" in step.get("run", "")]
    for command in ("impact", "cost"):
        assert f'mlops-constructs {command} --base "origin/$BASE" --format markdown' in comment
