"""A record on its way through a file: the new fields, an older release's records, a newer one's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jo_notebook.core.fingerprint import Fingerprint, Part, digest_of
from jo_notebook.core.record import Record
from jo_notebook.store.plain import check_types

PRINT = Fingerprint.of([Part("code", "", "d", "x = 1"), Part("input", "A", "v", "A")])
FULL = Record(
    "Model",
    PRINT,
    "v1",
    exact=False,
    witness="w",
    when=1.5,
    seconds=2.0,
    size=3,
    writes=(("out.txt", "d1"),),
    files=(("data.csv", "d2", "1", "2", "3", "4", "5", "6"),),
    history=((1.0, 10.0), (2.0, 20.0)),
    hidden=(("file", "data.csv", "d2"), ("env", "HOME", "")),
    accepted=("code changed",),
    forced=True,
)


def through_a_file(record: Record) -> Any:
    return json.loads(json.dumps(record.to_json()))


def test_json_and_back() -> None:
    assert Record.from_json(through_a_file(FULL)) == FULL
    check_types(Record.from_json(through_a_file(FULL)))
    assert hash(Record.from_json(through_a_file(FULL))) == hash(FULL)


def test_a_record_of_an_older_release() -> None:
    """What it did not write is empty."""
    data = through_a_file(FULL)
    for key in ("writes", "files", "history", "hidden", "accepted", "forced"):
        del data[key]
    found = Record.from_json(data)
    assert (found.writes, found.files, found.history, found.hidden, found.accepted, found.forced) == (
        (),
        (),
        (),
        (),
        (),
        False,
    )
    assert found.output == "v1"


def test_a_record_of_a_newer_release() -> None:
    assert Record.from_json({**through_a_file(FULL), "colour": "blue"}) == FULL


def test_what_a_step_made() -> None:
    """The value alone, or with the files it writes: in their order, each by name and content."""
    plain = Record("A", PRINT, "v")
    assert plain.output == "v"
    made = [Record("A", PRINT, "v", writes=w).output for w in ((("a", "1"),), (("a", "2"),), (("b", "1"),))]
    assert len({plain.output, *made}) == 4
    assert made[0] == digest_of("v", "a", "1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("writes", "out.txt", id="writes: a word"),
        pytest.param("writes", [["out.txt"]], id="writes: a short row"),
        pytest.param("writes", [[1, 2]], id="writes: numbers"),
        pytest.param("hidden", [["file", "x"]], id="hidden: a short row"),
        pytest.param("hidden", 5, id="hidden: a number"),
        pytest.param("hidden", [["file", ["x"], "d"]], id="hidden: a list for a name"),
        pytest.param("history", [["a", "b"]], id="history: words"),
        pytest.param("history", [[1.0]], id="history: a short row"),
        pytest.param("history", [1.0], id="history: no rows"),
        pytest.param("accepted", "code", id="accepted: a word"),
        pytest.param("accepted", [1], id="accepted: a number"),
        pytest.param("files", [5], id="files: no rows"),
        pytest.param("size", "big", id="size: a word"),
        pytest.param("forced", "yes", id="forced: a word"),
        pytest.param("version", 5, id="version: a number"),
    ],
)
def test_a_strangers_record_with_wrong_types(field: str, value: Any) -> None:
    """A record is read before it is trusted: what is of a wrong shape is refused there, not met by a plan later."""
    with pytest.raises((TypeError, ValueError, KeyError)):
        check_types(Record.from_json({**through_a_file(FULL), field: value}))
