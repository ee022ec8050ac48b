"""The lock file: what a reader of ``definition.json`` can check without the SageMaker SDK.

``definition.lock.json``, schema version 1 (keys sorted, two blanks of indentation)::

    {
      "schema_version": 1,
      "use_case": "census_income",
      "definition_sha256": "…",            of the bytes of definition.json
      "sdk": {"sagemaker": "3.27.0"},
      "sources": {                         what shapes the definition; paths from pipeline_code/
        "census_income/pipeline.py": "<sha256>",
        "compiler/build.py": "<sha256>", …
      },
      "sentinels": ["bucket.artifacts", "code.train.file", "image.xgboost", "role.training", …],
      "bundles": {                         for {{code.<bundle>.uri}} and {{code.<bundle>.file}}
        "train": {
          "entry": "train.py",             file name within the archive
          "files": ["steps/encoding.py", "steps/train.py"]   paths from the use case's folder
        }, …
      },
      "images": {                          for {{image.<framework>}}
        "xgboost": {
          "framework": "xgboost", "version": "3.2-0",
          "repository": "sagemaker-xgboost", "tag": "3.2-0",
          "registries": {"eu-west-1": "141502667606", …}     account that owns it, by region
        }
      },
      "parameters": {                      the pipeline's own, for whoever starts it
        "MaxDepth": {"type": "Integer", "default": 6},
        "ApprovalStatus": {"type": "String", "default": "…", "enum": ["…", "…"]}
      },
      "steps": {"Preprocess": "Processing", "Train": "Training", …}   those in branches too
    }

A bundle is deployed as one .tar.gz whose root holds the listed files side by side under their
file names (``steps/train.py`` is ``train.py`` in the archive): script mode imports them so. An
image's URI is ``<account>.dkr.ecr.<region>.<URL suffix>/<repository>:<tag>``.

The definition is stale if a file in ``sources`` has another SHA-256 or is gone, or
``definition_sha256`` isn't that of ``definition.json``. Sources are hashed with LF line ends, so
that a checkout on Windows gives the same sums. The step scripts aren't sources: their content
goes into the archives, and so into the archives' names.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline_code.compiler.context import Bundle, Image

SCHEMA_VERSION = 1
_COMPILER = Path(__file__).resolve().parent


def lock_text(
    *,
    folder: Path,
    definition: Mapping[str, Any],
    definition_text: str,
    steps: Mapping[str, str],
    sentinels: Sequence[str],
    bundles: Mapping[str, Bundle],
    images: Mapping[str, Image],
) -> str:
    """Write the lock of a compiled definition.

    Args:
        folder: The use case's folder.
        definition: The definition that is written.
        definition_text: Its text, byte for byte.
        steps: Type of every step by name, branches included.
        sentinels: Names of the sentinels in the text.
        bundles: Code bundles by name.
        images: Container images by framework.
    """
    return to_text(
        {
            "schema_version": SCHEMA_VERSION,
            "use_case": folder.name,
            "definition_sha256": hashlib.sha256(definition_text.encode()).hexdigest(),
            "sdk": {"sagemaker": version("sagemaker")},
            "sources": _sources(folder),
            "sentinels": sorted(sentinels),
            "bundles": {
                name: {"entry": bundle.entry, "files": list(bundle.files)}
                for name, bundle in bundles.items()
            },
            "images": {name: dataclasses.asdict(image) for name, image in images.items()},
            "parameters": {
                each["Name"]: {
                    "type": each["Type"],
                    **({"default": each["DefaultValue"]} if "DefaultValue" in each else {}),
                    **({"enum": each["EnumValues"]} if "EnumValues" in each else {}),
                }
                for each in definition.get("Parameters", [])
            },
            "steps": dict(steps),
        }
    )


def to_text(value: object) -> str:
    """JSON as it is committed: sorted keys, so that no hash seed can show."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _sources(folder: Path) -> dict[str, str]:
    """Checksums of the compiler and of the use case's own modules (not of its steps)."""
    files = {f"compiler/{path.name}": path for path in _COMPILER.glob("*.py")}
    files |= {f"{folder.name}/{path.name}": path for path in folder.glob("*.py")}
    return {name: _checksum(path) for name, path in sorted(files.items())}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
