"""Bars that a step displays as widgets, as tqdm does in notebooks: they tell how far it is, and stand in its log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.capture import Recorder

WIDGET = "application/vnd.jupyter.widget-view+json"
UNKNOWN = "info"
"""How tqdm styles a bar of which nobody knows where it ends."""


def shown_bar(bundle: Any, recorder: Recorder, entry: LogEntry, others: Iterable[ShownBar]) -> ShownBar | None:
    """The bar that is displayed, followed from now on; None where it is something else.

    While one of the others has not come to its end, this one is inside of it, and tells nothing.
    """
    view = bundle.get(WIDGET)
    if not isinstance(view, dict) or "ipywidgets" not in sys.modules:
        return None
    widget = _instances().get(view.get("model_id"))
    bar = next((part for part in (widget, *getattr(widget, "children", ())) if _is_bar(part)), None)
    is_inner = any(other.goes_on for other in others)
    return None if bar is None else ShownBar(widget, bar, recorder, entry, is_inner=is_inner)


class ShownBar:
    """One bar, until the call of the step is over."""

    def __init__(self, widget: Any, bar: Any, recorder: Recorder, entry: LogEntry, *, is_inner: bool) -> None:
        self._widget, self._bar = widget, bar
        self._recorder, self._entry = recorder, entry
        self._is_inner = is_inner
        bar.observe(self._tell, "value")

    @property
    def goes_on(self) -> bool:
        """Whether it has not come to its end."""
        return not self._is_inner and bool(self._bar.value < self._bar.max)

    def close(self) -> None:
        """Follows it no longer; the log has it as it is now."""
        self._bar.unobserve(self._tell, "value")
        if getattr(self._widget, "comm", None) is None:  # it has taken itself off the page
            self._recorder.change(self._entry, None)
            return
        try:
            text = repr(self._widget)
        except Exception:  # noqa: BLE001 - a widget's own code
            return
        data = tuple((mime, text if mime == "text/plain" else content) for mime, content in self._entry.data)
        self._recorder.change(self._entry, replace(self._entry, text=text + "\n", data=data))

    def _tell(self, change: Any) -> None:
        bar = self._bar
        if self._is_inner or bar.bar_style == UNKNOWN or not bar.max > bar.min:
            return
        fraction = (change["new"] - bar.min) / (bar.max - bar.min)
        self._recorder.progress(min(max(fraction, 0.0), 1.0), f"{change['new']:g} of {bar.max:g}")


def _is_bar(widget: Any) -> bool:
    import ipywidgets

    return isinstance(widget, ipywidgets.FloatProgress | ipywidgets.IntProgress)


def _instances() -> dict[Any, Any]:
    """All widgets, by the id of their model. The name is private to ipywidgets; without it bars are only displayed."""
    found: Any = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    return found if isinstance(found, dict) else {}
