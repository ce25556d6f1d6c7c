from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from jo_notebook.store import Context, publish
from tests.store.making import record


def _no_link(*args: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["link", "rename", "claim"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The three ways of disks: with links, with an exclusive rename only, with neither."""
    if request.param != "link":
        monkeypatch.setattr("os.link", _no_link)
    if request.param == "claim":
        monkeypatch.setattr(publish, "_rename_exclusively", lambda *args: False)
    return request.param


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "draft"
    path.write_text("new")
    return path


def test_a_free_name_is_taken(way: str, draft: Path, tmp_path: Path):
    publish.publish(str(draft), str(tmp_path / "1"))
    assert (tmp_path / "1").read_text() == "new"
    assert os.listdir(tmp_path) == ["1"]


def test_a_taken_name_is_left_alone(way: str, draft: Path, tmp_path: Path):
    (tmp_path / "1").write_text("old")
    with pytest.raises(FileExistsError):
        publish.publish(str(draft), str(tmp_path / "1"))
    assert (tmp_path / "1").read_text() == "old"
    assert draft.exists()
    assert sorted(os.listdir(tmp_path)) == ["1", "draft"]


def test_a_missing_directory_is_an_error(way: str, draft: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        publish.publish(str(draft), str(tmp_path / "no" / "1"))
    assert draft.exists()


def test_a_link_that_worked_but_was_reported_as_taken(draft: Path, tmp_path: Path):
    os.link(draft, tmp_path / "1")
    publish.publish(str(draft), str(tmp_path / "1"))
    assert os.listdir(tmp_path) == ["1"]


def test_a_context_works_on_each_disk(way: str, tmp_path: Path):
    place = tmp_path / "analysis.jo"
    context = Context(place)
    for n in range(3):
        assert context.put(record(), n).unsaved == ""
    assert Context(place)["Load"] == 2


def test_a_dead_claim_costs_one_number(way: str, tmp_path: Path):
    place = tmp_path / "analysis.jo"
    Context(place).put(record(), 1)
    (folder,) = place.glob("results/load-*")
    (folder / "2.claim").write_text("")
    context = Context(place)
    assert context["Load"] == 1
    assert context.put(record(), 2).unsaved == ""
    assert (folder / "3").exists()
    assert Context(place)["Load"] == 2
