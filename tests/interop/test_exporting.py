"""A notebook as a plain Python module: the same steps, to the letter of their canonical text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jo_notebook.errors import CycleError, DuplicateStepError, JoError, SourceError, UnknownStepError, UsageError
from jo_notebook.interop.exporting import export_notebook
from tests.interop.bodies import BODIES
from tests.interop.scripts import functions_of, notebook, of_notebook

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def exported(path: Path, *cells: str) -> str:
    """The text of the module, once it has been shown to say what the notebook says."""
    notebook(path / "n.ipynb", *cells)
    export_notebook(path / "n.ipynb", path / "n.py")
    text = (path / "n.py").read_text(encoding="utf-8")
    compile(text, "n.py", "exec", dont_inherit=True)
    compare(path / "n.ipynb", path / "n.py")
    return text


def compare(notebook: Path, script: Path) -> None:
    """Names, inputs, parameters and canonical texts are equal."""
    steps, functions = of_notebook(notebook), functions_of(script)
    assert steps.keys() == functions.keys()
    for name, (canonical, inputs, params) in functions.items():
        assert canonical == steps[name]["canonical"]
        assert sorted(inputs) == [parameter for parameter, _ in steps[name]["dependencies"]]
        assert [(n, repr(v)) for n, v in params.items()] == steps[name]["params"]


@pytest.mark.parametrize("row", BODIES)
def test_bodies(row: str, tmp_path: Path) -> None:
    """The function has the canonical text of the cell."""
    text = exported(tmp_path, "%%step Load\n[1]", f"%%step X\n{BODIES[row]}")
    assert "ast.unparse" not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_examples(path: Path, tmp_path: Path) -> None:
    """The repository's notebooks."""
    notes = export_notebook(path, tmp_path / f"{path.stem}.py")
    compare(path, tmp_path / f"{path.stem}.py")
    assert notes[0].startswith("left out: cells ")


def test_the_whole_module(tmp_path: Path) -> None:
    """Text, setup, steps and what looks at results."""
    text = exported(
        tmp_path,
        "# Title\n\nSome *text*.",
        "%load_ext jo_notebook\nimport math",
        "LIMIT = 3  # a constant\n\n\ndef helper(x):\n    return x + LIMIT",
        '%%step Load --reads data.csv "a b.csv" --seed 42 --keep 3\n# the numbers\n[1, 2, 3]',
        "%%step Clean --params \"threshold=5, kind='a'\"\n[helper(x) for x in Load if x < threshold]",
        "%%step Score --depends-on rows=Clean,Load --always\nlen(rows)",
        "%step Again --like Score --depends-on rows=Load,Load",
        "#| step: Last <- Score --env HOME\nmath.sqrt(Score)",
        "Score + 1",
        "%materialize",
    )
    assert text == (
        '"""Exported from n.ipynb by jo_notebook: the same steps without Jupyter."""\n\n'
        "from jo_notebook import step\n\n\n"
        "# %% [markdown]\n# # Title\n#\n# Some *text*.\n\n\n"
        "# %%\nimport math\n\n\n"
        "# %%\nLIMIT = 3  # a constant\n\n\ndef helper(x):\n    return x + LIMIT\n\n\n"
        "@step(reads=['data.csv', 'a b.csv'], seed=42, keep=3)\ndef Load():\n"
        "    # the numbers\n    return [1, 2, 3]\n\n\n"
        "@step\ndef Clean(Load, threshold=5, kind='a'):\n    return [helper(x) for x in Load if x < threshold]\n\n\n"
        "@step(depends_on={'rows': 'Clean'}, always=True)\ndef Score(rows, Load):\n"
        "    return len(rows)\n\n\n"
        "@step(depends_on={'rows': 'Load'}, always=True)\ndef Again(rows, Load):\n"
        "    return len(rows)\n\n\n"
        "@step(env=['HOME'])\ndef Last(Score):\n    return math.sqrt(Score)\n\n\n"
        'if __name__ == "__main__":\n    Again.materialize()\n    Last.materialize()\n'
    )


def test_spellings(tmp_path: Path) -> None:
    """Aliases, magics above the line, steps in reverse order, many cells."""
    cells = ["%%capture out\n%%step A\nB + 1", "%%step x --name-alias B\n1", "\n\n%%time\n%%step C\nA", "#|step:D\nC"]
    text = exported(tmp_path, *cells)
    assert "def A(B):\n    return B + 1" in text
    assert text.index("def A") < text.index("def B")


def test_a_thousand_cells(tmp_path: Path) -> None:
    """Also many cells are written, each once."""
    cells = ["%%step S0\n0", *(f"%%step S{n}\nS{n - 1} + {n}" for n in range(1, 1000))]
    assert exported(tmp_path, *cells).count("@step\n") == 1000


def test_names_that_are_taken(tmp_path: Path) -> None:
    """`step` may be the notebook's own name; a helper may have the name of a step."""
    text = exported(tmp_path, "step = 0.1", "def Clean(x): return x", "%%step A\nstep", "%%step Clean\n2")
    assert "from jo_notebook import step as jo_step\n" in text
    notes = export_notebook(tmp_path / "n.ipynb", tmp_path / "n.py")
    assert notes == ["cell 2 binds Clean, which is a step, too: the later one has the name."]
    assert "import step\n" in exported(tmp_path, "def f(step): return step", "%%step A\nstep = 1\nf(step)")


def test_future(tmp_path: Path) -> None:
    """Such imports come first."""
    text = exported(tmp_path, "import math\nfrom __future__ import annotations", "%%step A\n1")
    assert text.index("from __future__ import annotations") < text.index("import math")
    cells = ["from __future__ import annotations", "%%step A\nx: int = 1\nx", "%%step B\nclass C:\n    x: int\nC"]
    notes = export_notebook(notebook(tmp_path / "n.ipynb", *cells), tmp_path / "n.py")
    assert [note.partition(";")[0] for note in notes] == ["B (cell 3) has annotations"]


SHELL: dict[str, tuple[str, str, str]] = {
    "inert": ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1", ""),
    "help": ("x = 1\nx?", "# %pinfo x", ""),
    "in a block": ("if 1:\n    %config InlineBackend.rc = {}", "    pass  # %config", ""),
    "cd": ("%cd ~/data", "os.chdir(os.path.expanduser('~/data'))", ""),
    "env": ("%env B=b c", "os.environ['B'] = 'b c'", ""),
    "time": ("%time x = sum([1, 2])", "x = sum([1, 2])", ""),
    "timed cell": ("%%time\nx = 1\n!echo 1", "x = 1\nprint(subprocess.run('echo 1'", ""),
    "assigned": ("x = 2\nfiles = !ls {x}", "files = subprocess.run(f'ls {x}', shell=True", ""),
    "a shell variable": ("!echo $HOME {print $1}", "subprocess.run('echo $HOME {print $1}', shell", ""),
    "an expression": ("x = [1]\n!echo {x[0]}", "'echo {}'.format(x[0])", ""),
    "bash": ("%%bash\necho 1", "subprocess.run(['bash'], input='echo 1\\n'", ""),
    "a file": ("%%writefile a.txt\nhello", "pathlib.Path('a.txt').write_text('hello\\n')", ""),
    "a page": ("%%html\n<b>x</b>", "# %%html\n# <b>x</b>", ""),
    "packages": ("%pip install x", "# %pip install x", ""),
    "unknown": ("x = 1\n%sql select 1", "# %sql select 1", "n.ipynb, cell 1, line 2: %sql select 1 is a comment now"),
    "an unknown value": ("y = %sql select 1", "# y = get_ipython", "line 1: this statement is a comment now"),
    "the shell itself": ("s = get_ipython()\nx = 1", "# s = get_ipython()\nx = 1", "there is no IPython shell"),
}


@pytest.mark.parametrize("row", SHELL)
def test_magics_in_setup_cells(row: str, tmp_path: Path) -> None:
    """What runs without Jupyter is translated; what does not is a comment, with a note where it matters."""
    cell, expected, noted = SHELL[row]
    text = exported(tmp_path, cell, "%%step A\n1")
    assert expected in text
    notes = export_notebook(tmp_path / "n.ipynb", tmp_path / "n.py")
    assert [noted in note for note in notes] == ([True] if noted else [])
    for module in ("os", "subprocess", "pathlib"):
        assert (f"{module}." in text) == (f"\nimport {module}\n" in text)


def test_magics_in_steps(tmp_path: Path) -> None:
    """A step that asks the shell is other code in a module; the note says so."""
    path = notebook(tmp_path / "n.ipynb", "%%step A\nn = 3\nfiles = !echo {n}\n%timeit n\nfiles")
    notes = export_notebook(path, tmp_path / "n.py")
    text = (tmp_path / "n.py").read_text()
    assert "    files = subprocess.run(f'echo {n}', shell=True, text=True" in text
    assert "    # %timeit n\n    return files" in text
    assert len(notes) == 1
    assert notes[0].startswith("A (cell 1) asks the shell for something")
    path = notebook(tmp_path / "n.ipynb", "%%step A\nx = 1\nx\n%matplotlib inline")
    export_notebook(path, tmp_path / "n.py")
    assert "    x\n    pass  # %matplotlib inline\n" in (tmp_path / "n.py").read_text()


def test_the_output_of_commands_is_printed(tmp_path: Path) -> None:
    """As in the notebook, where it can be captured."""
    path = notebook(
        tmp_path / "n.ipynb", "word = 'hi'", "!echo {word}; echo err >&2", "x = !printf 'a\\nb'", "print(x)"
    )
    export_notebook(path, tmp_path / "n.py")
    done = subprocess.run([sys.executable, "n.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("hi\nerr\n['a', 'b']\n", "")


def test_display(tmp_path: Path) -> None:
    """`display` is known everywhere in a notebook, and is no name of the module."""
    text = exported(tmp_path, "%%step A\ndisplay(3)\n1")
    assert "import builtins\n\nimport IPython.display\nfrom jo_notebook import step\n\nbuiltins.display =" in text


BAD: dict[str, tuple[type[JoError], list[str], str]] = {
    "a broken step": (SourceError, ["x = 1", "%%step A\nx = 1\nx = ("], r"n\.ipynb, cell 2, line 3: '\(' was never"),
    "a broken setup cell": (SourceError, ["x = 1\ny = = 2"], r"n\.ipynb, cell 1, line 2: invalid syntax"),
    "an empty step": (SourceError, ["%%step A\n# only words"], r"cell 1 \(step A\) has no body"),
    "an option": (UsageError, ["%%step A --dependson B\n1"], r"cell 1, line 1: %%step: .*Did you mean --depends-on"),
    "a name": (UsageError, ["x = 1", "%%step a-b\n1"], r"cell 2, line 1: 'a-b' cannot name a step"),
    "a cycle": (CycleError, ["%%step A\nB", "%%step B\nA"], "wait for each other"),
    "a name twice": (DuplicateStepError, ["%%step A\n1", "%%step A\n2"], "cell 1 and cell 2"),
    "an unknown model": (UnknownStepError, ["%step B --like A"], "no step called 'A'"),
    "a magic in a step": (UsageError, ["%%step A\nx = %sql select 1\nx"], "cell 1, line 2: %sql select 1 cannot be"),
    "the shell in a step": (UsageError, ["%%step A\nget_ipython().user_ns"], "cell 1, line 2: get_ipython"),
    "await in setup": (SourceError, ["import asyncio\nawait asyncio.sleep(0)"], "cell 1, line 2: 'await' outside"),
    "a dependency that is global": (SourceError, ["%%step B\n1", "%%step A --depends-on B\nglobal B\nB"], "cell 2"),
}


@pytest.mark.parametrize("row", BAD)
def test_errors(row: str, tmp_path: Path) -> None:
    """One sentence, with cell and line; nothing is written."""
    kind, cells, message = BAD[row]
    notebook(tmp_path / "n.ipynb", *cells)
    with pytest.raises(kind, match=message):
        export_notebook(tmp_path / "n.ipynb", tmp_path / "n.py")
    assert sorted(os.listdir(tmp_path)) == ["n.ipynb"]


def test_the_file_that_is_there(tmp_path: Path) -> None:
    """Somebody's work is not replaced; an export is."""
    path = notebook(tmp_path / "n.ipynb", "%%step A\n1")
    output = tmp_path / "n.py"
    output.write_text("mine = 1\n")
    with pytest.raises(UsageError, match="was not exported"):
        export_notebook(path, output)
    assert output.read_text() == "mine = 1\n"
    assert export_notebook(path, output, force=True) == []
    assert export_notebook(path, output) == []
    for wrong, message in (
        (tmp_path / "n.txt", r"is a \.py file"),
        (tmp_path / "nowhere" / "n.py", "no directory"),
    ):
        with pytest.raises(UsageError, match=message):
            export_notebook(path, wrong)
    (tmp_path / "d.py").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        export_notebook(path, tmp_path / "d.py", force=True)
    with pytest.raises(UsageError, match="There is no notebook"):
        export_notebook(tmp_path / "no.ipynb", output)


def test_notes(tmp_path: Path) -> None:
    """What is not as it was."""
    path = notebook(
        tmp_path / "n.ipynb",
        "%%step A\n1",
        "%%step B --depends-on none\nA",
        "%%step C --depends-on Nobody\n1",
        "if __name__ == '__main__':\n    x = 1",
        "n = A + 1",
        "%%step D\nn",
    )
    notes = export_notebook(path, tmp_path / "other.py")
    for wanted in (
        "B (cell 2) reads A, a step it does not depend on",
        "no cell defines Nobody",
        "cell 4 has an `if __name__ == '__main__'` block",
        "left out: cell 5, which looks at results",
        "D reads n, which cell 5 binds",
        "other.py keeps its results in other.jo",
    ):
        assert any(wanted in note for note in notes), wanted
    assert len(notes) == 6


def test_parameters(tmp_path: Path) -> None:
    """Plain values as Python writes them."""
    values = "a=1e999, b=-1e999, c={'inf': (1,)}, d=None, e='x;\"', f=2j, g=b'\\x00', h={1}, i=set()"
    line = values.replace("\\", "\\\\").replace('"', '\\"')
    exported(tmp_path, f'%%step A --params "{line}"\na, b, c, d, e, f, g, h, i')
