"""Turn a Jupyter notebook into a pipeline that remembers.

In a notebook: `%load_ext jo_notebook`, then `%%step NAME` cells. In a script: `@step` functions, or `Step` classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jo_notebook.core.plan import Plan
    from jo_notebook.engine.reporting import progress
    from jo_notebook.errors import JoError
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.steps.classes import Step
    from jo_notebook.steps.functions import step
    from jo_notebook.store.context import Context

__version__ = "0.1.0"
_HOMES = {"Context": "store.context", "JoError": "errors", "Pipeline": "pipeline", "Plan": "core.plan"}
_HOMES |= {"Step": "steps.classes", "progress": "engine.reporting", "step": "steps.functions"}
__all__ = ["Context", "JoError", "Pipeline", "Plan", "Step", "load_ipython_extension", "progress", "step"]
__all__ += ["unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'jo_notebook' has no attribute {name!r}")
    return getattr(import_module(f"jo_notebook.{_HOMES[name]}"), name)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext jo_notebook` calls."""
    from jo_notebook.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext jo_notebook` calls."""
    from jo_notebook.notebook.extension import unload

    unload(shell)
