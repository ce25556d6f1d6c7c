from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from jo_notebook.core.homes import Kind, is_standard, kind_of, kind_of_path, names_of, source_of


def test_kinds_of_what_is_loaded() -> None:
    assert kind_of("__main__") is Kind.NOTEBOOK
    assert kind_of("os.path") is kind_of("sys") is kind_of("json") is Kind.STANDARD
    assert kind_of("pytest") is kind_of("jo_notebook.core") is Kind.INSTALLED
    assert kind_of("no_such_module") is Kind.MISSING
    assert kind_of(__name__) in (Kind.LOCAL, Kind.MISSING)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", Kind.INSTALLED),
        ("/home/me/features.py", Kind.LOCAL),
        ("/home/me/fast.so", Kind.INSTALLED),
        ("/x/lib/python3.11/site-packages/a/b.py", Kind.INSTALLED),
        ("C:\\x\\site-packages\\a.py", Kind.INSTALLED),
        (str(Path(sysconfig.get_paths()["stdlib"], "json", "__init__.py")), Kind.STANDARD),
    ],
)
def test_kinds_of_paths(path: str, kind: Kind) -> None:
    assert kind_of_path(path) is kind


def test_a_users_module_with_a_standard_name_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "this.py"
    path.write_text("K = 1\n")
    spec = importlib.util.spec_from_file_location("this", path)
    assert spec is not None
    monkeypatch.setitem(sys.modules, "this", importlib.util.module_from_spec(spec))
    assert is_standard("this")
    assert kind_of("this") is Kind.LOCAL


def test_nothing_of_a_module_runs_when_it_is_looked_at() -> None:
    class Touchy(ModuleType):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    touchy = Touchy("touchy")
    assert names_of(touchy)["__name__"] == "touchy"
    assert source_of(touchy) == ""
