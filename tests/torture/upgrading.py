"""Forks children: each is killed at its n-th change of the file system, and the parent looks at what is left.

    python -m tests.torture.upgrading KIND SOURCE FOLDER FIRST STEP

SOURCE is a store of which each child gets a copy in FOLDER. One line of JSON tells how many were killed, and what
was wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from jo_notebook.store import Context
from jo_notebook.store.generation import VERSION
from jo_notebook.store.identity import read_identity
from tests.store.making import record

CHANGES = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "os.symlink"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
Facts = dict[str, object]


class Killer:
    """An audit hook that kills this process in front of its n-th change of the file system."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.count = 0

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
            self.count += 1
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def facts(context: Context) -> Facts:
    """All that can be asked of a store, as text."""
    told: Facts = {"damaged": dict(context.damaged), "untrusted": sorted(context.untrusted)}
    for name in sorted(context.records):
        told[name] = (repr(context.records[name]), repr(context.log(name)), [n for n, _ in context.older(name)])
        if context.records[name].format != "dill":
            told[f"{name}'s value"] = repr(context[name])
    told["failures"] = {name: repr(failure) for name, failure in context.failures.items()}
    told["definitions"] = sorted(context.definitions())
    return told


def check_migrate(place: Path, before: Facts) -> str:
    """What is wrong with a store whose migration was killed; empty for nothing."""
    identity, hurt = read_identity(place), {"Hurt, generation 2"}
    if identity is None or facts(Context(place)) != before:
        return "it is neither the old store nor the new one"
    if bool(Context(place).put(record("New"), 1).unsaved) != (identity.format < VERSION):
        return "the old store was written, or the new one cannot be"
    if set(Context(place).verify()) - hurt:
        return "it is damaged"
    context = Context(place)
    if identity.format == VERSION:
        context.forget("New")
    context.migrate()
    if facts(context) != before or facts(Context(place)) != before or set(context.verify()) - hurt:
        return "it could not be migrated again"
    if context.put(record("New"), 1).unsaved:
        return "it cannot be written after the second migration"
    left = {path.name for path in place.iterdir()} - {"FORMAT", "results", "failures", "definitions", "tmp", "damaged"}
    return f"{left} are left over" if left or os.listdir(place / "tmp") else ""


def check_gc(place: Path, before: Facts) -> str:
    """What is wrong with a store whose cleaning was killed; empty for nothing."""
    context = Context(place)
    now = facts(context)
    for name, told in before.items():
        if name.startswith("Gone"):
            continue
        if isinstance(told, tuple) and now[name][:2] != told[:2]:  # type: ignore[index]
            return f"{name} is not what it was"
        if name.endswith("value") and now[name] != told:
            return f"{name} is not what it was"
    if [name for name in context.damaged if name != "Hurt"] or set(context.verify()) - {"Hurt, generation 2"}:
        return "something is damaged"
    context.gc(1, orphans=["Gone"])
    if context.gc(1, orphans=["Gone"]) or "Gone" in context:
        return "it could not be cleaned again"
    return ""


def migrate(place: Path) -> None:
    """What is killed."""
    Context(place).migrate()


def gc(place: Path) -> None:
    """What is killed: one generation of each step stays, and an orphan goes."""
    Context(place).gc(1, orphans=["Gone"])


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path, Facts], str]]] = {
    "migrate": (migrate, check_migrate),
    "gc": (gc, check_gc),
}


def main(kind: str, source: Path, folder: Path, first: int, step: int) -> None:
    """Kill at every `step`-th change from `first` on, until a child comes to its end."""
    act, check = KINDS[kind]
    before, wrong, killed, number = facts(Context(source)), [], 0, first
    while True:
        place = folder / "store.jo"
        shutil.copytree(source, place)
        child = os.fork()
        if child == 0:
            sys.addaudithook(Killer(number))
            act(place)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        if said := check(place, before):
            wrong.append(f"killed at change {number}: {said}")
        shutil.rmtree(place)
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            wrong += [f"the child ended with {code}"] if code else []
            break
        number += step
    print(json.dumps({"killed": killed, "changes": number, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
