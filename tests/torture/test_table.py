"""docs/reliability.md names every acceptance test, and each test that it names is there."""

from __future__ import annotations

import re

from tests.torture.making import ROOT

ROW = re.compile(r"^\| (\d+) \|.*?\| (.*?) \|", re.M)
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_number_has_a_row() -> None:
    assert [int(number) for number, _ in ROW.findall(PAGE)] == list(range(1, 43))


def test_every_row_names_tests_that_are_there() -> None:
    for number, cell in ROW.findall(PAGE):
        named = NAMED.findall(cell)
        assert named, number
        for file, test in named:
            text = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert f"def {test}" in text, (number, file, test)


def test_every_torture_test_has_its_row() -> None:
    """A test of a number stands in the row of that number."""
    rows = {int(number): cell for number, cell in ROW.findall(PAGE)}
    for path in (ROOT / "tests" / "torture").glob("test_*.py"):
        for number in set(re.findall(r"^def test_(\d\d)_", path.read_text(encoding="utf-8"), re.M)):
            assert f"torture/{path.name}" in rows[int(number)], (number, path.name)
