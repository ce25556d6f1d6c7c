"""A plan as the one JSON shape that crosses to a browser.

Widget, panel and static pictures all draw a `GraphState`; a golden file pins its form for Python and
TypeScript. Coordinates are centres, in the pixels of `layout`; an edge's `points` are where it bends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from jo_notebook.core.eta import Going
from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.views.layout import Layout, layout
from jo_notebook.views.words import ELSEWHERE, OVERRIDES, one_line, shorten

VERSION = 1
LABEL_LIMIT = 28
DOING_LIMIT = 60
Edges = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NodeState:
    """One step as it is drawn. `state` is a word of `LOOKS`; `seconds` is the expected time, or None.

    `note` says what else is to be known of its result: pinned, accepted, put in by hand, an earlier result, from
    elsewhere. Of a step that is running, `fraction` is how far it says it is, `doing` the words it says so with, and
    `eta` the seconds it is expected to need from then on, or None.
    """

    id: str
    label: str
    state: str
    action: str
    is_head: bool
    reasons: tuple[str, ...]
    seconds: float | None
    held: str
    size: int
    is_orphan: bool
    note: str
    x: float
    y: float
    width: float
    fraction: float | None = None
    eta: float | None = None
    doing: str = ""


@dataclass(frozen=True, slots=True)
class EdgeState:
    """One dependency as it is drawn, from the step that is needed to the step that needs it."""

    id: str
    source: str
    target: str
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class GraphState:
    """Everything a drawing needs, and nothing that can run."""

    heads: tuple[str, ...] = ()
    message: str = ""
    nodes: tuple[NodeState, ...] = ()
    edges: tuple[EdgeState, ...] = ()
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain data, for `json.dumps`."""
        return {
            "version": self.version,
            "heads": list(self.heads),
            "message": self.message,
            "nodes": [{**asdict(node), "reasons": list(node.reasons)} for node in self.nodes],
            "edges": [{**asdict(edge), "points": [list(point) for point in edge.points]} for edge in self.edges],
        }

    @cached_property
    def structure(self) -> tuple[tuple[tuple[str, str, float, float], ...], tuple[EdgeState, ...]]:
        """What a drawing must be built anew for; a change in anything else only restyles it."""
        return tuple((n.id, n.label, n.x, n.y) for n in self.nodes), self.edges

    @cached_property
    def by_id(self) -> Mapping[str, NodeState]:
        """The nodes by name."""
        return {node.id: node for node in self.nodes}


def graph_state(
    plan: Plan,
    *,
    running: Collection[str] = frozenset(),
    going: Mapping[str, Going] | None = None,
    queued: Collection[str] = frozenset(),
    message: str = "",
    names: Mapping[str, str] | None = None,
) -> GraphState:
    """The state of a graph for drawing. `going` tells how far steps are that run.

    `names` are labels for steps that are shown under another name. A dependency that nobody has
    registered is drawn as missing.
    """
    decisions = {d.step: d for d in plan.decisions}
    edges = tuple((parent, step) for step in decisions for parent in plan.parents.get(step, ()))
    for parent, _ in edges:
        if parent not in decisions:
            decisions[parent] = Decision(parent, Availability.MISSING, Action.NOTHING)
    labels = tuple(shorten(one_line((names or {}).get(step, step)), LABEL_LIMIT) for step in decisions)
    drawn = _layout(tuple(decisions), edges, labels)
    undefined = decisions.keys() - {d.step for d in plan.decisions}
    nodes = tuple(
        _with_how_far(
            _node(decision, label, drawn, _word(decision, running, queued), is_undefined=step in undefined),
            (going or {}).get(step),
        )
        for (step, decision), label in zip(decisions.items(), labels, strict=True)
    )
    return GraphState(plan.heads, message, nodes, _edges(edges, drawn))


@lru_cache(maxsize=4)
def _layout(nodes: tuple[str, ...], edges: Edges, labels: tuple[str, ...]) -> Layout:
    parents: dict[str, list[str]] = {}
    for source, target in edges:
        parents.setdefault(target, []).append(source)
    return layout(nodes, parents, dict(zip(nodes, labels, strict=True)))


def _word(decision: Decision, running: Collection[str], queued: Collection[str]) -> str:
    if decision.step in running:
        return "running"
    return "queued" if decision.step in queued else str(decision.availability)


def _node(decision: Decision, label: str, drawn: Layout, word: str, *, is_undefined: bool) -> NodeState:
    x, y = drawn.positions[decision.step]
    reasons = ("not registered yet",) if is_undefined else tuple(one_line(r.text) for r in decision.reasons)
    return NodeState(
        id=decision.step,
        label=label,
        state=word,
        action=str(decision.action),
        is_head=decision.is_head,
        reasons=reasons,
        seconds=None if decision.seconds is None else round(decision.seconds, 3),
        held=decision.held,
        size=decision.size,
        is_orphan=decision.is_orphan,
        note=", ".join(filter(None, (_kept(decision), ELSEWHERE.get(decision.elsewhere, "")))),
        x=x,
        y=y,
        width=drawn.widths[decision.step],
    )


def _with_how_far(node: NodeState, going: Going | None) -> NodeState:
    if going is None or node.state != "running":
        return node
    fraction = None if going.fraction is None else round(min(max(going.fraction, 0.0), 1.0), 2)
    eta = None if going.left is None else round(going.left, 1)
    return replace(node, fraction=fraction, eta=eta, doing=shorten(one_line(going.text), DOING_LIMIT))


def _kept(decision: Decision) -> str:
    return OVERRIDES.get(decision.override) or ("an earlier result" if decision.generation else "")


def _edges(edges: Edges, drawn: Layout) -> tuple[EdgeState, ...]:
    """Edges with ids that no step has: a step's name holds no space, and a clash is resolved anyway."""
    taken = set(drawn.positions)
    found = []
    for source, target in dict.fromkeys(edges):
        edge_id = f"{source} -> {target}"
        while edge_id in taken:
            edge_id += " "
        taken.add(edge_id)
        found.append(EdgeState(edge_id, source, target, drawn.routes.get((source, target), ())))
    return tuple(found)
