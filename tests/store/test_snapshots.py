"""Snapshots: complete, portable, whole or not there; and what is taken in from one."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultMissing, StoreError, UntrustedError
from jo_notebook.store import Context
from jo_notebook.store.identity import read_identity
from tests.store.making import ROOT, failure, flip, generations, record

LOG = (LogEntry("stdout", "hi"),)


@pytest.fixture
def filled(place: Path) -> Context:
    """Two generations of Load, one of Clean, a private step, a failure, a definition, a value that cannot be saved."""
    context = Context(place)
    context.put(record(version="v1"), [1])
    context.put(record(version="v2"), [1, 2], LOG)
    context.put(record("Clean"), {"a": b"x" * 3000}, LOG)
    context.put(record(".hidden"), 1)
    context.fail(failure("Broken"))
    context.save_definition("Load", {"text": "1"})
    context.save_definition(".hidden", {"text": "1"})
    assert context.put(record("Lock"), threading.Lock()).unsaved
    return context


@pytest.fixture(params=["snapshot", "snapshot.zip"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "for a colleague"
    folder.mkdir()
    return folder / request.param


def test_a_snapshot_is_a_store(filled: Context, place: Path, path: Path):
    done = filled.store(path)
    assert (done.path, done.stored) == (path, ("Clean", "Load"))
    assert list(done.left) == ["Lock"]
    assert "lock" in done.left["Lock"]
    assert os.listdir(path.parent) == [path.name]
    if path.suffix:
        with zipfile.ZipFile(path) as packed:
            packed.extractall(path.parent)
    inside = path.with_suffix("")
    context = Context(inside)
    assert (list(context), context.damaged, context.untrusted, context.problems) == (["Clean", "Load"], {}, set(), [])
    assert (context["Load"], context["Clean"], context.log("Load")) == ([1, 2], {"a": b"x" * 3000}, LOG)
    assert context.records["Load"] == filled.records["Load"]
    assert context.records["Lock"].unsaved
    assert context.definitions() == {"Load": ({"text": "1"}, True)}
    assert (context.failures, context.verify()) == ({}, {})
    assert read_identity(str(inside)) not in (None, read_identity(str(place)))
    assert not (inside / "tmp").exists()
    assert context.put(record(), 3).unsaved == ""


def test_some_steps(filled: Context, path: Path):
    assert filled.store(path, ".hidden", "Clean").stored == (".hidden", "Clean")
    assert list(Context.load(path)) == [".hidden", "Clean"]
    with pytest.raises(ResultMissing, match="Did you mean Load"):
        filled.store(path.parent / "other", "Laod")
    assert os.listdir(path.parent) == [path.name]


def test_the_result_in_use(filled: Context, path: Path):
    assert filled.use("Load", 1)
    filled.store(path)
    assert Context.load(path)["Load"] == [1]


def test_what_is_in_memory_only_is_stored_too(path: Path):
    context = Context()
    context.put(record(), [1, 2], LOG)
    context.put(record("Lock"), threading.Lock())
    context.save_definition("Load", {"text": "1"})
    done = context.store(path)
    assert (done.stored, list(done.left)) == (("Load",), ["Lock"])
    seen = Context.load(path)
    assert (seen["Load"], seen.log("Load"), seen.records["Load"].unsaved) == ([1, 2], LOG, "")
    assert seen.records["Load"].format == "json"
    assert seen.definitions() == {"Load": ({"text": "1"}, True)}


def test_an_empty_snapshot(path: Path):
    assert Context().store(path).stored == ()
    assert list(Context.load(path)) == []


def test_nothing_is_replaced(filled: Context, path: Path):
    path.write_text("precious")
    with pytest.raises(StoreError, match="is there already"):
        filled.store(path)
    assert path.read_text() == "precious"
    with pytest.raises(StoreError, match="Not a directory"):
        filled.store(path / "within a file" / "snapshot")
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(StoreError, match="is there already"):
        filled.store(path)
    assert os.listdir(path.parent) == [path.name]


def test_somebody_who_comes_first_wins(filled: Context, path: Path, monkeypatch: pytest.MonkeyPatch):
    """Something appears at the path while the snapshot is written."""
    from jo_notebook.store import snapshots

    before = snapshots._appear

    def late(target: object, draft: str, to: str) -> None:
        path.mkdir()
        (path / "mine").touch()
        before(target, draft, to)

    monkeypatch.setattr(snapshots, "_appear", late)
    with pytest.raises(StoreError):
        filled.store(path)
    assert os.listdir(path) == ["mine"]
    assert os.listdir(path.parent) == [path.name]


def test_damage_is_left_out_and_told(filled: Context, place: Path, path: Path):
    flip(generations(place, "clean")[-1], 200)
    done = Context(place).store(path)
    assert done.stored == ("Load",)
    assert "does not fit its checksum" in done.left["Clean"]
    assert list(Context.load(path)) == ["Load"]


@pytest.mark.parametrize("call", ["fsync", "mkdir", "link", "full"])
def test_a_disk_that_refuses_leaves_nothing(filled: Context, path: Path, monkeypatch: pytest.MonkeyPatch, call: str):
    """At each call in turn, until it goes through."""

    def refuse(real, wanted):
        calls = itertools.count(1)

        def patched(*args, **options):
            if next(calls) == wanted:
                raise OSError(28, "No space left on device")
            return real(*args, **options)

        return patched

    refused = 0
    for wanted in range(1, 200):
        with monkeypatch.context() as change:
            if call == "full":
                from jo_notebook.store import sections

                change.setattr(sections, "_zeros", refuse(sections._zeros, wanted))
            else:
                change.setattr(os, call, refuse(getattr(os, call), wanted))
            try:
                filled.store(path)
                break
            except StoreError as error:
                refused += "No space left" in str(error)
        assert os.listdir(path.parent) == []
    assert refused == wanted - 1 > 0
    assert os.listdir(path.parent) == [path.name]


KILLED = """
import os, sys
from jo_notebook.store import Context, snapshots
def die(*args): os.kill(os.getpid(), 9)
snapshots._appear = die
Context(sys.argv[1]).store(sys.argv[2])
"""


def test_a_killed_store_leaves_nothing_and_the_next_one_cleans_up(filled: Context, place: Path, path: Path):
    done = subprocess.run([sys.executable, "-c", KILLED, place, path], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert not path.exists()
    assert len(os.listdir(path.parent)) == 1
    filled.store(path)
    assert os.listdir(path.parent) == [path.name]


def test_a_stranger_s_result_stays_one(place: Path, path: Path, stranger):
    with stranger():
        Context(place).put(record("Theirs"), SimpleNamespace(n=1), LOG)
        Context(place).save_definition("Theirs", {"text": "evil"})
    context = Context(place)
    context.put(record("Mine"), 2)
    ids = {row.key for row in context.foreign()}
    context.store(path)
    for seen in (Context.load(path), Context(place.with_name("new.jo"))):
        if not seen:
            assert seen.take(path).taken == ("Mine", "Theirs")
        assert (seen.untrusted, seen.damaged, seen["Mine"]) == ({"Theirs"}, {}, 2)
        assert {row.key for row in seen.foreign()} == ids
        assert seen.definitions()["Theirs"] == ({"text": "evil"}, False)
        assert seen.log("Theirs") == LOG
        with pytest.raises(UntrustedError):
            seen["Theirs"]


def test_a_context_on_a_snapshot_stays_as_it_is(filled: Context, path: Path):
    filled.store(path)
    context = Context.load(path)
    before = {p: p.read_bytes() for p in context.place.rglob("*") if p.is_file()}  # type: ignore[union-attr]
    assert "it is a snapshot and stays as it was stored" in context.put(record(), 9).unsaved
    assert context["Load"] == 9
    changes = (
        (context.forget, "Clean"),
        (context.save_definition, "New", {}),
        (context.drop_definition, "Load"),
        (context.trust,),
        (context.take, path),
        (context.rename, "Clean", "New"),
    )
    for row in changes:
        with pytest.raises(StoreError, match="snapshot"):
            row[0](*row[1:])
    del row
    context.fail(failure("Clean"))
    assert {p: p.read_bytes() for p in context.place.rglob("*") if p.is_file()} == before  # type: ignore[union-attr]
    folder = context.place
    del context, changes
    gc.collect()
    assert folder.exists() == (path.suffix == "")  # type: ignore[union-attr]


def test_take_in(filled: Context, path: Path, tmp_path: Path):
    filled.store(path)
    mine = Context(tmp_path / "mine.jo")
    mine.put(record("Load", "v0"), 0)
    mine.save_definition("Load", {"text": "mine"})
    done = mine.take(path)
    assert (done.taken, done.damaged, done.definitions) == (("Clean", "Load"), {}, ())
    assert list(done.left) == ["Lock"]
    assert (mine["Load"], mine.log("Load")) == ([1, 2], LOG)
    assert mine.records["Clean"] == filled.records["Clean"]
    assert [r.version for _, r in mine.older("Load")] == ["v0"]
    assert mine.definitions() == {"Load": ({"text": "mine"}, True)}
    again = mine.take(path)
    assert (again.taken, again.left["Load"]) == ((), "it is here already")
    mine.put(record("Load", "v3"), 3)
    assert (mine.take(path).taken, mine["Load"]) == ((), 3)
    assert (mine.verify(), mine.untrusted) == ({}, frozenset())
    assert filled.take(path).taken == ()


def test_take_in_some(filled: Context, path: Path, tmp_path: Path):
    filled.store(path)
    mine = Context(tmp_path / "mine.jo")
    done = mine.take(path, "Load")
    assert (done.taken, done.definitions, list(mine)) == (("Load",), ("Load",), ["Load"])
    with pytest.raises(ResultMissing, match="Did you mean Clean"):
        mine.take(path, "Claen")


def test_what_is_in_memory_only_is_not_pushed_out(filled: Context, path: Path, tmp_path: Path):
    filled.store(path)
    mine = Context(tmp_path / "mine.jo")
    (tmp_path / "mine.jo").write_text("in the way")
    assert mine.put(record(version="v9"), 9).unsaved
    (tmp_path / "mine.jo").unlink()
    assert mine.take(path).left["Load"] == "this kernel has a result in memory only"
    assert mine["Load"] == 9


def test_damage_in_a_snapshot(filled: Context, tmp_path: Path):
    filled.store(tmp_path / "snapshot")
    flip(generations(tmp_path / "snapshot", "clean")[-1], 200)
    (definition,) = (tmp_path / "snapshot" / "definitions").iterdir()
    flip(definition, 40)
    mine = Context(tmp_path / "mine.jo")
    done = mine.take(tmp_path / "snapshot")
    assert done.taken == ("Load",)
    assert "does not fit its checksum" in done.damaged["Clean"]
    assert any(name.startswith("definitions/") for name in done.damaged)
    assert list(mine) == ["Load"]
    assert os.listdir(mine.place / "tmp") == []  # type: ignore[operator]


@pytest.mark.parametrize("what", ["nothing", "empty", "text", "zip", "newer"])
def test_what_is_no_snapshot(tmp_path: Path, what: str):
    path = tmp_path / "snapshot"
    if what == "empty":
        path.mkdir()
    elif what == "text":
        path.write_text("text")
    elif what == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("readme.txt", "hello")
    elif what == "newer":
        Context().store(path)
        from jo_notebook.store.identity import Identity

        (path / "FORMAT").write_bytes(Identity("1" * 32, 99).to_bytes())
    with pytest.raises(StoreError):
        Context.load(path)
    with pytest.raises(StoreError):
        Context(tmp_path / "mine.jo").take(path)
    with pytest.raises(StoreError, match="lives in memory"):
        Context().take(path)


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "bad",
    [
        *(member(name) for name in ("/etc/x", "../x", "snapshot/../../x", "a\\..\\x", "/", "..")),
        member("snapshot/results/load-0123456789abcdef/1", 0o120777),
        member("snapshot/pipe", 0o010644),
    ],
    ids=lambda info: info.filename,
)
def test_a_zip_file_that_leads_out(filled: Context, tmp_path: Path, bad: zipfile.ZipInfo):
    path = tmp_path / "in" / "snapshot.zip"
    path.parent.mkdir()
    filled.store(path)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(bad, "/etc/passwd")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="leads out of its directory"):
        Context.load(path)
    assert set(tmp_path.rglob("*")) == before


def test_other_files_in_a_zip_file_are_left_there(filled: Context, tmp_path: Path):
    path = tmp_path / "snapshot.zip"
    filled.store(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("snapshot/evil.py", "1")
        packed.writestr("other/FORMAT.x", "1")
        packed.writestr("C:/x", "1")
    context = Context.load(path)
    assert list(context) == ["Clean", "Load"]
    assert sorted(os.listdir(context.place)) == ["FORMAT", "definitions", "results"]  # type: ignore[arg-type]


def test_a_zip_file_of_the_directory_itself(filled: Context, place: Path, tmp_path: Path):
    """As a file manager makes one: compressed, with or without the directory on top."""
    shutil.make_archive(str(tmp_path / "with"), "zip", place.parent, place.name)
    shutil.make_archive(str(tmp_path / "without"), "zip", place)
    for name in ("with.zip", "without.zip"):
        assert Context.load(tmp_path / name)["Load"] == [1, 2]


def test_a_zip_file_too_large_or_cut(filled: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "snapshot.zip"
    filled.store(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(StoreError, match="Cannot unpack"):
        Context.load(path)
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    try:
        context = Context.load(path)
    except StoreError:
        pass
    else:
        assert context.damaged
    path.write_bytes(whole)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 10))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="are needed, 10 B are free"):
        Context.load(path)


def test_without_exclusive_rename(filled: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jo_notebook.store.publish._rename_exclusively", lambda draft, target: False)
    filled.store(tmp_path / "snapshot")
    assert Context.load(tmp_path / "snapshot")["Load"] == [1, 2]
    assert not [name for name in os.listdir(tmp_path) if "claim" in name or name.startswith(".jo")]


def test_a_result_pruned_meanwhile(filled: Context, place: Path, path: Path):
    """Another kernel overtakes the file that was about to be copied."""
    other = Context(place)
    for number in range(3):
        other.put(record(version=f"n{number}"), [number])
    filled.store(path)
    assert Context.load(path)["Load"] == [2]


def test_a_snapshot_while_others_write(filled: Context, place: Path, path: Path):
    stop = threading.Event()

    def write() -> None:
        context, number = Context(place), 0
        while not stop.is_set():
            number += 1
            context.put(record(version=f"n{number}"), number)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for attempt in range(4):
            time.sleep(0.05)
            to = path.with_name(f"{attempt}{path.name}")
            done = filled.store(to)
            assert list(done.left) == ["Lock"]
            assert isinstance(Context.load(to)["Load"], int)
    finally:
        stop.set()
        thread.join()
