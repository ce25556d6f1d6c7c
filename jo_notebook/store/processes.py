"""Which process is meant by a note on disk, and whether it is surely gone: a pid alone is not enough."""

from __future__ import annotations

import os
import platform
import re
from functools import cache


@cache
def machine() -> tuple[str, str]:
    """Host and boot. The host carries the process namespace: two containers do not see each other's pids.

    The boot is "0" where the system does not tell.
    """
    host = re.sub(r"[^\w.]", "_", platform.node(), flags=re.ASCII)[:40] or "host"
    try:
        space = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            boot = handle.read().replace("-", "").strip()[:12]
    except OSError:
        return host, "0"
    return f"{host}.{space}", boot


def start_of(pid: int) -> str:
    """When a process began, in ticks since boot; "0" where there is no such process or no way to know."""
    return _stat_of(pid)[1]


def is_gone(host: str, boot: str, pid: int, start: str) -> bool:
    """Whether this process is surely no more: this machine, and an older boot, no such process, or another one."""
    here, now = machine()
    if host != here or now == "0":
        return False
    if boot != now:
        return True
    state, began = _stat_of(pid)
    if began == "0":
        return not _is_there(pid)  # other people's processes may be hidden from /proc
    return began != start or state in "ZX"


def _stat_of(pid: int) -> tuple[str, str]:
    """State and start of a process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            words = handle.read().rpartition(")")[2].split()
        return words[0], words[19]
    except (OSError, IndexError):
        return "", "0"


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
