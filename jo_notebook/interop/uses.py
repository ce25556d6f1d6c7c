"""Which cells that look at results can be executed after a run, and why the others cannot."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jo_notebook.interop.notebook_file import LOADING, CellKind, NotebookCell, names_bound, names_read

CALL = re.compile(r"^[ \t]*(?:\w+[ \t]*=[ \t]*)?%(?:jo[ \t]+)?(?P<verb>\w+)[ \t]*(?P<rest>[^\n]*)$", re.MULTILINE)
LOOKING = frozenset({"plan", "graph", "explain", "steps", "status", "log", "resume", "pipeline", "jo"})
RUNNING = frozenset({"materialize", "run"})
CHANGING = frozenset({"accept", "forget", "pin", "reload_ext", "unload_ext", "verify"})


@dataclass(frozen=True, slots=True)
class Results:
    """What there is after a run: every step, those whose result is available, and the heads that were asked for."""

    steps: Collection[str]
    available: Collection[str]
    heads: Sequence[str] = ()


def left_out_uses(cells: Sequence[NotebookCell], results: Results) -> dict[int, str]:
    """The cells, by their place, that are not executed, with the reason. Without heads there are none.

    A cell is executed where that runs no step and changes no result: it reads what is available, or looks.
    """
    if not results.heads:
        return {}
    found: dict[int, str] = {}
    lacking: dict[str, int] = {}
    for cell in (cell for cell in cells if cell.kind is CellKind.USE):
        read = names_read(LOADING.sub("", cell.text))
        why = _calls(cell.text, results) or _reads(read, results, lacking)
        bound = names_bound(cell.text)
        if why:
            found[cell.index] = why
            lacking.update(dict.fromkeys(bound, cell.index + 1))
        else:
            lacking = {name: index for name, index in lacking.items() if name not in bound}
    return found


def _calls(text: str, results: Results) -> str:
    for call in CALL.finditer(LOADING.sub("", text)):
        verb, words = call["verb"], call["rest"].rstrip("; \t").replace(",", " ").split()
        if verb in CHANGING or (verb == "context" and words):
            return f"calls %{verb}, which changes what there is"
        if verb in RUNNING:
            if any(word.startswith("-") for word in words):
                return f"calls %{verb} {' '.join(words)}"
            missing = [name for name in words or results.steps if name not in results.available]
            if missing:
                return f"would run {', '.join(missing)}, which {_heads(results)} {_do(results)} not need"
    return ""


def _reads(read: Collection[str], results: Results, lacking: dict[str, int]) -> str:
    missing = sorted(name for name in read if name in results.steps and name not in results.available)
    if missing:
        return f"reads {', '.join(missing)}, which {_heads(results)} {_do(results)} not need"
    name = next((name for name in sorted(read) if name in lacking), "")
    return f"reads {name}, which cell {lacking[name]} binds, and that is left out" if name else ""


def _heads(results: Results) -> str:
    return " and ".join(results.heads)


def _do(results: Results) -> str:
    return "do" if len(results.heads) > 1 else "does"
