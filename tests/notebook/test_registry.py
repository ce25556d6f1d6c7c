"""Which cell defines which step: replacing, renaming, a second claim, deleted cells, several steps in one cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.asking import body, result, runs, states
from tests.kernel import Kernel


@pytest.fixture
def fresh(loaded: Kernel) -> Kernel:
    """The module's kernel with Load as its only step."""
    loaded.run(
        "pipeline = %pipeline\npipeline.remove(*[n for n in pipeline.dag if n != 'Load'])\n"
        "pipeline.context.forget(*[n for n in pipeline.context if n != 'Load'])"
    )
    return loaded


def names(kernel: Kernel) -> list[str]:
    """The steps, in order."""
    return list(states(kernel))


def test_running_a_cell_again_replaces_its_step(fresh: Kernel) -> None:
    """In the same place of the order, with the new code."""
    fresh.run("%%step A\n1", "a")
    fresh.run("%%step B\n2", "b")
    fresh.run("%%step A\n10", "a")
    assert names(fresh) == ["Load", "A", "B"]
    assert result(fresh.run("%materialize A")) == "10"


def test_a_rename_in_place_replaces(fresh: Kernel) -> None:
    """The cell is the identity: the old name is gone, also after a restart, its result stays for a rename back."""
    fresh.run("%%step A --run\n1", "a")
    fresh.run("%%step B --depends-on A\nA", "b")
    fresh.run("%%step C\n1", "a")
    assert names(fresh) == ["Load", "C", "B"]
    assert "A is not registered yet" in fresh.run("%explain B").stdout
    fresh.run("%%step A\n1", "a")
    assert states(fresh) == {"Load": "available", "A": "available", "B": "missing"}


def test_two_cells_claim_one_name(fresh: Kernel) -> None:
    """Both are named, the first stays in force; when it is gone or renamed the second may have the name."""
    fresh.run("%%step A\n'first'", "cell-one")
    error = fresh.run("%%step A\n'second'", "cell-two", allow_error=True).error
    assert error.startswith("DuplicateStepError: Two steps are called A: cell [")
    assert "(cell-one)" in error
    assert "(cell-two)" in error
    assert "Traceback" not in error
    assert result(fresh.run("%materialize A")) == "'first'"
    fresh.run("%%step Another\n'first'", "cell-one")
    assert result(fresh.run("%%step A --run\n'second'", "cell-two")) == "'second'"
    error = fresh.run("%%step A\n'first'", "cell-one", allow_error=True).error
    assert "DuplicateStepError" in error
    assert names(fresh) == ["Load", "Another", "A"]


def test_a_deleted_cell_leaves_an_orphan(fresh: Kernel) -> None:
    """Marked in %steps and %plan, out of the default heads; running a cell with its name brings it back."""
    fresh.run("%%step A\n1", "a")
    fresh.run("%%step B --run\n2", "b")
    fresh.run("1", "x", deleted=["a", "b", "unknown"])
    assert fresh.run("%steps").stdout.count("cell deleted") == 2
    plan = fresh.run("%plan").stdout
    assert " [ ] ( ) A       no result; cell deleted" in plan
    assert " [*] ( ) B       in memory; cell deleted" in plan
    assert "Its cell was deleted" in fresh.run("%explain A").stdout
    assert "Ran" not in fresh.run("%materialize").stdout
    assert result(fresh.run("%materialize A")) == "1"
    fresh.run("%%step A\n1", "pasted")
    fresh.run("%%step B\n2", "b")
    assert "cell deleted" not in fresh.run("%steps").stdout


def test_a_cell_that_becomes_ordinary_drops_its_step(fresh: Kernel) -> None:
    """Also when only the magic line was taken away; not when the ordinary cell fails."""
    fresh.run("%%step A\n1", "a")
    fresh.run("1 / 0", "a", allow_error=True)
    assert "A" in names(fresh)
    fresh.run("1", "a")
    assert names(fresh) == ["Load"]


def test_a_refused_cell_changes_nothing(fresh: Kernel) -> None:
    """A syntax error in an edited cell leaves the step as it was, in force."""
    fresh.run("%%step A --run\n1", "a")
    assert "SourceError" in fresh.run("%%step A\n1 +", "a", allow_error=True).error
    assert "StepNameError" in fresh.run("%%step A B\n1", "a", allow_error=True).error
    assert states(fresh) == {"Load": "available", "A": "available"}


def test_without_cell_ids_the_name_is_the_identity(fresh: Kernel) -> None:
    """nbclient and papermill tell no ids: a later definition replaces, whoever made it."""
    fresh.run("%%step A\n1")
    fresh.run("%%step A\n2")
    fresh.run("%%step A\n3", "a")
    fresh.run("%%step A\n4")
    assert names(fresh) == ["Load", "A"]
    assert result(fresh.run("%materialize A")) == "4"


def test_several_steps_in_one_cell(fresh: Kernel) -> None:
    """`%step X --like Y` lines; a line that is gone takes its step with it."""
    fresh.run("%%step Salt --depends-on x=Load --params pinch=1\nsum(x) + pinch", "salt")
    lines = ["%step SaltA --like Salt", "%step SaltB --like Salt --params pinch=5"]
    fresh.run("\n".join([*lines, "%step SaltC --like Salt --depends-on x=SaltList"]), "more")
    fresh.run("%%step SaltList\n[100]", "list")
    assert sorted(names(fresh)) == ["Load", "Salt", "SaltA", "SaltB", "SaltC", "SaltList"]
    fresh.run("%materialize")
    assert result(fresh.run("(SaltA, SaltB, SaltC)")) == "(7, 11, 101)"
    fresh.run(lines[0], "more")
    assert names(fresh) == ["Load", "Salt", "SaltA", "SaltList"]
    error = fresh.run("%step SaltD --like Slat", "d", allow_error=True).error
    assert error.startswith("UnknownStepError: There is no step called 'Slat'. Did you mean ")


def test_a_step_in_a_loop(fresh: Kernel) -> None:
    """Registering from Python code in one ordinary cell."""
    fresh.run("%%step Base --params k=1\nk", "base")
    line = "get_ipython().run_line_magic('step', f'K{n} --like Base --params k={n} --run')"
    fresh.run(f"for n in range(3):\n    {line}", "loop")
    assert result(fresh.run("(K0, K1, K2)")) == "(0, 1, 2)"


def test_on_step_materialize(fresh: Kernel, tmp_path: Path) -> None:
    """The setting runs a step as its cell is run, and only when it has to."""
    fresh.run('%config JoNotebook.on_step = "materialize"')
    assert result(fresh.run("%%step A\nprint('now')\n5", "a")) == "5"
    assert "now" not in fresh.run("%%step A\nprint('now')\n5", "a").stdout
    fresh.run('%config JoNotebook.on_step = "register"')
    assert result(fresh.run("%%step A\n6", "a")) == ""


def test_cells_inside_cells(fresh: Kernel) -> None:
    """`%%capture` and `%%time` around a step, and a step around them: the outermost cell is the one that counts."""
    fresh.run("%%capture\n%%step A\n1", "a")
    fresh.run("%%step B --run\n%%capture\nprint(1)", "b")
    fresh.run("%%time\nx = 1", "c")
    assert names(fresh) == ["Load", "A", "B"]
    fresh.run("%%capture\n%%step C\n1", "a")
    assert names(fresh) == ["Load", "C", "B"]


VALUES = {
    "list": ("[1, 2]", "Made.append(3)", "len(Made)"),
    "dict": ("{'a': [1, 2]}", "Made['a'].append(3)", "len(Made['a'])"),
    "array": ("import numpy as np\nnp.arange(2)", "Made += 5", "int(Made.sum() + 1)"),
    "frame": ("import pandas as pd\npd.DataFrame({'a': [1, 1]})", "Made.loc[0, 'a'] = 9", "int(Made['a'].sum())"),
    "set": ("{1, 2}", "Made.add(3)", "len(Made)"),
    "object": ("import types\ntypes.SimpleNamespace(n=2)", "Made.n = 3", "Made.n"),
    "unstorable": ("import threading\n[threading.Lock(), 2]", "Made[1] = 3", "Made[1]"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_mutation_never_reaches_a_downstream_step(fresh: Kernel, kind: str) -> None:
    """A user who changes the bound value in an ordinary cell changes nothing for the steps that follow."""
    makes, change, looks = VALUES[kind]
    fresh.run(f"%%step Made --run\n{makes}", "made")
    fresh.run(f"%%step Look\n{looks}", "look")
    fresh.run(change, "change")
    assert result(fresh.run("%materialize Look")) == "2"
    fresh.run(f"%%step Again\n{looks}", "again")
    fresh.run(change, "change")
    assert result(fresh.run("%materialize Again")) == "2"


def test_a_step_that_changes_its_input_changes_nobody_elses(fresh: Kernel) -> None:
    """The second reader gets what the first step returned."""
    fresh.run("%%step Made\n[1, 2]", "made")
    fresh.run("%%step Spoil\nMade.append(3)\nlen(Made)", "spoil")
    fresh.run("%%step Look\nlen(Made)", "look")
    fresh.run("%materialize Spoil Look")
    assert result(fresh.run("(Spoil, Look, Made)")).startswith("(3, 2, ")


def test_only_what_is_read_is_loaded(lab_kernel: Kernel, tmp_path: Path) -> None:
    """After a restart a cell that reads one name loads one result; magics and other people's names load nothing."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    for name in ("One", "Two", "Three"):
        lab_kernel.run(f"%%step {name} --run\n" + body(name, f"'{name}'"), name)
    lab_kernel.restart()
    runs(tmp_path)
    lab_kernel.run("%load_ext jo_notebook", "a")
    held = "pipeline = %pipeline\n[n for n in pipeline.dag if pipeline.context.held(n) == 'memory']"
    lab_kernel.run("%plan One\n%explain Two", "b")
    lab_kernel.run("Three = 'mine'\nx = 'One'", "b")
    lab_kernel.run("def later():\n    return 1", "b")
    assert result(lab_kernel.run(held)) == "[]"
    assert result(lab_kernel.run("print(One.upper())\nOne")) == "'One'"
    assert result(lab_kernel.run("Three")) == "'mine'"
    assert result(lab_kernel.run(held)) == "['One']"
    assert "TWO" in lab_kernel.run("%%time\nprint(Two.upper())").stdout
    assert runs(tmp_path) == []


def test_a_name_error_says_what_to_do(fresh: Kernel) -> None:
    """A step that is not there yet, one whose old result is not shown, and a name that is no step's."""
    fresh.run("%%step Later\n1", "later")
    hint = fresh.run("Later + 1", allow_error=True)
    assert "NameError" in hint.error
    assert "Later is a step that is not materialized yet" in hint.stdout
    assert "%materialize Later" in hint.stdout
    assert fresh.run("Latter", allow_error=True).stdout == ""
    assert "Later is a step" in fresh.run("%%time\nLater", allow_error=True).stdout
