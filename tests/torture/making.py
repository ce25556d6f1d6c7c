"""What the torture tests share: values that show when they are torn, other processes, and where a store's files are."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.record import Record
from jo_notebook.errors import StoreError
from jo_notebook.store import Context

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("JO_TORTURE") == "long"
SHELVES = ("results", "steps")  # the results' directory, by its name now and before
FINGERPRINT = Fingerprint.of([Part("code", "Load", "d1", "return 1")])
ARRAYS_FROM = 400_000
SIZES = (200, 4_000, 40_000, 400_000, 3_000_000)


def record(step: str = "Load", version: str = "v1") -> Record:
    return Record(step, FINGERPRINT, version, when=1.0, seconds=2.0)


def value(n: int, size: int) -> Any:
    """A value of about this many bytes, all of which tell the number; a large one is an array."""
    if size < ARRAYS_FROM:
        return {"n": n, "body": (f"{n:08d}" * (size // 8 + 1))[:size]}
    import numpy

    return numpy.full(size // 8, n)


def number_of(found: Any, size: int) -> int:
    """The number that a value was made of; -1 for a value that nobody made."""
    if size < ARRAYS_FROM:
        return found["n"] if isinstance(found, dict) and found == value(found.get("n", 0), size) else -1
    same = getattr(found, "shape", None) == (size // 8,) and (found == found[0]).all()
    return int(found[0]) if same else -1


def generations(place: Path, step: str = "*") -> list[Path]:
    """The files of a step's results, oldest first. The only place that knows how a store is laid out."""
    folders = (f"{shelf}/{step.lower()}-{'?' * 16 if step != '*' else '*'}/*" for shelf in SHELVES)
    return sorted((p for glob in folders for p in place.glob(glob) if p.name.isdigit()), key=lambda p: int(p.name))


def leftovers(place: Path) -> list[str]:
    """Files that nobody will ever read: drafts, and files of links or claims beside the generations."""
    drafts = os.listdir(place / "tmp") if (place / "tmp").exists() else []
    claims = [path.name for path in place.rglob("*") if path.is_file() and path.suffix not in ("", ".json")]
    return drafts + [name for name in claims if name not in drafts]


def outcome(context: Context, name: str) -> Any:
    """A step's value, or the error of the store in its place; any other error is the test's failure."""
    try:
        return context[name]
    except StoreError as error:
        return error


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def tree(folder: Path) -> dict[str, str]:
    """Everything below a directory: what each name is, and what it holds."""
    return {str(path.relative_to(folder)): _told(path) for path in sorted(folder.rglob("*"))}


def _told(path: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    return "directory" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def start(role: str, *args: Any, module: str = "children") -> subprocess.Popen[bytes]:
    """Another process, with the test's environment, that plays one role of a module beside this one."""
    command = [sys.executable, "-m", f"tests.torture.{module}", role, json.dumps(args, default=str)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)


def rows(process: subprocess.Popen[bytes]) -> Iterator[list[Any]]:
    """What a process tells, until it ends."""
    assert process.stdout is not None
    with process.stdout as out:
        told = out.read()
    for line in told.splitlines():
        yield json.loads(line)


def run(role: str, *args: Any, module: str = "children") -> list[list[Any]]:
    """All that a process told; it must end well."""
    process = start(role, *args, module=module)
    told = list(rows(process))
    assert process.wait() == 0, f"{role} ended with {process.returncode}"
    return told


def play(roles: dict[str, Any]) -> None:
    """The other side of `start`."""
    roles[sys.argv[1]](*json.loads(sys.argv[2]))


def tell(*row: Any) -> None:
    """In one write, so that a kill cannot cut it."""
    os.write(1, json.dumps(row, default=repr).encode() + b"\n")


def dice(number: int) -> random.Random:
    """The same numbers in every run; `JO_TORTURE_SEED` gives others."""
    return random.Random(f"{number} {os.environ.get('JO_TORTURE_SEED', '')}")
