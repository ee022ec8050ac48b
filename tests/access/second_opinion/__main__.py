"""Ask the other evaluator about every case and record what it says: needs npm.

``python -m tests.access.second_opinion``. The answers are committed, so that the comparison needs
neither the network nor a package that is under the AGPL.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from tests.access.second_opinion.corpus import ACCOUNT, ROLE, cases, fingerprint

_HERE = Path(__file__).parent
_LINE = 100


def main() -> None:
    """Record the answers."""
    corpus = cases()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json", "simulate.mjs"):
            (Path(folder) / name).write_bytes((_HERE / name).read_bytes())
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
        question = json.dumps({"account": ACCOUNT, "role": ROLE, "cases": corpus})
        answers = subprocess.run(
            ["node", "simulate.mjs"],
            cwd=folder,
            input=question,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    recorded = {
        "corpus": fingerprint(corpus),
        "answers": [answers[i : i + _LINE] for i in range(0, len(answers), _LINE)],
    }
    (_HERE / "answers.json").write_text(json.dumps(recorded, indent=2) + "\n")


if __name__ == "__main__":
    main()
