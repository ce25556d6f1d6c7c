"""Writes a golden store: python tests/golden/make_store.py PLACE. Run once for each format, and kept for ever.

It is signed with the key of `KEY`, which every test that reads a golden store uses.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

KEY = bytes(range(32))


def put_key(data: Path) -> None:
    """Make the golden key the one of a Jupyter data directory."""
    secret = data / "jo_notebook" / "secret"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(KEY)
    secret.chmod(0o600)


def make(place: Path) -> None:
    from jo_notebook.core.definition import Definition, Dependency
    from jo_notebook.core.source import parse_source
    from jo_notebook.errors import StepFailed
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.store.context import Context

    pipeline = Pipeline(Context(place))

    def add(name: str, text: str, *dependencies: str) -> None:
        pipeline.add(Definition(name, parse_source(text), tuple(Dependency(d, d) for d in dependencies)))

    add("Load", "{'rows': [1, 2, 3], 'name': 'penguins'}")
    pipeline.materialize("Load")
    add("Load", "print('loaded')\n{'rows': [1, 2, 3, 4], 'name': 'penguins'}")
    add("Clean", "[n for n in Load['rows'] if n != 2]", "Load")
    add("Rule", "def rule(x):\n    return x + 1\nrule")
    add("Grid", "import numpy\nnumpy.arange(12.0).reshape(3, 4)")
    add("Broken", "1 / 0")
    pipeline.materialize("Clean", "Rule", "Grid")
    try:
        pipeline.materialize("Broken")
    except StepFailed as error:
        print(error)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        put_key(Path(folder))
        os.environ["JUPYTER_DATA_DIR"] = folder
        make(Path(sys.argv[1]))
