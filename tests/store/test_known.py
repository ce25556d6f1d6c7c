from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jo_notebook.errors import ResultMissing
from jo_notebook.store import Context
from tests.store.making import failure, flip, generations, record


@pytest.fixture
def broken_disk(monkeypatch: pytest.MonkeyPatch):
    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    return lambda: monkeypatch.setattr("os.fsync", fail)


def test_an_older_result_is_never_served_for_one_the_disk_refused(place: Path, broken_disk):
    context = Context(place)
    context.put(record(version="v1"), "old")
    broken_disk()
    done = context.put(record(version="v2"), "new")
    assert done.unsaved.startswith("cannot write to analysis.jo: Input/output error; ")
    assert context["Load"] == "new"
    context.drop_memory("Load")
    assert context.records["Load"].version == "v2"
    assert context.held("Load") == ""
    with pytest.raises(ResultMissing, match="Input/output error"):
        context["Load"]
    assert Context(place)["Load"] == "old"


def test_a_newer_result_of_another_kernel_replaces_one_the_disk_refused(place: Path, monkeypatch):
    context = Context(place)
    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.committing.publish", _refuse)
        assert context.put(record(), "mine").unsaved
    context.refresh()
    assert context["Load"] == "mine"
    Context(place).put(record(version="v2"), "theirs")
    context.refresh()
    assert context["Load"] == "theirs"
    assert context.records["Load"].unsaved == ""


def _refuse(*args: object, **rest: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_failure_the_disk_refuses_stays_in_memory(place: Path, broken_disk):
    context = Context(place)
    context.fail(failure(error="first"))
    broken_disk()
    context.fail(failure(error="second"))
    assert context.failures["Load"].error == "second"
    context.put(record(), 1)
    assert context.failures == {}


def test_a_value_in_memory_outlives_damage_on_disk(place: Path):
    context = Context(place)
    context.put(record(), "good")
    path = generations(place)[0]
    flip(path, path.stat().st_size - 1)
    context.refresh()
    assert context["Load"] == "good"
    assert "generation 1" in context.records["Load"].unsaved
    assert "Load" in Context(place).damaged


def test_a_value_that_cannot_be_stored_costs_only_itself(place: Path):
    context = Context(place)
    context.put(record(), "old")
    lock = threading.Lock()
    done = context.put(record(version="v2"), {"db": [lock]})
    assert done.unsaved == "result['db'][0]: thread lock"
    assert context["Load"]["db"][0] is lock
    again = Context(place)
    assert again.records["Load"] == done
    assert again.held("Load") == ""
    with pytest.raises(ResultMissing, match=r"result\['db'\]\[0\]: thread lock"):
        again["Load"]
