"""What a step displays (figures, tables, widgets) goes into its log, and on to its cell where one is shown."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.capture import Recorder
from jo_notebook.notebook.shown_bars import WIDGET, ShownBar, shown_bar


@contextmanager
def capture_displays(shell: Any, recorder: Recorder) -> Iterator[None]:
    """Inside, what this thread displays goes to the recorder, and on to the cell where the recorder echoes."""
    publisher = shell.display_pub
    bars: list[ShownBar] = []

    def hook(message: dict[str, Any]) -> dict[str, Any] | None:
        if message.get("header", {}).get("msg_type") in ("display_data", "execute_result"):
            bundle = message.get("content", {}).get("data", {})
            entry = entry_of(bundle)
            recorder.add(entry)
            if (bar := shown_bar(bundle, recorder, entry, bars)) is not None:
                bars.append(bar)
        return message if recorder.echo else None

    hooked = hasattr(publisher, "register_hook")
    if hooked:
        publisher.register_hook(hook)
    try:
        yield
        if not recorder.is_beside:  # a step that draws runs alone
            flush_figures()
    finally:
        if hooked:
            publisher.unregister_hook(hook)
        for bar in bars:
            bar.close()


def entry_of(bundle: dict[str, Any]) -> LogEntry:
    """What is displayed, as an entry of a log."""
    data = tuple((mime, _text(content)) for mime, content in bundle.items())
    return LogEntry("display", str(bundle.get("text/plain", "")) + "\n", data)


def _text(content: Any) -> str:
    """A part of a bundle as text, as the message has it: an image that comes as bytes (PIL's do) in base64."""
    if isinstance(content, bytes):
        return base64.b64encode(content).decode("ascii")
    return content if isinstance(content, str) else json.dumps(content)


def show_entry(shell: Any, entry: LogEntry) -> None:
    """Shows once more what a step displayed, here before or in another process."""
    bundle = {mime: _content(mime, text) for mime, text in entry.data}
    if len(bundle) > 1:
        bundle.pop(WIDGET, None)  # the widget itself may have been another kernel's
    shell.display_pub.publish(bundle or {"text/plain": entry.text.removesuffix("\n")}, {})


def _content(mime: str, text: str) -> Any:
    """What a log has as text: data are kept as JSON there."""
    if mime == "application/json" or mime.endswith("+json"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def flush_figures() -> None:
    """Figures of the inline back end are drawn when a cell ends; a step ends here."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if backend is not None and pyplot is not None and pyplot.get_fignums():
        backend.flush_figures()
