"""Who is running a step: one line of JSON in a claim's file, written by one process and read by others."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import dataclass, fields
from functools import cache

from jo_notebook.store.processes import is_gone, machine, start_of

LIMIT = 4096
LATEST = 2.0**33  # seconds since the epoch: any calendar can show what is before


@dataclass(frozen=True, slots=True)
class Owner:
    """One process at work on one step.

    `host`, `boot`, `pid` and `start` tell it from every other, `name` is the host for people to read, `since` is in
    seconds since the epoch by that host's clock, `digest` is of the fingerprint that the step runs for.
    `is_unsure` is True where the process may be at work or not, because locks do not reach it: nobody waits for it.
    """

    step: str = ""
    digest: str = ""
    host: str = ""
    name: str = ""
    boot: str = ""
    pid: int = 0
    start: str = ""
    since: float = 0.0
    is_unsure: bool = False

    @classmethod
    def me(cls, step: str, digest: str) -> Owner:
        """This process, at work from now on."""
        pid = os.getpid()
        host, boot = machine()
        return cls(step, digest, host, _readable_host(), boot, pid, _start(pid), round(time.time(), 3))

    @classmethod
    def read(cls, data: bytes) -> Owner | None:
        """What a claim's file tells; None where it tells nothing that makes sense."""
        try:
            row = json.loads(data.partition(b"\n")[0])
            told = {name: row[name] for name in _WRITTEN}
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        is_plain = all(isinstance(v, str) for k, v in told.items() if k not in ("pid", "since"))
        if not is_plain or type(told["pid"]) is not int or type(told["since"]) not in (int, float):
            return None
        if not (0 < told["pid"] < 2**31 and 0 <= told["since"] < LATEST):
            return None
        return cls(**{**told, "name": _safe(told["name"])})

    def to_bytes(self) -> bytes:
        """The line for a claim's file."""
        return json.dumps({name: getattr(self, name) for name in _WRITTEN}).encode() + b"\n"

    @property
    def who(self) -> str:
        """The process and its time, in the reader's own zone: pid 4711 on host, since 14:03:02."""
        if not self.pid:
            return "which one is not known"
        began, today = time.localtime(self.since), time.localtime()
        is_today = (began.tm_year, began.tm_yday) == (today.tm_year, today.tm_yday)
        since = time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S", began)
        return f"pid {self.pid} on {self.name}, since {since}"

    @property
    def is_gone(self) -> bool:
        """Whether this process is surely no more."""
        return bool(self.pid) and is_gone(self.host, self.boot, self.pid, self.start)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, under this system's own locks: the same boot, or the same host where none is told."""
        host, boot = machine()
        return self.host == host or (boot != "0" and self.boot == boot)

    @property
    def is_me(self) -> bool:
        """Whether it is this very process."""
        host, boot = machine()
        return (self.host, self.boot, self.pid, self.start) == (host, boot, os.getpid(), _start(os.getpid()))


_WRITTEN = tuple(field.name for field in fields(Owner) if field.name != "is_unsure")
UNKNOWN = Owner()
"""Somebody who has not written down who it is."""


@cache
def _start(pid: int) -> str:
    return start_of(pid)


@cache
def _readable_host() -> str:
    return _safe(platform.node())


def _safe(host: str) -> str:
    return re.sub(r"[^\w.-]", "_", host, flags=re.ASCII)[:64] or "a host without a name"
