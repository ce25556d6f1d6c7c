"""Going back to an older generation: its bytes once more, as the newest; never in silence, never a stranger's."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from jo_notebook.context_verb import found_text
from jo_notebook.core.definition import Definition
from jo_notebook.core.plan import Availability
from jo_notebook.core.record import LogEntry
from jo_notebook.core.source import parse_source
from jo_notebook.errors import NotTheSame, ResultDamaged, ResultMissing, StoreError, UntrustedError, UsageError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.verbs import find, perform
from tests.store.making import failure, flip, generations, record


def fill(place: Path, count: int = 3) -> Context:
    context = Context(place, keep=9)
    for n in range(1, count + 1):
        context.put(record(version=f"v{n}"), f"value {n}", (LogEntry("stdout", f"run {n}"),))
    return context


def test_the_one_before_the_newest(place: Path):
    context = fill(place)
    context.fail(failure())
    before = generations(place)[1].read_bytes()
    assert context.restorable("Load") == (2, context.older("Load")[0][1])
    assert context.restore("Load", keep=9).version == "v2"
    for look in (context, Context(place)):
        assert (look["Load"], look.record("Load").version, look.log("Load")[0].text) == ("value 2", "v2", "run 2")
        assert not look.failures
    assert [int(path.name) for path in generations(place)] == [1, 2, 3, 4]
    assert generations(place)[1].read_bytes() == before
    assert context.restore("Load", 1, keep=9).version == "v1"
    assert Context(place)["Load"] == "value 1"


def test_what_is_damaged_is_passed_over_but_never_named(place: Path):
    fill(place, 5)
    paths = generations(place)
    flip(paths[4], 130)
    flip(paths[3], -40)
    flip(paths[2], 130)  # shows only when it is copied
    context = Context(place, keep=9)
    with pytest.raises(ResultDamaged):
        context["Load"]
    for number in (3, 4):
        with pytest.raises(ResultDamaged, match=f"generation {number}"):
            context.restore("Load", number)
    assert context.restore("Load").version == "v2"
    assert Context(place)["Load"] == "value 2"
    assert context.damaged == {}


def test_a_newest_file_that_is_gone(place: Path):
    fill(place)
    generations(place)[-1].unlink()
    context = Context(place)
    assert context.damaged == {"Load": "generation 3 is gone"}
    assert context.restore("Load").version == "v2"
    assert [int(path.name) for path in generations(place)][-1] == 4


def test_before_the_one_in_use(place: Path):
    context = fill(place)
    context.use("Load", 2)
    assert context.restore("Load").version == "v1"
    assert (context.in_use("Load"), context["Load"]) == (0, "value 1")


def test_there_is_nothing_to_go_back_to(place: Path):
    context = fill(place, 1)
    for name in ("Load", "Nobody"):
        assert context.restorable(name) is None
        with pytest.raises(ResultMissing, match="nothing to go back to"):
            context.restore(name)
    with pytest.raises(ResultMissing, match=r"no generation 7. There are: 1\."):
        context.restore("Load", 7)
    with pytest.raises(UsageError, match="newest already"):
        context.restore("Load", 1)
    with pytest.raises(ResultMissing, match="in memory"):
        Context().restore("Load")
    context.put(record(version="v2"), threading.Lock())
    context.put(record(version="v3"), 3, keep=9)
    with pytest.raises(ResultMissing, match="has no value"):
        Context(place).restore("Load", 2)
    found = Context(place).restorable("Load")
    assert found is not None
    assert found[0] == 1  # the one between has no value


def test_a_strangers_is_not_signed_unasked(place: Path, stranger):
    with stranger():
        fill(place, 2)
    context = Context(place)
    context.put(record(version="mine"), "mine")
    assert context.restorable("Load") is None
    for number in (0, 2):
        with pytest.raises(UntrustedError, match="made elsewhere"):
            context.restore("Load", number)
    context.trust()
    assert context.restore("Load").version == "v2"


def test_a_disk_that_refuses(place: Path, monkeypatch: pytest.MonkeyPatch):
    context = fill(place)

    def refuse(*args, **rest):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jo_notebook.store.committing.publish", refuse)
    with pytest.raises(StoreError, match="stays as it was"):
        context.restore("Load")
    assert Context(place)["Load"] == "value 3"


def two_results(place: Path) -> Pipeline:
    pipeline = Pipeline(Context(place))
    for text in ("'old'", "'new'"):
        pipeline.add(Definition("Load", parse_source(text)))
        pipeline.materialize("Load")
    return pipeline


def test_the_plan_judges_what_is_restored(place: Path):
    pipeline = two_results(place)
    assert pipeline.restore("Load").version
    assert pipeline.explain("Load").availability is Availability.AVAILABLE  # the one of today is kept, too
    place = place.with_name("other.jo")
    two_results(place)
    flip(generations(place)[-1], 110)
    pipeline = Pipeline.open(place)
    pipeline.context.verify()
    pipeline.restore("Load")
    assert pipeline.explain("Load").availability is Availability.STALE


def test_damage_offers_both_choices(place: Path):
    two_results(place)
    flip(generations(place)[-1], -40)
    pipeline = Pipeline.open(place)
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    both = rf"%materialize Load runs it again, %context restore Load goes back to its result of {when}\."
    assert_in(rf"Load is damaged on disk \(.*\): {both}", found_text(pipeline))
    with pytest.raises(NotTheSame) as told:
        perform(pipeline, find("context"), "verify", "%context")
    assert_in(rf"Load: {both}", str(told.value))
    answer = perform(pipeline, find("context"), "restore Load", "%context").text
    assert_in(rf"Restored Load: its result of {when} is the newest again; it is stale\.", answer)
    for path in generations(place):
        path.write_bytes(path.read_bytes()[:-9])
    pipeline = Pipeline.open(place)
    assert "restore" not in found_text(pipeline)
    assert "%materialize Load runs it again." in found_text(pipeline)


def assert_in(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text
