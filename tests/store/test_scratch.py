from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jo_notebook.store.processes import machine
from jo_notebook.store.scratch import Scratch

HOLD = "import sys\nfrom jo_notebook.store.scratch import Scratch\nwith Scratch(sys.argv[1]).file() as p:\n    "


@pytest.fixture
def tmp(tmp_path: Path) -> Scratch:
    return Scratch(str(tmp_path / "tmp"))


def names(tmp: Scratch) -> list[str]:
    return os.listdir(tmp.folder)


def test_a_file_is_gone_after_the_block_whatever_happens(tmp: Scratch):
    def interrupted() -> None:
        with tmp.file() as path:
            assert os.path.exists(path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp) == []


def test_dead_writers_are_swept_and_living_ones_are_not(tmp: Scratch):
    from tests.store.making import start

    dead = start(
        HOLD + "print(p, flush=True); sys.stdin.readline(); import os, signal; os.kill(os.getpid(), 9)", tmp.folder
    )
    living = start(HOLD + "print(p, flush=True); sys.stdin.readline()", tmp.folder)
    assert dead.stdout
    assert living.stdout
    dead.stdout.readline()
    path = Path(living.stdout.readline().strip())
    dead.communicate("\n")
    assert len(names(tmp)) == 2
    with tmp.file() as mine:
        tmp.sweep()
        assert sorted(names(tmp)) == sorted([path.name, os.path.basename(mine)])
    living.communicate("\n")
    assert names(tmp) == []


@pytest.mark.parametrize("age", [0, 2])
def test_strangers_files_go_after_a_day(tmp: Scratch, age: int):
    os.mkdir(tmp.folder)
    for name in ("otherhost.1-abc-12-34-ff", "what is this"):
        path = Path(tmp.folder, name)
        path.write_text("")
        then = time.time() - age * 24 * 3600
        os.utime(path, (then, then))
    tmp.sweep()
    assert names(tmp) == (["what is this"] if age else sorted(names(tmp)))  # which is nobody's of ours


def test_an_older_boot_and_a_reused_pid_are_dead(tmp: Scratch):
    host, boot = machine()
    if boot == "0":
        pytest.skip("this system does not tell when it was started")
    os.mkdir(tmp.folder)
    for name in (f"{host}-older-{os.getpid()}-1-aa", f"{host}-{boot}-{os.getpid()}-1-aa"):
        Path(tmp.folder, name).write_text("")
    tmp.sweep()
    assert names(tmp) == []


def test_replace_is_whole_or_not_at_all(tmp: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "file"
    tmp.replace(str(target), b"one")

    def fail(fd: int) -> None:
        raise OSError(5, "no")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no"):
        tmp.replace(str(target), b"two")
    assert target.read_bytes() == b"one"
    assert names(tmp) == []


def test_sweeping_nothing_makes_nothing(tmp: Scratch):
    tmp.sweep()
    assert not os.path.exists(tmp.folder)
