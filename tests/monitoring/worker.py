"""An interpreter with the libraries of AWS's containers, in which the analysis runs.

One for all tests: loading its libraries takes longer than the analyses.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support import ROOT

MONITORING = ROOT / "constructs" / "mlops_constructs" / "monitoring"
PYTHON = ROOT / "localcloud" / "containers" / ".venv" / "bin" / "python"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}

_MARK = "answer: "
_LOOP = f"""
import json, sys, traceback
from analysis.analyze import main
for line in sys.stdin:
    asked = json.loads(line)
    if isinstance(asked, str):
        scope = {{}}
        try:
            exec(asked, scope)
            answer = scope["answer"]
        except BaseException:
            answer = {{"failed": traceback.format_exc()}}
    else:
        answer = main(asked)
    print({_MARK!r} + json.dumps(answer), file=sys.stderr, flush=True)
"""


class Worker:
    """The interpreter, while the context lasts."""

    def __init__(self, python: Path = PYTHON) -> None:
        self._python = python

    def __enter__(self) -> Worker:
        self._process = subprocess.Popen(
            [self._python, "-c", _LOOP],
            cwd=MONITORING,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, arguments: list[str]) -> int:
        """The exit status of a run of the analysis."""
        return int(self._ask(arguments))

    def evaluate(self, code: str) -> Any:
        """What the code leaves in ``answer``."""
        answer = self._ask(code)
        assert not (isinstance(answer, dict) and "failed" in answer), answer["failed"]
        return answer

    def _ask(self, asked: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stderr:
            if line.startswith(_MARK):
                return json.loads(line[len(_MARK) :])
            said.append(line)
        raise AssertionError("the interpreter ended:\n" + "".join(said))
