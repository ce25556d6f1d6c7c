"""Claims: one process at a time runs a step, and nothing that anybody leaves behind stops the others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.store.context import Context
from jo_notebook.store.generation import VERSION
from jo_notebook.store.heartbeat import Heartbeat, may_be_shared
from jo_notebook.store.identity import Identity
from jo_notebook.store.names import stem_of
from jo_notebook.store.owners import Owner
from jo_notebook.store.processes import machine, start_of
from tests.store.making import ROOT, record

pytest.importorskip("fcntl", reason="this system has no locks of this kind")

HOLDER = """
import os, sys, time
from jo_notebook.store.context import Context
context = Context(sys.argv[1])
def waiting(owner):
    print("waits for", owner.pid, flush=True)
with context.claim("Load", "d1", waiting=waiting) as is_newer:
    print("holds", is_newer, flush=True)
    exec(sys.argv[2])
print("done", flush=True)
"""
UNTIL_TOLD = "sys.stdin.readline()"
CHILD = """
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("forked", flush=True)
"""


@pytest.fixture
def context(place: Path) -> Context:
    """A context whose directory is there."""
    made = Context(place)
    made.put(record("Raw"), 1)
    return made


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes in groups of their own, and ends them with all their children."""
    started: list[subprocess.Popen[str]] = []

    def begin(place: Path, code: str = UNTIL_TOLD) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(place), code]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True))
        return started[-1]

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def file_of(place: Path, step: str = "Load") -> Path:
    return place / "running" / stem_of(step)


def left_behind(place: Path, **changes: Any) -> Path:
    """A claim's file without a lock: by default of this very process, a moment ago."""
    host, boot = machine()
    pid = os.getpid()
    row = {"step": "Load", "digest": "d1", "host": host, "name": "this one", "boot": boot, "pid": pid}
    row |= {"start": start_of(pid), "since": time.time()} | changes
    path = file_of(place, str(row["step"]))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(row) + "\n")
    return path


def taken(context: Context) -> tuple[float, list[Owner]]:
    """How long it took to get the claim, and who was told of."""
    told: list[Owner] = []
    before = time.perf_counter()
    with context.claim("Load", "d2", waiting=told.append):
        took = time.perf_counter() - before
    return took, told


def reaped_pid() -> int:
    """A number that no process has."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_claim_is_a_line_while_it_lasts(context: Context, place: Path):
    before = time.time()
    with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
        owner = Owner.read(file_of(place).read_bytes())
        assert owner is not None
        assert (owner.step, owner.digest, owner.pid) == ("Load", "d1", os.getpid())
        assert (owner.host, owner.boot) == machine()
        assert owner.start == start_of(os.getpid())
        assert before - 1 < owner.since < time.time() + 1
        assert not is_newer
        assert context.running_elsewhere() == []
    assert os.listdir(place / "running") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_it_ends_with_its_block_whatever_happens(context: Context, place: Path, error: type[BaseException]):
    def fail() -> None:
        with context.claim("Load", "d1", waiting=pytest.fail):
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(place / "running") == []
    assert taken(context)[1] == []


def test_without_a_disk_nothing_happens(tmp_path: Path):
    for context in (Context(), Context(tmp_path / "not there.jo")):
        with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
            assert not is_newer
            assert context.running_elsewhere() == []
    assert not (tmp_path / "not there.jo").exists()


def test_the_next_one_waits_and_is_told_once(context: Context, place: Path, start: Any):
    holder = start(place)
    assert said(holder) == "holds False"
    second = start(place)
    assert said(second) == f"waits for {holder.pid}"
    (owner,) = context.running_elsewhere()
    assert (owner.step, owner.pid) == ("Load", holder.pid)
    time.sleep(0.3)
    assert second.poll() is None
    holder.communicate("\n")
    assert said(second) == "holds False"
    second.communicate("\n")
    assert context.running_elsewhere() == []
    assert os.listdir(place / "running") == []


def test_steps_do_not_wait_for_each_other(context: Context, place: Path, start: Any):
    assert said(start(place)) == "holds False"
    with context.claim("Other", "d1", waiting=pytest.fail):
        pass


def test_what_was_finished_meanwhile_is_known(context: Context, place: Path):
    other = Context(place)
    with context.claim("Load", "d1", waiting=pytest.fail):
        other.put(record("Load", "v1"), [1])
    with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
        assert is_newer
        assert context["Load"] == [1]
    with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
        assert not is_newer
    other.put(record("Load", "v2"), [2])
    with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
        assert is_newer
        assert context.records["Load"].version == "v2"
        assert context["Load"] == [2]


def test_an_unchanged_file_is_not_read_again(context: Context, monkeypatch: pytest.MonkeyPatch):
    context.put(record("Load"), [1])
    monkeypatch.setattr(type(context._disk.results), "_read", pytest.fail)
    with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
        assert not is_newer


def test_damage_is_no_newer_result(context: Context, place: Path):
    Context(place).put(record("Load"), [1])
    (path,) = place.glob("*/load-*/1")
    path.write_bytes(b"nonsense")
    with context.claim("Load", "d1", waiting=pytest.fail) as is_newer:
        assert not is_newer
    assert "Load" in context.damaged


def test_killed_owners_stop_nobody(context: Context, place: Path, start: Any):
    holder = start(place)
    assert said(holder) == "holds False"
    holder.kill()
    holder.wait()
    assert file_of(place).exists()
    assert context.running_elsewhere() == []
    took, told = taken(context)
    assert took < 1
    assert told == []
    assert not file_of(place).exists()


@pytest.mark.parametrize("whose", ["dead", "reused", "older boot"])
def test_a_file_of_nobody_is_taken_at_once(context: Context, place: Path, whose: str):
    changes = {"dead": {"pid": reaped_pid()}, "reused": {"start": "1"}, "older boot": {"boot": "older"}}[whose]
    path = left_behind(place, **changes)
    assert context.running_elsewhere() == []
    took, told = taken(context)
    assert took < 1
    assert told == []
    assert not path.exists()


def test_a_living_process_that_holds_no_lock_runs_nothing(context: Context, place: Path):
    """A directory that was copied while a step was running there, say."""
    pid = os.getppid()
    left_behind(place, pid=pid, start=start_of(pid))
    assert context.running_elsewhere() == []
    assert taken(context)[1] == []


def test_nothing_is_written_to_a_store_of_a_newer_format(place: Path):
    place.mkdir()
    (place / "FORMAT").write_bytes(Identity("0" * 32, VERSION + 1).to_bytes())
    with Context(place).claim("Load", "d1", waiting=pytest.fail):
        assert os.listdir(place) == ["FORMAT"]


@pytest.mark.parametrize("whose", ["dead", "reused"])
def test_the_first_claim_sweeps_up(context: Context, place: Path, whose: str):
    path = left_behind(place, **{"dead": {"pid": reaped_pid()}, "reused": {"start": "1"}}[whose])
    with context.claim("Other", "d1", waiting=pytest.fail):
        assert not path.exists()


def test_sweeping_leaves_what_is_held_and_what_is_of_other_hosts(context: Context, place: Path, start: Any):
    assert said(start(place)) == "holds False"
    foreign = left_behind(place, step="Far", host="far.1", boot="other")
    with context.claim("Other", "d1", waiting=pytest.fail):
        assert foreign.exists()
        assert file_of(place).exists()


def test_a_dead_owners_child_keeps_nobody_waiting(context: Context, place: Path, start: Any):
    """The child shares the descriptor, and so the lock; its parent is gone."""
    holder = start(place, CHILD + UNTIL_TOLD)
    assert [said(holder), said(holder)] == ["holds False", "forked"]
    holder.kill()
    holder.wait()
    assert context.running_elsewhere() == []
    took, told = taken(context)
    assert 0.1 < took < 1
    assert told == []


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_living_owners_child_does_not_keep_the_claim(context: Context, place: Path, start: Any, is_stuck: bool):
    """Also where the file cannot be removed."""
    holder = start(place, CHILD + ("os.unlink = os.rmdir" if is_stuck else ""))
    assert [said(holder) for _ in range(3)] == ["holds False", "forked", "done"]
    assert file_of(place).exists() == is_stuck
    took, told = taken(context)
    assert took < 0.2
    assert told == []


def test_a_child_that_leaves_the_block_takes_nothing_away(context: Context, place: Path, start: Any):
    holder = start(
        place, "if os.fork() == 0:\n    raise SystemExit\nos.wait()\nprint('forked', flush=True)\n" + UNTIL_TOLD
    )
    assert [said(holder), said(holder)] == ["holds False", "forked"]
    assert [owner.pid for owner in context.running_elsewhere()] == [holder.pid]
    assert file_of(place).exists()


def test_a_foreign_owner_with_a_sign_of_life_is_told_of_and_not_waited_for(context: Context, place: Path):
    left_behind(place, host="far.1", name="far", boot="other", pid=7)
    took, told = taken(context)
    assert took < 1
    assert [(owner.name, owner.pid, owner.is_unsure) for owner in told] == [("far", 7, True)]
    assert told[0].who.startswith("pid 7 on far, since ")


def test_a_foreign_owner_without_one_is_gone(context: Context, place: Path):
    path = left_behind(place, host="far.1", boot="other")
    os.utime(path, (time.time() - 60, time.time() - 60))
    assert taken(context)[1] == []


@pytest.mark.parametrize("now", [0.0, 4e9])
@pytest.mark.parametrize("age", [0, 60])
def test_our_clock_does_not_decide_about_signs_of_life(
    context: Context, place: Path, monkeypatch: pytest.MonkeyPatch, now: float, age: int
):
    path = left_behind(place, host="far.1", boot="other")
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    monkeypatch.setattr(time, "time", lambda: now)
    assert len(taken(context)[1]) == (0 if age else 1)


def test_another_container_of_this_system_is_under_its_locks(context: Context, place: Path):
    left_behind(place, host="container.1")
    assert taken(context)[1] == []


def test_who_goes_away_leaves_a_foreign_claim_as_it_was(context: Context, place: Path):
    path = left_behind(place, host="far.1", boot="other")
    text = path.read_text()

    def leave(owner: Owner) -> None:
        raise KeyboardInterrupt

    def enter() -> None:
        with context.claim("Load", "d1", waiting=leave):
            pytest.fail("it was to be left to the other")

    with pytest.raises(KeyboardInterrupt):
        enter()
    assert path.read_text() == text


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe", "directory"])
def test_what_is_no_plain_file_of_ours_is_left_alone(context: Context, place: Path, tmp_path: Path, kind: str):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    path = file_of(place)
    path.parent.mkdir()
    if kind == "hard link":
        path.hardlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(precious if kind == "link" else tmp_path / "nothing")
    context._claims._is_swept = True  # which removes a second name, and nothing but the name
    took, told = taken(context)
    assert took < 1
    assert told == []
    assert context.running_elsewhere() == []
    assert os.path.lexists(path)
    assert precious.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_link_in_the_place_of_the_directory(context: Context, place: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (place / "running").symlink_to(elsewhere)
    with context.claim("Load", "d1", waiting=pytest.fail):
        assert os.listdir(elsewhere) == []
    assert context.running_elsewhere() == []


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "{}", "[" * 100_000, '{"pid": 1e999}', json.dumps({"pid": True, "since": "now"}), "\0" * 9],
)
def test_nonsense_in_the_file_is_nobody(context: Context, place: Path, text: str):
    left_behind(place).write_text(text)
    assert context.running_elsewhere() == []
    assert taken(context)[1] == []


@pytest.mark.parametrize(
    "changes", [{"pid": 0}, {"pid": -1}, {"pid": 2**70}, {"since": 1e300}, {"since": float("nan")}, {"name": 5}]
)
def test_impossible_owners_are_nobody(place: Path, context: Context, changes: dict[str, Any]):
    assert Owner.read(left_behind(place, **changes).read_bytes()) is None


def test_an_owners_host_cannot_spoil_a_line(place: Path, context: Context):
    owner = Owner.read(left_behind(place, name="x\x1b[31m\n<b>" + "y" * 9999).read_bytes())
    assert owner is not None
    assert owner.who.isprintable()
    assert len(owner.who) < 120
    assert "<" not in owner.who


def test_two_contexts_of_one_process(context: Context, place: Path):
    """Locks are of descriptors, not of processes: threads with contexts of their own wait for each other."""
    other, inside, order, told = Context(place), threading.Event(), [], []

    def hold() -> None:
        with other.claim("Load", "d1", waiting=pytest.fail):
            inside.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    with context.claim("Load", "d1", waiting=told.append):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert [owner.pid for owner in told] == [os.getpid()]


def test_many_who_want_it_at_once_hold_it_one_by_one(context: Context, place: Path):
    now, most, count = [0], [0], [0]

    def work() -> None:
        mine = Context(place)
        for _ in range(20):
            with mine.claim("Load", "d1", waiting=lambda owner: None):
                now[0] += 1
                most[0] = max(most[0], now[0])
                time.sleep(0.0005)
                count[0] += 1
                now[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], count[0]) == (1, 120)
    assert os.listdir(place / "running") == []


def test_who_looks_is_taken_for_nobody(context: Context, place: Path, monkeypatch: pytest.MonkeyPatch):
    """Looking and sweeping hold a lock for a moment; a claim made meanwhile tells of no other kernel."""
    import fcntl

    sleep = time.sleep
    with left_behind(place, host="far.1", boot="older").open() as looking:
        os.utime(looking.fileno(), (1, 1))
        fcntl.flock(looking.fileno(), fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda seconds: (looking.close(), sleep(seconds)))
        assert taken(context)[1] == []
        assert looking.closed


def test_an_interrupt_ends_the_wait_at_once(context: Context, place: Path, start: Any):
    holder = start(place)
    assert said(holder) == "holds False"
    second = start(place)
    assert said(second).startswith("waits for")
    before = time.perf_counter()
    second.send_signal(signal.SIGINT)
    assert second.wait(10) != 0
    assert time.perf_counter() - before < 2
    assert [owner.pid for owner in context.running_elsewhere()] == [holder.pid]


@pytest.mark.parametrize("code", ["ENOLCK", "EOPNOTSUPP", "EINVAL"])
def test_a_disk_without_locks_has_no_claims(context: Context, place: Path, monkeypatch: pytest.MonkeyPatch, code: str):
    import errno

    def refuse(fd: int, how: int) -> None:
        raise OSError(getattr(errno, code), code)

    monkeypatch.setattr("jo_notebook.store.claims.flock", refuse)
    with context.claim("Load", "d1", waiting=pytest.fail):
        assert os.listdir(place / "running") == []
    assert context.running_elsewhere() == []


def test_a_disk_that_is_full_once_the_file_is_there(context: Context, place: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", refuse)
    other = Context(place)
    with context.claim("Load", "d1", waiting=pytest.fail):
        told: list[Owner] = []

        def leave(owner: Owner) -> None:
            told.append(owner)
            raise KeyboardInterrupt

        def enter() -> None:
            with other.claim("Load", "d1", waiting=leave):
                pytest.fail("it is held")

        with pytest.raises(KeyboardInterrupt):
            enter()
        assert told[0].who == "which one is not known"
    assert os.listdir(place / "running") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_directory_that_cannot_be_written(context: Context, place: Path):
    place.chmod(0o555)
    try:
        with context.claim("Load", "d1", waiting=pytest.fail):
            pass
    finally:
        place.chmod(0o755)


def test_a_disk_that_cannot_be_written(context: Context, place: Path):
    """A mount that is read-only, also for root, in a namespace of its own."""
    remount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77; exec "$2" -c "$3" "$1" "$4"'
    write = "import pathlib; pathlib.Path(sys.argv[1], 'x').touch()"
    words = ["unshare", "-rm", "sh", "-c", remount, "sh", str(place), sys.executable, HOLDER]
    try:
        if subprocess.run([*words, write], cwd=ROOT, capture_output=True).returncode != 1:
            pytest.skip("no read-only mounts here")
    except FileNotFoundError:
        pytest.skip("no unshare here")
    assert subprocess.check_output([*words, "pass"], cwd=ROOT, text=True) == "holds False\ndone\n"
    assert not (place / "running").exists()


def test_a_long_claim_shows_signs_of_life(tmp_path: Path):
    from io import FileIO

    path = tmp_path / "file"
    path.write_text("")
    heart = Heartbeat(period=0.05)
    with FileIO(path, "r+") as file:
        heart.add(file)
        for _ in range(2):
            os.utime(path, (1, 1))
            end = time.monotonic() + 5
            while path.stat().st_mtime == 1:
                assert time.monotonic() < end
                time.sleep(0.01)
        thread = heart._thread
        assert thread is not None
        heart.remove(file)
        os.utime(path, (1, 1))
        thread.join(5)
        assert not thread.is_alive()
        assert path.stat().st_mtime == 1
        heart.add(file)
        assert heart._thread is not thread


@pytest.mark.parametrize("is_shared", [False, True])
def test_only_claims_on_shared_disks_show_signs_of_life(
    context: Context, monkeypatch: pytest.MonkeyPatch, is_shared: bool
):
    """And no thread is left when they end."""
    monkeypatch.setattr("jo_notebook.store.claims.may_be_shared", lambda device: is_shared)
    with context.claim("Load", "d1", waiting=pytest.fail):
        threads = [thread for thread in threading.enumerate() if thread.name == "jo_notebook heartbeat"]
        assert len(threads) == is_shared
    for thread in threads:
        thread.join(4)
        assert not thread.is_alive()


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="this system does not tell its mounts so")
def test_which_disks_are_shared():
    if os.path.ismount("/dev/shm"):
        assert not may_be_shared(os.stat("/dev/shm").st_dev)
    assert may_be_shared(os.stat("/proc").st_dev)  # as every kind that is not known
    assert may_be_shared(os.makedev(4000, 77))


def test_a_claim_is_cheap(context: Context):
    """Most of it is the disk's own work; no fsync is among it."""
    synced: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", synced.append)
        took = [taken(context)[0] for _ in range(200)]
    assert synced == []
    assert sorted(took)[len(took) // 2] < 0.001
