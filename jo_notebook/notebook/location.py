"""Where the results of this kernel's notebook live."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Location:
    """A directory for results, the notebook they belong to (empty where no file is known), and how we know."""

    place: Path
    notebook: str
    known_by: str


def find_location(
    namespace: Mapping[str, Any], environ: Mapping[str, str], start: Path, *, asked: str = "", from_cell: bool = True
) -> Location:
    """Decides once, when the extension is loaded; the first rule that applies wins.

    1. `asked`, the setting; 2. `JO_CONTEXT`; 3. VS Code's variable in the namespace; 4. the session name that
    Jupyter's server gives its kernels; 5. papermill's input; 6. `notebook.jo` in the start directory. Rule 4 holds only
    where the request came from a notebook's cell (`from_cell`): a kernel started from inside a notebook inherits
    the outer notebook's name.
    """
    if asked or environ.get("JO_CONTEXT"):
        place = Path(os.path.expanduser(asked or environ["JO_CONTEXT"]))  # an unknown ~user stays as it is
        return Location(_absolute(place, start), _session(environ), "setting" if asked else "JO_CONTEXT")
    for path, known_by in (
        (str(namespace.get("__vsc_ipynb_file__", "")), "VS Code"),
        (_session(environ) if from_cell else "", "Jupyter session"),
        (str(namespace.get("PAPERMILL_INPUT_PATH", "")), "papermill"),
    ):
        notebook = _absolute(Path(path), start) if path else None
        if notebook is not None and notebook.suffix == ".ipynb" and os.path.isfile(notebook):
            return Location(notebook.with_suffix(".jo"), str(notebook), known_by)
    return Location(start / "notebook.jo", "", "working directory")


def start_directory(shell: Any) -> Path:
    """Where the kernel started; a later `%cd` does not move it."""
    history = shell.user_ns.get("_dh") or []
    return Path(str(history[0]) if history else os.getcwd()).absolute()


def _session(environ: Mapping[str, str]) -> str:
    path = environ.get("JPY_SESSION_NAME", "")
    return path if os.path.isabs(path) and path.endswith(".ipynb") and os.path.isfile(path) else ""


def _absolute(path: Path, start: Path) -> Path:
    return path if path.is_absolute() else start / path
