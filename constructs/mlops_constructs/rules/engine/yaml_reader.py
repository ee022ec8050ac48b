"""Reads YAML templates, CloudFormation's short forms included, in bounded time and memory.

The reader consumes parser events instead of calling `yaml.load`: it needs the lines, must not
recurse, must not build objects, and has to stop at a bomb before it goes off. An alias is the
very object that its anchor made; `expanded` counts what a reader who copies would get.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from mlops_constructs.rules.engine.errors import MAX_DEPTH, MAX_NODES, TemplateError
from mlops_constructs.rules.engine.lines import LinedDict, LinedList

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}")
# YAML 1.1, which CloudFormation reads. Timestamps and octal numbers stay text: account ids and
# policy versions would suffer.
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "content", "key", "key_line", "size", "tag")

    def __init__(self, content: LinedDict | LinedList, tag: str | None, anchor: str | None) -> None:
        self.content = content
        self.tag = tag
        self.anchor = anchor
        self.key: str | None = None
        self.key_line = 0
        self.size = 1

    def add(self, value: Any, line: int, size: int) -> None:
        self.size += size
        if self.size > MAX_NODES:
            raise TemplateError(f"its aliases expand to more than {MAX_NODES:,} values", line=line)
        if isinstance(self.content, LinedList):
            self.content.append(value)
            self.content.lines.append(line)
        elif self.key is None:
            if not isinstance(value, str | int | float | bool):
                raise TemplateError("a key of a mapping must be a plain value", line=line)
            self.key, self.key_line = str(value), line
        else:
            self._set(self.content, value)
            self.key = None

    def _set(self, content: LinedDict, value: Any) -> None:
        key = self.key or ""
        if key == "<<" and isinstance(value, dict):
            for inherited, member in value.items():
                content.setdefault(inherited, member)
                content.lines.setdefault(inherited, self.key_line)
            return
        content[key] = value
        content.lines[key] = self.key_line


def read_yaml(text: str) -> Any:
    """The first document of `text` as mappings with lines, short forms written out.

    Raises:
        TemplateError: the text is not YAML, has no end to its aliases, or is nested too deeply.
    """
    loader = _LOADER(text)
    try:
        return _build(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise TemplateError(
            f"not valid YAML: {error.problem or error.context}", line=line
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise TemplateError(f"not valid YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _build(loader: Any) -> Any:
    root = LinedList()
    stack = [_Frame(root, None, None)]
    anchors: dict[str, tuple[Any, int]] = {}
    while not root or len(stack) > 1:
        event = loader.get_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            # A key keeps its text: `Yes:` and `2012:` are names.
            is_key = isinstance(stack[-1].content, dict) and stack[-1].key is None
            plain = event.implicit[0] and not is_key
            value = _short_form(event.tag, _scalar(event.value) if plain else event.value)
            stack[-1].add(value, line, 1)
            if event.anchor:
                anchors[event.anchor] = (value, 1)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(stack) > MAX_DEPTH:
                raise TemplateError(f"nested deeper than {MAX_DEPTH} levels", line=line)
            content = LinedDict() if isinstance(event, yaml.MappingStartEvent) else LinedList()
            frame = _Frame(content, event.tag, event.anchor)
            stack.append(frame)
            if event.anchor:
                anchors.pop(event.anchor, None)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            frame = stack.pop()
            value = _short_form(frame.tag, frame.content)
            stack[-1].add(value, line, frame.size)
            if frame.anchor:
                anchors[frame.anchor] = (value, frame.size)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise TemplateError(f"alias *{event.anchor} has no finished anchor", line=line)
            value, size = anchors[event.anchor]
            stack[-1].add(value, line, size)
        elif isinstance(event, yaml.StreamEndEvent):
            return None
    return root[0]


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _short_form(tag: str | None, value: Any) -> Any:
    """`!Ref x` and its kind written out as {"Ref": "x"}."""
    if tag is None or not tag.startswith("!") or tag == "!":
        return value
    name = tag[1:]
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    full = LinedDict()
    full[name if name in ("Ref", "Condition") else f"Fn::{name}"] = value
    return full
