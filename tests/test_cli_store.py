"""`jo gc`, `jo restore`, `jo migrate`, `jo context`, `jo verify`: on the directory itself, without a kernel."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jo_notebook import cli
from jo_notebook.interop import headless
from jo_notebook.store import Context
from tests.golden.make_store import put_key
from tests.store.making import ROOT, flip, generations, record

Jo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def jo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jo:
    """Runs a command in this process, in which nobody may start a kernel; gives code, output and errors."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def no_kernel(*args: object) -> None:
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(headless, "session", no_kernel)

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def fill(place: Path, count: int = 3) -> None:
    for n in range(count):
        Context(place, keep=9).put(record("Load", f"v{n}"), f"value {n}" * 50)


def test_a_notebook_or_its_directory(jo: Jo, tmp_path: Path) -> None:
    fill(tmp_path / "n.jo")
    (tmp_path / "n.ipynb").write_text("{}")
    for where in ("n.jo", "n.ipynb", str(tmp_path / "n.jo")):
        code, out, err = jo("gc", where, "--dry-run")
        assert (code, err) == (0, "")
        assert out.startswith("Load   generation 1   ")
        assert out.endswith(" would be removed.\n")
    assert jo("context", "n.jo")[1].startswith("Results live in ")
    assert jo("context", "n.ipynb", "gc", "--dry-run")[1] == jo("gc", "--dry-run", "n.jo")[1]
    assert jo("gc", "--keep", "1", "n.jo")[1].endswith(" were removed.\n")
    assert jo("verify", "n.ipynb") == (0, "Every stored file is whole.\n", "")
    assert jo("migrate", "n.jo") == (0, "There is nothing to migrate in n.jo: it has today's format.\n", "")


def test_the_place_that_the_environment_names(jo: Jo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "elsewhere.jo")
    (tmp_path / "n.ipynb").write_text("{}")
    assert jo("gc", "n.ipynb") == (0, "There is nothing to remove.\n", "")
    monkeypatch.setenv("JO_CONTEXT", str(tmp_path / "elsewhere.jo"))
    assert jo("gc", "n.ipynb")[1].endswith("1 file, 1.4 kB was removed.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "elsewhere.jo", "n.ipynb"]


def test_damage_and_back(jo: Jo, tmp_path: Path) -> None:
    place = tmp_path / "n.jo"
    fill(place)
    flip(generations(place)[-1], 130)
    code, out, err = jo("verify", "n.jo")
    assert (code, out) == (1, "")
    assert "  Load, generation 3: its value does not fit its checksum" in err
    assert "jo run n.jo Load runs it again, jo restore n.jo Load goes back to its result of 1970-01-01" in err
    code, out, err = jo("verify", "n.jo", "--quarantine")
    assert (code, "Moved: Load, generation 3 is in damaged/load-" in err) == (1, True)
    assert Context(place).damaged == {"Load": "generation 3 is gone"}
    code, out, err = jo("restore", "n.jo", "Load")
    assert (code, err) == (0, "")
    assert out.startswith("Restored Load: its result of 1970-01-01")
    assert Context(place)["Load"] == "value 1" * 50
    assert jo("verify", "n.jo")[0] == 0


def test_migrate(jo: Jo, tmp_path: Path) -> None:
    put_key(tmp_path / "data")
    shutil.copytree(ROOT / "tests" / "golden" / "stores" / "format1-python3.11.jo", tmp_path / "n.jo")
    code, out, err = jo("gc", "n.jo")
    assert (code, out) == (1, "")
    assert "say jo migrate n.jo to bring it up to date" in err
    assert jo("migrate", "n.jo") == (0, "Migrated n.jo: 6 files written anew, in today's format.\n", "")
    assert jo("gc", "n.jo") == (0, "There is nothing to remove.\n", "")


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["gc"], 2, "Usage: jo gc"),
        (["gc", "nowhere.ipynb"], 2, "There is no notebook at nowhere.ipynb"),
        (["gc", "nowhere.jo"], 2, "There is no context at nowhere.jo"),
        (["gc", "n.jo", "--dri-run"], 2, "Did you mean --dry-run?"),
        (["gc", "n.jo", "--keep", "0"], 2, "from 1 to 1000"),
        (["gc", "n.jo", "Load"], 2, "Load"),
        (["gc", "n.jo", "--generation", "2"], 2, "--generation"),
        (["restore", "n.jo"], 2, "which step"),
        (["restore", "n.jo", "Nobody"], 1, "nothing to go back to"),
        (["restore", "n.jo", "Load", "--generation", "7"], 1, "There are: 1, 2, 3."),
        (["restore", "n.jo", "Load", "--generation", "3"], 2, "newest already"),
        (["verify", "n.jo", "Load"], 2, "--rerun"),
        (["context", "n.jo", "gcc"], 2, "Did you mean gc?"),
        (["gcc", "n.jo"], 2, "Did you mean gc?"),
        (["gc", "--help"], 0, "SOURCE  a notebook (.ipynb), a stages file (.yaml)"),
        (["--help"], 0, "jo migrate    SOURCE"),
    ],
)
def test_bad_usage(jo: Jo, tmp_path: Path, words: list[str], code: int, expected: str) -> None:
    fill(tmp_path / "n.jo")
    done, out, err = jo(*words)
    assert (done, expected in out + err) == (code, True), out + err
    assert "Traceback" not in err


def test_no_kernel_machinery_is_imported(tmp_path: Path) -> None:
    """What a command on the store costs is the store's."""
    import subprocess

    fill(tmp_path / "n.jo")
    code = (
        "import sys; from jo_notebook.cli import main; "
        "main(['gc', sys.argv[1]]); print([m for m in ('nbclient', 'jupyter_client', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "n.jo")], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
