"""Show the examples of docstrings as code; Griffe calls it (`extensions` in mkdocs.yml)."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_EXAMPLE = re.compile(r"^Example:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)


class Examples(Extension):
    """Fences what follows ``Example:``, which is Python in the house's docstrings."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite a docstring before it is read."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(found: re.Match[str]) -> str:
    return f"Example:\n    ```python\n{found[1].rstrip()}\n    ```\n"
