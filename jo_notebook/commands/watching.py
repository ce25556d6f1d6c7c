"""`jo watch`: materializes, and again whenever what the steps are made of changes.

Each round is a `jo run` in a process of its own, so that nothing of the round before is left in it: not an edited
module, not a kernel. The system says when to look (watchfiles); stamps of the files say whether anything changed since
the last round began, so what changes during a run is seen after it and what a run writes itself is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jo_notebook.commands.performing import INTERRUPTED, MISUSED
from jo_notebook.commands.sources import Kind, Source, source_of
from jo_notebook.commands.streams import Streams
from jo_notebook.errors import UsageError
from jo_notebook.interop.watched import Stamps, Watched, watched_of
from jo_notebook.views.text import run_line
from jo_notebook.views.words import one_line

SETTLED = 0.15  # seconds without a change
LONGEST = 5.0  # to wait for that
LOOK = 2000  # milliseconds after which files are looked at although the system said nothing
PATIENCE = 15.0  # for a round that was asked to stop
MISSING = "jo watch needs the package watchfiles, which is not there: pip install 'jo_notebook[watch]' brings it."


def watch(where: str, heads: Sequence[str], given: Mapping[str, Any], to: Streams) -> int:
    """Goes on until it is interrupted; the exit code. Raises UsageError for what cannot be watched at all."""
    try:
        import watchfiles  # noqa: F401 - told before anything runs
    except ImportError as error:
        raise UsageError(MISSING) from error
    source = source_of(where)
    command = _command(source, heads, given)
    first = Watched(modules=_own_files(source))
    return _rounds(source, command, first, to)


def _rounds(source: Source, command: list[str], state: Watched, to: Streams) -> int:
    why = ""
    while True:
        known = state.stamps()
        told = _round(command)
        if told is None:
            return INTERRUPTED
        if told.pop("code") == MISUSED and not why:
            raise UsageError(told["error"]["message"])
        try:
            to.say(f"{time.strftime('%H:%M:%S')}  {why}{_said(told)}")
            if "watched" in told:
                found, stamps = watched_of(told["watched"])
                state = replace(found, modules=(*found.modules, *_own_files(source)), own=(*found.own, *_logs(source)))
                known = state.looked_at({**stamps, **_only(known, _own_files(source))})
            changed = _wait(state, known)
        except KeyboardInterrupt:
            return 0
        why = f"{_listed(changed)} changed. "


def _round(command: list[str]) -> dict[str, Any] | None:
    """One run, to its end: what it told, or None where it was interrupted."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    try:
        text, _ = child.communicate()
    except KeyboardInterrupt:
        _end(child)
        return None
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        told = {"error": {"type": "", "message": f"The run ended with {child.returncode} and told nothing."}}
    return {**told, "code": child.returncode}


def _end(child: subprocess.Popen[bytes]) -> None:
    """Interrupts a run as Ctrl-C would, and does not come back before it has ended, with its kernel."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.communicate(timeout=PATIENCE)
            return


def _wait(state: Watched, known: Stamps) -> list[str]:
    """The files that have changed, once they have and are left alone. Raises KeyboardInterrupt."""
    import watchfiles

    while True:
        if changed := _changed(state.stamps(), known):
            return _settled(state, known) or changed
        folders = state.folders()
        with contextlib.suppress(FileNotFoundError):
            wakings = watchfiles.watch(
                *folders, watch_filter=None, recursive=False, debounce=200, rust_timeout=LOOK, yield_on_timeout=True
            )
            for _ in wakings:
                if _changed(state.stamps(), known) or state.folders() != folders:
                    break


def _settled(state: Watched, known: Stamps) -> list[str]:
    """Waits until nobody writes any more, as far as that can be told."""
    deadline, now = time.monotonic() + LONGEST, state.stamps()
    while time.monotonic() < deadline:
        time.sleep(SETTLED)
        before, now = now, state.stamps()
        if before == now:
            break
    return _changed(now, known)


def _changed(now: Stamps, known: Stamps) -> list[str]:
    return sorted(path for path in {*now, *known} if now.get(path) != known.get(path))


def _command(source: Source, heads: Sequence[str], given: Mapping[str, Any]) -> list[str]:
    words = ["run", "--json", "--watched", "--progress", "none"]
    words += [f"--jobs={given['jobs']}"] if given.get("jobs") is not None else []
    words += [f"--set={told}" for told in given.get("sets", ())]
    words += [f"--jobs-module={given['module']}"] if given.get("module") else []
    words += [f"--state={given['state']}"] if given.get("state") else []
    words += ["--take-state"] if given.get("take_state") else []
    return [sys.executable, "-P", "-m", "jo_notebook.cli", *words, "--", str(source.path), *heads]


def _own_files(source: Source) -> tuple[str, ...]:
    """The source itself, where it is a file."""
    return () if source.kind is Kind.STORE else (os.path.abspath(source.path),)


def _only(stamps: Stamps, paths: Iterable[str]) -> Stamps:
    return {path: stamps[path] for path in paths if path in stamps}


def _logs(source: Source) -> list[str]:
    """What a run of stages writes beside them."""
    if source.kind is not Kind.STAGES:
        return []
    folder = os.path.dirname(os.path.abspath(source.path))
    with contextlib.suppress(OSError):
        return [os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".log") or n == "state.yml"]
    return []


def _said(told: Mapping[str, Any]) -> str:
    """A round in a line."""
    lines = told.get("error", {}).get("message", "").strip().splitlines()
    message = one_line(lines[0] if len(lines) < 2 else f"{lines[0].rstrip('.')}: {lines[-1]}") if lines else ""
    names = ("finished", "loaded", "kept", "blocked", "taken", "not_reached")
    rows = {name: list(told.get(name, ())) for name in names}
    if message and not any(rows.values()):
        return message
    return " ".join(filter(None, (message, run_line(**rows, seconds=told.get("seconds", 0.0)))))


def _listed(paths: Sequence[str]) -> str:
    names = [one_line(os.path.basename(path)) for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
