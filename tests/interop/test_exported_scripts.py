"""An exported module shares the notebook's store: what one of them made is available in the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jo_notebook.interop.exporting import export_notebook
from jo_notebook.interop.importing import import_script
from jo_notebook.interop.outputs import run_notebook
from jo_notebook.pipeline import Pipeline
from tests.interop.bodies import BODIES
from tests.interop.scripts import notebook

NOTE = (
    "import json\nimport textwrap as tw\nfrom pathlib import Path\n\nLIMIT = 3\n\n\n"
    "def note(name):\n    '''Leaves a line.\n   \n    '''\n    with open('runs.txt', 'a') as file:\n"
    "        print(name, file=file)"
)
CELLS = [
    "# A pipeline",
    "%load_ext jo_notebook\n" + NOTE,
    "Path('data.txt').exists() or Path('data.txt').write_text('1 2 3')",
    "%%step Load --reads data.txt\nnote('Load')\n[int(word) for word in Path('data.txt').read_text().split()]",
    "LIMIT = 4",
    "scale = LIMIT / 2",
    '%%step Clean --params "rate=2, words=[\'a\']"\nnote("Clean")\nx = """\n   \n  kept"""\n'
    "[n * rate * scale for n in Load] + [len(x)] + words",
    "%%step Score --depends-on rows=Clean --seed 42\nimport random\nnote('Score')\n"
    "print(tw.dedent('  scoring'))\ndisplay(json.dumps(rows))\n{'score': random.random(), 'rows': rows}",
    "%step Again --like Score --depends-on rows=Load",
    "#| step: Later\nimport asyncio\nnote('Later')\nawait asyncio.sleep(0, Score['rows'])",
    "Score",
]


def runs(path: Path) -> list[str]:
    file = path / "runs.txt"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def versions(path: Path) -> dict[str, str]:
    """The data version of every result."""
    return {name: record.version for name, record in Pipeline.open(path).context.records.items()}


def python(path: Path, name: str) -> None:
    done = subprocess.run([sys.executable, name], cwd=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def quiet(stream: str, text: str) -> None:
    """What a command says does not matter here."""


def test_the_script_finds_what_the_notebook_made(tmp_path: Path) -> None:
    """Nothing runs in the module; nor in a notebook that is imported from it."""
    path = notebook(tmp_path / "n.ipynb", *CELLS)
    run_notebook(path, [], write=quiet)
    assert runs(tmp_path) == ["Load", "Clean", "Score", "Score", "Later"]
    made = versions(tmp_path / "n.jo")
    assert export_notebook(path, tmp_path / "n.py") == ["left out: cell 11, which looks at results or calls a verb."]
    python(tmp_path, "n.py")
    assert runs(tmp_path) == []
    assert versions(tmp_path / "n.jo") == made
    os.rename(path, tmp_path / "first.ipynb")
    import_script(tmp_path / "n.py", path)
    run_notebook(path, [], write=quiet)
    assert runs(tmp_path) == []


def test_the_notebook_finds_what_the_script_made(tmp_path: Path) -> None:
    """The other way round, with equal data versions."""
    path = notebook(tmp_path / "n.ipynb", *CELLS)
    export_notebook(path, tmp_path / "n.py")
    python(tmp_path, "n.py")
    assert sorted(runs(tmp_path)) == ["Clean", "Later", "Load", "Score", "Score"]
    made = versions(tmp_path / "n.jo")
    run_notebook(path, [], write=quiet)
    assert runs(tmp_path) == []
    os.rename(tmp_path / "n.jo", tmp_path / "by_script.jo")
    run_notebook(path, [], write=quiet)
    assert versions(tmp_path / "n.jo") == made == versions(tmp_path / "by_script.jo")


RUNNING = [
    *("a comment below it", "return is there already", "nested quotes with tabs", "an f-string", "walrus", "a class"),
    *("tabs", "a form feed", "Windows line ends", "unicode", "odd spaces in strings", "await", "yield", "match"),
    *("a docstring", "indented as a whole", "comments at the margin", "markers", "a prompt in a string", "nonlocal"),
    *("a backslash inside a string", "bytes and raw strings", "a decorated function", "a string in several lines"),
    *(
        "a string with blank lines",
        "a long line",
        "global",
        "yield in brackets",
        "a multiline call last",
        "return nothing",
        "no expression last",
        "with pass",
    ),
]


LOOK = """
from jo_notebook.registry import current
print([(d.step, [r.text for r in d.reasons]) for d in current().plan() if d.availability != "available"])
"""


def test_bodies_that_are_easy_to_spoil(tmp_path: Path) -> None:
    """Each of them gives the same in both, and is found."""
    steps = [f"%%step S{n} --depends-on Load\n{BODIES[row]}" for n, row in enumerate(RUNNING)]
    heads = ["x = 5", "%%step Load --depends-on none\nx"]
    path = notebook(tmp_path / "n.ipynb", *heads, *[s.replace(".dropna()", "") for s in steps])
    run_notebook(path, [], write=quiet)
    assert export_notebook(path, tmp_path / "n.py") == []
    script = (tmp_path / "n.py").read_text(encoding="utf-8").partition('if __name__ == "__main__"')[0]
    (tmp_path / "n.py").write_text(script + LOOK, encoding="utf-8", newline="")
    done = subprocess.run([sys.executable, "n.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
