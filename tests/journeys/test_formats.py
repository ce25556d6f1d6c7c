"""In a notebook: each value in the format that suits it, found again by a fresh kernel; `--format`; others' formats."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.journeys.asking import body, result, runs
from tests.kernel import Kernel

MEGABYTES = 20
VALUES = {
    "Array": ("np.arange(MANY, dtype='f8')", "npy"),
    "Frame": (
        "pd.DataFrame({'text': ['a', None, 'ü'], 'kind': pd.Categorical(['x', 'y', 'x']),"
        " 'when': pd.to_datetime(['2024-01-01', None, '2024-03-01']), 'n': [1, 2, 3]})",
        "data",
    ),
    "Pair": ("(np.ones((50, 3)), np.arange(50) % 2)", "data"),
    "Plain": ("{'name': 'é', 'rows': [1, 2.5, None], 'nested': {'a': (1, 2)}, 3: {4, 5}}", "json"),
    "Model": ("LogisticRegression().fit(np.arange(20.0).reshape(-1, 1), np.arange(20) > 9)", "pickle"),
    "Square": ("lambda x: x * x", "dill"),
}
IMPORTS = (
    "import numpy as np, pandas as pd\n"
    "from sklearn.linear_model import LogisticRegression\n"
    f"MANY = {MEGABYTES << 20} // 8"
)
if importlib.util.find_spec("torch"):
    VALUES["Tensor"] = ("torch.arange(6.0).reshape(2, 3)", "data")
    IMPORTS += "\nimport torch"
FORMATS = """import json as _json
_p = get_ipython().run_line_magic("pipeline", "")
print(_json.dumps({name: record.format for name, record in _p.context.records.items()}))
"""
MAPPED = """
def _mapped(array):
    address = array.__array_interface__["data"][0]
    for line in open("/proc/self/maps"):
        first, last = (int(each, 16) for each in line.split()[0].split("-"))
        if first <= address < last:
            return line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ""
def _anonymous():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) >> 10
"""


def formats(kernel: Kernel) -> dict[str, str]:
    found: dict[str, str] = json.loads(kernel.run(FORMATS).stdout.splitlines()[-1])
    return found


def define(kernel: Kernel, values: dict[str, tuple[str, str]]) -> None:
    kernel.run("%load_ext jo_notebook", "load")
    kernel.run(IMPORTS, "imports")
    for name, (code, _) in values.items():
        kernel.run(f"%%step {name} --depends-on none\n" + body(name, code), name)


def test_every_value_comes_back_from_the_format_that_suits_it(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Run, restart, read by name: equal, of the right type, and nothing has run again."""
    define(lab_kernel, VALUES)
    lab_kernel.run("%materialize", timeout=120)
    assert sorted(runs(tmp_path)) == sorted(VALUES)
    expected = {name: form for name, (_, form) in VALUES.items()}
    assert formats(lab_kernel) == expected

    lab_kernel.restart()
    define(lab_kernel, VALUES)
    assert formats(lab_kernel) == expected
    lab_kernel.run("%materialize Plain")
    told = [
        ("type(Array) is np.ndarray and Array.dtype == 'f8' and bool((Array == np.arange(MANY)).all())", "True"),
        (
            f"pd.testing.assert_frame_equal(Frame, {VALUES['Frame'][0]}) or Frame.dtypes.astype(str).iat[1]",
            "'category'",
        ),
        ("type(Pair) is tuple and Pair[0].shape == (50, 3) and bool(Pair[1].sum() == 25)", "True"),
        (f"type(Plain) is dict and Plain == {VALUES['Plain'][0]} and type(Plain['nested']['a']) is tuple", "True"),
        ("type(Model) is LogisticRegression and Model.predict([[1.0], [18.0]]).tolist()", "[False, True]"),
        ("type(Square).__name__, Square(7)", "('function', 49)"),
    ]
    if "Tensor" in VALUES:
        told.append(("type(Tensor) is torch.Tensor and torch.equal(Tensor, torch.arange(6.0).reshape(2, 3))", "True"))
    for code, answer in told:
        assert result(lab_kernel.run(code)) == answer, code
    assert "datetime64" in result(lab_kernel.run("[*map(str, Frame.dtypes)]"))
    assert runs(tmp_path) == []


def test_a_large_array_is_mapped_and_the_file_stays_as_it_is(lab_kernel: Kernel, tmp_path: Path) -> None:
    """It can be written to, the file does not hear of it, and looking at a part reads no more than that."""
    array = {"Array": VALUES["Array"]}
    define(lab_kernel, array)
    lab_kernel.run("%materialize")
    for _ in range(2):
        lab_kernel.restart()
        define(lab_kernel, array)
        lab_kernel.run(MAPPED)
        assert result(lab_kernel.run("Array.shape, Array.flags.writeable")) == f"(({(MEGABYTES << 20) // 8},), True)"
        place = result(lab_kernel.run("_mapped(Array)"))
        if Path("/proc/self/maps").exists():
            assert "analysis.jo/results" in place, place
            lab_kernel.run("_before = _anonymous()")
            assert (
                result(lab_kernel.run("_ = float(Array[5]) + float(Array[-1]); _anonymous() - _before < 5")) == "True"
            )
        assert result(lab_kernel.run("Array[:4].tolist()")) == "[0.0, 1.0, 2.0, 3.0]"
        lab_kernel.run("Array[:] = -1")
        assert result(lab_kernel.run("Array[:2].tolist()")) == "[-1.0, -1.0]"
    assert runs(tmp_path) == ["Array"]


def test_a_step_says_its_format(kernel: Kernel, tmp_path: Path) -> None:
    """`--format`, its refusal in a line, `--like`, and a name that nobody knows."""
    kernel.run("%load_ext jo_notebook")
    kernel.run("import pandas as pd")
    kernel.run("%%step Table --format parquet\n" + body("Table", "pd.DataFrame({'a': [1, 2]})"))
    kernel.run("%step Same --like Table")
    kernel.run("%step Other --like Table --format pickle")
    kernel.run("#| step: Noted --format=data\n[1]")
    kernel.run("%materialize")
    assert formats(kernel) == {"Table": "parquet", "Same": "parquet", "Other": "pickle", "Noted": "data"}
    kernel.run("%%step Table --format arrow\n" + body("Table", "pd.DataFrame({'a': [1, 2]})"))
    assert "Ran" not in kernel.run("%materialize Table").stdout

    said = kernel.run("%%step Clean --format parquet --run\n7").stdout
    assert (
        "Clean is kept in memory only: the value cannot be written as parquet: an int is no table; leave --format out"
    ) in said.splitlines()
    wrong = kernel.run("%%step Wrong --format parket\n1", allow_error=True).error
    assert "Wrong wants the format 'parket', which is not here" in wrong
    assert "Did you mean parquet?" in wrong
    assert "Wrong" not in kernel.run("%steps").stdout
    assert "--format NAME" in kernel.run("%%step --help\n1").stdout


# -- formats of other packages ------------------------------------------------------------------------

PACKAGE = '''
from jo_notebook.store.formats import Format, Refused


class Grid:
    """Some bytes, and how wide a row is."""

    def __init__(self, width, data):
        self.width, self.data = width, data

    def __eq__(self, other):
        return type(other) is Grid and vars(self) == vars(other)


class Field(Grid):
    """As a grid, in a format that may run code."""


def _of(kind, name, runs_code):
    def encode(value):
        if type(value) is not kind:
            raise Refused(f"it is no {kind.__name__}")
        return str(value.width).encode(), [value.data], {"gridpack": "1.0"}

    def decode(stream, buffers):
        return kind(int(stream), bytes(buffers[0]))

    return Format(name, lambda value: type(value) is kind, encode, decode, runs_code=runs_code)


grid = _of(Grid, "grid", False)
field = _of(Field, "field", True)
mine = _of(Grid, "npy", False)
'''
POINTS = """[jo_notebook.formats]
grid = gridpack:grid
field = gridpack:field
broken = gridpack:there_is_no_such_thing
npy = gridpack:mine
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with an installed package, as an installer would leave it."""
    place = tmp_path / "site"
    about = place / "gridpack-1.0.dist-info"
    about.mkdir(parents=True)
    (place / "gridpack.py").write_text(PACKAGE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gridpack\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    return place


def _environment(site: Path, **more: str) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")])), **more}


def test_another_package_brings_a_format(start_kernel: StartKernel, site: Path, tmp_path: Path) -> None:
    """By itself and by name, in this kernel and the next; what is wrong with others is told."""
    first = start_kernel(env=_environment(site))
    first.run("%load_ext jo_notebook")
    first.run("import gridpack")
    first.run("%%step Grid\n" + body("Grid", "gridpack.Grid(2, b'abcd' * 20_000)"))
    first.run("%%step Small --format grid\n" + body("Small", "gridpack.Grid(2, b'abcd')"))
    first.run("%%step Wrong --format grid\n1")
    said = first.run("%materialize").stdout
    assert (
        "Wrong is kept in memory only: the value cannot be written as grid: it is no Grid; leave --format out" in said
    )
    assert formats(first) == {"Grid": "grid", "Small": "grid", "Wrong": ""}
    told = first.run("%context").stdout
    assert "The format broken (gridpack:there_is_no_such_thing) is left out: AttributeError" in told
    assert "The format npy (gridpack:mine) is left out: ValueError: there is a format npy already" in told
    refused = first.run("%%step Bad --format broken\n1", allow_error=True).error
    assert "Bad wants the format 'broken', which is not here: say json," in refused
    assert "dill, grid, field." in refused
    assert "The format broken (gridpack:there_is_no_such_thing) is left out" in refused
    assert runs(tmp_path) == ["Grid", "Small"]
    first.kill()

    fresh = start_kernel(env=_environment(site))
    fresh.run("%load_ext jo_notebook")
    fresh.run("import gridpack")
    assert result(fresh.run("Grid == gridpack.Grid(2, b'abcd' * 20_000), Small.data")) == "(True, b'abcd')"
    assert runs(tmp_path) == []
    fresh.kill()

    without = start_kernel()
    without.run("%load_ext jo_notebook")
    lost = without.run("p = %pipeline\np.context['Grid']", allow_error=True).error
    assert (
        "StoreError: Grid was saved as grid, a format that is not here: install the package that brings it, update "
        "jo_notebook, or run Grid again."
    ) in lost


def test_a_strangers_result_in_anothers_format(start_kernel: StartKernel, site: Path, tmp_path: Path) -> None:
    """It loads where the format runs no code, as it says itself, and waits where it does."""
    here = start_kernel(env=_environment(site, JO_NOTEBOOK_KEY="a" * 40))
    here.run("%load_ext jo_notebook")
    here.run("import gridpack")
    here.run("%%step Grid\n" + body("Grid", "gridpack.Grid(2, b'abcd')"))
    here.run("%%step Field\n" + body("Field", "gridpack.Field(2, b'abcd')"))
    here.run("%materialize")
    assert formats(here) == {"Grid": "grid", "Field": "field"}
    here.kill()

    other = start_kernel(env=_environment(site, JO_NOTEBOOK_KEY="b" * 40, JUPYTER_DATA_DIR=str(tmp_path / "data")))
    other.run("%load_ext jo_notebook")
    other.run("p = %pipeline")
    assert result(other.run("p.context['Grid'].data")) == "b'abcd'"
    assert "UntrustedError" in other.run("p.context['Field']", allow_error=True).error
    assert runs(tmp_path) == ["Grid", "Field"]
