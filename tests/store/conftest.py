"""Each test has its own Jupyter data directory, hence its own key, and a place for a store."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def jupyter_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the user who runs the test."""
    folder = tmp_path / "data of the user"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A context manager under which somebody else, with another key, is at work."""

    def become():
        change = pytest.MonkeyPatch.context()
        return _Stranger(change, tmp_path / "data of a stranger")

    return become


class _Stranger:
    def __init__(self, change, folder: Path) -> None:
        self._change, self._folder = change, folder

    def __enter__(self) -> None:
        self._change.__enter__().setenv("JUPYTER_DATA_DIR", str(self._folder))

    def __exit__(self, *failure: object) -> None:
        self._change.__exit__(*failure)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "analysis.jo"
