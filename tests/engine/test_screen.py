"""Text as a terminal would show it: rows of what is written, and what there is to see."""

from __future__ import annotations

import pytest

from jo_notebook.engine.recorder import LIMIT, TAIL, Recorder
from jo_notebook.engine.screen import ROWS, Printed

UP, ERASE, ALL = "\x1b[A", "\x1b[K", "\x1b[2K"


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        (["a\n", "b"], "a\nb"),
        (["10%", "\r20%", "\r30%"], "30%"),
        (["10%\r", "20%\r"], "20%"),
        (["above\n10%", "\r20%\n", "below"], "above\n20%\nbelow"),
        (["a\r", "\nb"], "a\nb"),
        (["a\r\nb\r\n"], "a\r\nb\r\n"),
        (["\r10%", "\r   \r"], ""),
        (["\r10%", "\r   \r", "done\n"], "done\n"),
        (["    indented"], "    indented"),
        (["\r0%", "\n", "\r 1 of 2", UP, "\r50%", "\n", "\r 2 of 2", UP], "50%\n 2 of 2"),
        (["\r0%", "\n", "\r inner", "\r      \r", UP, "\r100%", "\n", "next\n"], "100%\nnext\n"),
        (["half", ERASE, " more"], "half more"),
        (["half\r", ERASE, "more"], "more"),
        (["one\ntwo", ALL, "\rthree"], "one\nthree"),
        (["a\nb\nc", "\x1b[2A\r\x1b[J", "new"], "new"),
        (["\x1b[31mred\x1b[0m\n"], "\x1b[31mred\x1b[0m\n"),
        (["a", "\x1b[99A\r", "b"], "b"),
        (["a\x1b[2B", "b"], "a\n\nb"),
        (["\r"], ""),
    ],
)
def test_what_there_is_to_see(pieces: list[str], seen: str) -> None:
    printed = Printed("stdout")
    grown = sum(map(printed.add, pieces))
    assert printed.text == seen
    assert grown == len(seen)
    assert printed.text == seen


def test_rows_that_nothing_reaches_are_let_go() -> None:
    printed = Printed("stdout")
    printed.add("\r0%")
    grown = sum(printed.add(f"\nline {n}") for n in range(10 * ROWS))
    assert printed.text == "0%" + "".join(f"\nline {n}" for n in range(10 * ROWS))
    assert 2 + grown == len(printed.text)
    printed.add(f"\x1b[{10**9}A\rfar")
    assert printed.text.split("\n")[-ROWS] == "far"


def test_a_bar_does_not_fill_the_log() -> None:
    recorder = Recorder(echo=False)
    for n in range(3000):
        recorder.write("stderr", f"\r{n:>1000}")
    recorder.write("stdout", "the end\n")
    assert [entry.text for entry in recorder.entries] == [f"{2999:>1000}", "the end\n"]
    recorder.write("stdout", "x" * (LIMIT + TAIL))
    recorder.write("stdout", "too late")
    assert [entry.kind for entry in recorder.entries] == ["stderr", "stdout", "stderr", "stdout"]
    assert "characters are left out here: the log is too long]" in recorder.entries[2].text
    assert sum(len(entry.text) for entry in recorder.entries) < LIMIT + TAIL + 200
