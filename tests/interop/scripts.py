"""What a notebook and a script define, as values that can be compared; notebooks in a line."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from jo_notebook.core.definition import Definition, Origin
from jo_notebook.core.graph import Graph
from jo_notebook.core.margin import lines_in_strings, plain_lines, tokens_of
from jo_notebook.core.source import parse_source
from jo_notebook.core.stepline import SETTINGS
from jo_notebook.interop.decorated import Function, Script, body_of
from jo_notebook.interop.notebook_file import read_notebook
from jo_notebook.interop.step_cells import definitions_of


def notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells; a cell that begins with `# ` and a capital is markdown."""
    made = new_notebook(
        cells=[new_markdown_cell(c) if c[:2] == "# " and c[2:3].isupper() else new_code_cell(c) for c in cells]
    )
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(made, path)
    return path


def meaning(definition: Definition, graph: Graph) -> dict[str, Any]:
    """What makes the result of a step this one, and its settings."""
    settings = {name: getattr(definition, name) for name in SETTINGS if name not in ("depends_on", "params")}
    return {
        "dependencies": sorted((d.parameter, d.step) for d in graph.dependencies[definition.name]),
        "params": [(name, repr(value)) for name, value in definition.params],
        "canonical": definition.source.canonical,
        "reads": definition.source.reads,
        **settings,
    }


def of_notebook(path: Path) -> dict[str, dict[str, Any]]:
    """The steps of a notebook file."""
    definitions = definitions_of(read_notebook(path), path.name)
    graph = Graph(replace(d, origin=Origin()) for d in definitions.values())
    return {name: meaning(d, graph) for name, d in graph.definitions.items()}


def functions_of(path: Path) -> dict[str, tuple[str, list[str], dict[str, Any]]]:
    """The canonical text, the inputs and the parameters of each `@step` function of a script."""
    text = plain_lines(path.read_text(encoding="utf-8"))
    script = Script(text, ast.parse(text), tuple(tokens_of(text)), lines_in_strings(text))
    found = {}
    for node in script.tree.body:
        if isinstance(node, Function) and script.decorator(node) is not None:
            given = node.args.defaults
            names = [a.arg for a in node.args.args]
            params = {n: ast.literal_eval(d) for n, d in zip(names[len(names) - len(given) :], given, strict=True)}
            inputs = [name for name in names if name not in params]
            found[node.name] = (parse_source(body_of(script, node)).canonical, inputs, params)
    return found
