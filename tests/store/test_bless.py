"""An old result is accepted as it is: the same bytes under a new number, with a new record."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged, ResultMissing, ResultNotSaved, StoreError, UntrustedError
from jo_notebook.store import Context
from tests.store.making import failure, flip, generations, leftovers, record

LOG = (LogEntry("stdout", "hello\n"),)
TODAY = replace(record(version="v1"), fingerprint=Fingerprint.of([Part("code", "Load", "d9")]), when=9.0)


def refuse(*args: object, **rest: object) -> None:
    raise OSError(28, "No space left on device")


def test_the_same_bytes_with_another_record(place: Path, monkeypatch: pytest.MonkeyPatch):
    was = Context(place).put(record(), {"rows": 3}, LOG)
    context = Context(place)
    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.disk.decode", None)
        done = context.bless("Load", replace(TODAY, step="?", size=7, format="?", python="?", unsaved="?"))
    assert done == replace(TODAY, size=was.size, format=was.format, python=was.python)
    for seen in (context, Context(place)):
        assert seen.record("Load") == done
        assert (seen["Load"], seen.log("Load")) == ({"rows": 3}, LOG)
        assert [(n, old) for n, old in seen.older("Load")] == [(1, was)]
        assert (seen.damaged, seen.untrusted, seen.verify()) == ({}, frozenset(), {})
    assert leftovers(place) == []


def test_an_older_generation_becomes_the_newest(place: Path):
    context = Context(place)
    for n in (1, 2):
        context.put(record(version=f"v{n}"), n, (LogEntry("stdout", str(n)),))
    context.use("Load", 1)
    value = context["Load"]
    context.bless("Load", TODAY)
    assert (context.in_use("Load"), context.held("Load"), context["Load"], value) == (0, "memory", 1, 1)
    assert [path.name for path in generations(place)] == ["2", "3"]
    for seen in (context, Context(place)):
        assert (seen["Load"], seen.record("Load").when) == (1, 9.0)
        assert seen.log("Load") == (LogEntry("stdout", "1"),)


def test_a_value_in_memory_stays_there(place: Path):
    context = Context(place)
    value = [1]
    context.put(record(), value)
    context.bless("Load", TODAY)
    assert context["Load"] is value
    context.refresh()
    assert context["Load"] is value
    context.drop_memory("Load")
    assert context["Load"] == [1]


def test_a_result_in_memory_gets_the_record_there(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context()
    context.put(record(), 1, LOG)
    assert context.bless("Load", TODAY).when == 9.0
    assert (context["Load"], context.record("Load").when, context.log("Load")) == (1, 9.0, LOG)
    context = Context(place)
    context.put(record(version="v0"), 0)
    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.committing.publish", refuse)
        reason = context.put(record(), 1).unsaved
    done = context.bless("Load", TODAY)
    assert (done.unsaved, context.record("Load"), context["Load"]) == (reason, done, 1)
    assert Context(place)["Load"] == 0


def test_a_value_that_cannot_be_stored(place: Path):
    context = Context(place)
    lock = threading.Lock()
    reason = context.put(record(), lock).unsaved
    done = context.bless("Load", TODAY)
    assert (done.unsaved, context["Load"]) == (reason, lock)
    assert Context(place).record("Load") == done
    with pytest.raises(ResultMissing, match="thread lock"):
        Context(place).bless("Load", TODAY)


def test_a_failure_is_overtaken(place: Path):
    context = Context(place)
    context.put(record(), 1, LOG)
    context.fail(failure())
    context.bless("Load", TODAY)
    for seen in (context, Context(place)):
        assert (seen.failures, seen.log("Load")) == ({}, LOG)
    assert list(place.glob("failures/*")) == []


def test_nothing_to_bless(place: Path):
    context = Context(place)
    context.put(record(), 1)
    context.fail(failure("Bad"))
    for name in ("load", "Bad"):
        with pytest.raises(ResultMissing, match=f"Nothing is kept under '{name}'"):
            context.bless(name, TODAY)


@pytest.mark.parametrize("position", [-1, 10])
@pytest.mark.parametrize("seen", [True, False])
def test_damage_is_not_blessed(place: Path, position: int, seen: bool):
    Context(place).put(record(), 1)
    context = Context(place)
    path = generations(place)[0]
    flip(path, position % path.stat().st_size)
    if seen:
        context.refresh()
    for _ in range(2):
        with pytest.raises(ResultDamaged, match=r"Load's result on disk is damaged .*generation 1"):
            context.bless("Load", TODAY)
        assert "generation 1" in context.damaged["Load"]
    assert (len(generations(place)), leftovers(place)) == (1, [])


def test_what_was_made_elsewhere_is_not_blessed(place: Path, stranger):
    with stranger():
        Context(place).put(record(), 1)
    context = Context(place)
    with pytest.raises(UntrustedError, match="made elsewhere"):
        context.bless("Load", TODAY)
    assert len(generations(place)) == 1
    context.trust()
    context.bless("Load", TODAY)
    assert (context["Load"], context.untrusted) == (1, frozenset())


def test_swapped_for_a_strangers_file_meanwhile(place: Path, tmp_path: Path, stranger):
    Context(place).put(record(), 1)
    context = Context(place)
    with stranger():
        Context(tmp_path / "theirs.jo").put(record(), 1)
    generations(place)[0].write_bytes(generations(tmp_path / "theirs.jo")[0].read_bytes())
    with pytest.raises(StoreError):
        context.bless("Load", TODAY)
    assert len(generations(place)) == 1


def test_a_disk_that_refuses(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place)
    was = context.put(record(), 1)
    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.committing.publish", refuse)
        with pytest.raises(
            ResultNotSaved, match=r"Load's result stays as it was: cannot write to analysis.jo: No space"
        ):
            context.bless("Load", TODAY)
    assert (context.record("Load"), context["Load"], leftovers(place)) == (was, 1, [])
    assert Context(place).record("Load") == was


def test_pruned_meanwhile(place: Path):
    context, there = Context(place), Context(place)
    context.put(record(version="v1"), 1)
    there.refresh()
    for n in (2, 3, 4):
        there.put(record(version=f"v{n}"), n)
    context.bless("Load", TODAY)  # what is there now
    assert (context["Load"], Context(place)["Load"]) == (4, 4)
    context.use("Load", 4)
    there.refresh()
    for n in (6, 7):
        there.put(record(version=f"v{n}"), n)
    with pytest.raises(ResultMissing, match="generation 4, which was in use, is gone"):
        context.bless("Load", TODAY)
