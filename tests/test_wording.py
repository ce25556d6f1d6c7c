"""What our sentences tell people to type, as the command line says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jo_notebook.wording import as_commands
from tests.test_cli import jo, notebook

ROWS = {
    "%materialize Clean runs it again.": "jo run 'my n.ipynb' Clean runs it again.",
    "say %context trust if you trust it": "say jo trust 'my n.ipynb' if you trust it",
    "%context restore Clean goes back": "jo restore 'my n.ipynb' Clean goes back",
    "or let results live elsewhere: %context at PATH": "or let results live elsewhere: JO_CONTEXT=PATH",
    "for instance: %context at results.jo": "for instance: JO_CONTEXT=results.jo",
    "%steps, %context and %graph show it": (
        "jo status 'my n.ipynb', jo context 'my n.ipynb' and jo graph 'my n.ipynb' show it"
    ),
    "%jo materialize Clean": "jo run 'my n.ipynb' Clean",
    "a cell becomes a step with %%step NAME": "a cell becomes a step with %%step NAME",
    "%matplotlib inline is 30 % of %plants": "%matplotlib inline is 30 % of %plants",
    "%%capture": "%%capture",
}


@pytest.mark.parametrize("text", ROWS)
def test_a_sentence(text: str) -> None:
    assert as_commands(text, "my n.ipynb") == ROWS[text]


def test_without_a_source() -> None:
    assert as_commands("%materialize Clean", "") == "jo run Clean"


def test_on_the_command_line(tmp_path: Path) -> None:
    """Answers and errors, from a kernel and from this process; what a step prints stays as it is."""
    notebook(tmp_path / "n.ipynb", "%%step Load\nprint('%materialize Load')\n1")
    assert "jo graph n.ipynb shows the steps" in jo("resume", "n.ipynb", cwd=tmp_path).stdout
    assert jo("accept", "n.ipynb", "Load", cwd=tmp_path).stderr.endswith("run it first, with jo run n.ipynb Load.\n")
    assert "%materialize Load\n" in jo("run", "n.ipynb", cwd=tmp_path).stdout
    for source in ("n.ipynb", "n.jo"):
        assert jo("log", source, "Load", cwd=tmp_path).stdout.splitlines()[1:] == ["%materialize Load"]
    assert "jo graph n.jo shows the steps" in jo("resume", "n.jo", cwd=tmp_path).stdout
    assert jo("restore", "n.jo", cwd=tmp_path).stderr.endswith("for instance: jo restore n.jo Clean\n")
