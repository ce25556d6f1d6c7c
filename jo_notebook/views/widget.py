"""The graph widget: states in, requests out. A click on a node asks for its step.

The drawing is ipycytoscape's, which makes a widget of every node and edge. What follows from that is
kept here: the graph is built before it is shown and never changed, a new structure is a new drawing,
and states travel as one style sheet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import ipycytoscape
import ipywidgets
from ipycytoscape.cytoscape import MutableDict

from jo_notebook.views.comms import answer_at_once
from jo_notebook.views.cytoscape import edge_data, node_data, style_sheet
from jo_notebook.views.diagram import describe, svg
from jo_notebook.views.live import Follower, GraphSource
from jo_notebook.views.page import (
    CSS,
    DRAWN_LIMIT,
    LEGIBLE_ZOOM,
    MAX_ZOOM,
    fit_zoom,
    height_class,
    hint_html,
    legend_html,
    message_html,
)
from jo_notebook.views.state import GraphState

PICTURE_LIMIT = 1500
PADDING = 22

Request = Callable[[dict[str, str]], None]


class GraphWidget(ipywidgets.VBox):  # type: ignore[misc]
    """A live graph. `on_request` receives `{"verb": ..., "step": ...}` and should return at once.

    `text` is what a front end without widgets shows. Any thread may call `set_state` and `show_error`.
    """

    children: Any

    def __init__(self, on_request: Request, text: str = "") -> None:
        self.text = text
        self.state = GraphState()
        self._on_request = on_request
        self._on_close: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self._pointed = ""
        self._drawing: ipywidgets.DOMWidget = ipywidgets.HTML()
        self._message = ipywidgets.HTML(message_html(self.state))
        self._hint = ipywidgets.HTML(hint_html(self.state, ""))
        self._cancel = self._button("Cancel", "Stop what is running and forget what is queued", self._ask_cancel)
        self._cancel.disabled = True
        super().__init__([*self._head(), self._drawing, *self._foot()])
        self.add_class("jo-graph-box")

    def set_state(self, state: GraphState) -> None:
        """Shows a state: new colours where the graph is the same, a new drawing where it is not."""
        with self._lock:
            if self.comm is None:
                return
            before, self.state = self.state, state
            if state.structure != before.structure:
                self._draw()
            elif isinstance(self._drawing, _Cytoscape):
                self._drawing.cytoscape_style = style_sheet(state)
            elif state != before:
                self._drawing.value = _picture(state)
            self._message.value = message_html(state)
            self._cancel.disabled = not _is_busy(state)
            self._show_hint()

    def show_error(self, error: BaseException) -> None:
        """Shows an error above the graph until the next state."""
        text = str(error) or type(error).__name__
        self._message.value = message_html(self.state, error=text)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Calls back when the widget is closed."""
        self._on_close.append(callback)

    def close(self) -> None:
        """Takes the widget off every page, with everything it is made of."""
        with self._lock:
            callbacks, self._on_close = self._on_close, []
            for callback in callbacks:
                callback()
            _close_all(self.children)
            self.layout.close()
            super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any] | None:
        bundle: dict[str, Any] | None = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle["text/plain"] = self.text or describe(self.state)
            bundle["image/svg+xml"] = svg(self.state)
        return bundle

    def _head(self) -> list[ipywidgets.Widget]:
        run = self._button("Run all", "Materialize every step nobody depends on", self._ask_all)
        fit = self._button("Fit", "Show the whole graph", self._fit)
        tools = ipywidgets.HBox([run, self._cancel, fit]).add_class("jo-graph-tools")
        head = ipywidgets.HBox([self._message.add_class("jo-graph-message"), tools]).add_class("jo-graph-head")
        return [ipywidgets.HTML(f"<style>{CSS}</style>").add_class("jo-graph-style"), head]

    def _foot(self) -> list[ipywidgets.Widget]:
        return [self._hint.add_class("jo-graph-hint"), ipywidgets.HTML(legend_html())]

    def _button(self, word: str, tip: str, action: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=word, tooltip=tip).add_class("jo-graph-button")
        button.on_click(lambda _: action())
        answer_at_once(button)
        return button

    def _draw(self) -> None:
        old = self._drawing
        if len(self.state.nodes) <= DRAWN_LIMIT:
            self._drawing = _Cytoscape(self.state, self._clicked, self._pointed_at)
        else:
            self._drawing = ipywidgets.HTML(_picture(self.state)).add_class("jo-graph-picture")
        self.children = [self._drawing if child is old else child for child in self.children]
        _close_all([old])

    def _clicked(self, event: dict[str, Any]) -> None:
        self._request("materialize", event["data"]["id"])

    def _pointed_at(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._pointed = event["data"]["id"]
            self._show_hint()

    def _show_hint(self) -> None:
        self._hint.value = hint_html(self.state, self._pointed)

    def _ask_all(self) -> None:
        self._request("materialize", "")

    def _ask_cancel(self) -> None:
        self._request("cancel", "")

    def _fit(self) -> None:
        if isinstance(self._drawing, _Cytoscape):
            self._drawing.relayout()

    def _request(self, verb: str, step: str) -> None:
        try:
            self._on_request({"verb": verb, "step": step})
        except Exception as error:  # noqa: BLE001 - a widget's callback has no one else to tell
            self.show_error(error)


def open_graph(source: GraphSource, heads: Iterable[str] = ()) -> GraphWidget:
    """A widget that follows a pipeline until it is closed."""
    widget = GraphWidget(source.request)
    try:
        widget.on_close(Follower(source, widget, tuple(heads)).close)
    except BaseException:
        widget.close()
        raise
    return widget


class _Graph(ipycytoscape.Graph):  # type: ignore[misc]
    """Without the table of neighbours that is sent whole at every change and that no front end reads."""

    _adj = MutableDict()


class _Cytoscape(ipycytoscape.CytoscapeWidget):  # type: ignore[misc]
    """One drawing of one structure."""

    def __init__(self, state: GraphState, clicked: Callable[..., None], pointed_at: Callable[..., None]) -> None:
        self.observe(lambda change: change["old"].close(), "graph")  # it makes two empty ones before ours
        super().__init__(
            graph=_graph(state),
            layout=ipywidgets.Layout(),
            cytoscape_layout={"name": "preset", "fit": True, "padding": PADDING},
            cytoscape_style=style_sheet(state),
            auto_unselectify=True,
            max_zoom=MAX_ZOOM,
            min_zoom=0.05,
            wheel_sensitivity=0.3,
            user_zooming_enabled=fit_zoom(state) < LEGIBLE_ZOOM,
        )
        self.add_class("jo-graph").add_class(height_class(state))
        self.on("node", "click", clicked)
        self.on("node", "mouseover", pointed_at)
        answer_at_once(self)


def _graph(state: GraphState) -> _Graph:
    graph = _Graph()
    graph.add_nodes(
        ipycytoscape.Node(data=node_data(node, i), position={"x": node.x, "y": node.y}, grabbable=False)
        for i, node in enumerate(state.nodes)
    )
    graph.add_edges([ipycytoscape.Edge(data=edge_data(edge, state), classes="directed") for edge in state.edges])
    return graph


def _picture(state: GraphState) -> str:
    note = f"{len(state.nodes)} steps: more than can be clicked here, so this is a picture."
    if len(state.nodes) > PICTURE_LIMIT:
        return f"<p>{len(state.nodes)} steps are too many to draw. {escape(describe(state))} %plan lists them.</p>"
    return f"<p>{note}</p>{svg(state)}"


def _is_busy(state: GraphState) -> bool:
    return any(node.state in ("running", "queued") for node in state.nodes)


def _close_all(widgets: Iterable[ipywidgets.Widget]) -> None:
    for widget in widgets:
        if isinstance(widget, ipywidgets.Box):
            _close_all(widget.children)
        elif isinstance(widget, _Cytoscape):
            for element in (*widget.graph.nodes, *widget.graph.edges, widget.graph):
                element.close()
        for part in (widget, getattr(widget, "layout", None), getattr(widget, "style", None)):
            if isinstance(part, ipywidgets.Widget):
                part.close()
