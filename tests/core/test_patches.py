"""What was changed in loaded modules while the process ran, and what was not."""

from __future__ import annotations

import functools
import importlib
import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jo_notebook.core.modules import Piece, patched, patched_attributes, reach
from jo_notebook.core.patches import ABSENT, attributes_read, state_of, unseen, value_at
from jo_notebook.engine.modules import Modules

CONF = """
    import os
    from functools import lru_cache
    from types import SimpleNamespace
    from fractions import Fraction
    ALPHA = 1
    CFG = {"a": 1}
    HALF = 1 / 2
    LST = list((1, 2))
    MADE = dict(a=1)
    SPACE = SimpleNamespace(a=1, b=[1])
    FROM_ENV = os.environ.get("JO_TEST_RATE", "none")
    TABLE = {"f": lambda x: x}
    _CACHE = {}
    COUNT = 0
    LATE: int
    KINDS = []
    KINDS.append("a")
    class Settings:
        rate = 1
        memo = {}
        @staticmethod
        def scale(x): return x
        @classmethod
        def whole(cls): return 1
        @property
        def size(self): return 1
        def method(self, x=1): return x
        def fill(self, key): self.memo[key] = key
    class Sub(Settings):
        pass
    SETTINGS = Settings()
    def configure(a):
        global ALPHA
        ALPHA = a
    def put(a): CFG["a"] = a
    def late():
        global LATE
        LATE = 1
    def build(x, k=1, *, z=2):
        global COUNT
        COUNT += 1
        if x not in _CACHE:
            _CACHE[x] = x * k
        return _CACHE[x]
    def by_default(x, memo={}):
        memo[x] = x
    @lru_cache
    def cached(x): return x
"""
NAMES = (
    *("ALPHA", "CFG", "HALF", "LST", "MADE", "SPACE", "FROM_ENV", "TABLE", "_CACHE", "COUNT", "LATE", "KINDS"),
    *("Settings", "Sub", "SETTINGS", "configure", "put", "late", "build", "by_default", "cached", "os", "Fraction"),
)


class Conf:
    """The module above in a real file, loaded, and what is judged of it."""

    def __init__(self, place: Path) -> None:
        self.path = place / "conf.py"
        self.path.write_text(textwrap.dedent(CONF))
        importlib.invalidate_caches()
        self.module: Any = importlib.import_module("conf")
        self.modules = Modules()
        self.modules.look()

    def pieces(self) -> list[Piece]:
        return [Piece("conf", name, "") for name in NAMES]

    def digests(self, modules: Modules | None = None) -> dict[str, str]:
        modules = modules or self.modules
        found = patched(self.pieces(), modules.loaded, modules.live, modules.held)
        return {name: digest for (_, name), digest in found.items()}

    def changed(self, modules: Modules | None = None) -> set[str]:
        return set(self.digests(modules))

    def run(self, code: str) -> None:
        """As an ordinary cell."""
        exec(code, {"conf": self.module, "__name__": "__main__"})

    def step(self, code: str) -> None:
        """As a step's run."""
        with self.modules.settling((p.module, p.name) for p in self.pieces()):
            self.run(code)


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Conf]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("JO_TEST_RATE", raising=False)
    yield Conf(tmp_path)
    for name in ("conf", "other"):
        sys.modules.pop(name, None)


CHANGES = [
    ("conf.configure(5)", {"ALPHA"}, "conf.configure(1)"),
    ("conf.ALPHA = 5", {"ALPHA"}, "conf.ALPHA = 1"),
    ("conf.ALPHA = 1.0", {"ALPHA"}, "conf.ALPHA = 1"),
    ("conf.put(5)", {"CFG"}, "conf.put(1)"),
    ("conf.CFG['b'] = 5", {"CFG"}, "del conf.CFG['b']"),
    ("conf.HALF = 1/3", {"HALF"}, "conf.HALF = 0.5"),
    ("conf.LST.append(3)", {"LST"}, "conf.LST.pop()"),
    ("conf.MADE['a'] = 2", {"MADE"}, "conf.MADE['a'] = 1"),
    ("conf.SPACE.a = 2", {"SPACE"}, "conf.SPACE.a = 1"),
    ("conf.SPACE.b.append(2)", {"SPACE"}, "conf.SPACE.b.pop()"),
    ("conf.TABLE['f'] = lambda x: x + 1", {"TABLE"}, None),
    ("conf.KINDS.append('b')", {"KINDS"}, "conf.KINDS.pop()"),
    ("conf.late()", {"LATE"}, "del conf.LATE"),
    ("del conf.HALF", {"HALF"}, "conf.HALF = 0.5"),
    ("conf.Fraction = int", {"Fraction"}, "from fractions import Fraction; conf.Fraction = Fraction"),
    ("conf.Settings.rate = 5", {"Settings", "Sub", "SETTINGS"}, "conf.Settings.rate = 1"),
    ("conf.Settings.new = 5", {"Settings", "Sub", "SETTINGS"}, "del conf.Settings.new"),
    ("conf.Sub.rate = 5", {"Sub"}, "del conf.Sub.rate"),
    ("conf.Settings.memo['x'] = 1", {"Settings", "Sub", "SETTINGS"}, "conf.Settings.memo.clear()"),
    ("conf.SETTINGS.rate = 5", {"SETTINGS"}, "del conf.SETTINGS.rate"),
    ("conf.build.__defaults__ = (3,)", {"build"}, "conf.build.__defaults__ = (1,)"),
    ("conf.build.__kwdefaults__ = {'z': 3}", {"build"}, "conf.build.__kwdefaults__ = {'z': 2}"),
    ("conf.build.mark = 1", {"build"}, "del conf.build.mark"),
    ("conf.build.__code__ = (lambda x, k, z: 0).__code__", {"build"}, None),
    ("conf.by_default(1)", {"by_default"}, "conf.by_default.__defaults__[0].clear()"),
    ("conf.Settings.method.__defaults__ = (3,)", {"Settings", "Sub", "SETTINGS"}, None),
    ("conf.Settings.scale = staticmethod(lambda x: 2)", {"Settings", "Sub", "SETTINGS"}, None),
    ("conf.Settings.whole = classmethod(lambda cls: 2)", {"Settings", "Sub", "SETTINGS"}, None),
    ("conf.Settings.size = property(lambda self: 2)", {"Settings", "Sub", "SETTINGS"}, None),
    ("conf.Settings.method = lambda self, x=1: 2", {"Settings", "Sub", "SETTINGS"}, None),
    ("conf.cached = lambda x: x", {"cached"}, None),
]


@pytest.mark.parametrize(("code", "names", "back"), CHANGES, ids=[row[0] for row in CHANGES])
def test_a_change_shows_and_undoing_it_makes_it_as_it_was(
    conf: Conf, code: str, names: set[str], back: str | None
) -> None:
    assert conf.digests() == {}
    conf.run(code)
    first = conf.digests()
    assert set(first) == names
    assert conf.digests() == first
    if back is not None:
        conf.run(back)
        assert conf.digests() == {}


def test_two_changes_have_two_digests(conf: Conf) -> None:
    seen = []
    for number in (5, 6):
        conf.run(f"conf.configure({number}); conf.Settings.rate = {number}; conf.build.__defaults__ = ({number},)")
        seen.append(conf.digests())
    assert all(seen[0][name] != seen[1][name] for name in ("ALPHA", "Settings", "build"))


def test_what_a_step_fills_is_no_change(conf: Conf) -> None:
    conf.step("conf.build(2); conf.by_default(1); conf.SETTINGS.fill(3); conf.cached(1)")
    assert conf.digests() == {}
    conf.step("conf.build(3); conf.build(3)")
    assert conf.digests() == {}
    conf.run("conf.configure(5)")
    assert conf.changed() == {"ALPHA"}
    conf.run("conf.build(9)")
    assert conf.changed() == {"ALPHA", "_CACHE", "COUNT"}


def test_a_step_does_not_make_a_cells_change_the_new_normal(conf: Conf) -> None:
    conf.run("conf.put(5); conf.build(2)")
    before = conf.digests()
    assert set(before) == {"CFG", "_CACHE", "COUNT"}
    conf.step("conf.CFG['seen'] = 1; conf.build(7)")
    assert conf.digests() == before
    conf.run("conf.put(1); del conf.CFG['seen']")
    assert "CFG" not in conf.digests()


def test_what_a_step_itself_changes_in_a_module_shows(conf: Conf) -> None:
    conf.step("conf.LST.append(3); conf.HALF = 3")
    assert conf.changed() == {"LST", "HALF"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60 * 60 * 24", 86400),
        ("1 / 2", 0.5),
        ("-(1 + 2j)", -(1 + 2j)),
        ("'a' 'b' + 'c'", "abc"),
        ("(1, 2) * 2", (1, 2, 1, 2)),
        ("dict(a=[1])", {"a": [1]}),
        ("set()", set()),
        ("frozenset((1, 2))", frozenset((1, 2))),
        ("[1, 2]", [1, 2]),
    ],
)
def test_what_python_works_out_by_itself_is_told_by_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: object
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "other.py").write_text(f"X = {text}\n")
    importlib.invalidate_caches()
    module: Any = importlib.import_module("other")
    try:
        modules = Modules()

        def found() -> dict[tuple[str, str], str]:
            return patched([Piece("other", "X", "")], modules.loaded, modules.live)

        assert value == module.X
        assert found() == {}
        module.X = [value]
        assert set(found()) == {("other", "X")}
    finally:
        del sys.modules["other"]


def test_what_was_changed_stays_the_same_while_a_memo_fills(conf: Conf) -> None:
    conf.run("conf.build.__defaults__ = (3,); conf.Settings.rate = 2; conf.TABLE['g'] = conf.build")
    before = conf.digests()
    conf.step("conf.build(2)")
    assert conf.digests() == before
    assert set(before) == {"build", "Settings", "Sub", "SETTINGS", "TABLE"}


def test_a_step_that_raises_settles_too(conf: Conf) -> None:
    with pytest.raises(ZeroDivisionError):
        conf.step("conf.build(2); 1 / 0")
    assert conf.digests() == {}


def test_a_module_that_a_step_imports_itself(conf: Conf) -> None:
    del sys.modules["conf"]
    modules = conf.modules = Modules()
    with modules.settling((p.module, p.name) for p in conf.pieces()):
        conf.module = importlib.import_module("conf")
        conf.module.build(2)
    assert conf.digests() == {}


def test_a_change_in_the_cell_of_the_import_shows_where_the_text_tells(conf: Conf) -> None:
    conf.run("conf.configure(5); conf.put(6); conf.HALF = 1; conf.LST.append(3); conf.MADE['a'] = 2")
    assert conf.changed(Modules()) == {"ALPHA", "CFG", "HALF", "LST", "MADE"}
    conf.run("conf.SPACE.a = 2; conf.FROM_ENV = 1")
    fresh = Modules()
    fresh.look()  # the best that can be: nobody knows what these were
    assert conf.changed(fresh) == {"ALPHA", "CFG", "HALF", "LST", "MADE"}


def test_a_module_that_another_one_configures_while_it_is_imported(conf: Conf) -> None:
    conf.path.with_name("other.py").write_text(
        "import conf\nfrom conf import put\nconf.configure(5)\n@put\ndef f(): pass\nconf.HALF = 2\n"
    )
    importlib.invalidate_caches()
    conf.run("import other")
    conf.modules.look()
    fresh = Modules()
    fresh.look()
    assert conf.changed() == set() == conf.changed(fresh)
    conf.run("conf.configure(6); conf.LST.append(1)")
    assert conf.changed() == {"ALPHA", "LST"}


def test_a_reload_with_the_same_text_and_another_environment(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.reload(conf.module)
    assert conf.digests() == {}
    monkeypatch.setenv("JO_TEST_RATE", "2")
    importlib.reload(conf.module)
    conf.modules.look()
    assert conf.changed() == {"FROM_ENV"}
    conf.path.write_text(textwrap.dedent(CONF) + "X = 1\n")
    assert conf.modules.reload(["conf"], {}).names == ("conf",)
    assert conf.digests() == {}


def test_what_cannot_be_compared_is_told(tmp_path: Path, conf: Conf) -> None:
    (tmp_path / "other.py").write_text(
        "import os, random, threading\n"
        "class Odd:\n    def __reduce__(self): return (list, (os.urandom(8),))\n"
        "ODD, RNG, LOCK = Odd(), random.Random(1), threading.Lock()\nLONG = list(range(200_000))\nK = 1\n"
    )
    importlib.invalidate_caches()
    other = importlib.import_module("other")
    pieces = [Piece("other", name, "") for name in ("ODD", "RNG", "LOCK", "LONG", "K", "Odd")]
    assert patched(pieces, conf.modules.loaded, conf.modules.live, conf.modules.held) == {}
    assert {name for _, name in unseen(pieces, conf.modules.held)} == {"ODD", "RNG", "LOCK", "LONG"}
    other.RNG.random()
    other.LONG.append(1)
    assert patched(pieces, conf.modules.loaded, conf.modules.live, conf.modules.held) == {}


def test_arrays_changed_in_place(tmp_path: Path, conf: Conf) -> None:
    pytest.importorskip("numpy")
    (tmp_path / "other.py").write_text("import numpy as np\nW = np.arange(4)\n")
    importlib.invalidate_caches()
    other = importlib.import_module("other")
    pieces = [Piece("other", "W", ""), Piece("other", "np", "")]

    def digests() -> set[str]:
        return {name for _, name in patched(pieces, conf.modules.loaded, conf.modules.live, conf.modules.held)}

    assert digests() == set()
    other.W[0] = 7
    assert digests() == {"W"}


def test_every_process_says_the_same_loaded_or_not(tmp_path: Path) -> None:
    """A result made under `configure(5)` is not that of a fresh kernel, with or without the module."""
    (tmp_path / "conf.py").write_text(textwrap.dedent(CONF))
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from jo_notebook.core.modules import Piece, patched
        from jo_notebook.engine.modules import Modules
        modules = Modules()
        exec(sys.argv[1])
        modules.look()
        exec(sys.argv[2])
        pieces = [Piece("conf", name, "") for name in {NAMES!r}]
        print(sorted((n, d) for (_, n), d in patched(pieces, modules.loaded, modules.live, modules.held).items()))
        """
    )

    def told(first: str, second: str, seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, first, second],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                "PYTHONHASHSEED": seed,
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert told("", "", "1") == told("import conf", "", "2") == "[]"
    configured = "conf.configure(5); conf.LST.append(1); conf.Settings.rate = 2; conf.build.__defaults__ = (2,)"
    one, two = (told("import conf", configured, seed) for seed in "34")
    assert one == two
    assert [name for name, _ in eval(one)] == ["ALPHA", "LST", "SETTINGS", "Settings", "Sub", "build"]


def test_looking_again_costs_little(tmp_path: Path, conf: Conf) -> None:
    conf.digests()
    start = time.perf_counter()
    for _ in range(20):
        conf.digests()
    assert time.perf_counter() - start < 2


# -- states -------------------------------------------------------------------------------------------


def function(x: int = 1) -> int:
    return x


STATES: list[tuple[Callable[[], Any], str]] = [
    (lambda: [1], "v.append(2)"),
    (lambda: {"a": [1]}, "v['a'].append(2)"),
    (lambda: type("C", (), {"a": 1}), "v.a = 2"),
    (lambda: type("C", (), {"f": staticmethod(lambda: 1)}), "v.f = staticmethod(lambda: 2)"),
    (lambda: type(sys)("x") and functools.partial(print, [1]), "v.args[0].append(2)"),
    (lambda: eval("lambda x=1: x"), "v.__defaults__ = (2,)"),
    (lambda: eval("lambda *, x=1: x"), "v.__kwdefaults__ = {'x': 2}"),
    (lambda: eval("lambda x: x"), "v.mark = 1"),
    (lambda: eval("lambda x: x"), "v.__code__ = (lambda x: 2).__code__"),
]


@pytest.mark.parametrize(("make", "change"), STATES, ids=[row[1] for row in STATES])
def test_a_state_is_another_one_after_a_change_in_place(make: Callable[[], Any], change: str) -> None:
    value = make()
    before = state_of(value)
    assert before == state_of(value) is not None
    exec(change, {"v": value})
    assert state_of(value) != before


def test_what_identity_tells_has_no_state() -> None:
    assert [state_of(v) for v in (1, "a", None, math, len, sys.stdout, iter([]))] == [None] * 7
    assert state_of(list(range(200_000))) is None


# -- libraries ----------------------------------------------------------------------------------------


def notebook(code: str, **names: Any) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "__main__", **names}
    exec(textwrap.dedent(code), space)
    return space


def library(**names: Any) -> tuple[ModuleType, Callable[[str], ModuleType | None]]:
    module = ModuleType("json")
    vars(module).update(names)
    return module, {"json": module}.get


WRAPS = """
import functools, unittest.mock
def mine(x): return 1
plain = mine
wrapped = functools.wraps(library)(mine)
partial = functools.partial(wrapped, 2)
cached = functools.lru_cache(wrapped)
mock = unittest.mock.Mock()
class Callable:
    def __call__(self): return 1
thing, bound = Callable(), Callable().__call__
"""


@pytest.mark.parametrize("name", ["plain", "wrapped", "partial", "cached", "mock", "Callable", "thing", "bound"])
def test_whatever_the_notebook_put_into_a_module_is_told(name: str) -> None:
    space = notebook(WRAPS, library=math.floor)
    _, live = library(dumps=space[name], loads=len)
    found = patched_attributes(["json.dumps(1) + json.loads(2)"], {"json": ("json", "")}, live, space)
    assert found == {("json", "dumps"): space[name]}


def test_a_librarys_own_things_are_not() -> None:
    import json

    live = {"json": json, "functools": functools, "os": os, "math": math}.get
    bound = {n: (n, "") for n in ("json", "functools", "os", "math")}
    text = "json.dumps, json.JSONEncoder, functools.partial, os.path.join, functools.lru_cache, os.environ, json.gone"
    assert patched_attributes([text], bound, live) == {}


def test_plain_values_of_libraries_count_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    live, bound = {"math": math, "os": os, "posixpath": os.path}.get, {"m": ("math", ""), "os": ("os", "")}
    texts = ["m.pi + m.floor(1)", "os.path.sep, os.__file__"]
    found = patched_attributes(texts, bound, live, plain=True)
    assert patched_attributes(texts, bound, live) == {}
    assert found == {("math", "pi"): math.pi, (os.path.__name__, "sep"): os.sep}
    monkeypatch.setattr(math, "pi", 3)
    assert patched_attributes(texts, bound, live, plain=True)["math", "pi"] == 3
    assert ("math", "pi") in attributes_read(texts, bound, live)
    assert value_at(("math", "pi"), live) == 3
    assert value_at(("math", "gone"), live) is value_at(("gone", "x"), live) is ABSENT


def test_plain_values_of_local_modules_are_told_elsewhere(conf: Conf) -> None:
    live = {"conf": conf.module}.get
    assert patched_attributes(["conf.ALPHA + conf.HALF"], {"conf": ("conf", "")}, live, plain=True) == {}


def test_methods_put_into_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    space = notebook("def clean(df): return 1\nclass Geo:\n    def __init__(self, df): pass\n")
    live = {"pandas": pandas}.get
    texts = ["df.dropna().clean().x", "other.geo.y"]
    assert patched_attributes(texts, {}, live, space) == {}
    assert ("pandas.DataFrame", "clean") in attributes_read(texts, {}, live)
    assert value_at(("pandas.DataFrame", "clean"), live) is ABSENT
    pandas.DataFrame.clean = space["clean"]
    pandas.api.extensions.register_dataframe_accessor("geo")(space["Geo"])
    try:
        found = patched_attributes(texts, {}, live, space)
        assert set(found) == {("pandas.DataFrame", "clean"), ("pandas.DataFrame", "geo")}
        assert found["pandas.DataFrame", "clean"] is space["clean"] is value_at(("pandas.DataFrame", "clean"), live)
        assert patched_attributes(["df.mean()"], {}, live, space) == {}
    finally:
        del pandas.DataFrame.clean, pandas.DataFrame.geo


def test_a_method_of_a_librarys_class_that_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    space = notebook("def encode(self, o): return 1\n")
    live, bound = {"json": json}.get, {"json": ("json", ""), "Encoder": ("json", "JSONEncoder")}
    monkeypatch.setattr(json.JSONEncoder, "encode", space["encode"])
    for text in ("json.JSONEncoder().encode(1)", "Encoder(2)", "json.JSONEncoder.encode"):
        assert set(patched_attributes([text], bound, live, space)) == {("json.encoder.JSONEncoder", "encode")}
    monkeypatch.undo()
    assert patched_attributes(["Encoder(2)"], bound, live, space) == {}


def test_a_module_whose_file_is_gone_is_a_problem(conf: Conf) -> None:
    conf.path.unlink()
    for text in ("import conf\nconf.build(1)", "def f():\n    import conf\n    conf.build(1)"):
        assert reach([text], {}, conf.modules.find).problems == (("conf", "its file is gone"),)
    assert reach(["import conf"], {}, conf.modules.loaded).problems == ()
    del sys.modules["conf"]
    assert reach(["import conf"], {}, Modules().find).problems == (("conf", "no module named conf"),)
