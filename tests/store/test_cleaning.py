"""What nobody needs leaves when somebody says so, and nothing else ever does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from jo_notebook.core.definition import Definition
from jo_notebook.core.source import parse_source
from jo_notebook.errors import NotTheSame, StoreError, UsageError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.shelf import Shelf
from jo_notebook.verbs import find, perform
from tests.store.making import failure, flip, generations, record, run

DEAD = """
import os, sys
from jo_notebook.store.scratch import Scratch
out, path = (keep := Scratch(sys.argv[1] + "/tmp").draft()).__enter__()
out.write(b"x" * 5000); out.flush()
os.kill(os.getpid(), 9)
"""


def fill(place: Path, count: int = 4, step: str = "Load", *, keep: int = 9) -> Context:
    context = Context(place, keep=keep)
    for n in range(1, count + 1):
        context.put(record(step, f"v{n}"), f"value {n}")
    return context


def said(rows: list) -> list[tuple[str, str]]:
    return [(row.step, row.what) for row in rows]


def numbers(place: Path, step: str = "load") -> list[int]:
    return [int(path.name) for path in generations(place, step)]


def test_what_is_beyond_the_number_leaves(place: Path):
    fill(place, 5)
    context = Context(place)
    told = context.gc(dry_run=True)
    assert said(told) == [("Load", "generation 1"), ("Load", "generation 2"), ("Load", "generation 3")]
    assert [row.size for row in told] == [path.stat().st_size for path in generations(place)[:3]]
    assert numbers(place) == [1, 2, 3, 4, 5]
    assert context.gc() == told
    assert numbers(place) == [4, 5]
    assert context.gc() == []
    assert said(context.gc(1)) == [("Load", "generation 4")]
    assert (Context(place)["Load"], context["Load"]) == ("value 5", "value 5")
    assert Context().gc() == []


def test_a_step_says_for_itself_and_a_number_for_all(place: Path):
    pipeline = Pipeline(Context(place))
    for n in range(5):
        pipeline.add(Definition("Many", parse_source(str(n)), keep=4))
        pipeline.materialize("Many")
    assert pipeline.context.gc() == []
    assert numbers(place, "many") == [2, 3, 4, 5]
    assert len(pipeline.context.gc(1)) == 3


def test_the_newest_the_used_and_the_damaged_stay(place: Path):
    fill(place, 6)
    context = Context(place)
    assert context.use("Load", 2)
    flip(generations(place)[2], -40)  # the footer of number 3
    flip(generations(place)[3], 130)  # the value of number 4
    context.verify()
    context.gc(1)
    assert numbers(place) == [2, 3, 4, 6]
    assert context["Load"] == "value 2"
    flip(generations(place)[-1], -40)
    context = Context(place)
    context.gc(1)  # with a damaged newest one the newest whole one stays
    assert 2 in numbers(place)


def test_what_others_made_stays(place: Path, stranger, tmp_path: Path):
    fill(place, 2)
    with stranger():
        fill(place, 2)  # 3 and 4
    fill(place, 2)  # 5 and 6
    other = tmp_path / "other.jo"
    fill(other, 8)
    for path in generations(other)[6:7]:
        shutil.copy(path, generations(place)[0].with_name("7"))
    context = Context(place)
    context.gc(1)
    assert numbers(place) == [4, 6, 7]
    assert "another store" in context.damaged["Load"]


def test_failures_that_are_overtaken(place: Path):
    context = fill(place, 1)
    context.fail(failure("Load"))
    context.fail(failure("Other"))
    assert context.gc() == []
    hidden = next(place.glob("failures/load-*/1"))
    kept = hidden.read_bytes()
    context.put(record(version="v2"), 2)
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_bytes(kept)  # as where a kernel was killed between the two
    assert said(Context(place).gc()) == [("Load", "failure 1")]
    assert list(Context(place).failures) == ["Other"]
    assert not hidden.parent.exists()


def test_what_killed_writers_left(place: Path):
    context = fill(place, 1)
    with pytest.raises(subprocess.CalledProcessError):
        run(DEAD, place)
    (told,) = context.gc(dry_run=True)
    assert (told.step, told.what, told.size) == ("", "leftover", 5000)
    assert context.gc() == [told]
    assert os.listdir(place / "tmp") == []


def test_orphans_only_when_asked(place: Path):
    context = fill(place, 2, "Gone")
    fill(place, 2, "Stays")
    context.fail(failure("Gone"))
    assert context.gc() == []
    rows = Context(place).gc(orphans=["Gone"], dry_run=True)
    assert said(rows) == [("Gone", "generation 1"), ("Gone", "generation 2"), ("Gone", "failure 1")]
    context = Context(place)
    assert context.gc(orphans=["Gone"]) == rows
    assert (list(context), list(Context(place)), dict(context.failures)) == (["Stays"], ["Stays"], {})
    assert not list(place.glob("*/gone-*"))


def test_a_kernel_that_saves_meanwhile_loses_nothing(place: Path, monkeypatch: pytest.MonkeyPatch):
    context, there = fill(place, 3), Context(place)
    at_work = []

    from jo_notebook.store import cleaning

    monkeypatch.setattr(cleaning, "newest_number", lambda *args: (unlinking_first(), 9)[1])

    def unlinking_first() -> None:
        if not at_work:
            at_work.append(1)
            there.forget("Load")
            there.put(record(version="new"), "new")

    assert context.gc(1) == []  # number 1 is another file by now
    assert (Context(place)["Load"], numbers(place)) == ("new", [1])


def test_a_disk_that_refuses(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = fill(place, 3)

    def refuse(path, *args, **rest):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        context.gc(1)
    assert numbers(place) == [1, 2, 3]


def test_damaged_files_are_set_aside(place: Path):
    fill(place, 3)
    one, two, three = generations(place)
    flip(one, -40)
    flip(three, 130)
    hurt = one.read_bytes(), three.read_bytes()
    (place / "damaged").mkdir()
    (place / "damaged" / f"{one.parent.name}-1").write_bytes(b"another")
    context = Context(place)
    assert context.quarantine() == {
        "Load, generation 1": f"damaged/{one.parent.name}-1-2",
        "Load, generation 3": f"damaged/{one.parent.name}-3",
    }
    assert (place / "damaged" / f"{one.parent.name}-1").read_bytes() == b"another"
    assert (place / "damaged" / f"{one.parent.name}-1-2").read_bytes() == hurt[0]
    assert (place / "damaged" / f"{one.parent.name}-3").read_bytes() == hurt[1]
    assert numbers(place) == [2]
    for look in (context, Context(place)):
        assert look.damaged == {"Load": "generation 3 is gone"}
        assert look.quarantine() == {}
    (three.parent / "HEAD").unlink()
    flip(two, 130)
    assert list(Context(place).quarantine()) == ["Load, generation 2"]
    assert Context(place).damaged == {"Load": "generation 2 is gone"}
    Context(place).put(record(), "again")
    assert Context(place).verify() == {}
    assert Context().quarantine() == {}


def test_a_file_of_nobody_stays_where_it_is(place: Path):
    fill(place, 1)
    (path,) = generations(place)
    path.write_bytes(b"nothing of it is left")
    (path.parent / "HEAD").unlink()
    assert Context(place).quarantine() == {}
    assert path.exists()
    assert list(Context(place).damaged) == [path.parent.name]


def ask(pipeline: Pipeline, line: str) -> str:
    return perform(pipeline, find("context"), line, "%context").text


def test_the_words(place: Path, monkeypatch: pytest.MonkeyPatch):
    fill(place, 5)
    fill(place, 1, "Other")
    pipeline = Pipeline.open(place)
    pipeline.add(Definition("Load", parse_source("1")))
    dry = ask(pipeline, "gc --dry-run").splitlines()
    assert re.fullmatch(r"Load   generation 1   \S+ k?B   beyond the 2 that stay", dry[0])
    assert re.fullmatch(r"3 files, \S+ kB would be removed\.", dry[-1])
    assert re.search(r"\n4 files, \S+ kB were removed\.$", ask(pipeline, "gc --keep 1"))
    assert ask(pipeline, "gc --keep 1") == "There is nothing to remove."
    assert re.search(r"1 file, \S+ k?B was removed\.$", ask(pipeline, "gc --orphans"))
    assert list(Context(place)) == ["Load"]
    for line, wrong in (
        ("gc --keep 0", "from 1 to 1000"),
        ("gc Load", "takes nothing"),
        ("trust --orphans", "does not know --orphans"),
        ("--dry-run", "does not know --dry-run"),
        ("restore", "which step"),
        ("restore Load Other --generation 1", "of one step"),
        ("gcc", "Did you mean gc"),
    ):
        with pytest.raises(UsageError, match=wrong):
            ask(pipeline, line)
    flip(generations(place)[-1], 130)
    with pytest.raises(NotTheSame, match=r"Moved: Load, generation 5 is in damaged/load-\w+-5 now."):
        ask(pipeline, "verify --quarantine")
    assert "say %context gc" not in ask(pipeline, "")
    pipeline.context.quota = 1
    assert "Nothing is deleted by itself: say %context gc." in ask(pipeline, "")


def test_orphans_are_not_those_a_kernel_has_not_taken_in(place: Path):
    pipeline = Pipeline(Context(place))
    pipeline.add(Definition("Load", parse_source("1")))
    pipeline.materialize("Load")
    assert ask(Pipeline(Context(place)), "gc --orphans") == "There is nothing to remove."
    assert isinstance(Pipeline(Context(place)).context._disk.results, Shelf)
