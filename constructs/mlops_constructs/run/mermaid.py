"""A graph in Mermaid's language, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

from mlops_constructs.run.graph import Graph, Node
from mlops_constructs.run.svg import COLOURS


def as_mermaid(graph: Graph) -> str:
    """Write a graph as a flow chart."""
    ids = {name: f"s{number}" for number, name in enumerate(graph.nodes)}
    lines = ["---", f"title: {_title(graph.title)}", "---", "flowchart TD"]
    lines += [f"  {ids[name]}{_shape(node)}:::{node.state}" for name, node in graph.nodes.items()]
    for edge in graph.edges:
        label = f"|{edge.label}|" if edge.label else ""
        lines.append(f"  {ids[edge.start]} -->{label} {ids[edge.end]}")
    used = {node.state for node in graph.nodes.values()}
    lines += [
        f"  classDef {state} stroke:{border},fill:{ground},color:{text}"
        for state, (border, ground, text) in COLOURS.items()
        if state in used
    ]
    return "\n".join([*lines, ""])


def _shape(node: Node) -> str:
    text = "<br/>".join(_escaped(each) for each in (node.name, *node.lines))
    return f'{{{{"{text}"}}}}' if node.type == "Condition" else f'("{text}")'


def _escaped(text: str) -> str:
    """Mermaid takes HTML's entities with a hash sign for the ampersand."""
    for letter, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(letter, entity)
    return text


def _title(text: str) -> str:
    """A YAML string."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'"
