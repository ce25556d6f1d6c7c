"""A script as a notebook: what is a step stays one, and there and back nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jo_notebook.errors import JoError, SourceError, UsageError
from jo_notebook.interop.exporting import export_notebook
from jo_notebook.interop.importing import import_script
from jo_notebook.interop.notebook_file import CellKind, load_notebook, read_notebook
from tests.interop.bodies import BODIES
from tests.interop.scripts import functions_of, notebook, of_notebook

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def imported(path: Path, script: str) -> list[str]:
    """The cells' texts, without the one that loads the extension; markdown with `md:` in front."""
    (path / "s.py").write_text(script, encoding="utf-8", newline="")
    import_script(path / "s.py", path / "s.ipynb", force=True)
    made = load_notebook(path / "s.ipynb")
    nbformat.validate(made)
    first, *cells = made.cells
    assert first.source == "%load_ext jo_notebook"
    return [("md:" if cell.cell_type == "markdown" else "") + cell.source for cell in cells]


def notes_of(path: Path, script: str) -> list[str]:
    (path / "s.py").write_text(script, encoding="utf-8")
    return import_script(path / "s.py", path / "s.ipynb", force=True)


def setup_text(path: Path) -> str:
    """All setup code of a notebook, in its order."""
    cells = (cell.text for cell in read_notebook(path) if cell.kind is CellKind.SETUP)
    return "\n\n".join(text.strip() for text in cells)


def test_a_script(tmp_path: Path) -> None:
    """Each kind of statement."""
    script = '''"""What this does.

More of it.
"""
import math

from jo_notebook import Step, step

LIMIT = 3


def helper(x):
    return x + LIMIT


# the numbers
@step(reads=["data.csv"], seed=42)
def Load():
    """Doc."""

    # comment
    return [1, 2]
    # below


@step(depends_on={"rows": "Load"})
def Clean(rows, *, threshold: int = 5) -> list:
    return [helper(x) for x in rows if x < threshold]


class Old(Step):
    def run(self, x):
        return x


old = Old(depends_on=[])


@step(depends_on=[Clean, "Load"], name="Total")
def total(a, Load): return a  # why


# run it
if __name__ == "__main__":
    total.materialize()
'''
    assert imported(tmp_path, script) == [
        "md:What this does.\n\nMore of it.",
        "import math\n\nfrom jo_notebook import Step, step\n\nLIMIT = 3",
        "def helper(x):\n    return x + LIMIT",
        "%%step Load --depends-on none --reads data.csv --seed 42\n"
        '# the numbers\n"""Doc."""\n\n# comment\n[1, 2]\n# below',
        "%%step Clean --depends-on rows=Load --params threshold=5\n[helper(x) for x in rows if x < threshold]",
        "class Old(Step):\n    def run(self, x):\n        return x",
        "old = Old(depends_on=[])",
        "%%step Total --depends-on a=Clean,Load\na  # why",
        "# run it",
    ]
    assert notes_of(tmp_path, script) == ["left out: the `if __name__ == '__main__'` block in line 44."]
    assert of_notebook(tmp_path / "s.ipynb")["Clean"]["dependencies"] == [("rows", "Load")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_examples_there_and_back(path: Path, tmp_path: Path) -> None:
    """The repository's notebooks: the same steps, setup and text."""
    export_notebook(path, tmp_path / "n.py")
    assert import_script(tmp_path / "n.py", tmp_path / "back.ipynb") == []
    assert of_notebook(tmp_path / "back.ipynb") == of_notebook(path)
    assert setup_text(tmp_path / "back.ipynb") == setup_text(path)
    there, back = (
        [cell.source for cell in load_notebook(p).cells if cell.cell_type == "markdown"]
        for p in (path, tmp_path / "back.ipynb")
    )
    assert there == back


NAMES = ("Load", "Clean", "größe", "Total", "X_1")
SETUP = (
    "x = 1",
    "import math\nimport os",
    "def helper(a):\n    '''Doc\n  string.'''\n\n\n    return a\n\n\nLIMIT = 3",
    "# only words",
    "text = '''\n# %%\n@step\n'''",
    "for i in range(3):\n\tx = i",
    "class A:\n    pass  # %%",
)
OPTIONS = (
    "",
    "--seed 3",
    '--reads "a b.csv" c/*.csv',
    "--always --keep 3",
    "--env HOME,PATH",
    "--ignore x",
    "--format json",
)
PARAMS = ("", "--params \"p=1, q='a b'\"", "--params p=[1,{2:None}]", '--params "p=-1e999"')


@st.composite
def notebooks(draw: st.DrawFn) -> list[str]:
    """Cells of notebooks whose steps have all kinds of bodies, options and inputs."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    cells = draw(st.lists(st.one_of(st.sampled_from(SETUP), st.just("# Text\n\n- of\n- it")), max_size=4))
    for number, name in enumerate(names):
        body = draw(st.sampled_from(sorted(BODIES.values())))
        above = draw(st.sampled_from(["", "# first\n", "\n\n", "'''Doc.'''\n", "k = 1\n\n"])) if body[:1] != " " else ""
        earlier = names[:number]
        known = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        inputs = [f"in_{step}={step}" if draw(st.booleans()) else step for step in known]
        # bodies read Load: where that is no input, it would be inferred, perhaps as a cycle
        line = f"%%step {name} --depends-on {','.join(inputs) or 'none'} "
        line += draw(st.sampled_from(OPTIONS)) + " " + draw(st.sampled_from(PARAMS))
        cells.append(f"{line}\n{above}{body}")
        if draw(st.booleans()):
            cells.append(draw(st.sampled_from(SETUP)))
    return cells


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=notebooks())
def test_there_and_back(cells: list[str], tmp_path: Path) -> None:
    """Whatever can be exported comes back as the same steps and the same setup."""
    path = notebook(tmp_path / "n.ipynb", *cells)
    try:
        export_notebook(path, tmp_path / "n.py", force=True)
    except SourceError:  # `global Load` where Load is an input, say: no function can have this body
        return
    import_script(tmp_path / "n.py", tmp_path / "back.ipynb", force=True)
    assert of_notebook(tmp_path / "back.ipynb") == of_notebook(path)
    assert functions_of(tmp_path / "n.py").keys() == of_notebook(path).keys()
    assert export_notebook(tmp_path / "back.ipynb", tmp_path / "again.py", force=True)[-1].startswith("again.py keeps")


def test_nothing_is_lost_of_a_signature(tmp_path: Path) -> None:
    """Comments in it go to the top of the cell; a seed of 0 is a seed."""
    head = "from jo_notebook import step\n@step(  # a\n    seed=0,\n)\n# b\n"
    assert imported(tmp_path, f"{head}def A(\n    B,  # c\n):  # d\n    # e\n    return B\n") == [
        "%%step A --depends-on B --seed 0\n# a\n# b\n# c\n# d\n# e\nB"
    ]
    script = (
        'from jo_notebook import step\n@step(reads=["a\\"b", "e;", "#f"], params={"n": "x;"})\ndef A(n="y"): return n\n'
    )
    imported(tmp_path, script)
    found = of_notebook(tmp_path / "s.ipynb")["A"]
    assert (found["reads"], found["params"]) == (('a"b', "e;", "#f"), [("n", "'x;'")])


def test_a_thousand_steps(tmp_path: Path) -> None:
    """Also a long script becomes a notebook, each step once."""
    steps = "".join(f"@step\ndef S{n}(S{n - 1}):\n    return S{n - 1} + 1\n\n\n" for n in range(1, 1000))
    assert len(imported(tmp_path, f"from jo_notebook import step\n\n\n{steps}")) == 999


STAYING: dict[str, tuple[str, str]] = {
    "decorated twice": ("import functools\n@step\n@functools.cache\ndef A(): return 1", ""),
    "any number of inputs": ("@step\ndef A(*args): return 1", "takes any number"),
    "inputs from a variable": ("D = ['B']\n@step(depends_on=D + [])\ndef A(B): return 1", "only known once"),
    "too few inputs": ("@step(depends_on=[])\ndef A(B): return 1", "more or fewer"),
    "a computed parameter": ("@step\ndef A(n=1 + 1): return n", "no plain value"),
    "an option of tomorrow": ("@step(colour=1)\ndef A(): return 1", "arguments that"),
    "reads what is no list": ("@step(reads=3)\ndef A(): return 1", "no plain value"),
    "a name no step can have": ("@step(name='a b')\ndef A(): return 1", "'a b' cannot name a step"),
}


@pytest.mark.parametrize("row", STAYING)
def test_what_stays_a_function(row: str, tmp_path: Path) -> None:
    """A function that no `%%step` cell can say stays as it is, with its import; a note says why."""
    script, why = STAYING[row]
    cells = imported(tmp_path, f"from jo_notebook import step\n\n\n{script}\n")
    assert cells[0] == "from jo_notebook import step"
    assert "\n\n".join(cells[1:]) == script
    notes = notes_of(tmp_path, f"from jo_notebook import step\n\n\n{script}\n")
    assert why in notes[0]


def test_spellings(tmp_path: Path) -> None:
    """`step` under other names; materializing at the top level."""
    assert imported(tmp_path, "import jo_notebook as j\n@j.step()\ndef A(): return 1\nA.materialize()\n") == [
        "import jo_notebook as j",
        "%%step A --depends-on none\n1",
        "%materialize A",
    ]
    assert imported(tmp_path, "from jo_notebook import step as s\n@s('B')\nasync def A(C):\n    await C\n") == [
        "%%step B --depends-on C\nawait C\nNone"
    ]
    assert imported(
        tmp_path, "from jo_notebook import step\n@step\ndef A():\n    'Doc.'\n    print(1)  # so\n    # end\n"
    ) == ["%%step A --depends-on none\n'Doc.'\nprint(1)  # so\n# end\nNone"]


def test_encodings_and_line_ends(tmp_path: Path) -> None:
    """A script in another encoding, with Windows line ends."""
    text = "# -*- coding: latin-1 -*-\r\nfrom jo_notebook import step\r\n@step\r\ndef A():\r\n    return 'ä'\r\n"
    (tmp_path / "s.py").write_bytes(text.encode("latin-1"))
    import_script(tmp_path / "s.py", tmp_path / "s.ipynb")
    assert load_notebook(tmp_path / "s.ipynb").cells[-1].source == "%%step A --depends-on none\n'ä'"


def test_a_module_without_steps(tmp_path: Path) -> None:
    """Ordinary cells; a note."""
    assert imported(tmp_path, "x = 1\n\n\n\ny = 2\n# %s\n\n\n# last\n") == ["x = 1", "y = 2\n# %s", "# last"]
    assert notes_of(tmp_path, "x = 1\n") == ["s.py has no @step function: its code is in ordinary cells."]
    assert imported(tmp_path, "") == []
    assert imported(tmp_path, "#| step: No\nx = 1") == ["#\n#| step: No\nx = 1"]


BAD: dict[str, tuple[bytes, type[JoError], str]] = {
    "no Python": (b"x = 1\ny = (\n", SourceError, r"s\.py, line 2: '\(' was never closed"),
    "no text": (b"\xff\xfe\x00", UsageError, "cannot be read as a script"),
    "an unknown encoding": (b"# coding: klingon\n", UsageError, "cannot be read as a script"),
    "a null byte": (b"x = 1\x00\n", SourceError, "Python cannot read|null"),
}


@pytest.mark.parametrize("row", BAD)
def test_errors(row: str, tmp_path: Path) -> None:
    """One sentence; nothing is written."""
    content, kind, message = BAD[row]
    (tmp_path / "s.py").write_bytes(content)
    with pytest.raises(kind, match=message):
        import_script(tmp_path / "s.py", tmp_path / "s.ipynb")
    assert not (tmp_path / "s.ipynb").exists()


def test_the_file_that_is_there(tmp_path: Path) -> None:
    """An import is replaced as long as nobody has worked on it; other notebooks are not."""
    script, output = tmp_path / "s.py", tmp_path / "s.ipynb"
    script.write_text("x = 1\n")
    import_script(script, output)
    before = output.read_bytes()
    import_script(script, output)
    assert output.read_bytes() == before
    made: dict[str, Any] = json.loads(before)
    made["cells"][1]["source"] = ["x = 2"]
    output.write_text(json.dumps(made))
    with pytest.raises(UsageError, match="cells were changed since"):
        import_script(script, output)
    import_script(script, output, force=True)
    for text in ("{}", "", "[]", '{"metadata": {"jo_notebook": 3}}'):
        output.write_text(text)
        with pytest.raises(UsageError, match="was not imported"):
            import_script(script, output)
        assert output.read_text() == text
    with pytest.raises(UsageError, match="There is no script"):
        import_script(tmp_path / "no.py", tmp_path / "new.ipynb")
