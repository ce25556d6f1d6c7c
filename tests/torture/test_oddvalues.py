"""Values that are hard to keep: back as they were, or told to be unsaved and why; never lost in silence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.torture.making import rows, run, start
from tests.torture.oddvalues import HOLDERS, INSTANCES, MODES, names


def told(role: str, kind: str, place: Path, tally: Counter[str]) -> dict[int, list[Any]]:
    """What became of each value; a process that dies goes on, as another, after the value that killed it."""
    found: dict[int, list[Any]] = {}
    count, first = len(list(names(kind))), 0
    while first < count:
        process = start(role, place, first, kind, module="oddvalues")
        seen = list(rows(process))
        if process.wait() != 0:
            tally["died"] += 1
            first = seen[-1][1]
            found[first] = ["died", process.returncode, 0]
        found.update((number, rest) for word, number, *rest in seen if word == "end")
        first = max(found) + 1
    return found


def faults(kind: str, place: Path, tally: Counter[str]) -> list[tuple[str, ...]]:
    """What was not as it must be."""
    saved, loaded = told("save", kind, place, tally), told("load", kind, place, tally)
    found = []
    for number, _, name, shape in names(kind):
        (why, raw), (works, error, old) = saved[number][:2], loaded[number]
        tally["trials"] += 1
        tally["working"] += works is True
        tally["unsaved"] += bool(why)
        if raw or str(error).startswith("raw") or "died" in (why, works):
            found.append((name, shape, "raw", raw, error))
        if not why and works is not True:
            found.append((name, shape, "silently lost", error))
        if why and not why.startswith("result['odd'][1]" if shape == "nested" else "result"):
            found.append((name, shape, "without the way", why[:120]))
        if old != 1:
            found.append((name, shape, "the old value is lost"))
    return found


def test_19_oddvalues(place: Path, tally: Counter[str]) -> None:
    """19: each value comes back working, or is told to be unsaved with the way to the culprit; the old value stays."""
    assert faults("values", place, tally) == []
    assert tally["trials"] >= 23


def test_19_exits(place: Path, tally: Counter[str]) -> None:
    """19: a value whose own code calls sys.exit is refused as any other."""
    assert faults("exits", place, tally) == []


def test_20_filehandle(place: Path, tmp_path: Path, tally: Counter[str]) -> None:
    """20: a value that holds an open file, in four modes, is refused or read back without touching the file."""
    folder = tmp_path / "files"
    folder.mkdir()
    for mode in MODES:
        for holder in HOLDERS:
            (folder / f"File_{'plus' if mode == 'r+' else mode}_{holder}").write_text("of the user, and long enough\n")
    saved = dict(run("handles", place, folder, "save", module="oddvalues"))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    run("handles", place, folder, "load", module="oddvalues")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path, data in before.items() if b"user" not in data] == []
    tally["trials"] = len(before)
    tally["refused"] = sum(map(bool, saved.values()))
    assert [(step, why) for step, why in saved.items() if "file" not in why] == []


def test_21_classid(place: Path, tally: Counter[str]) -> None:
    """21: instances of a notebook's class, nested in containers, are instances of it in the next kernel, too."""
    saved = run("instances", place, "save", module="oddvalues")
    assert [row for row in saved if row[1]] == []
    loaded = run("instances", place, "load", module="oddvalues")
    tally["trials"] = len(loaded)
    assert [row for row in loaded if row[1] is not True] == []
    assert len(loaded) == len(INSTANCES)
