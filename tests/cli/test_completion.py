"""Tab: commands, options, sources of the four kinds and the names of steps; in a real bash, and quickly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jo_notebook.cli import main
from jo_notebook.commands.completing import script, step_names
from tests.cli.making import environment
from tests.golden.make_store import put_key
from tests.store.making import ROOT

SHELLS = {"bash": "complete -F", "zsh": "#compdef jo", "fish": "complete --no-files --command jo"}
BASH = shutil.which("bash")

ASK = """\
eval "$(jo completion bash)"
COMP_WORDS=({words}) COMP_CWORD={at}
_jo_completion
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources of all kinds, other files, and a store that was made long ago."""
    place = tmp_path_factory.mktemp("tab")
    for name in ("a.ipynb", "my notes.ipynb", "stages.yaml", "pipeline.py", "notes.txt", "snapshot.zip"):
        (place / name).touch()
    (place / "data").mkdir()
    (place / "data" / "b.ipynb").touch()
    put_key(place / "key")
    shutil.copytree(ROOT / "tests" / "golden" / "stores" / "format2-python3.11.jo", place / "a.jo")
    binary = place / "bin"
    binary.mkdir()
    (binary / "jo").write_text(f'#!/bin/sh\nexec {sys.executable} -m jo_notebook.cli "$@"\n')
    (binary / "jo").chmod(0o755)
    return place


def ask(place: Path, *words: str) -> list[str]:
    """What bash offers for the last word."""
    if BASH is None:
        pytest.skip("there is no bash")
    quoted = " ".join(f"'{word}'" for word in ("jo", *words))
    env = environment({"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"})
    done = subprocess.run(
        [BASH, "--norc", "-c", ASK.format(words=quoted, at=len(words))],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_bash(place: Path) -> None:
    assert ask(place, "re") == ["restore", "resume"] or set(ask(place, "re")) == {"restore", "resume"}
    assert ask(place, "plan", "--f") == ["--force"]
    assert set(ask(place, "plan", "")) >= {"a.ipynb", "a.jo", "my notes.ipynb", "stages.yaml", "pipeline.py", "data"}
    assert "notes.txt" not in ask(place, "plan", "")
    assert ask(place, "plan", "my") == ["my notes.ipynb"]
    assert ask(place, "plan", "my\\ n") == ["my notes.ipynb"]
    assert ask(place, "plan", "data/") == ["data/b.ipynb"]
    assert ask(place, "run", "a.ipynb", "C") == ["Clean"]
    assert set(ask(place, "run", "a.ipynb", "")) >= {"Load", "Clean", "Grid", "Rule", "Broken"}
    assert "Load" not in ask(place, "run", "a.jo", "Load", "")
    assert ask(place, "run", "a.jo", "Load,Cl") == ["Load,Clean"]
    assert ask(place, "log", "a.ipynb", "G") == ["Grid"]
    assert set(ask(place, "export", "")) == {"a.ipynb", "data", "my notes.ipynb", "bin", "key"}
    assert set(ask(place, "load", "a.jo", "s")) == {"snapshot.zip"}
    assert ask(place, "completion", "f") == ["fish"]
    assert ask(place, "run", "nowhere.ipynb", "") == []


def test_it_is_quick(place: Path) -> None:
    """No kernel and no Jupyter: a Tab that has to be waited for is not pressed again."""
    code = (
        "import sys; from jo_notebook.cli import main; main();"
        "heavy = {'IPython', 'nbclient', 'nbformat', 'numpy', 'jo_notebook.pipeline', 'jo_notebook.store.context'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    env = environment({"_JO_COMPLETE": "bash_complete", "COMP_WORDS": "jo\nrun\na.ipynb\n", "COMP_CWORD": "3"})
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=place, env=env, capture_output=True, text=True, check=True)
    assert "plain,Clean" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is for its shell, and no program has to be there to print it."""
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert said.strip() == script(shell).strip()
    assert SHELLS[shell] in said
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n"], input=said, text=True, check=False).returncode == 0


def test_names_are_read_from_the_store(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order; what cannot be read is left out."""
    assert step_names(str(place / "a.ipynb")) == step_names(str(place / "a.jo"))
    assert step_names(str(place / "a.ipynb"))[0] == "Load"
    assert step_names(str(tmp_path / "none.ipynb")) == []
    broken = tmp_path / "b.jo" / "definitions"
    broken.mkdir(parents=True)
    for number, text in enumerate(("", "[]", '{"data": 1}', '{"data": {"name": "a\\u001b[31m"}}', "[" * 100_000)):
        (broken / f"x-{number}.json").write_text(text)
    (broken / "good.json").write_text('{"data": {"name": "Good", "order": "x"}}')
    assert step_names(str(tmp_path / "b.jo")) == ["Good"]
    monkeypatch.setenv("JO_CONTEXT", str(place / "a.jo"))
    assert "Clean" in step_names(str(tmp_path / "none.ipynb"))
