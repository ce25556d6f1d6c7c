"""A disk that is full, fails, or may not be written: told every time, and what was there stays."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jo_notebook.store import Context
from tests.torture.conftest import Mount
from tests.torture.making import dice, leftovers, number_of, outcome, record, tree, value
from tests.torture.runs import limits

SIZE = 300_000


def test_10_fsize(place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """10: a limit to the size of a file: told by put and by a run, with the reason; the old value stays."""
    count = trials(20, 200)
    limits(place, tally, count)
    assert [tally[word] for word in ("told with the reason", "told by a run", "old value there")] == [count] * 3
    assert (tally["saved again"], tally["orphans"]) == (1, 0)


def test_11_enospc(mount: Mount, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """11: a full disk: nothing silent, nothing lost, readable while full; saves again once there is room."""
    disk, random = mount("tmpfs", "-o", "size=6m"), dice(11)
    place, filler, old = disk / "analysis.jo", disk / "filler", 1
    Context(place).put(record(), value(old, SIZE))
    for trial in range(trials(25, 500)):
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(bytes(free - random.choice((0, 1, 2, 20, 60, 70)) * 4096))
        new = old + 1
        told = Context(place).put(record(), value(new, SIZE)).unsaved
        seen = number_of(outcome(Context(place), "Load"), SIZE)
        tally["trials"] += 1
        tally["refused"] += "No space left" in told
        tally["silent"] += not told and seen != new
        tally["lost"] += seen != (old if told else new)
        tally["orphans"] += len(leftovers(place)) + len(Context(place).damaged)
        filler.unlink()
        old = 1000 + 2 * trial
        tally["saved again"] += not Context(place).put(record(), value(old, SIZE)).unsaved
        tally["lost"] += number_of(outcome(Context(place), "Load"), SIZE) != old
    assert (tally["silent"], tally["lost"], tally["orphans"]) == (0, 0, 0)
    assert tally["saved again"] == tally["trials"]
    assert tally["refused"] >= 0.5 * tally["trials"]


def test_25_readonly(mount: Mount, tally: Counter[str]) -> None:
    """25: a directory that cannot be written: all loads work, a save says why it is not kept, nothing raises."""
    disk = mount("tmpfs")
    place, sizes = disk / "analysis.jo", (200, 40_000, 800_000)
    context = Context(place)
    for size in sizes:
        context.put(record(f"Size{size}"), value(1, size))
        context.put(record(f"Size{size}"), value(2, size))
    before = tree(place)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    context = Context(place)
    for size in sizes:
        assert number_of(context[f"Size{size}"], size) == 2
        assert context.use(f"Size{size}", 1)
        assert number_of(context[f"Size{size}"], size) == 1
        told = context.put(record(f"Size{size}"), value(3, size)).unsaved
        assert "Read-only" in told
        assert number_of(context[f"Size{size}"], size) == 3
        assert number_of(Context(place)[f"Size{size}"], size) == 2
        tally["trials"] += 1
    assert "Read-only" in Context(place).put(record("New"), 1).unsaved
    assert (context.verify(), context.damaged, context.problems) == ({}, {}, [])
    assert "Read-only" in Context(disk / "other.jo").put(record(), 1).unsaved
    assert tree(place) == before


class Failing:
    """Calls of the system, of which one fails; a call that is not the one is really made."""

    def __init__(self, patch: pytest.MonkeyPatch, code: int, which: int, *names: str) -> None:
        self.calls, self.failed = itertools.count(1), False
        for name in names:
            patch.setattr(os, name, self._made(getattr(os, name), code, which))

    def _made(self, real: Callable[..., object], code: int, which: int) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            if next(self.calls) == which:
                self.failed = True
                raise OSError(code, os.strerror(code))
            return real(*args, **options)

        return call


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (errno.EIO, ("fsync", "fdatasync")),
        (errno.ENOSPC, ("write", "writev", "link")),
        (errno.EIO, ("link",)),
        (errno.EDQUOT, ("mkdir",)),
        (errno.ENOSPC, ("open",)),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "-".join(value),
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "again"])
def test_31_sudden_error(
    code: int, names: tuple[str, ...], first: bool, place: Path, tally: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """31: each call of a save fails in turn: told, or not needed for the value to be durable; the old value stays."""
    for which in itertools.count(1):
        place = place.with_stem(f"which{which}")
        if not first:
            Context(place).put(record(), value(1, SIZE))
        context = Context(place)
        with monkeypatch.context() as patch:
            failing = Failing(patch, code, which, *names)
            told = context.put(record(), value(2, SIZE)).unsaved
        if not failing.failed:
            break
        seen = outcome(Context(place), "Load")
        tally["trials"] += 1
        tally["told"] += os.strerror(code) in told
        if told:
            assert number_of(seen, SIZE) == (-1 if first else 1)
        else:
            assert number_of(seen, SIZE) == 2
            assert "sync" not in names[0]  # what could not be synced is not durable
        assert number_of(context["Load"], SIZE) == 2
        assert Context(place).verify() == {}
        assert leftovers(place) == []
        assert context.put(record(), value(3, SIZE)).unsaved == ""
        assert number_of(Context(place)["Load"], SIZE) == 3
    assert tally["told"] >= 1 or names == ("mkdir",)
