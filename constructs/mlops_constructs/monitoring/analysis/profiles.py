"""A whole data set in sketches, made in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from .batches import Batch
from .dependence import Dependence
from .settings import Settings
from .sketch import NARROW, Column, Sample

#: Pairs of columns grow with the square: the first so many are compared with each other.
MOST_PAIRED = 40


@dataclass
class Profile:
    """What is kept of a data set.

    Attributes:
        columns: Its columns, without the ignored ones; with a reference, those that it has too.
        sample: Some of its rows.
        rows: How many rows it has.
        extra: Columns that the reference does not have.
    """

    sample: Sample
    columns: dict[str, Column] = field(default_factory=dict)
    rows: int = 0
    extra: set[str] = field(default_factory=set)

    @cached_property
    def dependence(self) -> Dependence:
        """Its rank correlations; after this the profile must not change."""
        return Dependence(self.columns, self.sample)


def profile(
    batches: Iterable[Batch], settings: Settings, *, known: Profile | None = None
) -> Profile:
    """Read all batches, as columns of the kinds that the reference has, if there is one."""
    made = Profile(Sample(known.sample.names if known is not None else []))
    for batch in batches:
        if not batch.rows:
            continue
        if known is None and not made.rows:
            made.sample.names = [name for name in batch.columns if name not in settings.ignore][
                :MOST_PAIRED
            ]
        narrow = len(batch.columns) <= NARROW
        for name, array in batch.columns.items():
            if name in settings.ignore:
                continue
            if known is not None and name not in known.columns:
                made.extra.add(name)
                continue
            column = made.columns.get(name)
            if column is None:
                old = known.columns[name] if known is not None else None
                column = made.columns[name] = Column(name, settings, known=old, narrow=narrow)
                column.skip(made.rows)
            column.add(array)
        for name in made.columns.keys() - batch.columns.keys():
            made.columns[name].skip(batch.rows)
        made.sample.add(batch)
        made.rows += batch.rows
    return made
