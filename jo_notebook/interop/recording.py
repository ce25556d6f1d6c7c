"""A copy of a notebook with the outputs of one run, in the shape that papermill gives to such copies."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jo_notebook.interop.notebook_file import NotebookCell
from jo_notebook.interop.parameters import INJECTED

ERROR_TAG = "papermill-error-cell-tag"  # papermill, and we, take such cells out of a notebook before it runs again
STYLE = 'style="color:red; font-family:Helvetica Neue, Helvetica, Arial, sans-serif; font-size:2em;"'
AT_THE_TOP = f"<span {STYLE}>An Exception was encountered at '<a href=\"#papermill-error-cell\">In [%s]</a>'.</span>"
ABOVE_IT = (
    f'<span id="papermill-error-cell" {STYLE}>Execution using jo encountered an exception here and stopped:</span>'
)

STOPPED = f"<span {STYLE}>This run of jo came to no end.</span>"


class Recording:
    """The cells of one run. What was not executed keeps the outputs it had, and says so in its metadata."""

    def __init__(self, notebook: Any) -> None:
        """`notebook` is nbformat's object; it is not changed."""
        self._original = notebook
        self.widgets: dict[str, Any] = {}
        self._began = self._mark = datetime.now(UTC)
        self._entries: dict[tuple[int, bool], dict[str, Any]] = {}
        self._injected: dict[int, NotebookCell] = {}
        self._loading: Any = None
        self._left_out: dict[int, str] = {}
        self._failed: tuple[int, bool] | None = None
        self._has_stopped = False
        self._stray: list[Any] = []

    def heard(self, cell: NotebookCell | None, executed: Any) -> None:
        """A cell that was executed, or (None) the loading of the extension, with its outputs."""
        if cell is None:
            self._loading = executed
            self._mark = datetime.now(UTC)
            return
        key = _key(cell)
        if key[1]:
            self._injected[cell.index] = cell
        self._note(key, list(executed.outputs), executed.get("execution_count"))

    def loaded_in(self, cell: NotebookCell) -> None:
        """A cell that does no more than to load the extension: what the kernel said to that are its outputs."""
        self._note(_key(cell), list(self._loading.outputs), self._loading.get("execution_count"))

    def replace(self, cell: NotebookCell, outputs: Sequence[Any], seconds: float) -> None:
        """What a step's cell shows after the run, in place of what it said then; and how long its steps ran in it."""
        before = self._entries.get(_key(cell))
        self._note(_key(cell), list(outputs), None)
        self._entries[_key(cell)]["seconds"] = seconds
        if before is not None:
            self._entries[_key(cell)] |= {name: before[name] for name in ("start_time", "count")}

    def fail(self, cell: NotebookCell, outputs: Sequence[Any] = ()) -> None:
        """The cell at which the run stopped, with what is to be shown of the error below its other outputs."""
        key = _key(cell)
        if key not in self._entries:
            self._note(key, [], None)
        self._entries[key]["outputs"] += list(outputs)
        self._failed = key

    @property
    def has_begun(self) -> bool:
        """Whether anything was executed."""
        return self._loading is not None

    def stop(self, outputs: Sequence[Any] = ()) -> None:
        """The run came to no good end: at the last cell that was executed, if that raised, or at none of them."""
        self._has_stopped = True
        last = next(reversed(self._entries), None)
        if self._failed is None and last is not None and _raised(self._entries[last]["outputs"]):
            self._failed = last
        elif self._failed is None:
            self._stray = list(outputs)

    def leave_out(self, reasons: Mapping[int, str]) -> None:
        """Cells that were not executed, by their place, and why."""
        self._left_out.update(reasons)

    def notebook(self, *, parameters: Mapping[str, object], input_path: str, output_path: str, version: str) -> Any:
        """The copy. The original may have been made by an earlier run: its marks of that are gone."""
        import nbformat

        made = copy.deepcopy(self._original)
        made.cells = self._with_injected(made.cells)
        made.cells = [cell for cell in made.cells if ERROR_TAG not in cell.metadata.get("tags", ())]
        self._add_marks(made)
        for cell in made.cells:
            cell.pop("jo_key", None)
        made.metadata.pop("widgets", None)
        if self.widgets:
            made.metadata["widgets"] = self.widgets
        now = datetime.now(UTC)
        made.metadata["papermill"] = {
            "default_parameters": {},
            "duration": (now - self._began).total_seconds(),
            "end_time": now.isoformat(),
            "environment_variables": {},
            "exception": True if self._has_stopped else None,
            "input_path": input_path,
            "output_path": output_path,
            "parameters": {name: _as_json(value) for name, value in parameters.items()},
            "start_time": self._began.isoformat(),
            "version": version,
        }
        return made if (made.nbformat, made.nbformat_minor) >= (4, 5) else nbformat.v4.upgrade(made)

    def _note(self, key: tuple[int, bool], outputs: list[Any], count: int | None) -> None:
        started, self._mark = self._mark, datetime.now(UTC)
        self._entries[key] = {"outputs": outputs, "count": count, "start_time": started, "end_time": self._mark}

    def _with_injected(self, cells: Sequence[Any]) -> list[Any]:
        from nbformat.v4 import new_code_cell

        found: list[Any] = []
        for index in range(-1, len(cells)):
            given = self._injected.get(index)
            is_replaced = given is not None and index >= 0 and INJECTED in cells[index].metadata.get("tags", ())
            if index >= 0 and not is_replaced:
                found.append(self._filled(cells[index], (index, False)))
            if given is not None:
                cell = new_code_cell(given.text, metadata={"tags": [INJECTED]})
                found.append(self._filled(cell, (index, True)))
        return found

    def _filled(self, cell: Any, key: tuple[int, bool]) -> Any:
        entry = self._entries.get(key)
        times: dict[str, Any] = {"duration": None, "end_time": None, "exception": None, "start_time": None}
        is_text = cell.cell_type != "code" or not cell.source.strip()
        status = "completed" if is_text and not self._has_stopped else "pending"
        cell.metadata.pop("jo_notebook", None)
        if entry is not None:
            start, end = entry["start_time"], entry["end_time"]
            seconds = entry.get("seconds", (end - start).total_seconds())
            times = {"duration": seconds, "end_time": end.isoformat(), "exception": False}
            times["start_time"] = start.isoformat()
            status = "completed"
            cell.execution_count = entry["count"]
            cell.outputs = copy.deepcopy(entry["outputs"])
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = entry["count"]
        elif not is_text:
            cell.execution_count = None
            why = self._left_out.get(key[0], "the run stopped before it" if self._has_stopped else "not executed")
            cell.metadata["jo_notebook"] = {"left_out": why}
        if entry is not None and key[0] in self._left_out and not key[1]:
            cell.metadata["jo_notebook"] = {"left_out": self._left_out[key[0]]}
        if key == self._failed:
            times["exception"], status = True, "failed"
        cell.metadata["papermill"] = {**times, "status": status}
        cell["jo_key"] = key
        return cell

    def _add_marks(self, made: Any) -> None:
        from nbformat.v4 import new_markdown_cell

        if not self._has_stopped:
            return
        place = next((i for i, cell in enumerate(made.cells) if cell["jo_key"] == self._failed), None)
        if place is None:
            said = "".join(f"\n\n`{output.ename}: {output.evalue}`" for output in self._stray)
            made.cells.insert(0, new_markdown_cell(STOPPED + said, metadata={"tags": [ERROR_TAG]}))
            return
        number = made.cells[place].get("execution_count")
        made.cells.insert(place, new_markdown_cell(ABOVE_IT, metadata={"tags": [ERROR_TAG]}))
        made.cells.insert(0, new_markdown_cell(AT_THE_TOP % number, metadata={"tags": [ERROR_TAG]}))


def _as_json(value: object) -> object:
    """A value as JSON can have it; as text what JSON has no word for."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value


def _raised(outputs: Sequence[Any]) -> bool:
    return any(output.output_type == "error" for output in outputs)


def _key(cell: NotebookCell) -> tuple[int, bool]:
    """Where a cell stands, and whether it was put there by us."""
    return cell.index, INJECTED in cell.tags and not cell.id
