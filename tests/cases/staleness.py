"""The staleness matrix: an edit, and what it must do to a stored result. Data for a test and for a page of the docs.

Each row is a small notebook, an edit of it, and what is right: *keep* (nothing runs) or *re-run* with exactly these
reasons. `value` is what the step `Out` must be worth afterwards, worked out by hand: it is what proves that no old
result was served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PEERS = ("joblib", "pipefunc", "redun", "Prefect", "Hamilton", "marimo", "Snakemake `run:`")
"""Measured with one notebook step that calls `helper`, which reads the constant `K`; releases of autumn 2026."""

KEEP, RERUN = "keep", "re-run"


@dataclass(frozen=True)
class File:
    """A file written beside the notebook."""

    name: str
    text: str


@dataclass(frozen=True)
class Restart:
    """The kernel is restarted, with this PYTHONHASHSEED; only `%load_ext` is run."""

    hash_seed: str = "0"


@dataclass(frozen=True)
class Outside:
    """Code that another process runs in the notebook's directory."""

    code: str


@dataclass(frozen=True)
class Raises:
    """A cell that ends in an error."""

    code: str


Action = str | File | Restart | Outside | Raises
"""A string is a cell; `%%step NAME` cells are told apart by that name, as a front end's cell ids would."""


@dataclass(frozen=True)
class Row:
    """One line of the matrix. `setup` is run and materialized, then `change` happens."""

    edit: str
    right: str
    setup: tuple[Action, ...]
    change: tuple[Action, ...]
    reasons: tuple[str, ...] = ()
    value: str = ""
    group: str = ""
    peers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # packages without which the row is left out
    also: Mapping[str, str] = field(default_factory=dict)  # other steps, and what they are worth afterwards

    def __post_init__(self) -> None:
        assert self.right in (KEEP, RERUN), self
        assert bool(self.reasons) == (self.right == RERUN), self
        assert not self.peers or len(self.peers) == len(PEERS), self


def out(body: str, options: str = "") -> str:
    """The cell of the step `Out`."""
    return f"%%step Out {options}".rstrip() + f"\n{body}"


HELPER = "K = 10\ndef helper(x):\n    return x * K"
USES = out("helper(2)")
FEATURES = "K = 10\n\ndef build(x):\n    return x * K\n\ndef unused(x):\n    return x\n"
SHAPES = "class S:\n    def __init__(self, n):\n        self.n = n\n    def area(self):\n        return self.n\n"
ALL_KEEP = ("keep",) * 7
STALE = "**stale**"


OTHER_WORDS = """
from dataclasses import replace
from jo_notebook import Context
from jo_notebook.core.fingerprint import Fingerprint, code_part
context = Context('results.jo')
record = context.record('Out')
old = [p for p in record.fingerprint.parts if p.kind == 'code']
assert [p.text for p in old] == ['return table[1, 2]'], old
parts = [p for p in record.fingerprint.parts if p.kind != 'code'] + [code_part('code', '', 'return table[(1, 2)]')]
context.bless('Out', replace(record, fingerprint=Fingerprint.of(parts)))
"""


def code_rows() -> list[Row]:
    """The step's own text."""
    base = (HELPER, USES)
    return [
        Row("nothing", KEEP, base, (), value="20", peers=ALL_KEEP),
        Row("re-run the defining cell unchanged", KEEP, base, (USES, HELPER), value="20"),
        Row(
            "comment, blank line, docstring",
            KEEP,
            base,
            (out("# a remark\n\nhelper( 2 )"), 'K = 10\ndef helper(x):\n    """Doc."""\n    return x * K'),
            value="20",
            peers=("re-runs", "re-runs", "re-runs", "re-runs", "keep", "docstring re-runs", "keep"),
        ),
        Row(
            "body",
            RERUN,
            base,
            (out("helper(3)"),),
            ("code changed",),
            "30",
            peers=("ok", "ok", "ok", "ok", "ok", "ok, but collisions", "ok"),
        ),
        Row("an undone edit", KEEP, base, (out("helper(3)"), USES), value="20"),
        Row(
            "an undone edit, after a run with it", KEEP, base, (out("helper(3)"), "%materialize Out", USES), value="20"
        ),
        Row(
            "rename a step",
            KEEP,
            ("%%step Old\n[1, 2]", out("sum(x)", "--depends-on x=Old")),
            ("%%step New\n[1, 2]", out("sum(x)", "--depends-on x=New")),
            value="3",
            also={"New": "[1, 2]"},
        ),
        Row(
            "reorder cells",
            KEEP,
            ("%%step A\n1", "%%step B\nA + 1", out("A + B")),
            ("%%step B\nA + 1", out("A + B"), "%%step A\n1"),
            value="3",
        ),
        Row(
            "f-string, walrus and match names",
            RERUN,
            (
                "tag = 'a'\nbound = 3\nkind = 1",
                out("match 1:\n    case x if x == kind:\n        r = f'{tag}{(n := bound)}'\nr"),
            ),
            ("tag = 'b'",),
            ("constant tag: 'a' → 'b'",),
            "'b3'",
        ),
        Row(
            "a name only a nested function reads",
            RERUN,
            ("K = 1", out("def f():\n    return [K for _ in (1,)]\nf()")),
            ("K = 2",),
            ("constant K: 1 → 2",),
            "[2]",
        ),
        Row(
            "an async cell",
            RERUN,
            ("import asyncio\nK = 1", out("await asyncio.sleep(0)\nK")),
            ("K = 5",),
            ("constant K: 1 → 5",),
            "5",
        ),
        Row(
            "a body with `!cmd`: a name in it",
            RERUN,
            ("word = 'a'", out("x = !echo {word}\nx[0]")),
            ("word = 'b'",),
            ("constant word: 'a' → 'b'",),
            "'b'",
        ),
        Row(
            "a body with `%magic`: a name in it",
            RERUN,
            ("word = 'a'", out("x = %sx echo $word\nx[0]")),
            ("word = 'b'",),
            ("constant word: 'a' → 'b'",),
            "'b'",
        ),
        Row(
            "a Python minor upgrade: the stored text in another Python's words",
            KEEP,
            ("table = {(1, 2): 3}", out("table[1, 2]")),
            (Outside(OTHER_WORDS), Restart()),
            value="3",
        ),
        Row(
            "`Load = Load...`: an input that the body rebinds",
            RERUN,
            ("%%step Load\n[1, 2]", out("Load = [x + 1 for x in Load]\nLoad")),
            ("%%step Load\n[1, 3]", "%materialize Load"),
            ("input Load has a new value",),
            "[2, 4]",
        ),
        Row(
            "a failed and then fixed step",
            RERUN,
            ("bad = 0", out("1 / bad")),
            ("bad = 2",),
            ("not run since it was edited",),
            "0.5",
        ),
        Row(
            "options of its line: another order, more spaces",
            KEEP,
            ("%%step A\n1", out("A + n", "--params 'n=1' --depends-on A")),
            (out("A + n", "--depends-on A   --params n=1"),),
            value="2",
        ),
    ]


def name_rows() -> list[Row]:
    """What the notebook's names mean."""
    base = (HELPER, USES)
    model = "class Model:\n    def fit(self):\n        return {0}\n    def other(self):\n        return 0"
    loud = "def loud(n):\n    def wrap(f):\n        return lambda *a: f(*a) * n\n    return wrap\n"
    pair = "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return {0}"
    return [
        Row(
            "helper's body",
            RERUN,
            base,
            ("def helper(x):\n    return x + K",),
            ("helper helper() changed",),
            "12",
            peers=(STALE, STALE, STALE, STALE, STALE, "ok", STALE),
        ),
        Row(
            "constant `K`",
            RERUN,
            base,
            ("K = 20",),
            ("constant K: 10 → 20",),
            "40",
            peers=(STALE, STALE, STALE, STALE, STALE, "ok", STALE),
        ),
        Row("another name of the same cell", KEEP, base, (HELPER + "\nunrelated = 5",), value="20"),
        Row(
            "a class method",
            RERUN,
            (model.format(1), out("Model().fit()")),
            (model.format(2),),
            ("class Model changed",),
            "2",
        ),
        Row(
            "a decorator's argument",
            RERUN,
            (loud + "@loud(2)\ndef f(x):\n    return x", out("f(3)")),
            (loud + "@loud(5)\ndef f(x):\n    return x",),
            ("helper f() changed",),
            "15",
        ),
        Row(
            "a default argument",
            RERUN,
            ("def f(x=1):\n    return x", out("f()")),
            ("def f(x=2):\n    return x",),
            ("helper f() changed",),
            "2",
        ),
        Row(
            "a default that is a variable",
            RERUN,
            ("D = 1\ndef f(x=D):\n    return x", out("f()")),
            ("D = 2\ndef f(x=D):\n    return x",),
            ("helper f() changed", "constant D: 1 → 2"),
            "2",
        ),
        Row(
            "a closure value",
            RERUN,
            ("def make(n):\n    def f(x):\n        return x + n\n    return f\nf = make(1)", out("f(1)")),
            ("f = make(2)",),
            ("helper f() changed",),
            "3",
        ),
        Row(
            "a lambda in a dict",
            RERUN,
            ("ops = {'a': lambda x: x + 1}", out("ops['a'](1)")),
            ("ops = {'a': lambda x: x + 2}",),
            ("ops has a new value",),
            "3",
        ),
        Row(
            "mutual recursion",
            RERUN,
            (pair.format("n != 0 and even(n - 1)"), out("even(4)")),
            (pair.format("False"),),
            ("helper odd() changed",),
            "False",
        ),
        Row(
            "mutual recursion, unchanged",
            KEEP,
            (pair.format("n != 0 and even(n - 1)"), out("even(4)")),
            (pair.format("n != 0 and even(n - 1)"),),
            value="True",
        ),
        Row(
            "a monkeypatched function of the notebook",
            RERUN,
            base,
            ("helper = lambda x: x + 100",),
            ("helper helper() changed",),
            "102",
        ),
        Row(
            "a function's `__code__` replaced",
            RERUN,
            base,
            ("def other(x):\n    return -x\nhelper.__code__ = other.__code__",),
            ("helper helper() changed",),
            "-2",
        ),
        Row(
            "a method patched into a class",
            RERUN,
            (model.format(1), out("Model().fit()")),
            ("Model.fit = lambda self: 7",),
            ("class Model changed",),
            "7",
        ),
        Row(
            "a `global` write by a helper",
            RERUN,
            ("count = 0\ndef bump():\n    global count\n    count += 1", out("count")),
            ("bump()",),
            ("constant count: 0 → 1",),
            "1",
        ),
        Row(
            "a list changed in place",
            RERUN,
            ("xs = [1, 2]", out("sum(xs)")),
            ("xs.append(3)",),
            ("constant xs: [1, 2] → [1, 2, 3]",),
            "6",
        ),
        Row(
            "a list inside a dict, changed in place",
            RERUN,
            ("cfg = {'xs': [1]}", out("sum(cfg['xs'])")),
            ("cfg['xs'].append(4)",),
            ("constant cfg: {'xs': [1]} → {'xs': [1, 4]}",),
            "5",
        ),
        Row(
            "the notebook's own `__doc__`, read by the step",
            RERUN,
            ("def f():\n    'one'", out("f.__doc__")),
            ("def f():\n    'two'",),
            ("helper f() changed",),
            "'two'",
        ),
        Row(
            "a name that was a constant becomes a function",
            RERUN,
            ("f = 3", out("f if isinstance(f, int) else f()")),
            ("def f():\n    return 4",),
            ("helper f: 3 → a function or class",),
            "4",
        ),
        Row(
            "an `exec`-made function",
            RERUN,
            ("exec('def f(): return 1')", out("f()")),
            ("exec('def f(): return 2')",),
            ("helper f() changed",),
            "2",
        ),
        Row(
            "a connection made otherwise",
            RERUN,
            ("import sqlite3\ndb = sqlite3.connect(':memory:')", out("str(db)[:7]")),
            ("db = sqlite3.connect(':memory:', timeout=9)",),
            ("db has a new value",),
            "'<sqlite'",
        ),
        Row(
            "functions in a tuple: what they read",
            RERUN,
            ("K = 1\ndef f(x):\n    return x * K\npipe = (f,)", out("pipe[0](2)")),
            ("K = 5",),
            ("constant K: 1 → 5", "pipe has a new value"),
            "10",
        ),
        Row(
            "a bound method of a dict",
            RERUN,
            ("cfg = {'a': 1}\nget = cfg.get", out("get('a')")),
            ("cfg['a'] = 2",),
            ("get has a new value",),
            "2",
        ),
        Row(
            "a global that a parameter hides from the body, read by a helper",
            RERUN,
            (HELPER, out("helper(2) + K", "--params K=1")),
            ("K = 20",),
            ("constant K: 10 → 20",),
            "41",
        ),
        Row(
            "a constant, set three times without a look in between",
            RERUN,
            ("K = 1", out("K * 10")),
            ("K = 2", "%materialize Out", "K = 1", "%materialize Out", "K = 3"),
            ("constant K: 1 → 3",),
            "30",
        ),
        Row(
            "a branch that did not run, after a restart",
            RERUN,
            (
                "if True:\n    def h(x):\n        return x\nelse:\n    def h(x):\n        return -x\nK = 1",
                out("h(2) * K"),
            ),
            (Restart(), "K = 3", "def h(x):\n    return x * 2"),
            ("helper h() changed", "constant K: 1 → 3"),
            "12",
        ),
        Row(
            "what an opaque thing was made with",
            RERUN,
            ("import numpy as np\nSEED = 1\nrng = np.random.default_rng(SEED)", out("round(rng.random(), 3)")),
            ("SEED = 2\nrng = np.random.default_rng(SEED)",),
            ("constant SEED: 1 → 2",),
            "0.262",
            needs=("numpy",),
        ),
        Row(
            "a name in the text of a query",
            RERUN,
            ("import pandas as pd\nthr = 1", out("len(pd.DataFrame({'a': [1, 2, 3]}).query('a > @thr'))")),
            ("thr = 2",),
            ("constant thr: 1 → 2",),
            "1",
            needs=("pandas",),
        ),
        Row(
            "a mutable parameter that the body changes",
            KEEP,
            (out("xs.append(1)\nlen(xs)", "--params xs=[5]"),),
            ("%materialize Out --force",),
            value="2",
        ),
        Row(
            "a global that an upstream step changes in place, its own value unchanged",
            RERUN,
            ("cfg = {'k': 1}\nflag = 1", "%%step A --depends-on none\ncfg['k'] = flag\n0", out("A + cfg['k']")),
            ("flag = 5", "%materialize Out", "flag = 6"),
            ("constant cfg: {'k': 1} → {'k': 5}", "constant flag: 5 → 6"),
            "6",
        ),
        Row(
            "`--ignore` of a constant",
            KEEP,
            ("verbose = 1", out("'x'[:verbose]", "--ignore verbose")),
            ("verbose = 2",),
            value="'x'",
        ),
    ]


def module_rows() -> list[Row]:
    """Code outside of the notebook."""
    files = File("features.py", FEATURES)
    whole = (files, "import features", out("features.build(2)"))
    name = (files, "from features import build", out("build(2)"))
    edited = File("features.py", FEATURES.replace("x * K", "x + K"))
    reload = "import importlib, features\nimportlib.reload(features)\nfrom features import build"
    build = "module features.py: build() changed"
    package = (
        File("pkg/__init__.py", "from .core import run\n"),
        File("pkg/core.py", "from . import low\n\ndef run(x):\n    return low.double(x)\n"),
        File("pkg/low.py", "def double(x):\n    return x * 2\n"),
    )
    return [
        Row("imported local module, edited on disk", RERUN, whole, (edited,), (build,), "12", peers=(STALE,) * 7),
        Row("`from m import f`, edited on disk", RERUN, name, (edited,), (build,), "12"),
        Row("`from m import f`, edited on disk and reloaded", RERUN, name, (edited, reload), (build,), "12"),
        Row("`from m import f`, edited while the kernel was down", RERUN, name, (edited, Restart()), (build,), "12"),
        Row("autoreload", RERUN, ("%load_ext autoreload\n%autoreload 2", *name), (edited, "1"), (build,), "12"),
        Row(
            "import inside the body",
            RERUN,
            (files, out("from features import build\nbuild(2)")),
            (edited,),
            (build,),
            "12",
        ),
        Row(
            "import inside a helper",
            RERUN,
            (files, "def h(x):\n    import features as ft\n    return ft.build(x)", out("h(2)")),
            (edited,),
            (build,),
            "12",
        ),
        Row(
            "a module's constant",
            RERUN,
            whole,
            (File("features.py", FEATURES.replace("= 10", "= 30")),),
            ("module features.py: K = 10 → K = 30",),
            "60",
        ),
        Row(
            "a constant imported by name",
            RERUN,
            (files, "from features import K", out("K")),
            (File("features.py", FEATURES.replace("= 10", "= 30")),),
            ("module features.py: K = 10 → K = 30",),
            "30",
        ),
        Row(
            "a star import",
            RERUN,
            (files, "from features import *", out("build(2) + K")),
            (File("features.py", FEATURES.replace("= 10", "= 30")),),
            ("module features.py: K = 10 → K = 30",),
            "90",
        ),
        Row(
            "another function of the module",
            KEEP,
            whole,
            (File("features.py", FEATURES.replace("return x\n", "return -x\n")),),
            value="20",
        ),
        Row(
            "a module's comments and docstrings",
            KEEP,
            whole,
            (File("features.py", '"""Doc."""\n# more\n' + FEATURES.replace("(x):\n", '(x):\n    """Doc."""\n')),),
            value="20",
        ),
        Row(
            "a module that the module imports",
            RERUN,
            (*package, "import pkg", out("pkg.run(2)")),
            (File("pkg/low.py", "def double(x):\n    return x * 3\n"),),
            ("module pkg/low.py: double() changed",),
            "6",
        ),
        Row(
            "a class of a module, through an instance",
            RERUN,
            (
                File(
                    "shapes.py",
                    SHAPES,
                ),
                "%%step Made\nimport shapes\nshapes.S(3)",
                out("Made.area()"),
            ),
            (
                File(
                    "shapes.py",
                    SHAPES.replace("return self.n", "return self.n * 2"),
                ),
            ),
            ("module shapes.py: class S changed",),
            "6",
        ),
        Row(
            "a module's constant, set from the notebook",
            RERUN,
            whole,
            ("features.K = 40",),
            ("module features.py: K was changed in the notebook",),
            "80",
        ),
        Row(
            "a module's function, replaced from the notebook",
            RERUN,
            whole,
            ("features.build = lambda x: -x",),
            ("module features.py: build() was changed in the notebook",),
            "-2",
        ),
        Row(
            "a library's function, replaced from the notebook",
            RERUN,
            ("import math", out("math.floor(2.5)")),
            ("math.floor = lambda x: 99",),
            ("helper math.floor: not defined → a function or class",),
            "99",
        ),
        Row(
            "a module that data carry: a function of it in a dict",
            RERUN,
            (files, "import features\nops = {'b': features.build}", out("ops['b'](2)")),
            (edited,),
            (build,),
            "12",
        ),
        Row(
            "a module that data carry: a lambda in a list",
            RERUN,
            (files, "import features\nops = [lambda x: features.build(x)]", out("ops[0](2)")),
            (edited,),
            (build,),
            "12",
        ),
        Row(
            "a module that data carry: an instance of a notebook's class",
            RERUN,
            (
                files,
                "import features\nclass M:\n    def fit(self):\n        return features.build(2)\nm = M()",
                out("m.fit()"),
            ),
            (edited,),
            (build,),
            "12",
        ),
        Row(
            "a function whose text is not known, calling a module",
            RERUN,
            (files, "import features\nfor n in (1,):\n    def g(x):\n        return features.build(x)", out("g(2)")),
            (edited,),
            (build,),
            "12",
        ),
        Row(
            "another version of an installed package",
            RERUN,
            (
                File("site-packages/toy.py", "V = 1\n"),
                File("site-packages/toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"),
                "import sys\nsys.path.insert(0, 'site-packages')\nimport toy",
                out("toy.V"),
            ),
            (
                File("site-packages/toy.py", "V = 22\n"),
                Outside("import os; os.rename('site-packages/toy-1.0.dist-info', 'site-packages/toy-2.0.dist-info')"),
                File("site-packages/toy-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 2.0\n"),
                Restart(),
                "import sys\nsys.path.insert(0, 'site-packages')\nimport toy",
            ),
            ("toy 1.0 → 2.0",),
            "22",
        ),
        Row(
            "a module edited into a syntax error, and back",
            KEEP,
            whole,
            (File("features.py", "def build(:"), File("features.py", FEATURES)),
            value="20",
        ),
    ]


def input_rows() -> list[Row]:
    """Files, parameters, seeds, the environment, and what other steps give."""
    data = File("data.csv", "1\n2\n")
    reads = out("sum(int(x) for x in open('data.csv'))", "--reads data.csv")
    folder = out("import os\nlen(os.listdir('in'))", "--reads in")
    writes = out("p = open('made.txt', 'w')\np.write('x')\np.close()\n1", "--writes made.txt")
    load = "%%step Load\n{0}"
    return [
        Row("a declared file", RERUN, (data, reads), (File("data.csv", "1\n5\n"),), ("file data.csv changed",), "6"),
        Row(
            "a declared file, touched and written again alike",
            KEEP,
            (data, reads),
            (File("data.csv", "1\n2\n"),),
            value="3",
        ),
        Row(
            "a declared file, edited while the kernel was down",
            RERUN,
            (data, reads),
            (File("data.csv", "4\n2\n"), Restart()),
            ("file data.csv changed",),
            "6",
        ),
        Row(
            "a file in a declared directory",
            RERUN,
            (File("in/a.txt", "a"), folder),
            (File("in/b.txt", "b"),),
            ("file in changed",),
            "2",
        ),
        Row(
            "a declared file that came back",
            KEEP,
            (data, reads),
            (Outside("import os; os.remove('data.csv')"), data),
            value="3",
        ),
        Row(
            "`--reads` declared afterwards, file unchanged",
            KEEP,
            (data, out("sum(int(x) for x in open('data.csv'))")),
            (reads,),
            value="3",
        ),
        Row(
            "`--reads` declared afterwards, file changed",
            RERUN,
            (data, out("sum(int(x) for x in open('data.csv'))")),
            (File("data.csv", "1\n9\n"), reads),
            ("file data.csv changed",),
            "10",
        ),
        Row(
            "a file that it writes, deleted",
            RERUN,
            (writes,),
            (Outside("import os; os.remove('made.txt')"),),
            ("file made.txt, which it writes, is gone",),
            "1",
        ),
        Row(
            "a file that it writes, changed by hand",
            RERUN,
            (writes,),
            (File("made.txt", "mine"),),
            ("file made.txt, which it writes, was changed",),
            "1",
        ),
        Row(
            "a parameter",
            RERUN,
            (out("alpha * 2", "--params alpha=1"),),
            (out("alpha * 2", "--params alpha=2"),),
            ("param alpha: 1 → 2",),
            "4",
        ),
        Row(
            "a param back to an old value, after a run",
            KEEP,
            (out("alpha * 2", "--params alpha=1"),),
            (out("alpha * 2", "--params alpha=2"), "%materialize Out", out("alpha * 2", "--params alpha=1")),
            value="2",
        ),
        Row(
            "two parameters swapped",
            RERUN,
            (out("a - b", "--params 'a=1, b=2'"),),
            (out("a - b", "--params 'a=2, b=1'"),),
            ("param a: 1 → 2", "param b: 2 → 1"),
            "1",
        ),
        Row(
            "a seed",
            RERUN,
            ("import random", out("random.seed\nrandom.randint(0, 0)", "--seed 1")),
            (out("random.seed\nrandom.randint(0, 0)", "--seed 2"),),
            ("seed: 1 → 2",),
            "0",
        ),
        Row(
            "a declared environment variable",
            RERUN,
            ("import os\nos.environ['JO_TEST_X'] = '1'", out("os.environ['JO_TEST_X']", "--env JO_TEST_X")),
            ("os.environ['JO_TEST_X'] = '2'",),
            ("environment JO_TEST_X changed",),
            "'2'",
        ),
        Row(
            "an upstream value",
            RERUN,
            (load.format("[1, 2]"), out("sum(Load)")),
            (load.format("[1, 3]"), "%materialize Load"),
            ("input Load has a new value",),
            "4",
        ),
        Row(
            "upstream code whose value comes out the same",
            KEEP,
            (load.format("[1, 2]"), out("sum(Load)")),
            (load.format("list((1, 2))"), "%materialize Load"),
            value="3",
        ),
        Row(
            "an input mutated by a sibling",
            KEEP,
            (load.format("[1, 2]"), "%%step Bad\nLoad.append(9)\n0", out("sum(Load)")),
            (),
            value="3",
        ),
        Row(
            "an input mutated in an ordinary cell",
            RERUN,
            (load.format("[1, 2]"), out("sum(Load)")),
            ("Load.append(9)", out("sum(Load) + 0")),
            ("code changed",),
            "3",
        ),
        Row(
            "an unhashable input",
            RERUN,
            (load.format("[{1: {2}}]"), out("Load[0][1]")),
            (load.format("[{1: {3}}]"), "%materialize Load"),
            ("input Load has a new value",),
            "{3}",
        ),
        Row(
            "a generator as output",
            KEEP,
            (load.format("(x for x in range(3))"), out("sum(Load)")),
            (Restart(),),
            value="3",
        ),
        Row("`None` as a result", KEEP, (load.format("None"), out("Load is None")), (Restart(),), value="True"),
        Row("a step declared `%pin`, edited", KEEP, (out("1"),), ("%pin Out", out("2")), value="1"),
        Row("an edit blessed by `%accept`", KEEP, (out("1"),), (out("1 + 0"), "%accept Out"), value="1"),
    ]


def kernel_rows() -> list[Row]:
    """More than one process."""
    sets = (out("{'alpha', 'beta', 'gamma', 'delta'} == set(words)"), "words = {'alpha', 'beta', 'gamma', 'delta'}")
    return [
        Row("a restart", KEEP, (HELPER, USES), (Restart(),), value="20"),
        Row(
            "a restart, then an edited constant",
            RERUN,
            (HELPER, USES),
            (Restart(), "K = 20"),
            ("constant K: 10 → 20",),
            "40",
        ),
        Row(
            "set literals across PYTHONHASHSEED",
            KEEP,
            sets,
            (Restart("1"), "words = {'delta', 'alpha', 'beta', 'gamma'}", sets[0]),
            value="True",
        ),
        Row(
            "a set as a result, across PYTHONHASHSEED",
            KEEP,
            ("%%step Words\n{'alpha', 'beta', 'gamma'}", out("len(Words)")),
            (Restart("7"), "%materialize Words --force"),
            value="3",
        ),
        Row(
            "two kernels at once: another one has run an edit of it",
            RERUN,
            ("%%step Load\n[1, 2]", out("sum(Load)")),
            (
                Outside(
                    "from jo_notebook import Pipeline\n"
                    "from dataclasses import replace\n"
                    "from jo_notebook.core.source import parse_source\n"
                    "p = Pipeline.open('results.jo')\n"
                    "p.add(replace(p.dag['Load'], source=parse_source('[5, 5]')))\n"
                    "p.materialize('Load')\n"
                ),
                "%%step Load\n[5, 5]",
                "%materialize Load",
            ),
            ("input Load has a new value",),
            "10",
        ),
    ]


def value_rows() -> list[Row]:
    """Values that many tools take for equal, as the result of an upstream step."""
    twins = [
        ("`1` and `'1'`", "1", "'1'", "repr(Load)", "\"'1'\""),
        ("`1` and `1.0`", "1", "1.0", "repr(Load)", "'1.0'"),
        ("`1` and `True`", "1", "True", "repr(Load)", "'True'"),
        ("a list and a tuple", "[1, 2]", "(1, 2)", "repr(Load)", "'(1, 2)'"),
        ("`1, 23` and `12, 3`", "['1', '23']", "['12', '3']", "Load[0]", "'12'"),
        ("-0.0 and 0.0", "-0.0", "0.0", "repr(Load)", "'0.0'"),
        ("dict order", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "list(Load)[0]", "'b'"),
        ("two values swapped", "{'a': 1, 'b': 2}", "{'a': 2, 'b': 1}", "Load['a']", "2"),
    ]
    arrays = [
        ("array shape (2,3) and (3,2)", "np.zeros((2, 3))", "np.zeros((3, 2))", "Load.shape", "(3, 2)"),
        ("int64 and uint64", "np.arange(3)", "np.arange(3).astype('uint64')", "str(Load.dtype)", "'uint64'"),
        ("dtype changed", "np.zeros(2)", "np.zeros(2, dtype='f4')", "str(Load.dtype)", "'float32'"),
    ]
    frames = [
        ("a renamed column", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})", "list(Load)", "['b']"),
        (
            "column order",
            "pd.DataFrame({'a': [1], 'b': [2]})",
            "pd.DataFrame({'b': [2], 'a': [1]})",
            "list(Load)",
            "['b', 'a']",
        ),
        (
            "row order",
            "pd.DataFrame({'a': [1, 2]})",
            "pd.DataFrame({'a': [2, 1]}, index=[1, 0])",
            "Load.a.tolist()",
            "[2, 1]",
        ),
        (
            "categorical order",
            "pd.Series(pd.Categorical(['x'], ['x', 'y']))",
            "pd.Series(pd.Categorical(['x'], ['y', 'x']))",
            "list(Load.cat.categories)",
            "['y', 'x']",
        ),
        (
            "time zone",
            "pd.Timestamp('2026-01-01', tz='UTC')",
            "pd.Timestamp('2026-01-01 01:00', tz='Europe/Paris')",
            "str(Load)[-6:]",
            "'+01:00'",
        ),
        (
            "index name",
            "pd.Series([1], index=pd.Index([0], name='i'))",
            "pd.Series([1], index=pd.Index([0], name='j'))",
            "Load.index.name",
            "'j'",
        ),
    ]
    rows = []
    for head, group, needs in (
        ("", twins, ()),
        ("import numpy as np\n", arrays, ("numpy",)),
        ("import pandas as pd\n", frames, ("pandas",)),
    ):
        for edit, old, new, look, value in group:
            setup = (f"%%step Load\n{head}{old}", out(look))
            change = (f"%%step Load\n{head}{new}", "%materialize Load")
            rows.append(Row(edit, RERUN, setup, change, ("input Load has a new value",), value, needs=needs))
    nan = ("%%step Load\nfloat('nan')", out("repr(Load)"))
    big = ("import numpy as np\nbig = np.zeros(125_000_000)", out("float(big[77_777_777])"))
    return [
        *rows,
        Row("NaN, again", KEEP, nan, ("%%step Load\nfloat('nan') + 0", "%materialize Load"), value="'nan'"),
        Row(
            "one element of a 1 GB array",
            RERUN,
            big,
            ("big[77_777_777] = 1",),
            ("big has a new value",),
            "1.0",
            needs=("numpy",),
        ),
        Row("a 1 GB array, untouched", KEEP, big, ("1",), value="0.0", needs=("numpy",)),
    ]


GROUPS = {
    "The step's own text": code_rows,
    "What the notebook's names mean": name_rows,
    "Code outside of the notebook": module_rows,
    "Files, parameters, environment, other steps": input_rows,
    "More than one process": kernel_rows,
    "Values that are easily taken for equal": value_rows,
}


def rows() -> list[Row]:
    """All rows, each with the name of its group."""
    from dataclasses import replace

    return [replace(row, group=group) for group, make in GROUPS.items() for row in make()]
