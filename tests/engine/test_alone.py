"""Which steps must have the process for themselves, as far as their code and their last run tell."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cases.making import notebook, step


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("get_ipython().system('ls')", "", id="a command"),
        pytest.param("get_ipython().run_line_magic('time', '1')", "", id="a magic"),
        pytest.param("import random\nrandom.random()", "", id="random numbers that all share"),
        pytest.param("random.random()", "import random", id="the same, imported by the notebook"),
        pytest.param("draw()", "import random\ndef draw(): return random.random()", id="in a helper"),
        pytest.param("global x\nx = 1", "", id="a name of the notebook"),
        pytest.param("count()", "n = 0\ndef count():\n    global n\n    n += 1", id="a helper that binds one"),
        pytest.param("globals()['x'] = 1", "", id="another way to bind one"),
        pytest.param("input('?')", "", id="asks the user"),
        pytest.param("breakpoint()", "", id="stops to be looked at"),
        pytest.param("import os\nos.chdir('/')", "", id="the working directory"),
        pytest.param("import os\nos.environ['A'] = '1'", "", id="the environment"),
        pytest.param("from os import environ\ndel environ['A']", "", id="the environment, otherwise"),
        pytest.param("import signal\nsignal.alarm(0)", "", id="signals"),
        pytest.param("signal.alarm(0)", "import signal", id="signals, imported by the notebook"),
        pytest.param("import matplotlib.pyplot as plt\n1", "", id="the current figure"),
        pytest.param("df.plot()", "df = None", id="a frame draws"),
        pytest.param(
            "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): 1", "", id="all that is printed"
        ),
        pytest.param("import warnings\nwith warnings.catch_warnings(): 1", "", id="filters of warnings"),
    ],
)
def test_what_must_run_alone(body: str, code: str) -> None:
    pipeline = notebook(code)
    pipeline.add(step("A", body))
    assert pipeline._must_be_alone("A")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("1 + 1", "", id="plain"),
        pytest.param("signal = 3\nsignal + 1", "", id="a word that is also a module"),
        pytest.param("import os\nos.environ['HOME']", "", id="reads the environment"),
        pytest.param("import random\nrandom.Random(3).random()", "", id="random numbers of its own"),
        pytest.param("'get_ipython() chdir'", "", id="words in a text"),
        pytest.param("f(2)", "def f(x): return x + 1", id="a helper"),
        pytest.param("import threading\nthreading.Thread(target=print).start()", "", id="threads of its own"),
    ],
)
def test_what_may_run_beside_others(body: str, code: str) -> None:
    pipeline = notebook(code)
    pipeline.add(step("A", body))
    assert not pipeline._must_be_alone("A")


def test_a_seed() -> None:
    pipeline = notebook()
    pipeline.add(replace(step("A", "1"), seed=0))
    assert pipeline._must_be_alone("A")


def test_what_its_last_run_was_seen_to_bind() -> None:
    """Code that nobody can read: a name that a step binds in a way of its own."""
    pipeline = notebook("import sys")
    pipeline.add(step("A", "sys.modules['__main__']\nsetattr(space, 'y', 1) if False else vars(space)\n1"))
    pipeline.add(step("B", "exec('y = 1', sys._getframe().f_globals)\n1"))
    pipeline.today.namespace["space"] = object
    assert not pipeline._must_be_alone("B")
    pipeline.materialize("B")
    assert pipeline._must_be_alone("B")


def test_a_module_that_was_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded again for the step: nobody else may be running its code meanwhile."""

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jo_alone_tools.py").write_text("def f():\n    return 1\n")
    try:
        pipeline = notebook("import jo_alone_tools")
        pipeline.add(step("A", "jo_alone_tools.f()"))
        assert not pipeline._must_be_alone("A")
        (tmp_path / "jo_alone_tools.py").write_text("def f():\n    return 22\n")
        importlib.invalidate_caches()
        pipeline.today.touch()
        assert pipeline._must_be_alone("A")
        pipeline.materialize()
        assert not pipeline._must_be_alone("A")
    finally:
        sys.modules.pop("jo_alone_tools", None)
