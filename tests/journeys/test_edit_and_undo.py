"""Stale is a mark with a reason; undoing the edit takes it away without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.asking import body, result, runs, states
from tests.kernel import Kernel

HELPER = "LIMIT = 2\ndef big(values):\n    return [v for v in values if v > LIMIT]"
FRESH = {"Load": "available", "Clean": "available", "Count": "available"}


@pytest.fixture
def kernel_with_three(lab_kernel: Kernel, tmp_path: Path) -> Kernel:
    """Load, Clean and Count, all available."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run(HELPER, "h")
    lab_kernel.run("%%step Load\n" + body("Load", "[3, 1, 2, 5]"), "b")
    lab_kernel.run("%%step Clean\n" + body("Clean", "big(Load)"), "c")
    lab_kernel.run("%%step Count\n" + body("Count", "len(Clean)"), "d")
    lab_kernel.run("%materialize")
    assert runs(tmp_path) == ["Load", "Clean", "Count"]
    return lab_kernel


EDITS = {
    "the body": ("%%step Clean\n" + body("Clean", "big(Load)[:1]"), "c", "code changed"),
    "a helper": (HELPER.replace(">", ">="), "h", "helper big() changed"),
    "a constant": (HELPER.replace("= 2", "= 4"), "h", "constant LIMIT: 2 → 4"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edit_and_undo(kernel_with_three: Kernel, tmp_path: Path, edit: str) -> None:
    """An edit of what Clean is made of marks it and what follows; the old text brings all of it back."""
    kernel = kernel_with_three
    undo = {"c": "%%step Clean\n" + body("Clean", "big(Load)"), "h": HELPER}
    code, cell, reason = EDITS[edit]
    kernel.run(code, cell)
    assert states(kernel) == {"Load": "available", "Clean": "stale", "Count": "stale"}
    assert reason in kernel.run("%explain Clean").stdout
    assert f" [~] (>) Clean    {reason}" in kernel.run("%plan").stdout
    kernel.run(undo[cell], cell)
    assert states(kernel) == FRESH
    assert kernel.run("%materialize").stdout == "Nothing to run: everything is available.\n"
    assert runs(tmp_path) == []


def test_what_comes_out_the_same_stops_there(kernel_with_three: Kernel, tmp_path: Path) -> None:
    """Clean runs again and gives what it gave: Count is kept."""
    kernel_with_three.run("%%step Clean\n" + body("Clean", "list(big(Load))"), "c")
    done = kernel_with_three.run("%materialize Count")
    assert "Count kept: nothing it read has changed." in done.stdout
    assert runs(tmp_path) == ["Clean"]
    assert states(kernel_with_three) == FRESH


def test_layout_and_comments_change_nothing(kernel_with_three: Kernel) -> None:
    """A formatter may go over the cell."""
    kernel_with_three.run("%%step   Clean\n\n# a remark\n" + body("Clean", "big( Load )  # another"), "c")
    assert states(kernel_with_three) == FRESH


def test_reading_an_old_value_is_pointed_out(kernel_with_three: Kernel) -> None:
    """One line with the reason, above the output; none once it is fresh, none for a name of the user's own."""
    kernel_with_three.run("%%step Clean\n" + body("Clean", "big(Load)[:1]"), "c")
    reading = kernel_with_three.run("len(Clean)")
    assert reading.stdout == "Note: this is an old Clean (code changed); %materialize Clean makes a new one.\n"
    assert result(reading) == "2"
    assert kernel_with_three.run("%time len(Clean)").stdout.startswith("Note: this is an old Clean")
    assert kernel_with_three.run("%explain Clean").stdout.startswith("Clean is stale")
    assert "Note" not in kernel_with_three.run("%materialize Clean\nlen(Clean)").stdout
    assert kernel_with_three.run("len(Clean)").stdout == ""
    kernel_with_three.run("Count = 'mine'")
    assert kernel_with_three.run("Count").stdout == ""
