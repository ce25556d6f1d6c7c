"""A real JupyterLab or Notebook 7, and one notebook of it in headless Chromium."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import nbformat

from jo_notebook.views.look import LOOKS

if TYPE_CHECKING:  # Playwright may be missing: then the browser tests skip, and the others run
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request

App = Literal["lab", "notebook"]

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
QUIET_SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False}
}
APP_CLASSES: dict[App, str] = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}
APP_MODULES: dict[App, str] = {"lab": "jupyterlab", "notebook": "notebook"}


@functools.cache
def chromium() -> str | None:
    """The first Chromium that really starts (a distribution may ship a stub that only asks for another package)."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else CHROMIUM_NAMES
    for name in names:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True, stdin=subprocess.DEVNULL).returncode == 0:
            return path
    return None


def write_notebook(path: Path, cells: Sequence[str]) -> Path:
    """A notebook of code cells with the ids `cell-0`, `cell-1` and so on."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(cells)]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A private server on the loopback, with settings, keys and workspaces of its own."""

    def __init__(self, root: Path, app: App = "lab", settings: dict[str, Any] | None = None) -> None:
        self.root, self.app = root, app
        self._port, self._token = _free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self._port}"
        self._home = Path(tempfile.mkdtemp(prefix="jo-server-"))
        self._settings = {**QUIET_SETTINGS, **(settings or {})}
        self._write_settings()
        with self._log_file.open("w") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=root,
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    @property
    def _log_file(self) -> Path:
        return self._home / "server.log"

    @property
    def log(self) -> str:
        """What the server and its kernels wrote so far."""
        return self._log_file.read_text(errors="replace")

    def _write_settings(self) -> None:
        shutil.rmtree(self._home / "settings", ignore_errors=True)
        for name, value in self._settings.items():
            file = self._home / "settings" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(value))

    def _environment(self) -> dict[str, str]:
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        return {
            **{name: str(self._home / place) for name, place in places.items()},
            "JUPYTER_TOKEN": self._token,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", APP_MODULES[self.app]),
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.extension_manager=readonly",
            f"--{APP_CLASSES[self.app]}.expose_app_in_browser=True",  # gives the page `window.jupyterapp`
        ]

    def _wait_until_it_answers(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._ask("GET", "/api")
                return
            time.sleep(0.1)
        log = self.log
        self.stop()
        raise RuntimeError(f"no answer from {self.url}; its log ends with:\n{log[-3000:]}")

    def _ask(self, method: str, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback is never behind a proxy
        headers = {"Authorization": f"token {self._token}"}
        with opener.open(urllib.request.Request(self.url + path, method=method, headers=headers), timeout=15) as answer:
            return json.loads(answer.read() or "null")

    def notebook_url(self, notebook: str) -> str:
        """The address of a notebook, given by its path under the root."""
        if self.app == "lab":
            return f"{self.url}/lab/tree/{notebook}?token={self._token}&reset"
        return f"{self.url}/notebooks/{notebook}?token={self._token}"

    def is_own(self, url: str) -> bool:
        """Whether a request stays on this server (or never leaves the page)."""
        return url.startswith((self.url, self.url.replace("http", "ws", 1), "data:", "blob:"))

    def shut_down_kernels(self) -> None:
        """End every kernel, and forget which notebook it belonged to."""
        for session in self._ask("GET", "/api/sessions"):
            self._ask("DELETE", f"/api/sessions/{session['id']}")

    def reset(self) -> None:
        """What one test leaves, the next does not find: no kernel, no changed setting."""
        self.shut_down_kernels()
        self._write_settings()

    def stop(self) -> None:
        """End the kernels, then the server, and remove what it wrote; safe to call twice."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.shut_down_kernels()
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


PANEL = "[...window.jupyterapp.shell.widgets('main')].find(w => w.sessionContext && w.content && w.content.widgets)"
"""JavaScript: the notebook's panel."""

SPLASH = "document.getElementById('jupyterlab-splash')"
"""JavaScript: the picture that covers the page while it loads or changes its theme."""

NOT_OURS = ("pageerror: Cannot read properties of undefined (reading 'schema')",)
"""Errors that Notebook 7 has on every page, without any widget."""

WORDS = {look.glyph: look.word for look in LOOKS.values()}

CORE = "[...document.querySelectorAll('*')].filter(e => e._cyreg && e._cyreg.cy && e.isConnected).at(-1)"
"""JavaScript: the element of the newest drawing; cytoscape.js keeps its core there."""


class Notebook:
    """One notebook, open in a page of its own and with its kernel idle.

    Cells are counted from 0. Times are in seconds.
    """

    def __init__(self, context: BrowserContext, server: Server, notebook: str, shots: Path) -> None:
        self.server, self.shots = server, shots
        self.console: list[str] = []
        self.external: list[str] = []
        self.dialogs: list[str] = []
        self.directory = (server.root / notebook).parent
        self.page = context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))
        self.page.on("request", self._note_request)
        self.page.on("dialog", self._note_dialog)
        self.page.goto(server.notebook_url(notebook), wait_until="domcontentloaded")
        self.wait_open()

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Request) -> None:
        if not self.server.is_own(request.url):
            self.external.append(request.url)

    def _note_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def errors(self) -> list[str]:
        """Errors in the console, but for the application's own."""
        return [line for line in self.console if line.startswith(("error:", "pageerror:")) and line not in NOT_OURS]

    # --- the page ---------------------------------------------------------------------------------

    def wait_open(self, timeout: float = 90) -> None:
        """Wait until the cells are drawn and the kernel is idle."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=timeout * 1000)
        self.wait_for("!!window.jupyterapp", timeout=timeout)
        self.wait_for(f"!({SPLASH})", timeout=timeout)
        self.wait_idle(timeout=timeout)

    def reload(self) -> None:
        """Reload the page; the kernel lives on."""
        self.page.reload(wait_until="domcontentloaded")
        self.wait_open()

    def wait_for(self, expression: str, arg: Any = None, *, timeout: float = 60) -> None:
        """Wait until a JavaScript expression (which may read `arg`) is true."""
        self.page.wait_for_function(f"arg => {{ return {expression}; }}", arg=arg, timeout=timeout * 1000)

    def command(self, name: str, args: dict[str, Any] | None = None) -> None:
        """Execute one of the application's commands and wait for it."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)", [name, args or {}]
        )

    def theme(self, name: str) -> None:
        """Switch the theme: `JupyterLab Light`, `JupyterLab Dark`."""
        self.command("apputils:change-theme", {"theme": name})
        self.wait_for("document.body.dataset.jpThemeName === arg", name)
        self.wait_for(f"!({SPLASH})")

    def press(self, button: str) -> None:
        """Click the first button with exactly this label."""
        self.page.get_by_role("button", name=button, exact=True).first.click()

    def shot(self, name: str) -> Path:
        """Take a screenshot."""
        self.shots.mkdir(parents=True, exist_ok=True)
        path = self.shots / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    # --- the kernel -------------------------------------------------------------------------------

    def wait_idle(self, timeout: float = 90) -> None:
        """Wait until the front end shows an idle kernel."""
        self.wait_for(f"({PANEL})?.sessionContext.session?.kernel?.status === 'idle'", timeout=timeout)

    def wait_busy(self, timeout: float = 30) -> None:
        """Wait until the front end shows a busy kernel."""
        self.wait_for(f"({PANEL})?.sessionContext.session?.kernel?.status === 'busy'", timeout=timeout)

    def restart_kernel(self) -> None:
        """Restart the kernel as the menu does, and agree in the dialog."""
        self._start("notebook:restart-kernel")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.wait_run()
        self.wait_idle()

    def interrupt_kernel(self) -> None:
        """Press the stop button's command."""
        self.command("notebook:interrupt-kernel")

    # --- the cells --------------------------------------------------------------------------------

    def run_all(self, timeout: float = 180) -> None:
        """Run every cell and wait for the last."""
        self._run(0, "notebook:run-all-cells")
        self.wait_run(timeout)

    def run_cell(self, index: int, *, wait: bool = True, timeout: float = 180) -> None:
        """Run one cell; with `wait=False` return while it runs (`wait_run` waits later)."""
        self._run(index, "notebook:run-cell")
        if wait:
            self.wait_run(timeout)

    def _run(self, index: int, command: str) -> None:
        self.page.evaluate(
            f"""index => {{
                const content = ({PANEL}).content;
                content.activeCellIndex = index;
                content.deselectAll();
            }}""",
            index,
        )
        self._start(command)

    def _start(self, command: str) -> None:
        self.page.evaluate(
            """command => {
                window.joRan = false;
                window.jupyterapp.commands.execute(command).finally(() => { window.joRan = true; });
            }""",
            command,
        )

    def wait_run(self, timeout: float = 180) -> None:
        """Wait for what `run_cell(..., wait=False)` started."""
        self.wait_for("window.joRan === true", timeout=timeout)

    def cell(self, cell_id: str) -> int:
        """The place of a cell that is known by its id."""
        place = self.page.evaluate(f"id => ({PANEL}).content.widgets.findIndex(w => w.model.id === id)", cell_id)
        assert place >= 0, f"there is no cell {cell_id}"
        return int(place)

    def save(self) -> None:
        """Write the notebook file."""
        self.command("docmanager:save")

    def set_source(self, index: int, source: str) -> None:
        """Type a new text into a cell."""
        self.page.evaluate(
            f"([index, source]) => {{ ({PANEL}).content.widgets[index].model.sharedModel.setSource(source); }}",
            [index, source],
        )

    def delete_cell(self, index: int) -> None:
        """Delete a cell as the user does; the kernel hears of it at the next run."""
        self.page.evaluate(f"index => {{ ({PANEL}).content.activeCellIndex = index; }}", index)
        self.command("notebook:delete-cell")

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs of a cell as the notebook file would hold them."""
        found = self.page.evaluate(
            f"index => (({PANEL}).content.widgets[index].model.toJSON().outputs || [])"
            ".map(output => JSON.parse(JSON.stringify(output)))",
            index,
        )
        return list(found)

    def text(self, index: int) -> str:
        """The outputs of a cell as plain text, errors included."""
        return "\n".join(_plain(output) for output in self.outputs(index))

    def wait_text(self, index: int, text: str, timeout: float = 60) -> None:
        """Wait until a cell's outputs, as drawn, hold a text."""
        self.wait_for(
            f"({PANEL}).content.widgets[arg[0]].outputArea?.node.innerText.includes(arg[1])",
            [index, text],
            timeout=timeout,
        )

    # --- the drawing ------------------------------------------------------------------------------

    def wait_graph(self, nodes: int, timeout: float = 60) -> None:
        """Wait until a graph of at least so many nodes is drawn and has come to rest."""
        self.wait_for(f"({CORE})?._cyreg.cy.nodes().length >= arg", nodes, timeout=timeout)
        self._settled(self.cy("cy.nodes()[0].id()"))

    def cy(self, expression: str) -> Any:
        """Evaluate JavaScript with `cy` bound to the live core of the newest drawing."""
        return self.page.evaluate(f"() => {{ const cy = ({CORE})._cyreg.cy; return {expression}; }}")

    def states(self) -> dict[str, str]:
        """The state that each node shows, by the glyph in its label."""
        labels = self.cy("cy.nodes().map(node => [node.id(), node.style('label')])")
        return {node: WORDS[label[0]] for node, label in labels}

    def wait_states(self, timeout: float = 60, **expected: str) -> None:
        """Wait until nodes show these states."""
        glyphs = {node: LOOKS[word].glyph for node, word in expected.items()}
        try:
            self.wait_for(
                f"""(cy => cy && Object.entries(arg).every(
                    ([node, glyph]) => cy.getElementById(node).style('label')?.startsWith(glyph)
                ))(({CORE})?._cyreg.cy)""",
                glyphs,
                timeout=timeout,
            )
        except Exception as error:
            raise AssertionError(f"expected {expected}, seen {self.states()}: {self.message!r}") from error

    def watch(self) -> None:
        """Write down from now on what states the nodes go through."""
        self.cy(
            """(() => {
                window.joSeen = {};
                const note = () => cy.nodes().forEach(node => {
                    const seen = window.joSeen[node.id()] ??= [], glyph = node.style('label')[0];
                    if (seen.at(-1) !== glyph) seen.push(glyph);
                });
                note();
                cy.on('style', note);
            })()"""
        )

    def seen(self, node: str) -> list[str]:
        """The states a node went through since `watch`, the first included."""
        return [WORDS[glyph] for glyph in self.page.evaluate("node => window.joSeen[node]", node)]

    @property
    def message(self) -> str:
        """The line above the newest graph."""
        return self.page.locator(".jo-graph-message").last.inner_text().strip()

    def wait_message(self, text: str, timeout: float = 60) -> None:
        """Wait until the line above the newest graph holds a text."""
        self._wait_line(".jo-graph-message", text, timeout)

    def wait_hint(self, text: str, timeout: float = 60) -> None:
        """Wait until the line below the newest graph holds a text."""
        self._wait_line(".jo-graph-hint", text, timeout)

    def _wait_line(self, selector: str, text: str, timeout: float) -> None:
        self.wait_for(
            "[...document.querySelectorAll(arg[0])].at(-1)?.innerText.includes(arg[1])",
            [selector, text],
            timeout=timeout,
        )

    def point_at(self, node: str) -> None:
        """Move the mouse over a node."""
        x, y = self._settled(node)
        self.page.mouse.move(x - 3, y - 3)
        self.page.mouse.move(x, y)

    def node_position(self, node: str) -> tuple[float, float]:
        """Where a node is on the page, after scrolling to its drawing."""
        x, y = self.page.evaluate(
            f"""node => {{
                const element = {CORE};
                element.scrollIntoView({{block: 'center'}});
                const at = element._cyreg.cy.getElementById(node).renderedPosition();
                const box = element.getBoundingClientRect();
                return [box.left + at.x, box.top + at.y];
            }}""",
            node,
        )
        return float(x), float(y)

    def _settled(self, node: str) -> tuple[float, float]:
        before = None
        for _ in range(50):
            now = self.node_position(node)
            if now == before:
                return now
            before = now
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{node} does not come to rest")

    def click_node(self, node: str) -> None:
        """Click a node with a real mouse."""
        self.page.mouse.click(*self._settled(node))

    def close(self) -> None:
        """Close the page; the kernel lives on."""
        self.page.close()


def _plain(output: dict[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    text = output.get("text", output.get("data", {}).get("text/plain", ""))
    return "".join(text)
