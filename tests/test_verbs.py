"""One table of verbs: the same words as a magic, as `%jo VERB`, as a command and as a method."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jo_notebook.commands.table import COMMANDS, ON_THE_STORE
from jo_notebook.pipeline import Pipeline
from jo_notebook.verbs import VERBS, find, listing, parser_of
from tests.kernel import Kernel

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = {
    "plan": ["", "Count --force"],
    "materialize": ["Count", "Load Clean", "--force --only Count"],
    "cancel": ["", "Count"],
    "graph": ["-o graph.svg"],
    "explain": ["Count"],
    "steps": [""],
    "log": ["Load"],
    "forget": ["Count"],
    "accept": ["Count", "Load Clean"],
    "pin": ["Count", "Load --off"],
    "verify": ["Count", "--check Load"],
    "resume": [""],
    "context": ["", "trust", "verify", "gc --dry-run --orphans", "migrate"],
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Three steps, available."""
    kernel = Kernel(tmp_path_factory.mktemp("verbs"))
    kernel.run("%load_ext jo_notebook")
    kernel.run("%%step Load\nprint('loading')\n[3, 1, 2]")
    kernel.run("%%step Clean\nsorted(Load)")
    kernel.run("%%step Count\nlen(Clean)")
    kernel.run("%materialize Count")
    yield kernel
    kernel.close()


def quiet(text: str) -> str:
    """Without what differs from one moment to the next."""
    return re.sub(r"\d+(\.\d+)? (ms|s)\b", "TIME", text)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_explains_itself(ready: Kernel, verb: object) -> None:
    """It has a sentence, help by `--help` and by `?`, and a method of the same name where Python has that verb."""
    assert verb in VERBS
    name, summary = verb.name, verb.summary  # type: ignore[attr-defined]
    assert summary.endswith(".")
    assert summary in " ".join(ready.run(f"%{name} --help").stdout.split())
    long, short = ready.run(f"%jo {name} --help").stdout, ready.run(f"%{name} --help").stdout
    assert long.replace("%jo ", "%").split() == short.split()  # the lines break elsewhere
    assert summary in ready.run(f"print(get_ipython().find_line_magic('{name}').__doc__)").stdout
    assert hasattr(Pipeline, name) or name == "context"
    assert f"%jo {name}" in listing()


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines])
def test_the_long_form_says_the_same(ready: Kernel, name: str, line: str) -> None:
    """`%jo VERB` and `%VERB` give the same text and value."""
    ready.run("%materialize")
    short = ready.run(f"%{name} {line}")
    ready.run("%materialize")
    long = ready.run(f"%jo {name} {line}")
    assert quiet(short.stdout) == quiet(long.stdout)
    assert short.text == long.text
    assert short.stdout or short.text


def test_every_verb_has_an_example() -> None:
    """A new verb needs a row above."""
    assert set(EXAMPLES) == {verb.name for verb in VERBS}


def test_commands_are_verbs() -> None:
    """What `jo` offers is in the table, under the command's own name."""
    assert {find(word).name for word in COMMANDS} <= {verb.name for verb in VERBS}
    for word in COMMANDS:
        verb = find(word)
        assert verb.summary in parser_of(verb, f"jo {word}").format_help().replace("\n", " ")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_readme_knows_it(verb: object) -> None:
    """Each verb is on the README, as a magic; each command as `jo COMMAND`."""
    text = README.read_text(encoding="utf-8")
    assert f"%{verb.name}" in text  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", [*COMMANDS, *ON_THE_STORE])
def test_the_readme_knows_the_command(word: str) -> None:
    """The command line, too."""
    assert re.search(rf"\bjo\b[^\n]*\b{word}\b", README.read_text(encoding="utf-8"))


def test_values_for_python(ready: Kernel) -> None:
    """A magic's value can be taken: one head its value, several none; a plan only as text."""
    assert ready.run("x = %materialize Count\nx").text == "3"
    assert ready.run("%materialize Load Count").text == ""
    assert ready.run("%plan").text == ""
    assert "<Plan: 0 of 3 steps will run>" in ready.run("pipeline = %pipeline\npipeline.plan()").text
