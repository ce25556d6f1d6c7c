"""Declared files and directories are told apart by content and names, and by nothing else."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jo_notebook.core import files as core_files
from jo_notebook.core.files import GRAIN, Witness, printable, size_text
from jo_notebook.engine import files as engine_files
from jo_notebook.engine.files import Files

OLD = time.time_ns() - 3600 * 10**9
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def write(path: Path, content: str | bytes = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(lambda: str(tmp_path))


@pytest.fixture
def digest(files: Files) -> Callable[[str], str]:
    return lambda path: files.look(path).digest


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Times grow old at once, so that stats are trusted; gives the list of what was read."""
    read: list[str] = []
    monkeypatch.setattr(core_files, "GRAIN", -(10**12))
    original = engine_files._read

    def noted(path: str) -> Witness:
        read.append(os.path.basename(path))
        return original(path)

    monkeypatch.setattr(engine_files, "_read", noted)
    return read


# --- one file


def test_a_file(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "data.csv", "a,b\n" * 300_000)
    state = files.look("data.csv")
    assert (state.path, state.shown, state.problem) == ("data.csv", "1.2 MB", "")
    assert state.digest.startswith("file:")
    assert files.look("data.csv") == state
    assert files.look(str(tmp_path / "data.csv")).digest == state.digest
    assert files.look("./data.csv").digest == state.digest


def test_an_empty_file_is_not_a_missing_one(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "empty")
    state = files.look("empty")
    assert (state.shown, state.problem) == ("0 B", "")
    assert len({state.digest, files.look("nothing").digest, files.look(".").digest}) == 3


def test_content_decides(digest: Callable[[str], str], tmp_path: Path) -> None:
    file = write(tmp_path / "f", "one")
    first = digest("f")
    write(file, "two")
    second = digest("f")
    write(file, "one")
    assert first != second
    assert digest("f") == first


def test_times_and_permissions_do_not(digest: Callable[[str], str], tmp_path: Path) -> None:
    file = write(tmp_path / "d" / "f", "one")
    before = digest("d/f"), digest("d")
    os.utime(file, ns=(OLD, OLD))
    file.chmod(0o755)
    assert (digest("d/f"), digest("d")) == before


def test_a_change_that_keeps_size_and_mtime(digest: Callable[[str], str], tmp_path: Path) -> None:
    file = write(tmp_path / "f", "one")
    os.utime(file, ns=(OLD, OLD))
    first = digest("f")
    write(file, "two")
    os.utime(file, ns=(OLD, OLD))
    assert digest("f") != first


def test_changes_faster_than_the_clock(digest: Callable[[str], str], tmp_path: Path) -> None:
    """Git's race: the same size, written again and again, each looked at right away."""
    with open(tmp_path / "f", "wb", buffering=0) as stream:
        seen = set()
        for n in range(1000):
            stream.seek(0)
            stream.write(b"%04d" % n)
            seen.add(digest("f"))
    assert len(seen) == 1000


def test_nothing_is_read_twice_once_it_is_old(files: Files, tmp_path: Path, settled: list[str]) -> None:
    file = write(tmp_path / "d" / "f", "one")
    first = [files.look(path).digest for path in ("d/f", "d", "d/*", "d/f")]
    assert settled == ["f"]
    os.utime(file, ns=(OLD, OLD))
    assert [files.look(path).digest for path in ("d/f", "d", "d/*", "d/f")] == first
    assert settled == ["f", "f"]


def test_young_files_are_not_trusted(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "f", "one")
    files.look("f")
    assert files.witnesses(["f"]) == ()
    assert files.stamp() != files.stamp()


def test_real_time(tmp_path: Path) -> None:
    """After the grain has passed, a file is read once more, then trusted, in this kernel and in the next."""
    files = Files(lambda: str(tmp_path))
    write(tmp_path / "f", "one")
    files.look("f")
    time.sleep(GRAIN / 1e9 + 0.1)
    state = files.look("f")
    assert files.stamp() == files.stamp()
    (row,) = files.witnesses(["f"])
    assert row[:2] == ("f", state.digest)


@pytest.mark.parametrize(
    ("mtime", "ctime", "expected"),
    [
        pytest.param(-10, -10, True, id="old"),
        pytest.param(-1, -10, False, id="young content"),
        pytest.param(-10, -1, False, id="young change"),
        pytest.param(1, -10, False, id="a little ahead"),
        pytest.param(36000, -10, True, id="a day ahead by hand"),
        pytest.param(-10, 36000, False, id="a clock that is off"),
    ],
)
def test_when_a_stat_is_trusted(mtime: int, ctime: int, expected: bool) -> None:
    now, second = 10**18, 10**9
    witness = Witness("f", "d", (1, 2, 3, now + mtime * second, now + ctime * second), now)
    assert witness.is_settled is expected


def test_a_file_that_changes_while_it_is_read(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: list[str]
) -> None:
    file = write(tmp_path / "f", "one")
    original, rounds = engine_files._hash, []

    def meanwhile(descriptor: int) -> str:
        digest = original(descriptor)
        rounds.append(digest)
        if len(rounds) == 1:
            write(file, "longer than before")
        return digest

    monkeypatch.setattr(engine_files, "_hash", meanwhile)
    state = files.look("f")
    assert len(rounds) == 2
    assert files.look("f").digest == state.digest == rounds[1] != rounds[0]


def test_a_file_that_never_rests(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "log", "")
    stop = threading.Event()

    def grow() -> None:
        with open(tmp_path / "log", "ab", buffering=0) as stream:
            while not stop.is_set():
                stream.write(b"x" * 100)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        assert files.look("log").problem == ""
        assert files.witnesses(["log"]) == ()
        assert files.stamp() != files.stamp()
    finally:
        stop.set()
        thread.join()


def test_a_file_replaced_while_it_is_read(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: list[str]
) -> None:
    write(tmp_path / "f", "one")
    original, rounds = engine_files._hash, []

    def meanwhile(descriptor: int) -> str:
        if not rounds:
            write(tmp_path / "g", "two")
            os.replace(tmp_path / "g", tmp_path / "f")
        rounds.append(original(descriptor))
        return rounds[-1]

    monkeypatch.setattr(engine_files, "_hash", meanwhile)
    assert files.look("f").digest == rounds[-1]
    assert len(set(rounds)) == 2


def test_blocks_of_a_big_file(digest: Callable[[str], str], tmp_path: Path) -> None:
    block = engine_files.BLOCK
    content = os.urandom(3 * block + 17)
    write(tmp_path / "f", content)
    first = digest("f")
    for at in (0, block - 1, block, 3 * block, len(content) - 1):
        changed = bytearray(content)
        changed[at] ^= 1
        write(tmp_path / "f", bytes(changed))
        assert digest("f") != first
    write(tmp_path / "f", content)
    assert digest("f") == first


def test_memory_stays_small(tmp_path: Path) -> None:
    with open(tmp_path / "big", "wb") as stream:
        stream.truncate(400 * 2**20)  # sparse
    program = (
        "import resource, sys; from jo_notebook.engine.files import Files; f = Files(); f.look('f')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; s = f.look('big')\n"
        "print(s.shown, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    if sys.platform != "linux":
        pytest.skip("counts in kilobytes only there")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(engine_files.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    size, _, grown = done.stdout.strip().rpartition(" ")
    assert size == "419 MB"
    assert int(grown) < 30


# --- what cannot be read


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        pytest.param("nothing.csv", "missing", id="missing"),
        pytest.param("no/such/place.csv", "missing", id="in no directory"),
        pytest.param("*.nothing", "missing", id="no match"),
        pytest.param("nothing/**/*.csv", "missing", id="no directory to match in"),
        pytest.param("file/inner", "cannot be read: not a directory", id="below a file"),
        pytest.param("file/", "cannot be read: not a directory", id="a file as a directory"),
        pytest.param("", "cannot be read: its name is empty", id="empty"),
        pytest.param("a\0b", "cannot be read: its name has a null character", id="NUL"),
        pytest.param("x" * 5000, "cannot be read: file name too long", id="long"),
        pytest.param("\ud800", "cannot be read: its name is not text", id="half a character"),
        pytest.param("a\0b*", "missing", id="NUL in a pattern"),
        pytest.param("~nobody_of_that_name/x", "missing", id="no such home"),
        pytest.param("/dev/null", "cannot be read: it is a device", id="device"),
    ],
)
def test_problems(files: Files, tmp_path: Path, path: str, problem: str) -> None:
    write(tmp_path / "file")
    state = files.look(path)
    assert (state.problem, state.shown) == (problem, problem)
    assert state.digest == ("missing" if problem == "missing" else "unreadable")
    assert files.witnesses([path]) == ()


def test_a_file_that_comes_and_goes(files: Files, tmp_path: Path) -> None:
    states = [files.look("f").problem, files.look("*.x").problem]
    write(tmp_path / "f", "1")
    write(tmp_path / "g.x", "1")
    states += [files.look("f").problem, files.look("*.x").problem]
    (tmp_path / "f").unlink()
    states += [files.look("f").problem]
    assert states == ["missing", "missing", "", "", "missing"]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A directory, in which this process is not the one who may read everything."""
    if not hasattr(os, "seteuid"):
        pytest.skip("no users there")
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as place:
        if user == 0:
            write(Path(place, "warm"))
            Files(lambda: place).look("warm")  # imports what it needs
            os.chmod(place, 0o777)
            os.seteuid(65534)
        try:
            yield Path(place)
        finally:
            os.seteuid(user)


def test_no_permission(nobody: Path) -> None:
    files = Files(lambda: str(nobody))
    file = write(nobody / "d" / "f", "1")
    right = files.look("d/f").digest, files.look("d").digest
    file.chmod(0)
    assert files.look("d/f").problem == "cannot be read: permission denied"
    assert files.look("d").problem == "cannot be read: f: permission denied"
    file.chmod(0o600)
    assert (files.look("d/f").digest, files.look("d").digest) == right
    file.parent.chmod(0)
    assert files.look("d/f").problem == "cannot be read: permission denied"
    assert files.look("d").problem == "cannot be read: permission denied"
    assert files.look("d/*").problem == "cannot be read: permission denied"
    assert files.look("*/f").problem in ("missing", "cannot be read: permission denied")
    file.parent.chmod(0o700)
    assert (files.look("d/f").digest, files.look("d").digest) == right


def test_a_disk_that_fails(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "d" / "f", "1")
    write(tmp_path / "d" / "g", "2")

    def fails(path: str) -> Witness:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(engine_files, "_read", fails)
    assert files.look("d/f").problem == "cannot be read: input/output error"
    broken = files.look("d")
    assert broken.problem == broken.shown == "cannot be read: f: input/output error"
    assert files.stamp() != files.stamp()
    monkeypatch.undo()
    assert files.look("d").problem == ""
    assert files.look("d").digest != broken.digest


def test_the_working_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    files = Files()
    assert files.look("f").problem in ("missing", "cannot be read: no such file or directory")
    assert files.witnesses(["f"]) == ()
    files.remember([("f", "file:1", *"123456")])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.timeout(20)
def test_pipes_and_sockets_are_never_opened(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    (tmp_path / "d").mkdir()
    empty = files.look("d").digest
    os.mkfifo("d/x")
    pipe = files.look("d")
    assert files.look("d/x").problem == "cannot be read: it is a pipe"
    os.unlink("d/x")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("d/x")
        bound = files.look("d")
    os.unlink("d/x")
    write(tmp_path / "d" / "x")
    assert len({empty, pipe.digest, bound.digest, files.look("d").digest}) == 4
    assert (pipe.problem, pipe.shown) == ("", "no files")


# --- directories


def test_a_directory(files: Files, tmp_path: Path) -> None:
    for n in range(12):
        write(tmp_path / "d" / f"{n}.csv", "x" * 1000)
    state = files.look("d")
    assert (state.shown, state.problem) == ("12 files, 12 kB", "")
    assert state.digest.startswith("tree:")
    assert files.look("d/").digest == files.look(f"{tmp_path}/d").digest == files.look("d/**").digest == state.digest


def test_an_empty_directory(files: Files, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert files.look("d").shown == "empty directory"
    first = files.look("d").digest
    (tmp_path / "d" / "inner").mkdir()
    assert files.look("d").shown == "no files"
    assert files.look("d").digest != first


Change = Callable[[Path], object]
CHANGES: dict[str, Change] = {
    "content": lambda d: write(d / "a", "3"),
    "another file": lambda d: write(d / "z", ""),
    "a hidden file": lambda d: write(d / ".hidden", ""),
    "deep inside": lambda d: write(d / "sub" / "deeper" / "c", "5"),
    "renamed": lambda d: (d / "a").rename(d / "aa"),
    "removed": lambda d: (d / "a").unlink(),
    "an empty directory": lambda d: (d / "e").mkdir(),
    "moved into a directory": lambda d: (d / "a").rename(d / "sub" / "a"),
    "a directory renamed": lambda d: (d / "sub").rename(d / "bus"),
    "swapped": lambda d: (write(d / "a", "2"), write(d / "b", "1")),
    "bytes moved to the neighbour": lambda d: (write(d / "a", ""), write(d / "b", "12")),
    "name moved into content": lambda d: ((d / "a").unlink(), write(d / "ab", "2"), (d / "b").unlink()),
    "a file becomes a directory": lambda d: ((d / "a").unlink(), (d / "a").mkdir()),
    "a link to nothing": lambda d: (d / "l").symlink_to("nowhere"),
    "a link to a file": lambda d: (d / "l").symlink_to("a"),
    "a link to a directory": lambda d: (d / "l").symlink_to("sub"),
    "a link to another directory": lambda d: (d / "l").symlink_to("sub/deeper"),
    "a link upwards": lambda d: (d / "l").symlink_to("."),
}


@needs_links
def test_every_change_below_a_directory_counts(files: Files, tmp_path: Path) -> None:
    def fresh() -> Path:
        shutil.rmtree(tmp_path / "d", ignore_errors=True)
        write(tmp_path / "d" / "a", "1")
        write(tmp_path / "d" / "b", "2")
        write(tmp_path / "d" / "sub" / "deeper" / "c", "4")
        return tmp_path / "d"

    fresh()
    digests = {"": files.look("d").digest}
    for name, change in CHANGES.items():
        change(fresh())
        digests[name] = files.look("d").digest
        assert Files(lambda: str(tmp_path)).look("d").digest == digests[name], name
    twins = [(a, b) for a in digests for b in digests if a < b and digests[a] == digests[b]]
    assert twins == []
    fresh()
    assert files.look("d").digest == digests[""]


@pytest.mark.parametrize("name", [".ipynb_checkpoints/x", "__pycache__/x", ".git/x", ".DS_Store", "analysis.jo/x"])
def test_left_out(files: Files, tmp_path: Path, name: str) -> None:
    write(tmp_path / "d" / "sub" / "a", "1")
    before = files.look("d"), files.look("d/*"), files.look("d/**/*")
    write(tmp_path / "d" / name, "2")
    write(tmp_path / "d" / "sub" / name, "2")
    assert (files.look("d"), files.look("d/*"), files.look("d/**/*")) == before


def test_where_it_lies_does_not_matter(tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two" / "three"]
    digests = set()
    for place in places:
        write(place / "d" / "a", "1")
        write(place / "d" / "sub" / "b", "2")
        files = Files(lambda place=place: str(place))  # type: ignore[misc]
        digests.add(tuple(files.look(path).digest for path in ("d", "d/*", "d/**/b", f"{place}/d/*", "d/a")))
    assert len(digests) == 1


def test_the_home_directory(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    write(tmp_path / "home" / "a.csv", "1")
    assert files.look("~/a.csv") == files.look("~/a.csv")
    assert files.look("~/a.csv").digest == files.look("home/a.csv").digest
    assert files.look("~/*.csv").digest == files.look("home/*.csv").digest
    assert files.look("~").digest == files.look("home").digest


@pytest.mark.parametrize(
    "name", ["with space", "ümläut", "新しい", "a\nb", "q\"uo'te", "-x", "[1]", "a*b", "#", "$HOME"]
)
def test_odd_names(files: Files, tmp_path: Path, name: str) -> None:
    write(tmp_path / "d" / name / name, "1")
    first = files.look(f"d/{name}/{name}")
    assert first.problem == ""
    whole = files.look("d")
    assert whole.shown == "1 file, 1 B"
    write(tmp_path / "d" / name / name, "2")
    assert files.look(f"d/{name}/{name}").digest != first.digest
    assert files.look("d").digest != whole.digest


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes only there")
def test_names_that_are_no_text(files: Files, tmp_path: Path, settled: list[str]) -> None:
    (tmp_path / "d").mkdir()
    name = os.fsdecode(b"caf\xe9")
    write(tmp_path / "d" / name, "1")
    state = files.look("d")
    assert state.shown == "1 file, 1 B"
    assert files.look(f"d/{name}").problem == ""
    assert files.witnesses(["d"]) == ()  # a record is text
    (tmp_path / "d" / name).rename(tmp_path / "d" / "cafe")
    assert files.look("d").digest != state.digest
    assert printable(f"{name}\n").isprintable()


def test_a_deep_tree(files: Files, tmp_path: Path) -> None:
    """Deeper than Python recurses; what the system cannot name is told."""
    top = os.getcwd()
    (tmp_path / "d").mkdir()
    try:
        os.chdir(tmp_path / "d")
        for _ in range(1200):
            os.mkdir("xxx")
            os.chdir("xxx")
    finally:
        os.chdir(top)
    state = files.look("d")
    assert state.problem.endswith("file name too long")
    assert len(state.digest) == len("tree:") + 32
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


# --- links


@needs_links
def test_a_link_counts_by_its_target(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "target", "1")
    write(tmp_path / "d" / "f", "1")
    write(tmp_path / "e" / "placeholder").unlink()
    (tmp_path / "e" / "f").symlink_to(tmp_path / "elsewhere" / "target")
    assert files.look("e/f").digest == files.look("d/f").digest
    assert files.look("e").digest == files.look("d").digest
    write(tmp_path / "elsewhere" / "target", "2")
    assert files.look("e").digest != files.look("d").digest
    (tmp_path / "elsewhere" / "target").unlink()
    assert files.look("e/f").problem == "missing"
    assert files.look("e").problem == ""


@needs_links
@pytest.mark.timeout(20)
def test_cycles_end(files: Files, tmp_path: Path) -> None:
    for name in "abcdefgh":
        write(tmp_path / "d" / name / "f.csv", name)
        for other in "abcdefgh":
            (tmp_path / "d" / name / f"to_{other}").symlink_to(f"../{other}")
        (tmp_path / "d" / name / "up").symlink_to("../..")
        (tmp_path / "d" / name / "self").symlink_to("self")
    for path in ("d", "d/**/*.csv", "d/**", "d/*/**/f.csv", "**/*.csv"):
        state = files.look(path)
        assert (state.shown, state.problem) == ("8 files, 8 B", ""), path
        assert Files(lambda: str(tmp_path)).look(path).digest == state.digest
    write(tmp_path / "d" / "h" / "f.csv", "H")
    assert files.look("**/*.csv") != state


@needs_links
@pytest.mark.parametrize("path", ["d", "d/**/*.csv"])
def test_a_link_that_points_elsewhere_now(files: Files, tmp_path: Path, path: str) -> None:
    write(tmp_path / "d" / "a" / "f.csv", "1")
    write(tmp_path / "d" / "b" / "f.csv", "2")
    (tmp_path / "d" / "z").symlink_to("a")
    first = files.look(path)
    (tmp_path / "d" / "z").unlink()
    (tmp_path / "d" / "z").symlink_to("b")
    assert files.look(path).digest != first.digest


# --- patterns


def test_a_pattern(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.csv", "1")
    write(tmp_path / "data" / "b.csv", "2")
    write(tmp_path / "data" / "sub" / "c.csv", "3")
    write(tmp_path / "data" / "note.txt", "4")
    shown = {
        "data/*.csv": "2 files, 2 B",
        "data/**/*.csv": "3 files, 3 B",
        "**/*.csv": "3 files, 3 B",
        "data/*": "4 files, 4 B",
        "data/**": "4 files, 4 B",
        "data/**/*": "4 files, 4 B",
        "d?ta/[ab].csv": "2 files, 2 B",
        "*/sub/c.csv": "1 file, 1 B",
        "*/sub": "1 file, 1 B",
        f"{tmp_path}/data/*.csv": "2 files, 2 B",
        "data/../data/*.csv": "2 files, 2 B",
    }
    before = {path: files.look(path) for path in shown}
    assert {path: state.shown for path, state in before.items()} == shown
    write(tmp_path / "data" / "note.txt", "5")
    changed = {path for path in shown if files.look(path) != before[path]}
    assert changed == {"data/*", "data/**", "data/**/*"}
    (tmp_path / "data" / "b.csv").rename(tmp_path / "data" / "e.csv")
    assert files.look("data/*.csv") != before["data/*.csv"]


def test_a_name_that_looks_like_a_pattern(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "run[1]" / "f", "1")
    write(tmp_path / "run1" / "f", "2")
    state = files.look("run[1]")
    assert state.shown == "2 files, 2 B"
    assert files.look("run[1]/f").shown == "2 files, 2 B"
    write(tmp_path / "run[1]" / "f", "3")
    assert files.look("run[1]").digest != state.digest


def test_a_base_that_looks_like_a_pattern(tmp_path: Path) -> None:
    write(tmp_path / "a[b]*" / "f.csv", "1")
    files = Files(lambda: str(tmp_path / "a[b]*"))
    assert files.look("f.csv").problem == files.look("*.csv").problem == ""


# --- what is kept, and the stamp


def test_a_fresh_kernel_reads_nothing(files: Files, tmp_path: Path, settled: list[str]) -> None:
    write(tmp_path / "a.csv", "1")
    write(tmp_path / "d" / "b", "2")
    write(tmp_path / "d" / "c", "3")
    before = [files.look(path) for path in ("a.csv", "d")]
    rows = json.loads(json.dumps(files.witnesses(["a.csv", "d"])))
    assert sorted(row[0] for row in rows) == ["a.csv", "d/b", "d/c"]
    assert all(isinstance(value, str) for row in rows for value in row)

    settled.clear()
    fresh = Files(lambda: str(tmp_path))
    fresh.remember(rows)
    assert [fresh.look(path) for path in ("a.csv", "d")] == before
    assert settled == []
    write(tmp_path / "d" / "b", "changed")
    assert fresh.look("d") != before[1]
    assert settled == ["b"]


def test_what_is_remembered_moves_with_the_project(tmp_path: Path, settled: list[str]) -> None:
    write(tmp_path / "one" / "d" / "f", "1")
    files = Files(lambda: str(tmp_path / "one"))
    files.look("d")
    rows = files.witnesses(["d"])
    (tmp_path / "one").rename(tmp_path / "two")
    moved = Files(lambda: str(tmp_path / "two"))
    moved.remember(rows)
    settled.clear()
    assert moved.look("d").digest == files.look("d").digest or files.look("d").problem
    assert settled == []


def test_rows_that_make_no_sense(files: Files, tmp_path: Path, settled: list[str]) -> None:
    write(tmp_path / "f", "1")
    files.look("f")
    (row,) = files.witnesses(["f"])
    fresh = Files(lambda: str(tmp_path))
    fresh.remember([(), ("f",), ("f", "x", "y"), (*row, "1"), (row[0], "wrong", "a", *row[3:]), (*row[:-1], "")])
    assert fresh.look("f").digest == row[1]
    assert settled == ["f", "f"]


def test_a_lying_row_is_not_believed(tmp_path: Path) -> None:
    """A row with another stat, or one that was made too soon after the file was written, proves nothing."""
    file = write(tmp_path / "f", "1")
    at = os.stat(file)
    stats = [str(n) for n in (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)]
    files = Files(lambda: str(tmp_path))
    files.remember([("f", "file:young", *stats, str(at.st_ctime_ns + GRAIN // 2))])
    right = files.look("f").digest
    assert right != "file:young"
    for n in range(5):
        changed = list(stats)
        changed[n] = str(int(changed[n]) - 1)
        files = Files(lambda: str(tmp_path))
        files.remember([("f", "file:other", *changed, str(at.st_ctime_ns + 100 * GRAIN))])
        assert files.look("f").digest == right


def test_records_stay_small(files: Files, tmp_path: Path, settled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_files, "ROWS", 3)
    for n in range(10):
        write(tmp_path / "d" / f"{n}", "x" * n)
    assert [row[0] for row in files.witnesses(["d"])] == ["d/9", "d/8", "d/7"]


def test_the_stamp(files: Files, tmp_path: Path, settled: list[str]) -> None:
    write(tmp_path / "f", "1")
    write(tmp_path / "d" / "g", "1")
    nothing = files.stamp()
    assert nothing == files.stamp()
    paths = ["f", "d", "*.csv", "not there"]
    for path in paths:
        files.look(path)
    stamps = [files.stamp()]
    assert stamps[0] == files.stamp() != nothing
    changes: list[Callable[[], object]] = [
        lambda: write(tmp_path / "f", "22"),
        lambda: write(tmp_path / "d" / "h", ""),
        lambda: write(tmp_path / "new.csv", ""),
        lambda: write(tmp_path / "not there", ""),
        lambda: (tmp_path / "d" / "g").unlink(),
    ]
    for change in changes:
        change()
        between = files.stamp()
        assert between not in stamps
        assert between != files.stamp()  # not looked at since: nothing is proven
        for path in paths:
            files.look(path)
        assert files.stamp() == files.stamp()
        assert files.stamp() not in stamps
        stamps.append(files.stamp())
    assert files.stamp(["f"]) == files.stamp(["f"])
    assert files.stamp(["never seen"]) != files.stamp(["never seen"])


def test_the_stamp_follows_the_working_directory(
    tmp_path: Path, settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "one" / "f", "1")
    write(tmp_path / "two" / "f", "2")
    files = Files()
    monkeypatch.chdir(tmp_path / "one")
    first, stamp = files.look("f").digest, files.stamp()
    monkeypatch.chdir(tmp_path / "two")
    assert files.stamp() != stamp
    assert files.look("f").digest != first


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.2 MB"), (34e9, "34 GB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


def test_several_threads_look_at_once(files: Files, tmp_path: Path) -> None:
    for n in range(50):
        write(tmp_path / "d" / str(n), str(n))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(files.look("d").digest)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
