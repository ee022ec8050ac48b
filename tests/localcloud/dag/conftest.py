from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.compute.ports import FolderObjects
from tests.localcloud.dag.support import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(FolderObjects(tmp_path))
