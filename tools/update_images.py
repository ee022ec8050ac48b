"""Write the table of AWS's framework images from the tables of the SageMaker Python SDK.

Run it with the environment that has the SDK:

    pipeline_code/.venv/bin/python tools/update_images.py

It rewrites ``constructs/mlops_constructs/common/images.json``. AWS's accounts differ by region
and, for the same region, by image family; images whose accounts are the same share one entry.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from sagemaker.core import image_uris

TARGET = Path(__file__).parents[1] / "constructs/mlops_constructs/common/images.json"
FRAMEWORKS = ("xgboost", "sklearn", "model-monitor", "clarify")
# Any CPU instance and any region will do: repositories and tags depend on neither.
INSTANCE, REGION = "ml.m5.large", "us-east-1"


def main() -> int:
    """Write the table; returns the exit status."""
    tables = Path(image_uris.__file__).parent / "image_uri_config"
    accounts: dict[str, dict[str, str]] = {}
    frameworks: dict[str, dict[str, dict[str, str]]] = {}
    for framework in FRAMEWORKS:
        table = json.loads((tables / f"{framework}.json").read_text())
        versions = (table.get("training") or table.get("processing") or table)["versions"]
        frameworks[framework] = {
            version or "latest": _image(framework, version, entry, accounts)
            for version, entry in versions.items()
            # Version 1 of XGBoost is the old built-in algorithm without script mode.
            if (framework, version) != ("xgboost", "1")
        }
    source = f"sagemaker {importlib.metadata.version('sagemaker')}, sagemaker/core/image_uri_config"
    document = {"source": source, "frameworks": frameworks, "accounts": accounts}
    TARGET.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _image(
    framework: str, version: str, entry: dict[str, Any], accounts: dict[str, dict[str, str]]
) -> dict[str, str]:
    registries = dict(sorted(entry["registries"].items()))
    family = next((name for name, known in accounts.items() if known == registries), framework)
    accounts[family] = registries
    uri = image_uris.retrieve(framework, REGION, version=version, instance_type=INSTANCE)
    repository, _, tag = uri.partition("/")[2].partition(":")
    return {"repository": repository, "tag": tag, "accounts": family}


if __name__ == "__main__":
    sys.exit(main())
