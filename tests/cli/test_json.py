"""`--json`: the answer alone on stdout, in the shapes of docs/cli.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.making import COMMAND, data_of, environment
from tests.test_cli import notebook

CELLS = (
    "import os\nprint('setup')",
    "%%step Load\nprint('loading')\nos.system('echo from a child')\n[3, 1, 2]",
    "%%step Clean\nsorted(Load)",
    "%%step Bad\n1 / 0",
    "%%step Top\n(Bad, Clean)",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook, run once."""
    place = tmp_path_factory.mktemp("json")
    notebook(place / "n.ipynb", *CELLS)
    told = data_of("run", "n.ipynb", "--fail-fast", "Bad", "Clean", cwd=place, code=1)
    assert told["error"]["type"] == "StepFailed"
    assert told["error"]["message"] == "Bad failed: ZeroDivisionError: division by zero."
    assert {**told, "finished": sorted(told["finished"])}["failed"] == {"Bad": "ZeroDivisionError: division by zero"}
    assert sorted(told["finished"] + told["not_reached"]) == ["Clean", "Load"]
    return place


@pytest.mark.parametrize("source", ["n.ipynb", "n.jo"])
def test_run(place: Path, source: str) -> None:
    """The same shape from a kernel and from this process; what steps and their children print goes to stderr."""
    done = subprocess.run(
        [*COMMAND, "run", source, "Clean", "Load", "--force", "--json"],
        cwd=place,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0
    assert "loading" in done.stderr
    assert "loading" not in done.stdout
    told = data_of("run", source, "Top", cwd=place, code=1)
    assert set(told) == {
        *("run", "finished", "loaded", "kept", "taken", "unsaved", "failed", "blocked", "not_reached", "warnings"),
        *("seconds", "error", "costly"),
    }
    assert told["blocked"] == {"Top": "Bad"}
    assert told["finished"] == []
    assert isinstance(told["seconds"], float)


@pytest.mark.parametrize("source", ["n.ipynb", "n.jo"])
def test_plan_and_status(place: Path, source: str) -> None:
    told = data_of("plan", source, "Top", cwd=place)
    assert set(told) == {"heads", "steps", "to_run", "to_load", "seconds", "levels"}
    assert told["heads"] == ["Top"]
    assert told["to_run"] == ["Bad", "Top"]
    assert [sorted(level) for level in told["levels"]] == [["Bad", "Load"], ["Clean"], ["Top"]]
    rows = {row["step"]: row for row in told["steps"]}
    assert rows["Clean"]["availability"] == "available"
    assert rows["Clean"]["depends_on"] == ["Load"]
    assert (rows["Bad"]["availability"], rows["Bad"]["action"]) == ("failed", "run")
    assert rows["Bad"]["reasons"][0]["kind"] == "failed"
    assert rows["Top"]["head"] is True
    status = {row["step"]: row for row in data_of("status", source, cwd=place)["steps"]}
    assert status["Load"]["when"] > 1_700_000_000
    assert status["Top"]["when"] is None


def test_the_others(place: Path) -> None:
    """One command each; the shapes are those of docs/cli.md."""
    assert data_of("explain", "n.jo", "Top", cwd=place)["causes"][0]["step"] == "Bad"
    logged = data_of("log", "n.jo", "Load", cwd=place)
    assert (logged["step"], logged["entries"][0]["kind"]) == ("Load", "stdout")
    assert "loading\n" in logged["entries"][0]["text"]
    assert (logged["entries"][0]["attempt"], logged["tries"], logged["failed"]) == (1, 1, "")
    assert data_of("log", "n.jo", "Load", "--run", logged["run"][:8], cwd=place) == logged
    assert data_of("log", "n.jo", "Bad", cwd=place)["failed"] != ""
    assert data_of("log", "n.jo", "Top", cwd=place)["run"] is None
    row = next(row for row in data_of("status", "n.jo", cwd=place)["steps"] if row["step"] == "Load")
    assert row["cpu"] > 0
    assert (row["run"], row["tries"], row["executor"]) == (logged["run"], 1, "inline")
    assert row["memory"] >= 0
    graph = data_of("graph", "n.jo", cwd=place)
    assert len(graph["edges"]) == 3
    assert not (place / "graph.svg").exists()
    assert data_of("graph", "n.jo", "-o", "g.svg", cwd=place) == {"output": str(place / "g.svg")}
    assert data_of("verify", "n.ipynb", cwd=place) == {"damaged": {}, "moved": {}}
    (same,) = data_of("verify", "n.jo", "--rerun", "Clean", cwd=place)["verified"]
    assert (same["step"], same["verdict"]) == ("Clean", "same")
    assert data_of("gc", "n.jo", "--dry-run", cwd=place)["dry_run"] is True
    assert data_of("trust", "n.jo", cwd=place) == {"foreign": [], "trusted": []}
    assert data_of("context", "n.jo", cwd=place)["results"] == 2
    assert data_of("resume", "n.jo", cwd=place)["steps"]["Load"] == "available"
    assert data_of("migrate", "n.jo", cwd=place) == {"migrated": 0}
    assert data_of("store", "n.jo", "s.zip", cwd=place)["stored"] == ["Clean", "Load"]
    assert data_of("load", "new.jo", "s.zip", cwd=place)["taken"] == ["Clean", "Load"]
    assert data_of("pin", "n.jo", "Load", cwd=place) == {"pinned": ["Load"]}
    assert data_of("pin", "n.jo", "Load", "--off", cwd=place) == {"let_go": ["Load"]}
    assert data_of("accept", "n.jo", "Load", cwd=place)["accepted"][0]["availability"] == "available"
    assert data_of("forget", "new.jo", "Load", cwd=place) == {"forgotten": ["Load"]}


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["plan", "none.ipynb"], 2, "UsageError"),
        (["plan"], 2, "help"),
        (["plan", "n.jo", "--bad"], 2, "UsageError"),
        (["plan", "n.jo", "Nobody"], 2, "UnknownStepError"),
        (["explain", "n.ipynb", "Nobody"], 2, "UnknownStepError"),
        (["nonsense"], 2, "UsageError"),
        (["restore", "n.jo", "Nobody"], 1, "ResultMissing"),
    ],
)
def test_errors(place: Path, words: list[str], code: int, kind: str) -> None:
    """An error is an answer too, with the exit code it has anyway."""
    told = data_of(*words, cwd=place, code=code)
    if kind != "help":
        assert told["error"]["type"] == kind
    assert told["error"]["message"]
    assert "\x1b" not in told["error"]["message"]


def test_a_setup_cell_that_fails(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "import no_such_module", "%%step A\n1")
    told = data_of("run", "n.ipynb", cwd=tmp_path, code=1)
    assert told["error"]["type"] == "ModuleNotFoundError"
    assert told["error"]["message"].startswith("n.ipynb, cell 2 failed.")


def test_damage(tmp_path: Path) -> None:
    from tests.store.making import flip, generations
    from tests.test_cli_store import fill

    fill(tmp_path / "n.jo")
    flip(generations(tmp_path / "n.jo")[-1], 130)
    told = data_of("verify", "n.jo", cwd=tmp_path, code=1)
    assert list(told["damaged"]) == ["Load, generation 3"]
    assert told["error"]["type"] == "NotTheSame"
