from __future__ import annotations

import json
from pathlib import Path

import pytest

from jo_notebook.errors import StepNameError
from jo_notebook.store import Context

DATA = {"text": "x = 'é\ud800'", "depends_on": [["Raw", "raw"]], "params": [], "n": 0.1}


def file(place: Path) -> Path:
    (path,) = place.glob("definitions/*.json")
    return path


def test_round_trip(place: Path):
    Context(place).save_definition("Load", DATA)
    context = Context(place)
    assert context.definitions() == {"Load": (DATA, True)}
    assert len(context) == 0
    assert json.loads(file(place).read_text())["data"] == DATA
    context.drop_definition("Load")
    context.drop_definition("Load")
    assert Context(place).definitions() == {}


def test_nothing_is_written_where_it_is_there_already(place: Path, monkeypatch: pytest.MonkeyPatch):
    Context(place).save_definition("Load", DATA)
    monkeypatch.setattr("os.replace", None)
    Context(place).save_definition("Load", dict(reversed(DATA.items())))


def test_a_definition_changes(place: Path):
    context = Context(place)
    context.save_definition("Load", DATA)
    context.save_definition("Load", {})
    assert Context(place).definitions() == {"Load": ({}, True)}


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '"x"', "null", "[" * 5000, "\0" * 50, '{"sha256": 3, "mac": 4}'])
def test_a_corrupt_file_is_skipped_and_named(place: Path, text: str):
    context = Context(place)
    context.save_definition("Load", DATA)
    file(place).write_text(text)
    context = Context(place)
    assert context.definitions() == {}
    assert file(place).name in context.problems[0]
    context.save_definition("Load", DATA)
    assert context.definitions() == {"Load": (DATA, True)}
    assert context.problems == []


def test_an_edited_definition_is_damage_and_a_foreign_one_untrusted(place: Path, stranger):
    with stranger():
        Context(place).save_definition("Load", DATA)
    context = Context(place)
    assert context.definitions() == {"Load": (DATA, False)}
    assert context.trust() == ["Load"]
    assert context.definitions() == {"Load": (DATA, True)}
    file(place).write_text(file(place).read_text().replace("x = ", "y = "))
    assert context.definitions() == {}


def test_another_steps_file_is_not_taken(place: Path):
    context = Context(place)
    context.save_definition("Load", DATA)
    mine = file(place)
    context.save_definition("Other", DATA)
    (other,) = (path for path in place.glob("definitions/*") if path != mine)
    other.write_bytes(mine.read_bytes())
    assert list(context.definitions()) == ["Load"]


def test_names_are_checked(place: Path):
    with pytest.raises(StepNameError):
        Context(place).save_definition("a\u202eb", {})
