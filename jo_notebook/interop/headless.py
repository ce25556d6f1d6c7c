"""A notebook's pipeline in a kernel of its own, without a front end: what every `jo` command stands on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from jo_notebook.errors import JoError
from jo_notebook.interop.messages import ANSWER, EVENTS
from jo_notebook.interop.notebook_file import LOADING, CellKind, NotebookCell, left_out, read_notebook
from jo_notebook.interop.parameters import INJECTED, values_text, with_values

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LAST_WORDS = 20  # lines of what a kernel said before it died
NUMBERED = re.compile(r",? (?:in )?cell \[\d+\]")
OVERRIDE = "__import__('jo_notebook.interop.parameters', fromlist=['override']).override({pipeline}, {values})"
JOINING = "__import__('jo_notebook.steps.registered', fromlist=['join_held']).join_held(get_ipython().user_ns)"
PIPELINE = "get_ipython().run_line_magic('pipeline', '')"
Write = Callable[[str, str], None]
Record = Callable[[NotebookCell | None, Any], None]
Hear = Callable[[str, Any], None]
OURS = (ANSWER, EVENTS)
OWN = ("StepFailed",)


class CellFailed(JoError):
    """A cell that the pipeline needs raised; the message holds the user's traceback, `cause` the error's name."""

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message, cause)
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0])

    def in_a_line(self) -> CellFailed:
        """As an answer for programs: without the traceback, where the error is one of ours."""
        mark = f"{self.cause}: "
        line = next((line for line in str(self).splitlines()[1:] if line.startswith(mark)), "")
        short = (
            CellFailed(NUMBERED.sub("", line.removeprefix(mark)), self.cause) if line and self.cause in OWN else self
        )
        vars(short).update(vars(self))
        return short


class KernelFailed(JoError):
    """The notebook's kernel does not start."""


class Session:
    """One kernel that has run the cells a notebook's steps need.

    `write` receives (stream, text) as it comes, `hear` what the kernel sends beside text; see `interop/messages.py`.
    """

    def __init__(self, client: Any, write: Write, hear: Hear | None = None) -> None:
        self._client = client
        self._write = write
        self._hear = hear
        self.is_quiet = True
        self.last: Any = None
        client.jo_heard = self._heard

    def run(self, code: str, where: str, tags: Sequence[str] = (), *, is_counted: bool = True) -> None:
        """Executes code; raises CellFailed with the traceback where it raises. `last` is the cell with its outputs.

        What is not counted leaves the numbers of cells as they are.
        """
        from nbclient.exceptions import CellExecutionError
        from nbformat.v4 import new_code_cell

        cell = self.last = new_code_cell(code, metadata={"tags": list(tags)} if tags else {})
        self._client.nb.cells = [cell]
        try:
            self._client.execute_cell(cell, 0, store_history=is_counted)
        except CellExecutionError as error:
            raise CellFailed(self._explain(cell, where, error), error.ename) from error

    def widgets(self) -> dict[str, Any]:
        """The state of the widgets that cells have shown, as a notebook's metadata have it; empty without any."""
        self._client.set_widgets_metadata()
        return dict(self._client.nb.metadata.get("widgets", {}))

    def _explain(self, cell: Any, where: str, error: Any) -> str:
        for output in cell.outputs:
            if output.output_type == "error":
                is_ours = len(output.traceback) == 1
                return _placed(where, output.evalue) if is_ours else f"{where} failed.\n" + "\n".join(output.traceback)
        return f"{where} failed: {error.ename}: {error.evalue}"

    def ask(self, words: Sequence[str], where: str, *, is_counted: bool = True, **wanted: Any) -> None:
        """Calls a verb as `%jo` does; `wanted` are what `notebook/remote.py` has: data, events, watched."""
        remote = "__import__('jo_notebook.notebook.remote', fromlist=['answer'])"
        self.run(f"{remote}.answer({list(words)!r}, **{wanted!r});", where, is_counted=is_counted)

    def _heard(self, message: dict[str, Any]) -> bool:
        """Passes a message on; whether it was for us alone, and no output of a cell."""
        if message["msg_type"] == "stream" and not self.is_quiet:
            self._write(message["content"]["name"], message["content"]["text"])
        if message["msg_type"] != "display_data":
            return False
        ours = {mime: data for mime, data in message["content"]["data"].items() if mime in OURS}
        for mime, data in ours.items():
            if self._hear is not None:
                self._hear(mime, data)
        return bool(ours)


@contextmanager
def session(
    path: str | os.PathLike[str],
    write: Write,
    hear: Hear | None = None,
    *,
    sets: Mapping[str, object] | None = None,
    record: Record | None = None,
) -> Iterator[Session]:
    """A kernel beside the notebook, with its steps registered and its setup cells run; no step is run.

    `sets` are values from outside for names of the notebook; `record` is given each cell that was executed, as it
    stands in the file and with its outputs (None for loading the extension), also one that raised. Raises UsageError
    for a file that is no notebook or a value it has no use for, CellFailed for a setup cell that raises.
    """
    path = Path(path).absolute()
    sets, record = sets or {}, record or (lambda cell, executed: None)
    cells, missed = with_values(read_notebook(path), sets, path.name)
    client = _client(path)
    environ = {**os.environ, "JO_RESUME": "off", "PYDEVD_DISABLE_FILE_VALIDATION": "1", "JPY_SESSION_NAME": str(path)}
    environ["JO_CONTEXT"] = environ.get("JO_CONTEXT") or str(path.with_suffix(".jo"))
    with _started(client, path, environ):
        ready = Session(client, write, hear)
        ready.run("%load_ext jo_notebook", "%load_ext jo_notebook")
        record(None, ready.last)
        for cell in cells:
            if cell.kind is not CellKind.USE:
                run_cell(ready, cell, path, record)
            if cell.kind is CellKind.STEP and sets:
                ready.run(
                    OVERRIDE.format(pipeline=PIPELINE, values=values_text(sets)), place_of(path, cell), is_counted=False
                )
        if any(cell.makes_objects for cell in cells):
            ready.run(JOINING, path.name, is_counted=False)
        for missing in (*left_out(cells), *missed):
            write("stderr", f"Note: {missing}\n")
        ready.is_quiet = False
        yield ready


def run_cell(ready: Session, cell: NotebookCell, path: Path, record: Record) -> None:
    """Executes a cell of the notebook; the extension is loaded already. Raises CellFailed."""
    try:
        text = cell.text if cell.kind is CellKind.STEP else LOADING.sub("", cell.text)
        ready.run(text, place_of(path, cell), cell.tags)
    finally:
        record(cell, ready.last)


@contextmanager
def _started(client: Any, path: Path, environ: dict[str, str]) -> Iterator[None]:
    """A kernel that runs. Raises KernelFailed where there is none of that name, it does not come up, or it dies.

    What it says to nobody (of sockets that close before it does) is told only where it dies.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    with ExitStack() as stack:
        noise = stack.enter_context(TemporaryFile())
        try:
            stack.enter_context(client.setup_kernel(cwd=str(path.parent), env=environ, stderr=noise))
        except NoSuchKernel as error:
            raise KernelFailed(
                f"{path.name} asks for the kernel {error.name}, which is not installed here. Open the notebook and "
                "choose another one, or install it."
            ) from error
        except (RuntimeError, OSError) as error:
            raise KernelFailed(f"The kernel of {path.name} does not start: {error}.{_last_words(noise)}") from error
        try:
            yield
        except KeyboardInterrupt:
            _let_go_of_tasks()
            raise
        except DeadKernelError as error:
            kept = "What was finished is kept: the same command goes on from there."
            raise KernelFailed(f"The kernel of {path.name} died. {kept}{_last_words(noise)}") from error


def _let_go_of_tasks() -> None:
    """What was being waited for ends badly when its kernel is shut down, and nobody will ask how."""
    import asyncio

    try:
        from jupyter_core.utils import ensure_event_loop
    except ImportError:  # an older one: then asyncio may say a word about it
        return

    def ask(task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()

    for task in asyncio.all_tasks(ensure_event_loop()):
        task.add_done_callback(ask)


def _last_words(noise: IO[bytes]) -> str:
    """The end of what a kernel said before it died."""
    noise.seek(0)
    lines = noise.read().decode("utf-8", "replace").rstrip().splitlines()[-LAST_WORDS:]
    return "\n".join(["", *lines]) if lines else ""


def _placed(where: str, message: str) -> str:
    """An error of ours with its place in the file; this kernel's own numbering of cells means nothing to a user."""
    if where.startswith("jo "):
        return message
    return f"{where}: {NUMBERED.sub('', message)}"


def place_of(path: Path, cell: NotebookCell) -> str:
    """What a message calls a cell."""
    if not cell.id and INJECTED in cell.tags:
        return f"{path.name}, the values that are set"
    return f"{path.name}, cell {cell.index + 1}" + (f" (step {cell.step})" if cell.step else "")


def _client(path: Path) -> Any:
    """nbclient's client, which also says what it hears while it hears it."""
    import nbformat
    from nbclient import NotebookClient

    class Client(NotebookClient):  # type: ignore[misc]
        """Hands every message on before it becomes an output of a cell."""

        jo_heard: Any = staticmethod(lambda message: False)

        def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
            return None if self.jo_heard(msg) else super().process_message(msg, cell, cell_index)

    kernel = nbformat.read(path, as_version=4).metadata.get("kernelspec", {}).get("name") or "python3"
    return Client(
        nbformat.v4.new_notebook(),
        extra_arguments=["--log-level=CRITICAL"],
        timeout=None,
        kernel_name=kernel,
        resources={"metadata": {"path": str(path.parent)}},
    )
