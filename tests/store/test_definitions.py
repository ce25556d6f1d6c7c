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


def test_many_at_once_are_each_written_or_left(place: Path):
    names = [f"S{number}" for number in range(250)]
    rows = {name: {"text": name} for name in names}
    context = Context(place)
    context.definitions()
    context.save_definitions(rows)
    assert Context(place).definitions() == {name: (data, True) for name, data in rows.items()}
    assert not list((place / "tmp").iterdir())
    before = {path: path.stat().st_ino for path in place.glob("definitions/*.json")}
    context.save_definitions({**rows, "S7": {"text": "other"}})
    after = {path: path.stat().st_ino for path in place.glob("definitions/*.json")}
    assert [path.name[:3] for path in before if before[path] != after[path]] == ["s7-"]
    assert context.definitions() == Context(place).definitions()
    assert context.definitions()["S7"] == ({"text": "other"}, True)


def test_what_is_known_of_a_file_holds_as_long_as_it_is_that_file(place: Path, stranger):
    """Removed, damaged, replaced by a stranger's, or said anew from data that were changed in place: it is written."""
    context = Context(place)
    context.definitions()
    data = {"text": "1", "params": [["n", 1]]}
    for harm in (Path.unlink, lambda path: path.write_bytes(b"\0" * path.stat().st_size)):
        context.save_definition("Load", data)
        harm(file(place))
        context.save_definition("Load", data)
        assert Context(place).definitions() == {"Load": (data, True)}
    with stranger():
        Context(place).save_definition("Load", data)
    assert Context(place).definitions() == {"Load": (data, False)}
    context.save_definition("Load", data)
    assert Context(place).definitions() == {"Load": (data, True)}
    data["params"][0][1] = 2  # type: ignore[index]
    context.save_definition("Load", data)
    assert Context(place).definitions() == {"Load": (data, True)}
    read, _ = context.definitions()["Load"]
    read["text"] = "2"
    context.save_definition("Load", read)
    assert Context(place).definitions() == {"Load": ({**data, "text": "2"}, True)}
