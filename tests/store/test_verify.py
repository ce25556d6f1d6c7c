"""Everything is read and every hash compared; what is wrong is told by step and number."""

from __future__ import annotations

import random
import shutil
import tracemalloc
from pathlib import Path

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import StoreError
from jo_notebook.store import Context
from jo_notebook.store.generation import VERSION
from jo_notebook.store.identity import Identity
from tests.store.making import failure, flip, generations, record


@pytest.fixture
def store(place: Path) -> Path:
    context = Context(place)
    for version in ("v1", "v2"):
        context.put(record("Clean", version), version * 50, (LogEntry("stdout", version),))
    context.put(record("Other"), "other")
    context.fail(failure("Clean"), (LogEntry("stderr", "oh"),))
    return place


def test_all_is_well(store: Path, stranger):
    assert Context(store).verify() == {}
    assert Context().verify() == {}
    assert Context(store.with_name("new.jo")).verify() == {}
    with stranger():
        context = Context(store)
        assert context.verify() == {}
        assert context.untrusted


def test_every_flipped_bit_is_found(store: Path):
    chance = random.Random(9)
    files = labels(store)
    for path, label in files.items():
        whole = path.read_bytes()
        for _ in range(60):
            flip(path, chance.randrange(len(whole)), chance.randrange(8))
            assert list(Context(store).verify()) == [label]
            path.write_bytes(whole)
    assert Context(store).verify() == {}


def labels(store: Path) -> dict[Path, str]:
    one, two = generations(store, "clean")
    (other,) = generations(store, "other")
    (failed,) = store.glob("failures/clean-*/1")
    return {
        one: "Clean, generation 1",
        two: "Clean, generation 2",
        other: "Other, generation 1",
        failed: "Clean, failure 1",
    }


def test_damage_is_shown_where_it_concerns_the_one_in_use(store: Path):
    context = Context(store)
    one, two = generations(store, "clean")
    flip(one, 130)
    found = context.verify()
    assert found == {"Clean, generation 1": "its value does not fit its checksum"}
    assert (context.damaged, context.older("Clean")) == ({}, [])
    flip(one, 130)
    assert (context.verify(), len(context.older("Clean"))) == ({}, 1)
    context.use("Clean", 1)
    flip(one, 130)
    version = context.version
    assert context.verify() == found
    assert context.damaged == {"Clean": "generation 1: its value does not fit its checksum"}
    assert context.version > version
    context.refresh()
    assert list(context.damaged) == ["Clean"]
    flip(two, 130)
    assert sorted(context.verify()) == ["Clean, generation 1", "Clean, generation 2"]
    context.use("Clean", 0)
    assert "generation 2" in context.damaged["Clean"]


def test_a_value_in_memory_is_not_lost(store: Path):
    context = Context(store)
    assert context["Clean"] == "v2" * 50
    flip(generations(store, "clean")[-1], 130)
    assert list(context.verify()) == ["Clean, generation 2"]
    assert context["Clean"] == "v2" * 50
    assert not context.use("Clean", 1)
    context.refresh()
    assert context["Clean"] == "v2" * 50


def test_what_is_gone_swapped_or_of_another_store(store: Path, place: Path, tmp_path: Path):
    one, two = generations(store, "clean")
    whole = two.read_bytes()
    two.unlink()
    context = Context(store)
    assert context.verify() == {"Clean, generation 2": "generation 2 is gone"}
    two.write_bytes(one.read_bytes())
    assert context.verify() == {"Clean, generation 2": "it was written as generation 1 of Clean"}
    other = tmp_path / "other.jo"
    Context(other).put(record("Clean"), 1)
    Context(other).put(record("Clean"), 2)
    shutil.copy(generations(other, "clean")[-1], two)
    assert context.verify() == {"Clean, generation 2": "it is of another store"}
    two.write_bytes(whole)
    assert Context(store).verify() == {}


def test_no_file_is_read_as_a_whole(place: Path):
    context = Context(place)
    context.put(record(), bytes(30_000_000))
    context.verify()  # what it imports is not counted
    tracemalloc.start()
    assert context.verify() == {}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_pruned_meanwhile_is_no_damage(store: Path, monkeypatch: pytest.MonkeyPatch):
    context, there = Context(store), Context(store)
    from jo_notebook.store.disk import Disk

    opened = Disk.opened

    def opening(self, shelf, found):
        if self is context._disk and there.record("Clean").version == "v2":
            for n in (3, 4):
                there.put(record("Clean", f"v{n}"), n)
        return opened(self, shelf, found)

    monkeypatch.setattr(Disk, "opened", opening)
    assert context.verify() == {}


def test_a_store_of_a_newer_format_cannot_be_checked(store: Path):
    (store / "FORMAT").write_bytes(Identity("someone", VERSION + 1).to_bytes())
    with pytest.raises(StoreError, match="newer jo_notebook"):
        Context(store).verify()
