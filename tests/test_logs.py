"""`log` of the last run and of earlier ones, try by try, and what stands above it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import StepFailed, UsageError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.store.logs import log_from_bytes, log_to_bytes
from jo_notebook.verbs import ended_text, find, outcome_text, perform
from jo_notebook.views.logs import log_header, log_rows, log_text
from tests.cases.making import Watched, notebook, step

PLACES = pytest.mark.parametrize("is_on_disk", [True, False], ids=["disk", "memory"])


def say(pipeline: Pipeline, line: str) -> str:
    return perform(pipeline, find("log"), line, "%log").text


def run_of(pipeline: Watched, word: str) -> str:
    """Runs the step again, printing this word; the id of the run."""
    pipeline.add(step("A", f"print('{word}')\n{'1 / 0' if word == 'bad' else len(word)}", "none"))
    try:
        pipeline.materialize("A", echo=False)
    except StepFailed:
        assert word == "bad"
    assert pipeline.outcome is not None
    return pipeline.outcome.run_id


def test_every_kept_run_has_its_log(tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo")
    gone, one, two = (run_of(pipeline, word) for word in ("gone", "on", "two"))
    bad = run_of(pipeline, "bad")
    for opened in (pipeline, Pipeline.open(tmp_path / "a.jo")):
        assert [row.story.run_id for row in opened.context.runs("A")] == [bad, two, one]
        assert [entry.text for entry in opened.log("A", run=one)] == ["on\n"]
        assert [entry.text for entry in opened.log("A", run=two[:7])] == ["two\n"]
        assert [entry.kind for entry in opened.log("A", run=bad)] == ["stdout", "error"]
        assert opened.log("A") == opened.log("A", run=bad)
        with pytest.raises(
            UsageError, match=f"No run '{gone}' of A is kept. Kept are {bad} of 20.* .failed., {two} of"
        ):
            opened.log("A", run=gone)
    last = run_of(pipeline, "good")
    assert [row.story.run_id for row in pipeline.context.runs("A")] == [last, two]


@PLACES
def test_the_last_run_of_a_step(is_on_disk: bool, tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo" if is_on_disk else None)
    one = run_of(pipeline, "one")
    text = say(pipeline, "A")
    assert re.fullmatch(rf"A · from \d{{4}}-\d\d-\d\d \d\d:\d\d · took \d+ ms · inline · run {one}\none", text)
    assert say(pipeline, f"A --run {one[:5]}") == text
    bad = run_of(pipeline, "bad")
    lines = say(pipeline, "A").splitlines()
    assert re.fullmatch(rf"A · failed .* · after \d+ ms · inline · run {bad}", lines[0])
    assert lines[1:3] == ["bad", "Traceback (most recent call last):"]
    assert say(pipeline, f"A --run {one}") == text


def test_without_a_run_there_is_nothing() -> None:
    pipeline = notebook()
    pipeline.add(step("A", "1"))
    assert say(pipeline, "A") == "A has printed nothing."
    with pytest.raises(UsageError, match=r"No run 'abc' of A is kept\. It has not run, or its results were forgotten"):
        say(pipeline, "A --run abc")
    pipeline.materialize("A")
    assert say(pipeline, "A").splitlines()[1:] == ["A has printed nothing."]
    pipeline.forget("A")
    assert say(pipeline, "A") == "A has printed nothing."


def test_what_is_put_in_by_hand_was_made_by_no_run(tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo")
    one = run_of(pipeline, "one")
    pipeline.context["A"] = 7
    assert pipeline.logged("A") == (None, ())
    assert [entry.text for entry in pipeline.log("A", run=one)] == ["one\n"]


def test_an_accepted_result_has_the_run_that_made_it(tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo")
    one = run_of(pipeline, "one")
    pipeline.add(step("A", "print('one')\n4 - 1", "none"))
    pipeline.accept("A")
    assert [row.story.run_id for row in pipeline.context.runs("A")] == [one]
    assert [entry.text for entry in pipeline.log("A")] == ["one\n"]


def test_an_id_that_fits_several_runs_is_refused(tmp_path: Path) -> None:
    context = Context(tmp_path / "a.jo")
    for number in "12":
        context.put(Record("A", Fingerprint(), number, run_id=f"abc{number}", when=1.0), number)
    pipeline = Pipeline(context)
    pipeline.add(step("A"))
    with pytest.raises(UsageError, match=r"Several runs of A begin with 'abc'\. Kept are abc2 of .*, abc1 of "):
        pipeline.log("A", run="abc")
    assert pipeline.log("A", run="abc1") == ()


@PLACES
def test_each_try_by_itself(is_on_disk: bool, tmp_path: Path) -> None:
    code = (
        "tries = []\ndef flaky():\n    tries.append(1)\n    print('try', len(tries))\n    assert len(tries) > 2, 'no'\n"
    )
    pipeline = notebook(code, tmp_path / "a.jo" if is_on_disk else None)
    pipeline.add(replace(step("A", "flaky()", "none"), retries=3, ignore=("flaky", "tries")))
    pipeline.materialize("A")
    if is_on_disk:
        pipeline = notebook(code, tmp_path / "a.jo")
        pipeline.take_in()
    assert [(e.kind, e.attempt) for e in pipeline.log("A")] == [
        *(("stdout", 1), ("error", 1), ("stderr", 1)),
        *(("stdout", 2), ("error", 2), ("stderr", 2)),
        ("stdout", 3),
    ]
    assert [entry.text for entry in pipeline.log("A", attempt=3)] == ["try 3\n"]
    lines = say(pipeline, "A").splitlines()
    assert "3 tries" in lines[0]
    marks = [line for line in lines if line.startswith("---")]
    assert marks == ["--- try 1 of 3 ---", "--- try 2 of 3 ---", "--- try 3 of 3 ---"]
    assert lines[lines.index(marks[2]) :] == [marks[2], "try 3"]
    told = say(pipeline, "A --attempt 2").splitlines()
    assert told[1:3] == ["try 2", "Traceback (most recent call last):"]
    for number in (4, -1):
        with pytest.raises(UsageError, match=f"There is no try {number}: A was tried 3 times in run"):
            say(pipeline, f"A --attempt {number}")


def test_a_log_on_disk_is_what_older_releases_wrote_where_there_is_one_try() -> None:
    log = (LogEntry("stdout", "a\n"), LogEntry("display", "b", (("text/plain", "b"),)))
    assert log_to_bytes(log) == b'[["stdout","a\\n",[]],["display","b",[["text/plain","b"]]]]'
    tried = (*log, LogEntry("error", "c", attempt=2))
    assert log_from_bytes(log_to_bytes(tried)) == tried
    assert log_from_bytes(b'[["stdout","a\\n",[]]]') == (LogEntry("stdout", "a\n"),)


def test_the_line_above() -> None:
    failure = Failure(
        "A", Fingerprint(), "no", when=1_700_000_000, seconds=4.2, run_id="abc", tries=2, executor="threads"
    )
    assert log_header(failure, zone=UTC) == "A · failed 2023-11-14 22:13 · after 4.2 s · 2 tries · threads · run abc"
    odd = Record("A\x1b[31m", Fingerprint(), "v", when=1e30, seconds=float("nan"), run_id="\n")
    assert "\x1b" not in log_header(odd)
    assert "\n" not in log_header(odd)


def test_figures_stay_pieces() -> None:
    figure = LogEntry("display", "<Figure>\n", (("image/png", "…"),))
    rows = log_rows("A", None, (LogEntry("stdout", "a\n"), figure, LogEntry("stdout", "b\n")))
    assert rows == ["a", figure, "b"]
    assert log_text(rows) == "a\n<Figure>\nb"


def test_what_no_encoding_fits_is_escaped(tmp_path: Path) -> None:
    """A name of a file may hold half a character; a front end that is sent one shows nothing of the whole text."""
    pipeline = notebook("", tmp_path / "a.jo")
    pipeline.add(step("A", "print('seen \\ud800')\nraise ValueError('bad \\udcff')", "none"))
    run = pipeline.start("A", echo=False, executor="threads")
    assert run.wait(20)
    said = say(pipeline, "A") + ended_text(pipeline, run) + outcome_text(pipeline)
    assert "seen \\ud800" in said
    assert "A failed: ValueError: bad \\udcff (" in said
    said.encode()
