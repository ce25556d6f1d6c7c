"""The plan: rows of what is remembered → what would happen, and its laws on random graphs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.graph import Graph
from jo_notebook.core.plan import Action, Known, Plan, make_plan
from jo_notebook.core.record import Failure, Record
from jo_notebook.errors import UnknownStepError
from tests.cases.making import graph_of, step

CHAIN = {"A": "", "B": "A", "C": "B"}
DIAMOND = {"A": "", "L": "A", "R": "A", "T": "L,R"}
SOURCE = step("X", "1").source


def parts_of(code: str) -> list[Part]:
    return [Part("code", "", code, code)]


@dataclass
class World:
    """A graph and what is remembered of it. Each step's code is the word in `code`, "v1" where not said."""

    graph: Graph
    code: dict[str, str] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def parts(self, name: str) -> list[Part]:
        return [*parts_of(self.code.get(name, "v1")), *self.extra.get("parts", {}).get(name, [])]

    def fingerprint(self, name: str) -> Fingerprint:
        inputs = [
            Part("input", d.parameter, self.records[d.step].version, d.step)
            for d in self.graph.dependencies[name]
            if d.step in self.records
        ]
        return Fingerprint.of([*self.parts(name), *inputs])

    def ran(self, *names: str, version: str = "r1", held: str = "memory") -> World:
        for name in names or self.graph.order:
            self.records[name] = Record(name, self.fingerprint(name), f"{name} {version}", seconds=2.0, size=5)
            self.held[name] = held
            self.failures.pop(name, None)
        return self

    def failed(self, name: str) -> World:
        self.failures[name] = Failure(name, self.fingerprint(name), "ValueError: no")
        return self

    def edited(self, name: str, code: str = "v2") -> World:
        self.code[name] = code
        return self

    def lost(self, *names: str) -> World:
        self.held.update(dict.fromkeys(names, ""))
        return self

    def forgotten(self, *names: str) -> World:
        for name in names:
            self.records.pop(name)
            self.held.pop(name)
        return self

    def with_(self, **extra: Any) -> World:
        self.extra.update(extra)
        return self

    def known(self, **more: Any) -> Known:
        extra = {k: v for k, v in self.extra.items() if k != "parts"}
        held = dict(self.held)
        return Known(self.parts, self.records, self.failures, lambda name: held.get(name, ""), **extra, **more)

    def plan(self, *heads: str, **more: Any) -> Plan:
        return make_plan(self.graph, self.known(**more), heads)


def world(shape: dict[str, str] | None = None) -> World:
    return World(graph_of(**(CHAIN if shape is None else shape)))


def rows_of(plan: Plan) -> list[str]:
    """`B stale run: code changed; upstream A will run`"""
    return [
        f"{d.step} {d.availability} {d.action}" + (": " if d.reasons else "") + "; ".join(r.text for r in d.reasons)
        for d in plan
    ]


ROWS = [
    pytest.param(
        world(),
        [],
        [
            "A missing run: no result",
            "B missing run: no result; upstream A will run",
            "C missing run: no result; upstream B will run",
        ],
        id="nothing known",
    ),
    pytest.param(
        world().ran(), [], ["A available nothing", "B available nothing", "C available nothing"], id="all there"
    ),
    pytest.param(
        world().ran(held="disk"), [], ["A available nothing", "B available nothing", "C available load"], id="on disk"
    ),
    pytest.param(
        world().ran().edited("C"),
        [],
        ["A available nothing", "B available nothing", "C stale run: code changed"],
        id="head edited",
    ),
    pytest.param(
        world().ran(held="disk").edited("C"),
        [],
        ["A available nothing", "B available load", "C stale run: code changed"],
        id="head edited, what it needs is on disk",
    ),
    pytest.param(
        world().ran().edited("A"),
        [],
        [
            "A stale run: code changed",
            "B stale run: upstream A will run",
            "C stale run: upstream B will run",
        ],
        id="source edited",
    ),
    pytest.param(
        world().ran().edited("A").edited("C"),
        [],
        [
            "A stale run: code changed",
            "B stale run: upstream A will run",
            "C stale run: code changed; upstream B will run",
        ],
        id="source and head edited",
    ),
    pytest.param(
        world().ran().forgotten("A"),
        [],
        ["A missing run: no result", "B stale run: upstream A will run", "C stale run: upstream B will run"],
        id="source forgotten",
    ),
    pytest.param(
        world().ran().ran("A", version="r2"),
        [],
        ["A available nothing", "B stale run: input A has a new value", "C stale run: upstream B will run"],
        id="source ran on its own, with a new value",
    ),
    pytest.param(
        world().ran().ran("A"),
        [],
        ["A available nothing", "B available nothing", "C available nothing"],
        id="source ran on its own, with the same value",
    ),
    pytest.param(
        world().ran().lost("A", "B"),
        [],
        [
            "A missing nothing",
            "B missing nothing",
            "C available nothing",
        ],
        id="values lost that nobody needs",
    ),
    pytest.param(
        world().ran().lost("A", "C"),
        [],
        ["A missing nothing", "B available nothing", "C missing run: its value was not kept"],
        id="head lost",
    ),
    pytest.param(
        world().ran().lost("A", "B", "C"),
        [],
        [f"{name} missing run: its value was not kept" for name in "ABC"],
        id="all lost",
    ),
    pytest.param(
        world().ran().lost("A").edited("B"),
        ["B"],
        ["A missing run: its value was not kept", "B stale run: code changed"],
        id="lost and needed",
    ),
    pytest.param(
        world().failed("A"),
        ["A"],
        ["A failed run: last run failed: ValueError: no"],
        id="failed",
    ),
    pytest.param(
        world().failed("A").edited("A"),
        ["A"],
        ["A missing run: not run since it was edited"],
        id="failed, then edited",
    ),
    pytest.param(
        world().ran().edited("A").failed("A"),
        ["A"],
        ["A failed run: last run failed: ValueError: no; code changed"],
        id="there was a success, then an edit that failed",
    ),
    pytest.param(
        world().ran().edited("A").failed("A").edited("A", "v3"),
        ["A"],
        ["A stale run: code changed"],
        id="a success, an edit that failed, another edit",
    ),
    pytest.param(
        world().ran().edited("A").failed("A").edited("A", "v1"),
        ["A"],
        ["A available nothing"],
        id="a success, an edit that failed, undone",
    ),
    pytest.param(world().ran().edited("A").edited("A", "v1"), ["A"], ["A available nothing"], id="undone"),
    pytest.param(
        World(graph_of(B="A")),
        [],
        ["B missing run: no result; A is not registered yet"],
        id="undefined dependency",
    ),
    pytest.param(
        World(graph_of(A="", B="A").remove("A"), records=world({"A": "", "B": "A"}).ran().records),
        [],
        ["B missing run: A is not registered yet"],
        id="the dependency was removed",
    ),
    pytest.param(
        world().ran().with_(force=["C"]),
        [],
        ["A available nothing", "B available nothing", "C available run: asked to run again"],
        id="force",
    ),
    pytest.param(
        world().ran().edited("C").with_(force=["C"]),
        [],
        ["A available nothing", "B available nothing", "C stale run: asked to run again; code changed"],
        id="force a stale one",
    ),
    pytest.param(
        world().ran().edited("A").edited("C").with_(only=True),
        [],
        ["A available nothing", "B available nothing", "C stale run: code changed"],
        id="only",
    ),
    pytest.param(
        world().ran().edited("A").with_(only=True),
        [],
        ["A available nothing", "B available nothing", "C available nothing"],
        id="only, nothing of its own",
    ),
    pytest.param(
        world().ran().with_(only=True, force=["C"]),
        ["C"],
        ["A available nothing", "B available nothing", "C available run: asked to run again"],
        id="only and force",
    ),
    pytest.param(
        world().ran().with_(problems={"B": "generation 3: wrong checksum"}).lost("B"),
        [],
        [
            "A available nothing",
            "B failed run: its stored result is damaged: generation 3: wrong checksum",
            "C stale run: upstream B will run",
        ],
        id="damaged on disk",
    ),
    pytest.param(
        world().ran().with_(parts={"A": [Part("untracked", "db", "", "db")]}),
        ["A"],
        ["A available nothing"],
        id="untracked",
    ),
    pytest.param(
        world(DIAMOND).ran().edited("R"),
        [],
        [
            "A available nothing",
            "L available nothing",
            "R stale run: code changed",
            "T stale run: upstream R will run",
        ],
        id="one arm of a diamond",
    ),
    pytest.param(
        world(DIAMOND).ran().edited("R"), ["L"], ["A available nothing", "L available nothing"], id="other arm"
    ),
]


@pytest.mark.parametrize(("given_world", "heads", "expected"), ROWS)
def test_rows(given_world: World, heads: list[str], expected: list[str]) -> None:
    assert rows_of(given_world.plan(*heads)) == expected


def test_without_heads_the_heads_are_the_leaves() -> None:
    plan = world({"A": "", "B": "A", "C": "A"}).plan()
    assert plan.heads == ("B", "C")
    assert [d.step for d in plan if d.is_head] == ["B", "C"]


def test_a_step_whose_cell_is_gone_is_no_head_by_itself() -> None:
    plan = world({"A": "", "B": "A", "C": "A"}).with_(orphans={"B"}).plan()
    assert plan.heads == ("C",)
    assert plan["B"].is_orphan
    assert plan["B"].action is Action.NOTHING
    assert world({"A": "", "B": "A"}).with_(orphans={"A"}).plan("B").to_run == ("A", "B"), "but others may need it"
    assert world({"A": ""}).with_(orphans={"A"}).plan("A").to_run == ("A",), "and it may be asked for"


def test_only_the_heads_and_what_they_need_are_in_the_plan() -> None:
    plan = world(DIAMOND).plan("L")
    assert [d.step for d in plan] == ["A", "L"]
    assert "R" not in plan
    assert plan.parents == {"A": (), "L": ("A",)}


def test_heads_count_once_and_keep_their_order() -> None:
    assert world(DIAMOND).plan("R", "L", "R").heads == ("R", "L")


def test_an_unknown_head() -> None:
    with pytest.raises(UnknownStepError, match="Did you mean"):
        world({"Load": ""}).plan("Laod")


def test_an_empty_graph() -> None:
    assert list(world({}).plan()) == []


def test_expected_seconds() -> None:
    assert world().ran().edited("A").plan().seconds == 6.0
    assert world().ran().edited("A").forgotten("B").plan().seconds is None
    assert world().ran().plan().seconds == 0


def test_what_a_decision_tells() -> None:
    made = world({"A": ""}).ran(held="disk").with_(parts={"A": [Part("untracked", "db", "", "")]}).plan()["A"]
    assert (made.size, made.seconds, made.held, made.untracked) == (5, 2.0, "disk", ("db",))


def test_to_run_and_to_load() -> None:
    plan = world().ran(held="disk").edited("C").plan()
    assert (plan.to_run, plan.to_load, len(plan), repr(plan)) == (("C",), ("B",), 3, "<Plan: 1 of 3 steps will run>")


def test_an_input_under_another_name_is_another_input() -> None:
    before = World(graph_of(A="", B="x=A")).ran()
    after = World(graph_of(A="", B="y=A"), records=before.records, held=before.held)
    assert rows_of(after.plan())[1] == "B stale run: input x is gone; input y is new"


def test_two_inputs_swapped() -> None:
    before = World(graph_of(A="", B="", C="x=A,y=B")).ran()
    after = World(graph_of(A="", B="", C="x=B,y=A"), records=before.records, held=before.held)
    assert rows_of(after.plan())[2] == "C stale run: input x has a new value; input y has a new value"


# -- other results, pins, files that are written, times ----------------------------------------------------


def made_before(made: World, name: str, code: str) -> Record:
    """What the step gave when its code was another one, from the same inputs."""
    now = made.code.get(name, "v1")
    record = Record(name, made.edited(name, code).fingerprint(name), f"{name} of {code}")
    made.edited(name, now)
    return record


def test_an_earlier_result_is_found() -> None:
    """The newest is not today's and an earlier one is: nothing runs, its number is told, and it is loaded."""
    made = world().ran().edited("C")
    old = made_before(made, "C", "v2")
    made.with_(others=lambda name: [(3, old)] if name == "C" else [])
    decision = made.plan()["C"]
    assert (decision.availability, decision.action, decision.generation) == ("available", Action.LOAD, 3)
    assert (decision.held, decision.reasons) == ("disk", ())


def test_the_newest_of_several_is_taken() -> None:
    made = world().ran().edited("C")
    wrong, one, two = made_before(made, "C", "v9"), made_before(made, "C", "v2"), made_before(made, "C", "v2")
    made.with_(others=lambda name: [(7, wrong), (5, one), (2, two)] if name == "C" else [])
    assert made.plan()["C"].generation == 5


def test_no_other_result_is_right() -> None:
    made = world().ran().edited("C", "v3")
    made.with_(others=lambda name: [(1, made_before(world().ran(), "C", "v2"))] if name == "C" else [])
    assert rows_of(made.plan())[2] == "C stale run: code changed"


def test_an_earlier_result_gives_what_is_below_its_version() -> None:
    """B goes back to an earlier result with another version: C, made from the newest one, is stale by its input."""
    made = world().ran().edited("B")
    made.with_(others=lambda name: [(1, made_before(made, "B", "v2"))] if name == "B" else [])
    assert rows_of(made.plan()) == [
        "A available nothing",
        "B available load",
        "C stale run: input B has a new value",
    ]


def test_the_result_in_use_is_where_its_value_is() -> None:
    """The earlier result is in use already, and its value in memory."""
    made = world().ran()
    made.with_(used=lambda name: 4 if name == "C" else 0)
    decision = made.plan()["C"]
    assert (decision.generation, decision.held, decision.action) == (4, "memory", Action.NOTHING)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        pytest.param({"force": ["C"]}, "asked to run again", id="force"),
        pytest.param({"problems": {"C": "cut short"}}, "its stored result is damaged: cut short", id="damaged"),
    ],
)
def test_no_other_result_is_looked_for(extra: dict[str, Any], reason: str) -> None:
    made = world().ran().edited("C")
    old = made_before(made, "C", "v2")
    made.with_(others=lambda name: [(3, old)], **extra)
    assert made.plan()["C"].action is Action.RUN
    assert made.plan()["C"].reasons[0].text == reason


def test_nor_where_what_is_above_will_run() -> None:
    made = world().ran().edited("B").edited("C")
    old = made_before(made, "C", "v2")
    made.with_(others=lambda name: [(3, old)] if name == "C" else [])
    assert made.plan()["C"].action is Action.RUN


def test_a_pinned_result() -> None:
    """It stays whatever changes, and what it overrides is told; what is below sees its version."""
    made = world().ran().edited("A").edited("B").with_(pinned={"B"})
    assert rows_of(made.plan()) == ["A stale nothing: code changed", "B available nothing", "C available nothing"]
    decision = made.plan()["B"]
    assert (decision.override, decision.overridden) == ("pinned", ("code changed", "upstream A will run"))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(world().ran().with_(force=["B"]), "B available run: asked to run again", id="force runs it"),
        pytest.param(world(), "B missing run: no result; upstream A will run", id="no result"),
        pytest.param(world().ran().lost("B"), "B missing run: its value was not kept", id="its value is lost"),
        pytest.param(
            world().ran().with_(problems={"B": "x"}), "B failed run: its stored result is damaged: x", id="damaged"
        ),
    ],
)
def test_a_pin_that_has_nothing_to_keep(made: World, expected: str) -> None:
    assert rows_of(made.with_(pinned={"B"}).plan("B"))[1] == expected


def test_a_pin_is_before_an_earlier_result() -> None:
    made = world().ran().edited("C").with_(pinned={"C"})
    old = made_before(made, "C", "v2")
    made.with_(others=lambda name: [(3, old)])
    assert (made.plan()["C"].generation, made.plan()["C"].override) == (0, "pinned")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("d1", "A available nothing", id="as it was left"),
        pytest.param("d2", "A stale run: file out, which it writes, was changed", id="changed"),
        pytest.param("missing", "A stale run: file out, which it writes, is gone", id="deleted"),
    ],
)
def test_files_that_a_step_writes(now: str, expected: str) -> None:
    made = world({"A": ""}).ran()
    made.records["A"] = Record("A", made.records["A"].fingerprint, "v", writes=(("out", "d1"),))
    assert rows_of(made.with_(digest_now=lambda path: now).plan()) == [expected]


def test_a_file_that_is_written_is_an_input_below() -> None:
    """The same value with another file is another output."""
    made = world().ran().with_(digest_now=lambda path: "d2")
    made.records["A"] = Record("A", made.records["A"].fingerprint, made.records["A"].version, writes=(("o", "d2"),))
    assert rows_of(made.plan())[1] == "B stale run: input A has a new value"


def test_a_time_by_the_sizes_of_the_inputs() -> None:
    """Twice the input, twice the time, where that was so before; else the median of the last three."""
    made = world({"A": "", "B": "A"}).ran().edited("B")
    history = ((1.0, 100.0), (2.0, 200.0), (4.0, 400.0))
    above, below = made.records["A"], made.records["B"]
    made.records["A"] = Record("A", above.fingerprint, above.version, size=800)
    made.records["B"] = Record("B", below.fingerprint, below.version, seconds=4.0, history=history)
    assert made.plan()["B"].seconds == pytest.approx(8.0)
    made.records["B"] = Record("B", below.fingerprint, below.version, seconds=4.0, history=history[:2])
    assert made.plan()["B"].seconds == pytest.approx(1.5)
    made.records["B"] = Record("B", below.fingerprint, below.version, seconds=4.0)
    assert made.plan()["B"].seconds == 4.0, "an older release kept no history"


# -- laws ---------------------------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any graph of up to nine steps, and anything that may be remembered of it."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 9)))]
    rows = []
    for n, name in enumerate(names):
        parents = draw(st.lists(st.sampled_from(names[:n]), max_size=3, unique=True)) if n else []
        rows.append(Definition(name, SOURCE, tuple(Dependency(p, p) for p in parents)))
    made = World(Graph(draw(st.permutations(rows))))
    some = st.sets(st.sampled_from(names))
    made.ran(*[name for name in made.graph.order if name in draw(st.just(set(names) - draw(some)))])
    for name in draw(some):
        made.edited(name)
    for name in draw(some):
        made.failed(name)
    for name in draw(some) & made.records.keys():
        made.records[name] = Record(name, made.records[name].fingerprint, "another")
    for name in made.records:
        made.held[name] = draw(st.sampled_from(["memory", "disk", ""]))
    return made.with_(force=draw(some), orphans=draw(some), only=draw(st.booleans()))


@given(worlds(), st.data())
def test_laws(made: World, data: st.DataObject) -> None:
    heads = data.draw(st.lists(st.sampled_from(sorted(made.graph)), max_size=3))
    plan = made.plan(*heads)
    place = {d.step: n for n, d in enumerate(plan)}
    runs = set(plan.to_run)
    needed = set(plan.heads) | {p for name in runs for p in plan.parents[name]}

    assert plan == made.plan(*heads), "the same arguments give the same plan"
    for decision in plan:
        name = decision.step
        assert all(place[p] < place[name] for p in plan.parents[name]), "dependencies come first"
        assert (name in runs) == (bool(decision.reasons) and name in needed), (
            "it runs when it has reasons and is needed"
        )
        assert decision.action is Action.NOTHING or name in needed, "what nobody needs is left alone"
        if decision.action is Action.LOAD:
            assert decision.held == "disk"
        if name in needed and name not in runs:
            assert decision.held, "what is needed and does not run is there"


@given(worlds())
def test_running_the_plan_leaves_nothing_to_do(made: World) -> None:
    """Carried out by hand, dependencies first, a changed step with a new value: the next plan is empty."""
    made.extra.update(force=(), only=False, orphans=())
    plan = made.plan()
    for name in plan.to_run:
        if plan[name].reasons[0].text == "its value was not kept":
            made.held[name] = "memory"
        else:
            made.ran(name, version="later")
    again = made.plan()
    assert again.to_run == ()
    assert all(again[head].availability == "available" for head in again.heads)


@given(worlds(), st.data())
def test_never_wrongly_fresh(made: World, data: st.DataObject) -> None:
    """A step counts as available only when its code is the recorded one and so are all its inputs, all the way up."""
    made.extra.update(force=(), only=False, orphans=())
    plan = made.plan()
    for decision in plan:
        if decision.availability != "available":
            continue
        for name in made.graph.ancestors([decision.step]):
            assert made.records[name].fingerprint.key == made.fingerprint(name).key
            assert not plan[name].reasons or plan[name].held == ""
