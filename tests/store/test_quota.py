"""How many results stay, how large a store may grow before somebody says so, and that nobody deletes for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from jo_notebook.core.definition import Definition, kept_of
from jo_notebook.core.source import parse_source
from jo_notebook.core.stepline import parse_step_line
from jo_notebook.errors import UsageError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.quota import parse_size
from jo_notebook.verbs import outcome_text
from tests.store.making import generations, record


def numbers(place: Path, step: str = "load") -> list[int]:
    return [int(path.name) for path in generations(place, step)]


def fill(context: Context, count: int, *, step: str = "Load", keep: int = 0) -> None:
    for n in range(count):
        context.put(record(step, f"v{n}"), n, keep=keep)


def test_how_many_stay(place: Path, monkeypatch: pytest.MonkeyPatch):
    fill(Context(place), 4)
    assert numbers(place) == [3, 4]
    fill(Context(place, keep=3), 2)
    assert numbers(place) == [4, 5, 6]
    fill(Context(place), 3, keep=5)
    assert numbers(place) == [5, 6, 7, 8, 9]
    monkeypatch.setenv("JO_KEEP", "1")
    fill(Context(place), 1)
    assert numbers(place) == [10]
    for wrong in ("many", "0", "-1", "1001"):
        monkeypatch.setenv("JO_KEEP", wrong)
        with pytest.raises(UsageError, match=r"JO_KEEP|generations"):
            Context(place)


def test_what_a_step_says_counts_for_it(place: Path):
    pipeline = Pipeline(Context(place))
    for n in range(5):
        pipeline.add(Definition("Many", parse_source(str(n)), keep=4))
        pipeline.add(Definition("Few", parse_source(str(n))))
        pipeline.materialize("Many", "Few")
    assert (numbers(place, "many"), numbers(place, "few")) == ([2, 3, 4, 5], [4, 5])
    pipeline.add(Definition("Many", parse_source("'other'"), keep=4))
    pipeline.accept("Many")
    assert numbers(place, "many") == [3, 4, 5, 6]
    assert Pipeline.open(place).dag["Many"].keep == 4
    assert [kept_of({"keep": keep}) for keep in (0, 1, 1000, 1001, "3", True, None)] == [0, 1, 1000, 0, 0, 0, 0]


def test_the_line_of_a_step():
    assert parse_step_line("Load --keep 5").keep == 5
    assert parse_step_line("Load").keep == 0
    for wrong in ("0", "1001", "-3", "many"):
        with pytest.raises(UsageError):
            parse_step_line(f"Load --keep {wrong}")


def test_the_one_in_use_is_not_pruned(place: Path):
    context = Context(place)
    fill(context, 2)
    assert context.use("Load", 1)
    context.put(record(version="new"), "new")
    assert numbers(place) == [1, 3]
    assert context.use("Load", 1)
    assert context["Load"] == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("5 GB", 5 * 10**9), ("500MB", 5 * 10**8), ("1.5 tb", 15 * 10**11), ("2 GiB", 2 << 30), ("7", 7), ("none", 0)],
)
def test_sizes(text: str, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["much", "5 gigs", "GB", "-1 GB", "5,5 GB", "1 2 GB"])
def test_what_is_no_size(text: str):
    with pytest.raises(UsageError, match="5 GB"):
        parse_size(text)


def test_above_the_quota_a_line_says_so_and_nothing_else_happens(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place, quota=4000)
    assert (context.crowding(), Context().crowding()) == ("", "")
    for step, size in (("Small", 1), ("Large", 30_000), ("Middle", 9_000), ("Medium", 5_000)):
        context.put(record(step), os.urandom(size))
    line = context.crowding()
    assert "more than the quota of 4 kB; the most is Large (3" in line
    assert line.index("Large") < line.index("Middle") < line.index("Medium")
    assert "Small" not in line
    assert line.endswith("Nothing is deleted by itself: say %context gc.")
    assert len(context) == 4
    assert Context(place).crowding() == ""
    monkeypatch.setenv("JO_QUOTA", "30 kB")
    assert "quota of 30 kB" in Context(place).crowding()
    monkeypatch.setenv("JO_QUOTA", "lots")
    with pytest.raises(UsageError, match="'lots' is no size"):
        Context(place)


def test_the_sum_is_that_of_the_files_and_costs_no_walk(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place)
    for n in range(30):
        context.put(record(f"Step{n % 10}", f"v{n}"), bytes(n))
    real = sum(p.stat().st_size for p in place.glob("results/*/*"))
    assert context._sizes.usage(context._disk).total == real
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(os.path.basename(path)) or scandir(path))
    context._sizes.usage(context._disk)
    assert listed == ["results"]
    context.put(record("Step3", "new"), bytes(5000))
    context._sizes.usage(context._disk)
    assert [name[:5] for name in listed if name.startswith("step")] == ["step3"]


def test_a_disk_that_is_nearly_full(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place)
    context.put(record(), os.urandom(20_000))

    def disk(total: int, free: int) -> None:
        usage = SimpleNamespace(total=total, used=total - free, free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    disk(1_000_000, 90_000)
    assert context.crowding().startswith("The disk is 91 % full, and results take 2")
    disk(1_000_000, 300_000)
    assert context.crowding() == ""
    disk(100_000_000, 90_000)  # ours are a drop in it
    assert context.crowding() == ""


def test_it_is_said_after_a_run_that_stored_something(place: Path):
    pipeline = Pipeline(Context(place, quota=1000))
    pipeline.add(Definition("Load", parse_source("bytes(5000)")))
    pipeline.materialize("Load")
    assert "more than the quota of 1 kB" in outcome_text(pipeline)
    pipeline.materialize("Load")
    assert "quota" not in outcome_text(pipeline)
