"""Printed text becomes a log, also from several threads, and the streams come back."""

from __future__ import annotations

import contextvars
import io
import sys
import threading

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.engine import capture
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


def test_a_long_log_is_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "LIMIT", 10)
    recorder = Recorder(echo=False)
    recorder.write("stdout", "12345678")
    recorder.write("stdout", "90abc")
    recorder.write("stdout", "never")
    assert texts(recorder) == [
        ("stdout", "1234567890"),
        ("stderr", "\n[the log is cut here: it is longer than 10 characters]\n"),
    ]


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
