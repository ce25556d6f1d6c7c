"""What Today keeps between two looks, and what it notices after a touch: everything that may change in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.version import version_of
from tests.cases.making import Watched, notebook, step

CODE = """
import math
K = 10
values = [1, 2]
table = {'a': [1]}
def inner(x): return x + K
def helper(x, y=(1,), *, z=3): return inner(x)
def bag(x, seen=[]): return seen
def make(n):
    def held(): return n
    return held
closed = make(3)
closed_list = make([3])
class Model:
    depth = 2
    grid = [1, 2]
    def fit(self, x=1): return helper(x)
class Deep(Model):
    more = 1
lambdas = {'f': lambda x: x + 1}
pair = (1, [2])
counted = [1]
count = counted.count
"""
BODY = "helper(1), values, table, bag(1), closed(), closed_list(), Model, Deep, lambdas, pair, math.pi, K, count(1)"


def ready(code: str = CODE, body: str = BODY) -> Watched:
    """A pipeline whose one step was looked at."""
    pipeline = notebook(code)
    pipeline.add(step("A", body))
    pipeline.materialize(echo=False)
    assert pipeline.plan().to_run == ()
    return pipeline


CHANGES = {
    "a constant": "K = 11",
    "a list": "values.append(3)",
    "a list's item": "values[0] = 9",
    "a list inside": "table['a'].append(2)",
    "a list inside a tuple": "pair[1].append(3)",
    "a helper": "def helper(x, y=(1,), *, z=3): return 5",
    "a helper's helper": "def inner(x): return 0",
    "a default": "helper.__defaults__ = (2,)",
    "a keyword's default": "helper.__kwdefaults__['z'] = 4",
    "a default list": "bag.__defaults__[0].append(1)",
    "a helper's code": "helper.__code__ = (lambda x, y=1, *, z=3: 7).__code__",
    "a closure's cell": "closed.__closure__[0].cell_contents = 4",
    "a list in a closure": "closed_list()[0] = 4",
    "a class's value": "Model.depth = 3",
    "a class's list": "Model.grid.append(3)",
    "a class's new member": "Model.late = 1",
    "a method": "Model.fit = lambda self, x=1: 0",
    "a method's default": "Model.fit.__defaults__ = (5,)",
    "a base's value": "Deep.__mro__[1].depth = 7",
    "a lambda in a dict": "lambdas['f'] = lambda x: x + 2",
    "what a bound method holds": "counted.append(2)",
    "a name that is gone": "del K",
    "an imported name": "import cmath as math",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_noticed_and_undone(what: str) -> None:
    """The stamp moves, the step is stale, a reason names something; the next look at an unchanged notebook is free."""
    pipeline = ready()
    stamp = pipeline.today.stamp()
    exec(CHANGES[what], pipeline.today.namespace)
    pipeline.touch()
    assert pipeline.today.stamp() != stamp
    assert pipeline.plan().to_run == ("A",)
    assert pipeline.explain("A").reasons
    after = pipeline.today.stamp()
    pipeline.touch()
    assert pipeline.today.stamp() == after


def test_an_unchanged_notebook_is_not_looked_at_again() -> None:
    """The stamp stays, and the very same plan comes back."""
    pipeline = ready()
    stamp, plan = pipeline.today.stamp(), pipeline.plan()
    for _ in range(3):
        pipeline.touch()
        assert pipeline.plan() is plan
    assert pipeline.today.stamp() == stamp


def test_names_of_others_change_nothing() -> None:
    pipeline = ready()
    stamp = pipeline.today.stamp()
    exec("unrelated = [1]\ndef other(): return K\nimport json", pipeline.today.namespace)
    pipeline.touch()
    assert pipeline.today.stamp() == stamp


def test_the_same_again_is_the_same() -> None:
    """The cell that defines everything runs once more: other objects, nothing stale."""
    pipeline = ready()
    exec(CODE, pipeline.today.namespace)
    assert pipeline.plan().to_run == ()


def test_a_name_that_was_absent_comes() -> None:
    pipeline = notebook()
    pipeline.add(step("A", "try:\n    late\nexcept NameError:\n    pass\n1"))
    pipeline.materialize(echo=False)
    pipeline.plan()
    stamp = pipeline.today.stamp()
    pipeline.today.namespace["late"] = 5
    pipeline.touch()
    assert pipeline.today.stamp() != stamp
    assert [r.text for r in pipeline.explain("A").reasons] == ["constant late: not defined → 5"]


def test_files_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)
    Path("data.txt").write_text("1")
    pipeline = notebook()
    pipeline.add(replace(step("A", "1"), reads=("data.txt",), env=("JO_TEST_TODAY",)))
    pipeline.materialize(echo=False)
    pipeline.plan()
    stamp = pipeline.today.stamp()
    monkeypatch.setenv("JO_TEST_TODAY", "x")
    pipeline.touch()
    assert pipeline.today.stamp() != stamp
    assert [r.text for r in pipeline.explain("A").reasons] == ["environment JO_TEST_TODAY is set now"]
    monkeypatch.delenv("JO_TEST_TODAY")
    assert pipeline.plan().to_run == ()
    Path("data.txt").write_text("2")
    assert [r.text for r in pipeline.explain("A").reasons] == ["file data.txt changed"]


# -- what is hard to look at ------------------------------------------------------------------------------

HARD = {
    "__reduce__ raises": (
        "class Odd:\n    def __reduce__(self): raise ValueError('no')\n"
        "    __reduce_ex__ = lambda self, p: 1 / 0\nodd = Odd()"
    ),
    "__eq__ raises": (
        "class Odd:\n    def __eq__(self, other): raise ValueError('no')\n    __hash__ = None\nodd = Odd()"
    ),
    "__getattr__ raises": "class Odd:\n    def __getattr__(self, name): raise RuntimeError('no')\nodd = Odd()",
    "__getattribute__ raises": (
        "class Odd:\n    def __getattribute__(self, name): raise RuntimeError('no')\nodd = Odd()"
    ),
    "__repr__ raises": "class Odd:\n    def __repr__(self): raise ValueError('no')\nodd = [Odd()]",
    "__class__ raises": "class Odd:\n    @property\n    def __class__(self): raise ValueError('no')\nodd = Odd()",
    "__len__ and __iter__ raise": (
        "class Odd(list):\n    def __len__(self): raise ValueError('no')\n"
        "    def __iter__(self): raise ValueError('no')\nodd = Odd()"
    ),
    "__hash__ raises": "class Odd:\n    def __hash__(self): raise ValueError('no')\nodd = {'a': Odd()}",
    "a class that answers everything": (
        "class Odd:\n    def __getattr__(self, name): return self\n"
        "    def __call__(self, *a, **k): return self\nodd = Odd()"
    ),
    "a list that holds itself": "odd = [1]\nodd.append(odd)",
    "a dict that holds itself": "odd = {}\nodd['me'] = odd",
    "two that hold each other": "odd = []\nother = (odd,)\nodd.append(other)",
    "an object that holds itself": "class Odd: pass\nodd = Odd()\nodd.me = odd",
    "a lambda without source": "odd = eval('lambda x: x + 1')",
    "a function made by exec": "exec('def odd(x): return x + 1')",
    "a class made by exec": "exec('class odd: x = 1')",
    "a class made by type": "odd = type('Odd', (), {'x': 1})",
    "a metaclass that raises": (
        "class Meta(type):\n    def __eq__(cls, other): raise ValueError('no')\n"
        "    __hash__ = type.__hash__\nclass odd(metaclass=Meta): pass"
    ),
    "a partial": "import functools\nodd = functools.partial(print, 1)",
    "a deep list": "odd = []\nfor _ in range(5000):\n    odd = [odd]",
    "an open generator": "odd = (x for x in [1])",
    "a lock": "import threading\nodd = threading.Lock()",
    "a weak reference": "import weakref\nclass Odd: pass\nheld = Odd()\nodd = weakref.ref(held)",
    "a module": "import types\nodd = types.ModuleType('odd')",
    "surrogates": "odd = '\\ud800'",
    "a huge number": "odd = 10 ** 10000",
}


@pytest.mark.parametrize("what", HARD)
def test_a_global_that_is_hard_to_look_at(what: str) -> None:
    """Steps register, plans are made, the step runs; nothing raises, and a second plan says what the first did."""
    pipeline = notebook(HARD[what])
    pipeline.add(step("A", "odd is not None\n1"))
    pipeline.add(step("B", "A + 1"))
    assert pipeline.plan().to_run == ("A", "B")
    assert pipeline.materialize("B", echo=False) == 2
    first = [(d.step, d.availability, d.untracked) for d in pipeline.plan()]
    pipeline.touch()
    assert [(d.step, d.availability, d.untracked) for d in pipeline.plan()] == first
    assert first[0][1] in ("available", "stale")
    pipeline.explain("A")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("odd = eval('lambda x: x + 1')", "odd = eval('lambda x: x + 2')", id="a lambda without source"),
        pytest.param("exec('def odd(x): return 1')", "exec('def odd(x): return 2')", id="exec"),
        pytest.param("odd = type('Odd', (), {'x': 1})", "odd = type('Odd', (), {'x': 2})", id="type"),
        pytest.param("odd = [1]\nodd.append(odd)", "odd = [2]\nodd.append(odd)", id="a list that holds itself"),
        pytest.param("odd = {}\nodd['me'] = odd", "odd['x'] = 1", id="a dict that holds itself"),
    ],
)
def test_a_change_of_what_is_hard_is_noticed(before: str, after: str) -> None:
    pipeline = notebook(before)
    pipeline.add(step("A", "odd is not None\n1"))
    pipeline.materialize(echo=False)
    assert pipeline.plan().to_run == ()
    exec(before, pipeline.today.namespace)
    assert pipeline.plan().to_run == (), "made again in the same way"
    exec(after, pipeline.today.namespace)
    assert pipeline.plan().to_run == ("A",)


def test_a_version_never_raises() -> None:
    for code in HARD.values():
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(code, namespace)
        assert version_of(namespace["odd"]).digest
