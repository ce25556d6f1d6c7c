"""The widget, without a browser: what it sends, what it asks for, what it shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import comm
import pytest
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances as living

from jo_notebook.core.events import EventKind
from jo_notebook.core.plan import Plan
from jo_notebook.views.page import DRAWN_LIMIT, height_class
from jo_notebook.views.state import graph_state
from jo_notebook.views.widget import GraphWidget, open_graph
from tests.views.plans import plan_of
from tests.views.test_live import Source, wait_for

Message = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Message]]:
    """Every message to the front end: `comm.create_comm` is the place a kernel puts its own."""
    messages: list[Message] = []

    class Recorder(comm.DummyComm):
        def publish_msg(self, msg_type: str, data: Any = None, *args: Any, **keys: Any) -> None:
            messages.append((msg_type, data or {}))

    monkeypatch.setattr(comm, "create_comm", Recorder)
    yield messages
    Widget.close_all()


def widget_of(plan: Plan) -> tuple[GraphWidget, list[dict[str, str]]]:
    asked: list[dict[str, str]] = []
    widget = GraphWidget(asked.append)
    widget.set_state(graph_state(plan))
    return widget, asked


def drawing(widget: GraphWidget) -> Any:
    return widget.children[2]


def click(widget: GraphWidget, step: str, event: str = "click") -> None:
    content = {"widget": "node", "event": event, "data": {"data": {"id": step}}}
    drawing(widget)._handle_custom_msg(content, [])


def button(widget: GraphWidget, word: str) -> Any:
    tools = widget.children[1].children[1].children
    return next(b for b in tools if b.description == word)


def message(widget: GraphWidget) -> str:
    value: str = widget.children[1].children[0].value
    return value


def test_a_click_asks_for_the_step(penguins: Plan) -> None:
    widget, asked = widget_of(penguins)
    click(widget, "Clean")
    assert asked == [{"verb": "materialize", "step": "Clean"}]


def test_buttons_ask(penguins: Plan) -> None:
    widget, asked = widget_of(penguins)
    button(widget, "Run all").click()
    button(widget, "Cancel").click()
    assert asked == [{"verb": "materialize", "step": ""}, {"verb": "cancel", "step": ""}]


def test_an_exception_of_the_handler_is_shown_as_text(penguins: Plan) -> None:
    def refuse(request: dict[str, str]) -> None:
        raise RuntimeError("There is no <b>step</b>\nhere")

    widget = GraphWidget(refuse)
    widget.set_state(graph_state(penguins))
    click(widget, "Clean")
    assert "There is no &lt;b&gt;step&lt;/b&gt;\\nhere" in message(widget)
    assert "jo-graph-error" in message(widget)
    widget.set_state(graph_state(penguins))
    assert "There is no" not in message(widget)


def test_pointing_at_a_node_tells_its_reason(penguins: Plan) -> None:
    widget, asked = widget_of(penguins)
    click(widget, "Features", "mouseover")
    assert "helper drop_outliers() changed" in widget.children[3].value
    assert asked == []


@pytest.mark.parametrize("size", [5, 300])
def test_new_states_are_one_style_message(size: int, sent: list[Message]) -> None:
    plan = plan_of({f"s{i}": (f"s{i // 2}",) if i else () for i in range(size)})
    widget, _ = widget_of(plan)
    before = drawing(widget)
    sent.clear()
    widget.set_state(graph_state(plan, running={"s1"}, queued={f"s{i}" for i in range(2, size)}))
    styles = [data for _, data in sent if "cytoscape_style" in data.get("state", {})]
    assert len(styles) == 1
    assert len(sent) <= 4, "style, message, Cancel, hint"
    assert all(kind == "comm_msg" for kind, _ in sent)
    assert drawing(widget) is before


def test_the_same_state_sends_nothing(penguins: Plan, sent: list[Message]) -> None:
    widget, _ = widget_of(penguins)
    sent.clear()
    widget.set_state(graph_state(penguins))
    assert sent == []


def test_a_new_structure_is_a_new_drawing_and_the_old_one_is_closed(penguins: Plan) -> None:
    widget, asked = widget_of(penguins)
    before, count = drawing(widget), len(living)
    widget.set_state(graph_state(Plan(penguins.decisions[:3], (), penguins.parents)))
    assert drawing(widget) is not before
    assert before.comm is None
    assert len(living) < count
    click(widget, "Clean")
    assert asked == [{"verb": "materialize", "step": "Clean"}]


def test_traps_of_ipycytoscape(penguins: Plan, sent: list[Message]) -> None:
    widget, _ = widget_of(penguins)
    view = drawing(widget)
    assert "_adj" not in view.graph.get_state()
    assert not any(node.grabbable for node in view.graph.nodes)
    assert all(edge.data["id"] for edge in view.graph.edges)
    assert not any("tooltip" in node.data for node in view.graph.nodes)
    assert view.cytoscape_layout["name"] == "preset"
    assert view._interaction_handlers.keys() == {"node"}
    assert set(view._interaction_handlers["node"]) == {"click", "mouseover"}
    assert view.layout.height is None, "a height that is set is applied after the fit"
    assert {"jo-graph", height_class(widget.state)} <= set(view._dom_classes)


def test_nodes_and_edges_are_sent_once(penguins: Plan, sent: list[Message]) -> None:
    widget_of(penguins)
    names = [data["state"].get("_model_name") for kind, data in sent if kind == "comm_open"]
    assert (names.count("NodeModel"), names.count("EdgeModel")) == (7, 8)
    lists = [key for kind, data in sent if kind == "comm_msg" for key in data["state"] if key in ("nodes", "edges")]
    assert sorted(lists) == ["edges", "nodes"]


def test_above_the_limit_there_is_a_picture() -> None:
    plan = plan_of({f"s{i}": () for i in range(DRAWN_LIMIT + 1)})
    widget, _ = widget_of(plan)
    assert "301 steps" in drawing(widget).value
    assert "<svg" in drawing(widget).value
    widget.set_state(graph_state(plan, running={"s7"}))
    assert "▸ s7" in drawing(widget).value
    assert "click" not in message(widget)


def test_far_above_the_limit_there_are_words() -> None:
    widget, _ = widget_of(plan_of({f"s{i}": () for i in range(2000)}))
    assert "<svg" not in drawing(widget).value
    assert "2000 steps" in drawing(widget).value


def test_hostile_names_stay_text() -> None:
    widget, _ = widget_of(plan_of({"<img src=x onerror=alert(1)>": (), "</style><script>": ()}))
    click(widget, "<img src=x onerror=alert(1)>", "mouseover")
    words = [w.value for w in (widget.children[3], widget.children[4], widget.children[1].children[0])]
    assert not any("<img" in word or "<script" in word for word in words)


def test_cancel_is_offered_while_something_runs(penguins: Plan) -> None:
    widget, _ = widget_of(penguins)
    assert button(widget, "Cancel").disabled
    widget.set_state(graph_state(penguins, running={"Load"}))
    assert not button(widget, "Cancel").disabled
    assert message(widget).startswith("running Load")


def test_messages(penguins: Plan) -> None:
    widget, _ = widget_of(penguins)
    assert message(widget).startswith("2 of 7 available · click a step to materialize it")
    assert "LogReg failed" in message(widget)
    widget.set_state(graph_state(penguins, message="<i>hello</i>"))
    assert message(widget).startswith("&lt;i&gt;hello")
    assert "No steps yet" in message(GraphWidget(print))


def test_a_front_end_without_widgets_shows_a_picture_and_text(penguins: Plan) -> None:
    widget, _ = widget_of(penguins)
    bundle = widget._repr_mimebundle_()
    assert bundle is not None
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == "Graph of 7 steps: 2 available, 1 stale, 3 missing, 1 failed."
    assert "application/vnd.jupyter.widget-view+json" in bundle
    widget.text = "the plan"
    assert widget._repr_mimebundle_()["text/plain"] == "the plan"  # type: ignore[index]


def test_states_may_come_from_many_threads(penguins: Plan) -> None:
    widget, _ = widget_of(penguins)
    small = Plan(penguins.decisions[:3], (), penguins.parents)
    errors: list[Exception] = []

    def work(i: int) -> None:
        try:
            for k in range(10):
                widget.set_state(
                    graph_state(small if (i + k) % 3 == 0 else penguins, running={"Load"} if k % 2 else ())
                )
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    widget.set_state(graph_state(penguins))
    assert len(drawing(widget).graph.nodes) == 7


def test_open_graph_follows_until_closed(penguins: Plan) -> None:
    source = Source(penguins)
    widget = open_graph(source, ["Compare"])
    assert widget.text.startswith("Execution plan.")
    click(widget, "Clean")
    assert source.requests == [{"verb": "materialize", "step": "Clean"}]
    source.running = frozenset({"Clean"})
    source.tell(EventKind.STARTED, "Clean")
    wait_for(lambda: widget.state.by_id["Clean"].state == "running")
    widget.close()
    assert source.listeners == []
    assert not [w for w in living.values() if type(w).__name__ in ("Node", "Edge", "_Cytoscape", "GraphWidget")]
    widget.set_state(graph_state(Plan()))


def test_open_graph_of_what_cannot_be_planned_leaves_nothing(penguins: Plan) -> None:
    source = Source(penguins, problem=RuntimeError("no"))
    with pytest.raises(RuntimeError):
        open_graph(source)
    assert source.listeners == []
    assert not [w for w in living.values() if isinstance(w, GraphWidget)]
