"""Brings back what a step needs from a notebook whose cells have not run yet."""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from typing import Any

from jo_notebook.core.needs import Need
from jo_notebook.errors import JoError


def restore(step: str, needs: Iterable[Need], namespace: dict[str, Any]) -> list[str]:
    """Executes the code of every need that the namespace lacks, and returns the names it brought back.

    Order does not matter: a helper whose decorator or default needs another name waits for it.
    Raises JoError naming the step and the line that failed.
    """
    waiting = [need for need in needs if need.code and need.name not in namespace]
    done: list[str] = []
    trouble: tuple[Need, Exception] | None = None
    while waiting:
        later = []
        for need in waiting:
            try:
                _execute(need, namespace)
                done.append(need.name)
            except NameError as error:
                later.append(need)
                trouble = (need, error)
            except Exception as error:
                raise _refusal(step, need, error) from error
        if len(later) == len(waiting) and trouble is not None:
            raise _refusal(step, *trouble) from trouble[1]
        waiting = later
    return done


def _execute(need: Need, namespace: dict[str, Any]) -> None:
    filename = f"<remembered {need.name} {need.digest[:8]}>"
    linecache.cache[filename] = (len(need.code), None, need.code.splitlines(keepends=True), filename)
    exec(compile(need.code, filename, "exec", dont_inherit=True), namespace)


def _refusal(step: str, need: Need, error: Exception) -> JoError:
    first = need.code.splitlines()[0]
    return JoError(
        f"{step} needs {need.name}, and bringing it back failed: {type(error).__name__}: {error} "
        f"(in `{first}`). Run the cell that defines it, then try again."
    )
