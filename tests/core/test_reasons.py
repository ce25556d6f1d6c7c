"""Reasons: the difference between two fingerprints, in words."""

from __future__ import annotations

import pytest

from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.reasons import Reason, differences


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
    (reason,) = differences(Fingerprint((CODE,), schema=0), Fingerprint((CODE,)))
    assert reason.text == "made by another release of jo_notebook"
