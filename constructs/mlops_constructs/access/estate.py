"""Templates that are deployed together, with a text for everything that only AWS will know.

IAM compares texts; a template has references in their place. Each reference gets a stand-in: a
text that is the same wherever the same thing is meant, across stacks too, and has the form that
AWS gives it (an ARN is one of six parts). So two policies about one bucket agree about it, and
wildcards and variables work as they will.

Stacks that import from one another are one estate: in a cdk.out with three environments each is
judged by itself. Where conditions decide, the parameters have their defaults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mlops_constructs.impact.inputs import stack_name
from mlops_constructs.impact.values import ABSENT, Attribute, Call, Import, Text, plain
from mlops_constructs.impact.views import View, nested_stacks, views
from mlops_constructs.rules.engine.errors import MAX_DEPTH
from mlops_constructs.rules.engine.loading import read_template
from mlops_constructs.rules.engine.sources import Source, find_sources

#: Stands for an account and a region that the templates leave open.
ACCOUNT: Final = "111122223333"
REGION: Final = "us-east-1"

_NESTED: Final = ".nested.template.json"
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9]+")
_SERVICE: Final = re.compile(
    r"(?:cn\.)?(?:com\.amazonaws|aws\.sagemaker)\.([a-z]{2,3}(?:-[a-z]+)+-\d)\."
)
_HASH: Final = re.compile(r"[0-9A-F]{8}$")
_ARN_SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "AWS::IAM::ManagedPolicy": ("iam", "policy/"),
    "AWS::IAM::Role": ("iam", "role/"),
    "AWS::KMS::Key": ("kms", "key/"),
    "AWS::Lambda::Function": ("lambda", "function:"),
    "AWS::S3::Bucket": ("s3", ""),
    "AWS::SNS::Topic": ("sns", ""),
}
#: Types whose Ref is an ARN.
_REF_IS_ARN: Final = frozenset(
    {
        "AWS::IAM::ManagedPolicy",
        "AWS::SageMaker::ModelPackageGroup",
        "AWS::SNS::Topic",
    }
)
#: The property that names a resource, where Ref and the ARN hold the name.
_NAMES: Final[Mapping[str, str]] = {
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SageMaker::FeatureGroup": "FeatureGroupName",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupName",
    "AWS::SageMaker::Pipeline": "PipelineName",
}


@dataclass(frozen=True)
class Item:
    """A resource with a text for every value.

    Attributes:
        stack: The stack that it is in.
        logical_id: Its logical id.
        type: Its type.
        properties: Its properties: objects, lists and text.
        path: The path of its construct, where the cloud assembly tells it.
    """

    stack: str
    logical_id: str
    type: str
    properties: Mapping[str, Any]
    path: str = ""

    @property
    def label(self) -> str:
        """What reports call it: the construct's path, or the logical id without the hash."""
        if self.path:
            parts = self.path.strip("/").split("/")
            parts = parts[1:] if len(parts) > 1 else parts
            return "/".join(parts[:-1] if parts[-1] == "Resource" else parts)
        return _HASH.sub("", self.logical_id)


@dataclass(frozen=True)
class Stack:
    """A template and what the cloud assembly says about it; an empty region is not known."""

    name: str
    document: Mapping[str, Any]
    region: str = REGION
    account: str = ACCOUNT
    nested: bool = False
    paths: Mapping[str, str] = field(default_factory=dict)


class Estate:
    """Stacks that are deployed together.

    Args:
        stacks: The stacks.
        resolved: The views of the stacks, where they were made before.
    """

    def __init__(
        self, stacks: Mapping[str, Stack], resolved: Mapping[str, View] | None = None
    ) -> None:
        self.stacks = stacks
        self._views = _views(stacks) if resolved is None else resolved
        self._imports: dict[str, tuple[str, Any]] = {
            key: (name, value)
            for name, view in self._views.items()
            for key, value in (*view.exports.items(), *view.links.items())
        }
        self.items: list[Item] = [
            Item(
                name,
                logical_id,
                resource.type,
                self._concrete(resource.properties, name, 0),
                stacks[name].paths.get(logical_id, ""),
            )
            for name, view in self._views.items()
            for logical_id, resource in view.resources.items()
        ]

    @property
    def name(self) -> str:
        """What the names of the stacks have in common: ``dev`` for Data-dev and Network-dev."""
        roots = [name for name, stack in self.stacks.items() if not stack.nested]
        ends = {name.rpartition("-")[2] for name in roots}
        return ends.pop() if len(ends) == 1 and len(roots) > 1 else ", ".join(sorted(roots))

    @property
    def region(self) -> str:
        """The region of the stacks."""
        return next(iter(self.stacks.values())).region

    @property
    def partition(self) -> str:
        """The partition of the stacks."""
        return _partition(self.region)

    @property
    def account(self) -> str:
        """The account of the stacks."""
        return next(iter(self.stacks.values())).account

    def of_type(self, *types: str) -> Iterator[Item]:
        """The resources of these types, in the order of the templates."""
        return (item for item in self.items if item.type in types)

    def ref(self, item: Item) -> str:
        """What Ref of a resource stands for."""
        return self._reference(item.stack, Attribute(item.logical_id), 0)

    def arn(self, item: Item) -> str:
        """What the ``Arn`` of a resource stands for."""
        return self._reference(item.stack, Attribute(item.logical_id, "Arn"), 0)

    # --- stand-ins ------------------------------------------------------------------------------

    def _concrete(self, value: Any, stack: str, depth: int) -> Any:
        if depth > MAX_DEPTH or value is ABSENT:
            return ""
        if isinstance(value, dict):
            return {key: self._concrete(v, stack, depth + 1) for key, v in value.items()}
        if isinstance(value, list):
            return [self._concrete(item, stack, depth + 1) for item in value]
        if isinstance(value, Text):
            return "".join(str(self._concrete(part, stack, depth + 1)) for part in value.parts)
        if isinstance(value, Attribute):
            return self._reference(stack, value, depth)
        if isinstance(value, Import):
            home, found = self._imports.get(value.export, (stack, None))
            known = found is not None
            return self._concrete(found, home, depth + 1) if known else f"import.{value.export}"
        return self._call(value) if isinstance(value, Call) else value

    @staticmethod
    def _call(value: Call) -> str:
        # It may stand inside of a JSON text, such as the definition of a pipeline.
        operand = _UNFIT.sub(".", json.dumps(plain(value.operand), sort_keys=True)).strip(".")
        return f"{value.function}.{operand}"

    def _reference(self, stack: str, reference: Attribute, depth: int) -> str:
        here = self.stacks[stack]
        pseudo = {
            "AWS::AccountId": here.account,
            "AWS::Partition": _partition(here.region),
            "AWS::Region": here.region,
            "AWS::URLSuffix": "amazonaws.com" + (".cn" if here.region.startswith("cn-") else ""),
        }
        if reference.name is None and reference.target in pseudo:
            return pseudo[reference.target]
        resource = self._views[stack].resources.get(reference.target)
        if resource is None:
            return f"{stack}.{reference}"
        given = resource.properties.get(_NAMES.get(resource.type, ""))
        name = f"{stack}.{reference.target}"
        if given is not None and given is not ABSENT:
            name = str(self._concrete(given, stack, depth + 1))
        is_arn = reference.name == "Arn" or (reference.name or "").endswith("Arn")
        if is_arn or (reference.name is None and resource.type in _REF_IS_ARN):
            return self._arn(here, resource.type, name)
        return f"{name}.{reference.name}" if reference.name else name

    def _arn(self, stack: Stack, resource_type: str, name: str) -> str:
        service, kind = _ARN_SERVICES.get(resource_type, ("", ""))
        if not service:
            _, service, noun = [*resource_type.lower().split("::"), "", ""][:3]
            kind = f"{noun}/"
            if service == "sagemaker":
                kind = f"{_CAPITAL.sub('-', resource_type.rpartition('::')[2]).lower()}/"
        region = "" if service in ("iam", "s3") else stack.region
        account = "" if service == "s3" else stack.account
        return f"arn:{_partition(stack.region)}:{service}:{region}:{account}:{kind}{name}"


def read_estates(*arguments: str, region: str | None = None) -> list[Estate]:
    """The estates in files, globs and cloud assemblies, sorted by name.

    Args:
        arguments: What a command was given.
        region: The region of templates that do not say it.

    Raises:
        TemplateError: Something cannot be read.
    """
    found: dict[str, Stack] = {}
    sources: dict[Source, None] = {}
    for argument in arguments:
        sources.update(dict.fromkeys(find_sources(argument, region)))
    for source in sources:
        name = stack_name(source.path)
        name = str(source.path) if name in found else name
        account, paths = _assembly_facts(source.path)
        document = read_template(source.path)[0]
        found[name] = Stack(
            name,
            document,
            region=source.region or _region_of_endpoints(document),
            account=account or ACCOUNT,
            nested=source.path.name.endswith(_NESTED),
            paths=paths,
        )
    return estates(found)


def estates(stacks: Mapping[str, Stack]) -> list[Estate]:
    """Put together what imports from one another."""
    groups: list[set[str]] = [{name} for name in stacks]
    resolved = _views(stacks)
    given = {key: name for name, view in resolved.items() for key in (*view.exports, *view.links)}
    links = [
        (name, given[key])
        for name, stack in stacks.items()
        for key in _imported(stack)
        if key in given
    ]
    links += [
        (name, inner)
        for name, stack in stacks.items()
        for inner in nested_stacks(stack.document).values()
        if inner in stacks
    ]
    for one, other in links:
        first = next(group for group in groups if one in group)
        second = next(group for group in groups if other in group)
        if first is not second:
            first |= second
            groups.remove(second)
    made = [
        Estate(
            _in_one_region({name: stacks[name] for name in stacks if name in group}),
            {name: resolved[name] for name in stacks if name in group},
        )
        for group in groups
    ]
    return sorted(made, key=lambda estate: estate.name)


def _in_one_region(stacks: Mapping[str, Stack]) -> dict[str, Stack]:
    """The stacks, those that do not say their region in the one that others of them name."""
    named = {stack.region for stack in stacks.values() if stack.region}
    region = named.pop() if len(named) == 1 else REGION
    return {
        name: stack if stack.region else replace(stack, region=region)
        for name, stack in stacks.items()
    }


def _region_of_endpoints(document: Mapping[str, Any]) -> str:
    """The region that the names of endpoint services spell out; empty if none or several do."""
    names = (
        section(resource, "Properties").get("ServiceName")
        for resource in section(document, "Resources").values()
        if isinstance(resource, dict) and resource.get("Type") == "AWS::EC2::VPCEndpoint"
    )
    found = {
        match[1] for name in names if isinstance(name, str) and (match := _SERVICE.match(name))
    }
    return found.pop() if len(found) == 1 else ""


def section(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an object; empty where something else stands, or nothing."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _views(stacks: Mapping[str, Stack]) -> dict[str, View]:
    nested = frozenset(name for name, stack in stacks.items() if stack.nested)
    return {
        name: next(iter(views(stack.document, stack.document, name, nested)))[1]
        for name, stack in stacks.items()
    }


def _imported(stack: Stack) -> Iterator[str]:
    waiting: list[Any] = [stack.document.get("Resources"), stack.document.get("Outputs")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            export = value.get("Fn::ImportValue")
            if isinstance(export, str):
                yield export
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _assembly_facts(path: Path) -> tuple[str | None, dict[str, str]]:
    """The account of a stack of a cloud assembly, and the construct paths of its resources."""
    for artifact in _members(path.with_name("manifest.json"), "artifacts").values():
        properties = artifact.get("properties", {}) if isinstance(artifact, dict) else {}
        if properties.get("templateFile") != path.name:
            continue
        environment = str(artifact.get("environment", ""))
        account = environment.removeprefix("aws://").partition("/")[0]
        metadata = artifact.get("metadata") or {}
        extra = artifact.get("additionalMetadataFile")
        if isinstance(extra, str):
            metadata = metadata | _members(path.with_name(extra))
        paths = {
            str(entry.get("data")): construct_path
            for construct_path, entries in metadata.items()
            for entry in entries
            if entry.get("type") == "aws:cdk:logicalId"
        }
        return account if account.isdecimal() else None, paths
    return None, {}


def _members(path: Path, member: str | None = None) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        found = found[member] if member else found
    except (OSError, ValueError, KeyError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
