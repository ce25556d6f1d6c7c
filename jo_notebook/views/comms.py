"""What a widget's comm needs so that a click counts at once."""

from __future__ import annotations

from typing import Any


def answer_at_once(widget: Any) -> None:
    """Keeps a widget's messages on the front end's own thread, so that a click counts while a cell runs.

    ipykernel 7.4 would move them to the thread that last wrote to the widget. The name is private to it;
    without it all works, only later.
    """
    if hasattr(type(widget.comm), "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda data, default: default
