"""A step gets another name: its results, failure and log go with it, whole, whatever happens meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import StepNameError, StoreError
from jo_notebook.store import Context, publish
from jo_notebook.store.disk import Disk
from jo_notebook.store.shelf import Shelf
from tests.store.making import failure, flip, generations, leftovers, record, start

LOG = (LogEntry("stdout", "hello\n"),)


def fill(place: Path, count: int = 2, name: str = "Load") -> Context:
    context = Context(place)
    for n in range(1, count + 1):
        context.put(record(name, f"v{n}"), n, LOG)
    return context


def check(context: Context, name: str, value: int = 2) -> None:
    """Everything is there, in a context and in a fresh one."""
    places = [context] if context.place is None else [context, Context(context.place)]
    for seen in places:
        assert seen[name] == value
        assert (seen.record(name).step, seen.record(name).version) == (name, f"v{value}")
        assert seen.log(name) == LOG
        assert (seen.damaged, seen.untrusted, seen.in_use(name)) == ({}, frozenset(), 0)


def test_all_that_is_kept_goes_with_the_name(place: Path):
    context = fill(place, 5)
    assert context.rename("Load", "Read it")
    check(context, "Read it", 5)
    assert list(Context(place)) == ["Read it"]
    assert [(n, old.step, old.version) for n, old in context.older("Read it")] == [(4, "Read it", "v4")]
    assert [path.name for path in generations(place, "read-it")] == ["4", "5"]
    assert "Load" not in context
    assert (context.record("Load"), context.log("Load"), list(place.glob("results/load-*"))) == (None, (), [])
    assert leftovers(place) == []
    assert context.put(record("Read it", "v6"), 6).unsaved == ""
    assert Context(place)["Read it"] == 6


def test_a_value_in_memory_moves_too(place: Path):
    context = fill(place)
    value = [1]
    context.put(record(), value)
    assert context.rename("Load", "New")
    assert context.held("New") == "memory"
    assert context["New"] is value


def test_nothing_is_decoded(place: Path, monkeypatch: pytest.MonkeyPatch):
    fill(place)
    monkeypatch.setattr("jo_notebook.store.disk.decode", None)
    context = Context(place)
    assert context.rename("Load", "New")
    assert context.held("New") == "disk"


def test_a_copy_leaves_the_old_one(place: Path):
    context = fill(place)
    context.fail(failure(), LOG)
    assert context.rename("Load", "New", copy=True)
    check(context, "Load")
    check(context, "New")
    assert {n: f.step for n, f in Context(place).failures.items()} == {"Load": "Load", "New": "New"}
    context.put(record(version="v3"), 3, LOG)
    assert (context["New"], list(context.failures)) == (2, ["New"])
    assert list(Context(place).failures) == ["New"]


def test_failures_go_with_the_name(place: Path):
    context = fill(place)
    context.fail(failure(), (LogEntry("error", "oh"),))
    context.fail(failure("Never ran"))
    assert context.rename("Load", "New")
    assert context.rename("Never ran", "Never")
    for seen in (context, Context(place)):
        assert {n: f.step for n, f in seen.failures.items()} == {"New": "New", "Never": "Never"}
        assert seen.log("New") == (LogEntry("error", "oh"),)
        assert seen["New"] == 2
    context.put(record("New", "v3"), 3)
    assert list(Context(place).failures) == ["Never"]


def test_memory_only():
    context = Context()
    context.put(record(version="v2"), 2, LOG)
    context.fail(failure("Bad"), LOG)
    assert not context.rename("Load", "Bad")
    assert not context.rename("Nobody", "New")
    assert context.rename("Load", "New")
    check(context, "New")
    assert "Load" not in context
    assert context.rename("Bad", "Worse")
    assert {n: f.step for n, f in context.failures.items()} == {"Worse": "Worse"}
    assert context.log("Worse") == LOG
    assert context.rename("New", "Copy", copy=True)
    assert context["New"] == context["Copy"] == 2


def test_a_result_the_disk_refused_moves_in_memory(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = fill(place)
    with monkeypatch.context() as change:
        change.setattr("os.fsync", _refuse)
        assert context.put(record(version="v3"), 3, LOG).unsaved
    assert context.rename("Load", "New")
    assert (context["New"], context.record("New").version, context.log("New")) == (3, "v3", LOG)
    context.refresh()
    assert context["New"] == 3
    assert Context(place)["New"] == 2


def _refuse(fd: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_name_that_has_something_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = fill(place)
    fill(place, 1, "Other")
    context.fail(failure("Bad"))
    Context(place).put(record("Unseen"), 1)
    with monkeypatch.context() as change:
        change.setattr("os.fsync", _refuse)
        context.put(record("Held"), 1)
    before = tree(place)
    for name in ("Other", "Bad", "Unseen", "Held", "Load"):
        assert not context.rename("Load", name)
    assert not context.rename("Nobody", "New")
    with pytest.raises(StepNameError):
        context.rename("Load", "a\nb")
    assert tree(place) == before
    check(Context(place), "Load")


def tree(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_what_was_made_elsewhere_is_left_alone(place: Path, stranger):
    with stranger():
        fill(place)
    context = Context(place)
    before = tree(place)
    assert not context.rename("Load", "New")
    assert (tree(place), context.untrusted) == (before, {"Load"})
    context.put(record(version="v3"), 3)  # the stranger's second generation is still there
    assert not context.rename("Load", "New")
    assert context.use("Load", 2)
    assert context["Load"] == 2  # plain data, from whomever
    context.trust()
    assert context.rename("Load", "New")
    assert context.use("New", 2)
    assert context["New"] == 2


def test_the_generation_in_use_stays_in_use(place: Path):
    context = fill(place)
    context.use("Load", 1)
    value = context["Load"]
    assert context.rename("Load", "New")
    assert (context.in_use("New"), context.in_use("Load")) == (1, 0)
    assert (context.held("New"), context["New"], value) == ("memory", 1, 1)
    context.drop_memory("New")
    assert context["New"] == 1
    assert context.use("New", 0)
    check(context, "New")


@pytest.mark.parametrize("position", [-1, 10])
def test_a_damaged_newest_one_is_never_replaced_in_silence(place: Path, position: int):
    fill(place)
    path = generations(place)[-1]
    flip(path, position % path.stat().st_size)
    damaged = path.read_bytes()
    context = Context(place)
    assert context.rename("Load", "New")
    for seen in (context, Context(place)):
        assert "generation 2 is gone" in seen.damaged["New"]
        assert [(n, old.step) for n, old in seen.older("New")] == [(1, "New")]
        assert seen.use("New", 1)
        assert seen["New"] == 1
    assert path.read_bytes() == damaged  # for whoever can mend it
    assert "New" in Context(place).damaged


def test_a_damaged_older_one_stays_behind(place: Path):
    fill(place)
    path = generations(place)[0]
    flip(path, 130)
    context = Context(place)
    assert context.rename("Load", "New")
    assert context["New"] == 2
    assert (context.older("New"), path.exists()) == ([], True)


def test_nothing_whole_is_nothing_to_rename(place: Path):
    fill(place, 1)
    path = generations(place)[0]
    flip(path, 130)
    before = tree(place)
    assert not Context(place).rename("Load", "New")
    assert tree(place) == before


@pytest.mark.parametrize("call", range(8))
def test_each_fsync_that_fails_costs_nothing(place: Path, monkeypatch: pytest.MonkeyPatch, call: int):
    context = fill(place)
    calls, real = iter(range(100)), os.fsync

    def fsync(fd: int) -> None:
        if next(calls) == call:
            raise OSError(5, "Input/output error")
        real(fd)

    with monkeypatch.context() as change:
        change.setattr("os.fsync", fsync)
        done, told = False, ""
        try:
            done = context.rename("Load", "New")
        except StoreError as error:
            told = str(error)
    assert next(calls) > call
    assert done or told.startswith("Cannot rename Load to New: cannot write to analysis.jo: Input/output error; ")
    check(context, "New" if done else "Load")
    if not done:
        assert "New" not in context
        assert list(place.glob("results/new-*")) == []
        assert context.rename("Load", "New")
        check(context, "New")
    assert leftovers(place) == []


@pytest.mark.parametrize("way", ["rename", "claim"])
def test_on_disks_without_links(place: Path, monkeypatch: pytest.MonkeyPatch, way: str):
    monkeypatch.setattr("os.link", _no_link)
    if way == "claim":
        monkeypatch.setattr(publish, "_rename_exclusively", lambda *args: False)
    context = fill(place)
    assert context.rename("Load", "New")
    check(context, "New")


def _no_link(*args: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_an_interrupt_leaves_the_old_name(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = fill(place)
    calls, real = iter(range(10)), publish.publish

    def interrupted(draft: str, target: str) -> None:
        real(draft, target)
        if next(calls) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.shelf.publish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            context.rename("Load", "New")
    check(context, "Load")
    assert context.rename("Load", "New")
    check(context, "New")


def test_another_kernel_begins_with_the_new_name(place: Path, monkeypatch: pytest.MonkeyPatch):
    context, there, real = fill(place), Context(place), publish.publish

    def publishing(draft: str, target: str) -> None:
        with monkeypatch.context() as change:
            change.setattr("jo_notebook.store.shelf.publish", real)
            if "New" not in there:
                there.put(record("New", "theirs"), "theirs")
        real(draft, target)

    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.shelf.publish", publishing)
        assert not context.rename("Load", "New")
    check(context, "Load")
    context.refresh()
    assert context["New"] == Context(place)["New"] == "theirs"


def test_another_kernel_goes_on_with_the_old_name(place: Path, monkeypatch: pytest.MonkeyPatch):
    context, there, real = fill(place), Context(place), publish.publish

    def publishing(draft: str, target: str) -> None:
        with monkeypatch.context() as change:
            change.setattr("jo_notebook.store.shelf.publish", real)
            if there["Load"] != "theirs":
                there.put(record(version="theirs"), "theirs")
        real(draft, target)

    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.shelf.publish", publishing)
        context.rename("Load", "New")
    context.refresh()
    assert context["New"] == 2
    assert context["Load"] == Context(place)["Load"] == "theirs"


def test_another_kernel_goes_on_while_files_are_copied(place: Path, monkeypatch: pytest.MonkeyPatch):
    context, there, real = fill(place), Context(place, keep=9), Shelf.draft

    def draft(self, *args):
        real(self, *args)
        if there["Load"] != "theirs":
            there.put(record(version="theirs"), "theirs")

    with monkeypatch.context() as change:
        change.setattr(Shelf, "draft", draft)
        assert context.rename("Load", "New")
    check(context, "New")
    assert context["Load"] == Context(place)["Load"] == "theirs"


def test_pruned_while_it_is_copied(place: Path, monkeypatch: pytest.MonkeyPatch):
    context, there = fill(place), Context(place)
    real, rounds = Context.put, []

    opened = Disk.opened

    def opening(self, shelf, found):
        if not rounds:
            rounds.append(1)
            for n in (3, 4):
                real(there, record(version=f"v{n}"), n, LOG)
        return opened(self, shelf, found)

    with monkeypatch.context() as change:
        change.setattr(Disk, "opened", opening)
        assert context.rename("Load", "New")
    check(context, "New", 4)
    assert "Load" not in Context(place)
    assert leftovers(place) == []


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs a mounted disk")
def test_a_read_only_disk(tmp_path: Path):
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip("mounting a disk is not allowed here")
    try:
        place = folder / "analysis.jo"
        fill(place)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        context = Context(place)
        with pytest.raises(StoreError, match=r"Cannot rename Load to New: .*Read-only"):
            context.rename("Load", "New")
        with pytest.raises(StoreError, match=r"stays as it was: cannot write.*Read-only"):
            context.bless("Load", record())
        assert context.use("Load", 1)
        assert (context["Load"], context.verify()) == (1, {})
        check(Context(place), "Load")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


RENAMER = """
import sys
from jo_notebook.store import Context
sys.stdin.readline()  # imports are done while another one is at work
context = Context(sys.argv[1])
names = sys.argv[2:]
print("ready", flush=True)
while True:
    assert context.rename(*names)
    names.reverse()
"""


def test_forty_kills_lose_nothing(place: Path):
    chance, inside, both = random.Random(5), 0, 0
    fill(place, 0)
    context = Context(place)
    for n in (1, 2):
        context.put(record("A", f"v{n}"), (n, bytes([n]) * 300_000), LOG)
    context.fail(failure("A"), LOG)
    names = ["A", "B"]
    worker = start(RENAMER, place, *names)
    for _ in range(40):
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.02)
        worker.kill()
        worker.communicate()
        inside += bool(leftovers(place))
        context = Context(place)
        there = [name for name in names if name in context]
        both += len(there) == 2
        assert there
        for name in there:
            assert context[name] == (2, bytes([2]) * 300_000)
            assert context.record(name).version == "v2"
        assert any(len(context.older(name)) == 1 and name in context.failures for name in there)
        assert (context.damaged, context.problems, context.verify(), leftovers(place)) == ({}, [], {}, [])
        whole = next(name for name in there if context.older(name) and name in context.failures)
        names = [whole, "B" if whole == "A" else "A"]
        worker = start(RENAMER, place, *names)
    worker.kill()
    worker.communicate()
    assert inside >= 5
    assert both >= 1
    if names[1] in Context(place):
        assert Context(place).rename(*names)
    assert len(Context(place)) == 1
