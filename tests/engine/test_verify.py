"""Running a step once more in a clean process: what is the same, what is not and where, and nothing is left behind."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.definition import Definition
from jo_notebook.engine.verify import Verified
from jo_notebook.errors import StepFailed, UnknownStepError, UsageError
from tests.cases.making import Watched, notebook, step

# bodies open files as users do
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for results, below the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "analysis.jo"


def with_steps(place: Path | None, *steps: Definition, code: str = "") -> Watched:
    """A pipeline with these steps, all materialized."""
    pipeline = notebook(code, place)
    for definition in steps:
        pipeline.add(definition)
    pipeline.materialize(echo=False)
    return pipeline


def again(pipeline: Watched, name: str) -> Verified:
    (found,) = pipeline.verify(name)
    return found


def store(place: Path) -> dict[str, tuple[str, int]]:
    """Every file of results and definitions, by content and time."""
    files = [p for p in sorted(place.rglob("*")) if p.is_file()]
    return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}


SAME = {
    "a number": ("1 + 1", ""),
    "None": ("None", ""),
    "text": ("'text'", ""),
    "a list of dicts": ("[{'a': 1.5}, {'b': (1, {2, 3})}]", ""),
    "a set of words, in no order": ("{'a', 'b', 'c', 'd'}", ""),
    "an array": ("import numpy as np\nnp.arange(5.0)", ""),
    "a frame": ("import pandas as pd\npd.DataFrame({'a': [1, None], 'b': ['x', 'y']})", ""),
    "a helper and a constant": ("helper(2)", "K = 3\ndef inner(x): return x * K\ndef helper(x): return inner(x) + 1"),
    "an import of the notebook": ("math.pi", "import math"),
    "an async body": ("import asyncio\nawait asyncio.sleep(0)\n7", ""),
    "a generator": ("for n in range(3):\n    yield n", ""),
    "prints": ("print('noise')\n1", ""),
    "its own generator with a seed": ("import random\nrandom.Random(3).random()", ""),
    "a recursive structure": ("a = [1]\na.append(a)\na", ""),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_again(place: Path, case: str) -> None:
    body, code = SAME[case]
    pipeline = with_steps(place, step("A", body), code=code)
    found = again(pipeline, "A")
    assert (found.verdict, found.difference) == ("same", ""), found.text
    assert found.text == "A gives the same again"


DIFFERENT = {
    "chance": ("import random\nrandom.random()", "", "the value: 0."),
    "numpy's chance": ("import numpy as np\nnp.random.rand(3)", "", "3 of 3 elements are others"),
    "a generator nobody seeded": ("import numpy as np\nnp.random.default_rng().integers(10**9)", "", " → "),
    "the time": ("import time\n{'when': time.time_ns()}", "", "['when']: "),
    "the process": ("import os\n[1, os.getpid()]", "", "[1]: "),
    "the order of a set": (
        "list({'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta', 'iota', 'kappa', 'la', 'my'})",
        "",
        "[",
    ),
    "hash() of a text": ("hash('text')", "", "the value: "),
    "a counter in a file": (
        "from pathlib import Path\np = Path('count.txt')\nn = int(p.read_text()) + 1 if p.exists() else 1\n"
        "p.write_text(str(n))\nn",
        "",
        "the value: 1 → 2",
    ),
    "a column": (
        "import pandas as pd, os\npd.DataFrame({'same': [1, 2], 'pid': [os.getpid()] * 2})",
        "",
        "the frame: column pid differs",
    ),
    "as many rows as the file has": (
        "import pandas as pd\nopen('n', 'a').write('x')\npd.DataFrame({'a': list(open('n').read())})",
        "",
        "the frame: 1 rows × 1 columns → 2 × 1",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_something_else_again(place: Path, case: str) -> None:
    """The verdict, and where the two values part."""
    body, code, where = DIFFERENT[case]
    pipeline = with_steps(place, step("A", body), code=code)
    found = again(pipeline, "A")
    assert found.verdict == "different", found.text
    assert where in found.difference


def test_state_that_only_this_kernel_has(place: Path) -> None:
    """What the step itself left in the process the first time."""
    body = "import sys\nsys.jo_test_count = getattr(sys, 'jo_test_count', 0) + 1\nsys.jo_test_count"
    sys.jo_test_count = 5  # type: ignore[attr-defined]
    try:
        found = again(with_steps(place, step("A", body)), "A")
    finally:
        del sys.jo_test_count  # type: ignore[attr-defined]
    assert (found.verdict, found.difference) == ("different", "the value: 6 → 1")


def test_a_module_that_was_changed_in_this_kernel_only(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set on a library is no part of any cell."""
    import decimal

    monkeypatch.setattr(decimal.getcontext(), "prec", 3)
    pipeline = with_steps(place, step("A", "from decimal import Decimal\nstr(Decimal(1) / 3)"))
    found = again(pipeline, "A")
    assert found.verdict == "different"
    assert "'0.333' → '0.3333" in found.difference


def test_it_fails(place: Path) -> None:
    """The error is told, on one line; the result is what it was."""
    body = "import os\nif os.path.exists('ran'):\n    raise ValueError('second\\ntime')\nopen('ran', 'w').close()\n1"
    pipeline = with_steps(place, step("A", body))
    found = again(pipeline, "A")
    assert (found.verdict, found.text) == ("failed", "A fails in a clean process: ValueError: second")
    assert pipeline.explain("A").availability == "available"


@pytest.mark.parametrize("end", ["import os\nos._exit(3)", "raise SystemExit(2)", "raise KeyboardInterrupt"])
def test_a_process_that_ends(place: Path, end: str) -> None:
    """Whatever a step does to its process is told as its failure."""
    body = (
        f"import os\nif os.path.exists('ran'):\n"
        f"    {end.replace(chr(10), chr(10) + '    ')}\nopen('ran', 'w').close()\n1"
    )
    found = again(with_steps(place, step("A", body)), "A")
    assert found.verdict == "failed"
    assert found.text.startswith("A fails in a clean process: ")


def test_a_helper_that_no_code_gives_back(place: Path) -> None:
    """A made function and a live object exist in this kernel only: the answer names what is missing."""
    pipeline = notebook("import threading\nlock = threading.Lock()", place)
    pipeline.add(step("A", "with lock:\n    x = 1\nx"))
    pipeline.materialize(echo=False)
    found = again(pipeline, "A")
    assert found.verdict == "failed"
    assert "lock" in found.text


def test_no_exact_version(place: Path) -> None:
    """A figure has no exact version: it is called the same only as far as that can be told."""
    pytest.importorskip("matplotlib")
    pipeline = with_steps(place, step("A", "from matplotlib.figure import Figure\nFigure(figsize=(2, 3))"))
    record = pipeline.context.record("A")
    assert record is not None
    assert not record.exact
    found = again(pipeline, "A")
    assert found.verdict == "same"
    assert "as far as its value can be compared" in found.text


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        pytest.param(lambda p: p.add(step("A", "2")), "it is stale: materialize it first", id="stale"),
        pytest.param(lambda p: p.forget("A"), "it is missing: materialize it first", id="missing"),
    ],
)
def test_what_is_not_there_is_not_run(place: Path, prepare: Any, text: str) -> None:
    pipeline = with_steps(place, step("A", "1"))
    prepare(pipeline)
    found = again(pipeline, "A")
    assert (found.verdict, found.text) == ("not run", f"A was not run again: {text}")
    assert pipeline.verify() == []


def test_a_failed_step_is_not_run(place: Path) -> None:
    pipeline = notebook(place=place)
    pipeline.add(step("A", "1 / 0"))
    pipeline.add(step("B", "1"))
    with pytest.raises(StepFailed):
        pipeline.materialize(echo=False)
    assert [(v.step, v.verdict) for v in pipeline.verify("A", "B")] == [("A", "not run"), ("B", "same")]
    assert [v.step for v in pipeline.verify()] == ["B"]


def test_an_input_that_was_forgotten(place: Path) -> None:
    """B is available without A; to run it again A is needed."""
    pipeline = with_steps(place, step("A", "1"), step("B", "A + 1"))
    pipeline.forget("A")
    assert again(pipeline, "B").verdict == "not run"


def test_an_input_that_is_in_memory_only(place: Path) -> None:
    """What could not be stored is not there for another process: that is no failure of the step."""
    pipeline = with_steps(place, step("A", "import threading\n[threading.Lock(), 2]"), step("B", "A[1]"))
    found = again(pipeline, "B")
    assert found.verdict == "not run", found.text
    assert "A" in found.text


def test_dependencies_are_taken_from_the_store(place: Path) -> None:
    """Its input is what is stored, not what an ordinary cell made of it; no step above it runs."""
    above = "open('ran', 'a').write('A')\n[1, 2]"
    pipeline = with_steps(place, step("A", above), step("B", "len(A) + len(x)", "A,x=A"))
    pipeline.context["A"].append(3)
    assert again(pipeline, "B").verdict == "same"
    assert Path("ran").read_text() == "A"


def test_what_a_value_is_made_of_comes_back(place: Path) -> None:
    """Parameters, seed, environment, files."""
    Path("data.txt").write_text("5")
    made = replace(
        step("A", "import os, random\n(alpha, random.random(), os.environ['JO_X'], open('data.txt').read())", alpha=2),
        seed=7,
        env=("JO_X",),
        reads=("data.txt",),
    )
    os.environ["JO_X"] = "x"
    try:
        pipeline = with_steps(place, made)
        found = again(pipeline, "A")
        assert (found.verdict, found.hidden) == ("same", ())
    finally:
        del os.environ["JO_X"]


def test_nothing_is_stored(place: Path) -> None:
    """Records, files, definitions: every byte and time is what it was; this kernel's chance goes on undisturbed."""
    pipeline = with_steps(place, step("A", "import random\nrandom.random()"), step("B", "A"))
    before, records, state = store(place), dict(pipeline.context.records), random.getstate()
    for _ in range(2):
        assert [v.verdict for v in pipeline.verify()] == ["different", "same"]
    assert store(place) == before
    assert dict(pipeline.context.records) == records
    assert random.getstate() == state
    assert pipeline.ran() == ["A", "B"]
    assert pipeline.plan().to_run == ()


def test_files_that_it_writes_are_put_back(place: Path) -> None:
    """What is written otherwise is told, and the file is what it was."""
    made = replace(step("A", "import os\nopen('out.txt', 'w').write(str(os.getpid()))\n1"), writes=("out.txt",))
    pipeline = with_steps(place, made)
    before = Path("out.txt").read_text()
    found = again(pipeline, "A")
    assert (found.verdict, found.difference) == ("different", "out.txt is written otherwise")
    assert Path("out.txt").read_text() == before
    assert pipeline.explain("A").availability == "available"


def test_a_directory_that_it_writes_is_put_back(place: Path) -> None:
    """The same for a directory: verifying a step does not make it stale."""
    body = "import os\nos.makedirs('out', exist_ok=True)\nopen('out/a.txt', 'w').write(str(os.getpid()))\n1"
    pipeline = with_steps(place, replace(step("A", body), writes=("out",)))
    before = Path("out/a.txt").read_text()
    assert again(pipeline, "A").verdict == "different"
    assert Path("out/a.txt").read_text() == before
    assert pipeline.explain("A").availability == "available"


def test_files_are_put_back_when_it_fails(place: Path) -> None:
    body = (
        "import os\nfirst = not os.path.exists('out.txt')\n"
        "open('out.txt', 'w').write('x' if first else 'half')\n1 if first else 1 / 0"
    )
    pipeline = with_steps(place, replace(step("A", body), writes=("out.txt",)))
    assert again(pipeline, "A").verdict == "failed"
    assert Path("out.txt").read_text() == "x"


def test_files_are_put_back_when_the_process_dies(place: Path) -> None:
    body = (
        "import os\nfirst = not os.path.exists('out.txt')\n"
        "open('out.txt', 'w').write('x' if first else 'half')\nfirst or os._exit(1)\n1"
    )
    pipeline = with_steps(place, replace(step("A", body), writes=("out.txt",)))
    assert again(pipeline, "A").verdict == "failed"
    assert Path("out.txt").read_text() == "x"


def test_hidden_inputs_are_told(place: Path) -> None:
    """What it reads without saying so, as it was seen in the clean process."""
    Path("data.txt").write_text("5")
    body = "import os\nglobal seen\nseen = 1\n(open('data.txt').read(), os.environ.get('HOME'))"
    found = again(with_steps(place, step("A", body)), "A")
    assert found.verdict == "same"
    assert set(found.hidden) == {("file", "data.txt"), ("env", "HOME"), ("global", "seen")}


def test_the_wrong_words() -> None:
    pipeline = notebook()
    pipeline.add(step("A", "1"))
    pipeline.materialize()
    with pytest.raises(UsageError, match="Only results on disk can be verified"):
        pipeline.verify("A")
    with pytest.raises(UnknownStepError):
        pipeline.verify("B")


def test_an_older_result_that_is_todays(place: Path) -> None:
    """A parameter went back: what is verified is the result that counts today."""
    pipeline = with_steps(place, step("A", "alpha * 2", alpha=1), step("B", "A + 1"))
    pipeline.add(step("A", "alpha * 2", alpha=5))
    pipeline.materialize(echo=False)
    pipeline.add(step("A", "alpha * 2", alpha=1))
    assert pipeline.plan().to_run == ()
    assert [(v.step, v.verdict) for v in pipeline.verify()] == [("A", "same"), ("B", "same")]


def test_an_accepted_result_is_not_what_the_code_gives(place: Path) -> None:
    """That is what verify is for."""
    pipeline = with_steps(place, step("A", "1"))
    pipeline.add(step("A", "2"))
    pipeline.accept("A")
    found = again(pipeline, "A")
    assert (found.verdict, found.difference) == ("different", "the value: 1 → 2")


def test_a_local_module(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module beside the notebook is found by the clean process too."""
    (tmp_path / "features_of_verify.py").write_text("def build(x):\n    return x + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    pipeline = with_steps(place, step("A", "features_of_verify.build(1)"), code="import features_of_verify")
    assert again(pipeline, "A").verdict == "same"
