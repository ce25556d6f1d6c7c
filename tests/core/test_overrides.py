"""A result blessed for today's code: the record that comes of it, and where there is nothing to bless."""

from __future__ import annotations

import pytest

from jo_notebook.core.overrides import accepted
from jo_notebook.core.plan import Availability, make_plan
from jo_notebook.core.record import Record
from jo_notebook.errors import UsageError
from tests.core.test_plan import World, rows_of, world


def bless(made: World, name: str) -> Record | None:
    """The record is put in force as a context would."""
    known = made.known()
    record = accepted(made.graph, known, make_plan(made.graph, known, [name]), name)
    if record is not None:
        made.records[name] = record
    return record


def test_an_edit() -> None:
    made = world().ran().edited("B")
    record = bless(made, "B")
    assert record is not None
    assert record.accepted == ("code changed",)
    assert rows_of(made.plan()) == ["A available nothing", "B available nothing", "C available nothing"]
    decision = made.plan()["B"]
    assert (decision.override, decision.overridden) == ("accepted", ("code changed",))


def test_only_the_fingerprint_is_another() -> None:
    """Version, times, log and history are those of the run that made the value."""
    made = world().ran().edited("B")
    before = made.records["B"]
    record = bless(made, "B")
    assert record is not None
    assert (record.version, record.seconds, record.when) == (before.version, before.seconds, before.when)
    assert record.fingerprint != before.fingerprint


def test_a_later_edit_and_back() -> None:
    made = world().ran().edited("B")
    bless(made, "B")
    assert rows_of(made.edited("B", "v3").plan())[1] == "B stale run: code changed"
    assert rows_of(made.edited("B", "v2").plan())[1] == "B available nothing"
    assert rows_of(made.edited("B", "v1").plan())[1] == "B stale run: code changed"


def test_nothing_to_accept() -> None:
    assert bless(world().ran(), "B") is None


def test_a_new_value_above() -> None:
    made = world().ran().ran("A", version="r2")
    record = bless(made, "B")
    assert record is not None
    assert record.accepted == ("input A has a new value",)
    assert made.plan()["B"].availability is Availability.AVAILABLE


def test_what_is_above_will_run() -> None:
    """Its own edit is blessed, and what comes out above still decides."""
    made = world().ran().edited("A").edited("B")
    bless(made, "B")
    assert rows_of(made.plan())[1] == "B stale run: upstream A will run"
    made.ran("A")
    assert rows_of(made.plan("B")) == ["A available nothing", "B available nothing"]
    made.edited("A", "v3").ran("A", version="other")
    assert rows_of(made.plan("B"))[1] == "B stale run: input A has a new value"


def test_only_what_is_above() -> None:
    """Nothing of its own differs."""
    assert bless(world().ran().edited("A"), "B") is None


def test_a_failure_with_an_older_result() -> None:
    made = world().ran().edited("B").failed("B")
    record = bless(made, "B")
    assert record is not None
    assert record.accepted == ("last run failed: ValueError: no", "code changed")
    assert made.plan("B")["B"].availability is Availability.AVAILABLE


@pytest.mark.parametrize(
    ("made", "text"),
    [
        pytest.param(world(), "B has no result to accept: run it first, with %materialize B.", id="never ran"),
        pytest.param(world().ran().forgotten("B"), "B has no result to accept", id="forgotten"),
        pytest.param(world().ran().lost("B").edited("B"), "B has no result to accept", id="its value was not kept"),
        pytest.param(world().failed("B"), "B has no result to accept", id="only failed"),
        pytest.param(
            world().ran().edited("B").with_(problems={"B": "cut short"}), "B's stored result is damaged", id="damaged"
        ),
    ],
)
def test_no_result(made: World, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        bless(made, "B")
    assert text in str(caught.value)


def test_files_that_it_writes() -> None:
    """What they hold now is what they should hold."""
    made = world({"A": ""}).ran()
    record = made.records["A"]
    made.records["A"] = Record("A", record.fingerprint, record.version, writes=(("out", "d1"),))
    made.with_(digest_now=lambda path: "d2")
    assert rows_of(made.plan()) == ["A stale run: file out, which it writes, was changed"]
    blessed = bless(made, "A")
    assert blessed is not None
    assert blessed.writes == (("out", "d2"),)
    assert rows_of(made.plan()) == ["A available nothing"]
