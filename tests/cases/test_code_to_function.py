"""Rows: the body of a cell → what its function returns, what it reads, what counts as the same code."""

from __future__ import annotations

from types import CodeType
from typing import Any

import pytest

from jo_notebook.core.source import compile_step, free_names, parse_source
from jo_notebook.engine.call import call_step
from jo_notebook.errors import SourceError

ASYNC = "import asyncio\nawait asyncio.sleep(0)\n"


def result_of(text: str, namespace: dict[str, Any] | None = None, **inputs: Any) -> Any:
    source = parse_source(text)
    return call_step(compile_step(source, "Step", inputs, {} if namespace is None else namespace, "<test>"), inputs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1 + 1", 2, id="last expression"),
        pytest.param("x = 1\nx", 1, id="a name"),
        pytest.param("x = 1", None, id="no expression"),
        pytest.param("None", None, id="None"),
        pytest.param("if True:\n    return 5\n6", 5, id="early return"),
        pytest.param("return", None, id="bare return"),
        pytest.param("for i in range(3):\n    i", None, id="expression inside a loop is no result"),
        pytest.param("3;", 3, id="semicolon"),
        pytest.param('"""only a docstring"""', "only a docstring", id="docstring only"),
        pytest.param('"""doc"""\n4', 4, id="docstring first"),
        pytest.param(ASYNC + "7", 7, id="await"),
        pytest.param(
            "async def g():\n    yield 1\n    yield 2\nt = 0\nasync for i in g():\n    t += i\nt", 3, id="async for"
        ),
        pytest.param("async def g():\n    yield 1\n[i async for i in g()]", [1], id="async comprehension"),
        pytest.param(
            "import contextlib\n@contextlib.asynccontextmanager\nasync def m():\n    yield 8\n"
            "async with m() as x:\n    y = x\ny",
            8,
            id="async with",
        ),
        pytest.param("async def f():\n    return 1\n2", 2, id="async def alone does not make a coroutine"),
        pytest.param("for i in range(3):\n    yield i", [0, 1, 2], id="yield"),
        pytest.param("yield from 'ab'", ["a", "b"], id="yield from"),
        pytest.param("yield 1\n2", [1], id="yield, then an expression"),
        pytest.param(ASYNC + "yield 1\nyield 2", [1, 2], id="async generator"),
        pytest.param("(i for i in range(3))", [0, 1, 2], id="a generator as the result"),
        pytest.param("def f(x):\n    return x * 2\nf(4)", 8, id="nested def"),
        pytest.param("def f(n):\n    return n and n * f(n - 1) or 1\nf(4)", 24, id="nested recursive def"),
        pytest.param("class A:\n    x = 3\nA().x", 3, id="class"),
        pytest.param("k = 2\n[i * k for i in range(3)]", [0, 2, 4], id="comprehension"),
        pytest.param(
            "k = 2\n{i: [j * k for j in range(i)] for i in range(3)}", {0: [], 1: [0], 2: [0, 2]}, id="nested"
        ),
        pytest.param("(n := 5) + n", 10, id="walrus"),
        pytest.param("[last := i for i in range(3)]\nlast", 2, id="walrus in a comprehension"),
        pytest.param("x = 'a'\nf'{x!r:>5}{x}{{}}'", "  'a'a{}", id="f-string"),
        pytest.param("match {'a': [1, 2]}:\n    case {'a': [x, *rest]}:\n        r = x, rest\nr", (1, [2]), id="match"),
        pytest.param("naïve = 1\nµ = 2\nnaïve + μ", 3, id="unicode names, normalised as Python does"),
        pytest.param("x = 0\n" + "x += 1\n" * 5_000 + "x", 5_000, id="5,000 lines"),
        pytest.param("lambda: 1", "lambda", id="a lambda"),
        pytest.param("try:\n    1 / 0\nexcept ZeroDivisionError:\n    x = 'caught'\nx", "caught", id="try"),
        pytest.param("text = '''a\n  b'''\ntext", "a\n  b", id="text over lines keeps its margin"),
        pytest.param("import math as m\nm.floor(2.5)", 2, id="import inside"),
    ],
)
def test_result(text: str, expected: Any) -> None:
    found = result_of(text)
    assert (found.__name__.strip("<>") if expected == "lambda" else found) == expected


def test_a_global_is_written_to_the_notebook() -> None:
    namespace: dict[str, Any] = {"K": 1}
    assert result_of("global K\nK = K + 1\nK", namespace) == 2
    assert namespace["K"] == 2


def test_nothing_else_leaks_into_the_notebook() -> None:
    namespace: dict[str, Any] = {}
    result_of("x = 1\ndef f(): return x\nclass A: pass\nf", namespace)
    assert namespace.keys() == {"__builtins__"}


@pytest.mark.parametrize("text", ["x + 1", "'a docstring'\nx", "(lambda: x)()", "await f(x)", "yield x", "global x\nx"])
def test_steps_of_one_text_are_functions_of_their_own(text: str) -> None:
    """Steps of one text may share what Python compiled; names, files and what is inside of them are each step's."""
    source, space = parse_source(text), {"__name__": "__main__", "x": 1}
    one, two = (compile_step(source, name, (), space, f"<{name}>") for name in ("One", "Two"))
    for name, function in (("One", one), ("Two", two)):
        assert (function.__name__, function.__qualname__, function.__module__) == (name, name, "__main__")
        assert function.__doc__ == ("a docstring" if "docstring" in text else None)
        assert function.__globals__ is space
        code = function.__code__
        assert (code.co_name, code.co_qualname, code.co_filename) == ("<module>", name, f"<{name}>")
        inside = [c for c in code.co_consts if isinstance(c, CodeType)]
        assert [c.co_filename for c in inside] == [f"<{name}>"] * ("lambda" in text)
        assert all(c.co_qualname == f"{name}.<locals>.<lambda>" for c in inside)
    assert one.__code__ is not two.__code__


def test_an_error_of_a_shared_text_names_its_step() -> None:
    for name in ("One", "Two"):
        with pytest.raises(SourceError, match=f"^{name}, line 1: name 'x' is parameter and global"):
            compile_step(parse_source("global x\nx"), name, ("x",), {}, "<cell>")


def test_an_input_may_be_assigned_to() -> None:
    assert result_of("Load = Load + 1\nLoad", Load=1) == 2


@pytest.mark.parametrize(
    ("text", "header", "parts"),
    [
        pytest.param("", "", ["Clean has no body"], id="empty"),
        pytest.param("# a comment\n", "", ["Clean has no body"], id="comment only"),
        pytest.param("x = (1", "", ["Clean, line 1", "never closed", "\n    x = (1\n        ^"], id="open bracket"),
        pytest.param("a = 1\nb = = 2", "", ["line 2: invalid syntax", "    b = = 2\n        ^"], id="second line"),
        pytest.param("b = = 2", "%%step Clean\n", ["Clean, line 2", "    b = = 2\n        ^"], id="header"),
        pytest.param(
            "b = = 2", "%%step C\n\n# more\n", ["line 4", "    b = = 2\n        ^"], id="three lines of header"
        ),
        pytest.param("from math import *", "", ["line 1", "import * only allowed"], id="import *"),
        pytest.param("x = 1\nnonlocal y", "%%step C\n", ["line 3", "nonlocal"], id="nonlocal"),
        pytest.param("x = 1\nglobal x", "", ["line 2", "global"], id="global too late"),
        pytest.param("break", "%%step C\n", ["line 2", "'break' outside loop", "    break"], id="break"),
        pytest.param("def f():\nreturn 1", "", ["line 2", "indent"], id="indentation"),
        pytest.param("x = '\0'", "", ["Clean", "null"], id="null byte"),
        pytest.param("from __future__ import annotations\n1", "", ["Clean, line 1", "__future__"], id="future"),
        pytest.param("+".join(["x"] * 700), "", ["Clean", "Python cannot read this body"], id="too deep"),
        pytest.param("(" * 300 + ")" * 300, "", ["Clean", "too many nested parentheses"], id="parentheses"),
    ],
)
def test_refused(text: str, header: str, parts: list[str]) -> None:
    with pytest.raises(SourceError) as caught:
        parse_source(text, header=header, where="Clean")
    for part in parts:
        assert part in str(caught.value)


def test_tracebacks_count_the_lines_of_the_cell() -> None:
    source = parse_source("x = 1\n1 / 0", header="%%step Clean\n\n")
    function = compile_step(source, "Clean", (), {}, "<cell>")
    with pytest.raises(ZeroDivisionError) as caught:
        function()
    assert caught.traceback[-1].lineno + 1 == 4


READS = [
    pytest.param("x + y", {"x", "y"}, id="plain"),
    pytest.param("x = 1\nx", set(), id="own name"),
    pytest.param("def f(a=k):\n    return a + g\nf", {"k", "g"}, id="default and body of a nested def"),
    pytest.param("[i * k for i in data]", {"k", "data"}, id="comprehension"),
    pytest.param("class A(Base):\n    y = z\nA", {"Base", "z"}, id="class"),
    pytest.param("class A:\n    K = K\nA", {"K"}, id="class body binding the name it reads"),
    pytest.param("class A:\n    def f(self):\n        return h(self)\nA", {"h"}, id="method"),
    pytest.param("lambda x: x + k", {"k"}, id="lambda"),
    pytest.param("f'{a:{width}} {b!r}'", {"a", "b", "width"}, id="f-string"),
    pytest.param(
        "match v:\n    case P.x:\n        r = q\n    case [a, *b]:\n        r = a, b\nr", {"v", "P", "q"}, id="match"
    ),
    pytest.param("(n := m) + n", {"m"}, id="walrus"),
    pytest.param("global K\nK = K + 1", {"K"}, id="global read and written"),
    pytest.param(
        "@deco(arg)\ndef f(x: Ann) -> Ret: ...\nf", {"deco", "arg", "Ann", "Ret"}, id="decorator, annotations"
    ),
    pytest.param("a.b.c[d](e=g)", {"a", "d", "g"}, id="attributes are no names"),
    pytest.param("import numpy as np\nnp.zeros(n)", {"n"}, id="import inside"),
    pytest.param("try:\n    pass\nexcept Wrong as error:\n    error", {"Wrong"}, id="except"),
    pytest.param("del x", set(), id="del"),
    pytest.param("sum(xs)", {"sum", "xs"}, id="builtins are names too"),
    pytest.param("ﬁle", {"file"}, id="unicode is normalised"),
]


@pytest.mark.parametrize(("text", "expected"), READS)
def test_reads(text: str, expected: set[str]) -> None:
    assert parse_source(text).reads == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param("system('head {path}')", {"path"}, id="braces"),
        pytest.param("system('head $path | wc {n}')", {"path", "n"}, id="dollar"),
        pytest.param("system('ls {os.path.join(base, name)}')", {"os", "base", "name"}, id="an expression"),
        pytest.param("getoutput('echo {data[\"k\"]}')", {"data"}, id="an item"),
        pytest.param("run_line_magic('timeit', 'f(x)')", {"f", "x"}, id="line magic"),
        pytest.param("run_cell_magic('time', '', 'y = g(x)\\ny')", {"g", "x"}, id="cell magic"),
        pytest.param("system('echo 5$ {}')", set(), id="nothing"),
    ],
)
def test_names_in_shell_commands(call: str, expected: set[str]) -> None:
    assert parse_source(f"get_ipython().{call}").reads == expected


def test_free_names_of_a_statement() -> None:
    assert free_names("def f(x=K):\n    return f(x) + g()") == {"K", "g"}
    assert free_names("K = L") == {"L"}


SAME = [
    pytest.param("x=1 # why\nx", "x = 1\nx", id="comment"),
    pytest.param("x = 1\n\n\nx", "x = 1\nx", id="blank lines"),
    pytest.param("def f():\n  'doc'\n  return 1\nf()", "def f():\n    return 1\nf()", id="docstring"),
    pytest.param("def f():\n  'doc'\nf()", "def f(): pass\nf()", id="nothing but a docstring"),
    pytest.param("'about'\n1", "1", id="docstring of the step"),
    pytest.param("x = 'a'\nx", 'x = "a"\nx', id="quotes"),
    pytest.param("x = (1 + 2)\n(x)", "x = 1 + 2\nx", id="parentheses"),
    pytest.param("f(a,\n  b)", "f(a, b)", id="line breaks"),
    pytest.param("x = 1; x", "x = 1\nx", id="semicolon"),
    pytest.param("0x10", "16", id="spelling of a number"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_code(one: str, other: str) -> None:
    assert parse_source(one).canonical == parse_source(other).canonical


DIFFERENT = [
    *(pytest.param(a, b, id=f"{a} and {b}") for a, b in [("1", "1.0"), ("1", "True"), ("1", "'1'"), ("b'1'", "'1'")]),
    pytest.param("0.0", "-0.0", id="minus zero"),
    pytest.param("[1]", "(1,)", id="list and tuple"),
    pytest.param("@d\ndef f(): pass\nf", "def f(): pass\nf", id="decorator"),
    pytest.param("@d(1)\ndef f(): pass\nf", "@d(2)\ndef f(): pass\nf", id="decorator's argument"),
    pytest.param("def f(x: int): pass\nf", "def f(x: str): pass\nf", id="annotation"),
    pytest.param("@d\ndef f():\n  'a'\nf", "@d\ndef f():\n  'b'\nf", id="a docstring that a decorator can read"),
    pytest.param("class A:\n  'a'\nA", "class A:\n  'b'\nA", id="docstring of a class"),
    pytest.param("f(a, b)", "f(b, a)", id="order"),
    pytest.param("x = 1\nx", "x = 1", id="with and without a result"),
    pytest.param("a - (b - c)", "a - b - c", id="parentheses that matter"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_code(one: str, other: str) -> None:
    assert parse_source(one).canonical != parse_source(other).canonical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1", True, id="expression"),
        pytest.param("x = 1", False, id="assignment"),
        pytest.param("return", False, id="bare return"),
        pytest.param("yield 1", True, id="yield"),
        pytest.param("def f():\n    return 1", False, id="return of a nested def"),
    ],
)
def test_has_result(text: str, expected: bool) -> None:
    assert parse_source(text).has_result is expected
