"""README and docs tell the truth: their Python runs, their commands and links exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.environments import ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / folder / "README.md" for folder in ("localcloud", "pipeline_code", "examples")),
]
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)(?P<target>[^)#\s]+)")


def _blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{number}", block["text"])
        for page in PAGES
        for number, block in enumerate(_BLOCK.finditer(page.read_text(encoding="utf-8")))
        if block["language"] == language
    ]


def _commands_of(language: str, text: str) -> list[str]:
    """The lines that a user types; in a console block the others are answers."""
    lines = text.splitlines()
    if language == "console":
        return [line[2:] for line in lines if line.startswith("$ ")]
    return lines


def _commands() -> list[tuple[str, list[str]]]:
    return [
        (where, line.partition("#")[0].split())
        for language in ("sh", "bash", "console")
        for where, text in _blocks(language)
        for line in _commands_of(language, text)
        if line.partition("#")[0].strip()
    ]


PYTHON = _blocks("python")

# All in one process: starting Node and loading aws_cdk takes longer than what most blocks do.
_RUN = """
import json, sys, traceback
errors = {}
for where, code in json.load(sys.stdin):
    try:
        exec(compile(code, where, "exec"), {"__name__": "__main__"})
    except BaseException:
        errors[where] = traceback.format_exc()
print("\\n" + json.dumps(errors))
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the blocks raised, by where they stand."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        cwd=ROOT,
        env=os.environ
        | {"CDK_OUTDIR": str(tmp_path_factory.mktemp("cdk")), "CDK_VALIDATION": "false"},
        input=json.dumps(PYTHON),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("where", [where for where, _ in PYTHON])
def test_python_runs(where: str, errors: dict[str, str]) -> None:
    assert where not in errors, errors[where]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for _, command in _commands()
        if command[0] == "make"
        for word in command[1:]
        if "=" not in word
    }
    assert named
    assert named <= targets


def test_environments_in_commands_exist() -> None:
    known = {environment.name for environment in ENVIRONMENTS}
    text = " ".join(" ".join(command) for _, command in _commands())
    named = set(re.findall(r"-c env=(\w+)", text))
    assert named
    assert named <= known


@pytest.mark.parametrize("tool", ["mlops-constructs", "localcloud"])
def test_sub_commands_exist(tool: str) -> None:
    program = Path(sys.executable).parent / tool
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    named = {
        command[index + 1].rstrip(')"')
        for _, command in _commands()
        for index, word in enumerate(command[:-1])
        if word.endswith(f"/{tool}") or word == tool
    }
    assert named
    for sub_command in named:
        assert re.search(rf"^\s+{sub_command}\b", told, re.MULTILINE), sub_command


def test_the_errors_that_the_readme_shows_are_real() -> None:
    import aws_cdk as cdk

    from mlops_constructs import (
        BlueGreenEndpoint,
        Canary,
        Instances,
        ModelPackage,
        ValidationError,
    )
    from tests.support import new_stack

    stack = new_stack("Serving")
    with pytest.raises(ValidationError) as error:
        BlueGreenEndpoint(
            stack,
            "Endpoint",
            endpoint_name="fraud",
            model=ModelPackage(
                arn="arn:aws:sagemaker:eu-west-1:123456789012:model-package/fraud/1",
                buckets=[cdk.aws_s3.Bucket.from_bucket_name(stack, "Models", "models")],
                image_repository_arns=["arn:aws:ecr:eu-west-1:123456789012:repository/fraud"],
            ),
            compute=Instances("ml.m5.large", count=2),
            deployment=Canary(percent=10, bake=cdk.Duration.minutes(10)),
        )
    assert str(error.value) in (ROOT / "README.md").read_text()


def test_the_errors_that_the_site_shows_are_real() -> None:
    from mlops_constructs import Feature, FeatureSchema, FeatureStoreGroup, ValidationError
    from tests.support import new_stack

    with pytest.raises(ValidationError) as error:
        FeatureStoreGroup(
            new_stack("Customers"),
            "Customers",
            feature_group_name="Customers!",
            schema=FeatureSchema(
                record_identifier="customer_id",
                event_time="time",
                features=(
                    Feature.string("customer_id"),
                    Feature.string("seen_at"),
                    Feature.fractional("balance"),
                ),
            ),
        )
    assert str(error.value) in (ROOT / "docs" / "index.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.finditer(page.read_text(encoding="utf-8")):
        assert (page.parent / link["target"]).exists(), link["target"]
