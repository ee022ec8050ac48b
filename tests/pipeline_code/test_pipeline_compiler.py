"""The compiler on small use cases, and what it says about mistakes in them."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline_code.compiler import __main__ as command

PIPELINE = """
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.processing import Processor
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep

def build(context):
    note = ParameterString("Note", default_value="none")
    code = context.bundle("work", entry="work.py", files=["steps/work.py"])
    image = context.image("xgboost", version="3.2-0")
    processor = Processor(
        role=context.role("processing"),
        image_uri=image,
        instance_type="ml.m5.large",
        instance_count=1,
        sagemaker_session=context.session,
    )
    arguments = ["--note", note, "--code", code.uri, "--out", f"s3://{context.bucket('data')}/out"]
    step = ProcessingStep("Work", step_args=processor.run(arguments=arguments))
    return Pipeline(
        name="small",
        parameters=[note],
        steps=[step],
        pipeline_experiment_config=None,
        sagemaker_session=context.session,
    )
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of use cases with one that compiles."""
    steps = tmp_path / "small" / "steps"
    steps.mkdir(parents=True)
    (steps / "work.py").write_text("print('work')\n")
    (tmp_path / "small" / "pipeline.py").write_text(PIPELINE)
    return tmp_path


def files(folder: Path) -> list[str]:
    """What a compilation left beside pipeline.py and steps/, hidden files too."""
    return sorted({path.name for path in folder.iterdir()} - {"pipeline.py", "steps"})


def change(root: Path, old: str, new: str) -> None:
    """Change the use case's pipeline.py."""
    assert old in PIPELINE
    (root / "small" / "pipeline.py").write_text(PIPELINE.replace(old, new))


def test_compiles_and_then_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    assert command.main(["small"], root=root) == 0
    assert files(root / "small") == ["definition.json", "definition.lock.json"]
    assert "1 steps, 4 sentinels; wrote definition.json and" in capsys.readouterr().out
    assert dict(os.environ) == before

    assert command.main(["--all"], root=root) == 0
    assert "nothing changed" in capsys.readouterr().out
    assert command.main(["--check", "small"], root=root) == 0

    definition: Any = json.loads((root / "small" / "definition.json").read_text())
    [step] = definition["Steps"]
    assert step["Arguments"]["RoleArn"] == "{{role.processing}}"
    assert step["Arguments"]["AppSpecification"] == {
        "ContainerArguments": [
            "--note",
            {"Get": "Parameters.Note"},
            "--code",
            "{{code.work.uri}}",
            "--out",
            "s3://{{bucket.data}}/out",
        ],
        "ImageUri": "{{image.xgboost}}",
    }
    lock: Any = json.loads((root / "small" / "definition.lock.json").read_text())
    assert lock["use_case"] == "small"
    assert lock["bundles"] == {"work": {"entry": "work.py", "files": ["steps/work.py"]}}
    assert lock["images"]["xgboost"]["registries"]["eu-west-1"] == "141502667606"
    assert lock["parameters"] == {"Note": {"type": "String", "default": "none"}}
    assert lock["steps"] == {"Work": "Processing"}
    source = (root / "small" / "pipeline.py").read_bytes()
    assert lock["sources"]["small/pipeline.py"] == hashlib.sha256(source).hexdigest()


def test_check_shows_what_is_stale_and_how_to_mend_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--check", "small"], root=root) == 1
    assert "small/definition.json is missing:" in capsys.readouterr().err
    assert files(root / "small") == []

    command.main(["small"], root=root)
    change(root, "ml.m5.large", "ml.m5.xlarge")
    capsys.readouterr()

    assert command.main(["--check", "small"], root=root) == 1
    shown = capsys.readouterr().err
    assert "small/definition.json is stale:" in shown
    assert '-            "InstanceType": "ml.m5.large",' in shown
    assert '+            "InstanceType": "ml.m5.xlarge",' in shown
    assert "Mend it with: pipeline_code/.venv/bin/python -m pipeline_code.compiler small" in shown


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("def build", "def make", "defines no `build(context: Context) -> Pipeline`."),
        ("def build(", "def build(:", "small/pipeline.py:7: SyntaxError"),
        ("import Pipeline\n", "import Pipelin\n", "small/pipeline.py:4: ImportError"),
        ("[note]", "[not_a_name]", "small/pipeline.py:22: NameError: name 'not_a_name'"),
        ('role("processing")', 'role("tuning")', "Unknown role 'tuning'. Allowed: processing,"),
        ("bucket('data')", "bucket('logs')", "Unknown bucket 'logs'. Allowed: artifacts, data."),
        ("bucket('data')", "bucket('data')[:-3]", "A place-holder was cut or changed"),
        ('"--out"', '"{{bucket.own}}"', "'{{bucket.own}}' is written into the pipeline by hand."),
        ('image("xgboost"', 'image("xboost"', "The SDK has no list of images named 'xboost'."),
        ('"3.2-0"', '"9.9"', "no xgboost image of version '9.9'. Known: 0.90-1"),
        ('["steps/work.py"]', '["work.py"]', "Bundle 'work': there is no file small/work.py."),
        ('["steps/work.py"]', '["../x.py"]', "'../x.py' is outside small/ and ../tabular/."),
        (
            '["steps/work.py"]',
            '["steps/work.py"] * 2',
            "Bundle 'work': two files are named work.py, but the archive is flat.",
        ),
        ('entry="work.py"', 'entry="run.py"', "entry 'run.py' is none of work.py."),
        ('bundle("work"', 'bundle("My work"', "Bundle name 'My work': use lower-case"),
        ('"ml.m5.large"', '"ml.m5.lrg"', "InstanceType: 'ml.m5.lrg' is none of"),
        ("instance_count=1", 'instance_count=1, volume_kms_key="k"', "VolumeKmsKeyId is set in"),
    ],
)
def test_a_mistake_is_one_clear_error_and_writes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, expected: str
) -> None:
    change(root, old, new)

    assert command.main(["small"], root=root) == 1

    shown = capsys.readouterr()
    assert expected in shown.err
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err
    assert files(root / "small") == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["large"], "There is no use case 'large' (a folder of"),
        (["../small"], "There is no use case '../small'"),
        ([], "Name use cases, or say --all. Known: small."),
        (["small", "--all"], "Name use cases, or say --all. Known: small."),
        (["bare"], "bare/pipeline.py is missing. It defines `build(context: Context) -> Pipeline`"),
    ],
)
def test_an_unknown_use_case_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    (root / "bare").mkdir()

    assert command.main(arguments, root=root) == 1
    assert expected in capsys.readouterr().err


def test_a_failed_write_leaves_the_old_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command.main(["small"], root=root)
    before = (root / "small" / "definition.json").read_text()
    change(root, "ml.m5.large", "ml.m5.xlarge")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        command.main(["small"], root=root)

    assert (root / "small" / "definition.json").read_text() == before
    assert files(root / "small") == ["definition.json", "definition.lock.json"]


def test_the_vocabulary_is_what_the_sdk_compiles(tmp_path: Path) -> None:
    """The library's tests read this definition; here it is held to the SDK."""
    source = Path(__file__).parent / "vocabulary"
    folder = tmp_path / "vocabulary"
    shutil.copytree(source, folder)
    (folder / "definition.json").unlink()
    assert command.main(["vocabulary"], root=tmp_path) == 0
    assert (folder / "definition.json").read_text() == (source / "definition.json").read_text()
