"""`python -m benchmarks [--quick]`: prints the table as it grows, then as Markdown."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cells import cells
from benchmarks.clusters import clusters
from benchmarks.large import large
from benchmarks.measure import Figure, shown, table
from benchmarks.parallel import parallel
from benchmarks.planning import planning
from benchmarks.running import running
from benchmarks.saving import saving
from benchmarks.starting import starting
from benchmarks.versions import versions

GROUPS = ("starting", "cells", "running", "parallel", "clusters", "planning", "saving", "large", "versions")


def main() -> int:
    """Returns 0 whatever the figures are: they are for people."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures, each a ratio to a floor.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes, under 30 seconds")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(GROUPS)}")
    args = parser.parse_args()
    if wrong := sorted(set(args.groups) - set(GROUPS)):
        parser.error(f"there is no group {', '.join(wrong)}; choose from {', '.join(GROUPS)}")
    started = time.perf_counter()
    figures = []
    with tempfile.TemporaryDirectory(prefix="jo-benchmarks-", ignore_cleanup_errors=True) as home:
        _keep_apart(Path(home))
        for figure in _figures(Path(home), args.groups or GROUPS, quick=args.quick):
            print(f"{figure.ratio:8.3g} ×  {figure.what}", file=sys.stderr, flush=True)
            figures.append(figure)
    print(f"{time.strftime('%Y-%m-%d')}, {_machine()}")
    print()
    print(table(figures))
    print(f"\nTaken in {shown(time.perf_counter() - started)}.")
    return 0


def _machine() -> str:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores{load}"


def _figures(home: Path, groups: list[str] | tuple[str, ...], *, quick: bool) -> Iterator[Figure]:
    if "starting" in groups:
        yield from starting(home, quick=quick)
    if "cells" in groups:
        yield from cells(home, quick=quick)
    if "running" in groups:
        yield from running(home, quick=quick)
    if "parallel" in groups:
        yield from parallel(home, quick=quick)
    if "clusters" in groups:
        yield from clusters(home, quick=quick)
    if "planning" in groups:
        yield from planning(quick=quick)
    if "saving" in groups:
        yield from saving(home, quick=quick)
    if "large" in groups:
        yield from large(home, quick=quick)
    if "versions" in groups:
        yield from versions(quick=quick)


def _keep_apart(home: Path) -> None:
    """From the user's own Jupyter: its settings, its key, its notebook."""
    for name in [name for name in os.environ if name.startswith("JO_")] + ["JPY_SESSION_NAME", "PYTHONSTARTUP"]:
        os.environ.pop(name, None)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        place = home / name.lower()
        place.mkdir(mode=0o700)
        os.environ[name] = str(place)


if __name__ == "__main__":
    sys.exit(main())
