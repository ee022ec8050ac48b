"""Where the nodes of a graph stand: in layers, with few crossings, edges as straight as can be.

The method is Sugiyama's: layers by the longest path, long edges cut into pieces by points in every
layer between, layers ordered by the mean position of the neighbours, then places that are as near
to the neighbours as the distances allow (isotonic regression, solved by pooling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlops_constructs.run.graph import Graph

_SWEEPS = 24

#: A node's name, or the number of the edge and the layer of one of its points.
Place = str | tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The places of a graph.

    Attributes:
        layers: What stands in each layer, from left to right.
        x: The middle of each node and point.
        paths: Per edge, its nodes and points from start to end.
        width: From the left end of the leftmost to the right end of the rightmost.
    """

    layers: tuple[tuple[Place, ...], ...]
    x: Mapping[Place, float]
    paths: tuple[tuple[Place, ...], ...]
    width: float


def lay_out(graph: Graph, *, widths: Mapping[str, float], gap: float) -> Layout:
    """Place the nodes of a graph.

    Args:
        graph: The graph; its nodes are in topological order.
        widths: The width of each node.
        gap: Between two neighbours in a layer.
    """
    level = _levels(graph)
    layers: list[list[Place]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in graph.nodes:
        layers[level[name]].append(name)
    paths: list[tuple[Place, ...]] = []
    for number, edge in enumerate(graph.edges):
        points = [(number, at) for at in range(level[edge.start] + 1, level[edge.end])]
        for point in points:
            layers[point[1]].append(point)
        paths.append((edge.start, *points, edge.end))
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for path in paths:
        for upper, lower in pairwise(path):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    _order(layers, above, below)
    x = _places(layers, above, below, widths=widths, gap=gap)
    left = min((x[place] - _half(place, widths) for place in x), default=0.0)
    right = max((x[place] + _half(place, widths) for place in x), default=0.0)
    return Layout(
        layers=tuple(tuple(layer) for layer in layers),
        x={place: at - left for place, at in x.items()},
        paths=tuple(paths),
        width=right - left,
    )


def _levels(graph: Graph) -> dict[str, int]:
    level = dict.fromkeys(graph.nodes, 0)
    into: dict[str, list[str]] = {}
    for edge in graph.edges:
        into.setdefault(edge.end, []).append(edge.start)
    for name in graph.nodes:
        level[name] = max((level[start] + 1 for start in into.get(name, ())), default=0)
    return level


def _order(
    layers: list[list[Place]],
    above: Mapping[Place, Sequence[Place]],
    below: Mapping[Place, Sequence[Place]],
) -> None:
    """Sort each layer by the mean position of its neighbours, downwards and upwards in turn."""
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        rows = range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1)
        for row in rows:
            other = layers[row - 1 if downwards else row + 1]
            position = {place: float(at) for at, place in enumerate(other)}
            own = {place: float(at) for at, place in enumerate(layers[row])}
            layers[row].sort(
                key=lambda place, position=position, own=own: _mean(  # type: ignore[misc]  # mypy knows no lambda with defaults as a key
                    [position[each] for each in neighbours.get(place, ())], own[place]
                )
            )


def _places(
    layers: Sequence[Sequence[Place]],
    above: Mapping[Place, Sequence[Place]],
    below: Mapping[Place, Sequence[Place]],
    *,
    widths: Mapping[str, float],
    gap: float,
) -> dict[Place, float]:
    x: dict[Place, float] = {}
    for layer in layers:
        at = 0.0
        for place in layer:
            half = _half(place, widths)
            x[place] = at + half
            at += 2 * half + gap
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [
                _mean([x[n] for n in (*above.get(place, ()), *below.get(place, ()))], x[place])
                for place in layer
            ]
            apart = [_half(one, widths) + gap + _half(two, widths) for one, two in pairwise(layer)]
            x.update(zip(layer, _apart(wanted, apart), strict=True))
    return x


def _apart(wanted: Sequence[float], apart: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones (least squares) with these distances at least."""
    offset = [0.0]
    for distance in apart:
        offset.append(offset[-1] + distance)
    # Without the offsets the places only have to rise: pool neighbours that do not.
    pools: list[tuple[float, int]] = []
    for want, shift in zip(wanted, offset, strict=True):
        total, count = want - shift, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            earlier, more = pools.pop()
            total, count = total + earlier, count + more
        pools.append((total, count))
    flat = [total / count for total, count in pools for _ in range(count)]
    return [place + shift for place, shift in zip(flat, offset, strict=True)]


def _half(place: Place, widths: Mapping[str, float]) -> float:
    return widths[place] / 2 if isinstance(place, str) else 0.0


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
