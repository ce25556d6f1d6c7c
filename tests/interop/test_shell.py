"""A shell command as a step: what it prints, how it ends, and that nothing of it is left."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jo_notebook.engine.capture import Recorder, recording, routed_output
from jo_notebook.errors import CommandFailed
from jo_notebook.interop import shell
from jo_notebook.interop.shell import run_command

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these commands are those of a POSIX shell")


def is_there(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(path: Path, seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def assert_gone(*pids: int) -> None:
    deadline = time.monotonic() + 10
    while any(map(is_there, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_it_prints_is_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recorder = Recorder(echo=False)
    with routed_output(), recording(recorder):
        run_command("printf 'né\\n'; pwd; cat; printf '\\377' >&2")
    log = {entry.kind: entry.text for entry in recorder.entries}
    assert log == {"stdout": f"né\n{tmp_path}\n", "stderr": "\ufffd"}


def test_it_is_shown_as_it_comes(tmp_path: Path) -> None:
    """Not when all is over."""
    seen: list[str] = []
    recorder = Recorder(echo=False, on_entry=lambda entry: (seen.append(entry.text), (tmp_path / "go").touch())[0])
    with routed_output(), recording(recorder):
        run_command(f"echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo second")
    assert seen == ["first\n", "second\n"]


def test_a_lot_of_output(tmp_path: Path) -> None:
    recorder = Recorder(echo=False)
    with routed_output(), recording(recorder):
        run_command(f"{sys.executable} -c \"print('x' * 300_000); import sys; print('y' * 300_000, file=sys.stderr)\"")
    sizes = {kind: sum(len(e.text) for e in recorder.entries if e.kind == kind) for kind in ("stdout", "stderr")}
    assert sizes == {"stdout": 300_001, "stderr": 300_001}


@pytest.mark.parametrize(
    ("command", "message", "code"),
    [
        ("exit 3", "the command ended with exit code 3: exit 3", 3),
        ("no-such-command-anywhere", "the command ended with exit code 127: no-such-command-anywhere", 127),
        ("kill -9 $$", "the command was ended by SIGKILL: kill -9 $$", -9),
        ("\nfalse\nexit 1\n", "the command ended with exit code 1: false …", 1),
    ],
)
def test_how_it_fails(command: str, message: str, code: int) -> None:
    with pytest.raises(CommandFailed) as error:
        run_command(command)
    assert (str(error.value), error.value.code) == (message, code)


def test_variables(capfd: pytest.CaptureFixture[str]) -> None:
    run_command('echo "$a|$b|$c|$command|$HOME"', a="two words", b=1.5, c=None, command="x")
    assert capfd.readouterr().out == f"two words|1.5|null|x|{os.environ['HOME']}\n"


def test_what_it_leaves_running_does_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "DRAIN", 0.1)
    run_command(f"sleep 60 & echo $! > {tmp_path}/pid")
    pid = int((tmp_path / "pid").read_text())
    assert is_there(pid)
    os.kill(pid, signal.SIGKILL)


CHILDREN = "trap '' TERM; sleep 61 & echo $! $$ > {0}/pids; sleep 62"


def test_an_interrupt_ends_it_with_its_children(tmp_path: Path) -> None:
    """Also those that do not listen."""
    code = f"from jo_notebook.interop.shell import run_command; run_command({CHILDREN.format(tmp_path)!r})"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    pids = [int(word) for word in wait_for(tmp_path / "pids").split()]
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in told
    assert_gone(*pids)


def test_what_is_raised_in_its_thread_ends_it(tmp_path: Path) -> None:
    """As a timeout does, for a step on a thread of its own; also when it is raised again meanwhile."""

    class TooLong(Exception):
        pass

    ended: list[BaseException] = []

    def work() -> None:
        try:
            run_command(CHILDREN.format(tmp_path))
        except BaseException as error:  # noqa: BLE001 - looked at below
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    pids = [int(word) for word in wait_for(tmp_path / "pids").split()]
    time.sleep(0.2)  # until it waits: CPython cannot send anything to a thread that is just starting a process
    for _ in range(2):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TooLong))
        time.sleep(0.3)
    thread.join(30)
    assert not thread.is_alive()
    assert [type(error) for error in ended] == [TooLong]
    assert_gone(*pids)
