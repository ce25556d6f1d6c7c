"""Injuries: whatever happens to a file, the answer is the value that was saved, or a word of damage."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged, StoreError
from jo_notebook.store import Context
from jo_notebook.store.generation import _TAIL, MAGIC, canonical
from tests.store.making import failure, flip, generations, record

OLD, NEW = "old " * 60, "new " * 60


@pytest.fixture
def store(place: Path) -> Path:
    context = Context(place)
    for version, value in (("v1", OLD), ("v2", NEW)):
        context.put(record(version=version), value, (LogEntry("stdout", value),))
    context.put(record("Other"), "other")
    context.save_definition("Load", {"text": "x"})
    return place


def check(place: Path) -> str:
    """Look at everything; what happened to the step, in a word. Fails for a wrong answer."""
    context = Context(place)
    assert context["Other"] == "other"
    for row in context.definitions().values():
        assert row == ({"text": "x"}, True)
    try:
        assert context["Load"] == NEW
        assert context.log("Load") == (LogEntry("stdout", NEW),)
    except ResultDamaged:
        return "damaged"
    assert context.damaged == {}
    assert context.records["Load"].version == "v2"
    return "problem" if context.problems else "whole"


def heal(place: Path) -> None:
    assert Context(place).put(record(version="v3"), "healed").unsaved == ""
    assert Context(place)["Load"] == "healed"


def test_flipped_bits(store: Path):
    """Nearly every flip in the newest file is seen; none gives a wrong value."""
    chance = random.Random(7)
    path = generations(store)[-1]
    whole = path.read_bytes()
    for _ in range(300):
        flip(path, chance.randrange(len(whole)), chance.randrange(8))
        assert check(store) == "damaged"
        path.write_bytes(whole)
    flip(path, 30)
    heal(store)


@pytest.mark.parametrize("pattern", ["FORMAT", "results/load-*/HEAD", "results/load-*/1", "definitions/*"])
def test_flipped_bits_beside_the_newest_file_cost_nothing(store: Path, pattern: str):
    chance = random.Random(8)
    (path,) = store.glob(pattern)
    whole = path.read_bytes()
    for _ in range(60):
        flip(path, chance.randrange(len(whole)), chance.randrange(8))
        assert check(store) in ("whole", "problem")
        path.write_bytes(whole)


def test_truncated_grown_and_emptied_files(store: Path):
    path = generations(store)[-1]
    whole = path.read_bytes()
    cuts = [whole[:n] for n in range(0, len(whole), 37)]
    others = [whole + b"\0", whole + whole, b"\0" + whole, b"\0" * len(whole), whole[:100] + whole[101:]]
    for injured in [*cuts, *others]:
        path.write_bytes(injured)
        assert check(store) == "damaged"
    heal(store)


def test_a_deleted_newest_file_is_noticed(store: Path):
    generations(store)[-1].unlink()
    context = Context(store)
    assert context.damaged == {"Load": "generation 2 is gone"}
    assert "Load" not in context.records
    heal(store)
    assert [p.name for p in generations(store)] == ["1", "3"]


def test_an_old_file_under_a_new_number_is_noticed(store: Path):
    old, new = generations(store)
    shutil.copy(old, new.with_name("3"))
    assert "it was written as generation 1 of Load" in Context(store).damaged["Load"]
    assert new.exists()
    heal(store)


@pytest.mark.parametrize("lost", ["FORMAT", "results/load-*/HEAD", "definitions", "tmp"])
def test_everything_but_the_results_can_be_lost(store: Path, lost: str):
    (path,) = store.glob(lost)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert check(store) == "whole"
    heal(store)


def test_the_identity_is_recovered_from_signed_results(store: Path):
    before = (store / "FORMAT").read_bytes()
    (store / "FORMAT").write_bytes(b"\0" * 40)
    heal(store)
    assert (store / "FORMAT").read_bytes() == before
    assert Context(store)["Other"] == "other"


def test_a_step_whose_every_file_is_damaged_has_a_name(store: Path):
    for path in generations(store):
        path.write_bytes(b"")
    assert "Load" in Context(store).damaged
    (head,) = store.glob("results/load-*/HEAD")
    head.unlink()
    (name,) = Context(store).damaged
    assert name.startswith("load-")
    context = Context(store)
    context.forget(name)
    assert Context(store).damaged == {}


def test_large_footers_are_read(place: Path):
    from jo_notebook.core.fingerprint import Fingerprint, Part
    from jo_notebook.core.record import Record

    parts = Fingerprint.of([Part("code", f"P{n}", "d" * 32, "text" * 20) for n in range(300)])
    Context(place).put(Record("Load", parts, "v1"), 1)
    assert Context(place).records["Load"].fingerprint == parts
    assert Context(place)["Load"] == 1


JUNK = [None, -1, 10**30, 1.5, "", "x", "\ud800", [], {}, [1], [[]], {"a": 1}, "e\u0301"]


def test_whole_but_senseless_footers_of_strangers_do_no_harm(place: Path):
    """Every field of a well-formed file, replaced by every kind of junk."""
    context = Context(place)
    context.put(record(), [1])
    context.fail(failure("Other"))
    for path in (*place.glob("results/*/1"), *place.glob("failures/*/1")):
        whole = path.read_bytes()
        for body in corrupted(path):
            path.write_bytes(body)
            context = Context(place)
            assert context.untrusted == {"Load"} or context.damaged or path.parts[-3] == "failures"
            assert [r.fingerprint.key + r.unsaved for r in context.records.values()] != [""]
            assert [f.fingerprint.key + f.error for f in context.failures.values()] != [""]
            for name in ("Load", "Other"):
                with contextlib.suppress(StoreError):
                    context.log(name)
            if context.damaged or context.untrusted:
                with contextlib.suppress(StoreError):  # a stranger's plain data can be read
                    assert context["Load"] == [1]
        path.write_bytes(whole)


def corrupted(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    length = _TAIL.unpack(raw[-_TAIL.size :])[2]
    head, body = raw[: -length - _TAIL.size], raw[-length - _TAIL.size : -_TAIL.size]
    for way in ways(json.loads(body)):
        for junk in JUNK:
            data = {**json.loads(body), "key": "a stranger's"}
            inner = data
            for step in way[:-1]:
                inner = inner[step]
            inner[way[-1]] = junk
            text = canonical(data)
            yield head + text + _TAIL.pack(hashlib.sha256(text).digest(), bytes(32), len(text), MAGIC)


def ways(data: object, before: tuple = ()) -> Iterator[tuple]:
    rows = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in rows:
        yield (*before, key)
        yield from ways(value, (*before, key))
