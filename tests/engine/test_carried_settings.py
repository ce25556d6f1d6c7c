"""Settings of libraries that a notebook has changed hold in other processes, too, and no longer than there."""

from __future__ import annotations

import decimal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jo_notebook.engine.carried_settings import settings_now
from tests.cases.making import Watched, notebook, step

SETUP = "import decimal, sys\nimport numpy as np\nimport pandas as pd\nimport matplotlib\nimport sklearn\n"
LOOK = {
    "Decimal": "str(decimal.Decimal(1) / 3)",
    "Numpy": "np.geterr()['divide']",
    "Pandas": "(pd.get_option('display.max_columns'), pd.get_option('display.precision'))",
    "Sklearn": "sklearn.get_config()['transform_output']",
    "Drawing": "matplotlib.rcParams['figure.dpi']",
    "Limit": "sys.getrecursionlimit()",
}


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Watched]:
    """Steps that tell which settings they find."""
    found = notebook(SETUP, tmp_path / "a.jo")
    for name, body in LOOK.items():
        found.add(step(name, body))
    yield found
    found.executors.close()


def seen(pipeline: Watched, executor: str) -> dict[str, object]:
    """What the steps find there."""
    return dict(pipeline.materialize(*LOOK, executor=executor, jobs=1, force=True))


def test_a_step_finds_the_same_settings_wherever_it_runs(pipeline: Watched) -> None:
    import matplotlib
    import sklearn

    first = seen(pipeline, "inline")
    assert seen(pipeline, "processes") == first
    limit, dpi = sys.getrecursionlimit(), matplotlib.rcParams["figure.dpi"]
    try:
        decimal.getcontext().prec = 6
        pd.set_option("display.max_columns", None)
        pd.set_option("display.precision", 3)
        matplotlib.rcParams["figure.dpi"] = 33
        sys.setrecursionlimit(4321)
        with np.errstate(divide="ignore"), sklearn.config_context(transform_output="pandas"):
            changed = seen(pipeline, "inline")
            assert changed == {
                "Decimal": "0.333333",
                "Numpy": "ignore",
                "Pandas": (None, 3),
                "Sklearn": "pandas",
                "Drawing": 33.0,
                "Limit": 4321,
            }
            assert seen(pipeline, "processes") == changed
            assert set(settings_now()) >= {"decimal", "numpy", "pandas", "sklearn", "matplotlib", "sys"}
    finally:
        decimal.getcontext().prec = 28
        pd.reset_option("display.max_columns")
        pd.reset_option("display.precision")
        matplotlib.rcParams["figure.dpi"] = dpi
        sys.setrecursionlimit(limit)
    assert seen(pipeline, "inline") == first
    assert seen(pipeline, "processes") == first, "in the process that had the others"


def test_what_a_step_sets_there_is_not_the_next_ones(pipeline: Watched) -> None:
    body = "decimal.getcontext().prec = 5\nnp.seterr(divide='raise')\npd.set_option('display.precision', 9)\n"
    body += "sys.setrecursionlimit(2222)\nmatplotlib.rcParams['figure.dpi'] = 44\n"
    body += "sklearn.set_config(transform_output='pandas')"
    first = seen(pipeline, "inline")
    pipeline.add(step("Sets", body))
    assert pipeline.materialize("Sets", executor="processes", jobs=1) is None
    assert pipeline.context.records["Sets"].executor == "processes"
    assert seen(pipeline, "processes") == first
