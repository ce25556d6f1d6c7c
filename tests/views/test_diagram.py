"""Static pictures: well formed, the same every time, safe in any page."""

from __future__ import annotations

from xml.etree import ElementTree

from jo_notebook.core.plan import Plan
from jo_notebook.views.diagram import describe, mermaid, svg
from jo_notebook.views.state import GraphState, graph_state
from tests.views.plans import check_golden, plan_of

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ("<img onerror=alert(1)>", "</script>", '"];evil[', "]]>", "a\nb", "end", "%%{init}", "#quot;")


def hostile_state() -> GraphState:
    parents: dict[str, tuple[str, ...]] = {}
    for name in HOSTILE:
        parents[name] = tuple(parents)[-1:]
    return graph_state(plan_of(parents), message=HOSTILE[0])


def test_golden_pictures(penguins: Plan) -> None:
    state = graph_state(penguins, running={"Features"}, queued={"Forest"})
    check_golden("graph.svg", svg(state) + "\n")
    check_golden("graph.mmd", mermaid(state))


def test_svg_says_everything_without_a_pointer(penguins: Plan) -> None:
    root = ElementTree.fromstring(svg(graph_state(penguins)))
    assert root.get("role") == "img"
    titles = [e.text or "" for e in root.iter(f"{SVG}title")]
    assert titles[0] == "Graph of 7 steps: 2 available, 1 stale, 3 missing, 1 failed."
    assert "Features: stale · helper drop_outliers() changed · on disk, 120 kB · will run, about 3 s" in titles
    shown = {e.text for e in root.iter(f"{SVG}text")}
    assert {"✓ Load", "~ Features", "✕ LogReg", "○ Compare", "will run", "head", "will load"} <= shown


def test_svg_has_nothing_that_acts_or_clashes(penguins: Plan) -> None:
    for state in (graph_state(penguins), hostile_state()):
        root = ElementTree.fromstring(svg(state))
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
            "svg",
            "title",
            "g",
            "rect",
            "polygon",
            "path",
            "text",
        }
        assert not any(name == "id" or name.startswith("on") for e in root.iter() for name in e.attrib)


def test_hostile_names_are_text(penguins: Plan) -> None:
    text = svg(hostile_state())
    assert "<img" not in text
    assert "</script" not in text
    drawn = mermaid(hostile_state())
    assert "evil#91;" in drawn
    body = [line for line in drawn.splitlines()[1:] if "classDef" not in line]
    assert all(line.startswith("  n") and line.count('"') in (0, 2) for line in body)


def test_pictures_are_deterministic(penguins: Plan) -> None:
    assert svg(graph_state(penguins)) == svg(graph_state(penguins))
    assert mermaid(graph_state(penguins)) == mermaid(graph_state(penguins))


def test_no_steps() -> None:
    assert ElementTree.fromstring(svg(GraphState())).tag == f"{SVG}svg"
    assert mermaid(GraphState()) == "flowchart LR\n"
    assert describe(GraphState()) == "Graph without steps."
