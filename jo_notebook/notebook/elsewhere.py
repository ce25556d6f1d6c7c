"""A shell for steps of a notebook that run in another process: what they display is kept, `!cmd` works."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from jo_notebook.engine.capture import Recorder
from jo_notebook.notebook.displays import entry_of, flush_figures

WHERE = f"{__name__}:around"
DISPLAYING = frozenset({"ipython", "matplotlib", "seaborn", "plotnine", "plotly", "altair", "bokeh", "ipywidgets"})
"""Packages that display something by themselves."""
_shell: Any = None
_recorder: Recorder | None = None


@contextmanager
def around(recorder: Recorder, packages: Collection[str]) -> Iterator[None]:
    """Around a step's call in another process: what it displays goes to its log, figures too.

    A shell takes a while to make: there is one only where something may want it.
    """
    global _recorder
    if "IPython" in sys.modules or any(name.lower() in DISPLAYING for name in packages):
        get_ipython()
    _recorder = recorder
    try:
        yield
        if _shell is not None:
            flush_figures()
    finally:
        _recorder = None


def get_ipython() -> Any:
    """The shell of this process, made when first wanted."""
    global _shell
    if _shell is None:
        _shell = _made()
    return _shell


def _made() -> Any:
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    class Publisher(DisplayPublisher):  # type: ignore[misc]
        """Hands what is displayed to the step that displays it."""

        def publish(self, data: dict[str, Any], metadata: Any = None, **more: Any) -> None:
            """Takes one display in."""
            if _recorder is not None and data:
                _recorder.add(entry_of(data))

    class Shell(InteractiveShell):  # type: ignore[misc]
        """A shell without a terminal, a history and a prompt."""

        display_pub_class = Publisher

        def init_history(self) -> None:
            """It has none: nothing of a step is typed."""

    Shell.display_pub_class.default_value = Publisher
    return Shell.instance()
