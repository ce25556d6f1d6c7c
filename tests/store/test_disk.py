"""A disk that refuses, a format that is newer, kernels that write at once or are killed."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from jo_notebook.errors import StoreError
from jo_notebook.store import Context
from jo_notebook.store.generation import VERSION
from jo_notebook.store.identity import Identity
from tests.store.making import failure, generations, leftovers, record, start

WRITER = """
import sys
from jo_notebook.store import Context
from tests.store.making import record
size = int(sys.stdin.readline())  # imports are done while another writer is at work
context = Context(sys.argv[1])
n = context.get("Load", (0,))[0]
while True:
    n += 1
    context.put(record(version=f"v{n}"), (n, bytes([n % 256]) * size))
    print(n, flush=True)
"""


def test_forty_kills_lose_nothing(place: Path):
    chance, inside = random.Random(3), 0
    writer, following = start(WRITER, place), start(WRITER, place)
    for trial in range(40):
        size = (200, 20_000, 100_000, 800_000)[trial % 4]
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(f"{size}\n")
        writer.stdin.flush()
        told = int(writer.stdout.readline())
        time.sleep(chance.random() * 0.02)
        writer.kill()
        told = int(([str(told), *writer.stdout.read().split("\n")[:-1]])[-1])  # communicate() loses what is buffered
        writer.communicate()
        inside += bool(leftovers(place))
        context = Context(place)
        number, payload = context["Load"]
        assert number in (told, told + 1)
        assert payload == bytes([number % 256]) * size
        assert context.records["Load"].version == f"v{number}"
        assert (context.damaged, context.problems, leftovers(place)) == ({}, [], [])
        writer, following = following, start(WRITER, place)
    for idle in (writer, following):
        idle.kill()
        idle.communicate()
    assert inside >= 10
    assert Context(place).put(record(), 0).unsaved == ""
    assert len(generations(place)) == 2
    assert {p.name for p in place.iterdir()} == {"FORMAT", "results", "tmp"}


ADDER = """
import sys
from jo_notebook.store import Context
from tests.store.making import record
context = Context(sys.argv[1])
sys.stdin.readline()
for n in range(25):
    for step in ("Shared", sys.argv[2]):
        done = context.put(record(step, f"{sys.argv[2]}{n}"), (sys.argv[2], n))
        assert done.unsaved == "", done
        context.drop_memory(step)
        context[step]
"""


def test_two_writers_at_once(place: Path):
    writers = [start(ADDER, place, name) for name in ("A", "B")]
    for writer in writers:
        writer.communicate("go\n")
    assert [writer.returncode for writer in writers] == [0, 0]
    context = Context(place)
    assert (context["A"], context["B"]) == (("A", 24), ("B", 24))
    assert generations(place, "shared")[-1].name == "50"
    assert context["Shared"][1] == 24
    assert (context.damaged, context.untrusted, leftovers(place)) == ({}, frozenset(), [])


def test_a_place_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "analysis.jo", tmp_path / "no" / "analysis.jo", tmp_path / "file"):
        context = Context(place)
        done = context.put(record(), 1)
        assert done.unsaved.startswith(f"cannot write to {place.name}: ")
        assert done.unsaved.endswith(", or let results live elsewhere: %context at PATH")
        assert context["Load"] == 1
        assert context.records["Load"] == done
        context.fail(failure("Other"))
        assert context.failures == {"Other": failure("Other")}
        with pytest.raises(StoreError):
            context.save_definition("Load", {})
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("call", range(4))
def test_each_fsync_that_fails_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch, call: int):
    context = Context(place)
    context.put(record(), "old")
    calls = iter(range(100))
    real = os.fsync

    def fsync(fd: int) -> None:
        if next(calls) == call:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    with monkeypatch.context() as change:
        change.setattr("os.fsync", fsync)
        done = context.put(record(version="v2"), "new")
    assert next(calls) in (call + 1, 2)
    if call < 2:  # the file's, then the directory's
        assert done.unsaved.startswith("cannot write to analysis.jo: Input/output error; ")
        assert Context(place)["Load"] == "old"
    assert context["Load"] == "new"
    assert leftovers(place) == []
    assert context.put(record(), "newer").unsaved == ""
    assert Context(place)["Load"] == "newer"


def test_a_save_costs_two_fsyncs(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place)
    context.put(record(), 1)
    calls: list[int] = []
    monkeypatch.setattr("os.fsync", calls.append)
    context.put(record(), 2)
    assert len(calls) == 2


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 4 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip("mounting a disk is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path):
    place = small_disk / "analysis.jo"
    context = Context(place)
    context.put(record(), b"a" * 1_500_000)
    for n in range(5):
        done = context.put(record(version=f"v{n}"), bytes([n]) * 3_000_000)
        assert done.unsaved.startswith(
            "cannot write to analysis.jo: 3 MB are needed and 2.7 MB are free on this disk; make room on it, or "
        )
        assert context["Load"] == bytes([n]) * 3_000_000
        assert leftovers(place) == []
        assert Context(place)["Load"] == b"a" * 1_500_000
    assert context.put(record(), b"b" * 1_000_000).unsaved == ""
    assert Context(place)["Load"] == b"b" * 1_000_000


def test_a_read_only_disk(small_disk: Path):
    place = small_disk / "analysis.jo"
    Context(place).put(record(), 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    context = Context(place)
    assert context["Load"] == 1
    told = context.put(record(version="v2"), 2).unsaved
    assert told.startswith("cannot write to analysis.jo: Read-only file system; make it writable, or ")
    assert context["Load"] == 2
    with pytest.raises(StoreError, match="Read-only"):
        context.forget("Load")
    assert Context(place)["Load"] == 1


def test_a_store_of_a_newer_format_is_only_listed(place: Path):
    context = Context(place)
    context.put(record("Données"), 1)
    (place / "FORMAT").write_bytes(Identity("someone", VERSION + 1).to_bytes())
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    newer = Context(place)
    assert list(newer.damaged) == ["Données"]
    assert (len(newer), newer.records) == (0, {})
    assert f"format {VERSION + 1}" in newer.problems[0]
    for one in (newer, context):
        assert "newer jo_notebook" in one.put(record("New"), 1).unsaved
        assert one["New"] == 1
        one.fail(failure())
        for change in (lambda c=one: c.save_definition("Load", {}), one.trust):
            with pytest.raises(StoreError, match="newer jo_notebook"):
                change()
    with pytest.raises(StoreError, match="newer jo_notebook"):
        newer.forget("Données")
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_two_kernels_make_one_store(place: Path):
    here, there = Context(place), Context(place)
    here.put(record("A"), 1)
    there.put(record("B"), 2)
    context = Context(place)
    assert context.damaged == {}
    assert (context["A"], context["B"]) == (1, 2)
