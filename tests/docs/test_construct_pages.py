"""What is drawn and listed on the pages of the constructs is what the code makes now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from constructs import Construct

import mlops_constructs
from tools.update_construct_pages import PAGES, update

FOUND = update()

#: Constructs that users meet as an attribute of another, and do not make.
MADE_BY_OTHERS = {"Mlflow", "Retraining"}


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_page_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FOUND[path], "run: make docs-pages"


def test_every_page_is_of_a_construct_and_has_all_parts() -> None:
    for path, text in FOUND.items():
        if path.stem == "index":
            continue
        assert path.stem in mlops_constructs.__all__
        assert text.startswith(f"# {path.stem}\n")
        assert "```mermaid" in text
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
            "What it makes",
            "What a change does to it",
            "Who may do what",
            "Arguments, attributes, methods",
        ]


def test_every_construct_has_a_page() -> None:
    constructs = {
        name
        for name in mlops_constructs.__all__
        if isinstance(found := getattr(mlops_constructs, name), type)
        and issubclass(found, Construct)
    }
    assert constructs - MADE_BY_OTHERS == {path.stem for path in FOUND if path.stem != "index"}


def test_a_diagram_shows_what_refers_to_what() -> None:
    page = FOUND[PAGES / "FeatureStoreGroup.md"]
    assert "  sagemaker_featuregroup --> s3_bucket_bucket\n" in page
    assert "  iam_role_role -.-> s3_bucket_bucket\n" in page
    assert "`OnlineStoreConfig.StorageType`" in page
    assert "| `grant_ingest` | **kms** Decrypt; **sagemaker** BatchWriteRecord" in page
