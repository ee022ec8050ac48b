"""Rules about pipelines and their definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Final

from mlops_constructs.rules.definition import Definition, definition_of
from mlops_constructs.rules.engine.rule import rule
from mlops_constructs.rules.engine.template import Resource
from mlops_constructs.rules.engine.values import Node, Problems, Text, show

PIPELINE: Final = "AWS::SageMaker::Pipeline"

_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}")
_DEFINITION_NAME: Final = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_DEFINITION_SCHEMA: Final = (
    "github.com/aws-sagemaker-mlops/sagemaker-model-building-pipeline-definition-JSON-schema"
)
_MAX_BODY: Final = 1_048_576


@rule(
    "PL01",
    PIPELINE,
    fix="Use 1 to 256 letters, digits and inner hyphens",
    source="botocore PipelineName (the schema's pattern has no end anchor)",
)
def names_fit(pipeline: Resource) -> Problems:
    """Pipeline names fit the API's pattern."""
    for name in (pipeline["PipelineName"], pipeline["PipelineDisplayName"]):
        if name.text is not None and not _NAME.fullmatch(name.text[:1000]):
            yield name.problem(f"The API refuses the name {show(name.text)}")


@rule(
    "PL02",
    PIPELINE,
    fix="Give what the SageMaker SDK's Pipeline.definition() returns",
    source=_DEFINITION_SCHEMA,
)
def is_a_definition(pipeline: Resource) -> Problems:
    """The definition is JSON with Version 2020-12-01 and Steps."""
    definition = definition_of(pipeline)
    if definition is None:
        return
    if definition.error:
        yield definition.node.problem(f"Not a pipeline definition: {definition.error}")
        return
    version = definition.content.get("Version")
    if version != "2020-12-01":
        yield definition.node.problem(f"The definition's Version is {show(version)}")
    if not isinstance(definition.content.get("Steps"), list):
        yield definition.node.problem("The definition has no list of Steps")


@rule(
    "PL03",
    PIPELINE,
    fix="Put it on S3 and give PipelineDefinitionS3Location: a template is limited to 1 MB anyway",
    source="botocore PipelineDefinition.max",
)
def body_is_short(pipeline: Resource) -> Problems:
    """An inline definition has at most 1,048,576 characters."""
    body = pipeline["PipelineDefinition.PipelineDefinitionBody"]
    size = sum(len(text) for text in literal_parts(body))
    if size > _MAX_BODY:
        yield body.problem(f"The definition has {size:,} characters")
    elif isinstance(body.value, str) and not body.value:
        yield body.problem("The definition is empty")


def literal_parts(node: Node) -> list[str]:
    """The known parts of a string."""
    if isinstance(node.value, Text):
        return [part for part in node.value.parts if isinstance(part, str)]
    return [node.value] if isinstance(node.value, str) else []


@rule(
    "PL04",
    PIPELINE,
    fix="Use 1 to 64 letters, digits, hyphens and underscores, each name once",
    source=_DEFINITION_SCHEMA,
)
def definition_names(pipeline: Resource) -> Problems:
    """Steps and parameters of a definition have unique, well-formed names."""
    definition = definition_of(pipeline)
    if definition is None or definition.error:
        return
    for kind, entries in (("step", definition.steps), ("parameter", definition.parameters)):
        seen: set[str] = set()
        for name in _names(definition, entries):
            if not _DEFINITION_NAME.fullmatch(name[:1000]):
                yield definition.node.problem(f"The {kind} name {show(name)} is not allowed")
            elif name in seen:
                yield definition.node.problem(f"The {kind} name {show(name)} occurs twice")
            seen.add(name)


def _names(definition: Definition, entries: list[dict[str, object]]) -> Iterator[str]:
    for entry in entries:
        name = entry.get("Name")
        if isinstance(name, str) and definition.is_literal(name):
            yield name


@rule(
    "PL07",
    PIPELINE,
    fix="Name a step or a parameter of this definition",
    source="SageMaker developer guide: Pipeline Structure and Execution",
)
def references_resolve(pipeline: Resource) -> Problems:
    """Get functions of a definition name declared parameters and steps."""
    definition = definition_of(pipeline)
    if definition is None or definition.error or not definition.complete:
        return
    known = {
        "Parameters": {parameter["Name"] for parameter in definition.parameters},
        "Steps": set(definition.names),
    }
    for path in sorted(set(definition.references(definition.content.get("Steps")))):
        kind, _, rest = path.partition(".")
        # A property of a step may be written with a quoted key: Steps.Train['x'].
        name = re.split(r"[.\[]", rest, maxsplit=1)[0]
        if kind in known and name not in known[kind]:
            yield definition.node.problem(f"Get {show(path)}: there is no such {kind[:-1].lower()}")


@rule(
    "PL08",
    PIPELINE,
    fix="Name a step of this definition, and let no step wait for itself",
    source="SageMaker developer guide: Pipelines steps (custom dependency between steps)",
)
def dependencies_resolve(pipeline: Resource) -> Problems:
    """Steps wait for declared steps, without a circle."""
    definition = definition_of(pipeline)
    if definition is None or definition.error or not definition.complete:
        return
    known = set(definition.names)
    waits: dict[str, set[str]] = {}
    for step in definition.steps:
        named = step.get("DependsOn")
        named = [name for name in named if definition.is_literal(name)] if named else []
        for name in named:
            if name not in known:
                yield definition.node.problem(f"{step['Name']} depends on the unknown {show(name)}")
        paths = [path.split(".") for path in definition.references(_own_part(step))]
        from_data = [path[1] for path in paths if path[0] == "Steps" and len(path) > 1]
        waits[step["Name"]] = {*named, *from_data} & known
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        yield definition.node.problem(f"Steps wait for one another: {circle}")


def _own_part(step: dict[str, object]) -> dict[str, object]:
    """A step without its dependencies, and without the steps in its branches."""
    own = {key: value for key, value in step.items() if key != "DependsOn"}
    arguments = own.get("Arguments")
    if isinstance(arguments, dict):
        branches = ("IfSteps", "ElseSteps")
        own["Arguments"] = {k: value for k, value in arguments.items() if k not in branches}
    return own


@rule(
    "PL09",
    PIPELINE,
    fix="Use a Type of String, Integer, Float or Boolean, and a default of that type",
    source=_DEFINITION_SCHEMA,
)
def parameters_are_typed(pipeline: Resource) -> Problems:
    """Parameters of a definition have a known type, and a default that fits."""
    definition = definition_of(pipeline)
    if definition is None or definition.error:
        return
    for parameter in definition.parameters:
        kind, default = parameter.get("Type"), parameter.get("DefaultValue")
        name, values = show(parameter.get("Name")), parameter.get("EnumValues")
        if kind not in _PARAMETER_TYPES:
            yield definition.node.problem(f"The parameter {name} has the Type {show(kind)}")
        elif default is not None and (
            not isinstance(default, _PARAMETER_TYPES[kind])
            or (isinstance(default, bool) and kind != "Boolean")
        ):
            yield definition.node.problem(f"The default of {name} is no {kind}: {show(default)}")
        elif default is not None and isinstance(values, list) and default not in values:
            yield definition.node.problem(f"The default of {name} is not in its EnumValues")


_PARAMETER_TYPES: Final[dict[object, tuple[type, ...]]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
}


@rule(
    "PL10",
    PIPELINE,
    fix="Declare the file in PropertyFiles of the step that writes it",
    source="SageMaker developer guide: Property Files and JsonGet",
)
def property_files_exist(pipeline: Resource) -> Problems:
    """JsonGet reads a property file that a step declares."""
    definition = definition_of(pipeline)
    if definition is None or definition.error:
        return
    declared = {
        file.get("PropertyFileName")
        for step in definition.steps
        for file in _list(step.get("PropertyFiles"))
        if isinstance(file, dict)
    }
    for path in sorted(_json_gets(definition)):
        name = path.rpartition(".")[2]
        if path.startswith("Steps.") and ".PropertyFiles." in path and name not in declared:
            yield definition.node.problem(f"JsonGet reads the undeclared {show(name)}")


def _json_gets(definition: Definition) -> set[str]:
    return {
        path
        for path in definition.references(_json_get_parts(definition.content))
        if ".PropertyFiles." in path
    }


def _json_get_parts(content: object) -> list[object]:
    found, waiting = [], [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            inner = value.get("Std:JsonGet")
            if isinstance(inner, dict):
                found.append(inner.get("PropertyFile"))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@rule(
    "PL11",
    PIPELINE,
    fix="Give each step a Name, a Type and, unless it is a property of the Type, Arguments",
    source=_DEFINITION_SCHEMA,
)
def steps_are_complete(pipeline: Resource) -> Problems:
    """Steps of a definition have a name and a type."""
    definition = definition_of(pipeline)
    if definition is None or definition.error:
        return
    for step in definition.steps:
        for member in ("Name", "Type"):
            if not isinstance(step.get(member), str):
                yield definition.node.problem(f"A step has no {member}: {show(step, 60)}")
