"""docs/cli.md and the help tell of the real commands and options, all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jo_notebook.commands.group import group
from jo_notebook.commands.lessons import LESSONS
from jo_notebook.commands.table import COMMANDS, ON_THE_STORE, ORDER, OTHERS
from tests.cli.making import HOME, environment
from tests.test_cli import jo

PAGE = (HOME / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = {piece.partition("`")[0]: piece for piece in PAGE.split("\n### `jo ")[1:]}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def flags_of(name: str) -> set[str]:
    """The long options of a command that its help shows."""
    jo_group = group()
    command = jo_group.get_command(click.Context(jo_group), name)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    return {flag for option in options for flag in option.opts if flag.startswith("--")}


def test_every_command_has_its_place() -> None:
    """In the help's order, in the page, with a lesson; and nothing else is there."""
    assert list(SECTIONS) == list(ORDER)
    assert set(LESSONS) == set(ORDER) == {*COMMANDS, *ON_THE_STORE, *OTHERS}


@pytest.mark.parametrize("name", ORDER)
def test_the_options_are_the_real_ones(name: str) -> None:
    """Each option stands in the page; the page and the examples name no others."""
    section = SECTIONS[name]
    table = "\n".join(line for line in section.splitlines() if line.startswith("| `"))
    flags = flags_of(name)
    assert set(FLAG.findall(table)) == flags - {"--json"}
    used = set(FLAG.findall("\n".join(line for line, _ in LESSONS[name].examples)))
    assert used <= flags | ({"--dry-run"} if name == "context" else set())
    assert ("`--json`" in section) == ("--json" in flags)


@pytest.mark.parametrize("name", ORDER)
def test_help_teaches(name: str) -> None:
    """What it does, examples that begin with the command itself, exit codes; each option has a sentence."""
    jo_group = group()
    command = jo_group.get_command(click.Context(jo_group), name)
    assert command is not None
    text = command.get_help(click.Context(command, info_name=f"jo {name}"))
    assert text.startswith(f"Usage: jo {name} ")
    assert "\nExamples:\n" in text
    assert "\nExit codes: 0 done" in text
    assert all(f"jo {name}" in line for line, _ in LESSONS[name].examples)
    assert all(option.help for option in command.params if isinstance(option, click.Option) and not option.hidden)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["paln", "n.ipynb"], "jo has no command 'paln'. Did you mean plan?"),
        (["--verson"], "no such option: --verson. Did you mean --version?"),
        (
            ["plan", "n.ipynb", "--levls"],
            "jo plan: no such option: --levls. Did you mean --levels? Try jo plan --help.",
        ),
        (["explain", "n.ipynb"], "jo explain: missing argument 'NAME'. Try jo explain --help."),
        (["log", "n.ipynb", "A", "B"], "jo log: got unexpected extra argument (B). Try jo log --help."),
        (
            ["gc", "n.jo", "--keep", "many"],
            "jo gc: invalid value for '--keep': 'many' is not a valid integer. Try jo gc",
        ),
        (["gc", "n.jo", "--keep"], "jo gc: option '--keep' requires an argument. Try jo gc --help."),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["export", "n.ipynb"], "missing option '-o' / '--output'"),
        (["context", "n.jo", "--drop"], "no such option: --drop"),
    ],
)
def test_what_is_mistyped(tmp_path: Path, words: list[str], message: str) -> None:
    """Exit code 2 and one line that helps."""
    done = jo(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert message in done.stderr


def test_no_words_at_all(tmp_path: Path) -> None:
    assert jo(cwd=tmp_path).returncode == 2
    for name in ORDER:
        done = jo(name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (2, "")
        assert done.stdout.startswith(f"Usage: jo {name} ")


def test_help_sees_no_jupyter_and_no_store() -> None:
    """`jo --help` is there at once."""
    code = (
        "import sys; from jo_notebook.cli import main; main(['--help']);"
        "print(*sorted({n.partition('.')[0] for n in sys.modules} & "
        "{'IPython', 'nbformat', 'nbclient', 'jupyter_client', 'numpy', 'tqdm', 'watchfiles', 'yaml', 'asyncio'}));"
        "print(*[n for n in sys.modules if n.split('.')[1:2] in (['pipeline'], ['store'], ['engine'], ['interop'])])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.endswith("\n\n\n")
