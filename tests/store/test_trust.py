from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged, UntrustedError
from jo_notebook.store import Context
from jo_notebook.store.trust import data_dir, open_key
from tests.store.making import failure, flip, generations, record, start


class Trap:
    """Unpickling it makes a file, as a hostile payload would."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (_spring, (self.path,))


def _spring(path: str) -> str:
    open(path, "a").close()
    return path


@pytest.fixture
def foreign(place: Path, tmp_path: Path, stranger) -> Path:
    """A store made by somebody else; loading `Load` from it makes the file `sprung`."""
    trap = tmp_path / "sprung"
    with stranger():
        context = Context(place)
        context.put(record(), Trap(str(trap)), (LogEntry("stdout", "hi"),))
        context.put(record("Harmless"), 1)
        context.fail(failure("Harmless"))
        context.save_definition("Load", {"text": "1"})
    trap.unlink()  # made when the value was read back for a check
    return trap


def test_looking_at_a_foreign_store_runs_nothing(place: Path, foreign: Path):
    found: list[str] = []
    watching = [True]
    sys.addaudithook(lambda event, args: found.append(event) if watching and event == "pickle.find_class" else None)
    context = Context(place)
    assert sorted(context) == ["Harmless", "Load"]
    assert context.untrusted == {"Harmless", "Load"}
    assert context.records["Load"].version == "v1"
    assert context.held("Load") == "disk"
    assert context.log("Load") == (LogEntry("stdout", "hi"),)
    assert context.failures["Harmless"] == failure("Harmless")
    assert context.definitions() == {"Load": ({"text": "1"}, False)}
    assert context.damaged == {}
    repr(context), len(context), context.size()
    context.refresh()
    with pytest.raises(UntrustedError, match="Load's result was made elsewhere"):
        context["Load"]
    with pytest.raises(UntrustedError):
        context.get("Load")
    assert context["Harmless"] == 1  # plain data are read, and run nothing
    watching.clear()
    assert found == []
    assert not foreign.exists()


def test_trust_signs_what_is_whole(place: Path, foreign: Path):
    with Context(place).place.joinpath("FORMAT").open() as handle:  # type: ignore[union-attr]
        before = handle.read()
    context = Context(place)
    assert context.trust() == ["Harmless", "Load"]
    for seen in (context, Context(place)):
        assert seen.untrusted == frozenset()
        assert seen["Load"] == str(foreign)
        assert seen["Harmless"] == 1
        assert seen.definitions()["Load"][1] is True
    assert foreign.exists()
    assert context.trust() == []
    assert (place / "FORMAT").read_text() == before
    (path,) = generations(place, "harmless")
    flip(path, 130)
    with pytest.raises(ResultDamaged):
        Context(place)["Harmless"]


def test_trust_leaves_damage_alone(place: Path, foreign: Path):
    (path,) = generations(place)
    flip(path, 130)
    context = Context(place)
    assert context.trust() == ["Harmless", "Load"]  # Load's definition is whole
    assert context.untrusted == {"Load"}
    assert not foreign.exists()


def test_a_new_run_replaces_a_foreign_result(place: Path, foreign: Path):
    context = Context(place)
    context.put(record(), 2)
    assert context.untrusted == {"Harmless"}
    assert Context(place)["Load"] == 2


def test_a_payload_put_into_my_store_is_damage(place: Path, foreign: Path, tmp_path: Path):
    mine = tmp_path / "mine.jo"
    Context(mine).put(record(), 1)
    (theirs,), (ours,) = generations(place), generations(mine)
    ours.write_bytes(theirs.read_bytes())
    assert Context(mine).untrusted == {"Load"}
    with pytest.raises(UntrustedError):
        Context(mine)["Load"]
    assert not foreign.exists()


def test_files_that_changed_places_are_damage(tmp_path: Path):
    one, two = tmp_path / "one.jo", tmp_path / "two.jo"
    for place in (one, two):
        context = Context(place)
        for name in ("A", "B"):
            context.put(record(name), (place.name, name, 1))
            context.put(record(name), (place.name, name, 2))
    files = [path for place in (one, two) for step in ("a", "b") for path in generations(place, step)]
    for source in files:
        for target in files:
            if source == target:
                continue
            whole = target.read_bytes()
            target.write_bytes(source.read_bytes())
            context = Context(target.parents[2])
            step = target.parent.name[0].upper()
            if target.name == "2":
                assert step in context.damaged
                with pytest.raises(ResultDamaged):
                    context[step]
            else:
                assert context[step] == (target.parents[2].name, step, 2)
            target.write_bytes(whole)


def test_links_are_not_followed(place: Path, tmp_path: Path):
    context = Context(place)
    context.put(record(), 1)
    context.save_definition("Load", {"a": 1})
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for path in [p for p in place.rglob("*") if p.is_file()]:
        path.unlink()
        path.symlink_to(precious)
    context = Context(place)
    assert "symbolic links" in context.damaged["load-" + generations(place)[0].parent.name[5:]]
    context.definitions()
    assert context.problems
    assert context.put(record(), 2).unsaved == ""
    context.save_definition("Load", {"a": 2})
    context.forget("Load")
    assert precious.read_bytes() == b"precious"


def test_a_linked_directory_is_not_written_to(place: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    place.mkdir()
    (place / "results").symlink_to(outside)
    context = Context(place)
    assert "results in it is a link; move it away" in context.put(record(), 1).unsaved
    assert list(outside.iterdir()) == []


def test_a_pipe_in_the_place_of_a_file_does_not_hang(place: Path):
    Context(place).put(record(), 1)
    (path,) = generations(place)
    path.unlink()
    os.mkfifo(path)
    assert "Not a plain file" in next(iter(Context(place).damaged.values()))


def test_the_key_is_private_and_outside_of_the_project(place: Path, jupyter_data: Path):
    Context(place).put(record(), 1)
    secret = jupyter_data / "jo_notebook" / "secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_bytes()) == 32
    assert os.listdir(secret.parent) == ["secret"]
    assert not any(secret.read_bytes() in path.read_bytes() for path in place.rglob("*") if path.is_file())
    secret.chmod(0o644)
    assert open_key().id == open_key().id
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_bytes().hex() not in repr(open_key())


def test_a_lost_key_is_distrust_not_damage(place: Path, jupyter_data: Path):
    Context(place).put(record(), 1)
    (jupyter_data / "jo_notebook" / "secret").unlink()
    context = Context(place)
    assert (context.damaged, context.untrusted) == ({}, {"Load"})


@pytest.mark.parametrize("injury", ["short", "link", "directory", "unwritable"])
def test_without_a_lasting_key_the_session_has_one(place: Path, tmp_path: Path, jupyter_data: Path, injury: str):
    secret = jupyter_data / "jo_notebook" / "secret"
    if injury == "unwritable":
        jupyter_data.write_text("a file where a directory should be")
    else:
        secret.parent.mkdir(parents=True)
    if injury == "short":
        secret.write_bytes(b"abc")
    elif injury == "link":
        (tmp_path / "other").write_bytes(b"x" * 32)
        secret.symlink_to(tmp_path / "other")
    elif injury == "directory":
        secret.mkdir()
    context = Context(place)
    assert "No lasting key" in context.problems[0]
    assert context.put(record(), 1).unsaved == ""
    again = Context(place)
    assert again.untrusted == frozenset()
    assert again["Load"] == 1


def test_two_kernels_starting_at_once_get_one_key():
    code = "import sys\nfrom jo_notebook.store.trust import open_key\nsys.stdin.readline()\nprint(open_key().id)"
    kernels = [start(code) for _ in range(4)]
    answers = {kernel.communicate("go\n")[0].strip() for kernel in kernels}
    assert len(answers) == 1
    assert answers == {open_key().id}


def test_the_data_directory_is_jupyters(monkeypatch: pytest.MonkeyPatch, jupyter_data: Path):
    assert data_dir() == jupyter_data
    paths = pytest.importorskip("jupyter_core.paths")
    monkeypatch.delenv("JUPYTER_DATA_DIR")
    assert data_dir() == Path(paths.jupyter_data_dir())
    monkeypatch.setitem(sys.modules, "jupyter_core.paths", None)
    assert data_dir().name.lower() == "jupyter"


def test_reading_a_trap_would_spring_it(place: Path, tmp_path: Path):
    """The control: these tests would see code run."""
    trap = tmp_path / "sprung"
    Context(place).put(record(), Trap(str(trap)))
    trap.unlink()
    Context(place)["Load"]
    assert trap.exists()
