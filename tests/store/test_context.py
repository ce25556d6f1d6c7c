from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged, ResultMissing, StepNameError
from jo_notebook.store import Context
from tests.store.making import failure, flip, generations, leftovers, record, run

LOG = (LogEntry("stdout", "hello\n"), LogEntry("display", "<fig>", (("text/html", "<b>\ud800</b>"),)))


def test_memory_only_keeps_values_records_logs_and_definitions():
    context = Context()
    value = object()
    done = context.put(record(), value, LOG)
    assert context["Load"] is value
    assert (done.unsaved, done.size, done.format) == ("", 0, "")
    assert context.held("Load") == "memory"
    assert context.place is None
    assert context.log("Load") == LOG
    assert context.records == {"Load": done}
    context.save_definition("Load", {"text": "1"})
    assert context.definitions() == {"Load": ({"text": "1"}, True)}
    context.drop_definition("Load")
    assert context.definitions() == {}
    assert (context.size(), context.trust(), context.problems) == (0, [], [])
    context.drop_memory("Load")
    assert "Load" not in context
    with pytest.raises(ResultMissing, match="in memory only"):
        context["Load"]


def test_nothing_is_made_before_the_first_write(place: Path):
    context = Context(place)
    assert len(context) == 0
    context.refresh()
    assert not place.exists()


def test_a_result_outlives_the_kernel(place: Path):
    done = Context(place).put(record(), {"rows": [1, 2]}, LOG)
    context = Context(place)
    assert context.held("Load") == "disk"
    assert context.records["Load"] == done
    assert done.size > 0
    assert done.format == "json"
    assert done.python.startswith("3.")
    assert context["Load"] == {"rows": [1, 2]}
    assert context.held("Load") == "memory"
    assert context.log("Load") == LOG
    assert (list(context), len(context), list(context.keys())) == (["Load"], 1, ["Load"])
    assert context.place == place
    assert context.size() > done.size
    assert leftovers(place) == []


def test_none_is_a_value(place: Path):
    Context(place).put(record(), None)
    context = Context(place)
    assert "Load" in context
    assert context["Load"] is None
    assert context.get("Load", 1) is None


def test_a_missing_step_offers_a_near_name(place: Path):
    context = Context(place)
    context.put(record("Load"), 1)
    with pytest.raises(ResultMissing, match="Did you mean Load"):
        context["load"]
    assert context.get("load", 7) == 7
    assert 3 not in context


def test_contexts_are_compared_without_reading():
    one, other = Context(), Context()
    one.put(record(), 1)
    other.put(record(), 1)
    assert one != other
    assert len({one, other}) == 2
    assert "1 results" in repr(one)


def test_generations_are_pruned(place: Path):
    context = Context(place, keep=3)
    for n in range(6):
        context.put(record(version=f"v{n}"), n)
    assert [p.name for p in generations(place)] == ["4", "5", "6"]
    assert Context(place)["Load"] == 5


def test_a_failure_is_kept_until_a_success(place: Path):
    context = Context(place)
    context.put(record(), 1, LOG)
    context.fail(failure(), (LogEntry("stderr", "oh"),))
    for seen in (context, Context(place)):
        assert seen.failures == {"Load": failure()}
        assert seen.records["Load"].version == "v1"
        assert seen.log("Load") == (LogEntry("stderr", "oh"),)
        assert seen["Load"] == 1
    context.put(record(version="v2"), 2, LOG)
    for seen in (context, Context(place)):
        assert seen.failures == {}
        assert seen.log("Load") == LOG
    assert list(place.glob("failures/*")) == []


def test_a_failure_that_a_killed_success_left_behind_is_not_shown(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place)
    context.fail(failure())
    monkeypatch.setattr("jo_notebook.store.shelf.Shelf.forget", lambda *a: None)
    context.put(record(), 1)
    assert list(place.glob("failures/*/1"))
    assert Context(place).failures == {}
    context.fail(failure(error="again"))
    assert Context(place).failures["Load"].error == "again"


def test_a_failure_without_a_result(place: Path):
    Context(place).fail(failure(), LOG)
    context = Context(place)
    assert context.failures == {"Load": failure()}
    assert context.log("Load") == LOG
    assert "Load" not in context
    assert not (place / "results").exists()
    memory = Context()
    memory.fail(failure(), LOG)
    assert memory.failures == {"Load": failure()}
    assert memory.log("Load") == LOG


def test_forget_drops_everything(place: Path):
    context = Context(place)
    for name in ("Load", "Other"):
        context.put(record(name), 1, LOG)
        context.put(record(name), 2, LOG)
    context.fail(failure())
    context.forget("Load", "Nobody")
    for seen in (context, Context(place)):
        assert list(seen) == ["Other"]
        assert (seen.failures, seen.log("Load")) == ({}, ())
        assert "Load" not in seen.records
    assert list(place.glob("results/load-*")) == []
    assert context.put(record(), 3).unsaved == ""
    assert Context(place)["Load"] == 3


def test_another_kernel_is_seen_after_refresh(place: Path):
    here, there = Context(place), Context(place)
    here.put(record(), "here")
    there.refresh()
    assert there["Load"] == "here"
    there.put(record(), "there")
    assert here["Load"] == "here"
    here.refresh()
    assert here.held("Load") == "disk"
    assert here["Load"] == "there"
    there.forget("Load")
    here.refresh()
    assert "Load" not in here
    assert here.records == {}


def test_forget_and_run_again_elsewhere_is_seen(place: Path):
    here, there = Context(place), Context(place)
    here.put(record(), "old")
    there.refresh()
    there.forget("Load")
    there.put(record(), "new")  # again generation 1
    here.refresh()
    assert here["Load"] == "new"


def test_refresh_keeps_ones_own_values(place: Path):
    context = Context(place)
    value = object()
    context.put(record(), [value])
    context.put(record("Bad"), threading.Lock())
    mine = context["Load"]
    context.refresh()
    assert context["Load"] is mine
    assert context.held("Bad") == "memory"


def test_a_value_pruned_by_another_kernel_is_read_anew(place: Path):
    Context(place).put(record(), 0)
    here, there = Context(place), Context(place)
    for n in range(1, 6):
        there.put(record(version=f"v{n}"), n)
    assert here["Load"] == 5
    assert here.records["Load"].version == "v5"


def test_the_directory_can_be_moved_and_copied(place: Path, tmp_path: Path):
    Context(place).put(record(), 1)
    copy = tmp_path / "elsewhere" / "other.jo"
    shutil.copytree(place, copy)
    moved = tmp_path / "moved.jo"
    place.rename(moved)
    for where in (copy, moved):
        context = Context(where)
        assert context.untrusted == frozenset()
        assert context["Load"] == 1
        assert context.put(record(version="v2"), 2).unsaved == ""
    assert not place.exists()


def test_a_directory_that_disappears_leaves_values_in_memory(place: Path):
    context = Context(place)
    context.put(record(), 1)
    context.put(record("Cold"), 1)
    context.drop_memory("Cold")
    shutil.rmtree(place)
    context.refresh()
    assert context["Load"] == 1
    assert context.records["Load"].unsaved == "analysis.jo is gone"
    assert "Cold" not in context
    assert context.put(record("New"), 2).unsaved == ""
    assert Context(place)["New"] == 2


@pytest.mark.parametrize("name", ["Données", "数据", "Ж", "load", "LOAD", "Load", "a" * 128, "x y/z\\..", "CON"])
def test_names(place: Path, name: str):
    context = Context(place)
    context.put(record("Load"), "Load")
    context.put(record(name), name)
    again = Context(place)
    assert again[name] == name
    assert again["Load"] == "Load"
    assert all(len(p.name.encode()) < 60 for p in place.rglob("*"))
    assert {p.name for p in place.iterdir()} == {"FORMAT", "results", "tmp"}


@pytest.mark.parametrize("name", ["", "..", " ", "a\nb", "a\u202eb", "e\u0301", "a" * 129, "\ud800", "a\x00"])
def test_names_that_cannot_be_stored(place: Path, name: str):
    context = Context(place)
    with pytest.raises(StepNameError):
        context.put(record(name), 1)
    with pytest.raises(StepNameError):
        context.fail(failure(name))
    assert not place.exists()


def test_drop_memory_reads_from_disk(place: Path):
    context = Context(place)
    value = [1]
    context.put(record(), value)
    value.append(2)
    context.drop_memory("Load")
    assert context["Load"] == [1]
    context.drop_memory("Nobody")


def test_damage_found_on_reading_a_value_is_remembered(place: Path):
    Context(place).put(record(), "x" * 100)
    flip(generations(place)[0], 130)
    context = Context(place)
    assert context.damaged == {}
    with pytest.raises(ResultDamaged, match="generation 1: its value does not fit its checksum"):
        context["Load"]
    assert "its value does not fit" in context.damaged["Load"]
    assert "Load" not in context
    context.refresh()
    assert "Load" in context.damaged
    assert context.put(record(), 2).unsaved == ""
    assert context.damaged == {}
    assert Context(place)["Load"] == 2


def test_threads_share_a_context(place: Path):
    context = Context(place)
    errors: list[object] = []

    def work(n: int) -> None:
        for i in range(6):
            context.put(record(f"S{n}"), (n, i))
            context.drop_memory(f"S{n}")
            if context[f"S{n}"] != (n, i):
                errors.append((n, i))
            context.put(record("Shared"), (n, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    fresh = Context(place)
    assert fresh["Shared"] == context["Shared"]
    assert len(fresh) == 7


def test_an_interrupt_while_saving_keeps_the_value(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(place)
    context.put(record(), "old")
    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.committing.publish", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            context.put(record(version="v2"), "new")
    assert context["Load"] == "new"
    assert "interrupted" in context.records["Load"].unsaved
    assert leftovers(place) == []
    assert Context(place)["Load"] == "old"


def _interrupt(*args: object, **rest: object) -> None:
    raise KeyboardInterrupt


def test_importing_and_opening_need_neither_dill_nor_jupyter(place: Path):
    Context(place).put(record(), 1)
    code = """
import sys
from jo_notebook.store import Context
context = Context(sys.argv[1])
assert len(context) == 1
print([m for m in ("dill", "IPython", "ipywidgets", "yaml", "numpy") if m in sys.modules])
"""
    assert run(code, place).strip() == "[]"


def test_opening_a_thousand_steps_reads_no_value(place: Path, monkeypatch: pytest.MonkeyPatch):
    import time

    with monkeypatch.context() as change:
        change.setattr("os.fsync", lambda fd: None)
        context = Context(place)
        for n in range(1000):
            context.put(record(f"S{n}"), n)
    monkeypatch.setattr("jo_notebook.store.generation.read_section", None)
    began = time.perf_counter()
    assert len(Context(place)) == 1000
    assert time.perf_counter() - began < 1.0  # 0.15 s where nothing else runs
