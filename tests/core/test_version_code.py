"""Code in data versions: what the user edits counts by what it does, what is installed by its name."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jo_notebook.core.version import code_digest, lenient_version, version_of

Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Writes a local module and imports it anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names: set[str] = set()

    def write(text: str, name: str = "local_code") -> ModuleType:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        names.add(name)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in names:
        sys.modules.pop(name, None)


EDITS = [
    pytest.param("def x(): return 1", "def x(): return 2", id="body"),
    pytest.param("def x(a=1): return a", "def x(a=2): return a", id="default"),
    pytest.param("K = 1\ndef x(): return K", "K = 2\ndef x(): return K", id="global"),
    pytest.param("def h(): return 1\ndef x(): return h()", "def h(): return 2\ndef x(): return h()", id="helper"),
    pytest.param("class x: k = 1", "class x: k = 2", id="class attribute"),
    pytest.param("class C:\n    def f(s): return 1\nx = C()", "class C:\n    def f(s): return 2\nx = C()", id="method"),
    pytest.param("class A: k = 1\nclass C(A): pass\nx = C()", "class A: k = 2\nclass C(A): pass\nx = C()", id="base"),
    pytest.param(
        "class C:\n    @property\n    def p(s): return 1\nx = [C()]",
        "class C:\n    @property\n    def p(s): return 2\nx = [C()]",
        id="property",
    ),
    pytest.param(
        "class C:\n    @staticmethod\n    def p(): return 1\nx = C.p",
        "class C:\n    @staticmethod\n    def p(): return 2\nx = C.p",
        id="static method",
    ),
    pytest.param(
        "from functools import cache\n@cache\ndef x(): return 1",
        "from functools import cache\n@cache\ndef x(): return 2",
        id="cache",
    ),
    pytest.param(
        "from functools import partial\ndef f(a): return a\nx = partial(f, 1)",
        "from functools import partial\ndef f(a): return -a\nx = partial(f, 1)",
        id="partial",
    ),
    pytest.param(
        "import enum\nclass E(enum.Enum):\n    A = 1\nx = E.A",
        "import enum\nclass E(enum.Enum):\n    A = 2\nx = E.A",
        id="enum",
    ),
    pytest.param(
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int = 1\nx = D(5)",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int = 2\nx = D(5)",
        id="dataclass",
    ),
    pytest.param(
        "from collections import namedtuple\nN = namedtuple('N', 'a')\nx = N(1)",
        "from collections import namedtuple\nN = namedtuple('N', 'b')\nx = N(1)",
        id="namedtuple",
    ),
    pytest.param("x = {'f': [lambda: 1]}", "x = {'f': [lambda: 2]}", id="lambda"),
    pytest.param(
        "def a(): return b() + 1\ndef b(): return a\nx = [a, b]",
        "def a(): return b() + 2\ndef b(): return a\nx = [a, b]",
        id="mutual recursion",
    ),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_an_edit_of_a_local_module_is_another_value(load: Load, before: str, after: str) -> None:
    first = version_of(load(before).x)
    assert first.exact
    assert version_of(load("# a comment\n\n" + before).x) == first
    assert version_of(load(after).x) != first
    assert version_of(load(before).x) == first


def test_the_name_counts_too(load: Load) -> None:
    assert version_of(load("def x(): return 1").x) != version_of(load("def y(): return 1").y)
    assert version_of(load("def x(): return 1").x) != version_of(load("def x(): return 1", "other_code").x)


def test_a_module_that_a_function_reads_is_its_name(load: Load) -> None:
    load("K = 1", "local_other")
    text = "import local_other\ndef x(): return local_other.K"
    first = version_of(load(text).x)
    load("K = 2", "local_other")
    assert version_of(load(text).x) == first


@pytest.mark.parametrize("value", [json.dumps, json.JSONDecoder, Path, pytest.raises, textwrap.TextWrapper.wrap])
def test_what_is_installed_is_its_name(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = version_of(value)
    assert first == version_of(value)
    monkeypatch.setattr(json, "patched", 1, raising=False)
    assert version_of(value) == first


def test_a_patched_function_of_a_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = textwrap.TextWrapper()
    first, patched = version_of(json.dumps), version_of(decoder)
    original = json.dumps
    monkeypatch.setattr(json, "dumps", lambda *a: "patched")
    assert version_of(json.dumps) != first
    assert version_of(original) != first  # a fresh process does not find it by its name any more
    monkeypatch.undo()
    assert (version_of(json.dumps), version_of(decoder)) == (first, patched)


def test_a_large_module_is_walked_once_and_quickly(load: Load) -> None:
    lines = [f"def f{i}(): return f{(i + 1) % 500}, f{(i * 7) % 500}" for i in range(500)]
    module = load("\n".join(lines))
    version_of(module.f0)
    started = time.perf_counter()
    assert version_of([module.f0, module.f1] * 100).exact
    assert time.perf_counter() - started < 1


def test_told_and_reads(load: Load) -> None:
    one, other = load("K = 1\ndef x(): return K"), load("K = 2\ndef x(): return K")
    assert lenient_version(one.x, reads=False) == lenient_version(other.x, reads=False)
    assert lenient_version(one.x) != lenient_version(other.x)
    changed = load("K = 1\ndef x(): return K + 1").x
    assert lenient_version(one.x, told=[id(one.x)]) == lenient_version(changed, told=[id(changed)])
    assert code_digest(one.x.__code__) == code_digest(other.x.__code__) != code_digest(changed.__code__)


def test_importing_versions_is_cheap_and_versions_import_nothing() -> None:
    code = """
        import sys
        from jo_notebook.core.version import version_of, lenient_version, is_opaque
        LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "xarray", "scipy", "torch", "sklearn", "matplotlib")
        assert "xxhash" not in sys.modules and "ctypes" not in sys.modules
        class Fake:
            __module__ = "torch"
        for value in ([1, "a", {2: (3,)}], b"x" * 100, Fake(), Fake, range(3), lambda: 1, [1.5] * 5000):
            version_of(value), lenient_version(value), is_opaque(value)
        version_of(bytes(1 << 17))
        assert "xxhash" in sys.modules
        assert not [name for name in LIBRARIES if name in sys.modules]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("polars", "polars.DataFrame({'a': [1, None], 'b': ['x', None], 'c': [True, None]})"),
        ("polars", "polars.DataFrame({'a': [1, 2]}).lazy()"),
        ("numpy", "numpy.arange(3)"),
    ],
)
def test_one_library_does_not_bring_in_another(value: str, made: str) -> None:
    code = f"""
        import sys, {value}
        from jo_notebook.core.version import version_of
        made = {made}
        before = set(sys.modules)
        assert version_of(made).exact
        came = {{name.partition('.')[0] for name in set(sys.modules) - before}}
        assert not came & {{"numpy", "pandas", "polars", "pyarrow", "torch", "scipy"}}, came
        print(version_of(made).digest)
        import numpy
        print(version_of(made).digest)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert len(set(ran.stdout.split())) == 1
