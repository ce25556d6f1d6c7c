"""What was made elsewhere is listed before it is trusted; what runs no code loads as it is; nothing is believed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged, UntrustedError
from jo_notebook.store import Context
from jo_notebook.store.formats import FORMATS, Format
from jo_notebook.store.generation import _TAIL, MAGIC, canonical
from jo_notebook.store.pickles import Refused
from jo_notebook.store.trust import open_key
from jo_notebook.views.listings import foreign_text
from tests.store.making import failure, flip, generations, record


def _encode(value: object) -> tuple[bytes, dict[str, str]]:
    if type(value) is not str:
        raise Refused("it is no text")
    return value.encode(), {}


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that runs no code, tried first."""
    before = dict(FORMATS)
    form = Format("text", _encode, lambda stream, *rest: bytes(stream).decode(), runs_code=False)
    monkeypatch.setattr("jo_notebook.store.formats.FORMATS", {"text": form, **before})


@pytest.fixture
def foreign(place: Path, stranger) -> str:
    """Somebody else's store; the name of their key."""
    with stranger():
        context = Context(place)
        context.put(record("Plain"), "as it is", (LogEntry("stdout", "hi"),))
        context.put(record("Pickled"), [1, 2])
        context.put(record("Pickled"), [1, 2, 3])
        context.fail(failure("Plain"))
        context.save_definition("Plain", {"text": "1"})
        return open_key().id


def reseal(path: Path, change: dict[str, object], of_record: dict[str, object] | None = None) -> None:
    """Write a footer as anybody could who wants to mislead."""
    raw = path.read_bytes()
    length = _TAIL.unpack(raw[-_TAIL.size :])[2]
    head, body = raw[: -length - _TAIL.size], json.loads(raw[-length - _TAIL.size : -_TAIL.size])
    body = {**body, **change, "record": {**body["record"], **(of_record or {})}}
    text = canonical(body)
    path.write_bytes(head + text + _TAIL.pack(hashlib.sha256(text).digest(), bytes(32), len(text), MAGIC))


def test_a_list_of_what_is_from_elsewhere(place: Path, foreign: str):
    context = Context(place)
    context.put(record("Mine"), 1)
    rows = context.foreign()
    assert [(r.step, r.kind, r.number, r.format, r.runs_code, r.key) for r in rows] == [
        ("Pickled", "result", 2, "pickle", True, foreign),
        ("Pickled", "result", 1, "pickle", True, foreign),
        ("Plain", "result", 1, "text", False, foreign),
        ("Plain", "definition", 0, "source", True, foreign),
        ("Plain", "failure", 1, "", False, foreign),
    ]
    assert rows[2].size == len(b"as it is") + len(b'[["stdout","hi",[]]]')
    assert (rows[2].when, rows[2].python) == (1.0, context.records["Plain"].python.rpartition(".")[0])
    told = foreign_text(rows)
    assert "3 of 5 hold code" in told
    assert [line.endswith("runs code") for line in told.splitlines()[1:6]] == [True, True, False, True, False]
    assert Context().foreign() == []


def test_what_runs_no_code_loads_without_trust(place: Path, foreign: str):
    context = Context(place)
    assert context["Plain"] == "as it is"
    assert (context.elsewhere("Plain", 0), context.elsewhere("Pickled", 0)) == ("data", "code")
    assert context.older("Pickled")
    assert (context.elsewhere("Pickled", 1), context.elsewhere("Nothing", 0)) == ("code", "")
    with pytest.raises(UntrustedError):
        context["Pickled"]
    context.put(record("Plain"), "mine")
    assert context.elsewhere("Plain", 0) == ""


def test_trust_some(place: Path, foreign: str):
    context = Context(place)
    assert context.trust("Pickled") == ["Pickled"]
    assert {row.step for row in context.foreign()} == {"Plain"}
    assert context["Pickled"] == [1, 2, 3]
    assert context.trust() == ["Plain"]
    assert context.foreign() == []
    assert context.elsewhere("Plain", 0) == ""


def test_what_is_not_whole_is_not_signed(place: Path, foreign: str):
    newest = generations(place, "pickled")[-1]
    flip(newest, 130)
    context = Context(place)
    context.trust()
    assert [(row.step, row.number) for row in context.foreign()] == [("Pickled", 2)]
    with pytest.raises(UntrustedError):
        context["Pickled"]


def test_our_name_under_their_file_is_damage(place: Path, foreign: str):
    (path,) = generations(place, "plain")
    reseal(path, {"key": open_key().id})
    assert "its signature does not fit" in Context(place).damaged["Plain"]
    assert [row.kind for row in Context(place).foreign() if row.step == "Plain"] == ["definition", "failure"]
    with pytest.raises(ResultDamaged):
        Context(place)["Plain"]


HUGE = [1e400, -1e400, float("nan"), -1, -1.5, 10**400, 1e300, 2**63]


@pytest.mark.parametrize("number", HUGE, ids=str)
def test_no_number_of_a_stranger_is_believed(place: Path, foreign: str, number: float):
    (path,) = generations(place, "plain")
    story = {"when": number, "seconds": number, "history": [[number, number]] * 4}
    if isinstance(number, int):
        story["size"] = number
    reseal(path, {}, story)
    context = Context(place)
    told = context.records["Plain"]
    for value in (told.when, told.seconds, told.size, *(n for row in told.history for n in row)):
        assert 0 <= value <= 1e18
    assert told.size <= context.foreign()[2].size
    foreign_text(context.foreign())
    context.trust()
    assert Context(place).records["Plain"] == told


@pytest.mark.parametrize("field", ["key", "codec", "python", "id", "store_id", "hash"])
def test_a_footer_s_words_show(place: Path, foreign: str, field: str):
    (path,) = generations(place, "plain")
    for word in ("\x1b[31mred", "a\nb", "\u202eback", "x" * 1000):
        reseal(path, {field: word})
        context = Context(place)
        assert "makes no sense" in context.damaged["Plain"]
        assert "\x1b" not in str(context.damaged) + foreign_text(context.foreign())


def test_words_of_a_record_are_made_harmless(place: Path, foreign: str):
    (path,) = generations(place, "plain")
    bad = "\x1b]0;title\x07\u202e<img src=x onerror=alert(1)>\n"
    reseal(path, {"codec": "", "python": "<b>3</b>"}, {"unsaved": bad, "format": bad, "python": bad, "run_id": bad})
    context = Context(place)
    told = context.records["Plain"]
    for word in (told.unsaved, told.format, told.python, told.run_id):
        assert word.isprintable()
        assert "<img" in word
    with pytest.raises(Exception, match=r"made elsewhere|not kept") as caught:
        context["Plain"]
    assert str(caught.value).isprintable()


def test_every_listed_word_is_safe():
    from jo_notebook.store.foreign import Foreign

    bad = "\x1b[31m\u202e\x07" + "x" * 500
    row = Foreign(bad, 10**15, bad, bad, 10**30, float("nan"), bad, bad, True)
    text = foreign_text([replace(row, kind="result"), replace(row, kind="result", when=1e300)])
    assert "".join(text.split("\n")).isprintable()
    assert max(map(len, text.splitlines())) < 400
