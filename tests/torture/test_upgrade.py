"""Golden stores of every release, kills at each step of migrate and of gc, and injuries that verify must find.

The short form runs always; JO_TORTURE=long for the long one. JO_TORTURE_REPORT names a file that gets a line a test.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jo_notebook.store import Context
from jo_notebook.store.identity import Identity, read_identity
from tests.golden.make_store import put_key
from tests.store.making import ROOT, failure, flip, record

LONG = os.environ.get("JO_TORTURE") == "long"
GOLDEN = sorted((ROOT / "tests" / "golden" / "stores").glob("format1-*.jo"))


@pytest.fixture(autouse=True)
def jupyter_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's directory, with the golden key."""
    folder = tmp_path / "data of the user"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    put_key(folder)
    return folder


def report(line: str) -> None:
    if place := os.environ.get("JO_TORTURE_REPORT"):
        with open(place, "a", encoding="utf-8") as out:
            out.write(line + "\n")


def kill(kind: str, source: Path, folder: Path, first: int, step: int) -> dict[str, object]:
    command = [sys.executable, "-m", "tests.torture.upgrading", kind, str(source), str(folder), str(first), str(step)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("source", GOLDEN, ids=lambda path: path.stem)
def test_39_killed_at_each_step_of_migrate(source: Path, tmp_path: Path) -> None:
    step = 1 if LONG else 3 if "3.11" in source.stem else 7
    told = kill("migrate", source, tmp_path, 1, step)
    assert told["wrong"] == []
    assert told["killed"] >= 60 // step
    report(f"39 migrate, {source.stem}: killed at {told['killed']} changes, 0 stores lost, 0 half")


@pytest.mark.skipif(not LONG, reason="the long form")
@pytest.mark.timeout(900)
def test_39_killed_at_each_step_of_a_large_migrate(tmp_path: Path) -> None:
    source = tmp_path / "source.jo"
    messy(source, 5)
    before_id = read_identity(source).store_id
    for now, before in (("results", "steps"), ("failures", "errors")):
        (source / now).rename(source / before)
    (source / "FORMAT").write_bytes(Identity(before_id, 1).to_bytes())
    told = kill("migrate", source, tmp_path, 1, 1)
    assert told["wrong"] == []
    assert told["killed"] >= 120
    report(f"39 migrate, 22 files, one damaged: killed at {told['killed']} changes, 0 stores lost, 0 half")


def messy(place: Path, rounds: int) -> None:
    """A store with something of all that gc looks at."""
    context = Context(place, keep=rounds + 1)
    for n in range(rounds):
        for step in ("Load", "Clean", "Gone", "Hurt"):
            context.put(record(step, f"v{n}"), f"{step} {n}" * 50)
    for step in ("Load", "Gone", "Failing"):
        context.fail(failure(step))
    hurt = next(place.glob("results/hurt-*/2"))
    flip(hurt, -40)
    overtaken = next(place.glob("failures/load-*/1"))
    kept = overtaken.read_bytes()
    context.put(record("Load", "last"), "last")
    overtaken.parent.mkdir(exist_ok=True)
    overtaken.write_bytes(kept)


@pytest.mark.timeout(900)
def test_39_killed_at_each_step_of_gc(tmp_path: Path) -> None:
    source = tmp_path / "source.jo"
    messy(source, 70 if LONG else 6)
    told = kill("gc", source, tmp_path, 1, 1)
    assert told["wrong"] == []
    assert told["killed"] >= (200 if LONG else 20)
    report(f"39 gc: killed at each of {told['killed']} changes, 0 live results removed")


def injure(path: Path, chance: random.Random) -> str:
    """Damage a file in one of the ways a disk knows."""
    data = path.read_bytes()
    ways = ("flip", "cut", "empty", "zeros", "grown", "other", "gone")
    way = ways[chance.randrange(len(ways))]
    at = chance.randrange(len(data))
    if way == "gone":
        path.unlink()
        return way
    block = data[at : at + 64]
    while way == "zeros" and not any(block):
        at = chance.randrange(len(data))
        block = data[at : at + 64]
    turned = {
        "flip": data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :],
        "cut": data[:at],
        "empty": b"",
        "zeros": data[:at] + bytes(len(block)) + data[at + len(block) :],
        "grown": data + data[:at] + b"x",
        "other": data[::-1],
    }
    path.write_bytes(turned[way])
    return way


def test_40_verify_finds_every_injury(tmp_path: Path) -> None:
    chance, place, count = random.Random(40), tmp_path / "store.jo", 500 if LONG else 150
    context = Context(place)
    for n in range(2):
        for step, size in (("Small", 10), ("Middle", 5_000), ("Large", 300_000)):
            context.put(record(step, f"v{n}"), chance.randbytes(size))
    context.fail(failure("Failing"))
    newest = [max(folder.glob("[0-9]*")) for folder in (*place.glob("results/*"), *place.glob("failures/*"))]
    ways: dict[str, int] = {}
    for _ in range(count):
        path = chance.choice(newest)
        whole = path.read_bytes()
        way = injure(path, chance)
        ways[way] = ways.get(way, 0) + 1
        found = Context(place).verify()
        assert len(found) == 1, (way, path)
        assert next(iter(found)).lower().startswith(path.parent.name.split("-")[0]), (way, path)
        path.write_bytes(whole)
    assert Context(place).verify() == {}
    report(f"40 injuries: {count} of {count} found ({', '.join(f'{n} {way}' for way, n in sorted(ways.items()))})")


def test_40_verify_raises_no_false_alarm(tmp_path: Path) -> None:
    chance, count = random.Random(41), 100 if LONG else 20
    for n in range(count):
        place = tmp_path / f"{n}.jo"
        context = Context(place, keep=1 + n % 3)
        for step in range(1 + n % 5):
            for version in range(1 + n % 4):
                context.put(record(f"Step{step}", f"v{version}"), chance.randbytes(chance.randrange(20_000)))
        if n % 2:
            context.fail(failure("Step0"))
        if n % 3 == 0:
            context.gc(1)
        if n % 4 == 0:
            context.rename("Step0", "Renamed")
        if n % 5 == 0:
            context.restore("Step1") if context.restorable("Step1") else None
        assert Context(place).verify() == {}
        shutil.rmtree(place)
    report(f"40 sound stores: 0 false alarms on {count}")
