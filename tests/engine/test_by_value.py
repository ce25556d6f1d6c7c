"""What belongs to the notebook goes to another process as it is, comes back as it was, and stays whole at home."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.errors import NotSendable, StepFailed
from jo_notebook.store.context import Context
from tests.cases.making import Watched, notebook, step, texts_of

SETUP = "import functools, threading, typing\n"


class Made:
    """Makes pipelines, and lets go of their processes."""

    def __init__(self) -> None:
        self.pipelines: list[Watched] = []

    def __call__(self, setup: str, **bodies: str) -> Watched:
        pipeline = notebook(SETUP + setup)
        return self.of(pipeline, **bodies)

    def of(self, pipeline: Watched, **bodies: str) -> Watched:
        """The same with one that is there already."""
        for name, body in bodies.items():
            pipeline.add(step(name, body))
        self.pipelines.append(pipeline)
        return pipeline


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Pipelines whose processes end with the test."""
    monkeypatch.chdir(tmp_path)
    made = Made()
    yield made
    for pipeline in made.pipelines:
        pipeline.executors.close()


def cell(pipeline: Watched, code: str) -> None:
    """Runs an ordinary cell."""
    exec(code, pipeline.today.namespace)
    pipeline.touch()


def test_a_class_of_the_notebook_stays_the_notebooks(make: Made) -> None:
    setup = "K = 1\ndef helper():\n    return K\nclass C:\n    def f(self):\n        return helper()\n"
    pipeline = make(setup, Made="C()", Uses="C().f()", Asks="Made.f()")
    kind: Any = pipeline.today.namespace["C"]
    method = kind.f
    assert isinstance(pipeline.materialize("Made", executor="processes"), kind)
    assert kind.f is method, "else its methods read copies of the notebook's names"
    cell(pipeline, "K = 2")
    assert kind().f() == 2
    assert pipeline.materialize("Uses") == 2
    assert pipeline.materialize("Asks", executor="processes") == 2


def test_a_class_there_has_what_it_has_here_and_no_more(make: Made) -> None:
    setup = "class C:\n    x = 1\n    def f(self):\n        return [hasattr(self, n) for n in 'xy']\n"
    pipeline = make(setup, Marks="C.y = 5\nC().f()", After="Marks\nC().f()")
    results = pipeline.materialize("Marks", "After", executor="processes")
    assert results == {"Marks": [True, True], "After": [True, False]}
    assert not hasattr(pipeline.today.namespace["C"], "y")
    cell(pipeline, "del C.x")
    assert pipeline.materialize("After", executor="processes") == [False, False]
    assert not hasattr(pipeline.today.namespace["C"], "x")


def test_a_class_with_slots_has_slots_there(make: Made) -> None:
    setup = "class S:\n    __slots__ = ('a', '__b')\n    def __init__(self):\n        self.a, self.__b = 1, 2\n"
    setup += "    def b(self):\n        return self.__b\n"
    setup += "class Row(typing.NamedTuple):\n    x: int\n"
    pipeline = make(setup, A="S()", B="(A.a, A.b(), hasattr(A, '__dict__'))", C="Row(3)", D="C.x")
    results = pipeline.materialize("A", "B", "C", "D", executor="processes")
    assert (results["B"], results["C"], results["D"]) == ((1, 2, False), (3,), 3)
    assert results["A"].b() == 2


@pytest.mark.parametrize(
    "body",
    [
        "class Local:\n    z = 1\nLocal()",
        "class Local:\n    class Inner:\n        pass\nLocal.Inner",
        "memoryview(b'abcdefgh').cast('I')",
        "memoryview(bytearray(b'abc'))",
        "Outer.Inner()",
        "[Tagged(a=1), Color.RED, Point(1, 2)]",
    ],
)
def test_a_result_has_the_same_version_wherever_it_was_made(make: Made, body: str) -> None:
    setup = "import enum, dataclasses\nclass Outer:\n    class Inner:\n        pass\nclass Tagged(dict):\n    tag = 1\n"
    setup += "class Color(enum.Enum):\n    RED = 1\n@dataclasses.dataclass\nclass Point:\n    x: int\n    y: int = 0\n"
    versions = set()
    for executor in ("inline", "processes"):
        pipeline = make(setup, A=body, B="type(A).__name__")
        value = pipeline.materialize("A", executor=executor)
        pipeline.materialize("B", executor=executor)
        records = pipeline.context.records
        assert records["A"].exact
        assert records["A"].executor == executor
        versions.add((records["A"].version, records["A"].fingerprint.key, records["B"].version, type(value).__name__))
        assert pipeline.plan().to_run == ()
    assert len(versions) == 1


def test_what_pickles_as_a_name_of_the_notebook_goes_by_value(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = SETUP + (
        "Id = typing.NewType('Id', int)\nP = typing.ParamSpec('P')\n"
        "@functools.cache\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "class C:\n    @functools.cached_property\n    def n(self):\n        return 2\n"
        "    @functools.lru_cache(maxsize=3)\n    def m(self):\n        return 3\n"
        "def f(x: Id) -> Id:\n    return x\ndef g(x: typing.Callable[P, int]):\n    return x()\n"
    )
    names: dict[str, Any] = vars(sys.modules["__main__"])
    before = dict(names)
    try:
        exec(setup, names)
        pipeline = Watched(Context(None), names)
        pipeline.today.statement = texts_of(setup).get
        make.of(pipeline, A="fib(30)", B="c = C()\n(c.n, c.n, c.m())", C_="f(4), g(int)", D="C.m.cache_parameters()")
        results = pipeline.materialize("A", "B", "C_", "D", executor="processes")
        assert results["A"] == 832040
        assert results["B"] == (2, 2, 3)
        assert results["C_"] == (4, 0)
        assert results["D"]["maxsize"] == 3
        assert {record.executor for record in pipeline.context.records.values()} == {"processes"}
    finally:
        names.clear()
        names.update(before)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("odd.x", "A cannot run in another process: its code was sent and cannot be put together again"),
        ("Odd(2)", "its result was sent and cannot be put together again (RuntimeError: no)"),
        ("open(__import__('os').devnull)", "it returns result, which cannot be sent (PicklingError: it is an open"),
    ],
)
def test_what_cannot_be_put_together_is_told(make: Made, body: str, said: str) -> None:
    setup = "class Odd:\n    def __init__(self, x):\n        self.x = x\n"
    setup += "    def __setstate__(self, state):\n        raise RuntimeError('no')\nodd = Odd(1)\n"
    pipeline = make(setup, A=body)
    with pytest.raises(StepFailed) as failed:
        pipeline.materialize("A", executor="processes")
    assert isinstance(failed.value.__cause__, NotSendable)
    assert said in str(failed.value)
    assert "--executor inline" in str(failed.value)


def test_who_looks_into_the_notebook_runs_in_it(make: Made) -> None:
    pipeline = make("", A="import __main__\n__main__.__name__")
    pipeline.materialize("A", executor="processes")
    assert pipeline.context.records["A"].executor == "inline"
