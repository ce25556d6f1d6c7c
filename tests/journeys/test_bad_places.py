"""A place for results that refuses, as seen in a notebook: one line, no traceback of ours, and work goes on."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.kernel import Kernel, Reply
from tests.places import deep, immutable, like_anybody, mounted, remount, to_another_user

ELSEWHERE = "let results live elsewhere: %context at PATH"
LIKE_ANYBODY = f"{inspect.getsource(like_anybody)}\nlike_anybody()"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is mounted on it goes after the test."""
    with ExitStack() as stack:
        yield stack


def clean(reply: Reply) -> Reply:
    """No error, nothing on the side, no traceback."""
    assert reply.ok, reply.error
    assert "Traceback" not in reply.stdout + reply.stderr
    assert "callback" not in reply.stdout + reply.stderr
    assert reply.stderr == ""
    return reply


def load(kernel: Kernel) -> str:
    return clean(kernel.run("%load_ext jo_notebook")).stdout


def works_in_memory(kernel: Kernel, *words: str) -> None:
    """Two steps run, one line says where their values are, why, and what to do; all that can be asked is answered."""
    clean(kernel.run("%%step Load\n[3, 1, 2]"))
    clean(kernel.run("%%step Clean\nsorted(Load)"))
    done = clean(kernel.run("%materialize Clean"))
    assert done.text.endswith("[1, 2, 3]")
    told = [line for line in done.stdout.splitlines() if "in memory only" in line]
    assert len(told) == 1, done.stdout
    assert told[0].startswith("Load is kept in memory only, and so is Clean: cannot write to ")
    assert all(word in told[0] for word in words), told
    assert told[0].endswith(ELSEWHERE)
    assert len(done.stdout.splitlines()) <= 3
    goes_on(kernel)


def goes_on(kernel: Kernel) -> None:
    """What is in memory is there, and the kernel answers."""
    assert "Nothing to run" in clean(kernel.run("%materialize Clean")).stdout
    assert clean(kernel.run("Load, Clean")).text.endswith("([3, 1, 2], [1, 2, 3])")
    for line in ("%steps", "%plan", "%explain Clean", "%log Clean", "%context"):
        clean(kernel.run(line))
    for line in ("verify", "gc", "trust", "migrate"):
        reply = kernel.run(f"%context {line}", allow_error=True)
        assert "Traceback" not in reply.error + reply.stdout + reply.stderr
        assert "StoreError" in reply.error or "ResultNotSaved" in reply.error or reply.ok, reply.error
    assert clean(kernel.run("6 * 7")).text == "42"


def moves_away(kernel: Kernel, tmp_path: Path) -> None:
    """What the message says helps: nothing runs again, and from now on all is on disk."""
    said = clean(kernel.run(f"%context at '{tmp_path / 'good.jo'}'")).stdout
    assert "2 steps in good.jo: 2 available" in said
    assert "Nothing to run" in clean(kernel.run("%materialize Clean")).stdout
    assert "2 on disk" in clean(kernel.run("%context")).stdout
    kernel.restart()
    kernel.run(f"%load_ext jo_notebook\n%context at '{tmp_path / 'good.jo'}'")
    assert clean(kernel.run("Load, Clean")).text.endswith("([3, 1, 2], [1, 2, 3])")


def _link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def _file(path: Path) -> Path:
    path.write_text("a thesis")
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


NO_DIRECTORIES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (lambda f: _file(f / "taken"), "it is a file; move it away"),
    "a pipe": (lambda f: _pipe(f / "taken"), "it is a pipe; move it away"),
    "below a file": (lambda f: _file(f / "taken") / "a.jo", "taken is a file; move it away"),
    "below nothing": (lambda f: f / "no" / "such" / "a.jo", "no/such; make it"),
    "a link to nothing": (lambda f: _link(f / "a.jo", f / "nowhere"), "nowhere, which is not there; make"),
    "a link to itself": (lambda f: _link(f / "a.jo", f / "a.jo"), "Too many levels"),
    "a name too long": (lambda f: f / ("x" * 300), "File name too long"),
    "of nobody": (lambda f: "~nosuchuser/a.jo", "~nosuchuser; make it"),
}


@pytest.mark.parametrize("row", NO_DIRECTORIES)
def test_where_no_directory_can_be(start_kernel: StartKernel, tmp_path: Path, row: str) -> None:
    make, words = NO_DIRECTORIES[row]
    kernel = start_kernel(env={"JO_CONTEXT": str(make(tmp_path))})
    found = load(kernel).splitlines()
    assert len(found) == 2, found
    assert found[1].startswith("Note: Cannot use ")
    assert words in found[1]
    works_in_memory(kernel, words)
    moves_away(kernel, tmp_path)
    assert not (tmp_path / "taken").is_file() or (tmp_path / "taken").read_text() == "a thesis"


def _read_only(tmp_path: Path, stack: ExitStack) -> tuple[Path, str]:
    disk = stack.enter_context(mounted(tmp_path / "disk", "tmpfs"))
    remount(disk, "ro")
    return disk / "a.jo", "Read-only file system; make it writable"


def _full(tmp_path: Path, stack: ExitStack) -> tuple[Path, str]:
    disk = stack.enter_context(mounted(tmp_path / "disk", "tmpfs", "-o", "size=1m,nr_inodes=2"))
    (disk / "filler").touch()
    return disk / "a.jo", "No space left on device; make room on it"


def _immutable(tmp_path: Path, stack: ExitStack) -> tuple[Path, str]:
    (tmp_path / "fixed").mkdir()
    stack.enter_context(immutable(tmp_path / "fixed"))
    return tmp_path / "fixed" / "a.jo", "Operation not permitted; ask for the right"


def _foreign(tmp_path: Path, stack: ExitStack) -> tuple[Path, str]:
    (tmp_path / "a.jo").mkdir()
    to_another_user(tmp_path / "a.jo", mode=0o755)
    return tmp_path / "a.jo", "Permission denied, it belongs to another user; ask for the right"


def _hidden(tmp_path: Path, stack: ExitStack) -> tuple[Path, str]:
    (tmp_path / "theirs").mkdir()
    to_another_user(tmp_path / "theirs", mode=0o700)
    return tmp_path / "theirs" / "a.jo", "Permission denied; ask for the right"


REFUSING = {f.__name__.strip("_"): f for f in (_read_only, _full, _immutable, _foreign, _hidden)}


@pytest.mark.parametrize("row", REFUSING)
def test_a_place_that_refuses(start_kernel: StartKernel, tmp_path: Path, stack: ExitStack, row: str) -> None:
    place, words = REFUSING[row](tmp_path, stack)
    kernel = start_kernel(env={"JO_CONTEXT": str(place)})
    if row in ("foreign", "hidden"):
        clean(kernel.run(LIKE_ANYBODY))
    load(kernel)
    works_in_memory(kernel, words)
    moves_away(kernel, tmp_path)


def _part(name: str) -> Callable[[Path], object]:
    def replace(place: Path) -> None:
        shutil.rmtree(place / name)
        (place / name).write_text("a thesis")

    return replace


VANISHING: dict[str, tuple[Callable[[Path], object], str]] = {
    "its parent": (lambda place: shutil.rmtree(place.parent), "disk; make it"),
    "its disk": (
        lambda place: subprocess.run(["umount", "-l", place.parent], check=True),
        "the disk it was on is not there; mount it again",
    ),
    "its results": (_part("results"), "results in it is a file; move it away"),
    "its scratch": (_part("tmp"), "tmp in it is a file; move it away"),
    "it becomes a file": (lambda place: (shutil.rmtree(place), _file(place)), "it is a file; move it away"),
    "it can be read only": (lambda place: remount(place.parent, "ro"), "Read-only file system; make it writable"),
}


@pytest.mark.parametrize("row", VANISHING)
def test_a_place_that_is_lost(start_kernel: StartKernel, tmp_path: Path, stack: ExitStack, row: str) -> None:
    """In the middle of a session: what was read or made stays in memory, what is made from now on, too."""
    lose, words = VANISHING[row]
    if row in ("its disk", "it can be read only"):
        stack.enter_context(mounted(tmp_path / "disk", "tmpfs"))
    else:
        (tmp_path / "disk").mkdir()
    place = tmp_path / "disk" / "a.jo"
    kernel = start_kernel(env={"JO_CONTEXT": str(place)})
    load(kernel)
    clean(kernel.run("%%step Load --run\n[3, 1, 2]"))
    clean(kernel.run("%%step Clean\nsorted(Load)"))
    lose(place)
    done = clean(kernel.run("%materialize Clean"))
    assert "Ran 1 step" in done.stdout  # not Load
    (told,) = [line for line in done.stdout.splitlines() if "in memory only" in line]
    assert told.startswith("Clean is kept in memory only: cannot write to a.jo: ")
    assert words in told
    goes_on(kernel)
    if row == "its disk":
        assert os.listdir(place.parent) == []
    said = clean(kernel.run(f"%context at '{tmp_path / 'good.jo'}'")).stdout
    assert "good.jo" in said
    assert clean(kernel.run("%materialize Clean")).text.endswith("[1, 2, 3]")
    assert "2 on disk" in clean(kernel.run("%materialize Load\n%context")).stdout


AT = {
    "a name too long": ("x" * 300, "File name too long"),
    "a link to itself": ("loop/a.jo", "Too many levels"),
    "of nobody": ("~nosuchuser/a.jo", "there is no directory"),
    "below nothing": ("no/such/a.jo", "there is no directory"),
    "a file": ("taken", "it is a file"),
}


def test_a_move_to_where_nothing_can_be(start_kernel: StartKernel, tmp_path: Path) -> None:
    """One error in a sentence; results go on living where they did."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    _file(tmp_path / "taken")
    kernel = start_kernel()
    load(kernel)
    clean(kernel.run("%%step Load --run\n[3, 1, 2]"))
    for path, words in AT.values():
        error = kernel.run(f"%context at {path}", allow_error=True).error
        assert error.startswith("UsageError: Results cannot live in ")
        assert words in error
        assert "Name a directory" in error
        assert "Traceback" not in error
    assert "notebook.jo: 1 on disk" in clean(kernel.run("%context")).stdout


@pytest.mark.parametrize("clock", [0.0, 5e9])
def test_a_clock_that_is_years_off(start_kernel: StartKernel, tmp_path: Path, clock: float) -> None:
    kernel = start_kernel()
    kernel.run(f"import time\nreal = time.time\ntime.time = lambda: real() - real() + {clock}")
    load(kernel)
    clean(kernel.run("%%step Load\n[3, 1, 2]"))
    clean(kernel.run("%%step Clean\nsorted(Load)"))
    assert "memory" not in clean(kernel.run("%materialize Clean")).stdout
    goes_on(kernel)
    kernel.restart()
    assert "2 steps in notebook.jo: 2 available" in load(kernel)
    assert clean(kernel.run("Clean")).text.endswith("[1, 2, 3]")
    assert "Nothing to run" in clean(kernel.run("%materialize Clean")).stdout


GOOD: dict[str, Callable[[Path], Path]] = {
    "a link to a directory elsewhere": lambda f: _link(f / "a.jo", deep(f, 400)),
    "a long path": lambda f: deep(f, 3800) / "a.jo",
    "spaces and lines": lambda f: f / " a  b\nc.jo",
    "letters": lambda f: f / "données-数据-🙂.jo",
    "no text at all": lambda f: Path(os.fsdecode(os.fsencode(f) + b"/a \xff\xfe.jo")),
}


@pytest.mark.parametrize("row", GOOD)
def test_odd_places_that_are_good(start_kernel: StartKernel, tmp_path: Path, row: str) -> None:
    """They work as any other."""
    kernel = start_kernel(env={"JO_CONTEXT": str(GOOD[row](tmp_path))})
    assert len(load(kernel).splitlines()) == 1
    clean(kernel.run("%%step Load\n[3, 1, 2]"))
    clean(kernel.run("%%step Clean\nsorted(Load)"))
    assert "memory" not in clean(kernel.run("%materialize Clean")).stdout
    goes_on(kernel)
    assert len(clean(kernel.run("%context")).stdout.splitlines()) == 1
    kernel.restart()
    assert "2 available" in load(kernel)
    assert clean(kernel.run("Load, Clean")).text.endswith("([3, 1, 2], [1, 2, 3])")
