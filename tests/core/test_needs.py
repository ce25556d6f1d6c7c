"""Edits of a notebook → does what a step needs change? The staleness matrix, as far as names go."""

# ruff: noqa: E501 - the tables read best with one row a line

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

import pytest

from jo_notebook.core.needs import Need, resolve
from jo_notebook.engine.restore import restore
from tests.cases.making import texts_of


class Notebook:
    """A namespace such as a kernel has, with the text of the latest statement behind each name."""

    def __init__(self, *cells: str) -> None:
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.texts: dict[str, str] = {}
        for cell in cells:
            self.run(cell)

    def run(self, cell: str) -> Notebook:
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), self.namespace)
        self.texts.update(texts_of(cell))
        return self

    def needs(self, names: str, *, texts: bool = True, remembered: Iterable[Need] = ()) -> tuple[Need, ...]:
        statement = self.texts.get if texts else lambda name: None
        return resolve(names.split(), self.namespace, statement=statement, remembered=remembered)


def digests(needs: Iterable[Need]) -> list[tuple[str, str, str]]:
    return [(need.kind, need.name, need.digest) for need in needs if need.kind != "untracked"]


CLASS = "class Point:\n    def norm(self):\n        return 1\n    def size(self):\n        return 2"
COUNTED = """
import functools
def times(k):
    def wrap(f):
        @functools.wraps(f)
        def inner(*a):
            return f(*a) * k
        return inner
    return wrap
"""

EDITS = [
    pytest.param("f", "def f(): return 1", "def f(): return 2", id="body"),
    pytest.param("f", "def f(): return g()\ndef g(): return 1", "def g(): return 2", id="helper of a helper"),
    pytest.param("f", "def f(): return K\nK = 10", "K = 20", id="constant of a helper"),
    pytest.param("f", "def f(n): return g(n)\ndef g(n): return n and f(n - 1)", "def g(n): return f(n)", id="mutual recursion"),
    pytest.param("f", "def make(k):\n    def f(): return k\n    return f\nf = make(1)", "f = make(2)", id="closure"),
    pytest.param("f", "K = 1\ndef f(x=K): return x", "K = 2\ndef f(x=K): return x", id="default"),
    pytest.param("f", "def f(*, x=1): return x", "def f(*, x=2): return x", id="keyword default"),
    pytest.param("f", "def f(x=[]): return x", "f.__defaults__[0].append(1)", id="mutated default"),
    pytest.param("f", COUNTED + "@times(2)\ndef f(x): return x", "@times(3)\ndef f(x): return x", id="decorator's argument"),
    pytest.param("f", COUNTED + "@times(2)\ndef f(x): return x", "@times(2)\ndef f(x): return -x", id="below a decorator"),
    pytest.param("f", "f = lambda x: x + 1", "f = lambda x: x + 2", id="lambda"),
    pytest.param("f", "K = 1\nf = lambda x: x + K", "K = 2", id="constant of a lambda"),
    pytest.param("ops", "K = 1\nops = {'a': lambda x: x + 1}", "ops = {'a': lambda x: x + 2}", id="lambda in a dict"),
    pytest.param("ops", "K = 1\nops = {'a': lambda x: x + K}", "K = 2", id="constant of a lambda in a dict"),
    pytest.param("p", "import functools\ndef f(x, y): return x\np = functools.partial(f, 1)", "p = functools.partial(f, 2)", id="partial"),
    pytest.param("p", "import functools\nK = 1\ndef f(x): return K\np = functools.partial(f, 1)", "K = 2", id="constant of a partial"),
    pytest.param("f", "from functools import lru_cache\n@lru_cache\ndef f(x): return 1", "@lru_cache\ndef f(x): return 2", id="lru_cache"),
    pytest.param("f", "from functools import lru_cache\nK = 1\n@lru_cache\ndef f(x): return K", "K = 2", id="constant of lru_cache"),
    pytest.param("f", "from functools import singledispatch\n@singledispatch\ndef f(x): return 1", "@f.register\ndef _(x: int): return 2", id="singledispatch"),
    pytest.param("Point", CLASS, CLASS.replace("1", "3"), id="method"),
    pytest.param("Point", CLASS, "Point.norm = lambda self: 3", id="patched method"),
    pytest.param("Point", CLASS, "Point.norm = Point.size", id="method patched with its neighbour"),
    pytest.param("Point", CLASS, "Point.norm, Point.size = Point.size, Point.norm", id="methods swapped"),
    pytest.param("Point", CLASS, "Point.extra = 1", id="attribute added"),
    pytest.param("Point", CLASS, "del Point.size", id="method deleted"),
    pytest.param("B", "class A:\n    def f(self): return 1\nclass B(A): pass", "class A:\n    def f(self): return 2\nclass B(A): pass", id="base class"),
    pytest.param("B", "class A:\n    def f(self): return 1\nclass B(A): pass", "A.f = lambda self: 2", id="patched base class"),
    pytest.param("C", "class M(type):\n    def f(c): return 1\nclass C(metaclass=M): pass", "class M(type):\n    def f(c): return 2\nclass C(metaclass=M): pass", id="metaclass"),
    pytest.param("C", "class C:\n    k = 1", "class C:\n    k = 2", id="class constant"),
    pytest.param("C", "K = 1\nclass C:\n    K = K", "K = 2\nclass C:\n    K = K", id="class constant of the same name"),
    pytest.param("C", "import numpy\nclass C:\n    t = numpy.zeros(3)", "C.t[0] = 1", id="mutated class attribute"),
    pytest.param("C", "class C:\n    @classmethod\n    def f(cls): return 1", "class C:\n    @classmethod\n    def f(cls): return 2", id="classmethod"),
    pytest.param("C", "class C:\n    @staticmethod\n    def f(): return 1", "class C:\n    @staticmethod\n    def f(): return 2", id="staticmethod"),
    pytest.param("C", "class C:\n    @property\n    def f(self): return 1", "class C:\n    @property\n    def f(self): return 2", id="property"),
    pytest.param("C", "import functools\nclass C:\n    @functools.cached_property\n    def f(self): return 1", "class C:\n    @functools.cached_property\n    def f(self): return 2", id="cached property"),
    pytest.param("C", "class C:\n    class D:\n        def f(self): return 1", "class C:\n    class D:\n        def f(self): return 2", id="nested class"),
    pytest.param("P", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 1", "@dataclass\nclass P:\n    x: int = 2", id="dataclass default"),
    pytest.param("P", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int", "@dataclass\nclass P:\n    x: str", id="dataclass annotation"),
    pytest.param("P", "from collections import namedtuple\nP = namedtuple('P', 'a b')", "P = namedtuple('P', 'b a')", id="namedtuple"),
    pytest.param("C", "import enum\nclass C(enum.Enum):\n    R = 1", "class C(enum.Enum):\n    R = 2", id="enum"),
    pytest.param("r", "import enum\nclass C(enum.Enum):\n    R = 1\nr = C.R", "class C(enum.Enum):\n    R = 2\nr = C.R", id="enum member"),
    pytest.param("p", CLASS + "\np = Point()", CLASS.replace("1", "3") + "\np = Point()", id="instance of an edited class"),
    pytest.param("p", CLASS + "\np = Point()", "p.x = 1", id="instance changed"),
    pytest.param("m", CLASS + "\nm = Point().norm", CLASS.replace("1", "3") + "\nm = Point().norm", id="bound method"),
    pytest.param("m", "import types\ndef f(x): return 1\nm = types.MethodType(f, 0)", "def f(x): return 2\nm = types.MethodType(f, 0)", id="method made by hand"),
    pytest.param("f", "def f(): return f.k\nf.k = 1", "f.k = 2", id="function attribute"),
    pytest.param("f", "def f(x): return x", "f = print", id="became a builtin"),
    pytest.param("f", "def f(x): return x", "f = 3", id="became a constant"),
    pytest.param("sum", "", "def sum(xs): return 0", id="builtin shadowed"),
    pytest.param("sum", "def sum(xs): return 0", "del sum", id="builtin uncovered"),
    pytest.param("f", "def f(): return sum([])", "def sum(xs): return 0", id="builtin shadowed for a helper"),
    pytest.param("np", "import math as np", "import cmath as np", id="another module"),
    pytest.param("f", "from math import floor as f", "from math import ceil as f", id="another function"),
    pytest.param("K", "K = 10", "K = 20", id="int"),
    pytest.param("K", "K = 1", "K = 1.0", id="int and float"),
    pytest.param("K", "K = 1", "K = True", id="int and bool"),
    pytest.param("K", "K = 1", "K = '1'", id="int and str"),
    pytest.param("K", "K = [1]", "K = (1,)", id="list and tuple"),
    pytest.param("K", "K = [1]", "K.append(2)", id="list mutated"),
    pytest.param("K", "K = {'a': [1]}", "K['a'][0] = 2", id="mutated deep inside"),
    pytest.param("K", "K = {'a': 1, 'b': 2}", "K = {'b': 2, 'a': 1}", id="order of a dict"),
    pytest.param("K", "K = 0.0", "K = -0.0", id="minus zero"),
    pytest.param("K", "K = 0.0", "K = float('nan')", id="nan"),
    pytest.param("K", "K = float('inf')", "K = float('-inf')", id="inf"),
    pytest.param("data", "import numpy\ndata = numpy.zeros(1000)", "data[500] = 1", id="array mutated"),
    pytest.param("data", "data = list(range(50_000))", "data[-1] = 0", id="long list"),
    pytest.param("loop", "loop = [1]\nloop.append(loop)", "loop[0] = 2", id="a list in itself"),
    pytest.param("f", "import threading\nlock = threading.Lock()\ndef f(x, l=lock): return x", "def f(x, l=lock): return -x", id="beside a lock"),
    pytest.param("d", "import threading\nd = {'l': threading.Lock(), 'k': 1}", "d['k'] = 2", id="in a dict with a lock"),
]  # fmt: skip


@pytest.mark.parametrize("texts", [pytest.param(True, id="text"), pytest.param(False, id="no text")])
@pytest.mark.parametrize(("names", "before", "edit"), EDITS)
def test_an_edit_shows(names: str, before: str, edit: str, texts: bool) -> None:
    notebook = Notebook(before)
    was = digests(notebook.needs(names, texts=texts))
    assert digests(notebook.needs(names, texts=texts)) == was, "looking changes nothing"
    assert digests(notebook.run(edit).needs(names, texts=texts)) != was


NON_EDITS = [
    pytest.param("f", "def f(): return 1", "def f(): return 1", id="the same again"),
    pytest.param("f", "def f():\n    return 1", "def f():\n    # why\n\n    return (1)", id="comment and layout"),
    pytest.param("f", "def f():\n    'a'\n    return 1", "def f():\n    'b'\n    return 1", id="docstring"),
    pytest.param("f", "def f(): return 'a'", 'def f(): return "a"', id="quotes"),
    pytest.param("f", "def f(): return K\nK = 10", "K = 10", id="the same constant"),
    pytest.param("f", "def f(): return 1\nK = 1", "K = 2", id="a constant it does not read"),
    pytest.param("f", "def f(x): return x.K\nK = 1", "K = 2", id="an attribute of that name"),
    pytest.param("f", COUNTED + "@times(2)\ndef f(x): return x", "@times(2)\ndef f(x): return x  # so", id="decorated"),
    pytest.param("Point", CLASS, CLASS.replace("\n    def size", "\n\n    # note\n    def size"), id="class"),
    pytest.param("Point", CLASS, "import copyreg; Point().__reduce_ex__(4)", id="class, pickled once"),
    pytest.param("B", "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f()", "class B(A):\n    def f(self): return super().f()", id="super"),
    pytest.param("P", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 1", "@dataclass\nclass P:\n    x: int = 1", id="dataclass"),
    pytest.param("f", "from functools import lru_cache\n@lru_cache\ndef f(x): return 1", "f(2)", id="lru_cache called"),
    pytest.param("f", "from functools import singledispatch\n@singledispatch\ndef f(x): return 1", "f(2)", id="singledispatch called"),
    pytest.param("f", "def f(n): return n and f(n - 1)", "def f(n): return n and f(n - 1)", id="recursion"),
    pytest.param("p", CLASS + "\np = Point()", CLASS + "\np = Point()", id="instance"),
    pytest.param("ops", "ops = {'a': lambda x: x + 1}", "ops = {'a': lambda x: x + 1}", id="lambda in a dict"),
    pytest.param("K", "K = {3, 1, 2}", "K = {2, 3, 1}", id="set"),
    pytest.param("K", "K = float('nan')", "K = float('nan') + 1", id="nan"),
    pytest.param("data", "import numpy\ndata = numpy.zeros((2, 3))", "data = numpy.zeros((3, 2)).T", id="layout of an array"),
    pytest.param("data", "import pandas\ndata = pandas.DataFrame({'a': [1]})", "data = data.copy()", id="copy of a frame"),
    pytest.param("lock", "import threading\nlock = threading.Lock()", "lock = threading.Lock()", id="lock"),
    pytest.param("f", "import threading\ndef f(x, l=threading.Lock()): return x", "def f(x, l=threading.Lock()): return x", id="default lock"),
    pytest.param("np", "import math as np", "import math as np", id="import"),
    pytest.param("sum", "", "xs = 1", id="builtin"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "before", "non_edit"), NON_EDITS)
def test_a_non_edit_does_not_show(names: str, before: str, non_edit: str) -> None:
    notebook = Notebook(before)
    was = digests(notebook.needs(names))
    gc.collect()
    assert digests(notebook.run(non_edit).needs(names)) == was


@pytest.mark.parametrize(
    ("cell", "name", "expected"),
    [
        pytest.param("import math", "math", ("import", "math", "import math"), id="module"),
        pytest.param("import os.path as p", "p", ("import", "posixpath", "import posixpath as p"), id="module as"),
        pytest.param("from math import floor", "floor", ("import", "math.floor", "from math import floor"), id="from"),
        pytest.param("from math import floor as f", "f", ("import", "math.floor", "from math import floor as f"), id="as"),
        pytest.param("from pathlib import Path", "Path", ("import", "pathlib.Path", "from pathlib import Path"), id="class"),
        pytest.param("def f(): return 1", "f", ("helper", "def f():\n    return 1", "def f(): return 1"), id="def"),
        pytest.param("class A: x = 1", "A", ("helper", "class A:\n    x = 1", "class A: x = 1"), id="a class"),
        pytest.param("f = lambda: 1", "f", ("helper", "f = lambda: 1", "f = lambda: 1"), id="lambda"),
        pytest.param("K = 10", "K", ("constant", "10", "K = 10"), id="constant"),
        pytest.param("K = [1, {'a': (None, 2.5)}]", "K", ("constant", "[1, {'a': (None, 2.5)}]", "K = [1, {'a': (None, 2.5)}]"), id="container"),
        pytest.param("K = float('nan')", "K", ("global", "a float", ""), id="nan has no literal"),
        pytest.param("K = 'x' * 100", "K", ("constant", "'" + "x" * 58 + "…", "K = '" + "x" * 100 + "'"), id="long text"),
        pytest.param("K = 'x' * 30_000", "K", ("constant", "'" + "x" * 58 + "…", ""), id="too long to bring back"),
        pytest.param("import numpy\nd = numpy.zeros(9)", "d", ("global", "a ndarray", ""), id="data"),
        pytest.param("d = [1]\nd.append(d)", "d", ("global", "a list", ""), id="a list in itself"),
        pytest.param("import threading\nl = threading.Lock()", "l", ("global", "l = threading.Lock()", ""), id="lock"),
        pytest.param("import sqlite3\nc = sqlite3.connect(':memory:')", "c", ("global", "c = sqlite3.connect(':memory:')", ""), id="connection"),
        pytest.param("g = (i for i in 'ab')", "g", ("global", "g = (i for i in 'ab')", ""), id="generator"),
        pytest.param("class Bad:\n    def __reduce__(self): raise OSError\nb = Bad()", "b", ("untracked", "b (Bad)", ""), id="refuses"),
        pytest.param("", "eval", ("untracked", "what eval() reaches", ""), id="eval"),
        pytest.param("", "globals", ("untracked", "what globals() reaches", ""), id="globals"),
    ],
)  # fmt: skip
def test_what_a_name_is(cell: str, name: str, expected: tuple[str, str, str]) -> None:
    notebook = Notebook(cell)
    need, *more = [need for need in notebook.needs(name) if need.name == name]
    assert (need.kind, need.shown, need.code) == expected
    # what cannot be compared is listed, and the statement that made it counts
    by_statement = need.kind == "global" and need.shown.startswith(f"{name} = ")
    assert [(other.kind, other.name) for other in more] == ([("untracked", name)] if by_statement else [])
    if "c" in notebook.namespace:
        notebook.namespace["c"].close()


@pytest.mark.parametrize("name", ["len", "nobody", "ValueError"])
def test_a_name_that_is_nothing_of_the_notebook(name: str) -> None:
    assert Notebook().needs(name) == ()


def test_what_cannot_be_compared_inside_a_helper_is_told() -> None:
    notebook = Notebook("import threading\ndef f(x, lock=threading.Lock()): return x")
    assert [need.kind for need in notebook.needs("f") if need.name == "f"] == ["helper", "untracked"]


def test_an_untracked_name_in_a_helper_is_told() -> None:
    notebook = Notebook("import threading\nlock = threading.Lock()\ndef f():\n    with lock: return eval('1')")
    assert [(n.kind, n.name) for n in notebook.needs("f")] == [
        ("untracked", "eval"),
        ("helper", "f"),
        ("global", "lock"),
        ("untracked", "lock"),
        ("import", "threading"),  # which made the lock
    ]


def test_steps_are_not_looked_up() -> None:
    assert resolve(["Load", "K"], {"Load": 1, "K": 2}, steps=["Load"])[0].name == "K"


def test_a_fresh_kernel_remembers_all_of_it() -> None:
    cells = (
        COUNTED,
        "K = 3\ndef g(x): return x + K\n@times(2)\ndef f(x): return g(x)\nclass P:\n    def m(self): return f(1)",
    )
    for texts in (True, False):
        before = Notebook(*cells).needs("P", texts=texts)
        assert {n.name for n in before} >= {"P", "f", "g", "K"}
        stored = [Need.from_json(need.to_json()) for need in before]
        assert Notebook().needs("P", remembered=stored) == before


def test_what_was_brought_back_is_the_same() -> None:
    cell = (
        "K = 3\ndef g(x): return x + K\n@times(2)\ndef f(x, y=K): return g(x)\nclass P:\n    def m(self): return f(1)"
    )
    before = Notebook(COUNTED, cell)
    needs = before.needs("P")
    fresh = Notebook()
    restore("Step", needs, fresh.namespace)
    fresh.texts = before.texts
    assert digests(fresh.needs("P", remembered=needs)) == digests(needs)
    assert fresh.namespace["P"]().m() == 8


def test_brought_back_from_a_notebook_with_future_annotations() -> None:
    cell = "from __future__ import annotations\ndef f(x: int): return x"
    before = Notebook(cell)
    fresh = Notebook()
    restore("Step", before.needs("f"), fresh.namespace)
    fresh.texts = before.texts
    assert digests(fresh.needs("f")) == digests(before.needs("f"))


def test_what_the_notebook_has_wins_over_what_is_remembered() -> None:
    remembered = Notebook("K = 1").needs("K")
    assert Notebook("K = 2").needs("K", remembered=remembered)[0].shown == "2"


def test_a_remembered_helper_reads_the_notebooks_names() -> None:
    remembered = Notebook("K = 1\ndef f(): return K").needs("f")
    now = Notebook("K = 2").needs("f", remembered=remembered)
    assert [(n.name, n.shown) for n in now if n.name == "K"] == [("K", "2")]


def test_looking_runs_no_property() -> None:
    notebook = Notebook("class A:\n    @property\n    def x(self): raise SystemExit('was run')\na = A()\na.k = 1")
    assert [need.kind for need in notebook.needs("A a")] == ["helper", "global"]
