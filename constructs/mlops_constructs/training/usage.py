"""What of the buckets a definition uses, so that roles get no more than that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_constructs.training.document import Json, Step, parameter_default, sentinels


def prefixes(value: Json, bucket: str, pipeline_name: str) -> tuple[str, ...]:
    """The first folders of a bucket that a definition names, such as ``census-income-dev/``.

    Args:
        value: The definition, or a part of it.
        bucket: The bucket's sentinel, such as ``bucket.artifacts``.
        pipeline_name: What ``Execution.PipelineName`` stands for.

    Returns:
        Sorted prefixes; only the empty one if any place names the bucket without a folder.
    """
    uris = _uris(value, f"s3://{{{{{bucket}}}}}", pipeline_name)
    found = {_first_folder(uri) for uri in uris}
    return ("",) if "" in found else tuple(sorted(found))


def uses(step: Step, document: Mapping[str, Json], sentinel: str) -> bool:
    """Whether a step names a sentinel, itself or by the default of a parameter."""
    return sentinel in sentinels(_with_defaults(step.own, document))


def _with_defaults(value: Json, document: Mapping[str, Json]) -> Json:
    value = parameter_default(document, value)
    if isinstance(value, dict):
        return {key: _with_defaults(item, document) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_defaults(item, document) for item in value]
    return value


def _uris(value: Json, start: str, pipeline_name: str) -> Iterator[str]:
    """What follows ``start`` in every string and join, as far as it is known."""
    if isinstance(value, str):
        if value.startswith(start):
            yield value.removeprefix(start)
    elif isinstance(value, list):
        for item in value:
            yield from _uris(item, start, pipeline_name)
    elif isinstance(value, dict):
        if isinstance(join := value.get("Std:Join"), dict):
            known = _known_part(join, pipeline_name)
            if known.startswith(start):
                yield known.removeprefix(start)
                return
        for item in value.values():
            yield from _uris(item, start, pipeline_name)


def _known_part(join: Mapping[str, Json], pipeline_name: str) -> str:
    text = ""
    separator = join.get("On", "")
    for part in join.get("Values", []):
        if isinstance(part, str):
            text += part + separator
        elif part == {"Get": "Execution.PipelineName"}:
            text += pipeline_name + separator
        else:
            return text
    return text.removesuffix(separator)


def _first_folder(path: str) -> str:
    folder, slash, _ = path.lstrip("/").partition("/")
    return folder + slash
