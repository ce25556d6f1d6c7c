"""The bar of a run in the cell that asked for it: it comes when the run takes longer, and goes when the run is over."""

from __future__ import annotations

import html
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from jo_notebook.core.events import Event, EventKind
from jo_notebook.pipeline import Pipeline
from jo_notebook.runs import Run
from jo_notebook.views.bar import RunBar

DELAY = 1.0  # seconds: a run that takes no longer has no bar
TICK = 0.25
WIDTH = 100
CSS = """\
.jo-run-bar{align-items:center;gap:10px;overflow:hidden;margin:0}
.jo-run-bar .widget-hprogress,.jo-run-bar .jupyter-widget-hprogress{width:180px;flex:0 0 auto;margin:0;height:20px}
.jo-run-bar .widget-html,.jo-run-bar .jupyter-widget-html{margin:0;flex:1 1 auto;min-width:0;height:auto}
.jo-run-bar .widget-html-content{line-height:24px;font-size:13px;white-space:nowrap;overflow:hidden;
 text-overflow:ellipsis}
.jo-run-bar.jupyter-widgets-disconnected,.jo-run-bar .jupyter-widgets-disconnected{display:none}
"""
NOTHING = {"text/plain": "", "text/html": ""}


class Bars:
    """The bars of one shell's runs: one for each run that a cell has begun."""

    def __init__(self, shell: Any, pipeline: Pipeline) -> None:
        self._shell = shell
        self._pipeline = pipeline
        self._open: set[CellBar] = set()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Inside, the run that begins has a bar; one that goes on afterwards keeps it until it is over."""
        self._open = {bar for bar in self._open if not bar.is_over}
        bar = CellBar(self._shell, self._pipeline)
        self._open.add(bar)
        try:
            yield
        finally:
            if not bar.goes_on():
                bar.close()

    def close(self) -> None:
        """Takes away those that are left."""
        for bar in self._open:
            bar.close()
        self._open.clear()


class CellBar:
    """Follows the first run that begins from now on, on a thread of its own: the main one is busy."""

    def __init__(self, shell: Any, pipeline: Pipeline) -> None:
        publisher = shell.display_pub
        self._session, self._socket, self._topic = publisher.session, publisher.pub_socket, publisher.topic
        self._parent = publisher.parent_header
        self._id = uuid.uuid4().hex
        self._run = RunBar()
        self._run_id = ""
        self._pipeline = pipeline
        self._before = {run.id for run in pipeline.runs}
        self._background: Run | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._box: Any = None
        self._thread = threading.Thread(target=self._show, name="jo_notebook_bar", daemon=True)
        self._turn_away = pipeline.listen(self._hear)

    @property
    def is_over(self) -> bool:
        """Whether it is gone for good."""
        return self._over.is_set()

    def goes_on(self) -> bool:
        """Whether its run does, in the background: then it stays until that is over."""
        new = [run for run in self._pipeline.runs if run.id not in self._before]
        with self._lock:
            if not self._run_id and new:
                self._follow(new[0].id)
            self._background = next((run for run in new if run.id == self._run_id), None)
            return self._background is not None and not self.is_over

    def close(self) -> None:
        """Takes it away, and comes back when it is gone."""
        self._turn_away()
        self._over.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _hear(self, event: Event) -> None:
        with self._lock:
            is_new = event.run_id not in self._before and event.kind is EventKind.QUEUED
            if not self._run_id and event.run_id and is_new:
                self._follow(event.run_id)
            if not self._run_id or event.run_id != self._run_id:
                return
            self._run.hear(event)
        if event.kind is EventKind.ENDED:
            self.close()

    def _follow(self, run_id: str) -> None:
        self._run_id = run_id
        self._thread.start()

    def _show(self) -> None:
        """On the bar's own thread: what it displays is no output of a step."""
        wait = DELAY
        try:
            while not self._over.wait(wait) and not (self._background is not None and self._background.done):
                with self._lock:
                    share, text, is_busy = self._run.share, self._text(), self._run.is_busy
                if self._box is None and is_busy:
                    self._box = _box(share, text)
                    self._send("display_data", {**self._box.bundle(), "text/plain": text})
                elif self._box is not None:
                    self._box.show(share, text, failed=self._run.failed)
                wait = TICK
        finally:
            self._turn_away()
            self._over.set()
            if self._box is not None:
                self._send("update_display_data", NOTHING)
                self._box.close_all()

    def _text(self) -> str:
        run = self._run
        said = (f"{run.done}/{run.total}", run.left(), run.note or run.running(WIDTH))
        return " · ".join(filter(None, said))

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        content = {"data": data, "metadata": {}, "transient": {"display_id": self._id}}
        with suppress(Exception):  # the kernel may be on its way out
            self._session.send(self._socket, kind, content, parent=self._parent, ident=self._topic)


def _box(share: float, text: str) -> Any:
    import ipywidgets

    class RunBox(ipywidgets.HBox):  # type: ignore[misc]
        """A bar, and what it means."""

        def __init__(self) -> None:
            self._bar = ipywidgets.FloatProgress(min=0.0, max=1.0)
            self._said = ipywidgets.HTML()
            super().__init__([self._bar, self._said])
            self.add_class("jo-run-bar")
            self.show(share, text)

        def show(self, share: float, text: str, *, failed: int = 0) -> None:
            self._bar.value = share
            self._bar.bar_style = "danger" if failed else ""
            self._said.value = f"<style>{CSS}</style>{html.escape(text)}"

        def bundle(self) -> dict[str, Any]:
            return dict(self._repr_mimebundle_() or {})

        def close_all(self) -> None:
            for widget in (self._bar, self._said, self):
                for part in (widget, widget.layout, getattr(widget, "style", None)):
                    if part is not None:
                        part.close()

    return RunBox()
