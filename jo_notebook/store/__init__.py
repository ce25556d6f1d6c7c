"""Where results live."""

from jo_notebook.store.context import Context

__all__ = ["Context"]
