"""Writes `constraints.json` and `regions.json` beside this file.

Run it in the development environment, which has botocore and cfn-lint::

    python -m mlops_constructs.rules.tables.generate

`constraints.json` holds what botocore's service models demand of a property and the CloudFormation
registry schema of the same property does not: those are the faults that pass every template
validator and fail at deployment. A row is a path, the kind of demand, its value and the API's
shape; `enums` holds the values of the shapes that are enumerations. `regions.json` holds the
regions that lack a resource type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
_REGION: Final = "us-east-1"

# What other rules check, in plainer words, or what CloudFormation does by itself.
_COVERED: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::SageMaker::FeatureGroup": (
        "FeatureGroupName",
        "FeatureDefinitions",
        "RecordIdentifierFeatureName",
        "EventTimeFeatureName",
    ),
    "AWS::SageMaker::Pipeline": ("PipelineName", "PipelineDisplayName", "PipelineDefinition"),
    "AWS::SageMaker::Model": ("PrimaryContainer/Environment", "Containers/*/Environment"),
    "AWS::SageMaker::EndpointConfig": (
        "ProductionVariants/*/RoutingConfig",
        "ShadowProductionVariants/*/RoutingConfig",
    ),
    "AWS::SageMaker::Endpoint": ("EndpointName", "DeploymentConfig"),
    "AWS::SageMaker::InferenceComponent": (
        "RuntimeConfig",
        "Specification/ComputeResourceRequirements",
        "Specifications/*/ComputeResourceRequirements",
    ),
    "AWS::SageMaker::InferenceExperiment": ("ShadowModeConfig",),
    "AWS::SageMaker::Domain": (
        "DefaultUserSettings/JupyterLabAppSettings/CodeRepositories",
        "DefaultSpaceSettings/JupyterLabAppSettings/CodeRepositories",
        # The schema wants a path where the API wants a URI: the handler may well join the two.
        "DomainSettings/UnifiedStudioSettings/ProjectS3Path",
    ),
    "AWS::SageMaker::UserProfile": ("UserSettings/JupyterLabAppSettings/CodeRepositories",),
    "AWS::SageMaker::Space": ("SpaceSettings/JupyterLabAppSettings/CodeRepositories",),
    "AWS::SageMaker::MonitoringSchedule": (
        "MonitoringScheduleConfig/MonitoringJobDefinition/Environment",
    ),
    **{
        f"AWS::SageMaker::{kind}JobDefinition": (
            f"{kind}AppSpecification/Environment",
            *(
                f"{kind}JobInput/{member}/{offset}"
                for member in ("EndpointInput", "BatchTransformInput")
                for offset in ("StartTimeOffset", "EndTimeOffset")
            ),
        )
        for kind in ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
    },
}
# Patterns whose nested repetitions cannot be matched in two ways, so that they stay linear.
_SAFE_REPEATS: Final = re.compile(
    r"\((-\*|\[-_\]\*|\[_-\]\*|\[-\.\]\?|\(\[-\.\]\?\))?\[[^\]]+\]\)[*{?]|\(-\[\\w\]\+\)\*"
)
_NESTED: Final = re.compile(r"\([^()]*[*+][^()]*\)[*+{]")


def main() -> None:
    """Write both tables."""
    schemas = _Schemas()
    constraints = {}
    enums: dict[str, list[str]] = {}
    for type_name in schemas.types("AWS::SageMaker::"):
        comparison = _Comparison(type_name, schemas.load(type_name), enums)
        found = list(comparison.run())
        if found:
            constraints[type_name] = found
    lines = [
        f"{json.dumps(name)}: [\n " + ",\n ".join(json.dumps(row) for row in rows) + "]"
        for name, rows in constraints.items()
    ]
    lines.append(f'"enums": {json.dumps(enums, sort_keys=True)}')
    (HERE / "constraints.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    regions = schemas.missing("AWS::SageMaker::")
    text = json.dumps(regions, indent=1, sort_keys=True)
    (HERE / "regions.json").write_text(text + "\n", "utf-8")


class _Schemas:
    """The registry schemas that cfn-lint carries."""

    def __init__(self) -> None:
        import cfnlint.data.schemas as package

        self._folder = Path(next(iter(package.__path__)))
        self._files = self._provider(_REGION)

    def _provider(self, region: str) -> dict[str, str]:
        text = (self._folder / "providers" / f"{region}.json").read_text("utf-8")
        found: dict[str, str] = json.loads(text)
        return found

    def types(self, prefix: str) -> list[str]:
        return sorted(name for name in self._files if name.startswith(prefix))

    def load(self, type_name: str) -> dict[str, Any]:
        path = self._folder / "resources" / f"{self._files[type_name]}.json"
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found

    def missing(self, prefix: str) -> dict[str, list[str]]:
        """The public regions that lack each type."""
        regions = sorted(path.stem for path in (self._folder / "providers").glob("*.json"))
        public = [region for region in regions if "iso" not in region]
        held = {region: self._provider(region) for region in public}
        return {
            name: [region for region in public if name not in held[region]]
            for name in self.types(prefix)
        }


class _Comparison:
    """What botocore demands and the schema does not, for one resource type."""

    def __init__(
        self, type_name: str, schema: Mapping[str, Any], enums: dict[str, list[str]]
    ) -> None:
        import botocore.session

        self._enums = enums
        self._schema = schema
        self._covered = _COVERED.get(type_name, ())
        model = botocore.session.Session().get_service_model("sagemaker")
        operation = f"Create{type_name.rpartition('::')[2]}"
        self._input = (
            model.operation_model(operation).input_shape
            if operation in model.operation_names
            else None
        )

    def run(self) -> Iterator[list[Any]]:
        """Rows of path, kind, value, botocore shape."""
        if self._input is not None:
            yield from self._structure(self._input, self._schema, "", frozenset())

    def _resolve(self, schema: Any) -> Mapping[str, Any]:
        seen = 0
        while isinstance(schema, dict) and "$ref" in schema and seen < 20:
            target: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema, seen = target, seen + 1
        return schema if isinstance(schema, dict) else {}

    def _properties(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(schema.get("properties", {}))
        for group in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(group, []):
                found.update(self._resolve(part).get("properties", {}))
        return found

    def _any(
        self, shape: Any, schema: Mapping[str, Any], path: str, seen: frozenset[str]
    ) -> Iterator[list[Any]]:
        if any(path == known or path.startswith(f"{known}/") for known in self._covered):
            return
        kinds = {
            "structure": self._structure,
            "list": self._list,
            "map": self._map,
            "string": self._string,
        }
        if shape.type_name in kinds:
            yield from kinds[shape.type_name](shape, schema, path, seen)
        elif shape.type_name in ("integer", "long", "float", "double"):
            yield from self._bounds(shape, schema, path, ("minimum", "maximum"))

    def _structure(
        self, shape: Any, schema: Mapping[str, Any], path: str, seen: frozenset[str]
    ) -> Iterator[list[Any]]:
        properties = self._properties(schema)
        if shape.name in seen or not properties:
            return
        read_only = {text.rpartition("/")[2] for text in self._schema.get("readOnlyProperties", [])}
        for member in shape.required_members:
            # CloudFormation makes up the names of resources that may go without one.
            optional = member in properties and member not in schema.get("required", [])
            covered = f"{path}/{member}".startswith(self._covered)
            if path and optional and not covered and member not in read_only:
                yield [path, "required", member, shape.name]
        for member, inner in shape.members.items():
            if member in properties and member != "Tags":
                below = f"{path}/{member}" if path else member
                resolved = self._resolve(properties[member])
                yield from self._any(inner, resolved, below, seen | {shape.name})

    def _list(
        self, shape: Any, schema: Mapping[str, Any], path: str, seen: frozenset[str]
    ) -> Iterator[list[Any]]:
        if schema.get("type") != "array":
            return
        yield from self._bounds(shape, schema, path, ("minItems", "maxItems"))
        items = self._resolve(schema.get("items", {}))
        yield from self._any(shape.member, items, f"{path}/*", seen)

    def _map(
        self, shape: Any, schema: Mapping[str, Any], path: str, _seen: frozenset[str]
    ) -> Iterator[list[Any]]:
        if schema.get("type") == "object":
            yield from self._bounds(shape, schema, path, ("minProperties", "maxProperties"))
            values = [self._resolve(v) for v in schema.get("patternProperties", {}).values()]
            limit = max((v.get("maxLength", 10**9) for v in values), default=10**9)
            most = shape.value.metadata.get("max")
            if shape.value.type_name == "string" and most is not None and most < limit:
                yield [f"{path}/*", "maxLength", most, shape.value.name]

    def _bounds(
        self, shape: Any, schema: Mapping[str, Any], path: str, names: tuple[str, str]
    ) -> Iterator[list[Any]]:
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        floor = 0 if names[0] != "minimum" else float("-inf")
        if least is not None and least > schema.get(names[0], floor):
            yield [path, names[0], least, shape.name]
        if most is not None and most < schema.get(names[1], float("inf")):
            yield [path, names[1], most, shape.name]

    def _string(
        self, shape: Any, schema: Mapping[str, Any], path: str, _seen: frozenset[str]
    ) -> Iterator[list[Any]]:
        types = schema.get("type")
        if "string" not in (types if isinstance(types, list) else [types]):
            return
        if "enum" not in schema:
            yield from self._bounds(shape, schema, path, ("minLength", "maxLength"))
        pattern = shape.metadata.get("pattern")
        if shape.enum and "enum" not in schema:
            self._enums[shape.name] = sorted(shape.enum)
            yield [path, "enum", None, shape.name]
        elif pattern and "enum" not in schema and self._is_looser(schema.get("pattern"), pattern):
            yield [path, "pattern", pattern, shape.name]

    @staticmethod
    def _is_looser(schema: str | None, api: str) -> bool:
        """Whether a schema's pattern surely lets more through than the API's, which is anchored."""
        if set(api) <= set(".*+") or api in (r"[\S\s]*", r"[\s\S]*", r"[\S\s]+", r"[\s\S]+"):
            return False
        if re.search(r"\\p\{|\\uD8|\(\?<", api):  # classes that Python's re does not know
            return False
        if _NESTED.search(_SAFE_REPEATS.sub("", api)):
            return False
        re.compile(api)
        return schema is None or not (schema.startswith("^") and schema.endswith("$"))


if __name__ == "__main__":
    main()
