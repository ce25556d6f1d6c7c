"""The words around a live graph, as HTML, and its style. Every name and message is escaped here."""

from __future__ import annotations

from html import escape

from jo_notebook.views.diagram import details
from jo_notebook.views.layout import NODE_HEIGHT
from jo_notebook.views.look import EDGE, FONT, LOOKS, RING, Look
from jo_notebook.views.state import GraphState, NodeState
from jo_notebook.views.words import far, one_line, shorten

HEIGHTS = (140, 180, 240, 320, 400, 560)
MAX_ZOOM, LEGIBLE_ZOOM, USUAL_WIDTH = 1.2, 0.65, 800
DRAWN_LIMIT = 300  # more than this many widgets make ipycytoscape slow
MESSAGE_LIMIT = 300
IDLE_HINT = "Point at a step to see its state and the reason."
ZOOM_HINT = " Scroll to zoom, drag to move."

CSS = """\
.jo-graph-box{width:100%%;overflow:hidden;font-family:%(font)s;color:var(--jp-ui-font-color1,inherit)}
.jo-graph-box .widget-html,.jo-graph-box .jupyter-widget-html{margin:0;min-height:0}
.jo-graph-box .widget-html-content{line-height:1.5;font-size:13px}
.jo-graph-style{display:none!important}
.jo-graph-head{width:100%%;align-items:center;gap:12px;padding:2px 0 6px;overflow:hidden}
.jo-graph-message{flex:1 1 auto;min-width:0;height:auto!important}
.jo-graph-tools{flex:0 0 auto;gap:6px;overflow:visible}
.jo-graph-button.jupyter-button{width:auto;height:26px;line-height:24px;margin:0;padding:0 10px;border-radius:6px;
 font-size:12px;background:transparent;color:var(--jp-ui-font-color1,inherit);
 border:1px solid var(--jp-border-color1,#8886)}
.jo-graph-button.jupyter-button:hover:enabled{background:var(--jp-layout-color2,#8882);box-shadow:none}
.jo-graph-button.jupyter-button:disabled{opacity:.4}
.jo-graph.custom-widget,.jo-graph.custom-widget:hover{background:transparent;height:400px;width:100%%;margin:0;
 box-sizing:border-box;border:1px solid var(--jp-border-color2,#8885);border-radius:8px;overflow:hidden;resize:none}
%(heights)s
.jo-graph-picture{overflow:auto;max-height:560px}
.jo-graph-hint{height:auto!important;width:100%%;margin-top:4px!important;opacity:.85}
.jo-graph-hint .widget-html-content,.jo-graph-message .widget-html-content{overflow:hidden;
 text-overflow:ellipsis;white-space:nowrap}
.jo-graph-legend{display:flex;flex-wrap:wrap;align-items:center;gap:6px 8px;padding:4px 0 2px;
 font-size:11.5px;line-height:18px}
.jo-graph-legend span{padding:0 8px;border-radius:5px;font-weight:600;white-space:nowrap}
.jo-graph-legend .jo-graph-mark{box-sizing:border-box;height:18px;display:inline-flex;
 align-items:center;line-height:1;font-weight:400}
.jo-graph-error{color:var(--jp-error-color1,#d32f2f)}
.jo-graph-muted{opacity:.7}
.jo-graph-box .jupyter-widgets-disconnected::before{display:none}
.jo-graph-box.jupyter-widgets-disconnected::before{content:"This graph has lost its kernel: run this cell again.";
 font:600 13px/1.5 %(font)s;color:var(--jp-ui-font-color1,inherit);padding:2px 0 6px}
.jo-graph-box.jupyter-widgets-disconnected>*{opacity:.4;pointer-events:none}
"""
CSS %= {
    "font": FONT,
    "heights": "\n".join(
        f".jo-graph-{h}.custom-widget,.jo-graph-{h}.custom-widget:hover{{height:{h}px}}" for h in HEIGHTS
    ),
}


def fit_zoom(state: GraphState) -> float:
    """How large a graph comes out when all of it is shown in a cell of usual width."""
    left = min((node.x - node.width / 2 for node in state.nodes), default=0.0)
    right = max((node.x + node.width / 2 for node in state.nodes), default=1.0)
    return min(MAX_ZOOM, USUAL_WIDTH / (right - left))


def height_class(state: GraphState) -> str:
    """The CSS class whose height suits a graph: a chain needs less of the page than a thicket."""
    ys = [node.y for node in state.nodes] + [y for edge in state.edges for _, y in edge.points]
    wanted = (max(ys, default=0.0) - min(ys, default=0.0) + NODE_HEIGHT) * fit_zoom(state) + 60
    return f"jo-graph-{next((h for h in HEIGHTS if h >= wanted), HEIGHTS[-1])}"


def message_html(state: GraphState, error: str = "") -> str:
    """The line above the graph: an error, the pipeline's own message, or the count."""
    if error:
        return f'<span class="jo-graph-error" role="alert"><b>✕</b> {_safe(error)}</span>'
    failed = [node for node in state.nodes if node.state == "failed"]
    alert = f' · <span class="jo-graph-error"><b>✕</b> {_safe(_failures(failed))}</span>' if failed else ""
    return f"{_safe(_busy(state) or state.message or _usual(state))}{alert}"


def hint_html(state: GraphState, pointed: str) -> str:
    """The line below the graph: what is known of the node under the pointer."""
    node = state.by_id.get(pointed)
    if node is None:
        zoom = ZOOM_HINT if fit_zoom(state) < LEGIBLE_ZOOM else ""
        return f'<span class="jo-graph-muted">{IDLE_HINT}{zoom}</span>'
    text = _safe(f"{one_line(node.id)} · {details(node)}")
    return f'<span title="{text}"><b>{LOOKS[node.state].glyph}</b> {text}</span>'


def legend_html() -> str:
    """All states, and what the borders mean."""
    states = "".join(_swatch(look) for look in LOOKS.values())
    borders = (("will run", "2px solid", RING), ("head", "3px double", EDGE), ("will load", "2px dotted", EDGE))
    marks = "".join(f'<span class="jo-graph-mark" style="border:{b} {c}">{word}</span>' for word, b, c in borders)
    return f'<div class="jo-graph-legend">{states}{marks}</div>'


def _swatch(look: Look) -> str:
    return f'<span style="background:{look.fill};color:{look.text}">{look.glyph} {look.word}</span>'


def _usual(state: GraphState) -> str:
    if not state.nodes:
        return "No steps yet: begin a cell with %%step NAME."
    done = sum(node.state == "available" for node in state.nodes)
    may_click = done < len(state.nodes) <= DRAWN_LIMIT
    return f"{done} of {len(state.nodes)} available" + (" · click a step to materialize it" if may_click else "")


def _busy(state: GraphState) -> str:
    """What is going on, or an empty string."""
    running = [_running(node) for node in state.nodes if node.state == "running"]
    waiting = sum(node.state == "queued" for node in state.nodes)
    if running:
        return f"running {', '.join(running[:3])}" + (f" · {waiting} queued" if waiting else "")
    return f"{waiting} queued · waiting for the kernel" if waiting else ""


def _running(node: NodeState) -> str:
    """A step that is running, with how far it says it is."""
    how_far = far(node.fraction, node.eta)
    return f"{node.label} ({how_far})" if how_far else node.label


def _failures(failed: list[NodeState]) -> str:
    """Who failed; where it is one, also why."""
    names = f"{', '.join(node.label for node in failed[:3])} failed"
    why = failed[0].reasons[0].removeprefix("last run failed: ") if failed[0].reasons else ""
    if len(failed) == 1 and why.startswith("its stored result is damaged"):
        return f"{failed[0].label}: {why}"
    return f"{names}: {why}" if why and len(failed) == 1 else names


def _safe(text: str) -> str:
    return escape(shorten(one_line(text), MESSAGE_LIMIT))
