"""`jo export` and `jo import`, as typed: what they write, what they say, what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from jo_notebook.cli import main
from tests.interop.scripts import notebook


def test_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of somebody's is written over with --force alone."""
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path / "n.ipynb", "%%step A\n1", "A")
    (tmp_path / "n.py").write_text("mine = 1\n")
    assert main(["export", "n.ipynb", "-o", "n.py"]) == 2
    assert "was not exported from a notebook" in capsys.readouterr().err
    assert (tmp_path / "n.py").read_text() == "mine = 1\n"
    assert main(["export", "n.ipynb", "-o", "n.py", "--force"]) == 0
    told = capsys.readouterr().out
    assert told == "Written to n.py.\nNote: left out: cell 2, which looks at results or calls a verb.\n"
    assert main(["import", "n.py", "-o", "n.ipynb"]) == 2
    assert main(["import", "n.py", "-o", "m.ipynb"]) == 0
    assert main(["import", "n.py", "-o", "m.ipynb", "--force"]) == 0
