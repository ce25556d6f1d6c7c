"""Elements once, states as one style sheet."""

from __future__ import annotations

import json
import re

from jo_notebook.core.plan import Plan
from jo_notebook.views.cytoscape import edge_data, node_data, style_sheet
from jo_notebook.views.look import LOOKS
from jo_notebook.views.state import graph_state
from tests.views.plans import plan_of


def test_every_node_has_exactly_one_look(penguins: Plan) -> None:
    state = graph_state(penguins, running={"Features"}, queued={"Forest"})
    looks = [r for r in style_sheet(state) if "background-color" in r["style"]]
    found = {int(n): r["style"]["label"] for r in looks for n in re.findall(r"n = (\d+)", r["selector"])}
    assert found == {i: f"data({node.state})" for i, node in enumerate(state.nodes)}


def test_a_node_knows_its_label_in_every_state(penguins: Plan) -> None:
    state = graph_state(penguins)
    data = node_data(state.nodes[0], 0)
    assert {data[word] for word in LOOKS} == {f"{look.glyph} Load" for look in LOOKS.values()}
    used = {v[5:-1] for rule in style_sheet(state) for v in rule["style"].values() if str(v).startswith("data(")}
    assert used <= data.keys() | edge_data(state.edges[0], state).keys()


def test_no_name_is_in_a_selector() -> None:
    sheet = json.dumps(style_sheet(graph_state(plan_of({'"], edge, node[id = "': (), "evil": ()}))))
    assert "evil" not in sheet
    assert "edge, " not in sheet


def test_a_straight_edge_bends_nowhere(penguins: Plan) -> None:
    state = graph_state(plan_of({"a": (), "b": ("a",)}))
    assert edge_data(state.edges[0], state)["distances"] == [0, 0]
    assert all(0 < w < 1 for w in edge_data(state.edges[0], state)["weights"])


def test_everything_is_plain_data(penguins: Plan) -> None:
    state = graph_state(penguins)
    json.dumps([style_sheet(state), [node_data(n, i) for i, n in enumerate(state.nodes)]])


def test_the_sheet_stays_small() -> None:
    state = graph_state(plan_of({f"a_rather_long_name_of_a_step_{i}": () for i in range(300)}))
    assert len(json.dumps(style_sheet(state))) < 20_000
