"""A result that is damaged on disk is red on its one step, with the reason, and the rest of the picture is as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from jo_notebook.core.definition import Definition
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.views.diagram import details, svg
from jo_notebook.views.look import LOOKS
from jo_notebook.views.page import message_html
from jo_notebook.views.state import graph_state
from jo_notebook.views.text import explain_text, step_line, steps_text


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Three steps, of which the middle one's file was cut."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    pipeline = Pipeline(Context(tmp_path / "n.jo"))
    for name, text in (("Load", "[1, 2]"), ("Clean", "sorted(Load)"), ("Other", "3")):
        pipeline.add(Definition(name, parse_source(text)))
    pipeline.materialize()
    (path,) = tmp_path.glob("n.jo/results/clean-*/1")
    path.write_bytes(path.read_bytes()[:-5])
    return Pipeline.open(tmp_path / "n.jo")


def test_it_is_red_on_that_one_step(damaged: Pipeline) -> None:
    state = graph_state(damaged.steps())
    assert {node.id: node.state for node in state.nodes} == {
        "Load": "available",
        "Clean": "failed",
        "Other": "available",
    }
    said = details(state.by_id["Clean"])
    assert said.startswith("damaged: generation 1: its end is not where it was")
    assert "Clean: damaged: generation 1" in svg(state)
    assert LOOKS["failed"].fill in svg(state)
    assert "Clean: its stored result is damaged: generation 1" in message_html(state)
    assert "Clean failed" not in message_html(state)


def test_the_words_say_damaged(damaged: Pipeline) -> None:
    plan = damaged.steps()
    assert explain_text(plan["Clean"]).startswith("Clean is damaged.\n  - its stored result is damaged: generation 1")
    assert step_line(plan["Clean"], ()).startswith("Clean · damaged: generation 1: its end")
    rows = {row.split()[0]: row.split()[1] for row in steps_text(plan, damaged.context.records).splitlines()}
    assert rows == {"step": "state", "Load": "available", "Clean": "damaged", "Other": "available"}
