"""The JSON Schema for editors and what really reads a stages file agree."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jo_notebook.errors import UsageError
from jo_notebook.interop.stage_file import read_stages
from jo_notebook.interop.stage_options import OPTIONS
from jo_notebook.interop.yaml_nodes import Document
from tests.interop.stages_demo import STAGES
from tests.interop.test_stages import RICH

SCHEMA = json.loads(files("jo_notebook.interop").joinpath("stages.schema.json").read_text("utf-8"))
STAGE = "stages:\n  A: []\n  B:\n    {0}\n"

GOOD = {
    "the demo": STAGES,
    "the richer form": RICH,
    "without a version": "stages: {A: []}",
    "a stage called stages": "stages: []\nversion: [stages]\nmodule: [version]\n",
    "names of any alphabet": "Été: []\n名前: [Été]\n_1: []\n",
    "nothing more to say": "stages:\n  A: {}\n",
    "whole numbers with a point": STAGE.format("{retries: 2.0, seed: -1}"),
    "a list and a mapping": STAGE.format("depends_on: [A, {x: A}]"),
    "a command": STAGE.format("{shell: 'make docs', depends_on: [A], params: {x: [1, {y: null}]}}"),
    "another module's": STAGE.format("function: 'a.b:c.d'"),
    "everything": STAGE.format(
        "{reads: [a], writes: [b], env: [C], ignore: [d], seed: 1, always: true, keep: 1, format: json, "
        "retries: 1, backoff: 0.5, timeout: 1e2}"
    ),
}
BAD = {
    "empty": "{}",
    "a string": "A: []\nD: BC\n",
    "null": "A:\n",
    "a list of lists": "A: []\nB: [[A]]\n",
    "a mapping": "A: {shell: ls}",
    "a parameter in the plain form": "A: []\nB: [{x: A}]\n",
    "a name with a space": "'my stage': []\n",
    "a name with a dash": "a-b: []\n",
    "a number as a name": "1a: []\n",
    "a word of Python": "class: []\n",
    "a reserved name": "__all__: []\n",
    "a long name": f"{'x' * 129}: []\n",
    "no stages": "stages: {}\n",
    "stages as a list": "version: 1\nstages: [A]\n",
    "version 2": "version: 2\nstages: {A: []}\n",
    "version true": "version: true\nstages: {A: []}\n",
    "a setting": "modul: x\nstages: {A: []}\n",
    "a module": "module: foo-jobs\nstages: {A: []}\n",
    "an option": STAGE.format("timeot: 3"),
    "words for a list": STAGE.format("reads: data.csv"),
    "a number for text": STAGE.format("reads: [2024]"),
    "nothing for text": STAGE.format("shell: ' '"),
    "negative": STAGE.format("retries: -1"),
    "many tries": STAGE.format("retries: 1001"),
    "for ever": STAGE.format("timeout: 1e10"),
    "half": STAGE.format("retries: 1.5"),
    "truth": STAGE.format("retries: true"),
    "too much": STAGE.format("keep: 5000"),
    "too little": STAGE.format("keep: 0"),
    "text for seconds": STAGE.format("timeout: 10m"),
    "text for truth": STAGE.format("always: 'true'"),
    "a list of parameters": STAGE.format("params: [x]"),
    "a parameter's name": STAGE.format("params: {a b: 1}"),
    "function and command": STAGE.format("{function: f, shell: ls}"),
    "two colons": STAGE.format("function: 'a:b:c'"),
    "a call": STAGE.format("function: f()"),
    "a format": STAGE.format("format: a.b"),
    "a value for a command": STAGE.format("{shell: ls, depends_on: {x: A}}"),
    "two for one parameter": STAGE.format("depends_on: {x: [A]}"),
    "a stage as text": "stages:\n  A: []\n  B: A\n",
}


def schema_of(text: str, folder: Path) -> list[str]:
    """What the schema has against a file."""
    (folder / "f.yaml").write_text(text, "utf-8")
    document = Document(folder / "f.yaml")
    data: Any = {} if document.root is None else document.plain(document.root)
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(data)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["stage"]["properties"]) == set(OPTIONS)
    assert not [name for name, said in SCHEMA["$defs"]["stage"]["properties"].items() if not said.get("description")]


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_both_accept(tmp_path: Path, text: str) -> None:
    assert schema_of(text, tmp_path) == []
    assert read_stages(tmp_path / "f.yaml").stages


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_both_refuse(tmp_path: Path, text: str) -> None:
    assert schema_of(text, tmp_path) != []
    with pytest.raises(UsageError, match=r"f.yaml, line \d+: "):
        read_stages(tmp_path / "f.yaml")


PAGE = (Path(__file__).parents[2] / "docs" / "stages.md").read_text("utf-8")
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SHOWN = re.findall(r"^```yaml\n(.*?)^```$", PAGE + README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_shown_is_right(tmp_path: Path, text: str) -> None:
    """The files in the documentation."""
    assert schema_of(text, tmp_path) == []
    assert read_stages(tmp_path / "f.yaml").stages


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_documented(option: str) -> None:
    assert f"`{option}`" in PAGE
