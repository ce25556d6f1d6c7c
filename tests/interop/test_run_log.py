"""Each run of a pipeline leaves a log file."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from jo_notebook.core.definition import Definition
from jo_notebook.core.source import parse_source
from jo_notebook.errors import StepFailed
from jo_notebook.interop import run_log
from jo_notebook.interop.run_log import keep_run_log, log_files
from jo_notebook.interop.stages import open_stages
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from tests.interop.stages_demo import JOBS, NAMES, write_demo

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| (DEBUG|INFO|WARNING|ERROR) \| .*")


def pipeline_of(place: Path | None, **steps: str) -> Pipeline:
    pipeline = Pipeline(None if place is None else Context(place))
    for name, text in steps.items():
        pipeline.add(Definition(name, parse_source(text)))
    return pipeline


def lines(path: Path) -> list[str]:
    """Levels and messages, without times."""
    rows = path.read_text("utf-8").splitlines()
    assert not [row for row in rows if not LINE.fullmatch(row)]
    return [re.sub(r"\d+\.\d{3} s", "… s", row.partition(" | ")[2]) for row in rows]


def test_what_a_run_leaves(tmp_path: Path) -> None:
    text = "import sys\nprint('a\\nb')\nprint('c', end='')\nprint('careful', file=sys.stderr)\nA"
    pipeline = pipeline_of(tmp_path / "x.jo", A="1", B=text, C="1 / (B - 1)", D="C")
    keep_run_log(pipeline)
    with pytest.raises(StepFailed):
        pipeline.materialize("D", echo=False)
    (path,) = log_files(pipeline)
    assert path.parent == tmp_path / "x.jo" / "logs"
    assert pipeline.outcome is not None
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{pipeline.outcome.run_id}\.log", path.name)
    assert [row for row in lines(path) if "File" not in row and "1 / (B" not in row] == [
        f"INFO | Run {pipeline.outcome.run_id} of x.jo begins",
        *(f"DEBUG | {name} waits for its turn" for name in "ABCD"),
        "INFO | A starts",
        "INFO | A is done after … s",
        "INFO | B starts",
        *("DEBUG | B | a", "DEBUG | B | b", "DEBUG | B | ccareful"),
        "INFO | B is done after … s",
        "INFO | C starts",
        "DEBUG | C | Traceback (most recent call last):",
        *(row for row in lines(path) if "~~" in row),
        "DEBUG | C | ZeroDivisionError: division by zero",
        "ERROR | C failed after … s: ZeroDivisionError: division by zero",
        "WARNING | D is not run: C failed",
        "INFO | The run is over after … s",
    ]


def test_one_file_a_run_and_none_for_nothing(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "x.jo", A="1", B="A")
    keep_run_log(pipeline)
    pipeline.materialize("A")
    pipeline.materialize("B")
    pipeline.materialize()
    assert len(log_files(pipeline)) == 2


def test_two_pipelines_in_one_process(here: Path) -> None:
    """Nothing piles up: each line is written once, and Python's own logging is as it was."""
    path = write_demo(here)
    before = (list(logging.root.handlers), logging.root.level, set(logging.root.manager.loggerDict))
    pipelines = [open_stages(path, module="foo_jobs", place=here / f"{i}.jo") for i in range(3)]
    for pipeline in pipelines:
        pipeline.materialize(echo=False)
        (log,) = log_files(pipeline)
        assert [row for row in lines(log) if row.endswith(" begins") and "Run" not in row] == [
            f"DEBUG | {name} | {name} begins" for name in NAMES
        ]
    assert before == (list(logging.root.handlers), logging.root.level, set(logging.root.manager.loggerDict))


def test_what_a_step_logs_by_itself_stays_its_own(here: Path) -> None:
    path = write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS + "\nimport logging\ndef Extra():\n    logging.warning('mine')\n")
    path.write_text("Extra: []\n")
    pipeline = open_stages(path, module="foo_jobs")
    pipeline.materialize(echo=False)
    assert [row for row in lines(log_files(pipeline)[0]) if "mine" in row] == ["DEBUG | Extra | WARNING root: mine"]


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "x.jo", A="1", B="2")
    end = keep_run_log(pipeline)
    pipeline.materialize("A")
    end()
    pipeline.materialize("B")
    assert len(log_files(pipeline)) == 1


def test_elsewhere_and_in_memory(tmp_path: Path) -> None:
    pipeline = pipeline_of(None, A="1")
    keep_run_log(pipeline)
    keep_run_log(pipeline, tmp_path / "some" / "where")
    pipeline.materialize("A")
    assert log_files(pipeline) == []
    assert len(list((tmp_path / "some" / "where").iterdir())) == 1


def test_odd_text(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "x.jo", A="print('\\udcff é\\r\\n\\t名' + 'x' * 200_000)")
    keep_run_log(pipeline)
    pipeline.materialize("A", echo=False)
    (row,) = [row for row in lines(log_files(pipeline)[0]) if "名" in row]
    assert row.startswith("DEBUG | A | \t名xxx")


def test_old_files_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "KEPT", 3)
    pipeline = pipeline_of(tmp_path / "x.jo", A="1")
    keep_run_log(pipeline)
    (tmp_path / "x.jo" / "logs").mkdir(parents=True)
    (tmp_path / "x.jo" / "logs" / "my notes.txt").write_text("mine")
    for _ in range(6):
        pipeline.materialize("A", force=True)
    assert len(log_files(pipeline)) == 3
    assert (tmp_path / "x.jo" / "logs" / "my notes.txt").read_text() == "mine"


def test_a_disk_that_refuses_costs_only_the_log(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "x.jo", A="1")
    keep_run_log(pipeline)
    (tmp_path / "x.jo").mkdir()
    (tmp_path / "x.jo" / "logs").write_text("in the way")
    assert pipeline.materialize("A") == 1
    assert pipeline.problems == ["the log of the run cannot be written: File exists."]


def test_the_store_lives_with_it(tmp_path: Path) -> None:
    """verify, gc and snapshots: none of them minds, and a snapshot leaves logs out."""
    pipeline = pipeline_of(tmp_path / "x.jo", A="1")
    keep_run_log(pipeline)
    pipeline.materialize("A")
    context = Context(tmp_path / "x.jo")
    assert context.problems == []
    assert context.verify() == {}
    assert context.gc() == []
    assert len(log_files(pipeline)) == 1
    context.store(tmp_path / "snapshot.jo")
    assert not (tmp_path / "snapshot.jo" / "logs").exists()
    assert Context(tmp_path / "snapshot.jo")["A"] == 1
