"""Older generations: which there are, and one of them standing for its step."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged, ResultMissing
from jo_notebook.store import Context
from jo_notebook.store.plain import check_types
from tests.store.making import FINGERPRINT, failure, flip, generations, record


def said(n: int) -> tuple[LogEntry, ...]:
    return (LogEntry("stdout", f"run {n}"),)


def fill(place: Path, count: int = 2, keep: int = 9) -> Context:
    context = Context(place, keep=keep)
    for n in range(1, count + 1):
        context.put(record(version=f"v{n}"), n, said(n))
    return context


def versions(context: Context, name: str = "Load") -> list[tuple[int, str]]:
    return [(n, old.version) for n, old in context.older(name)]


def test_older_generations_are_listed_newest_first(place: Path):
    assert versions(fill(place, 3)) == [(2, "v2"), (1, "v1")]
    assert versions(Context(place)) == [(2, "v2"), (1, "v1")]
    assert Context(place).older("Nobody") == []
    context = Context()
    context.put(record(), 1)
    assert context.older("Load") == []


def test_one_of_them_can_stand_for_the_step(place: Path):
    context = fill(place)
    assert context.in_use("Load") == 0
    assert context.use("Load", 1)
    assert context.held("Load") == "disk"
    assert (context["Load"], context.held("Load"), context.in_use("Load")) == (1, "memory", 1)
    assert context.log("Load") == said(1)
    assert context.records["Load"] == context.record("Load")
    assert context.records["Load"].version == "v1"
    assert versions(context) == [(1, "v1")]
    assert list(context) == ["Load"]
    assert Context(place)["Load"] == 2
    assert context.use("Load", 0)
    assert context.held("Load") == "disk"
    assert (context["Load"], context.log("Load"), context.in_use("Load")) == (2, said(2), 0)
    assert context.use("Load", 1)
    assert context["Load"] == 1
    assert context.use("Load", 2)  # the newest by its number
    assert (context["Load"], context.in_use("Load")) == (2, 0)


def test_what_is_not_there_cannot_be_used(place: Path):
    context = fill(place, 3, keep=2)
    before = context.version
    for name, number in (("Load", 1), ("Load", 4), ("Load", -1), ("Nobody", 1), ("Nobody", 0)):
        assert not context.use(name, number)
    assert (context["Load"], context.version) == (3, before)
    assert context.use("Load", 0)
    assert context.version == before


def test_a_value_stays_in_memory_where_nothing_changes(place: Path):
    context = fill(place)
    context.use("Load", 1)
    value, version = context["Load"], context.version
    assert context.use("Load", 1)
    assert context.held("Load") == "memory"
    assert context["Load"] is value
    assert context.version == version
    context.drop_memory("Load")
    assert (context.held("Load"), context["Load"]) == ("disk", 1)


def test_a_newer_result_ends_the_use(place: Path):
    context = fill(place)
    context.use("Load", 1)
    context.put(record(version="v3"), 3)
    assert (context["Load"], context.in_use("Load")) == (3, 0)
    assert versions(context) == [(2, "v2"), (1, "v1")]
    assert context.use("Load", 1)
    assert context["Load"] == 1
    context.forget("Load")
    assert (context.in_use("Load"), context.older("Load"), "Load" in context) == (0, [], False)


def test_a_refresh_keeps_the_use_until_another_kernel_has_a_newer_result(place: Path):
    here = fill(place)
    here.use("Load", 1)
    assert here["Load"] == 1
    here.refresh()
    assert (here.held("Load"), here["Load"], here.in_use("Load")) == ("memory", 1, 1)
    Context(place, keep=9).put(record(version="v3"), 3)
    assert here["Load"] == 1
    here.refresh()
    assert (here.held("Load"), here["Load"], here.in_use("Load")) == ("disk", 3, 0)
    assert here.use("Load", 1)
    here.refresh()
    assert here["Load"] == 1


def test_what_another_kernel_prunes_is_not_served_for_something_else(place: Path):
    here = fill(place)
    assert versions(here) == [(1, "v1")]
    there = Context(place)
    there.put(record(version="v3"), 3)
    assert not here.use("Load", 1)
    here.refresh()
    assert here.use("Load", 2)
    there.put(record(version="v4"), 4)
    assert versions(here) == []
    with pytest.raises(ResultMissing, match="Load's generation 2, which was in use, is gone"):
        here["Load"]
    assert here["Load"] in (3, 4)
    here.refresh()
    assert here["Load"] == 4


def test_forgotten_and_made_again_elsewhere(place: Path):
    here = fill(place)
    here.use("Load", 1)
    there = Context(place, keep=9)
    there.forget("Load")
    for n in (11, 12):
        there.put(record(version=f"v{n}"), n)
    here.refresh()
    assert (here["Load"], here.in_use("Load")) == (12, 0)
    assert versions(here) == [(1, "v11")]


def test_a_result_in_memory_only_is_not_lost(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = fill(place)
    lock = threading.Lock()
    context.put(record(version="v3"), lock)
    assert context.record("Load").unsaved  # its story is generation 3
    for number in (2, 1):
        assert not context.use("Load", number)
    assert context["Load"] is lock
    again = Context(place)
    assert again.use("Load", 2)
    assert again["Load"] == 2
    with monkeypatch.context() as change:
        change.setattr("os.fsync", _refuse)
        again.put(record(version="v4"), 4)
    assert not again.use("Load", 1)
    assert (again["Load"], again.in_use("Load")) == (4, 0)
    assert again.use("Load", 0)


def _refuse(fd: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_directory_that_disappears_leaves_the_value_in_use(place: Path):
    context = fill(place)
    context.use("Load", 1)
    assert context["Load"] == 1
    shutil.rmtree(place)
    context.refresh()
    assert (context["Load"], context.in_use("Load")) == (1, 0)
    assert (context.record("Load").version, context.record("Load").unsaved) == ("v1", "analysis.jo is gone")


@pytest.mark.parametrize("position", [-1, 10])
def test_an_older_one_instead_of_a_damaged_one(place: Path, position: int):
    fill(place)
    path = generations(place)[-1]
    flip(path, position % path.stat().st_size)
    context = Context(place)
    with pytest.raises(ResultDamaged):
        context["Load"]
    assert "generation 2" in context.damaged["Load"]
    assert versions(context) == [(1, "v1")]
    assert context.use("Load", 1)
    assert context.damaged == {}
    assert (context["Load"], context.log("Load")) == (1, said(1))
    context.refresh()
    assert (context["Load"], context.in_use("Load")) == (1, 1)
    assert context.use("Load", 0)
    assert "generation 2" in context.damaged["Load"]


def test_a_damaged_older_one(place: Path):
    fill(place, 3)
    one, two, _ = generations(place)
    flip(one, one.stat().st_size - 1)
    flip(two, 128)  # in the value: its footer is whole
    context = Context(place)
    assert versions(context) == [(2, "v2")]
    assert not context.use("Load", 1)
    assert context.use("Load", 2)
    with pytest.raises(ResultDamaged, match="generation 2"):
        context["Load"]
    assert "generation 2" in context.damaged["Load"]
    context.refresh()
    assert "generation 2" in context.damaged["Load"]
    assert versions(context) == []
    assert context.use("Load", 0)
    assert (context["Load"], context.damaged) == (3, {})
    assert not context.use("Load", 2)


def test_damage_to_the_one_in_use_shows_at_the_next_refresh(place: Path):
    context = fill(place)
    context.use("Load", 1)
    path = generations(place)[0]
    flip(path, path.stat().st_size - 1)
    context.refresh()
    assert "generation 1" in context.damaged["Load"]
    assert context.use("Load", 0)
    assert context["Load"] == 2


def test_failures_are_overtaken_by_numbers(place: Path):
    context = fill(place)
    context.fail(failure(), said(7))
    context.use("Load", 1)
    assert (context.failures, context.log("Load")) == ({"Load": failure()}, said(7))
    context.put(record(version="v3"), 3)
    assert context.failures == {}


def test_generations_made_elsewhere(place: Path, stranger):
    with stranger():
        fill(place)
    context = Context(place, keep=9)
    assert versions(context) == [(1, "v1")]
    context.put(record(version="v3"), 3)
    assert (versions(context), context.untrusted) == ([(2, "v2"), (1, "v1")], frozenset())
    assert context.use("Load", 1)
    assert context.untrusted == {"Load"}
    assert context.log("Load") == said(1)
    assert context["Load"] == 1  # plain data, from whomever
    context.trust()
    assert (context.in_use("Load"), context.untrusted, context["Load"]) == (1, frozenset(), 1)


def test_a_record_of_a_strangers_with_wrong_types_is_not_listed(place: Path, stranger):
    with stranger():
        context = Context(place, keep=9)
        context.put(record(version=3), 1)  # type: ignore[arg-type]
        context.put(record(version="v2"), 2)
    assert Context(place).older("Load") == []


def test_the_version_grows_with_every_change(place: Path, stranger):
    with stranger():
        Context(place).put(record("Foreign"), 1)
    context = Context(place)
    seen = [context.version]

    def changed(grows: bool = True) -> None:
        assert (context.version > seen[-1]) is grows
        seen.append(context.version)

    context.refresh()
    changed(False)
    for n in (1, 2):
        context.put(record(version=f"v{n}"), n)
        changed()
    context.drop_memory("Load")
    changed()
    context.drop_memory("Load")
    changed(False)
    assert context["Load"] == 2
    changed()
    assert (context["Load"], context.log("Load"), len(context.older("Load")), len(context)) == (2, (), 1, 2)
    context.refresh()
    changed(False)
    context.use("Load", 1)
    changed()
    context.refresh()
    changed(False)
    context.use("Load", 0)
    changed()
    context.fail(failure())
    changed()
    context.refresh()
    changed(False)
    context.bless("Load", record())
    changed()
    assert context.rename("Load", "Loaded")
    changed()
    context.refresh()
    changed(False)
    Context(place).put(record("Other"), 1)
    changed(False)
    context.refresh()
    changed()
    context.trust()
    changed()
    flip(generations(place, "other")[0], 130)
    with pytest.raises(ResultDamaged):
        context["Other"]
    changed()
    context.refresh()
    changed(False)
    context.forget("Other")
    changed()
    assert Context().version != context.version


def test_threads_use_and_read(place: Path):
    context = fill(place)
    wrong: list[object] = []

    def work() -> None:
        for n in range(60):
            context.use("Load", n % 2)
            if context["Load"] not in (1, 2):
                wrong.append(n)
            context.refresh()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert context["Load"] == (context.in_use("Load") or 2)


def test_a_story_without_a_value_is_listed_and_says_so(place: Path):
    context = Context(place)
    context.put(record(version="v1"), threading.Lock())
    context.put(record(version="v2"), 2)
    ((number, old),) = context.older("Load")
    assert old.unsaved == "result: thread lock"
    assert context.use("Load", number)
    assert context.held("Load") == ""
    with pytest.raises(ResultMissing, match="thread lock"):
        context["Load"]
    assert context.use("Load", 0)
    assert context["Load"] == 2


@dataclass(frozen=True)
class Odd:
    """As a record of tomorrow may be."""

    fingerprint: Fingerprint
    when: float = 0.0
    name: str | None = None
    rows: tuple[tuple[str, str], ...] = ()
    runs: tuple[tuple[float, float], ...] = ()
    words: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "told",
    [
        {"when": 1},
        {"name": "x"},
        {"rows": (("a", "b"),)},
        {"rows": [["a", "b"]]},
        {"runs": [[1, 2.0]]},
        {"words": ["a"]},
    ],
)
def test_types_that_a_strangers_record_may_have(told: dict[str, object]):
    check_types(Odd(FINGERPRINT, **told))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "told",
    [
        {"when": "1"},
        {"name": 1},
        {"rows": (("a",),)},
        {"rows": "ab"},
        {"runs": [["1", 2.0]]},
        {"words": [1]},
        {"words": None},
    ],
)
def test_types_that_it_may_not_have(told: dict[str, object]):
    with pytest.raises(TypeError):
        check_types(Odd(FINGERPRINT, **told))  # type: ignore[arg-type]


def test_of_a_thousand_steps_each_older_file_is_read_once(place: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as change:
        change.setattr("os.fsync", lambda fd: None)
        context = Context(place)
        for n in range(1000):
            context.put(record(f"S{n}", "v1"), n)
            context.put(record(f"S{n}", "v2"), n)
    context = Context(place)
    for _ in range(2):
        assert all(versions(context, f"S{n}") == [(1, "v1")] for n in range(1000))
        monkeypatch.setattr("jo_notebook.store.reading.read_footer", None)  # each file is read once
