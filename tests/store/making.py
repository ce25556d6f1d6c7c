"""Small values for the tests of the store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.record import Failure, Record

ROOT = Path(__file__).parents[2]
FINGERPRINT = Fingerprint.of([Part("code", "Load", "d1", "return 1"), Part("input", "Raw", "d2")])


def record(step: str = "Load", version: str = "v1") -> Record:
    return Record(step, FINGERPRINT, version, when=1.0, seconds=2.0)


def failure(step: str = "Load", error: str = "ValueError: no") -> Failure:
    return Failure(step, FINGERPRINT, error, traceback="Traceback …", when=1.0)


def generations(place: Path, step: str = "load") -> list[Path]:
    """The files of a step, oldest first."""
    (folder,) = place.glob(f"results/{step}-*")
    return sorted((p for p in folder.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


def leftovers(place: Path) -> list[str]:
    return os.listdir(place / "tmp") if (place / "tmp").exists() else []


def flip(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """Python in another process, with the test's environment."""
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(code: str, *args: object) -> str:
    """What a finished process printed; the test fails where the process did."""
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
