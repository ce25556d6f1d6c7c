"""The README tells the truth: its cells run in a real kernel, its commands in a terminal, its pictures are today's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from tests.conftest import StartKernel
from tests.kernel import Kernel, Reply

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python notebook|text output)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|[^|\n]*\|[^|\n]*\| `(%[^`]+)` \|$", re.MULTILINE)
COMMAND = re.compile(r"^\| `jo ([^`]+)` \|", re.MULTILINE)
MEASURED = re.compile(r"\b(?:less than 1 s|about [\d ]+(?:s|min|h)|[\d.]+ (?:ms|s|min|h|B|kB|MB)|0\.\d+)(?!\w)")
SPACES = re.compile(r" {2,}")


@dataclass(frozen=True)
class Block:
    """A notebook cell of the README, and what the README says it answers."""

    code: str
    answer: str


def _blocks() -> list[Block]:
    found: list[Block] = []
    for kind, text in BLOCK.findall(README):
        if kind == "python notebook":
            found.append(Block(text, ""))
        else:
            found[-1] = Block(found[-1].code, text)
    return found


BLOCKS = _blocks()


def _shown(reply: Reply) -> str:
    return "\n".join(part.rstrip("\n") for part in (reply.stdout, reply.text) if part)


def _comparable(text: str) -> str:
    """Without what differs from machine to machine: times, sizes, scores, and the columns they push about."""
    lines = (SPACES.sub(" ", MEASURED.sub("#", line)).rstrip() for line in text.splitlines())
    return "\n".join(lines)


@pytest.fixture(scope="module")
def told(module_kernel: Kernel) -> tuple[Kernel, list[Reply]]:
    """A kernel that has run every cell of the README, and its answers."""
    return module_kernel, [module_kernel.run(block.code) for block in BLOCKS]


def test_the_readme_has_cells_and_answers() -> None:
    """A change of the Markdown must not make these tests empty."""
    assert len(BLOCKS) >= 10
    assert sum(bool(block.answer) for block in BLOCKS) >= 5
    assert len(ROW.findall(README)) >= 10
    assert len(COMMAND.findall(README)) >= 7


@pytest.mark.parametrize("number", [i for i, block in enumerate(BLOCKS) if block.answer])
def test_a_cell_answers_as_the_readme_says(told: tuple[Kernel, list[Reply]], number: int) -> None:
    """Plans are compared whole; below other answers the kernel may show a value as well."""
    wanted, shown = _comparable(BLOCKS[number].answer), _comparable(_shown(told[1][number]))
    if wanted.startswith("Execution plan"):
        assert shown == wanted
    else:
        assert shown.startswith(wanted)


def test_an_undone_edit_leaves_nothing_to_run(start_kernel: StartKernel) -> None:
    """And a kernel that has seen none of the cells can load a result, or make it again."""
    kernel = start_kernel()
    for block in BLOCKS[:8]:
        kernel.run(block.code)
    assert "trees: 200" in kernel.run("%explain Forest").stdout
    kernel.run("trees = 200")
    plan = kernel.run("%plan").stdout
    assert plan.count("[*]") == 5  # four steps and the legend
    assert "(>)" not in plan.split("\n", 1)[1]
    kernel.restart()
    assert "4 steps in notebook.jo: 4 available" in kernel.run("%load_ext jo_notebook").stdout
    assert kernel.run("Score").text.startswith("0.9")
    assert "Ran 1 step" in kernel.run("%materialize Forest --force").stdout


@pytest.mark.parametrize("line", ROW.findall(README))
def test_each_magic_of_the_table_works(told: tuple[Kernel, list[Reply]], line: str) -> None:
    """Typed as it stands there, in the pipeline of the README."""
    told[0].run(f"{line}\nLoad.dropna()" if line.startswith("%%step") else line)


def test_each_command_of_the_table_works(tmp_path: Path) -> None:
    """On a notebook with the README's names and nothing that takes long to import."""
    cells = ["%load_ext jo_notebook", "%%step Load\n[1, 2]", "%%step Score\nsum(Load)", "Score + 1", "%materialize"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "analysis.ipynb")
    for command in COMMAND.findall(README):
        if command.startswith("restore "):
            _jo("run analysis.ipynb Score --force", tmp_path)  # there must be an older result to go back to
        _jo(command, tmp_path)
    assert (tmp_path / "graph.svg").is_file()
    assert (tmp_path / "analysis.jo").is_dir()


def test_the_pictures_are_what_jo_draws_today(tmp_path: Path) -> None:
    """docs/graph.svg: nothing has run. docs/graph-after.svg: all has run, then the number of trees was changed."""
    notebook = Path(shutil.copy(ROOT / "notebooks" / "2_penguins.ipynb", tmp_path))
    _jo(f"graph {notebook.name} -o graph.svg", tmp_path)
    _jo(f"run {notebook.name}", tmp_path)
    cells = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in cells["cells"]:
        cell["source"] = "trees = 10" if "".join(cell["source"]) == "trees = 5" else cell["source"]
    notebook.write_text(json.dumps(cells), encoding="utf-8")
    _jo(f"graph {notebook.name} -o graph-after.svg", tmp_path)
    for name in ("graph.svg", "graph-after.svg"):
        drawn, kept = (tmp_path / name).read_text(encoding="utf-8"), (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert MEASURED.sub("#", drawn) == MEASURED.sub("#", kept), f"docs/{name} is out of date"


def _jo(line: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "jo_notebook.cli", *line.split()],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"jo {line}\n{done.stdout}\n{done.stderr}"
    return done.stdout
