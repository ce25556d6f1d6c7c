"""The documents that name things name things that are there, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jo_notebook.commands.table import COMMANDS, ON_THE_STORE
from jo_notebook.core.stepline import STEP_OPTIONS
from jo_notebook.notebook.settings import JoNotebook
from jo_notebook.verbs import VERBS, Verb

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROOMS = ARCHITECTURE.partition("## 2. The rooms")[2].partition("## 3.")[0]
NAMED = set(re.findall(r"`([\w/]+(?:/|\.\w+))`", ROOMS))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def test_every_room_is_there() -> None:
    """What the table of rooms names exists."""
    assert len(NAMED) > 40
    assert not [name for name in NAMED if not (ROOT / name).exists()]


def test_every_file_of_the_package_is_a_room() -> None:
    """A new file gets its line in ARCHITECTURE.md."""
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "jo_notebook").rglob("*.py")}
    assert files - NAMED == set()


def test_the_walk_passes_files_that_are_there() -> None:
    """The files the walk from a cell to a click names, without the package in front."""
    walk = ARCHITECTURE.partition("## 4.")[2]
    named = re.findall(r"`(\w+/\w+\.py)`", walk)
    assert named
    assert not [name for name in named if not (ROOT / "jo_notebook" / name).exists()]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_is_in_the_readme(verb: Verb) -> None:
    """As a magic, with an example, and as a command where it is one."""
    assert f"| `%{verb.name}` |" in README
    command = verb.command or verb.name
    assert command not in COMMANDS or f"| `jo {command} " in README


@pytest.mark.parametrize("command", ON_THE_STORE)
def test_every_command_without_a_kernel_is_in_the_readme(command: str) -> None:
    """With an example."""
    assert f"| `jo {command} " in README


@pytest.mark.parametrize("option", [*STEP_OPTIONS, *(f for v in VERBS for a in v.arguments for f in a.flags)])
def test_every_option_is_in_the_readme(option: str) -> None:
    """Long options; a short one stands beside its long form in --help."""
    assert option in README or not option.startswith("--") or option == "--output"


def test_every_setting_is_in_the_readme() -> None:
    """`%config JoNotebook` has no secret."""
    assert not [name for name in JoNotebook.class_own_traits(config=True) if name not in README]


def test_there_are_decisions() -> None:
    """An empty folder must not pass for success."""
    assert DECISIONS
    assert [int(path.name[:3]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_every_decision_has_a_title_and_a_date(path: Path) -> None:
    """`# 001 · Title`, then the date; half a page, or it is an essay."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(rf"# {path.name[:3]} · \S.*", lines[0])
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", lines[2])
    assert len(lines) < 45


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Links to files of this repository."""
    links = LINK.findall(path.read_text(encoding="utf-8"))
    assert not [link for link in links if not (path.parent / link).exists()]
