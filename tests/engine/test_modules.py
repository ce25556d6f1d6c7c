"""Modules in real files: found without an import, told apart from what is loaded, loaded again."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.homes import Kind
from jo_notebook.core.modules import patched, reach
from jo_notebook.engine.modules import Modules
from jo_notebook.errors import JoError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into a directory that is on the path; what was imported from it is gone afterwards."""
    place = tmp_path / "src"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    before = set(sys.modules)
    clock = time.time_ns() - 3600 * 10**9

    def write(name: str, text: str) -> Path:
        nonlocal clock
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        clock += 10**9
        os.utime(path, ns=(clock, clock))
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(place) in str(getattr(sys.modules[name], "__file__", "") or getattr(sys.modules[name], "__path__", "")):
            del sys.modules[name]


def load(name: str) -> Any:
    importlib.invalidate_caches()
    return importlib.import_module(name)


def reached(modules: Modules, text: str = "features.build()") -> object:
    return reach([text], {"features": ("features", "")}, modules.find)


def test_a_local_module_is_found_and_not_imported(write: Write) -> None:
    path = write("features.py", "raise SystemExit('imported')\n")
    home = Modules().find("features")
    assert (home.kind, home.text, home.path, home.problem) == (Kind.LOCAL, path.read_text(), str(path), "")
    assert not home.is_package
    assert "features" not in sys.modules


def test_a_submodule_is_found_and_its_package_not_imported(write: Write) -> None:
    write("pkg/__init__.py", "raise SystemExit\n")
    write("pkg/deep/__init__.py", "raise SystemExit\n")
    write("pkg/deep/mod.py", "K = 1\n")
    modules = Modules()
    assert modules.find("pkg").is_package
    assert modules.find("pkg.deep.mod").text == "K = 1\n"
    assert modules.find("pkg.deep.gone").kind is modules.find("pkg.deep.mod.x").kind is Kind.MISSING
    assert modules.find("gone.deep.mod").kind is Kind.MISSING
    assert not [name for name in sys.modules if name.partition(".")[0] == "pkg"]


def test_kinds_and_versions() -> None:
    modules = Modules()
    assert modules.find("json.decoder").kind is modules.find("sys").kind is modules.find("math").kind is Kind.STANDARD
    assert modules.find("this").kind is Kind.STANDARD
    assert "this" not in sys.modules
    assert modules.find("__main__").kind is Kind.NOTEBOOK
    home = modules.find("pytest")
    assert (home.kind, home.distribution, home.version) == (Kind.INSTALLED, "pytest", pytest.__version__)
    assert modules.find("_pytest.mark").distribution == "pytest"
    modules.packages = "minor"
    assert modules.find("pytest").version == ".".join(pytest.__version__.split(".")[:2])
    modules.packages = "ignore"
    assert modules.find("pytest").version == ""
    assert modules.find("jo_notebook.core").kind is Kind.INSTALLED
    missing = modules.find("no_such_module")
    assert (missing.kind, missing.problem) == (Kind.MISSING, "no module named no_such_module")


def test_a_distribution_with_another_name_than_its_module() -> None:
    pytest.importorskip("sklearn")
    home = Modules().find("sklearn.linear_model")
    assert home.distribution == "scikit-learn"
    assert home.version[0].isdigit()


def test_an_installation_under_a_living_process(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(site))

    def install(version: str) -> None:
        for old in site.glob("thing*"):
            shutil.rmtree(old)
        (site / "thing").mkdir(parents=True)
        (site / "thing" / "__init__.py").write_text(f"__version__ = '{version}'\n")
        info = site / f"thing-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Thing\nVersion: {version}\n")

    install("1.0.1")
    modules = Modules()
    assert (modules.find("thing").distribution, modules.find("thing").version) == ("Thing", "1.0.1")
    stamp = modules.stamp()
    time.sleep(0.02)
    install("2.3.4")
    assert modules.find("thing").version == "2.3.4"
    assert modules.stamp() != stamp
    load("thing")
    time.sleep(0.02)
    install("3.0.0")
    assert modules.find("thing").version == "2.3.4"
    del sys.modules["thing"]


def test_an_edit_is_seen(write: Write) -> None:
    write("features.py", "def build(): return 1\ndef other(): return 1\n")
    modules = Modules()
    old, stamp = reached(modules), modules.stamp()
    assert reached(modules) is old
    assert modules.stamp() == stamp
    write("features.py", "# a remark\ndef build(): return 1\ndef other(): return 2\n")
    assert reached(modules) == old
    assert modules.stamp() != stamp
    write("features.py", "def build(): return 2\ndef other(): return 2\n")
    assert reached(modules) != old


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_an_edit_that_keeps_size_and_time_is_seen(write: Write, how: str) -> None:
    path = write("features.py", "def build(): return 1\n")
    modules = Modules()
    stat = path.stat()
    old, stamp = reached(modules), modules.stamp()
    if how == "replaced":
        path.unlink()
    path.write_text("def build(): return 2\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert reached(modules) != old
    assert modules.stamp() != stamp


def test_a_fresh_file_is_read_again(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("features.py", "K = 1\n")
    os.utime(path)
    modules = Modules()
    assert modules.find("features").text == "K = 1\n"
    monkeypatch.setattr("jo_notebook.engine.modules._stat", lambda path: (time.time_ns(), 1, 1, 1))
    modules.find("features")
    path.write_text("K = 2\n")
    assert modules.find("features").text == "K = 2\n"


def test_files_that_come_go_and_move(write: Write) -> None:
    modules = Modules()
    assert modules.find("features").kind is Kind.MISSING
    path = write("features.py", "K = 1\n")
    assert modules.find("features").text == "K = 1\n"
    path.unlink()
    assert modules.find("features").kind is Kind.MISSING
    write("features/__init__.py", "K = 2\n")
    assert (modules.find("features").text, modules.find("features").is_package) == ("K = 2\n", True)


def test_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("")
    modules = Modules()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "features_here.py").write_text(f"K = '{name}'\n")
        monkeypatch.chdir(tmp_path / name)
        assert modules.find("features_here").text == f"K = '{name}'\n"


def test_what_cannot_be_read_is_a_problem(write: Write) -> None:
    write("features.py", "x = 1\n\ndef build(:\n")
    assert Modules().find("features").problem == "line 3: invalid syntax"
    path = write("latin.py", "x = 1\n")
    path.write_bytes(b"x = '\xe9'\n")
    home = Modules().find("latin")
    assert home.kind is Kind.LOCAL
    assert home.problem
    path.write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
    assert "é" in Modules().find("latin").text


def test_zip_files_and_namespace_packages(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("spaces/deep/mod.py", "K = 1\n")
    modules = Modules()
    assert (modules.find("spaces").kind, modules.find("spaces").is_package) == (Kind.LOCAL, True)
    assert modules.find("spaces.deep").kind is Kind.LOCAL
    assert modules.find("spaces.deep.mod").text == "K = 1\n"
    assert modules.find("spaces.other").kind is Kind.MISSING
    found = reach(["import spaces.deep.mod\nspaces.deep.mod.K"], {}, modules.find)
    assert [(p.module, p.name) for p in found.pieces] == [("spaces.deep.mod", "K")]
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as file:
        file.writestr("zipped.py", "K = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib.zip"))
    assert modules.find("zipped").text == "K = 2\n"
    load("zipped")
    modules.look()
    assert modules.edited(["zipped"]) == ()
    del sys.modules["zipped"]


def test_an_editable_install_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "elsewhere" / "edible.py"
    path.parent.mkdir()
    path.write_text("K = 1\n")

    class Hook:
        @staticmethod
        def find_spec(name: str, path_: object = None, target: object = None) -> object:
            return importlib.util.spec_from_file_location(name, path) if name == "edible" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Hook])
    home = Modules().find("edible")
    assert (home.kind, home.text) == (Kind.LOCAL, "K = 1\n")


def test_a_users_own_module_comes_before_pythons(write: Write) -> None:
    write("this.py", "K = 1\n")
    assert Modules().find("this").kind is Kind.LOCAL


def test_loaded_is_not_what_is_on_disk(write: Write) -> None:
    write("features.py", "def build(): return 1\n")
    modules = Modules()
    assert modules.loaded("features").text == "def build(): return 1\n"
    write("features.py", "def build(): return 2\n")
    load("features")
    modules.look()
    write("features.py", "def build(): return 3\n")
    assert modules.loaded("features").text == "def build(): return 2\n"
    assert modules.find("features").text == "def build(): return 3\n"
    assert modules.edited(["features", "json", "gone"]) == ("features",)
    write("features.py", "def build():\n    'Builds.'\n    return 2\n")
    assert modules.edited(["features"]) == ()


def test_a_module_that_was_reloaded_by_somebody_else_is_not_edited(write: Write) -> None:
    write("features.py", "def build(): return 1\n")
    module = load("features")
    modules = Modules()
    modules.look()
    write("features.py", "def build(): return 20\n")
    assert modules.edited(["features"]) == ("features",)
    importlib.invalidate_caches()
    importlib.reload(module)
    modules.look()
    assert modules.edited(["features"]) == ()
    assert modules.reload(["features"], {}).names == ()
    assert modules.loaded("features").text == "def build(): return 20\n"


def test_an_edit_between_the_load_and_the_first_look_is_seen(write: Write) -> None:
    write("features.py", "def build(): return 1\n")
    write("constants.py", "K = 1\nX = len('a')\n")
    features, constants = load("features"), load("constants")
    write("features.py", "def build(): return 2\n")
    write("constants.py", "K = 1\nX = len('abc')\n")
    modules = Modules()
    modules.look()
    assert modules.edited(["features"]) == ("features",)
    if not sys.dont_write_bytecode:
        assert modules.edited(["constants"]) == ("constants",)
        assert modules.reload(["constants"], {}).names == ("constants",)
        assert constants.X == 3
    assert modules.reload(["features"], {}).names == ("features",)
    assert features.build() == 2
    assert modules.edited(["features", "constants"]) == ()


def test_reload_follows_imports_and_binds_names_anew(write: Write) -> None:
    write("tools.py", "def clean(): return 1\nK = 5\nTABLE = [1]\nclass C: pass\nGONE = 1\n")
    write("features.py", "from tools import clean\nimport tools\nbuild = lambda: clean() + tools.K\n")
    write("apart.py", "STATE = []\n")
    features, tools, apart = load("features"), load("tools"), load("apart")
    apart.STATE.append(1)
    modules = Modules()
    modules.look()
    namespace = {
        "features": features,
        "t": tools,
        "build": features.build,
        "tidy": tools.clean,
        "K": tools.K,
        "five": 5,
        "TABLE": tools.TABLE,
        "C": tools.C,
        "mine": lambda: 0,
    }
    mine = namespace["mine"]
    write("tools.py", "def clean(): return 10\nK = 6\nTABLE = [2]\nclass C: pass\n")
    assert modules.reload(["tools", "features", "apart"], namespace).names == ("tools", "features")
    assert namespace["build"]() == 16  # type: ignore[operator]
    assert namespace["tidy"] is tools.clean is features.clean
    assert (namespace["K"], namespace["five"], namespace["TABLE"]) == (6, 5, [2])
    assert namespace["C"] is tools.C
    assert namespace["mine"] is mine
    assert namespace["features"] is features
    assert not hasattr(tools, "GONE")
    assert apart.STATE == [1]
    assert modules.edited(["tools", "features", "apart"]) == ()
    assert modules.reload(["tools", "features"], namespace).names == ()


def test_reload_is_told_which_names_were_imported(write: Write) -> None:
    write("tools.py", "K = 5\nL = 5\n")
    load("tools")
    modules = Modules()
    modules.look()
    namespace = {"K": 5, "k": 5, "L": 5}
    write("tools.py", "K = 6\nL = 7\n")
    modules.reload(["tools"], namespace, {"k": ("tools", "K"), "L": ("json", "L")})
    assert namespace == {"K": 5, "k": 6, "L": 5}


def test_the_notebooks_own_data_in_a_module_stay_with_the_notebook(write: Write) -> None:
    write("tools.py", "DATA = None\nK = 1\n")
    tools = load("tools")
    modules = Modules()
    modules.look()
    data = [1, 2]
    tools.DATA = data
    namespace = {"data": data}
    write("tools.py", "DATA = None\nK = 2\n")
    modules.reload(["tools"], namespace)
    assert namespace == {"data": [1, 2]}


def test_reload_inside_of_a_package(write: Write) -> None:
    write("pkg/__init__.py", "from .low import base\nfrom . import low as deep\n")
    write("pkg/low.py", "def base(): return 1\n")
    write("pkg/high.py", "from .low import base\ndef top(): return base()\n")
    pkg, high = load("pkg"), load("pkg.high")
    modules = Modules()
    modules.look()
    write("pkg/low.py", "def base(): return 2\n")
    assert set(modules.reload(["pkg.low"], {}).names) == {"pkg", "pkg.low", "pkg.high"}
    assert pkg.base() == high.top() == pkg.low.base() == 2
    assert pkg.low is pkg.deep is sys.modules["pkg.low"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def clean(): return 2\nX = 1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("def clean(): return 2\nraise SystemExit(3)\n", "line 2: SystemExit: 3"),
        ("def clean(:\n", "line 1: invalid syntax"),
    ],
)
def test_a_reload_that_fails_leaves_everything_as_it_was(write: Write, text: str, words: str) -> None:
    path = write("tools.py", "def clean(): return 1\n")
    write("features.py", "from tools import clean\ndef build(): return clean()\n")
    features, tools = load("features"), load("tools")
    modules = Modules()
    modules.look()
    before, namespace = dict(vars(tools)), {"clean": tools.clean}
    write("tools.py", text)
    with pytest.raises(JoError) as error:
        modules.reload(["features", "tools"], namespace)
    assert words in str(error.value)
    assert str(error.value).startswith("The module tools (tools.py) cannot be loaded again")
    assert str(path.parent) not in str(error.value)
    assert vars(tools) == before
    assert sys.modules["tools"] is tools
    assert (features.build(), namespace["clean"]) == (1, tools.clean)
    assert modules.edited(["tools"]) == ("tools",)
    write("tools.py", "def clean(): return 3\n")
    assert modules.reload(["features", "tools"], namespace).names == ("tools", "features")
    assert features.build() == namespace["clean"]() == 3


def test_a_user_of_the_edited_module_that_fails_brings_both_back(write: Write) -> None:
    write("tools.py", "K = 1\n")
    write("features.py", "from tools import K\nassert K < 2\n")
    load("features")
    tools = load("tools")
    modules = Modules()
    modules.look()
    write("tools.py", "K = 2\n")
    with pytest.raises(JoError, match=r"features \(features.py\).*line 2: AssertionError"):
        modules.reload(["tools"], {})
    assert tools.K == 1


def test_a_broken_bystander_does_not_stand_in_the_way(write: Write) -> None:
    write("tools.py", "K = 1\n")
    write("features.py", "from tools import K\n")
    load("features")
    modules = Modules()
    modules.look()
    write("tools.py", "K = 2\n")
    write("features.py", "from tools import (\n")
    assert modules.reload(["tools"], {}).names == ("tools",)
    assert modules.edited(["tools", "features"]) == ("features",)


def test_a_module_that_is_gone_cannot_be_loaded_again(write: Write) -> None:
    path = write("tools.py", "K = 1\n")
    load("tools")
    modules = Modules()
    modules.look()
    path.unlink()
    assert modules.edited(["tools"]) == ("tools",)
    with pytest.raises(JoError, match="its file is gone"):
        modules.reload(["tools"], {})


def test_circular_imports_are_reloaded(write: Write) -> None:
    write("one.py", "import two\ndef f(): return 1\n")
    write("two.py", "import one\ndef g(): return one.f()\n")
    load("one")
    modules = Modules()
    modules.look()
    write("one.py", "import two\ndef f(): return 2\n")
    assert set(modules.reload(["one"], {}).names) == {"one", "two"}
    assert load("two").g() == 2


def test_what_was_replaced_shows_against_what_is_loaded(write: Write) -> None:
    write("features.py", "K = 1\ndef build(): return K\n")
    features = load("features")
    modules = Modules()
    modules.look()

    def found() -> set[tuple[str, str]]:
        pieces = reach(["features.build()"], {"features": ("features", "")}, modules.loaded).pieces
        return set(patched(pieces, modules.loaded, modules.live))

    assert found() == set()
    write("features.py", "K = 2\ndef build(): return K + 1\n")
    assert found() == set()
    features.K = 5
    assert found() == {("features", "K")}


def test_a_quick_edit_of_the_same_size_is_loaded_in_a_real_process(tmp_path: Path) -> None:
    script = """
        import pathlib, sys
        from jo_notebook.engine.modules import Modules
        path = pathlib.Path("features.py")
        path.write_text("def build(): return 1\\n")
        sys.path.insert(0, "")
        modules = Modules()
        import features
        modules.look()
        for number in range(2, 9):
            path.write_text(f"def build(): return {number}\\n")
            assert modules.edited(["features"]) == ("features",), number
            assert modules.reload(["features"], {}).names == ("features",)
            assert features.build() == number, (features.build(), number)
            assert modules.edited(["features"]) == ()
        print("fine")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "fine\n", done.stderr


def test_many_local_modules_cost_little_at_the_first_look(write: Write) -> None:
    body = "".join(f"def f{i}(x): return x + {i}\n" for i in range(100))
    for number in range(60):
        write(f"many{number}.py", body)
        load(f"many{number}")
    Modules().look()
    modules = Modules()
    start = time.perf_counter()
    modules.look()
    assert time.perf_counter() - start < 10  # a walk that grows with the square would take minutes


def test_a_users_patch_is_no_edit(write: Write) -> None:
    write("features.py", "K = 1\ndef build(): return K\n")
    features = load("features")
    features.K, features.build = 5, lambda: 6
    modules = Modules()
    modules.look()
    assert modules.edited(["features"]) == ()
    pieces = reach(["import features\nfeatures.build()\nfeatures.K"], {}, modules.loaded).pieces
    assert set(patched(pieces, modules.loaded, modules.live)) == {("features", "K"), ("features", "build")}


# -- what the notebook's values hold of a module that is loaded again ----------------------------------

OLD = """
    import functools, enum
    def build(x=1): return x * 10
    def deco(f):
        @functools.wraps(f)
        def inner(*a): return f(*a) + 1
        return inner
    def other(): return 1
    def adder(n): return lambda x: x + n
    class Base:
        def value(self): return 1
        class Inner:
            def value(self): return 1
    class Color(enum.Enum):
        RED = 1
    class Slots:
        __slots__ = ("a",)
    class Gone: pass
"""
NEW = (
    OLD.replace("x * 10", "x * 20").replace("f(*a) + 1", "f(*a) + 2").replace("x + n", "x - n").replace("=1", "=2")
).replace("return 1", "return 2").replace('("a",)', '("a", "b")').replace("class Gone: pass", "")  # fmt: skip
HOLDERS = """
import functools, collections, types
import features
class Sub(features.Base):
    x = 0
class Holder:
    make = staticmethod(features.build)
    def __init__(self): self.f = features.build
def by_default(b=features.build): return b()
def by_keyword(*, b=features.build): return b()
def closed(f): return lambda: f()
closure = closed(features.build)
instance, inner, sub, holder = features.Base(), features.Base.Inner(), Sub(), Holder()
partial = functools.partial(features.build, 2)
table, rows, pair, group = {"b": features.build}, [features.build, instance], (features.build, 1), {features.build}
nested = {"a": [{"b": features.build}]}
color, method = features.Color.RED, instance.value
alias = features.build
class Meta:
    p = property(features.build)
"""


def notebook(code: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "<cell>", "exec"), namespace)
    return namespace


def test_what_values_hold_of_a_module_is_that_of_the_new_one(write: Write) -> None:
    write("features.py", OLD)
    features = load("features")
    modules = Modules()
    modules.look()
    space = notebook(HOLDERS)
    kept = {name: space[name] for name in ("Sub", "by_default", "table", "rows", "group", "instance", "closure")}
    write("features.py", NEW)
    done = modules.reload(["features"], space)
    assert (done.names, done.left_over, bool(done)) == (("features",), (), True)
    assert {name: space[name] for name in kept} == kept
    assert all(space[name] is value for name, value in kept.items())
    assert space["by_default"]() == space["by_keyword"]() == space["closure"]() == space["table"]["b"]() == 40
    assert space["partial"]() == space["rows"][0](2) == space["nested"]["a"][0]["b"](2) == 40
    assert space["pair"] == (features.build, 1)
    assert space["group"] == {features.build}
    assert space["alias"] is space["holder"].f is space["holder"].make is features.build
    assert [space[n].value() for n in ("instance", "inner", "sub")] == [2, 2, 2]
    assert isinstance(space["instance"], features.Base)
    assert isinstance(space["sub"], features.Base)
    assert space["method"]() == 2
    assert space["color"] is features.Color.RED
    assert space["Meta"].p.fget is features.build


def test_what_cannot_be_brought_up_to_date_is_told(write: Write) -> None:
    write("features.py", OLD)
    features = load("features")
    modules = Modules()
    modules.look()
    space = notebook(
        """
import features, collections, functools
@features.deco
def decorated(): return 1
@functools.lru_cache
@features.deco
def cached(): return 1
add = features.adder(2)
slots = features.Slots()
gone, of_gone = features.Gone, features.Gone()
counts = collections.defaultdict(features.build)
box = {"add": add}
fine = features.other
_hidden = decorated
_1 = decorated
big = list(range(20_000))
"""
    )
    write("features.py", NEW)
    done = modules.reload(["features"], space)
    assert done.left_over == ("_hidden", "add", "box", "cached", "counts", "decorated", "gone", "of_gone", "slots")
    assert space["fine"] is features.other
    assert not Modules().reload(["features"], space)


def test_a_wrapper_whose_code_did_not_change_may_stay(write: Write) -> None:
    write("features.py", OLD)
    load("features")
    modules = Modules()
    modules.look()
    space = notebook("import features\n@features.deco\ndef f(): return features.build()\n")
    write("features.py", "\n\n" + textwrap.dedent(OLD).replace("x * 10", "x * 20"))
    assert modules.reload(["features"], space).left_over == ()
    assert space["f"]() == 21


def test_a_failure_while_values_are_mended_takes_everything_back(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("features.py", OLD)
    features = load("features")
    modules = Modules()
    modules.look()
    space = notebook(HOLDERS)
    before, names, old = dict(space), dict(vars(features)), features.build
    write("features.py", NEW)

    class Boom(dict[str, Any]):
        def __setitem__(self, name: str, value: object) -> None:
            if name == "alias" and value is not old:
                raise KeyboardInterrupt
            super().__setitem__(name, value)

    space = Boom(space)
    with pytest.raises(KeyboardInterrupt):
        modules.reload(["features"], space)
    assert dict(space) == before
    assert vars(features) == names
    assert space["by_default"]() == space["table"]["b"]() == space["closure"]() == 10
    assert space["instance"].value() == space["sub"].value() == 1
    assert modules.edited(["features"]) == ("features",)
