"""One small pipeline in four spellings, behind every door: the same bytes, one store, and nothing runs twice."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jo_notebook import Context

BIRDS = '''
"""What the steps of every spelling do."""

FACTOR = 3

def load():
    print("loading")
    return {"rows": [3, 1, 2], "kind": ("a", 1.5)}

def clean(Load):
    print("cleaning")
    return sorted(FACTOR * x for x in Load["rows"])

def score(Clean):
    print("scoring")
    return {"sum": sum(Clean), "of": len(Clean)}
'''

CELLS = [
    "%load_ext jo_notebook",
    "%%step Load\nimport birds\nbirds.load()",
    "%%step Clean --depends-on Load\nimport birds\nbirds.clean(Load=Load)",
    "%%step Score\nimport birds\nbirds.score(Clean=Clean)",
]

CLASSES = """
from jo_notebook import Context, Step

class Load(Step):
    def run(self):
        import birds
        return birds.load()

class Clean(Step):
    def run(self, Load):
        import birds
        return birds.clean(Load=Load)

class Score(Step):
    def run(self, Clean):
        import birds
        return birds.score(Clean=Clean)

kept = Context("birds.jo")
score = Score([Clean([Load(ctx=kept)], ctx=kept)], ctx=kept)

if __name__ == "__main__":
    score.execution_plan()
    print(score.materialize().sum)
"""

FUNCTIONS = """
from jo_notebook import step

@step
def Load():
    import birds
    return birds.load()

@step
def Clean(Load):
    import birds
    return birds.clean(Load=Load)

@step
def Score(Clean):
    import birds
    return birds.score(Clean=Clean)
"""

STAGES = """
module: birds
stages:
  Load: {function: load}
  Clean: {function: clean, depends_on: [Load]}
  Score: {function: score, depends_on: [Clean]}
"""

JO = [sys.executable, "-m", "jo_notebook.cli"]
DOORS = {
    "notebook": [*JO, "run", "cells.ipynb", "Score"],
    "classes": [sys.executable, "classes.py"],
    "classes by jo": [*JO, "run", "classes.py", "Score"],
    "functions": [*JO, "run", "functions.py", "Score"],
    "stages": [*JO, "run", "stages.yaml", "Score"],
    "the store itself": [*JO, "run", "birds.jo", "Score"],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The pipeline in every spelling."""
    (tmp_path / "birds.py").write_text(BIRDS)
    (tmp_path / "classes.py").write_text(CLASSES)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    (tmp_path / "stages.yaml").write_text(STAGES)
    nbformat.write(new_notebook(cells=[new_code_cell(text) for text in CELLS]), tmp_path / "cells.ipynb")
    return tmp_path


def said(place: Path, words: list[str]) -> str:
    """What a door says; everybody's results live in one place."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("JO_")}, "JO_CONTEXT": str(place / "birds.jo")}
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def results(place: Path) -> dict[str, tuple[str, bytes]]:
    """Of each step the data version, and the value as bytes."""
    kept = Context(place / "birds.jo")
    return {name: (kept.records[name].version, pickle.dumps(_plain(kept[name]))) for name in ("Load", "Clean", "Score")}


def _plain(value: object) -> object:
    """The class API gives dicts with attributes; they hold the same."""
    return dict(value) if isinstance(value, dict) else value


def ran(text: str) -> list[str]:
    return [line for line in text.splitlines() if line in ("loading", "cleaning", "scoring")]


@pytest.mark.parametrize("first", [door for door in DOORS if door != "the store itself"])
def test_what_one_door_made_is_there_for_the_others(place: Path, first: str) -> None:
    assert ran(said(place, DOORS[first])) == ["loading", "cleaning", "scoring"]
    made = results(place)
    for door in DOORS:
        assert ran(said(place, DOORS[door])) == [], f"{door} after {first}"
        assert results(place) == made
    # an edit behind one of them is seen by all, and made good by any
    (place / "birds.py").write_text(BIRDS.replace("FACTOR = 3", "FACTOR = 5"))
    doors = [door for door in itertools.islice(itertools.cycle(DOORS), 1, 3) if door != first]
    assert ran(said(place, DOORS[doors[0]])) == ["cleaning", "scoring"]
    assert ran(said(place, DOORS[first])) == []
    assert pickle.loads(results(place)["Score"][1]) == {"sum": 30, "of": 3}


def test_a_plan_says_so_behind_every_door(place: Path) -> None:
    said(place, DOORS["stages"])
    for source in ("cells.ipynb", "classes.py", "functions.py", "stages.yaml", "birds.jo"):
        told = json.loads(said(place, [*JO, "plan", source, "Score", "--json"]))
        assert told["to_run"] == []
        assert [step["availability"] for step in told["steps"]] == ["available"] * 3
