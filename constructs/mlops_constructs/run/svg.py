"""A graph as an SVG picture that needs nothing else: no script, no font, no style sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from mlops_constructs.run.graph import Edge, Graph, Node
from mlops_constructs.run.layout import Layout, Place, lay_out

_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_MARGIN, _TITLE, _GAP, _RISE = 24.0, 44.0, 28.0, 52.0
_LEAST_WIDTH, _PADDING = 150.0, 16.0
_NAME_HEIGHT, _LINE_HEIGHT = 22.0, 16.0
# The mean width of a letter at 14, 12 and 15 px, on the safe side of common fonts.
_NAME_LETTER, _LINE_LETTER, _TITLE_LETTER = 8.6, 6.9, 9.4

#: State → border, ground, text.
COLOURS: Final[Mapping[str, tuple[str, str, str]]] = {
    "waiting": ("#8c959f", "#ffffff", "#57606a"),
    "running": ("#0969da", "#ddf4ff", "#0a3069"),
    "succeeded": ("#1a7f37", "#dafbe1", "#0b3d1a"),
    "cached": ("#1a7f37", "#f3fff6", "#0b3d1a"),
    "reused": ("#1a7f37", "#f3fff6", "#0b3d1a"),
    "failed": ("#cf222e", "#ffebe9", "#82071e"),
    "stopped": ("#9a6700", "#fff8c5", "#4d2d00"),
    "skipped": ("#afb8c1", "#f6f8fa", "#6e7781"),
}
_DASHED = frozenset({"waiting", "skipped", "cached", "reused"})


def as_svg(graph: Graph) -> str:
    """Draw a graph from top to bottom."""
    widths = {name: _width(node) for name, node in graph.nodes.items()}
    layout = lay_out(graph, widths=widths, gap=_GAP)
    tops, bottom = _rows(graph, layout)
    width = max(layout.width, len(graph.title) * _TITLE_LETTER) + 2 * _MARGIN
    shift = (width - layout.width) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{bottom:.0f}" '
        f'viewBox="0 0 {width:.0f} {bottom:.0f}" font-family={quoteattr(_FONT)} role="img" '
        f"aria-label={quoteattr(graph.title)}>",
        f"<title>{escape(graph.title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#6e7781"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_MARGIN:.0f}" y="{_MARGIN + 8:.0f}" font-size="15" font-weight="600" '
        f'fill="#1f2328">{escape(graph.title)}</text>',
    ]
    for edge, path in zip(graph.edges, layout.paths, strict=True):
        parts.append(_edge(edge, path, graph, layout, tops=tops, shift=shift))
    for row, layer in enumerate(layout.layers):
        for place in layer:
            if isinstance(place, str):
                node = graph.nodes[place]
                parts.append(_node(node, layout.x[place] + shift, tops[row], widths[place]))
    return "\n".join([*parts, "</svg>", ""])


def _rows(graph: Graph, layout: Layout) -> tuple[list[float], float]:
    """The upper end of each layer, and the height of the picture."""
    tops, at = [], _MARGIN + _TITLE - _MARGIN / 2
    for layer in layout.layers:
        tops.append(at)
        at += max(_height(graph.nodes[each]) for each in layer if isinstance(each, str)) + _RISE
    return tops, at - _RISE + _MARGIN if tops else at


def _height(node: Node) -> float:
    return _PADDING + _NAME_HEIGHT + _LINE_HEIGHT * len(node.lines)


def _width(node: Node) -> float:
    text = max(len(node.name) * _NAME_LETTER, *(len(each) * _LINE_LETTER for each in node.lines))
    corners = 20.0 if node.type == "Condition" else 0.0
    return max(_LEAST_WIDTH, text + 2 * _PADDING + corners)


def _node(node: Node, middle: float, top: float, width: float) -> str:
    border, ground, text = COLOURS[node.state]
    height, left = _height(node), middle - width / 2
    dash = ' stroke-dasharray="5 3"' if node.state in _DASHED else ""
    look = f'fill="{ground}" stroke="{border}" stroke-width="1.5"{dash}'
    if node.type == "Condition":
        right, side, half = left + width, 14.0, top + height / 2
        points = (
            f"{left:.1f},{half:.1f} {left + side:.1f},{top:.1f} {right - side:.1f},{top:.1f} "
            f"{right:.1f},{half:.1f} {right - side:.1f},{top + height:.1f} "
            f"{left + side:.1f},{top + height:.1f}"
        )
        shape = f'<polygon points="{points}" {look}/>'
    else:
        shape = (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="8" {look}/>'
        )
    at = top + _PADDING / 2 + 16
    name = (
        f'<text x="{middle:.1f}" y="{at:.1f}" font-size="14" font-weight="600" '
        f'text-anchor="middle" fill="{text}">{escape(node.name)}</text>'
    )
    lines = "".join(
        f'<text x="{middle:.1f}" y="{at + 3 + _LINE_HEIGHT * number:.1f}" font-size="12" '
        f'text-anchor="middle" fill="{text}">{escape(line)}</text>'
        for number, line in enumerate(node.lines, start=1)
    )
    return f"<g>{shape}{name}{lines}</g>"


def _edge(
    edge: Edge,
    path: tuple[Place, ...],
    graph: Graph,
    layout: Layout,
    *,
    tops: list[float],
    shift: float,
) -> str:
    row = {place: number for number, layer in enumerate(layout.layers) for place in layer}
    x, y = layout.x[path[0]] + shift, tops[row[path[0]]] + _height(graph.nodes[edge.start])
    drawn = [f"M{x:.1f} {y:.1f}"]
    for place in path[1:]:
        to, end = layout.x[place] + shift, tops[row[place]]
        start = tops[row[place]] - _RISE
        # Straight through the layer, then a curve in the room between two layers.
        drawn.append(f"L{x:.1f} {max(y, start):.1f}")
        bend = _RISE / 2
        drawn.append(f"C{x:.1f} {start + bend:.1f} {to:.1f} {end - bend:.1f} {to:.1f} {end:.1f}")
        x, y = to, end
    skipped = graph.nodes[edge.end].state == "skipped"
    dash = ' stroke-dasharray="4 4"' if skipped else ""
    line = (
        f'<path d="{" ".join(drawn)}" fill="none" stroke="#6e7781" stroke-width="1.3"{dash} '
        'marker-end="url(#tip)"/>'
    )
    if not edge.label:
        return line
    first = layout.x[path[1]] + shift
    start_x = layout.x[path[0]] + shift
    middle_x, middle_y = (start_x + first) / 2, tops[row[path[1]]] - _RISE / 2
    return (
        f'{line}<text x="{middle_x:.1f}" y="{middle_y + 4:.1f}" font-size="11" '
        'text-anchor="middle" fill="#57606a" stroke="#ffffff" stroke-width="4" '
        f'paint-order="stroke">{escape(edge.label)}</text>'
    )
