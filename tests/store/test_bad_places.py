"""Places that refuse: one StoreError that says what is wrong, where, and what to do; what was there stays."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jo_notebook.errors import StoreError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.refusals import ELSEWHERE, obstacle, shown
from tests.places import deep, immutable, like_anybody, mounted, remount, to_another_user, tree, vfat
from tests.store.making import failure, generations, leftovers, record, run


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is mounted on it goes after the test."""
    with ExitStack() as stack:
        yield stack


def check_words(text: str, *words: str) -> None:
    """What, where, what to do, in one line of a length that can be read."""
    assert all(word in text for word in words), text
    assert ELSEWHERE in text
    assert text.isprintable()
    text.encode()
    assert len(text) < 400


def refuse(place: Path, *words: str) -> Context:
    """All that would write is told in the same words, and the value is in memory."""
    context = Context(place)
    check_words(context.put(record("Load", "v9"), "new").unsaved, "cannot write to", *words)
    assert context["Load"] == "new"
    context.fail(failure("Other"))
    assert context.failures == {"Other": failure("Other")}
    with pytest.raises(StoreError) as told:
        context.save_definition("Load", {"a": 1})
    check_words(str(told.value), *words)
    context.refresh()
    context.settle()
    assert context["Load"] == "new"
    return context


def filled(place: Path) -> Path:
    """A store with two generations and a definition."""
    context = Context(place)
    for n in (1, 2):
        assert context.put(record("Load", f"v{n}"), f"old {n}").unsaved == ""
    context.save_definition("Load", {"a": 0})
    return place


def _loop(folder: Path) -> str:
    (folder / "analysis.jo").symlink_to(folder / "analysis.jo")
    return "analysis.jo"


def _made(folder: Path, act: Callable[[Path], object], name: str = "analysis.jo") -> str:
    act(folder / name.split("/")[0])
    return name


NO_DIRECTORIES: dict[str, tuple[Callable[[Path], str], str]] = {
    "a file": (lambda f: _made(f, Path.touch), "it is a file; move it away"),
    "a pipe": (lambda f: _made(f, os.mkfifo), "it is a pipe; move it away"),
    "below a file": (lambda f: _made(f, Path.touch, "taken/analysis.jo"), "taken is a file; move it away"),
    "far below a file": (lambda f: _made(f, Path.touch, "taken/a/b/analysis.jo"), "taken is a file; move it away"),
    "below nothing": (lambda f: "no/such/analysis.jo", "/no/such; make it"),
    "a link to nothing": (
        lambda f: _made(f, lambda path: path.symlink_to(f / "nowhere")),
        "/nowhere, which is not there; make that directory",
    ),
    "a link to itself": (_loop, "Too many levels"),
    "a name too long": (lambda f: "x" * 300 + ".jo", "File name too long"),
    "a path too long": (lambda f: "x/" * 2000 + "analysis.jo", "make it, or"),
    "a path longer than any": (lambda f: "x" * 99 + ("/" + "x" * 99) * 50, "File name too long"),
}


@pytest.mark.parametrize("row", NO_DIRECTORIES)
def test_where_no_directory_can_be(tmp_path: Path, row: str):
    make, words = NO_DIRECTORIES[row]
    (folder := tmp_path / "here").mkdir()
    place, before = folder / make(folder), tree(folder)
    context = refuse(place, words)
    assert tree(folder) == before
    (problem,) = context.problems
    check_words(problem, "Cannot use", words)
    assert obstacle(str(place))
    assert len(context.definitions()) == 0
    pipeline = Pipeline(context)  # asks of its own whether the place is there
    pipeline.take_in()
    pipeline.move_to(folder / "good.jo")
    assert Context(folder / "good.jo")["Load"] == "new"


def test_once_the_parent_is_made_all_is_well(tmp_path: Path):
    place = tmp_path / "no" / "such" / "analysis.jo"
    context = refuse(place, "make it")
    place.parent.mkdir(parents=True)
    context.refresh()
    assert (context.problems, context["Load"]) == ([], "new")
    assert context.put(record(), "newer").unsaved == ""
    assert Context(place)["Load"] == "newer"


def test_a_parent_that_vanishes_and_comes_back(tmp_path: Path):
    place = filled(tmp_path / "folder" / "analysis.jo") if (tmp_path / "folder").mkdir() is None else tmp_path
    context = Context(place)
    assert context["Load"] == "old 2"
    (tmp_path / "folder").rename(tmp_path / "away")
    context.refresh()
    assert context["Load"] == "old 2"
    check_words(context.records["Load"].unsaved, "folder; make it")
    check_words(context.put(record("Late"), 3).unsaved, "folder; make it")
    assert not (tmp_path / "folder").exists()
    (tmp_path / "away").rename(tmp_path / "folder")
    context.refresh()
    assert (context["Load"], context["Late"], context.problems) == ("old 2", 3, [])
    assert context.put(record("Late"), 3).unsaved == ""


def test_a_link_to_a_directory_elsewhere(tmp_path: Path):
    """A place may be a link: all goes to where it leads, and the link stays."""
    (tmp_path / "large disk").mkdir()
    place = tmp_path / "analysis.jo"
    place.symlink_to(tmp_path / "large disk")
    filled(place)
    assert place.is_symlink()
    assert Context(place).problems == []
    assert Context(tmp_path / "large disk")["Load"] == "old 2"
    assert Context(place).verify() == {}


REFUSING: dict[str, tuple[tuple[str, ...], str]] = {
    "read-only": ((), "Read-only file system; make it writable"),
    "full": (("-o", "size=128k"), "No space left on device; make room on it"),
    "no more names": (("-o", "size=1m,nr_inodes=14"), "No space left on device; make room on it"),
}


@pytest.mark.parametrize("row", REFUSING)
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "filled"])
def test_a_disk_that_refuses(tmp_path: Path, stack: ExitStack, row: str, is_new: bool):
    options, words = REFUSING[row]
    disk = stack.enter_context(mounted(tmp_path / "disk", "tmpfs", *options))
    place = disk / "analysis.jo" if is_new else filled(disk / "analysis.jo")
    if row == "read-only":
        remount(disk, "ro")
    else:
        _fill(disk)
    before = tree(disk)
    context = refuse(place, words)
    if is_new:
        assert Context(place).verify() == {}
        assert len(Context(place)) == 0
    else:
        assert {k: v for k, v in tree(disk).items() if k in before or isinstance(v, bytes)} == before
        assert Context(place)["Load"] == "old 2"
        assert Context(place).definitions() == {"Load": ({"a": 0}, True)}
    assert leftovers(place) == []
    if row == "read-only":
        if not is_new:
            for act in (context.forget, context.drop_definition):
                with pytest.raises(StoreError) as told:
                    act("Load")
                check_words(str(told.value), words)
        remount(disk, "rw")
    else:
        for path in disk.glob("filler*"):
            path.unlink()
    assert context.put(record(), "newer").unsaved == ""
    assert Context(place)["Load"] == "newer"


def _fill(disk: Path) -> None:
    """Takes all names, or all room."""
    for n in range(100):
        try:
            with open(disk / f"filler{n}", "wb", buffering=0) as out:
                while n == 0 and os.statvfs(disk).f_bavail and os.statvfs(disk).f_blocks < 100:
                    out.write(bytes(4096))
        except OSError:
            return


def test_a_directory_that_nobody_can_change(tmp_path: Path, stack: ExitStack):
    place = filled(tmp_path / "analysis.jo")
    before = tree(place)
    for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
        stack.enter_context(immutable(folder))
    context = refuse(place, "Operation not permitted; ask for the right to use it")
    with pytest.raises(StoreError, match=f"(?s)Cannot remove Load.*{ELSEWHERE}"):
        context.forget("Load")
    assert tree(place) == before
    assert Context(place)["Load"] == "old 2"


NOBODY = inspect.getsource(like_anybody) + (
    "import json, sys\nfrom jo_notebook.pipeline import Pipeline\nfrom jo_notebook.store import Context\n"
    "from jo_notebook.errors import StoreError\nfrom tests.store.making import record\n"
    "like_anybody()\n"
    "context = Context(sys.argv[1])\n"
    "Pipeline(context).take_in()\n"
    "seen = {'read': context.get('Load', 'nothing'), 'problems': context.problems}\n"
    "seen['unsaved'] = context.put(record('Load', 'v9'), 'new').unsaved\n"
    "context.refresh()\n"
    "seen['value'] = context['Load']\n"
    "for name in ('trust', 'migrate', 'verify', 'gc', 'foreign', 'settle', 'size', 'running_elsewhere', 'crowding'):\n"
    "    try:\n        getattr(context, name)()\n    except StoreError as error:\n        seen[name] = str(error)\n"
    "print(json.dumps(seen))\n"
)
FOREIGN = ", it belongs to another user; ask for the right to use it"


@pytest.mark.parametrize(
    ("which", "mode", "read", "words"),
    [
        ("place", 0o755, "old 2", FOREIGN),
        ("place", 0o700, "nothing", FOREIGN),
        ("parent", 0o700, "nothing", "Permission denied; ask for"),
        ("results", 0o700, "nothing", "Permission denied"),
        ("files", 0o600, "nothing", "Permission denied"),
    ],
)
def test_a_foreign_owner(tmp_path: Path, which: str, mode: int, read: str, words: str):
    (tmp_path / "folder").mkdir()
    place = filled(tmp_path / "folder" / "analysis.jo")
    before = tree(place)
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    files = [path for path in place.rglob("*") if path.is_file()]
    if which != "parent":
        to_another_user(*folders, mode=0o755)
    chosen = {"place": [place], "parent": [place.parent], "results": [place / "results"], "files": files}[which]
    to_another_user(*chosen, mode=mode)
    seen = json.loads(run(NOBODY, place))
    assert seen["read"] == read
    assert seen["value"] == "new"
    check_words(seen["unsaved"], "cannot write to analysis.jo: Permission denied", words)
    assert read != "nothing" or which == "files" or "Permission denied" in seen["problems"][0]
    for name in seen.keys() - {"read", "problems", "unsaved", "value"}:
        assert "Permission denied" in seen[name]
    for path in (place.parent, *folders, *files):
        path.chmod(0o755)
    assert tree(place).keys() == before.keys()
    assert Context(place)["Load"] == "old 2"


PARTS = ("results", "tmp", "definitions", "failures", "running", "FORMAT", "index", "results/step")
KINDS: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("a thesis"),
    "a pipe": os.mkfifo,
    "a directory": Path.mkdir,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_something_else(tmp_path: Path, part: str, kind: str):
    """A save is told what is in the way, or nothing is in its way; what lies there is not written to."""
    place = filled(tmp_path / "analysis.jo")
    context = Context(place)
    context.fail(failure("Other"))
    assert context["Load"] == "old 2"
    path = generations(place)[0].parent if part == "results/step" else place / part
    if path.is_dir() and kind == "a directory":
        pytest.skip("it is one")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    KINDS[kind](path)
    context.refresh()
    if part == "results":
        assert context["Load"] == "old 2"  # not forgotten by another kernel: the shelf is out of reach
    done = context.put(record("Load", "v9"), "new")
    assert context["Load"] == "new"
    if done.unsaved:
        check_words(done.unsaved, "cannot write to analysis.jo: ", f" in it is {kind}; move it away")
    else:
        assert Context(place)["Load"] == "new"
    assert bool(done.unsaved) == (
        part in ("results", "tmp", "results/step") or (part, kind) == ("FORMAT", "a directory")
    )
    for act in (context.refresh, context.verify, context.gc, context.trust, context.settle, context.definitions):
        try:
            act()
        except StoreError as error:
            check_words(str(error), "move it away")
    if kind == "a file" and part not in ("FORMAT", "index"):
        assert path.read_text() == "a thesis"
    if done.unsaved:
        path.rmdir() if kind == "a directory" else path.unlink()
        assert context.put(record("Load", "v9"), "new").unsaved == ""
        assert Context(place)["Load"] == "new"


@pytest.mark.parametrize("where", ["disk", "disk/folder", "disk itself"])
def test_a_disk_that_vanishes(tmp_path: Path, stack: ExitStack, where: str):
    """Nothing is written to what was below it, where it would be hidden once the disk is back."""
    point = tmp_path / ("analysis.jo" if where == "disk itself" else "disk")
    disk = stack.enter_context(mounted(point, "tmpfs"))
    place = disk if where == "disk itself" else tmp_path / where / "analysis.jo"
    place.parent.mkdir(exist_ok=True)
    context = Context(filled(place))
    assert context["Load"] == "old 2"
    subprocess.run(["umount", "-l", disk], check=True)
    words = "/folder; make it" if "/" in where else "the disk it was on is not there; mount it again"
    done = context.put(record("Load", "v9"), "new")
    check_words(done.unsaved, "cannot write to analysis.jo: ", words)
    with pytest.raises(StoreError):
        context.save_definition("Load", {"a": 1})
    context.refresh()
    assert context["Load"] == "new"
    assert list(disk.iterdir()) == []


def test_a_store_that_was_removed_is_made_again(place: Path):
    """That is no disk that vanished."""
    context = Context(filled(place))
    shutil.rmtree(place)
    assert context.put(record(), "new").unsaved == ""
    assert Context(place)["Load"] == "new"


CLOCK = (
    "import sys, time\nreal, off = time.time, float(sys.argv[2])\ntime.time = lambda: off\n"
    "time.time_ns = lambda: int(off * 1e9)\n"
    "from jo_notebook.store import Context\nfrom jo_notebook.pipeline import Pipeline\n"
    "from jo_notebook.core.definition import Definition\nfrom jo_notebook.core.source import parse_source\n"
    "from jo_notebook.verbs import perform, VERBS\n"
    "pipeline = Pipeline(Context(sys.argv[1]))\n"
    "pipeline.add(Definition('Load', parse_source('[3, 1]'), ()))\n"
    "print(pipeline.materialize('Load', force=True), pipeline.outcome.unsaved, pipeline.outcome.warnings)\n"
    "for name in ('steps', 'plan'):\n"
    "    assert 'Load' in perform(pipeline, next(v for v in VERBS if v.name == name), '', '').text\n"
)


@pytest.mark.parametrize("clock", [0.0, -5e8, 5e9, 4e11])
def test_a_clock_that_is_years_off(place: Path, clock: float):
    """What was run last is the newest, whatever the clock said; listings do not fall over it."""
    for off in (2e9, clock, 1.0, clock):
        assert run(CLOCK, place, off) == "[3, 1] {} []\n"
        found = Context(place)
        assert (found["Load"], found.records["Load"].when) == ([3, 1], off)
        assert (found.damaged, found.problems, found.verify()) == ({}, [], {})


NAMES = {
    "spaces": b" a  b .jo",
    "a line break": b"a\nb\r\x1b[31m.jo",
    "letters": "données-数据-🙂.jo".encode(),
    "composed and not": "e\u0301-é.jo".encode(),
    "no text at all": b"a \xff\xfe\xc3.jo",
    "quotes": b"'a\"`$(id)`.jo",
    "pattern": b"[a]*?{b}.jo",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_places(tmp_path: Path, name: str):
    """Each is a place as any other, for a directory and for those above it; and messages stay one line."""
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + NAMES[name] + b"/" + NAMES[name]))
    place.parent.mkdir()
    filled(place)
    context = Context(place)
    assert (context["Load"], context.problems, context.verify()) == ("old 2", [], {})
    context.store(place.with_name("copy.jo"))
    context.store(place.with_name("copy.zip"))
    for copy in ("copy.jo", "copy.zip"):
        assert Context.load(place.with_name(copy))["Load"] == "old 2"
    shutil.rmtree(place)
    place.write_text("taken")
    refuse(place, f"cannot write to {shown(place.name)}: it is a file", "")


@pytest.mark.parametrize("length", [1000, 3900])
def test_a_path_that_is_long(tmp_path: Path, length: int):
    place = filled(deep(tmp_path, length))
    context = Context(place)
    assert (context["Load"], context.problems, context.verify()) == ("old 2", [], {})


def test_a_path_that_has_no_room_for_what_is_in_it(tmp_path: Path):
    """The directory is there, and the names of its files are too long."""
    place = deep(tmp_path, 4060)
    refuse(place, "File name too long")
    assert list(place.rglob("[!t]*")) == []


def test_a_disk_without_links_that_folds_names(tmp_path: Path, stack: ExitStack):
    disk = stack.enter_context(mounted(tmp_path / "disk", "vfat", "-o", "loop", device=vfat(tmp_path / "image")))
    place = filled(disk / "analysis.jo")
    names = ("Load", "LOAD", "load", "Données", "DONNÉES")
    context = Context(place)
    for n, name in enumerate(names):
        assert context.put(record(name), n).unsaved == ""
        context.save_definition(name, {"n": n})
    again = Context(Path(str(place).replace("analysis.jo", "ANALYSIS.jo")))
    assert [again[name] for name in names] == [0, 1, 2, 3, 4]
    assert {name: data["n"] for name, (data, _) in again.definitions().items()} == {n: i for i, n in enumerate(names)}
    assert (again.damaged, again.problems, again.verify(), leftovers(place)) == ({}, [], {}, [])
    assert again.rename("LOAD", "Other")
    again.forget("load")
    assert sorted(Context(place)) == ["DONNÉES", "Données", "Load", "Other"]


def test_what_only_memory_has_moves_along(tmp_path: Path):
    (tmp_path / "taken").write_text("")
    context = Context(tmp_path / "taken")
    for name in ("Load", "There"):
        context.put(record(name), name)
    there = Context(tmp_path / "good.jo")
    there.put(record("There", "v7"), "older")
    there.bring(context)
    found = Context(tmp_path / "good.jo")
    assert (found["Load"], found["There"]) == ("Load", "older")
