"""The one shape that crosses to a browser."""

from __future__ import annotations

import json
import time

from jo_notebook.core.plan import Plan
from jo_notebook.views.state import GraphState, graph_state
from tests.views.plans import check_golden, plan_of


def test_golden_file(penguins: Plan) -> None:
    state = graph_state(penguins, running={"Features"}, queued={"Forest"}, message="running Features · 1 of 4")
    text = json.dumps(state.to_json(), indent=1, ensure_ascii=False) + "\n"
    check_golden("graph_state.json", text)


def test_running_and_queued_go_over_availability(penguins: Plan) -> None:
    nodes = graph_state(penguins, running={"Features"}, queued={"Features", "Forest"}).by_id
    assert nodes["Features"].state == "running"
    assert nodes["Forest"].state == "queued"
    assert nodes["LogReg"].state == "failed"


def test_a_dependency_nobody_registered_is_drawn(penguins: Plan) -> None:
    node = graph_state(penguins).by_id["Baseline"]
    assert (node.state, node.action, node.reasons) == ("missing", "nothing", ("not registered yet",))


def test_labels(penguins: Plan) -> None:
    long = "x" * 90
    nodes = graph_state(penguins, names={"Load": "Raw\ndata", "Clean": long}).by_id
    assert nodes["Load"].label == "Raw\\ndata"
    assert len(nodes["Clean"].label) == 28
    assert nodes["Clean"].id == "Clean"


def test_edge_ids_are_unique_and_no_step_has_one() -> None:
    hostile = {"a": (), "b": ("a",), "a -> b": ("a", "b"), "b -> c": (), "c": ("a -> b", "b", "b -> c")}
    state = graph_state(plan_of(hostile))
    ids = [edge.id for edge in state.edges] + [node.id for node in state.nodes]
    assert len(ids) == len(set(ids))


def test_structure_changes_with_nodes_and_edges_only(penguins: Plan) -> None:
    calm = graph_state(penguins)
    assert graph_state(penguins, running={"Load"}, message="x").structure == calm.structure
    fewer = Plan(penguins.decisions[:-1], (), penguins.parents)
    assert graph_state(fewer).structure != calm.structure


def test_no_steps() -> None:
    assert graph_state(Plan()) == GraphState()
    assert GraphState().to_json() == {"version": 1, "heads": [], "message": "", "nodes": [], "edges": []}


def test_a_change_of_state_costs_no_new_layout() -> None:
    plan = plan_of({f"s{i}": (f"s{i // 2}",) if i else () for i in range(2000)})
    graph_state(plan)
    start = time.process_time()
    graph_state(plan, running={"s5"})
    assert time.process_time() - start < 0.25
