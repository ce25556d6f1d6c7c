"""Where each step is drawn: layers from left to right, the same numbers for every picture.

`layers` says who is above whom in each layer; here each layer is placed as near to its neighbours as the
distances between its members allow, which is exact and linear (pool adjacent violators).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from jo_notebook.views.layers import Layers, ordered
from jo_notebook.views.look import FONT_SIZE

NODE_HEIGHT = 36.0
NODE_GAP = 24.0
LAYER_GAP = 56.0
WAYPOINT_HEIGHT = 8.0
MIN_WIDTH = 92.0
NARROW, WIDE = frozenset("fijlrtI.,:;'|!()[]"), frozenset("mwMWGOQ@%&")

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Centres and widths of nodes, and for each edge (source, target) the points it bends at."""

    positions: Mapping[str, Point] = field(default_factory=dict)
    widths: Mapping[str, float] = field(default_factory=dict)
    routes: Mapping[tuple[str, str], tuple[Point, ...]] = field(default_factory=dict)
    height: float = NODE_HEIGHT


def layout(nodes: Sequence[str], parents: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> Layout:
    """Places the nodes; parents that are not among the nodes are left out.

    Two calls with the same arguments give the same numbers.
    """
    index = {name: i for i, name in enumerate(nodes)}
    above = [sorted({index[p] for p in parents.get(n, ()) if p in index and p != n}) for n in nodes]
    drawing = Layers(above)
    drawing.add_trunks()
    layers = ordered(drawing)
    y = _heights(drawing, layers)
    widths = [node_width(labels.get(name, name)) for name in nodes]
    columns = _columns(drawing.layer[: len(nodes)], widths)
    ways = [(columns[drawing.layer[w]], y[w]) for w in range(len(nodes), len(y))]
    return Layout(
        positions={name: (sum(columns[drawing.layer[i]]) / 2, y[i]) for name, i in index.items()},
        widths=dict(zip(nodes, widths, strict=True)),
        routes={
            (nodes[a], nodes[b]): _bends([ways[w - len(nodes)] for w in drawing.route(a, b)])
            for b in range(len(nodes))
            for a in above[b]
        },
    )


def node_width(label: str) -> float:
    """The width of a node with this label, without a browser to measure it."""
    ems = sum(_em(c) for c in label)
    return max(MIN_WIDTH, 2.0 * round((ems * FONT_SIZE + 52) / 2))


def _em(c: str) -> float:
    if c in NARROW:
        return 0.38
    if c in WIDE:
        return 0.9
    if unicodedata.east_asian_width(c) in "WF":
        return 1.05
    return 0.72 if c.isupper() else 0.62


def _heights(drawing: Layers, layers: list[list[int]]) -> list[float]:
    """The vertical centre of every member, from 0 for the topmost."""
    y = [0.0] * len(drawing.layer)
    for row in layers:
        _place(drawing, row, [0.0] * len(row), y)
    for _ in range(4 if len(y) < 20_000 else 1):
        _follow(drawing, layers, drawing.before, y)
        _follow(drawing, layers[::-1], drawing.after, y)
    _follow(drawing, layers, drawing.before, y)
    _follow(drawing, layers[:1], drawing.after, y)
    top = min(y, default=0.0)
    return [round(value - top, 1) for value in y]


def _weight(drawing: Layers, i: int) -> float:
    """How much a member resists leaving its place: a trunk gives way to nodes."""
    return 1.0 if i < drawing.nodes else 0.001


def _room(drawing: Layers, i: int) -> float:
    """Half of the space a member takes from top to bottom."""
    return (NODE_HEIGHT if i < drawing.nodes else WAYPOINT_HEIGHT) / 2 + NODE_GAP / 2


def _follow(drawing: Layers, layers: list[list[int]], near: list[list[int]], y: list[float]) -> None:
    for row in layers:
        _place(drawing, row, [_wanted(drawing, i, near[i], y) for i in row], y)


def _wanted(drawing: Layers, i: int, near: list[int], y: list[float]) -> float:
    """The middle of a node's neighbours; a waypoint looks along its trunk first, so that it runs straight."""
    if i >= drawing.nodes:
        along = [n for n in (*near, *drawing.before[i], *drawing.after[i]) if n >= drawing.nodes]
        return y[along[0]] if along else y[near[0]]
    solid = [y[n] for n in near if n < drawing.nodes] or [y[n] for n in near]
    return median(solid) if solid else y[i]


def _place(drawing: Layers, row: list[int], wanted: list[float], y: list[float]) -> None:
    """Puts a layer as near to `wanted` as order and distances allow (least squares, exact)."""
    offset, offsets = 0.0, [0.0]
    for one, other in pairwise(row):
        offset += _room(drawing, one) + _room(drawing, other)
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for i, goal, shift in zip(row, wanted, offsets, strict=True):
        mean, weight, members = goal - shift, _weight(drawing, i), 1
        while blocks and blocks[-1][0] >= mean:
            earlier, heavy, more = blocks.pop()
            mean = (mean * weight + earlier * heavy) / (weight + heavy)
            weight, members = weight + heavy, members + more
        blocks.append((mean, weight, members))
    means = [mean for mean, _, members in blocks for _ in range(members)]
    for i, mean, shift in zip(row, means, offsets, strict=True):
        y[i] = mean + shift


def _columns(layer: list[int], widths: list[float]) -> list[Point]:
    """The left and the right side of each layer, as wide as the widest node in it."""
    widest = [MIN_WIDTH] * (max(layer, default=-1) + 1)
    for k, width in zip(layer, widths, strict=True):
        widest[k] = max(widest[k], width)
    sides, left = [], 0.0
    for width in widest:
        sides.append((left, left + width))
        left += width + LAYER_GAP
    return sides


def _bends(ways: Sequence[tuple[Point, float]]) -> tuple[Point, ...]:
    """Where an edge bends: it passes each column flat, and a flat stretch needs its two ends only."""
    bends: list[Point] = []
    for (left, right), y in ways:
        if len(bends) > 1 and bends[-1][1] == bends[-2][1] == y:
            bends[-1] = (right, y)
        else:
            bends += [(left, y), (right, y)]
    return tuple(bends)
