"""Account numbers of AWS."""

from __future__ import annotations

import re
from typing import Final

_ACCOUNT: Final = re.compile(r"[0-9]{12}")


def is_account(value: str) -> bool:
    """Whether a text can be the number of an account: twelve digits. A token is none."""
    return _ACCOUNT.fullmatch(value) is not None
