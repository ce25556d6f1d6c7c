"""Every test runs apart from the machine's own Jupyter: its settings, its keys, its running kernels."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.kernel import Kernel

# Set by a front end for the kernels it starts; the tests may be run from a terminal inside one.
FOREIGN = (
    "JPY_SESSION_NAME",
    "JPY_PARENT_PID",
    "JUPYTER_TOKEN",
    "JUPYTER_PATH",
    "JUPYTER_CONFIG_PATH",
    "PYTHONSTARTUP",
)
OURS_FOR_TESTS = ("JO_SCREENSHOTS", "JO_TORTURE", "JO_TORTURE_REPORT", "JO_TORTURE_SEED", "JO_OTHER_PYTHON")

_home = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before any test module is imported, so that every subprocess inherits it."""
    # a job started in the background by a script is born deaf to it, and so would be all it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = tempfile.TemporaryDirectory(prefix="jo-tests-", ignore_cleanup_errors=True)
    config.stash[_home] = home
    for name in FOREIGN:
        os.environ.pop(name, None)
    for name in [name for name in os.environ if name.startswith("JO_") and name not in OURS_FOR_TESTS]:
        del os.environ[name]
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        place = Path(home.name, name.lower())
        place.mkdir(mode=0o700)
        os.environ[name] = str(place)
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long forms out, unless they are asked for: JO_TORTURE=long."""
    if os.environ.get("JO_TORTURE") == "long":
        return
    long = [item for item in items if item.get_closest_marker("slow")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing in the temporary directory."""
    if home := config.stash.get(_home, None):
        home.cleanup()


StartKernel = Callable[..., Kernel]


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[StartKernel]:
    """Starts kernels, in the test's own directory unless told otherwise, and ends them after the test."""
    started: list[Kernel] = []

    def start(cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Kernel:
        started.append(Kernel(cwd or tmp_path, env))
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture
def kernel(start_kernel: StartKernel) -> Kernel:
    """A kernel without a notebook file, as nbclient, nbval and papermill start one."""
    return start_kernel()


@pytest.fixture
def lab_kernel(start_kernel: StartKernel, tmp_path: Path) -> Kernel:
    """A kernel that takes itself for the one of `analysis.ipynb` in JupyterLab."""
    notebook = tmp_path / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    return start_kernel(env={"JPY_SESSION_NAME": str(notebook)})


@pytest.fixture(scope="module")
def module_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for a whole module: for tests that only ask, or that clean up after themselves."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.close()
