"""Stores of other formats: read as they are, brought up to date when somebody says so, never touched where newer."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy
import pytest

from jo_notebook.context_verb import found_text
from jo_notebook.core.plan import Availability
from jo_notebook.errors import ResultMissing, StoreError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.generation import VERSION
from jo_notebook.store.hashes import algorithm
from jo_notebook.store.identity import Identity, read_identity
from jo_notebook.verbs import find, perform
from tests.golden.make_store import put_key
from tests.store.making import ROOT, failure, flip, record

GOLDEN = sorted((ROOT / "tests" / "golden" / "stores").glob("format*.jo"))
OLD = [path for path in GOLDEN if "format1-" in path.name]
THIS = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def tree(place: Path) -> dict[str, str]:
    """Every file with what it holds."""
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def golden(jupyter_data: Path, tmp_path: Path):
    """Gives a copy of a golden store, whose key is the user's."""
    put_key(jupyter_data)

    def copy(source: Path) -> Path:
        return Path(shutil.copytree(source, tmp_path / "golden.jo"))

    return copy


def check_golden(context: Context) -> None:
    """All that a golden store was made with."""
    assert (context.untrusted, context.damaged) == (frozenset(), {})
    assert sorted(context.records) == ["Clean", "Grid", "Load", "Rule"]
    assert context["Load"] == {"rows": [1, 2, 3, 4], "name": "penguins"}
    assert context["Clean"] == [1, 3, 4]
    assert numpy.array_equal(context["Grid"], numpy.arange(12.0).reshape(3, 4))
    assert [(entry.kind, entry.text) for entry in context.log("Load")] == [("stdout", "loaded\n")]
    assert context.failures["Broken"].error == "ZeroDivisionError: division by zero"
    assert "1 / 0" in context.log("Broken")[-1].text
    assert [number for number, _ in context.older("Load")] == [1]
    assert context.records["Load"].when > 1.7e9
    assert sorted(context.definitions()) == ["Broken", "Clean", "Grid", "Load", "Rule"]
    assert all(ours for _, ours in context.definitions().values())
    context.use("Load", 1)
    assert context["Load"] == {"rows": [1, 2, 3], "name": "penguins"}
    context.use("Load", 0)
    assert context.verify() == {}


@pytest.mark.parametrize("source", GOLDEN, ids=lambda path: path.stem)
def test_every_format_is_read_and_nothing_changes(source: Path, golden):
    place = golden(source)
    before = tree(place)
    assert len(before) > 10
    check_golden(Context(place))
    plan = Pipeline.open(place).steps()
    assert {d.step: d.availability for d in plan}["Broken"] is Availability.FAILED
    if source.stem.endswith(THIS):
        assert Context(place)["Rule"](1) == 2
    else:
        with pytest.raises(StoreError, match=r"Rule.*3\.\d+"):
            Context(place)["Rule"]
    assert tree(place) == before
    assert sorted(path.name for path in place.iterdir()) == sorted({name.split("/")[0] for name in before})


@pytest.mark.parametrize("source", OLD, ids=lambda path: path.stem)
def test_an_older_store_is_not_written(source: Path, golden):
    place = golden(source)
    before = tree(place)
    context = Context(place)
    assert context.problems == ["golden.jo: it has the older format 1; say %context migrate to bring it up to date."]
    assert "say %context migrate" in found_text(Pipeline.open(place))
    assert "say %context migrate" in context.put(record("New"), 1).unsaved
    context.fail(failure("New"))
    refused = (
        lambda: context.forget("Load"),
        context.gc,
        context.quarantine,
        lambda: context.restore("Load"),
        lambda: context.rename("Load", "Loaded"),
        lambda: context.save_definition("New", {}),
        lambda: context.drop_definition("Load"),
    )
    for refuse in refused:
        with pytest.raises(StoreError, match="say %context migrate"):
            refuse()
    assert tree(place) == before


@pytest.mark.parametrize("source", OLD, ids=lambda path: path.stem)
def test_an_older_store_is_brought_up_to_date(source: Path, golden):
    place = golden(source)
    was = Context(place)
    records, ids = dict(was.records), {name: found.id for name, found in was._known.disk_results.items()}
    older, before = was.older("Load"), read_identity(place)
    assert was.migrate() == 6
    assert sorted(path.name for path in place.iterdir()) == ["FORMAT", "definitions", "failures", "results", "tmp"]
    assert list((place / "tmp").iterdir()) == []
    now = read_identity(place)
    assert before is not None
    assert (now, now.format) == (Identity(before.store_id), VERSION)
    for context in (was, Context(place)):
        check_golden(context)
        assert dict(context.records) == records
        assert context.older("Load") == older
        assert {name: found.id for name, found in context._known.disk_results.items()} == ids
        found = context._known.disk_results["Load"]
        assert (found.seq, found.footer.v, found.footer.hash) == (2, VERSION, algorithm())
        assert context.problems == []
    assert context.put(record("Load", "new"), "new").unsaved == ""
    assert Context(place)["Load"] == "new"
    assert context._known.disk_results["Load"].seq == 3
    after = tree(place)
    assert Context(place).migrate() == 0
    assert tree(place) == after
    answer = perform(Pipeline.open(place), find("context"), "migrate", "%context")
    assert answer.text == "There is nothing to migrate in golden.jo: it has today's format."


def old_store(place: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A store of the old layout, for what the golden ones do not have."""
    place.mkdir(exist_ok=True)
    if not (place / "FORMAT").exists():
        (place / "FORMAT").write_bytes(Identity("an old store", 1).to_bytes())
        (place / "steps").mkdir()
    with monkeypatch.context() as past:
        for module in ("disk", "identity"):
            past.setattr(f"jo_notebook.store.{module}.VERSION", 1)
        past.setattr("jo_notebook.store.disk.LAYOUTS", {1: ("steps", "errors")})
        context = Context(place, keep=9)
        for n in (1, 2, 3):
            for step in ("Load", "Clean"):
                assert not context.put(record(step, f"v{n}"), f"{step} {n}").unsaved
    return context


def files(place: Path, step: str, root: str = "steps") -> list[Path]:
    (folder,) = place.glob(f"{root}/{step}-*")
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def test_what_is_damaged_stays_lost_and_known(place: Path, monkeypatch: pytest.MonkeyPatch):
    old_store(place, monkeypatch)
    flip(files(place, "load")[-1], -40)  # the newest, by its footer
    flip(files(place, "clean")[1], 130)  # an older one, by its value
    nobody = place / "steps" / f"nobody-{'0' * 16}" / "4"
    nobody.parent.mkdir()
    nobody.write_bytes(b"nothing is left of it")
    hurt = {files(place, "load")[-1].read_bytes(), files(place, "clean")[1].read_bytes(), nobody.read_bytes()}
    context = Context(place)
    before = sorted(context.damaged)
    assert context.migrate() == 4
    assert {path.read_bytes() for path in (place / "damaged").iterdir()} == hurt
    for look in (context, Context(place)):
        assert sorted(look.damaged) == before == ["Load", nobody.parent.name]
        assert look.damaged["Load"] == "generation 3 is gone"
        assert look["Clean"] == "Clean 3"
        assert [number for number, _ in look.older("Clean")] == [1]
        assert look.restorable("Load")[0] == 2
    assert context.put(record("Load"), "again").unsaved == ""
    assert context._known.disk_results["Load"].seq == 4


def test_what_a_stranger_signed_stays_a_strangers(place: Path, monkeypatch: pytest.MonkeyPatch, stranger):
    with stranger():
        old_store(place, monkeypatch)
    before = Context(place)._known.disk_results["Load"].footer.key
    context = Context(place)
    assert context.migrate() == 6
    for look in (context, Context(place)):
        assert look.untrusted == {"Load", "Clean"}
        assert look._known.disk_results["Load"].footer.key == before
        assert look.verify() == {}
    context.trust()
    assert (context["Load"], context.untrusted) == ("Load 3", frozenset())


def test_a_full_disk_leaves_the_old_store(place: Path, golden, monkeypatch: pytest.MonkeyPatch):
    place = golden(OLD[0])
    before, fsync = tree(place), os.fsync
    for n in range(40):
        left = [n]

        def failing(fd: int, left=left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(fd)

        context = Context(place)
        with monkeypatch.context() as full:
            full.setattr(os, "fsync", failing)
            said = ""
            try:
                context.migrate()
            except StoreError as error:
                said = str(error)
        if not said:
            break
        assert "No space left on device" in said
        if "is up to date" in said:
            check_golden(Context(place))
            shutil.rmtree(place)
            place = golden(OLD[0])
            continue
        assert "stays as it was" in said
        assert {name: text for name, text in tree(place).items() if not name.startswith("tmp")} == before
        assert sorted(Context(place).records) == ["Clean", "Grid", "Load", "Rule"]
    else:
        raise AssertionError("it never came to its end")
    check_golden(Context(place))
    assert n > 10


def test_there_is_no_room(golden, monkeypatch: pytest.MonkeyPatch):
    place = golden(OLD[0])
    before = tree(place)
    monkeypatch.setattr("jo_notebook.store.disk.ROOM_CHECKED_FROM", 1)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((4096, 4096, 9, 0, 0, 0, 0, 0, 0, 255)))
    with pytest.raises(StoreError, match=r"stays as it was: .* are needed and 0 B are free"):
        Context(place).migrate()
    assert tree(place) == before


def test_two_kernels_migrate_at_once(golden):
    place = golden(OLD[0])
    contexts = [Context(place) for _ in range(8)]
    done, refused, go = [], [], threading.Barrier(8)

    def migrate(context: Context) -> None:
        go.wait()
        try:
            done.append(context.migrate())
        except StoreError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=migrate, args=(context,)) for context in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done)[-1] == 6
    assert sum(done) == 6
    assert all("another kernel is migrating it" in text for text in refused)
    check_golden(Context(place))


def test_a_store_without_its_format_file(golden):
    place = golden(OLD[0])
    (place / "FORMAT").write_bytes(b"?")
    context = Context(place)
    assert "say %context migrate" in context.put(record("New"), 1).unsaved
    assert "Load" in Context(place)
    (place / "FORMAT").unlink()
    context = Context(place)
    assert context.migrate() == 6
    check_golden(Context(place))


def test_a_store_that_came_after_the_context(golden, tmp_path: Path):
    context = Context(tmp_path / "golden.jo")
    place = golden(OLD[0])
    assert context.migrate() == 6
    check_golden(context)
    check_golden(Context(place))


def test_links_and_directories_in_the_way(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    old_store(place, monkeypatch)
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    newest = files(place, "load")[-1]
    newest.unlink()
    newest.symlink_to(mine)
    oldest = files(place, "clean")[0]
    oldest.unlink()
    oldest.mkdir()
    context = Context(place)
    assert context.migrate() == 4
    assert context.damaged == {"Load": "generation 3 is gone"}
    assert context["Clean"] == "Clean 3"
    assert mine.read_text() == "mine"
    assert (place / "damaged" / f"{newest.parent.name}-3").is_symlink()
    assert not context.put(record("Load"), 1).unsaved


def test_what_is_not_of_the_store_is_not_touched(tmp_path: Path):
    place = tmp_path / "project"
    mine = [place / folder / "mine.txt" for folder in ("steps", "errors", "results", "migrating", "damaged")]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    context = Context(place)
    assert context.put(record(), 1).unsaved == ""
    assert context.migrate() == 0
    assert context.gc(1, orphans=["Load"])
    assert context.put(record(), 1).unsaved == ""
    assert all(path.read_text() == "mine" for path in mine)


def test_two_stores_mixed_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch):
    Context(place).put(record("New"), "precious")
    old_store(place.with_name("old.jo"), monkeypatch)
    shutil.copytree(place.with_name("old.jo"), place, dirs_exist_ok=True)
    assert read_identity(place).format == 1
    before = tree(place)
    with pytest.raises(StoreError, match="two stores seem to be mixed"):
        Context(place).migrate()
    assert tree(place) == before


@pytest.mark.parametrize("trace", ["a leftover in tmp", "nothing"])
def test_a_newer_store_is_never_changed(golden, trace: str):
    place = golden(OLD[0])
    (place / "FORMAT").write_bytes(Identity("of tomorrow", VERSION + 1).to_bytes())
    (place / "steps").rename(place / "results")
    if trace != "nothing":
        from jo_notebook.store.processes import machine

        host, boot = machine()
        (place / "tmp").mkdir()
        (place / "tmp" / f"{host}-{boot}-999999999-1-abc").write_bytes(b"of a dead writer")
    before = tree(place)
    pipeline = Pipeline.open(place)
    context = pipeline.context
    assert f"format {VERSION + 1}" in found_text(pipeline)
    assert sorted(context.damaged) == ["Clean", "Grid", "Load", "Rule"]
    assert (len(context), context.records) == (0, {})
    assert "newer jo_notebook" in context.put(record("New"), 1).unsaved
    context.fail(failure("New"))
    with pytest.raises((StoreError, ResultMissing)):
        context["Load"]
    for refuse in (
        lambda: context.forget("Load"),
        context.gc,
        lambda: context.gc(dry_run=True),
        context.migrate,
        context.verify,
        context.quarantine,
        lambda: context.restore("Load"),
        lambda: context.save_definition("New", {}),
        lambda: context.drop_definition("Load"),
        context.trust,
    ):
        with pytest.raises(StoreError, match="newer jo_notebook"):
            refuse()
    assert context.restorable("Load") is None
    assert context.crowding() == ""
    assert tree(place) == before
