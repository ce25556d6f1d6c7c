"""Printed text becomes a log, also from several threads, and the streams come back."""

from __future__ import annotations

import contextvars
import io
import sys
import threading
import tracemalloc

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.engine import recorder as recorder_rules
from jo_notebook.engine.capture import Recorder, recording, routed_output


def texts(recorder: Recorder) -> list[tuple[str, str]]:
    return [(entry.kind, entry.text) for entry in recorder.entries]


def test_neighbouring_text_of_one_kind_is_one_entry() -> None:
    recorder = Recorder(echo=False)
    with routed_output(), recording(recorder):
        print("a")
        print("b", end="")
        print("c", file=sys.stderr)
        print("d")
    assert texts(recorder) == [("stdout", "a\nb"), ("stderr", "c\n"), ("stdout", "d\n")]


@pytest.mark.parametrize(("echo", "shown"), [pytest.param(True, "a\n", id="echo"), pytest.param(False, "", id="quiet")])
def test_echo(echo: bool, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with routed_output(), recording(Recorder(echo=echo)):
        print("a")
    assert capsys.readouterr().out == shown


def test_beside_others_whole_lines_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """And what has no end when somebody asks for it, or when the step is over; the log has every piece in order."""
    recorder = Recorder(is_beside=True)
    with routed_output():
        with recording(recorder):
            print("a", "b", end="")
            assert capsys.readouterr().out == ""
            print("c")
            assert capsys.readouterr().out == "a bc\n"
            print("50%", end="\r", flush=True)
            assert capsys.readouterr().out == "50%\r"
            print("e\nf", end="")
            print("g", end="", file=sys.stderr)
            assert capsys.readouterr() == ("e\n", "")
        assert capsys.readouterr() == ("f", "g")
    assert texts(recorder) == [("stdout", "a bc\ne\nf"), ("stderr", "g")]


def test_what_nobody_records_passes_through(capsys: pytest.CaptureFixture[str]) -> None:
    with routed_output():
        print("a")
        sys.stdout.writelines(["b", "c"])
    assert capsys.readouterr().out == "a\nbc"


def test_the_streams_come_back() -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyError), routed_output(), routed_output():
        raise KeyError
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_that_somebody_else_put_there_stays() -> None:
    before, other = sys.stdout, io.StringIO()
    try:
        with routed_output():
            sys.stdout = other
        assert sys.stdout is other
    finally:
        sys.stdout = before


def test_nested_recordings_each_have_their_own() -> None:
    outer, inner = Recorder(echo=False), Recorder(echo=False)
    with routed_output(), recording(outer):
        print("1")
        with recording(inner):
            print("2")
        print("3")
    assert (texts(outer), texts(inner)) == ([("stdout", "1\n3\n")], [("stdout", "2\n")])


def test_threads_each_have_their_own() -> None:
    recorders = [Recorder(echo=False) for _ in range(4)]
    together = threading.Barrier(4)

    def work(number: int) -> None:
        with recording(recorders[number]):
            together.wait(10)
            for _ in range(50):
                print(number)

    with routed_output():
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [texts(r) for r in recorders] == [[("stdout", f"{n}\n" * 50)] for n in range(4)]


def test_a_thread_started_with_the_context_belongs_to_the_step() -> None:
    recorder = Recorder(echo=False)
    with routed_output(), recording(recorder):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(print, "from afar"))
        thread.start()
        thread.join()
    assert texts(recorder) == [("stdout", "from afar\n")]


def test_a_router_that_is_kept_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    with routed_output():
        kept = sys.stdout
    kept.write("late")
    kept.flush()
    assert capsys.readouterr().out == "late"
    assert kept.isatty() is False
    assert kept.encoding


def test_of_a_long_log_the_middle_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_rules, "LIMIT", 10)
    monkeypatch.setattr(recorder_rules, "TAIL", 6)
    heard: list[str] = []
    recorder = Recorder(echo=False, on_entry=lambda entry: heard.append(entry.text))
    for text in ("12345678", "90abc", "def", "ghi", "jkl"):
        recorder.write("stdout", text)
    cut = "\n[the log is cut here: it is longer than 10 characters]\n"
    assert heard == ["12345678", "90", cut]
    assert texts(recorder) == [
        ("stdout", "1234567890"),
        ("stderr", "\n[6 characters are left out here: the log is too long]\n"),
        ("stdout", "ghijkl"),
    ]
    recorder.write("stderr", "an error at the end")
    left_out = "\n[25 characters are left out here: the log is too long]\n"
    assert texts(recorder) == [("stdout", "1234567890"), ("stderr", f"{left_out}he end")], "one text of one kind"


def test_what_is_just_too_long_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_rules, "LIMIT", 10)
    recorder = Recorder(echo=False)
    recorder.write("stdout", "1234567890")
    recorder.write("stdout", "abc")
    assert texts(recorder) == [("stdout", "1234567890abc")]


def test_threads_of_one_step_may_flood_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_rules, "LIMIT", 10)
    monkeypatch.setattr(recorder_rules, "TAIL", 50)
    recorder = Recorder(echo=False)
    errors: list[BaseException] = []

    def flood() -> None:
        try:
            for _ in range(20_000):
                recorder.write("stdout", "abc")
        except BaseException as error:  # noqa: BLE001 - any is wrong
            errors.append(error)

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len("".join(entry.text for entry in recorder.entries)) < 1000


def test_each_try_has_its_own_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the oldest tries go where all of them are too much."""
    monkeypatch.setattr(recorder_rules, "LIMIT", 10)
    monkeypatch.setattr(recorder_rules, "TAIL", 2)
    monkeypatch.setattr(recorder_rules, "EARLIER", 120)
    recorder = Recorder(echo=False)
    for attempt in (1, 2, 3):
        recorder.begin(attempt)
        recorder.write("stdout", f"{attempt}" * 20)
    parts = [(entry.attempt, entry.text) for entry in recorder.entries]
    assert [row for row in parts if row[0] == 3] == [
        (3, "3" * 10),
        (3, "\n[8 characters are left out here: the log is too long]\n"),
        (3, "33"),
    ]
    recorder.begin(4)
    assert {entry.attempt for entry in recorder.entries} == {3}


def test_a_large_figure_is_kept_and_a_huge_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_rules, "LIMIT", 10)
    monkeypatch.setattr(recorder_rules, "SHOWN", 100)
    recorder = Recorder(echo=False)
    recorder.add(LogEntry("display", "<Figure>\n", (("image/png", "x" * 80),)))
    recorder.add(LogEntry("display", "<Figure>\n", (("image/png", "x" * 80),)))
    assert [(e.text, len(e.data)) for e in recorder.entries] == [
        ("<Figure>\n", 1),
        ("<Figure>\n[not kept: too large for the log]\n", 0),
    ]


def test_a_hundred_megabytes_take_little(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in one piece, nor in many, nor without the end of a line beside others."""
    tracemalloc.start()
    try:
        for pieces, is_beside in ((1, False), (100_000, False), (10_000, True)):
            recorder = Recorder(echo=is_beside, is_beside=is_beside)
            text = "x" * (100_000_000 // pieces)
            with routed_output(), recording(recorder):
                for _ in range(pieces):
                    sys.stdout.write(text)
                    if is_beside:
                        capsys.readouterr()
            del text
            tracemalloc.reset_peak()
            entries = recorder.entries
            assert sum(len(entry.text) for entry in entries) < 1_200_000
            assert entries[1].text == "\n[98,900,000 characters are left out here: the log is too long]\n"
            del entries, recorder
    finally:
        tracemalloc.stop()


def test_displays_stand_alone() -> None:
    recorder = Recorder(echo=False)
    for entry in (LogEntry("display", "a", (("text/plain", "a"),)), LogEntry("display", "b", (("text/plain", "b"),))):
        recorder.add(entry)
    recorder.write("stdout", "x")
    assert [(e.kind, e.text, len(e.data)) for e in recorder.entries] == [
        ("display", "a", 1),
        ("display", "b", 1),
        ("stdout", "x", 0),
    ]


def test_a_million_small_pieces_take_no_time() -> None:
    recorder = Recorder(echo=False)
    for _ in range(200_000):
        recorder.write("stdout", "abcd")
    assert len(recorder.entries[0].text) == 800_000


def test_every_piece_is_told() -> None:
    heard: list[str] = []
    recorder = Recorder(echo=False, on_entry=lambda entry: heard.append(entry.text))
    recorder.write("stdout", "a")
    recorder.write("stdout", "b")
    assert heard == ["a", "b"]
