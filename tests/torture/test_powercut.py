"""A power cut at any moment of a save, of a rename, of an acceptance: what was committed is there, whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from jo_notebook.errors import ResultMissing, StoreError
from jo_notebook.store import Context
from tests.torture.making import number_of, outcome, record, value
from tests.torture.powercut import Trace, states

OLD, NEW, NOTHING = 1, 2, 0


def save(context: Context, size: int) -> str:
    return context.put(record(), value(NEW, size)).unsaved


def rename(context: Context, size: int) -> str:
    return "" if context.rename("Load", "Loaded") else "not renamed"


def bless(context: Context, size: int) -> str:
    return context.bless("Load", record(version="v2")).unsaved


@dataclass(frozen=True)
class Scene:
    """What is done to Load, saved so often before; what may be there until it has answered, and after."""

    work: Callable[[Context, int], str]
    times: int
    before: set[int]
    after: set[int]
    names: tuple[str, ...] = ("Load",)
    size: int = 20_000


SCENES = {
    "first save": Scene(save, 0, {NOTHING, NEW}, {NEW}),
    "save": Scene(save, 2, {OLD, NEW}, {NEW}),
    "save an array": Scene(save, 2, {OLD, NEW}, {NEW}, size=400_000),
    "rename": Scene(rename, 1, {OLD}, {OLD}, ("Loaded", "Load")),
    "bless": Scene(bless, 2, {OLD}, {OLD}),
}


def number(context: Context, size: int, *names: str) -> int:
    """Which value is there, under the first of these names that has any; -1 for damage and for anything else."""
    for name in names:
        found = outcome(context, name)
        if not isinstance(found, ResultMissing):
            return -1 if isinstance(found, StoreError) else number_of(found, size)
    return NOTHING


@pytest.mark.parametrize("scene", SCENES)
def test_04_powercut(scene: str, tmp_path: Path, tally: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """4: all states a power cut can leave: nothing lost, destroyed or wrong; what has answered is durable."""
    asked = SCENES[scene]
    old, new = value(OLD, asked.size), value(NEW, asked.size)
    root = tmp_path / "disk"
    root.mkdir()
    place = root / "analysis.jo"
    context = Context(place)
    for _ in range(asked.times):
        context.put(record(), old)
    if asked.times:
        context.put(record("Other"), value(7, 100))
        context = Context(place)
    trace = Trace(root)
    with monkeypatch.context() as patch:
        trace.watching(patch)
        refused = asked.work(context, asked.size)
        trace.mark("answered")
        if scene.endswith("save"):  # the next save prunes and goes on from there
            context.put(record(), new)
            trace.mark("end")
    assert not refused
    answered, faults = trace.marks["answered"], []
    for mode, moment, build in states(trace, answered):
        target = tmp_path / "after" / "disk"
        target.parent.mkdir(exist_ok=True)
        build(target)
        left = Context(target / place.name)
        found = number(left, asked.size, *asked.names)
        tally["trials"] += 1
        tally[f"{mode} {('old', 'old', 'new')[found] if found >= 0 else 'wrong'}"] += 1
        told = dict(left.damaged) | left.verify()
        others = number_of_other(left) if asked.times else True
        if found not in (asked.after if moment >= answered else asked.before) or told or not others:
            faults.append((mode, moment, trace.moments[moment].call, found, told, others))
        saved = left.put(record(), old).unsaved
        if saved or number(Context(target / place.name), asked.size, "Load") != OLD:
            faults.append((mode, moment, trace.moments[moment].call, "cannot save again", saved))
    assert faults == []
    assert tally["trials"] >= 20


def number_of_other(context: Context) -> bool:
    return outcome(context, "Other") == value(7, 100)
