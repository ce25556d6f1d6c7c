"""Reasons: the difference between two fingerprints, in words."""

from __future__ import annotations

import ast

import pytest

from jo_notebook.core.fingerprint import Fingerprint, Part, code_part
from jo_notebook.core.reasons import Reason, differences
from jo_notebook.core.source import canonical_text


def texts(old: list[Part], new: list[Part], unknown: tuple[str, ...] = ()) -> list[str]:
    return [reason.text for reason in differences(Fingerprint.of(old), Fingerprint.of(new), unknown)]


def part(kind: str, name: str, text: str = "") -> Part:
    return Part(kind, name, f"digest of {text}", text)


CODE, CODE2 = part("code", "", "x = 1"), part("code", "", "x = 2")
CLEAN, CLEAN2 = part("helper", "clean", "def clean(): 1"), part("helper", "clean", "def clean(): 2")
POINT, POINT2 = part("helper", "Point", "class Point: 1"), part("helper", "Point", "class Point: 2")
K10, K20 = part("constant", "K", "10"), part("constant", "K", "20")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param([CODE, K10], [CODE, K10], [], id="nothing"),
        pytest.param([CODE], [CODE2], ["code changed"], id="code"),
        pytest.param([CLEAN], [CLEAN2], ["helper clean() changed"], id="helper"),
        pytest.param([POINT], [POINT2], ["class Point changed"], id="class"),
        pytest.param(
            [part("helper", "P", "@dataclass(frozen=True)\nclass P:\n    x: int")],
            [part("helper", "P", "@dataclass(frozen=True)\nclass P:\n    y: int")],
            ["class P changed"],
            id="decorated class",
        ),
        pytest.param(
            [part("helper", "f", "def f():\n    class A: pass")],
            [part("helper", "f", "def f():\n    class B: pass")],
            ["helper f() changed"],
            id="a function with a class in it",
        ),
        pytest.param([K10], [K20], ["constant K: 10 → 20"], id="constant"),
        pytest.param(
            [part("param", "alpha", "0.1")], [part("param", "alpha", "0.2")], ["param alpha: 0.1 → 0.2"], id="param"
        ),
        pytest.param([], [part("param", "alpha", "0.2")], ["param alpha: not defined → 0.2"], id="new param"),
        pytest.param(
            [part("input", "Load", "a")], [part("input", "Load", "b")], ["input Load has a new value"], id="input"
        ),
        pytest.param([], [part("input", "Load", "b")], ["input Load is new"], id="input came"),
        pytest.param([part("input", "Load", "b")], [], ["input Load is gone"], id="input went"),
        pytest.param(
            [part("global", "data", "a")], [part("global", "data", "b")], ["data has a new value"], id="global"
        ),
        pytest.param([], [K10], ["constant K: not defined → 10"], id="name came"),
        pytest.param([K10], [], ["constant K: 10 → not defined"], id="name went"),
        pytest.param([CLEAN], [], ["helper clean: a function or class → not defined"], id="helper went"),
        pytest.param(
            [CLEAN], [part("constant", "clean", "3")], ["constant clean: a function or class → 3"], id="kind changed"
        ),
        pytest.param([part("import", "f", "m.f")], [part("import", "f", "n.f")], ["import f: m.f → n.f"], id="import"),
        pytest.param([CODE], [CODE2, K10], ["code changed"], id="a name the edit brought is not told apart"),
        pytest.param([CODE, K10], [CODE2], ["code changed"], id="a name the edit took away neither"),
        pytest.param([CODE, K10], [CODE2, K20], ["code changed", "constant K: 10 → 20"], id="a changed one is"),
        pytest.param([CLEAN], [CLEAN2, K10], ["helper clean() changed"], id="nor what an edited helper brought"),
        pytest.param(
            [CODE], [CODE2, part("input", "A", "1")], ["code changed", "input A is new"], id="a new input is told"
        ),
        pytest.param(
            [part("input", "A", "1"), K10, CLEAN, CODE],
            [part("input", "A", "2"), K20, CLEAN2, CODE2],
            ["code changed", "helper clean() changed", "constant K: 10 → 20", "input A has a new value"],
            id="root causes first",
        ),
        pytest.param([part("untracked", "db", "a")], [part("untracked", "db2", "b")], [], id="untracked"),
        pytest.param(
            [part("constant", "K", "1 2\n  3")],
            [part("constant", "K", "x" * 99)],
            ["constant K: 1 2 3 → " + "x" * 47 + "…"],
            id="long texts are cut",
        ),
    ],
)
def test_wording(old: list[Part], new: list[Part], expected: list[str]) -> None:
    assert texts(old, new) == expected


def test_what_is_not_known_yet_is_not_compared() -> None:
    old, new = [part("input", "A", "1"), part("input", "B", "1")], [part("input", "B", "2")]
    assert texts(old, new, ("A",)) == ["input B has a new value"]


def test_a_diff_can_be_made() -> None:
    (reason,) = differences(Fingerprint.of([CODE]), Fingerprint.of([CODE2]))
    assert reason == Reason("code", "code changed", "", "x = 1", "x = 2")


def test_another_schema() -> None:
    """Code is compared by its text; what an older release hashed otherwise, and has no text for, counts as changed."""
    assert differences(Fingerprint((CODE,), schema=0), Fingerprint((CODE,))) == []
    older, same = Part("constant", "K", "old hash", "10"), Part("constant", "K", "new hash", "10")
    assert differences(Fingerprint((older,), schema=1), Fingerprint((same,))) == []
    assert len(differences(Fingerprint((older,)), Fingerprint((same,)))) == 1
    frame, again = Part("global", "df", "old hash", "a DataFrame"), Part("global", "df", "new hash", "a DataFrame")
    assert [r.text for r in differences(Fingerprint((frame,), schema=1), Fingerprint((again,)))] == [
        "df has a new value"
    ]


def test_text_that_another_python_wrote_down_otherwise() -> None:
    """An f-string inside an f-string, a tuple in a subscript: the same code in other words is the same code."""
    pairs = [("f'{x[\"a\"]}'", "f\"{x['a']}\""), ("d[(1, 2)]", "d[1, 2]"), ("return (yield)", "return (yield)")]
    for was, now in pairs[:2]:
        old, new = code_part("code", "", was), code_part("code", "", canonical_text(ast.parse(now).body))
        assert old.digest != new.digest
        assert differences(Fingerprint((old,)), Fingerprint((new,))) == []
    old, new = code_part("helper", "f", "d[(1, 2)]", held="a"), code_part("helper", "f", "d[1, 2]", held="b")
    assert [r.kind for r in differences(Fingerprint((old,)), Fingerprint((new,)))] == ["helper"]


def test_what_was_seen_counts_when_it_is_declared() -> None:
    """A file that the run was seen to open: declaring it is no change, unless the file is another one."""
    now = Fingerprint((Part("file", "data.csv", "abc", "1 MB"), Part("env", "URL", "xyz", "set")))
    seen = {("file", "data.csv"): "abc", ("env", "URL"): "xyz"}
    assert differences(Fingerprint(), now, seen=seen) == []
    other = differences(Fingerprint(), now, seen={**seen, ("file", "data.csv"): "abd"})
    assert [r.text for r in other] == ["file data.csv changed"]
    assert differences(now, Fingerprint()) == []


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        (Part("file", "d", "a"), Part("file", "d", "b"), "file d changed"),
        (Part("file", "d", "a"), Part("file", "d", "missing", "missing"), "file d is missing"),
        (Part("env", "U", "a"), Part("env", "U", "b"), "environment U changed"),
        (Part("env", "U", "a"), Part("env", "U", "unset"), "environment U is not set"),
        (Part("env", "U", "unset"), Part("env", "U", "b"), "environment U is set now"),
        (Part("seed", "", "a", "1"), None, "seed: 1 → none"),
        (Part("package", "pandas", "a", "2.3"), Part("package", "pandas", "b", "3.0"), "pandas 2.3 → 3.0"),
        (
            Part("module", "m.py:", "a", "f()"),
            Part("module", "m.py:", "problem x", "line 3: bad"),
            "module m.py cannot be read: line 3: bad",
        ),
        (
            code_part("module", "m.py:", "f()"),
            code_part("module", "m.py:", "g()"),
            "module m.py: what it does when it is imported changed",
        ),
        (
            code_part("module", "m.py:C", "class C:\n    x = 1"),
            code_part("module", "m.py:C", "class C:\n    x = 2"),
            "module m.py: class C changed",
        ),
    ],
)
def test_sentences(was: Part, now: Part | None, text: str) -> None:
    new = Fingerprint(() if now is None else (now,))
    assert [r.text for r in differences(Fingerprint((was,)), new)] == [text]


def test_ignoring_a_name_is_no_change() -> None:
    was = Fingerprint((Part("constant", "K", "a", "1"),))
    assert differences(was, Fingerprint((Part("untracked", "K", "", "ignored"),))) == []
