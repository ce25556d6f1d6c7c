"""The whole suite: `python -m tests.suite`, in parts that are processes of their own, two at a time.

In parts, because each pipeline looks at all local modules of its process, and there are some two hundred test modules.
Two at a time, because one alone leaves a core idle, waiting for kernels and browsers. Each part's output is printed
when it is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

PARTS = (  # the longest first
    ("tests/engine", "tests/test_pipeline.py"),
    ("tests/cli", "tests/test_cli.py", "tests/test_cli_store.py"),
    ("tests/journeys",),
    ("tests/torture",),
    ("tests/cases", "tests/browser"),
    ("tests/interop", "tests/steps"),
    ("tests/store",),
    ("tests/core", "tests/views"),
)
REST = ("tests", *(f"--ignore={path}" for part in PARTS for path in part))
GOOD = (0, 5)  # pytest's exit codes: all passed, nothing to run
AT_ONCE = int(os.environ.get("JO_TEST_PROCESSES") or 2)

_printing = Lock()


def run(words: tuple[str, ...]) -> bool:
    """One part, and whether it passed."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    name = " ".join(word for word in words if not word.startswith("--"))
    with _printing:
        print(f"=== {name} · {time.monotonic() - began:.0f} s\n{done.stdout}", flush=True)
    return done.returncode in GOOD


def main() -> int:
    """Runs all parts; the exit code."""
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(run, (*PARTS, REST)))
    failed = [" ".join(part[:2]) for part, good in zip((*PARTS, REST), passed, strict=True) if not good]
    print(f"=== {'all parts passed' if not failed else f'failed: {failed}'} · {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
