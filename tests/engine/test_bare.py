"""Bare steps are told by their text alone: what that says is what a look at everything says, and it ends in time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jo_notebook.core.definition import Definition, parse_dependencies
from jo_notebook.core.graph import Graph
from jo_notebook.engine.bare import BareSteps
from jo_notebook.engine.today import Today
from tests.cases.making import notebook, step

TEXTS = [
    *("1", "Load + 1", "x = Load\nx * 2.5", "sum(Load)", "print(unknown)", "Load.clean().mean", "'{Load}'"),
    *("eval('Load + other')", "globals()", "exec('y = 1')", "input()", "get_ipython().system('ls {Load}')"),
    *("def f(a):\n    'doc'\n    return a\nf.__doc__", "help(Load)", "[i for i in Load if i]", "(lambda: Load)()"),
    *("class A:\n    K = K\nA", "global G\nG = 1", "await Load", "yield Load", "Load.query('a > @limit')"),
    *("important = 1\nimportant", "f'{Load.x}'", "x = 'import os'\nx", "open('a.txt').read()"),
]
MORE = [
    *("import math\nmath.pi", "from math import pi\npi", "__import__('math').pi", "K + 1", "helper(1)", "__name__"),
    *("import importlib\nimportlib.import_module('math')",),
]


def space() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("K = 3\ndef helper(x): return x + K", names)
    return names


def one(text: str, **declared: Any) -> tuple[Graph, Definition]:
    definition = replace(step("A", text, "Load"), **declared)
    return Graph([step("Load", "1"), definition]), definition


@pytest.mark.parametrize("declared", [{}, {"seed": 3}, {"params": (("n", 1), ("word", "a"), ("none", None))}])
@pytest.mark.parametrize("text", TEXTS)
def test_the_short_way_says_what_the_long_one_says(text: str, declared: dict[str, Any]) -> None:
    """A word to be ignored makes a step one that is looked at, and adds a part that is not compared."""
    names = space()
    names.pop("K")
    short, _ = one(text, **declared)
    long, _ = one(text, **declared, ignore=("nobody",))
    assert BareSteps(names).find(short, "A") is not None
    assert BareSteps(names).find(long, "A") is None
    today = Today(names)
    for look in (today.parts, today.parts_now):
        found = [part for part in look(long, "A") if part.text != "ignored"]
        assert list(look(short, "A")) == found
    assert today.needs(short, "A") == today.needs(long, "A")


@pytest.mark.parametrize("text", MORE)
def test_what_reads_more_is_looked_at(text: str) -> None:
    graph, _ = one(text)
    assert BareSteps(space()).find(graph, "A") is None


@pytest.mark.parametrize(
    "declared",
    [{"reads": ("a.csv",)}, {"env": ("HOME",)}, {"ignore": ("K",)}, {"params": (("rows", [1]),)}, {"call": len}],
)
def test_what_declares_more_is_looked_at(declared: dict[str, Any]) -> None:
    graph, _ = one("Load + 1", **declared)
    assert BareSteps(space()).find(graph, "A") is None


def test_another_definition_or_another_input_is_another_step() -> None:
    bare = BareSteps(space())
    first, second = one("Load + 1")[0], one("Load + 2")[0]
    renamed = Graph([step("Load", "1"), step("A", "x + 1", "x=Load"), step("x", "1")])
    given = {bare.find(graph, "A").given for graph in (first, second, renamed)}  # type: ignore[union-attr]
    assert given == {parse_dependencies(["Load"]), parse_dependencies(["x=Load"])}
    assert bare.find(first, "A").parts != bare.find(second, "A").parts  # type: ignore[union-attr]


@pytest.mark.parametrize(("text", "name"), [("sum([1, 2])", "sum"), ("1 if Load else later", "later")])
def test_a_name_that_the_notebook_binds_counts_from_then_on(text: str, name: str) -> None:
    """Also where Python has it, too; and when it is gone again the result is the right one again."""
    pipeline = notebook()
    pipeline.add(step("Load", "1"))
    pipeline.add(step("A", text, "Load"))
    pipeline.materialize(echo=False)
    assert pipeline.plan().to_run == ()
    stamp = pipeline.today.stamp()
    for value in (max, 7):
        pipeline.today.namespace[name] = value
        assert pipeline.plan().to_run == ("A",)
        assert pipeline.today.stamp() != stamp
        stamp = pipeline.today.stamp()
        assert pipeline.plan().to_run == ("A",)
        assert pipeline.today.stamp() == stamp
    del pipeline.today.namespace[name]
    assert pipeline.plan().to_run == ()
    pipeline.today.namespace[name] = 8
    assert pipeline.plan().to_run == ("A",), "noticed each time, not once"


def test_a_step_that_binds_a_name_in_the_middle_of_a_run() -> None:
    """The step after it was bare when the run was planned, and is not when its turn comes."""
    pipeline = notebook()
    pipeline.add(step("A", "global scale\nscale = 3\n1", ""))
    pipeline.add(step("B", "A * scale", "A"))
    assert pipeline.materialize("B", echo=False) == 3
    record = pipeline.context.records["B"]
    assert [part.name for part in record.fingerprint.parts if part.kind == "constant"] == ["scale"]
    assert pipeline.plan("B").to_run == ()
    pipeline.today.namespace["scale"] = 5
    assert pipeline.plan("B").to_run == ("B",)
    assert pipeline.materialize("B", echo=False) == 5


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_method_given_to_a_library(is_loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that names attributes is bare until the notebook gives a library's class a method of such a name."""
    for name in ("pandas", "polars", "xarray"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    library = ModuleType("polars")
    library.DataFrame = type("DataFrame", (), {"__module__": "polars", "clean": len})  # type: ignore[attr-defined]
    if is_loaded:
        monkeypatch.setitem(sys.modules, "polars", library)
    pipeline = notebook()
    pipeline.add(step("A", "'a text'.clean() if False else 1"))
    pipeline.add(step("B", "'a text'.strip()"))
    pipeline.materialize(echo=False)
    bare = BareSteps(pipeline.today.namespace)
    assert bare.find(pipeline.dag, "A") is not None
    monkeypatch.setitem(sys.modules, "polars", library)
    for text in ("def clean(self): return 1", "def clean(self): return 2"):
        assert pipeline.plan().to_run == ()
        stamp = pipeline.today.stamp()
        exec(text, pipeline.today.namespace)
        monkeypatch.setattr(library.DataFrame, "clean", pipeline.today.namespace["clean"])
        assert bare.find(pipeline.dag, "A") is None
        assert pipeline.plan().to_run == ("A",)
        assert pipeline.today.stamp() != stamp
        library.DataFrame.clean = len
        assert bare.find(pipeline.dag, "A") is not None


def test_a_method_given_in_the_middle_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("polars")
    library.DataFrame = type("DataFrame", (), {"__module__": "polars"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "polars", library)
    pipeline = notebook("def clean(self): return 1")
    pipeline.add(step("A", "import polars\npolars.DataFrame.clean = clean\n1", ""))
    pipeline.add(step("B", "A if A else A.clean()", "A"))
    pipeline.materialize("B", echo=False)
    parts = pipeline.context.records["B"].fingerprint.parts
    assert [part.name for part in parts if part.kind == "helper"] == ["polars.DataFrame.clean"]


def test_a_parameter_that_is_changed_in_place_counts() -> None:
    rows = [1, 2]
    pipeline = notebook()
    pipeline.add(replace(step("A", "len(rows)", ""), params=(("rows", rows),)))
    assert pipeline.materialize("A", echo=False) == 2
    rows.append(3)
    assert pipeline.plan("A").to_run == ("A",)


def test_what_an_earlier_session_knew_counts(tmp_path: Path) -> None:
    """A name that this kernel has not is what it was then: such a step is not bare."""
    first = notebook("K = 3", tmp_path / "a.jo")
    first.add(step("A", "K + 1", ""))
    assert first.materialize("A", echo=False) == 4
    fresh = notebook("", tmp_path / "a.jo")
    assert fresh.take_in() == ["A"]
    assert BareSteps({}).find(fresh.dag, "A") is None
    fresh.add(step("A", "K + 1", ""))
    assert fresh.plan("A").to_run == ()
    fresh.add(step("A", "K + 2", ""))
    assert fresh.materialize("A", echo=False) == 5
