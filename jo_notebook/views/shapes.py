"""Outlines of nodes and lines of edges, as numbers any drawing can use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from jo_notebook.views.layout import Point
from jo_notebook.views.state import EdgeState, NodeState

CUT = {"cut-rectangle": 8.0, "octagon": 12.0}
TIP = 14.0


def corners(shape: str, width: float, height: float) -> list[Point]:
    """The corners of a shape around (0, 0); a shape with round corners gives those of its box."""
    w, h, tip = width / 2, height / 2, min(TIP, height * 0.4)
    if shape in CUT:
        c = min(CUT[shape], height / 3)
        right = [(w - c, -h), (w, c - h), (w, h - c), (w - c, h)]
        return [*right, *((-x, -y) for x, y in right)]
    if shape == "hexagon":
        return [(tip - w, -h), (w - tip, -h), (w, 0.0), (w - tip, h), (tip - w, h), (-w, 0.0)]
    if shape == "tag":
        return [(-w, -h), (w - tip, -h), (w, 0.0), (w - tip, h), (-w, h)]
    return [(-w, -h), (w, -h), (w, h), (-w, h)]


def relative(points: Iterable[Point], width: float, height: float) -> list[float]:
    """Corners as the numbers from -1 to 1 that cytoscape wants, x and y in turn."""
    return [round(n, 4) for x, y in points for n in (2 * x / width, 2 * y / height)]


def anchors(edge: EdgeState, source: NodeState, target: NodeState) -> list[Point]:
    """Where an edge starts, what it passes and where it ends: right side to left side."""
    start, end = (source.x + source.width / 2, source.y), (target.x - target.width / 2, target.y)
    return [start, *edge.points, end]


def controls(points: Sequence[Point], pull: float = 0.5) -> list[tuple[Point, Point]]:
    """For each piece of an edge, two control points that make it an S lying flat at both ends.

    `pull` says how far along they are, as a part of the piece's length.
    """
    return [((a[0] + pull * (b[0] - a[0]), a[1]), (b[0] - pull * (b[0] - a[0]), b[1])) for a, b in pairwise(points)]
