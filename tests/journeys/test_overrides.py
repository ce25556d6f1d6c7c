"""What a user decides against the reasons: accept, pin, force. Recorded, shown, and undone as one would think."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.journeys.asking import body, result, runs, states
from tests.kernel import Kernel
from tests.test_bad_input import check_one_error, flip, results_of
from tests.test_cli import jo, notebook

HELPER = "LIMIT = 2\ndef big(values):\n    return [v for v in values if v > LIMIT]"
LOAD = "%%step Load\n" + body("Load", "[3, 1, 2, 5]")
CLEAN = "%%step Clean\n" + body("Clean", "big(Load)")
COUNT = "%%step Count\n" + body("Count", "len(Clean)")
OTHER = "%%step Clean\n" + body("Clean", "big(Load)[:1]")
FRESH = {"Load": "available", "Clean": "available", "Count": "available"}


@pytest.fixture
def three(lab_kernel: Kernel, tmp_path: Path) -> Kernel:
    """Load, Clean and Count, all available; nothing that notes a run is suggested."""
    cells(lab_kernel)
    lab_kernel.run("%materialize")
    assert runs(tmp_path) == ["Load", "Clean", "Count"]
    return lab_kernel


def cells(kernel: Kernel, clean: str = CLEAN) -> None:
    kernel.run("%load_ext jo_notebook", "a")
    kernel.run(HELPER, "h")
    for cell, code in (("b", LOAD), ("c", clean), ("d", COUNT)):
        kernel.run(code, cell)


# -- accept -----------------------------------------------------------------------------------------------


def test_accept(three: Kernel, tmp_path: Path) -> None:
    """An edit that changes nothing of the result: blessed, recorded, shown; nothing runs."""
    three.run(OTHER, "c")
    assert states(three) == {"Load": "available", "Clean": "stale", "Count": "stale"}
    assert three.run("%accept Clean").stdout == "Accepted Clean for today's code (code changed).\n"
    assert states(three) == FRESH
    assert three.run("%materialize").stdout.startswith("Nothing to run")
    assert runs(tmp_path) == []
    said = three.run("%explain Clean").stdout
    assert "It is accepted, although:\n  - code changed\n" in said
    (row,) = [line for line in three.run("%plan").stdout.splitlines() if " Clean " in line]
    assert row.startswith(" [*] ( ) Clean    in memory")
    assert row.endswith("; accepted")
    assert "accepted" in three.run("%steps").stdout
    assert result(three.run("p = %pipeline\np.context.record('Clean').accepted")) == "('code changed',)"
    assert result(three.run("Clean")) == "[3, 5]", "and no note that it is old"
    assert three.run("Clean").stdout == ""


def test_accept_survives_a_restart(three: Kernel, tmp_path: Path) -> None:
    three.run(OTHER, "c")
    three.run("%accept Clean")
    three.kill()
    three.restart()
    cells(three, OTHER)
    assert states(three) == FRESH
    assert "It is accepted, although:\n  - code changed\n" in three.run("%explain Clean").stdout
    assert runs(tmp_path) == []


def test_a_later_edit_counts_again(three: Kernel, tmp_path: Path) -> None:
    """What was blessed is today's code, not every code to come."""
    three.run(OTHER, "c")
    three.run("%accept Clean")
    three.run(HELPER.replace("= 2", "= 4"), "h")
    assert states(three)["Clean"] == "stale"
    assert "constant LIMIT: 2 → 4" in three.run("%explain Clean").stdout
    assert "code changed" not in three.run("%explain Clean").stdout
    three.run(HELPER, "h")
    assert states(three) == FRESH
    assert three.run("%materialize Clean").stdout.startswith("Nothing to run")
    three.run("%materialize Clean --force")
    assert "accepted" not in three.run("%explain Clean").stdout
    assert result(three.run("Clean")) == "[3]"


def test_the_edit_is_undone_after_all(three: Kernel, tmp_path: Path) -> None:
    """The old code with the result it gave: available, and without a word of having been accepted; nothing runs."""
    three.run(OTHER, "c")
    three.run("%accept Clean")
    three.run(CLEAN, "c")
    assert states(three) == FRESH
    assert "accepted" not in three.run("%explain Clean").stdout
    assert three.run("%materialize").stdout.startswith("Nothing to run")
    assert runs(tmp_path) == []


def test_accept_several(three: Kernel, tmp_path: Path) -> None:
    """Each with its own line."""
    three.run(OTHER, "c")
    three.run("%%step Count\n" + body("Count", "len(Clean) + 0"), "d")
    said = three.run("%accept Clean, Count").stdout.splitlines()
    assert said == [f"Accepted {name} for today's code (code changed)." for name in ("Clean", "Count")]
    assert states(three) == FRESH
    assert runs(tmp_path) == []


def test_nothing_to_accept(three: Kernel) -> None:
    assert three.run("%accept Clean").stdout == "Clean is available already: there is nothing to accept.\n"


def test_accept_twice(three: Kernel) -> None:
    """The second time there is nothing more."""
    three.run(OTHER, "c")
    three.run("%accept Clean")
    assert three.run("%accept Clean").stdout == "Clean is available already: there is nothing to accept.\n"
    assert "It is accepted, although:\n  - code changed\n" in three.run("%explain Clean").stdout


def test_accept_without_a_result(three: Kernel) -> None:
    """One clear error; of several, those before it are blessed."""
    three.run("%%step New\n1", "n")
    text = check_one_error(three.run("%accept New", allow_error=True))
    assert text == "New has no result to accept: run it first, with %materialize New."
    text = check_one_error(three.run("%accept Nwe", allow_error=True))
    assert "Did you mean New?" in text


def test_accept_a_failed_step(three: Kernel, tmp_path: Path) -> None:
    """The edit failed, the old result is still there and may be kept."""
    three.run("%%step Clean\n" + body("Clean", "big(Load)[99]"), "c")
    three.run("%materialize Clean", allow_error=True)
    assert states(three)["Clean"] == "failed"
    runs(tmp_path)
    assert three.run("%accept Clean").stdout.startswith("Accepted Clean for today's code (last run failed: IndexError")
    assert states(three) == FRESH
    assert result(three.run("%materialize Clean")) == "[3, 5]"
    assert runs(tmp_path) == []


def test_accept_what_only_ever_failed(three: Kernel) -> None:
    three.run("%%step Bad\n1 / 0", "n")
    three.run("%materialize Bad", allow_error=True)
    assert "Bad has no result to accept" in check_one_error(three.run("%accept Bad", allow_error=True))


def test_accept_a_damaged_result(three: Kernel, tmp_path: Path) -> None:
    """There is nothing whole to bless."""
    three.run("%unload_ext jo_notebook\n%reset -f")
    for path in results_of(tmp_path / "analysis.jo", "Clean"):
        path.write_bytes(b"")
    cells(three, OTHER)
    text = check_one_error(three.run("%accept Clean", allow_error=True))
    assert text == "Clean's stored result is damaged: there is nothing whole to accept. Run it again."


def test_accept_a_result_with_a_flipped_bit(three: Kernel, tmp_path: Path) -> None:
    """Damage that is seen only when the value is read does not become a blessed result."""
    three.run("%unload_ext jo_notebook\n%reset -f")
    for path in results_of(tmp_path / "analysis.jo", "Clean"):
        flip(path)
    cells(three, OTHER)
    reply = three.run("%accept Clean", allow_error=True)
    assert "Traceback" not in reply.error
    assert result(three.run("%materialize Clean")) in ("[3, 5]", "[3]")


def test_accept_what_came_from_elsewhere(three: Kernel, start_kernel: StartKernel, tmp_path: Path) -> None:
    """A stranger's result is not blessed before it is trusted; nothing of it is loaded."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    other = start_kernel(
        cwd=tmp_path, env={"JUPYTER_DATA_DIR": str(theirs), "JO_CONTEXT": str(tmp_path / "analysis.jo")}
    )
    cells(other, OTHER)
    text = check_one_error(other.run("%accept Clean", allow_error=True))
    assert "elsewhere" in text
    assert "From elsewhere, load as they are: Clean, Count, Load." in other.run("%load_ext jo_notebook\n%resume").stdout
    listed = other.run("%context trust").stdout
    assert "load without being trusted" in listed
    assert "Nothing is trusted yet: %context trust --yes trusts it." in listed
    assert "elsewhere" in other.run("%accept Clean", allow_error=True).error
    assert other.run("%context trust --yes").stdout.startswith("Trusted: ")
    assert other.run("%accept Clean").stdout.startswith("Accepted Clean")


def test_accept_below_what_will_run(three: Kernel, tmp_path: Path) -> None:
    """Its own edit is blessed; what comes out of the step above it still decides."""
    three.run("%%step Load\n" + body("Load", "[9, 9]"), "b")
    three.run(OTHER, "c")
    said = three.run("%accept Clean").stdout
    assert said == "Accepted Clean for today's code (code changed). It is still stale: upstream Load will run.\n"
    three.run("%materialize")
    assert runs(tmp_path) == ["Load", "Clean", "Count"]
    assert result(three.run("Clean")) == "[9]"


def test_accept_below_what_comes_out_the_same(three: Kernel, tmp_path: Path) -> None:
    """The step above it runs and gives what it gave: then the blessed result stands."""
    three.run("%%step Load\n" + body("Load", "list([3, 1, 2, 5])"), "b")
    three.run(OTHER, "c")
    three.run("%accept Clean")
    three.run("%materialize")
    assert runs(tmp_path) == ["Load"]
    assert result(three.run("Clean")) == "[3, 5]"
    assert states(three) == FRESH


def test_accept_only_what_waits(three: Kernel, tmp_path: Path) -> None:
    """Nothing of its own is different: there is nothing to bless, and the answer does not claim so."""
    three.run("%%step Load\n" + body("Load", "[9, 9]"), "b")
    said = three.run("%accept Clean").stdout
    assert "Accepted" not in said, said
    assert "upstream Load will run" in said


def test_accept_a_new_value_above(three: Kernel, tmp_path: Path) -> None:
    """What is above has run: its new value is blessed too."""
    three.run("%%step Load\n" + body("Load", "[9, 9]"), "b")
    three.run("%materialize Load")
    assert three.run("%accept Clean").stdout == "Accepted Clean for today's code (input Load has a new value).\n"
    assert states(three) == FRESH


def test_accept_files(lab_kernel: Kernel, tmp_path: Path) -> None:
    """A file that it reads and one that it writes were changed: blessed as they are; a later change counts."""
    (tmp_path / "in.txt").write_text("1")
    lab_kernel.run("%load_ext jo_notebook", "a")
    code = "open('out.txt', 'w').write('x')\nopen('in.txt').read()"
    lab_kernel.run(f"%%step A --run --reads in.txt --writes out.txt\n{code}", "b")
    (tmp_path / "in.txt").write_text("2")
    (tmp_path / "out.txt").write_text("y")
    said = lab_kernel.run("%accept A").stdout
    assert said == "Accepted A for today's code (file in.txt changed; file out.txt, which it writes, was changed).\n"
    assert states(lab_kernel) == {"A": "available"}
    (tmp_path / "out.txt").write_text("z")
    assert states(lab_kernel) == {"A": "stale"}
    (tmp_path / "out.txt").write_text("y")
    assert states(lab_kernel) == {"A": "available"}


def test_accept_a_file_that_is_gone(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Deleted on purpose after the run; the result stays."""
    (tmp_path / "in.txt").write_text("1")
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step A --run --reads in.txt\nopen('in.txt').read()", "b")
    (tmp_path / "in.txt").unlink()
    lab_kernel.run("%accept A")
    assert states(lab_kernel) == {"A": "available"}
    assert result(lab_kernel.run("%materialize A")) == "'1'"


def test_a_portable_copy_keeps_it(three: Kernel, tmp_path: Path) -> None:
    """What was decided is in the directory: a copy has it."""
    three.run(OTHER, "c")
    three.run("%accept Clean\n%unload_ext jo_notebook\n%reset -f")
    shutil.move(tmp_path / "analysis.jo", tmp_path / "moved.jo")
    three.run("import os\nos.environ['JO_CONTEXT'] = 'moved.jo'")
    cells(three, OTHER)
    assert states(three) == FRESH


# -- pin --------------------------------------------------------------------------------------------------


def test_pin(three: Kernel, tmp_path: Path) -> None:
    """Edits of its own and above leave it in force; it is shown with what it overrides; --off lets it go."""
    assert three.run("%pin Clean").stdout == (
        "Pinned: Clean. Their results stay in force whatever changes; --off lets them go.\n"
    )
    assert "Clean" in three.run("%explain Clean").stdout
    assert "It is pinned." in three.run("%explain Clean").stdout
    three.run(OTHER, "c")
    three.run(HELPER.replace("= 2", "= 4"), "h")
    assert states(three) == FRESH
    said = three.run("%explain Clean").stdout
    assert "It is pinned, although:\n" in said
    assert "  - code changed\n" in said
    assert "  - constant LIMIT: 2 → 4\n" in said
    (row,) = [line for line in three.run("%plan").stdout.splitlines() if " Clean " in line]
    assert "pinned" in row
    three.run("%%step Load\n" + body("Load", "[9, 9]"), "b")
    assert states(three) == {"Load": "stale", "Clean": "available", "Count": "available"}
    assert three.run("%materialize").stdout.startswith("Nothing to run")
    three.run("%materialize Load")
    assert states(three) == FRESH
    assert result(three.run("%materialize Count")) == "2"
    assert runs(tmp_path) == ["Load"]
    assert three.run("%pin --off Clean").stdout == (
        "Let go: Clean. Their results count by what they are made of again.\n"
    )
    assert states(three) == {"Load": "available", "Clean": "stale", "Count": "stale"}
    three.run("%materialize")
    assert runs(tmp_path)[:1] == ["Clean"]


def test_a_pin_survives(three: Kernel, tmp_path: Path) -> None:
    """A restart, running the cell again, another body."""
    three.run("%pin Clean")
    three.run(OTHER, "c")
    three.restart()
    three.run("%load_ext jo_notebook", "a")
    assert states(three) == FRESH
    assert "It is pinned" in three.run("%explain Clean").stdout
    cells(three, OTHER)
    assert states(three) == FRESH
    three.run(OTHER.replace("[:1]", "[:2]"), "c")
    assert states(three) == FRESH
    assert "It is pinned, although:\n  - code changed\n" in three.run("%explain Clean").stdout
    three.run("%pin Clean --off")
    three.restart()
    cells(three, OTHER)
    assert states(three)["Clean"] == "stale"
    assert runs(tmp_path) == []


def test_a_pin_survives_a_new_name_in_the_cell(three: Kernel, tmp_path: Path) -> None:
    """The cell is the identity: what was pinned stays pinned, with its result."""
    three.run("%pin Clean")
    three.run(OTHER, "c")
    three.run("%%step Tidy\n" + body("Clean", "big(Load)[:1]"), "c")
    assert states(three)["Tidy"] == "available"
    assert "It is pinned" in three.run("%explain Tidy").stdout


def test_force_runs_what_is_pinned(three: Kernel, tmp_path: Path) -> None:
    """And it stays pinned, with the new result."""
    three.run("%pin Clean")
    three.run(OTHER, "c")
    assert result(three.run("%materialize Clean --force")) == "[3]"
    assert runs(tmp_path) == ["Clean"]
    assert "It is pinned.\n" in three.run("%explain Clean").stdout
    three.run(CLEAN, "c")
    assert states(three)["Clean"] == "available"


def test_nothing_to_pin(three: Kernel) -> None:
    """One clear error; letting go of what is not pinned is fine."""
    three.run("%%step New\n1", "n")
    text = check_one_error(three.run("%pin New", allow_error=True))
    assert text == "New has no result to pin: run it first, with %materialize New."
    assert three.run("%pin --off New").stdout.startswith("Let go: New.")
    assert "Did you mean" in check_one_error(three.run("%pin Cleen", allow_error=True))


def test_a_pinned_result_that_is_forgotten(three: Kernel, tmp_path: Path) -> None:
    """There is nothing to keep any more: it runs, and the plan says so."""
    three.run("%pin Clean")
    three.run("%forget Clean")
    assert states(three)["Clean"] == "missing"
    assert result(three.run("%materialize Clean")) == "[3, 5]"
    assert runs(tmp_path) == ["Clean"]


def test_a_pin_keeps_an_old_result_from_coming_back(three: Kernel, tmp_path: Path) -> None:
    """Two results are kept; the pinned one stays although the other would be today's."""
    three.run(OTHER, "c")
    three.run("%materialize Clean")
    three.run("%pin Clean")
    three.run(CLEAN, "c")
    assert result(three.run("Clean")) == "[3]"
    three.run("%pin Clean --off")
    assert states(three)["Clean"] == "available"
    assert result(three.run("Clean")) == "[3, 5]"


def test_a_pin_of_the_notebook_holds_for_commands(three: Kernel, tmp_path: Path) -> None:
    """`jo plan` and `jo run` keep what was pinned in the notebook, and leave the pin where it is."""
    three.run("%pin Clean")
    three.run("%unload_ext jo_notebook\n%reset -f")
    notebook(tmp_path / "analysis.ipynb", "%load_ext jo_notebook", HELPER, LOAD, OTHER, COUNT)
    planned = jo("plan", "analysis.ipynb", cwd=tmp_path)
    assert "pinned" in planned.stdout
    assert jo("run", "analysis.ipynb", cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == []
    cells(three, OTHER)
    assert "It is pinned" in three.run("%explain Clean").stdout


def test_accept_what_is_pinned(three: Kernel) -> None:
    """What is said to be accepted is: it holds when the result is let go."""
    three.run("%pin Clean")
    three.run(OTHER, "c")
    said = three.run("%accept Clean").stdout
    three.run("%pin Clean --off")
    assert ("Accepted" in said) == (states(three)["Clean"] == "available"), said


# -- which result a name is -------------------------------------------------------------------------------


def test_a_cell_reads_the_result_that_is_todays(three: Kernel, tmp_path: Path) -> None:
    """Edit, run, undo: the earlier result is available again, and it is what the name gives, or the cell says so."""
    three.run(OTHER, "c")
    three.run("%materialize Clean")
    assert result(three.run("Clean")) == "[3]"
    three.run(CLEAN, "c")
    assert states(three)["Clean"] == "available"
    reading = three.run("Clean")
    assert result(reading) == "[3, 5]" or "Note" in reading.stdout, "the value of other code, without a word"


# -- force ------------------------------------------------------------------------------------------------


def test_force_is_recorded(three: Kernel) -> None:
    """Whether a run was asked for is part of the record; the next ordinary run takes it away."""
    ask = "p = %pipeline\n[p.context.record(n).forced for n in ('Load', 'Clean', 'Count')]"
    assert result(three.run(ask)) == "[False, False, False]"
    three.run("%materialize Clean --force")
    assert result(three.run(ask)) == "[False, True, False]"
    three.run(OTHER, "c")
    three.run("%materialize Clean")
    assert result(three.run(ask)) == "[False, False, False]"


# -- how long ---------------------------------------------------------------------------------------------


def test_expected_seconds(lab_kernel: Kernel) -> None:
    """The plan says how long a run takes, from those before it, also after a restart; the last twelve are kept."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step Slow\nimport time\ntime.sleep(1.1)", "b")
    assert "about" not in lab_kernel.run("%plan Slow").stdout
    lab_kernel.run("%materialize Slow")
    assert "about 1 s" in lab_kernel.run("%plan Slow --force").stdout
    lab_kernel.restart()
    lab_kernel.run("%load_ext jo_notebook", "a")
    assert "about 1 s" in lab_kernel.run("%plan Slow --force").stdout
    lab_kernel.run("%%step Slow\n1", "b")
    assert "about 1 s" in lab_kernel.run("%plan Slow").stdout
    lab_kernel.run("for n in range(14):\n    get_ipython().run_line_magic('materialize', 'Slow --force')")
    assert result(lab_kernel.run("p = %pipeline\nlen(p.context.record('Slow').history)")) == "12"
    assert "less than 1 s" in lab_kernel.run("%plan Slow --force").stdout
