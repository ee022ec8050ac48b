"""The features of a group: their names and types, and which one identifies a record and when.

Limits and reserved names: botocore's model of CreateFeatureGroup. The registry schema's pattern of
names has no end anchor and lacks the underscore, so it neither refuses junk nor documents what
the service takes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_constructs.common.errors import Problems
from mlops_constructs.common.tokens import is_token
from mlops_constructs.feature_store import inference
from mlops_constructs.feature_store.types import Feature, FeatureType
from mlops_constructs.rules.feature_group import NAME, RESERVED_NAMES

MOST_FEATURES = 2500
MOST_TAGS = 50

# botocore's patterns; ``\w`` is every letter and digit there too.
_TAG_KEY = re.compile(r"[\w\s_.:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w\s_.:/=+\-@]{0,256}")

# CollectionType in botocore; the registry schema has no such property.
_COLLECTIONS = frozenset({"list", "set", "vector"})

_NAME_ALLOWED = "1 to 64 letters, digits and inner hyphens or underscores"


@dataclass(frozen=True, kw_only=True)
class FeatureSchema:
    """What a record of a group looks like.

    Features can be added later, up to 100 at a time, and never be removed, renamed or retyped;
    another record identifier or event time makes another group (botocore, UpdateFeatureGroup).

    Attributes:
        record_identifier: The feature that says which entity a record is about.
        event_time: The feature that says when the record became true: String (ISO-8601, such as
            ``2026-11-01T00:00:00Z``) or Fractional (seconds since 1970). Iceberg needs String.
        features: All features, these two included; 1 to 2,500.
        inferred: How the types came about, if they were inferred.
    """

    record_identifier: str
    event_time: str
    features: Sequence[Feature]
    inferred: Sequence[inference.Inferred] = field(default=(), repr=False, compare=False)

    @classmethod
    def from_arrow(
        cls,
        schema: Any,
        *,
        record_identifier: str,
        event_time: str,
        types: Mapping[str, FeatureType] | None = None,
        leave_out: Collection[str] = (),
    ) -> FeatureSchema:
        """The features of a ``pyarrow.Schema``, typed by the table in `inference`.

        Args:
            schema: The schema.
            record_identifier: The column that says which entity a record is about.
            event_time: The column that says when; whole numbers become Fractional.
            types: Types of columns that should not be inferred.
            leave_out: Columns that do not become features.

        Raises:
            ValidationError: With every column that cannot be a feature, and why.
        """
        return cls._of(
            record_identifier,
            event_time,
            inference.from_arrow(
                schema,
                record_identifier=record_identifier,
                event_time=event_time,
                types=types or {},
                leave_out=leave_out,
            ),
        )

    @classmethod
    def from_pandas(
        cls,
        frame: Any,
        *,
        record_identifier: str,
        event_time: str,
        types: Mapping[str, FeatureType] | None = None,
        leave_out: Collection[str] = (),
    ) -> FeatureSchema:
        """The features of a ``pandas.DataFrame``, without its index.

        Columns of dtype ``object`` are typed by their values. The other arguments and errors are
        those of `from_arrow`.
        """
        return cls._of(
            record_identifier,
            event_time,
            inference.from_pandas(
                frame,
                record_identifier=record_identifier,
                event_time=event_time,
                types=types or {},
                leave_out=leave_out,
            ),
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        record_identifier: str,
        event_time: str,
        types: Mapping[str, FeatureType] | None = None,
        leave_out: Collection[str] = (),
        missing: Collection[str] = ("",),
    ) -> FeatureSchema:
        """The features of a CSV file with a header, or of a Parquet file (needs pyarrow).

        A CSV file is read to its end. The file is part of the app's input: commit it, and use a
        lock file (`FeatureLock`), which refuses a type that comes out differently later.

        Args:
            path: Relative paths begin where the CDK command is called.
            record_identifier: The column that says which entity a record is about.
            event_time: The column that says when; whole numbers become Fractional.
            types: Types of columns that should not be inferred, such as codes made of digits.
            leave_out: Columns that do not become features.
            missing: How a CSV file spells a value that is not known.

        Raises:
            ValidationError: If the file cannot be read, or with every column that cannot be a
                feature, and why.
        """
        return cls._of(
            record_identifier,
            event_time,
            inference.from_file(
                Path(path),
                missing=missing,
                record_identifier=record_identifier,
                event_time=event_time,
                types=types or {},
                leave_out=leave_out,
            ),
        )

    @classmethod
    def _of(
        cls, record_identifier: str, event_time: str, inferred: Sequence[inference.Inferred]
    ) -> FeatureSchema:
        return cls(
            record_identifier=record_identifier,
            event_time=event_time,
            features=tuple(each.feature for each in inferred),
            inferred=inferred,
        )

    def report(self) -> str:
        """A readable table: each feature, its type, what it was inferred from, and why."""
        return inference.report(
            self.inferred or [inference.Inferred(each, "declared") for each in self.features]
        )

    def check(self, problems: Problems, *, offline: bool, iceberg: bool) -> None:
        """Note everything that CreateFeatureGroup would refuse.

        Args:
            problems: Where to note it.
            offline: Whether there is an offline store, whose columns are in lower case.
            iceberg: Whether the offline store's table is of the Iceberg format.
        """
        if strange := [each for each in self.features if not isinstance(each, Feature)]:
            problems.add(
                "schema.features",
                got=strange[0],
                allowed="features: a name and a type",
                instead=f"Write Feature.string({str(strange[0])!r}), Feature.integral(...) or "
                "Feature.fractional(...).",
            )
            return
        problems.check(
            1 <= len(self.features) <= MOST_FEATURES,
            "schema.features",
            got=len(self.features),
            allowed=f"1 to {MOST_FEATURES} features",
            instead="Declare every feature, or split the group by subject.",
        )
        self._check_names(problems, offline=offline)
        by_name = {feature.name: feature for feature in self.features}
        for what in ("record_identifier", "event_time"):
            name = getattr(self, what)
            problems.check(
                name in by_name or is_token(name),
                f"schema.{what}",
                got=name,
                allowed="the name of a declared feature",
                instead=f"Add it, such as Feature.string({name!r}), or name one of: "
                f"{', '.join(list(by_name)[:10])}.",
            )
        if self.event_time in by_name:
            self._check_event_time(problems, by_name[self.event_time], iceberg=iceberg)

    def _check_event_time(self, problems: Problems, feature: Feature, *, iceberg: bool) -> None:
        allowed = {FeatureType.STRING} | (set() if iceberg else {FeatureType.FRACTIONAL})
        problems.check(
            feature.type in allowed,
            f"schema.event_time ({feature.name})",
            got=str(feature.type),
            allowed=" or ".join(sorted(allowed)) + (", because of Iceberg" if iceberg else ""),
            instead=f"Declare Feature.string({feature.name!r}) and send ISO-8601 times such as "
            "'2026-11-01T00:00:00Z'.",
        )

    def _check_names(self, problems: Problems, *, offline: bool) -> None:
        seen: dict[str, str] = {}
        for feature in self.features:
            check_feature_name(problems, "schema.features", feature.name)
            problems.check(
                feature.name.lower() not in RESERVED_NAMES,
                "schema.features",
                got=feature.name,
                allowed="any name but " + ", ".join(sorted(RESERVED_NAMES)),
                instead="Rename it: Feature Store adds a column of this name to every record.",
            )
            problems.check(
                feature.type in set(FeatureType),
                f"schema.features ({feature.name})",
                got=str(feature.type),
                allowed=", ".join(FeatureType),
                instead=f"Write one of these: {inference.COLLECTIONS}."
                if str(feature.type).lower() in _COLLECTIONS
                else f"Write Feature.string({feature.name!r}) or another of these.",
            )
            key = feature.name.lower() if offline else feature.name
            problems.check(
                key not in seen,
                "schema.features",
                got=feature.name,
                allowed="each name once"
                + (", whatever its case: the offline table is in lower case" if offline else ""),
                instead=f"Rename or drop it: {seen.get(key)!r} is declared before it.",
            )
            seen.setdefault(key, feature.name)


def check_feature_name(problems: Problems, what: str, name: str) -> None:
    """Check the name of a feature."""
    if is_token(name):
        return
    problems.check(
        bool(NAME.fullmatch(name)),
        what,
        got=name,
        allowed=_NAME_ALLOWED,
        instead=f"Write {_nearest(name)!r}.",
    )


def check_group_name(problems: Problems, name: str) -> None:
    """Check the name of a group.

    Lower case because SageMaker lower-cases names inside ARNs and IAM compares ARNs by case.
    """
    if is_token(name):
        return
    problems.check(
        bool(NAME.fullmatch(name)) and name == name.lower(),
        "feature_group_name",
        got=name,
        allowed=_NAME_ALLOWED + ", in lower case",
        instead=f"Write {_nearest(name).lower()!r}.",
    )


def check_tags(problems: Problems, tags: Mapping[str, str]) -> None:
    """Check the tags of a group (botocore, Tag and TagList)."""
    problems.check(
        len(tags) <= MOST_TAGS,
        "tags",
        got=f"{len(tags)} tags",
        allowed=f"at most {MOST_TAGS}",
        instead="Drop some: they cannot be changed later either.",
    )
    for key, value in tags.items():
        problems.check(
            is_token(key) or (bool(_TAG_KEY.fullmatch(key)) and not key.lower().startswith("aws:")),
            "tags",
            got=key,
            allowed="1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:",
            instead=f"Write {_nearest(key.removeprefix('aws:'))!r}.",
        )
        problems.check(
            is_token(value) or bool(_TAG_VALUE.fullmatch(value)),
            f"tags ({key})",
            got=value,
            allowed="at most 256 letters, digits, spaces and _.:/=+-@",
            instead="Shorten it, and leave other characters out.",
        )


def _nearest(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name)[:64].strip("_-") or "x"
