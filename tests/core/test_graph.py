"""The graph: who depends on whom, in a stable order, without recursion."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.graph import Graph, levels
from jo_notebook.core.plan import Action, Known, make_plan
from jo_notebook.errors import CycleError, UnknownStepError
from tests.cases.making import graph_of, step

SOURCE = step("X", "1").source


def test_steps_may_come_in_any_order() -> None:
    graph = graph_of(C="B", B="A", A="")
    assert graph.order == ("A", "B", "C")
    assert list(graph) == ["C", "B", "A"]
    assert graph.leaves == ("C",)


def test_ties_keep_the_order_of_registration() -> None:
    assert graph_of(B="", A="", D="A,B", C="A").order == ("B", "A", "D", "C")


def test_neighbours() -> None:
    graph = graph_of(A="", B="A", C="A,B", D="")
    assert (graph.parents("C"), graph.children("A")) == (("A", "B"), ("B", "C"))
    assert graph.ancestors(["C"]) == {"A", "B", "C"}
    assert graph.descendants(["A"]) == {"A", "B", "C"}
    assert graph.leaves == ("C", "D")


def test_one_step_under_two_names_is_one_parent() -> None:
    assert graph_of(A="", B="A,again=A").parents("B") == ("A",)


def test_a_dependency_may_be_not_yet_defined() -> None:
    graph = graph_of(B="A", C="B,A,Z")
    assert graph.undefined == ("A", "Z")
    assert graph.order == ("B", "C")
    assert graph.add(step("A")).undefined == ("Z",)


def test_dependencies_are_inferred_anew_when_a_step_comes_or_goes() -> None:
    graph = Graph([step("B", "A + x")])
    assert graph.parents("B") == ()
    with_a = graph.add(step("A"))
    assert with_a.parents("B") == ("A",)
    assert with_a.remove("A").parents("B") == ()
    assert graph.parents("B") == (), "the first graph is as it was"


def test_a_parameter_is_no_dependency() -> None:
    assert Graph([step("A"), step("B", "A", A=3)]).parents("B") == ()


def test_said_dependencies_are_not_added_to() -> None:
    assert Graph([step("A"), step("C"), step("B", "A + C", "C")]).parents("B") == ("C",)


def test_adding_again_keeps_the_place() -> None:
    graph = graph_of(A="", B="", C="").add(step("B", "2"))
    assert list(graph) == ["A", "B", "C"]
    assert graph["B"].source.text == "2"


def test_a_renamed_step_takes_the_place_of_what_it_replaces() -> None:
    graph = graph_of(A="", B="", C="", D="")
    assert list(graph.add(step("New"), replacing=["B", "D"])) == ["A", "New", "C"]
    assert list(graph.add(step("D", "2"), replacing=["B"])) == ["A", "D", "C"]


def test_remove() -> None:
    graph = graph_of(A="", B="A", C="B").remove("B", "nobody")
    assert list(graph) == ["A", "C"]
    assert graph.undefined == ("B",)


def test_a_cycle_names_its_path_and_cells_and_registers_nothing() -> None:
    graph = Graph([step("A", "1", "C", cell="aaa"), step("B", "1", "A", cell="bbb"), step("X", "1", "B")])
    with pytest.raises(CycleError) as caught:
        graph.add(step("C", "1", "B", cell="ccc"))
    assert caught.value.path[0] == caught.value.path[-1]
    assert set(caught.value.path) == {"A", "B", "C"}
    for part in (" ← ", "A in cell aaa", "B in cell bbb", "C in cell ccc", "nothing was registered"):
        assert part in str(caught.value)
    assert "C" not in graph


def test_a_path_follows_the_arrows() -> None:
    with pytest.raises(CycleError) as caught:
        graph_of(A="B", B="C", C="A")
    path = caught.value.path
    assert all(later == {"A": "B", "B": "C", "C": "A"}[first] for first, later in pairwise(path))


def test_a_step_that_reads_its_own_name() -> None:
    with pytest.raises(CycleError, match=r"Load would depend on itself .*reads the name Load.* another name") as caught:
        Graph([step("Load", "Load + 1")])
    assert caught.value.path == ("Load", "Load")


def test_a_step_that_assigns_its_own_name_is_fine() -> None:
    assert Graph([step("Load", "Load = 1\nLoad")]).parents("Load") == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("Laod", "Did you mean Load?", id="swapped letters"),
        pytest.param("load", "Did you mean Load?", id="case"),
        pytest.param("zzz", "Steps are: Load, Clean.", id="nothing near"),
    ],
)
def test_an_unknown_step(name: str, text: str) -> None:
    with pytest.raises(UnknownStepError) as caught:
        graph_of(Load="", Clean="Load").check(["Load", name])
    assert text in str(caught.value)
    assert caught.value.name == name


def test_an_unknown_step_of_an_empty_graph() -> None:
    with pytest.raises(UnknownStepError, match="No step is registered yet"):
        Graph().check(["A"])


def test_a_chain_of_100_000() -> None:
    chain = (step_on(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(100_000, -1, -1))
    graph = Graph(chain)
    assert graph.order[0] == "s0"
    plan = make_plan(graph, Known(parts=lambda name: ()), ["s100000"])
    assert len(plan.to_run) == 100_001
    assert plan["s50000"].action is Action.RUN


def test_a_cycle_of_20_000() -> None:
    with pytest.raises(CycleError) as caught:
        Graph(step_on(f"s{n}", f"s{(n + 1) % 20_000}") for n in range(20_000))
    assert len(caught.value.path) == 20_001


def step_on(name: str, *parents: str) -> Definition:
    return Definition(name, SOURCE, tuple(Dependency(parent, parent) for parent in parents))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30), st.permutations(range(13)))
def test_the_order_is_topological_whatever_the_order_of_registration(
    pairs: list[tuple[int, int]], registered: list[int]
) -> None:
    after = {n: sorted({f"s{a}" for a, b in pairs if b == n and a < n}) for n in range(13)}
    graph = Graph(step_on(f"s{n}", *after[n]) for n in registered)
    place = {name: i for i, name in enumerate(graph.order)}
    assert len(place) == 13
    assert all(place[p] < place[name] for name in graph for p in graph.parents(name))
    assert graph.order == Graph(graph.definitions.values()).order


def test_levels() -> None:
    """Each needs only steps of levels before its own; what nobody has registered counts for nothing."""
    graph = graph_of(D="B,C", C="A", B="", A="", E="Gone")
    assert levels(graph) == [["B", "A", "E"], ["C"], ["D"]]
    assert levels(graph, ["D", "C"]) == [["C"], ["D"]]
    assert levels(Graph()) == []


def test_many_at_once() -> None:
    """In their old places, the new ones behind; a circle changes nothing."""
    graph = graph_of(A="", B="A", C="B")
    more = graph.add_all([step("C", "1"), step("D", "C"), step("A", "2")], replacing=["B"])
    assert list(more) == ["A", "C", "D"]
    assert list(graph) == ["A", "B", "C"]
    with pytest.raises(CycleError):
        graph.add_all([step("A", "C")])


def test_a_circle_of_one_that_was_declared() -> None:
    with pytest.raises(CycleError, match="take it out of what it depends on"):
        graph_of(A="A")
