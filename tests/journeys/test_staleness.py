"""The staleness matrix in a real kernel: each edit marks what it must, for the reasons it must, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cases.staleness import KEEP, Action, File, Outside, Raises, Restart, Row, rows
from tests.kernel import Kernel

ROWS = rows()

START = """import os, sys
sys.dont_write_bytecode = True
if {fresh}:
    for _n in [n for n, m in sys.modules.items() if str(getattr(m, '__file__', '')).startswith({root!r})]:
        del sys.modules[_n]
os.chdir({place!r})
sys.path[:] = ['', *[p for p in sys.path if p and not p.startswith({root!r})]]
os.environ['JO_CONTEXT'] = {context!r}
%load_ext jo_notebook
"""

NO_AUTORELOAD = """_shell = get_ipython()
if _shell.find_line_magic('autoreload'):
    _shell.run_line_magic('autoreload', '0')
"""

LOOK = """import json as _json
_p = get_ipython().run_line_magic('pipeline', '')
_plan = _p.plan('Out')
_d = _plan['Out']
from jo_notebook.core.plan import root_causes as _roots
_told = [r.text for r in _d.reasons if r.kind not in ('upstream', 'missing')]
_told += [r.text for _, r in _roots(_plan, 'Out')]
_told = _told or [r.text for r in _d.reasons]
print(_json.dumps([str(_d.availability), str(_d.action), _told]))
"""


class Notebook:
    """One row's notebook in a kernel that rows share: its own directory, its own results, nothing left of others."""

    def __init__(self, kernel: Kernel, root: Path, place: Path) -> None:
        self.kernel = kernel
        self.root = root
        self.place = place
        place.mkdir()
        self.start(fresh=True)

    def start(self, *, fresh: bool) -> None:
        code = START.format(
            fresh=fresh, root=str(self.root), place=str(self.place), context=str(self.place / "results.jo")
        )
        self.kernel.run("%unload_ext jo_notebook\n" + NO_AUTORELOAD + "%reset -f")
        self.kernel.run(code)

    def do(self, action: Action) -> None:
        if isinstance(action, File):
            path = self.place / action.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(action.text)
        elif isinstance(action, Outside):
            done = subprocess.run([sys.executable, "-c", action.code], cwd=self.place, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        elif isinstance(action, Restart):
            os.environ["PYTHONHASHSEED"] = action.hash_seed
            try:
                self.kernel.restart()
            finally:
                del os.environ["PYTHONHASHSEED"]
            self.start(fresh=False)
        elif isinstance(action, Raises):
            assert not self.kernel.run(action.code, allow_error=True).ok
        else:
            first = action.splitlines()[0].split()
            cell = first[1] if first[:1] == ["%%step"] else action[:20]
            self.kernel.run(action, cell_id=CELLS.get(cell, cell))

    def look(self) -> tuple[str, str, list[str]]:
        """Availability, action and reasons of the step `Out`."""
        return tuple(json.loads(self.kernel.run(LOOK).stdout.splitlines()[-1]))

    def value(self, step: str) -> Any:
        """What a user gets now."""
        return self.kernel.run(f"%materialize {step}", allow_error=True).text


CELLS = {"New": "Old"}  # a step that was renamed in its cell


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, Path]]:
    """A kernel for all rows, in a directory of its own."""
    root = tmp_path_factory.mktemp("staleness")
    kernel = Kernel(root)
    yield kernel, root
    kernel.close()


def missing(row: Row) -> list[str]:
    return [name for name in row.needs if importlib.util.find_spec(name) is None]


@pytest.mark.parametrize("row", ROWS, ids=[row.edit for row in ROWS])
def test_row(shared: tuple[Kernel, Path], row: Row) -> None:
    """The edit is judged as the table says, and what a user then gets is what the code of today gives."""
    if missing(row):
        pytest.skip(f"needs {', '.join(missing(row))}")
    kernel, root = shared
    notebook = Notebook(kernel, root, root / f"row{ROWS.index(row)}")
    for action in row.setup:
        notebook.do(action)
    kernel.run("%materialize", allow_error=True)
    kernel.run("%materialize Out", allow_error=True)
    for action in row.change:
        notebook.do(action)
    availability, action, reasons = notebook.look()
    if row.right == KEEP:
        assert (availability, action) != ("stale", "run"), reasons
        assert availability == "available", reasons
        assert reasons == []
    else:
        assert reasons == list(row.reasons)
        assert action == "run"
    assert notebook.value("Out") == row.value, kernel.run("%log Out").stdout
    for step, value in row.also.items():
        assert notebook.value(step) == value


def test_the_page_is_this_table() -> None:
    """The page of the documentation says what the rows say."""
    from tests.cases.staleness_page import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.cases.staleness_page"
