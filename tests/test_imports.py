"""What is imported when, what is exported, and which way imports go."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jo_notebook

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jo_notebook"
FRONTS = {"IPython", "ipykernel", "ipywidgets", "ipycytoscape", "traitlets", "nbformat", "nbclient"}
HEAVY = {"dill", "numpy", "pandas", "matplotlib"}


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        pytest.param("import jo_notebook", FRONTS | HEAVY, id="the package"),
        pytest.param("import jo_notebook; jo_notebook.Pipeline", FRONTS | HEAVY, id="Pipeline"),
        pytest.param(
            "import jo_notebook.core.source as s, jo_notebook.core.definition as d; from jo_notebook import Pipeline;"
            "p = Pipeline(); p.add(d.Definition('A', s.parse_source('1'))); assert p.materialize('A') == 1",
            FRONTS | HEAVY,
            id="a run in memory",
        ),
        pytest.param("import jo_notebook.verbs", FRONTS | HEAVY, id="verbs"),
        pytest.param("import jo_notebook.views.state, jo_notebook.views.text", FRONTS | HEAVY, id="views"),
    ],
)
def test_what_stays_unloaded(code: str, forbidden: set[str]) -> None:
    told = f"{code}\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & forbidden


def test_formats_are_imported_when_a_value_needs_them() -> None:
    """What a kernel waits for that only looks at its results, or saves plain data."""
    code = (
        "import sys; from jo_notebook.store.context import Context; from jo_notebook.store.formats import encode\n"
        "def told(): print(*sorted(n for n in sys.modules if n.partition('.')[0] in ('email', 'importlib')"
        " or n.startswith('jo_notebook.store.formats.')), flush=True)\n"
        "told(); encode({'a': 1}); told(); encode({'a': (1,)}, wanted='data'); told()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    opened, plain, data = (set(line.split()) for line in done.stdout.splitlines())
    own = "jo_notebook.store.formats"
    assert {name for name in opened if name.startswith(own)} == {
        f"{own}.{name}" for name in ("contract", "others", "ours", "table")
    }
    assert {name for name in plain - opened if name.startswith(own)} == {
        f"{own}.{name}" for name in ("text", "plain", "plain_reading")
    }
    assert {name for name in data - plain if name.startswith(own)} == {f"{own}.data"}
    assert not {"importlib.metadata", "email"} & data


def test_everything_that_is_promised_is_there() -> None:
    for name in jo_notebook.__all__:
        assert getattr(jo_notebook, name) is not None


def test_nothing_else_is_exported() -> None:
    for name in jo_notebook.__all__:
        getattr(jo_notebook, name)
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in {*defined, *jo_notebook._HOMES} if not name.startswith("_")}
    assert public == set(jo_notebook.__all__)
    assert sorted(jo_notebook.__all__) == jo_notebook.__all__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        jo_notebook.Pipelin  # type: ignore[attr-defined]


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", jo_notebook.__version__) == jo_notebook.__version__


def test_imports_go_down_only() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists() and not shutil.which("lint-imports"):
        pytest.skip("import-linter is not installed")
    name = str(command) if command.exists() else "lint-imports"
    done = subprocess.run([name, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def printing(path: Path) -> list[int]:
    """Lines with a call of print that no comment allows."""
    text = path.read_text(encoding="utf-8")
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    lines = text.splitlines()
    return [line for line in calls if "noqa: T201 - " not in lines[line - 1]]


PRINTS = ("steps/classes.py",)  # `Step.execution_plan()` is a print, as in job_orchestra


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_fronts_print(path: Path) -> None:
    if path.name == "cli.py":
        return
    assert printing(path) == []
    if path.relative_to(PACKAGE).parts[0] != "notebook" and path.relative_to(PACKAGE).as_posix() not in PRINTS:
        text = path.read_text(encoding="utf-8").replace("import secrets; print(", "")  # what a user is told to type
        assert "print(" not in text


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_an_init_only_re_exports(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 45
