"""What code reaches in local modules, on sources in a dictionary: nothing is imported and no file is read."""

from __future__ import annotations

import textwrap
from types import ModuleType

import pytest

from jo_notebook.core.homes import Home, Kind, is_standard
from jo_notebook.core.modules import Piece, Reached, imports_of, patched, patched_attributes, reach
from jo_notebook.core.slices import outline_of, problem_of, uses_of


class Disk:
    """Modules by name: a text, or a (distribution, version)."""

    def __init__(self, **modules: str | tuple[str, str]) -> None:
        self.modules = {name.replace("__", "."): what for name, what in modules.items()}

    def __call__(self, name: str) -> Home:
        what = self.modules.get(name)
        if isinstance(what, str):
            text = textwrap.dedent(what)
            package = any(other.startswith(f"{name}.") for other in self.modules)
            return Home(Kind.LOCAL, name, text=text, is_package=package, problem=problem_of(text))
        if what is not None:
            return Home(Kind.INSTALLED, name, distribution=what[0], version=what[1])
        return Home(Kind.STANDARD if is_standard(name) else Kind.MISSING, name)

    def edited(self, **modules: str) -> Disk:
        disk = Disk()
        disk.modules = {**self.modules, **{name.replace("__", "."): text for name, text in modules.items()}}
        return disk


FT = {"ft": ("features", "")}


def names(reached: Reached) -> set[tuple[str, str]]:
    return {(piece.module, piece.name) for piece in reached.pieces}


def of(text: str, disk: Disk, **bound: tuple[str, str]) -> Reached:
    return reach([textwrap.dedent(text)], bound or FT, disk)


FEATURES = """
    '''About features.'''
    import math
    import numpy as np
    from tools import clean, K as LIMIT

    SCALE = 3
    OTHER = 4

    def build(x):
        "Builds."
        return clean(x) * SCALE + np.mean(x)

    def apart(x):
        return math.sqrt(x) + OTHER

    class Model:
        base = SCALE
        def fit(self): return build(1)
"""
TOOLS = """
    K = 10
    def clean(x): return strip(x)
    def strip(x): return x
    def unused(): return LIMIT
"""
BOTH = Disk(features=FEATURES, tools=TOOLS, numpy=("numpy", "2.1.0"))


def test_a_function_brings_what_it_uses_across_modules_and_nothing_else() -> None:
    reached = of("y = ft.build(x)", BOTH)
    assert names(reached) == {
        *(("features", n) for n in ("build", "SCALE", "clean", "np")),
        *(("tools", n) for n in ("clean", "strip")),
    }
    assert reached.packages == (("numpy", "2.1.0"),)
    assert reached.problems == () == reached.opaque


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("* SCALE +", "* SCALE -", True),
        ("SCALE = 3", "SCALE = 3.0", True),
        ("OTHER = 4", "OTHER = 5", False),
        ("math.sqrt(x)", "math.cos(x)", False),
        ("Builds.", "Makes.", False),
        ("About", "On", False),
        ("import math", "import math  # for apart\n\n", False),
        ("return build(1)", "return build(2)", False),
    ],
)
def test_only_an_edit_of_what_is_reached_changes_what_is_reached(old: str, new: str, differs: bool) -> None:
    assert old in FEATURES
    after = of("y = ft.build(x)", BOTH.edited(features=FEATURES.replace(old, new)))
    assert (after != of("y = ft.build(x)", BOTH)) is differs


def test_a_transitive_edit_is_seen() -> None:
    assert of("ft.build(x)", BOTH) != of("ft.build(x)", BOTH.edited(tools=TOOLS.replace("return x", "return +x")))
    assert of("ft.build(x)", BOTH) == of("ft.build(x)", BOTH.edited(tools=TOOLS.replace("= 10", "= 11")))


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    def g(): return ft.build(1)\n    return g",
        "[ft.build(i) for i in range(3)]",
        "f'{ft.build(1):>{ft.SCALE}}'",
        "class A:\n    x = ft.build(1)",
        "@ft.build\ndef f(): pass",
        "def f(x=ft.build(1)): pass",
        "lambda: ft.build(1)",
        "async def f():\n    await ft.build(1)",
        "await ft.build(1)",
        "return ft.build(1)",
        "x: ft.build = 1",
        "import features\nfeatures.build(1)",
        "import features as q\nq.build(1)",
        "from features import build",
        "from features import build as b\nb(1)",
        "def f():\n    from features import build\n    return build(1)",
        "try:\n    import features as g\nexcept ImportError:\n    g = None\ng.build(1)",
        "if x:\n    from features import build",
        "from features import *",
        "import importlib\nimportlib.import_module('features').build(1)",
        "getattr(ft, n)(1)",
        "vars(ft)",
        "alias = ft\nalias.build(1)",
        "ft.__dict__['build']",
    ],
)
def test_every_way_to_read_a_module_is_seen(text: str) -> None:
    assert ("features", "build") in names(of(text, BOTH))
    assert ("tools", "strip") in names(of(text, BOTH))


def test_a_module_that_is_used_bare_is_reached_whole() -> None:
    everything = {"SCALE", "OTHER", "build", "apart", "Model", "clean"}
    assert everything <= {name for module, name in names(of("use(ft)", BOTH)) if module == "features"}
    assert of("use(ft)", BOTH).opaque == ()


def test_a_name_that_the_text_binds_itself_is_no_module() -> None:
    assert of("ft = 1\nft.real", BOTH) == Reached() == of("def f(ft): return ft.build", BOTH)


def test_names_bound_to_what_a_module_holds() -> None:
    reached = reach(["b(1)"], {"b": ("features", "build")}, BOTH)
    assert reached == of("ft.build(1)", BOTH)
    assert reach(["M().fit()"], {"M": ("features", "Model")}, BOTH) == of("ft.Model.fit", BOTH)


def test_installed_and_standard_modules() -> None:
    disk = Disk(sklearn=("scikit-learn", "1.5.2"))
    assert reach(["m()"], {"m": ("sklearn.linear_model", "Ridge")}, disk) == Reached((), (("scikit-learn", "1.5.2"),))
    assert of("from sklearn.a import b", disk).packages == (("scikit-learn", "1.5.2"),)
    assert of("import math, os.path\nmath.sqrt(os.path)", disk) == Reached()


def test_an_import_of_something_else_under_the_same_name_is_seen() -> None:
    old = Disk(features="from math import sin as f\ndef g(): return f(1)\n")
    assert of("ft.g()", old) != of("ft.g()", old.edited(features="from math import cos as f\ndef g(): return f(1)\n"))
    more = "from math import sin as f, cos\ndef g(): return f(1)\n"
    assert of("ft.g()", old) == of("ft.g()", old.edited(features=more))


PACKAGE = {
    "pkg": "from .core import build\nfrom . import late\nfrom .stars import *\n__all__ = ['build']\n",
    "pkg__core": "from .deep.low import base\nfrom .deep import low as l\ndef build(): return base() + l.K\n",
    "pkg__deep": "",
    "pkg__deep__low": "K = 1\ndef base(): return 1\ndef other(): return 2\n",
    "pkg__late": "def slow(): return 1\ndef fast(): return 2\n",
    "pkg__stars": "def starry(): return _hidden\n_hidden = 3\ndef unused(): pass\n",
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("p.build()", {("pkg", "build"), ("pkg.core", "build"), ("pkg.deep.low", "base"), ("pkg.deep.low", "K")}),
        ("p.late.slow()", {("pkg", "late"), ("pkg.late", "slow")}),
        ("p.starry()", {("pkg.stars", "starry"), ("pkg.stars", "_hidden")}),
        ("p.deep.low.other()", {("pkg.deep.low", "other")}),
        ("import pkg.deep.low\npkg.deep.low.other()", {("pkg.deep.low", "other")}),
        ("import pkg.deep.low as x\nx.other()", {("pkg.deep.low", "other")}),
        ("from pkg.deep import low\nlow.other()", {("pkg.deep.low", "other")}),
        ("from pkg import late\nlate.slow()", {("pkg", "late"), ("pkg.late", "slow")}),
        ("from pkg import starry as s\ns()", {("pkg.stars", "starry"), ("pkg.stars", "_hidden")}),
    ],
)
def test_packages(text: str, found: set[tuple[str, str]]) -> None:
    reached = of(text, Disk(**PACKAGE), p=("pkg", ""))
    assert {n for n in names(reached) if n[0] != "pkg.core" or n[1] not in ("base", "l")} == found
    assert reached.problems == reached.opaque == ()


def test_star_imports_respect_all_and_packages_behind_stars_count() -> None:
    disk = Disk(features="from a import *\nfrom numpy import *\ndef f(): return g() + zeros(1)", numpy=("numpy", "2"))
    disk = disk.edited(a="__all__ = ['h']\ndef g(): pass\ndef h(): pass")
    assert names(of("ft.f()", disk)) == {("features", "f")}
    assert of("ft.f()", disk).packages == (("numpy", "2"),)
    disk = disk.edited(a="__all__ = ['g']\ndef g(): pass")
    assert ("a", "g") in names(of("ft.f()", disk))


def test_classes_bases_decorators_defaults_and_annotations_are_followed() -> None:
    disk = Disk(
        features="""
            from deco import twice
            D = 1; E = 2; U = 3
            class Base: pass
            class Model(Base):
                def fit(self): return 1
                def predict(self, x=D): return 2
            class Note: pass
            @twice
            def f(x: Note): return 1
        """,
        deco="def twice(f): return wrap(f)\ndef wrap(f): return f\ndef once(f): return f",
    )
    assert names(of("ft.Model().fit()", disk)) == {("features", n) for n in ("Model", "Base", "D")}
    assert names(of("ft.f(1)", disk)) == {
        *(("features", n) for n in ("f", "twice", "Note")),
        *(("deco", n) for n in ("twice", "wrap")),
    }
    text = str(disk.modules["features"])
    assert of("ft.Model.fit", disk) != of("ft.Model.fit", disk.edited(features=text.replace("return 2", "return 3")))


def test_what_runs_when_a_module_is_imported_counts() -> None:
    disk = Disk(
        features="""
            import settings
            from os import environ
            CONFIG = {}
            CONFIG.update(x=settings.X)
            def f(): return 1
            if environ:
                CONFIG["y"] = 1
            if __name__ == "__main__":
                f(); CONFIG.clear()
            else:
                CONFIG.pop("x")
        """,
        settings="X = 1\nY = 2\nimport effects\n",
        effects="import math\nmath.tau = 3\n",
    )
    reached = of("ft.f()", disk)
    assert names(reached) == {
        *(("features", n) for n in ("", "f", "CONFIG", "settings", "environ")),
        *(("settings", "X"), ("effects", ""), ("effects", "math")),
    }
    (effect,) = (p.text for p in reached.pieces if (p.module, p.name) == ("features", ""))
    assert "pop" in effect
    assert "clear" not in effect
    assert of("ft.f()", disk) != of("ft.f()", disk.edited(effects="import math\nmath.tau = 4\n"))
    assert of("from features import f", disk) == reached


def test_the_init_of_a_parent_package_runs_too() -> None:
    disk = Disk(pkg="import os\nos.environ['A'] = '1'\n", pkg__mod="def f(): pass\n")
    assert ("pkg", "") in names(of("from pkg.mod import f", disk))
    assert ("pkg", "") in names(reach(["m.f()"], {"m": ("pkg.mod", "")}, disk))


def test_type_checking_blocks_do_not_run() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nowhere import T\n    X.y = 1\n"
    text += "def f(x: T): pass\n"
    reached = of("ft.f(1)", Disk(features=text))
    assert names(reached) == {("features", "f")}
    assert reached.problems == ()


def test_blocks_and_several_bindings_come_whole_and_in_order() -> None:
    disk = Disk(
        features="""
            K = 1
            K += STEP
            STEP = 2
            try:
                import fast as impl
            except ImportError:
                import slow as impl
            for name in ("a", "b"):
                last = name
            def f(): return K, impl.run(), last
        """,
        slow="def run(): return 1\ndef walk(): return 2",
    )
    reached = of("ft.f()", disk)
    texts = {(p.module, p.name): p.text for p in reached.pieces}
    assert texts["features", "K"] == "K = 1\nK += STEP"
    assert texts["features", "impl"].startswith("try:")
    assert texts["features", "last"].startswith("for name")
    assert ("features", "STEP") in texts
    assert ("slow", "run") in texts
    assert ("slow", "walk") not in texts
    assert reached.packages == (("fast", "not installed"),)
    assert reached.problems == ()


def test_a_function_that_sets_a_global_belongs_to_it() -> None:
    disk = Disk(features="S = None\ndef init():\n    global S\n    S = 5\ninit()\ndef f(): return S\ndef g(): pass\n")
    assert names(of("ft.S", disk)) == {("features", n) for n in ("", "S", "init")}


def test_what_registers_itself_counts_for_who_reads_the_register() -> None:
    disk = Disk(
        features="""
            from functools import lru_cache, singledispatch
            KINDS = {}
            def register(f):
                KINDS[f.__name__] = f
                return f
            @register
            def a(): return 1
            @lru_cache
            def cached(): return 1
            def plain(): return 1
            @singledispatch
            def show(x): return x
            @show.register
            def _(x: int): return 1
            class Base:
                kinds = []
                def __init_subclass__(cls): cls.kinds.append(cls)
            class One(Base): pass
            class Other: pass
        """
    )
    assert names(of("ft.KINDS['a']()", disk)) == {("features", n) for n in ("KINDS", "a", "register")}
    assert names(of("ft.show(1)", disk)) == {("features", n) for n in ("show", "_", "singledispatch")}
    assert names(of("ft.Base.kinds", disk)) == {("features", n) for n in ("Base", "One")}
    assert names(of("ft.cached()", disk)) == {("features", n) for n in ("cached", "lru_cache")}
    assert names(of("ft.plain()", disk)) == {("features", "plain")}


def test_a_register_in_another_module_is_filled_from_here() -> None:
    disk = Disk(
        registry="KINDS = {}\ndef register(f):\n    KINDS[f.__name__] = f\n    return f\n",
        features="from registry import register, KINDS\n@register\ndef a(): return 1\ndef b(): return 2\n",
    )
    assert ("features", "a") in names(of("ft.KINDS['a']()", disk))
    assert ("features", "a") in names(of("import features, registry\nregistry.KINDS['a']()", disk))
    assert ("features", "a") not in names(of("ft.b()", disk))


@pytest.mark.parametrize(
    "line",
    [
        "def __getattr__(n): return 1",
        "globals()['g'] = 1",
        "exec('h = 1')",
        "import sys\nsys.modules[__name__].h = 1",
        "for n in vars(): pass",
        "def f(): return eval('other')",
    ],
)
def test_a_module_that_makes_up_its_names_is_taken_whole(line: str) -> None:
    reached = of("ft.f()", Disk(features=f"def f(): pass\ndef other(): pass\n{line}\n"))
    assert reached.opaque == ("features",)
    assert ("features", "other") in names(reached)


def test_a_name_that_nobody_binds_takes_the_module_whole() -> None:
    reached = of("ft.nothing()", BOTH)
    assert reached.opaque == ("features",)
    assert ("features", "build") in names(reached)
    assert of("ft.__name__", BOTH).opaque == ()


def test_the_docstring_counts_where_it_is_read() -> None:
    old, new = (Disk(features=f"'{word}'\ndef f(): return __doc__\ndef g(): pass") for word in ("old", "new"))
    assert of("ft.f()", old) != of("ft.f()", new)
    assert of("ft.g()", old) == of("ft.g()", new)


def test_a_problem_is_told_and_the_rest_still_works() -> None:
    disk = BOTH.edited(broken="def f(:\n", uses="import broken\nfrom nowhere import x\ndef f(): return broken.f()\n")
    reached = of("import uses, broken, gone\nuses.f()\nft.build()", disk)
    assert reached.problems == (
        ("broken", "line 1: invalid syntax"),
        ("gone", "no module named gone"),
        ("nowhere", "no module named nowhere"),
    )
    assert ("features", "build") in names(reached)
    assert reach(["def ("], FT, BOTH) == Reached()


def test_what_code_may_do_without_is_no_problem() -> None:
    disk = Disk(
        features="""
            try:
                from windows import fast
            except ImportError:
                fast = None
            def build(): return fast
            def draw():
                import plots
                return plots.draw()
        """,
        windows="import registry_of_windows\ndef fast(): return registry_of_windows.x\n",
    )
    assert of("ft.build()", disk).problems == ()
    reached = of("ft.draw()", disk)
    assert reached.problems == ()
    assert reached.packages == (("plots", "not installed"),)
    assert of("ft.draw()", disk.edited(plots="def draw(): pass")).packages == ()
    assert of("import plots", disk).problems == (("plots", "no module named plots"),)


def test_circles_end_and_deep_chains_too() -> None:
    disk = Disk(
        a="from b import g\ndef f(): return g()\n", b="from a import f\ndef g(): return f() + h()\ndef h(): h()\n"
    )
    assert names(of("from a import f", disk)) == {("a", "f"), ("a", "g"), ("b", "g"), ("b", "f"), ("b", "h")}
    star = Disk(a="from b import *\n", b="from a import *\ndef g(): pass\n")
    assert ("b", "g") in names(of("from a import g", star))
    assert of("from a import nope", star).opaque == ("a",)
    me = Disk(a="from a import x\n")
    assert of("from a import x", me).problems in ((), (("a.x", "no module named a.x"),))
    size = 3000
    deep = Disk(**{f"m{i}": f"from m{i + 1} import f\n" for i in range(size)}, **{f"m{size}": "def f(): pass\n"})
    assert len(of("from m0 import f", deep).pieces) == size + 1
    line = Disk(features="".join(f"def f{i}(): return f{i + 1}()\n" for i in range(size)))
    assert len(of("ft.f0()", line).pieces) == size
    wide = Disk(features="x = " + "+".join("1" * 20000) + "\n")
    assert isinstance(of("ft.x", wide), Reached)


def test_future_imports_count() -> None:
    old = Disk(features="def f(x: int): pass\n")
    new = old.edited(features="from __future__ import annotations\ndef f(x: int): pass\n")
    assert of("ft.f(1)", old) != of("ft.f(1)", new)


def test_imports_of_names_each_import() -> None:
    rows = imports_of("import a.b.c\nimport a.b as x\nfrom .m import n as k\n")
    assert [(r.name, r.module, r.attribute, r.level) for r in rows] == [
        ("a", "a.b.c", "", 0),
        ("x", "a.b", "", 0),
        ("k", "m", "n", 1),
    ]
    assert [r.text for r in rows] == ["import a", "import a.b as x", "from .m import n as k"]


def test_warnings_of_the_parser_are_nobodys_business() -> None:
    assert problem_of("x = '\\d'\nx is 'a'\n") == ""
    assert outline_of("x = '\\d'\n").bindings
    assert uses_of("ft.build('\\d')").chains == (("ft", "build"),)


def loaded(text: str, **changed: object) -> ModuleType:
    module = ModuleType("features")
    exec(compile(textwrap.dedent(text), "features.py", "exec"), vars(module))
    vars(module).update(changed)
    return module


LIVE = """
    K = 5
    NAMES = ["a"]
    SEEN = {}
    COUNT = 0
    def build(x):
        "Builds."
        return x + K
    def wrap(f): return lambda: f()
    @wrap
    def wrapped(): return 1
    def note(x):
        global COUNT
        COUNT += 1
        SEEN[x] = 1
"""


def test_what_was_replaced_in_a_loaded_module() -> None:
    disk = Disk(features=LIVE)
    pieces = [Piece("features", n, "") for n in ("K", "NAMES", "SEEN", "COUNT", "build", "wrapped", "note", "")]

    def found(module: ModuleType | None) -> dict[tuple[str, str], str]:
        return patched(pieces, disk, lambda name: module)

    assert found(loaded(LIVE)) == {} == found(None)
    used = loaded(LIVE)
    used.note(1)
    assert found(used) == {}
    one, two = found(loaded(LIVE, K=6)), found(loaded(LIVE, K=6.0))
    assert set(one) == {("features", "K")}
    assert one != two
    assert set(found(loaded(LIVE, build=lambda x: 0))) == {("features", "build")}
    assert found(loaded(LIVE, build=lambda x: 0)) != found(loaded(LIVE, build=lambda x: 1))
    assert set(found(loaded(LIVE, build=print, NAMES=["b"]))) == {("features", "build"), ("features", "NAMES")}


def test_a_method_that_was_replaced() -> None:
    text = """
        class Model:
            "A model."
            def __init__(self): self.x = 1
            def fit(self):
                "Fits."
                return __class__, super().__init__()
            @property
            def size(self): return 1
            def twice(self): return 1
            twice = property(twice)
        class Sub(Model):
            async def fit(self): return [self.__x for _ in range(3)]
    """
    pieces = [Piece("features", name, "") for name in ("Model", "Sub")]
    assert patched(pieces, Disk(features=text), lambda name: loaded(text)) == {}
    module = loaded(text)
    module.Model.fit = lambda self: 2
    assert set(patched(pieces, Disk(features=text), lambda name: module)) == {("features", "Model")}


def test_a_statement_too_deep_to_take_apart_still_counts() -> None:
    def deep(end: str) -> str:
        return "X = " + "(" * 80 + "1" + ")" * 80 + "\ndef f(): return X" + " + X" * 600 + f" + {end}\n"

    one, two = (of("ft.f()", Disk(features=deep(end))) for end in ("1", "2"))
    assert one != two
    assert one.problems == two.problems


def test_an_export_list_that_is_worked_out_exports_anything() -> None:
    disk = Disk(features="from impl import *\ndef f(): return _g()\n", impl="__all__ = list('x')\ndef _g(): return 1\n")
    assert ("impl", "_g") in names(of("ft.f()", disk))


def test_the_notebooks_own_functions_in_modules() -> None:
    def fake() -> None: ...

    fake.__module__ = "__main__"
    outer, inner = ModuleType("np"), ModuleType("np.random")
    outer.random, inner.rand, inner.randn = inner, fake, len  # type: ignore[attr-defined]
    live = {"np": outer, "np.random": inner}.get
    bound = {"n": ("np", ""), "r": ("np", "random"), "rand": ("np.random", "rand")}
    expected = {("np.random", "rand"): fake}
    for text in (
        "n.random.rand()",
        "r.rand.x",
        "rand()",
        "from np.random import rand",
        "import np.random\nnp.random.rand",
    ):
        assert patched_attributes([text], bound, live) == expected
    assert patched_attributes(["n.random.randn()\nn.random.gone.x"], bound, live) == {}
