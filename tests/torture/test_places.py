"""Links to a user's files, clocks that are wrong, directories that move, values that change afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from jo_notebook.errors import StoreError
from jo_notebook.store import Context
from tests.torture.injuries import NAMES, NEWEST, build, is_value, value_of
from tests.torture.making import LONG, ROOT, files, number_of, outcome, record, run, tree, value

DAYS = 24 * 3600
FEW = ("Plain", "Text")
YEARS = {"1970": 0, "2033": 1_990_000_000}


def use(place: Path) -> None:
    """All that changes a store; what the store refuses, it refuses in its own words."""
    context = Context(place)
    acts: list[Callable[[], object]] = [
        context.verify,
        context.trust,
        context.refresh,
        context.definitions,
        lambda: context.save_definition("Plain", {"text": "new"}),
        lambda: context.drop_definition("Text"),
        *(lambda name=name: context.put(record(name), value_of(name, 3)) for name in FEW),
        *(lambda name=name: context.bless(name, record(name, "v9")) for name in FEW),
        lambda: context.fail(_failure()),
        lambda: context.rename("Text", "Renamed"),
        lambda: context.rename("Plain", "Copied", copy=True),
        *(lambda name=name: context.forget(name) for name in (*FEW, "Renamed", "Broken")),
    ]
    for act in acts:
        try:
            act()
        except StoreError:
            continue
    Context(place)


def _failure() -> Any:
    from tests.torture.injuries import FAILURE

    return FAILURE


@pytest.mark.parametrize("foreign", [False, True], ids=["mine", "foreign"])
@pytest.mark.parametrize("kind", ["symbolic", "hard", "dangling", "shelf"])
def test_15_links(
    kind: str, foreign: bool, place: Path, tmp_path: Path, tally: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """15: any file or directory of the store is a link to something of the user's: nothing of it changes."""
    base, users = tmp_path / "base" / place.name, tmp_path / "of the user"
    base.parent.mkdir()
    build(base, FEW)
    (base / "tmp").mkdir(exist_ok=True)
    if foreign:
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data of another"))
    for path in sorted(base.rglob("*")):
        name = path.relative_to(base)
        if (kind == "hard" and path.is_dir()) or (kind == "shelf") != (path.is_dir() and path.parent == base):
            continue
        for whole in (True, False) if path.is_file() and kind != "dangling" and LONG else (True,):
            shutil.rmtree(users, ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(base, place)
            target = users / "thing"
            users.mkdir()
            if kind != "dangling":
                shutil.move(place / name, target)  # what it was, so that everything seems to be in order
            elif path.is_dir():
                shutil.rmtree(place / name)
            else:
                (place / name).unlink()
            if not whole:
                target.write_text("a thesis")
            before = tree(users)
            os.link(target, place / name) if kind == "hard" else (place / name).symlink_to(target)
            use(place)
            tally["trials"] += 1
            assert tree(users) == before, name


@pytest.mark.parametrize("year", YEARS)
def test_27_clock(year: str, place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """27: clocks that are years off, file times of 1970 and 2033: the last save wins."""
    for n in range(1, trials(10, 50) // 2 + 1):
        shift = 400 * DAYS * (-1) ** n
        assert run("put_once", place, "Load", n, 500, shift) == [[""]]
        assert number_of(Context(place)["Load"], 500) == n
        for path in files(place) if n % 2 else files(place)[::2]:
            os.utime(path, (YEARS[year], YEARS[year]))
        tally["trials"] += 1
        tally["last save won"] += number_of(Context(place)["Load"], 500) == n
        lasting = Context(place)
        assert run("put_once", place, "Load", -n, 500, -shift) == [[""]]
        lasting.refresh()
        tally["last save won"] += number_of(lasting["Load"], 500) == -n
        assert Context(place).damaged == {}
    assert tally["last save won"] == 2 * tally["trials"]


@pytest.mark.parametrize("how", ["copied", "renamed", "relative", "zipped", "copied without times", "through a link"])
def test_28_moved(how: str, place: Path, tmp_path: Path, tally: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """28: a store that is copied, renamed, zipped or reached by another way loads; the old place is not touched."""
    build(place)
    there = tmp_path / "else" / "other name.jo"
    there.parent.mkdir()
    if how == "renamed":
        place.rename(there)
    elif how == "zipped":
        archive = shutil.make_archive(str(tmp_path / "archive"), "zip", place)
        shutil.unpack_archive(archive, there)
    elif how == "through a link":
        there.symlink_to(place)
    elif how == "relative":
        monkeypatch.chdir(tmp_path)
        there = Path(place.name)
    else:
        shutil.copytree(place, there, copy_function=shutil.copy if "without" in how else shutil.copy2)
    here = tree(place) if place.exists() else {}
    context = Context(there)
    monkeypatch.chdir(tmp_path / "else")  # a path that was relative stays what it was
    for name in NAMES:
        assert is_value(name, NEWEST, context[name])
        assert context.use(name, 1)
        assert is_value(name, 1, context[name])
        tally["trials"] += 1
    assert (context.damaged, context.untrusted, context.problems) == ({}, frozenset(), [])
    assert context.verify() == {}
    assert set(context.definitions()) == set(NAMES[:2])
    if how in ("copied", "zipped", "copied without times"):
        context.put(record("Plain"), 3)
        context.rename("Text", "New")
        context.forget("Code")
        assert tree(place) == here
        assert is_value("Code", NEWEST, Context(place)["Code"])
    monkeypatch.chdir(tmp_path)
    assert (Context(there)["Array"] == value_of("Array", NEWEST)).all()
    command = [
        sys.executable,
        "-c",
        "import sys; from jo_notebook.store import Context; print(Context(sys.argv[1])['Plain'])",
    ]
    assert subprocess.run([*command, there], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True).returncode == 0


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "dictionary": (lambda: {"a": [1, 2]}, lambda v: v["a"].append(3)),
    "list": (lambda: [[1], 2], lambda v: v[0].clear()),
    "set": (lambda: {1, 2}, lambda v: v.clear()),
    "bytearray": (lambda: bytearray(b"abc"), lambda v: v.extend(b"d")),
    "array": (lambda: numpy.arange(9), lambda v: v.fill(7)),
    "large array": (lambda: numpy.arange(500_000), lambda v: v.fill(7)),
    "large array inside": (lambda: {"a": numpy.arange(500_000.0)}, lambda v: v["a"].fill(7)),
    "bytes beside a function": (lambda: [len, bytearray(300_000)], lambda v: v[1].extend(b"d")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_29_alias(name: str, place: Path, tally: Counter[str]) -> None:
    """29: what is done to a value after it was saved, or after it was read, does not show to the next kernel."""
    make, change = CHANGES[name]
    thing = make()
    Context(place).put(record(), thing)
    change(thing)
    before = tree(place)
    for _ in range(3):
        found = Context(place)["Load"]
        assert repr(found) == repr(make())
        for array in (found, found.get("a") if isinstance(found, dict) else None):
            if isinstance(array, numpy.ndarray):
                assert numpy.array_equal(array, make() if array is found else make()["a"])
        with contextlib.suppress(ValueError):  # an array that is mapped may be for reading only
            change(found)
        tally["trials"] += 1
    assert tree(place) == before
    assert Context(place).verify() == {}


def test_29_alias_while_mapped(place: Path, tally: Counter[str]) -> None:
    """29: a value that has been read stays what it was while newer ones are saved, pruned, forgotten, cut short."""
    context = Context(place)
    context.put(record(), value(1, 800_000))
    found = Context(place)["Load"]
    for n in range(2, 6):
        context.put(record(), value(n, 800_000))
        assert number_of(found, 800_000) == 1
        tally["trials"] += 1
    context.forget("Load")
    assert number_of(found, 800_000) == 1
    assert isinstance(outcome(Context(place), "Load"), StoreError)
