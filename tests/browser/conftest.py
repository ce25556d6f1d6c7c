"""Browser tests: one server a session, one Chromium a module, one page and kernel a test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.harness import CHROMIUM_FLAGS, App, Notebook, Server, chromium, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent

_failed = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder `browser`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember a failure, so that the page's last look can be kept."""
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium.

    Not for the whole session: while Playwright's synchronous interface is open, an event loop runs in this thread.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no browser tests")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium found (set CHROMIUM to its path): no browser tests")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, headless=True, args=list(CHROMIUM_FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[App], Server]]:
    """Starts each application at its first use and ends them all with the session."""
    started: dict[App, Server] = {}

    def server(app: App) -> Server:
        if app not in started:
            started[app] = Server(tmp_path_factory.mktemp(app), app)
        return started[app]

    yield server
    for running in started.values():
        running.stop()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go: `JO_SCREENSHOTS`, or a directory that pytest clears away."""
    return Path(os.environ.get("JO_SCREENSHOTS") or tmp_path / "shots")


OpenNotebook = Callable[..., Notebook]


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest,
    browser: Browser,
    servers: Callable[[App], Server],
    shots: Path,
) -> Iterator[OpenNotebook]:
    """Opens notebooks made of the given cells, or a copy of a file, in a directory of the test's own."""
    opened: list[Notebook] = []
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    name = re.sub(r"\W+", "-", request.node.name).strip("-")

    def open_(cells: Sequence[str] | Path, app: App = "lab", file: str = "analysis.ipynb") -> Notebook:
        server = servers(app)
        path = server.root / name / file
        if isinstance(cells, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(cells, path)
        else:
            write_notebook(path, cells)
        opened.append(Notebook(context, server, f"{name}/{file}", shots))
        return opened[-1]

    yield open_
    for number, notebook in enumerate(opened):
        if request.node.stash.get(_failed, False):
            path = notebook.shot(f"failed-{name}-{number}")
            print(f"screenshot: {path}", *notebook.console, sep="\n")
        notebook.close()
    context.close()
    for server in {notebook.server for notebook in opened}:
        server.reset()
