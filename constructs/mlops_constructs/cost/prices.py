"""The price table: committed, dated, and replaced by the user's own with ``--prices``.

A price that is not in the table is left out of the sums and shown as such; nothing is guessed.
AWS publishes its own prices at ``pricing.us-east-1.amazonaws.com`` (AWS Price List).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

#: A month as AWS's own calculator counts it.
HOURS_PER_MONTH: Final = 730
_PERIODS: Final = {"hour": HOURS_PER_MONTH, "month": 1}
_TEXTS: Final = ("name", "region", "currency", "as_of")


class PriceError(Exception):
    """A price table that cannot be used, and what is wrong with it."""


@dataclass(frozen=True)
class Price:
    """What one unit of something costs.

    Attributes:
        amount: In the table's currency.
        per: ``hour`` or ``month``.
        source: Where the price was read.
    """

    amount: float
    per: str
    source: str

    @property
    def monthly(self) -> float:
        """For a whole month."""
        return self.amount * _PERIODS[self.per]

    @property
    def hourly(self) -> float:
        """For an hour."""
        return self.monthly / HOURS_PER_MONTH


@dataclass(frozen=True)
class PriceTable:
    """Prices of one region at one time.

    Attributes:
        name: What the prices are.
        region: For which region.
        currency: Such as ``USD``.
        as_of: When they were read, such as ``2026-06``.
        note: What a reader should know about them.
        prices: By key; see ``prices.json``.
    """

    name: str
    region: str
    currency: str
    as_of: str
    note: str
    prices: Mapping[str, Price]

    @property
    def title(self) -> str:
        """One line that says how far to trust the sums."""
        return f"{self.name}, {self.region}, {self.currency}, as of {self.as_of}"


def read_prices(path: Path | None = None) -> PriceTable:
    """The table in a file, or the committed one.

    Raises:
        PriceError: The file cannot be read, or is no price table.
    """
    where = "prices.json" if path is None else str(path)
    try:
        source = resources.files(__package__).joinpath("prices.json") if path is None else path
        document = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PriceError(f"{where}: cannot be read: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("prices"), dict):
        raise PriceError(f"{where}: no price table; it needs an object 'prices'")
    wrong = [name for name in _TEXTS if not isinstance(document.get(name), str)]
    if wrong:
        raise PriceError(f"{where}: these must be texts: {', '.join(wrong)}")
    prices = {key: _price(key, entry, where) for key, entry in document["prices"].items()}
    texts = {name: document[name] for name in _TEXTS}
    return PriceTable(**texts, note=str(document.get("note", "")), prices=prices)


def _price(key: str, entry: Any, where: str) -> Price:
    match entry:
        case {"amount": int() | float() as amount, "per": str() as per} if (
            per in _PERIODS and amount >= 0 and not isinstance(amount, bool)
        ):
            return Price(float(amount), per, str(entry.get("source", "")))
    raise PriceError(
        f"{where}: {key}: got {entry!r}; allowed: "
        '{"amount": a number, "per": "hour" or "month", "source": a text}'
    )
