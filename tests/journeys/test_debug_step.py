"""A failed step brought into the notebook, mended there, and made the step again from the cell where it was mended."""

from __future__ import annotations

import os
from pathlib import Path

from tests.journeys.asking import result
from tests.kernel import Kernel, Reply

LOAD = "%%step Load\n[3, 1, 2]"
TRAIN = """%%step Train --depends-on rows=Load --params "alpha=0.5, kind='a b'" --seed 7 --retries 1
import random
drawn = random.random()
rows.sort()
print("sorted", rows)
assert alpha > 1, "alpha is too small"
return rows[0] + drawn"""
FIRST = "# %%step Train --depends-on rows=Load --params \"alpha=0.5, kind='a b'\" --seed 7 --retries 1\n"


def debug(kernel: Kernel, name: str, cell_id: str = "debug") -> tuple[Reply, str]:
    """What `%debug_step` says, and the cell that it offers."""
    request = kernel.send(f"%debug_step {name}", cell_id)
    reply = kernel.wait(request)
    return reply, kernel.next_input(request)


def test_a_step_is_mended_where_it_failed(lab_kernel: Kernel, tmp_path: Path) -> None:
    say = lab_kernel.run
    say("%load_ext jo_notebook\nimport os\nalpha = 'mine'", "a")
    say(LOAD, "b")
    say(TRAIN, "c")
    assert "alpha is too small" in say("%materialize Train", "e", allow_error=True).error
    (tmp_path / "elsewhere").mkdir()
    say("os.chdir('elsewhere')", "f")
    reply, cell = debug(lab_kernel, "Train")
    assert reply.ok
    told = reply.stdout.splitlines()
    assert told[0].startswith("Train failed on 20")
    assert told[0].endswith(
        "AssertionError: alpha is too small. Names: rows, alpha, kind. Random numbers start from 7, each time its cell "
        f"runs. The working directory is {os.path.realpath(tmp_path)}, as it was then."
    )
    had = "Note: this notebook had something else called alpha"
    assert told[1] == f"{had}: run the cells that make it again, afterwards."
    assert told[2].startswith("Its body is in a new cell: mend it there")
    assert cell == FIRST + "\n".join(TRAIN.splitlines()[1:-1]) + "\nrows[0] + drawn"
    assert result(say("(rows, alpha, kind)")) == "([3, 1, 2], 0.5, 'a b')"
    assert result(say("os.getcwd()")) == repr(os.path.realpath(tmp_path))

    assert "alpha is too small" in say(cell, "n", allow_error=True).error
    mended = cell.replace("alpha > 1", "alpha < 1")
    first, again = (result(say(mended, "n")) for _ in range(2))
    assert first == again
    reply = say(mended.removeprefix("# "), "n")
    assert reply.text.startswith("Train ← rows=Load")
    assert "Note: Train was a step of cell [3] (c) until now. Delete that one: two cannot have it." in reply.text
    assert result(say("%materialize Train", "e")) == first

    error = say(TRAIN, "c", allow_error=True).error
    assert error.startswith("DuplicateStepError: Two steps are called Train: cell [")
    assert "Nothing to run" in say("%plan Train\n%materialize Train", "e", ["c"]).stdout


def test_the_cell_itself_may_be_mended_too(lab_kernel: Kernel) -> None:
    """Who mends the old cell instead is not told to delete it."""
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say("%%step Bad\n1 / 0", "b")
    say("%materialize", "c", allow_error=True)
    assert debug(lab_kernel, "Bad")[1] == "# %%step Bad\n1 / 0"
    assert say("%%step Bad\n1 / 2", "b").text.startswith("Bad · missing")
    assert result(say("%materialize Bad", "c")) == "0.5"


def test_what_it_lacks_is_told(lab_kernel: Kernel) -> None:
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say("k = 1", "k")
    say("%%step Old\nk", "b")
    say("%%step New\n2", "c")
    say("%%step Top --depends-on Old,New,Nowhere\nif Old:\n    return 1\nOld + New", "d")
    say("%materialize Old", "e")
    say("k = 2", "k")
    reply, cell = debug(lab_kernel, "Top")
    told = reply.stdout.splitlines()
    assert told[0] == "Top has not failed. Names: Old."
    assert told[1:5] == [
        "Note: Old is stale (constant k: 1 → 2): this is its last result.",
        "Note: New has no result: %materialize New makes one, then say %debug_step Top again.",
        "Note: Nowhere has no result: %materialize Nowhere makes one, then say %debug_step Top again.",
        "Note: its body returns or yields before its end: a plain cell cannot.",
    ]
    assert cell == "# %%step Top --depends-on Old,New,Nowhere\nif Old:\n    return 1\nOld + New"
    assert result(say("Old")) == "1"


def test_inputs_are_as_their_steps_returned_them(lab_kernel: Kernel) -> None:
    """Not as a cell has left them; and another result than the one that the step was given is told."""
    say = lab_kernel.run
    say("%load_ext jo_notebook\nn = 1", "a")
    say("%%step Load\n[n, 1, 2]", "b")
    say("%%step Bad\nLoad.append(9)\nLoad[7]", "c")
    say("%materialize Bad", "d", allow_error=True)
    say("Load.clear()", "e")
    reply, _ = debug(lab_kernel, "Bad")
    assert "Note" not in reply.stdout
    assert result(say("Load")) == "[1, 1, 2]"
    say("n = 5", "f")
    say("%materialize Load", "g")
    assert "Note: Load has another result now than Bad was given in that run." in debug(lab_kernel, "Bad")[0].stdout
    assert result(say("Load")) == "[5, 1, 2]"


def test_after_a_restart(lab_kernel: Kernel) -> None:
    """The step's cell has not run in this kernel, and what its body needs of the notebook comes back too."""
    say = lab_kernel.run
    say("%load_ext jo_notebook\ndef double(x):\n    return 2 * x", "a")
    say("%%step Load\n[1]", "b")
    say("%%step Bad\ndouble(Load)[7]", "c")
    say("%materialize Bad", "d", allow_error=True)
    lab_kernel.restart()
    say("%load_ext jo_notebook", "a")
    _, cell = debug(lab_kernel, "Bad")
    assert cell == "# %%step Bad\ndouble(Load)[7]"
    assert result(say(cell.replace("7", "1"), "n")) == "1"
    assert say(cell.replace("7", "0").removeprefix("# "), "n").text.startswith("Bad ← Load (inferred)")
    assert result(say("%materialize Bad", "d")) == "1"


def test_steps_that_are_no_cells(lab_kernel: Kernel, tmp_path: Path) -> None:
    say = lab_kernel.run
    (tmp_path / "foo_jobs.py").write_text("def Lint():\n    return 1\n\ndef Check():\n    return 1 / 0\n")
    (tmp_path / "stages.yaml").write_text("Lint: []\nCheck: [Lint]\n")
    say("%load_ext jo_notebook\nfrom jo_notebook import step", "a")
    say("%%step Load\n[1]", "b")
    say("@step\ndef Train(Load, alpha=0.1):\n    if alpha > 1:\n        return 2\n    return Load[7]", "c")
    say("def make(k):\n    @step\n    def Inner(Load):\n        return Load[k]\n    return Inner\nInner = make(7)", "d")
    say("%step Twin --like Copied --depends-on x=Load", "x", allow_error=True)
    say("%%step Copied --depends-on x=Load\nx[7]", "e")
    say("%step Twin --like Copied --params 'k=1'", "f")
    say("%load_stages stages.yaml --module foo_jobs", "g")
    say("%materialize Train Inner Twin Check", "h", allow_error=True)

    reply, cell = debug(lab_kernel, "Train")
    assert cell == "# %%step Train --depends-on Load --params alpha=0.1\nif alpha > 1:\n    return 2\nLoad[7]"
    assert "Note: its body returns" in reply.stdout
    reply = say(cell.replace("7", "0").removeprefix("# "), "n")
    assert result(say("%materialize Train", "h")) == "1"

    assert debug(lab_kernel, "Inner")[1] == "# %%step Inner --depends-on Load\ncall_Inner(Load)"
    assert say("call_Inner(Load)", allow_error=True).error.startswith("IndexError")
    assert debug(lab_kernel, "Twin")[1] == "# %%step Twin --depends-on x=Load --params k=1\nx[7]"
    reply, cell = debug(lab_kernel, "Check")
    assert (cell.splitlines()[0], cell.splitlines()[-1]) == ("# %%step Check --depends-on Lint", "foo_jobs.Check()")
    assert say(cell, "m", allow_error=True).error.startswith("ZeroDivisionError")
    assert say("# %%step Check\nLint + 1".removeprefix("# "), "m").text.startswith("Check ← Lint")
    assert result(say("%materialize Check", "h")) == "2"


def test_what_makes_no_sense(lab_kernel: Kernel) -> None:
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step Load\n1", "b")
    assert debug(lab_kernel, "Laod")[0].error.startswith("UnknownStepError")
    assert debug(lab_kernel, "")[0].error.startswith("UsageError")
    assert debug(lab_kernel, "Load More")[0].error.startswith("UsageError")
    assert "to mend it" in debug(lab_kernel, "--help")[0].stdout
    assert debug(lab_kernel, "Load")[1] == "# %%step Load\n1"
