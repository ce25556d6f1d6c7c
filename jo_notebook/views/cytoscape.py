"""A graph in cytoscape's terms: elements once, and one style sheet for all states.

States live in the style sheet, so that a change of state is one message whatever the number of nodes.
Selectors name nodes by number, never by a step's name, so that no name can break one. A label or an
outline a node may need later is in its data from the beginning.
"""

from __future__ import annotations

from math import hypot
from typing import Any

from jo_notebook.views.layout import NODE_HEIGHT, Point
from jo_notebook.views.look import DONE, EDGE, FONT, FONT_SIZE, LOOKS, RING, Look
from jo_notebook.views.shapes import CUT, anchors, controls, corners, relative
from jo_notebook.views.state import EdgeState, GraphState, NodeState

POLYGONS = (*CUT, "hexagon", "tag")
DOTS = "#d7dde2"
PULL = 0.36  # cytoscape's curves are quadratic, hence rounder
Rule = dict[str, Any]


def node_data(node: NodeState, number: int) -> dict[str, Any]:
    """What cytoscape holds of a node: its id is the step's name."""
    labels = {look.word: f"{look.glyph} {node.label}" for look in LOOKS.values()}
    outlines = {
        _field(shape): relative(corners(shape, node.width, NODE_HEIGHT), node.width, NODE_HEIGHT) for shape in POLYGONS
    }
    return {"id": node.id, "n": number, "width": node.width, **labels, **outlines}


def edge_data(edge: EdgeState, state: GraphState) -> dict[str, Any]:
    """What cytoscape holds of an edge, its bends as weights along and distances from the straight line."""
    source, target = state.by_id[edge.source], state.by_id[edge.target]
    bends = [point for pair in controls(anchors(edge, source, target), PULL) for point in pair]
    places = [_along((source.x, source.y), (target.x, target.y), bend) for bend in bends]
    return {
        "id": edge.id,
        "source": edge.source,
        "target": edge.target,
        "weights": [round(weight, 4) for weight, _ in places],
        "distances": [round(distance, 2) for _, distance in places],
    }


def style_sheet(state: GraphState) -> list[Rule]:
    """The rules for every node and edge in this state."""
    numbers: dict[str, list[int]] = {}
    for i, node in enumerate(state.nodes):
        for mark in (node.state, f"action {node.action}", "head" if node.is_head else ""):
            numbers.setdefault(mark, []).append(i)
    rules = [_edge_rule(), _node_rule()]
    rules += [_rule(numbers.get(look.word, ()), _look_style(look)) for look in LOOKS.values()]
    rules += [
        *(_rule([i], _filled(node.fraction)) for i, node in enumerate(state.nodes) if node.fraction is not None),
        _rule(numbers.get("action load", ()), {"border-style": "dotted", "border-width": 2.5, "border-color": DOTS}),
        _rule(numbers.get("head", ()), {"border-style": "double", "border-width": 7, "border-color": EDGE}),
        _rule(numbers.get("action run", ()), {"border-color": RING}),
        _rule(
            [i for i in numbers.get("action run", ()) if not state.nodes[i].is_head],
            {"border-width": 3.5, "border-style": "solid"},
        ),
        {"selector": "node:active", "style": {"overlay-opacity": 0.12, "overlay-color": RING}},
    ]
    return [rule for rule in rules if rule["selector"]]


def _rule(numbers: Any, style: dict[str, Any]) -> Rule:
    return {"selector": ", ".join(f"node[n = {i}]" for i in numbers), "style": style}


def _node_rule() -> Rule:
    style = {
        "width": "data(width)",
        "height": NODE_HEIGHT,
        "font-family": FONT,
        "font-size": FONT_SIZE,
        "font-weight": 600,
        "text-valign": "center",
        "text-halign": "center",
    }
    return {"selector": "node", "style": style}


def _edge_rule() -> Rule:
    style = {
        "width": 1.75,
        "line-color": EDGE,
        "target-arrow-color": EDGE,
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.9,
        "curve-style": "unbundled-bezier",
        "edge-distances": "node-position",
        "control-point-weights": "data(weights)",
        "control-point-distances": "data(distances)",
        "source-endpoint": "90deg",
        "target-endpoint": "270deg",
        "target-distance-from-node": 3,
    }
    return {"selector": "edge", "style": style}


def _look_style(look: Look) -> dict[str, Any]:
    style: dict[str, Any] = {
        "label": f"data({look.word})",
        "background-color": look.fill,
        "color": look.text,
        "border-color": look.border,
        "border-width": 1.5,
        "border-style": look.line,
        "shape": look.shape,
    }
    if look.shape in POLYGONS:
        style |= {"shape": "polygon", "shape-polygon-points": f"data({_field(look.shape)})"}
    return style


def _filled(fraction: float) -> dict[str, Any]:
    """A step that runs, done from the left as far as it says it is."""
    fill = LOOKS["running"].fill
    return {
        "background-fill": "linear-gradient",
        "background-gradient-direction": "to-right",
        "background-gradient-stop-colors": [DONE, DONE, fill, fill],
        "background-gradient-stop-positions": [f"{place}%" for place in (0, *[round(fraction * 100)] * 2, 100)],
    }


def _field(shape: str) -> str:
    return "outline_" + shape.replace("-", "_")


def _along(a: Point, b: Point, point: Point) -> tuple[float, float]:
    """A point as cytoscape wants it: how far along the line from a to b, and how far beside it."""
    length = hypot(b[0] - a[0], b[1] - a[1]) or 1.0
    ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
    dx, dy = point[0] - a[0], point[1] - a[1]
    return (dx * ux + dy * uy) / length, dy * ux - dx * uy
