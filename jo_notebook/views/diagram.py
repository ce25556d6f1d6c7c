"""A graph as a static picture: SVG, and Mermaid's text. No browser, no `dot`, no scripts, no ids.

The same state gives the same text. Nothing in it depends on the colour of the page: nodes are filled
and carry their own text colour, edges are a grey that reads on white and on black.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import pairwise

from jo_notebook.views.layout import NODE_HEIGHT, Point
from jo_notebook.views.look import EDGE, FONT, FONT_SIZE, LOOKS, NEUTRAL, RING, Look
from jo_notebook.views.shapes import anchors, controls, corners
from jo_notebook.views.state import EdgeState, GraphState, NodeState
from jo_notebook.views.words import about, count, far, file_size, one_line

MARGIN = 14.0
LEGEND_GAP = 10.0
LEGEND_HEIGHT = 24.0
FAILED = ("failed · last run failed: ", "failed: ")
DAMAGED = ("failed · its stored result is damaged: ", "damaged: ")
MARKS = (("will run", "run"), ("head", "head"), ("will load", "load"))
FRAMES = {
    "available": ("(", ")"),
    "stale": ("{{", "}}"),
    "missing": ("[", "]"),
    "failed": ("[[", "]]"),
    "running": (">", "]"),
    "queued": ("([", "])"),
}


def svg(state: GraphState) -> str:
    """A complete `<svg>` element, with a legend of the states that occur."""
    left = min((n.x - n.width / 2 for n in state.nodes), default=0.0) - MARGIN
    right = max((n.x + n.width / 2 for n in state.nodes), default=0.0) + MARGIN
    top = min((n.y for n in state.nodes), default=0.0) - NODE_HEIGHT / 2 - MARGIN
    ys = [n.y for n in state.nodes] + [y for edge in state.edges for _, y in edge.points]
    bottom = max(ys, default=0.0) + NODE_HEIGHT / 2 + MARGIN
    legend, legend_width = _legend(state, left + MARGIN, bottom + LEGEND_HEIGHT / 2)
    right, bottom = max(right, left + 2 * MARGIN + legend_width), bottom + LEGEND_HEIGHT + MARGIN
    width, height = _number(right - left), _number(bottom - top)
    title = describe(state)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="{_number(left)} {_number(top)} {width} {height}" style="max-width:100%;height:auto" '
        f'font-family="{escape(FONT)}" font-size="{FONT_SIZE}" font-weight="600" text-anchor="middle">',
        f"<title>{escape(title)}</title>",
        *(_edge(edge, state) for edge in state.edges),
        *(_node(node) for node in state.nodes),
        *legend,
        "</svg>",
    ]
    return "\n".join(lines)


def mermaid(state: GraphState) -> str:
    """The graph in Mermaid's language."""
    number = {node.id: f"n{i}" for i, node in enumerate(state.nodes)}
    lines = ["flowchart LR"]
    for node in state.nodes:
        opening, closing = FRAMES[node.state]
        text = f"{LOOKS[node.state].glyph} {node.label}"
        lines.append(f'  {number[node.id]}{opening}"{_mermaid_text(text)}"{closing}:::{node.state}')
    lines += [f"  {number[edge.source]} --> {number[edge.target]}" for edge in state.edges]
    used = {node.state for node in state.nodes}
    lines += [_mermaid_class(look) for look in LOOKS.values() if look.word in used]
    heads = ",".join(number[node.id] for node in state.nodes if node.is_head)
    lines += [f"  style {name} stroke-width:4px" for name in heads.split(",") if name]
    return "\n".join(lines) + "\n"


def describe(state: GraphState) -> str:
    """The graph in one sentence."""
    states = [node.state for node in state.nodes]
    parts = [f"{states.count(word)} {word}" for word in LOOKS if word in states]
    return f"Graph of {count(len(states), 'step')}: {', '.join(parts)}." if parts else "Graph without steps."


def details(node: NodeState) -> str:
    """All that is known of a node, in one line of plain text."""
    held = {"memory": "in memory", "disk": "on disk"}.get(node.held, "")
    if held and node.size:
        held += f", {file_size(node.size)}"
    expected = about(node.seconds) if node.action == "run" and node.seconds is not None else ""
    if node.state in ("running", "queued"):
        return " · ".join(filter(None, (node.state, far(node.fraction, node.eta) or expected, node.doing)))
    action = {"run": "will run", "load": "will be loaded"}.get(node.action, "")
    orphan = "cell deleted" if node.is_orphan else ""
    will = ", ".join(filter(None, (action, expected)))
    text = " · ".join(filter(None, (node.state, *node.reasons, node.note, held, orphan, will)))
    return text.replace(*FAILED).replace(*DAMAGED)


def _node(node: NodeState) -> str:
    look = LOOKS[node.state]
    parts = [
        f"<title>{escape(f'{one_line(node.id)}: {details(node)}')}</title>",
        *_marks(node.action, look.shape, node.x, node.y, node.width, NODE_HEIGHT, is_head=node.is_head),
        _outline(look, node.x, node.y, node.width, NODE_HEIGHT, is_loaded=node.action == "load"),
        _text(f"{look.glyph} {node.label}", look.text, node.x, node.y + FONT_SIZE * 0.35, FONT_SIZE),
    ]
    return f"<g>{''.join(parts)}</g>"


def _reach(node: NodeState) -> float:
    """How far the ring and the double border of a node stand out."""
    return 4.0 * (node.action == "run") + 3.5 * node.is_head + (1.25 if node.action == "run" or node.is_head else 0)


def _marks(action: str, shape: str, x: float, y: float, width: float, height: float, *, is_head: bool) -> Iterable[str]:
    """The ring of a step that will run; a head's border is doubled."""
    colour = RING if action == "run" else EDGE
    if action == "run":
        yield _shape(shape, x, y, width + 8, height + 8, f'fill="none" stroke="{colour}" stroke-width="2.5"')
    if is_head:
        gap = 15 if action == "run" else 8
        yield _shape(shape, x, y, width + gap, height + gap, f'fill="none" stroke="{colour}" stroke-width="1.5"')


def _outline(look: Look, x: float, y: float, width: float, height: float, *, is_loaded: bool = False) -> str:
    line = ' stroke-dasharray="5 4"' if look.line == "dashed" else ""
    paint = f'fill="{look.fill}" stroke="{look.border}" stroke-width="1.5"{line}'
    outline = _shape(look.shape, x, y, width, height, paint)
    if not is_loaded:
        return outline
    dots = f'fill="none" stroke="{look.text}" stroke-width="1.5" stroke-dasharray="0.1 4" stroke-linecap="round"'
    inset = min(7.0, height / 6)
    return outline + _shape(look.shape, x, y, width - inset, height - inset, dots)


def _shape(shape: str, x: float, y: float, width: float, height: float, attributes: str) -> str:
    if shape in ("round-rectangle", "rectangle"):
        radius = min(8.0, height / 4) if shape == "round-rectangle" else 1
        box = (x - width / 2, y - height / 2, width, height)
        place = ' x="{}" y="{}" width="{}" height="{}"'.format(*map(_number, box))
        return f'<rect{place} rx="{_number(radius)}" {attributes}/>'
    points = " ".join(_point((x + dx, y + dy)) for dx, dy in corners(shape, width, height))
    return f'<polygon points="{points}" stroke-linejoin="round" {attributes}/>'


def _text(text: str, colour: str, x: float, y: float, size: float) -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}" fill="{colour}" font-size="{size}">{escape(text)}</text>'


def _edge(edge: EdgeState, state: GraphState) -> str:
    source, target = state.by_id[edge.source], state.by_id[edge.target]
    points = anchors(edge, source, target)
    points[-1] = (points[-1][0] - 7 - _reach(target), points[-1][1])
    curve = f"M{_point(points[0])}"
    for (_, end), (one, other) in zip(pairwise(points), controls(points), strict=True):
        curve += f" C{_point(one)} {_point(other)} {_point(end)}"
    x, y = points[-1]
    arrow = f"M{_point((x + 6, y))} L{_point((x - 3, y - 4.5))} L{_point((x - 3, y + 4.5))} Z"
    return f'<path d="{curve}" fill="none" stroke="{EDGE}" stroke-width="1.75"/><path d="{arrow}" fill="{EDGE}"/>'


def _legend(state: GraphState, x: float, y: float) -> tuple[list[str], float]:
    used = {node.state for node in state.nodes}
    items = [(look, f"{look.glyph} {look.word}", "", False) for look in LOOKS.values() if look.word in used]
    neutral = Look("", "", NEUTRAL, "#ffffff", NEUTRAL, "round-rectangle")
    marks = {n.action for n in state.nodes} | {"head" for n in state.nodes if n.is_head}
    items += [(neutral, word, mark, mark == "head") for word, mark in MARKS if mark in marks]
    lines: list[str] = []
    start = x
    for look, word, action, is_head in items:
        width = 88
        centre = x + width / 2
        height = LEGEND_HEIGHT - 6
        lines += _marks(action, look.shape, centre, y, width, height, is_head=is_head)
        lines.append(_outline(look, centre, y, width, height, is_loaded=action == "load"))
        lines.append(_text(word, look.text, centre, y + 4, 11))
        x += width + LEGEND_GAP + (6 if action else 0)
    return lines, x - start


def _mermaid_text(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _" or ord(c) > 127 else f"#{ord(c)};" for c in text)


def _mermaid_class(look: Look) -> str:
    dashes = ",stroke-dasharray:5 4" if look.line == "dashed" else ""
    return f"  classDef {look.word} fill:{look.fill},color:{look.text},stroke:{look.border}{dashes}"


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )
