"""Results from elsewhere, as a user meets them: in plans, pictures, runs, the verb and the command line."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections import UserList
from pathlib import Path

import pytest

from jo_notebook.context_verb import CONTEXT_VERB, found_text
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.plan import Availability
from jo_notebook.core.source import parse_source
from jo_notebook.errors import StoreError, UntrustedError, UsageError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.verbs import perform
from jo_notebook.views.diagram import details, mermaid, svg
from jo_notebook.views.page import hint_html
from jo_notebook.views.state import graph_state
from jo_notebook.views.text import explain_text, plan_text, step_line, steps_text


def step(name: str, body: str, *parents: str) -> Definition:
    return Definition(name, parse_source(body), tuple(Dependency(p, p) for p in parents))


# what a user's class makes is a pickle; plain data are not
PICKLED = "__import__('collections').UserList"
STEPS = (
    step("Plain", "'from afar'"),
    step("Rich", f"{PICKLED}([1, 2])"),
    step("Both", f"{PICKLED}([Plain, len(Rich)])", "Plain", "Rich"),
)
ANSWER = UserList(["from afar", 2])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that somebody else has made; from now on we are another user."""
    place = tmp_path / "analysis.jo"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "theirs"))
    theirs = Pipeline(Context(place))
    for definition in STEPS:
        theirs.add(definition)
    theirs.materialize()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "ours"))
    return place


def ours(place: Path, *own: Definition) -> Pipeline:
    pipeline = Pipeline.open(place)
    for definition in own:
        pipeline.add(definition)
    return pipeline


def say(pipeline: Pipeline, line: str) -> str:
    return perform(pipeline, CONTEXT_VERB, line, "%context").text


def test_marked_everywhere(place: Path):
    pipeline = ours(place, *STEPS)
    plan = pipeline.plan("Both")
    assert [(d.step, d.availability, d.elsewhere) for d in plan] == [
        ("Plain", Availability.AVAILABLE, "data"),
        ("Rich", Availability.AVAILABLE, "code"),
        ("Both", Availability.AVAILABLE, "code"),
    ]
    for told in (plan_text(plan), steps_text(plan, pipeline.context.records)):
        assert [line for line in told.splitlines() if line.endswith("; from elsewhere")]
        assert told.count("from elsewhere, not trusted") == 2
    assert "from elsewhere" in step_line(plan["Plain"], ())
    assert "It is from elsewhere." in explain_text(plan["Plain"])
    state = graph_state(plan)
    assert [node.note for node in state.nodes] == ["from elsewhere", *["from elsewhere, not trusted"] * 2]
    for picture in (svg(state), details(state.nodes[0]), hint_html(state, "Rich")):
        assert "from elsewhere" in picture
    mermaid(state)
    assert found_text(pipeline).splitlines()[1:] == [
        "From elsewhere, load as they are: Plain.",
        "From elsewhere, wait for %context trust: Both, Rich. It lists them first; trusting lets their code run.",
    ]


def test_data_load_and_code_waits(place: Path):
    pipeline = ours(place, *STEPS)
    assert pipeline.materialize("Plain") == "from afar"
    assert pipeline.outcome is not None
    assert pipeline.outcome.loaded == ["Plain"]
    assert pipeline.plan("Plain")["Plain"].elsewhere == "data"
    with pytest.raises(UntrustedError, match="Both was made elsewhere"):
        pipeline.materialize("Both")
    pipeline.materialize("Rich", force=True)
    assert pipeline.plan()["Rich"].elsewhere == ""
    assert pipeline.materialize("Both", force=True) == ANSWER
    assert pipeline.outcome.finished == ["Both"]
    assert pipeline.context.untrusted == {"Plain"}


def test_data_of_a_stranger_are_inputs(place: Path):
    pipeline = ours(place, STEPS[0], step("Long", "len(Plain)", "Plain"))
    assert pipeline.materialize("Long") == 9
    assert pipeline.outcome is not None
    assert (pipeline.outcome.loaded, pipeline.outcome.finished) == (["Plain"], ["Long"])


def test_a_foreign_definition_is_not_run_for_its_data(place: Path):
    """Its result loads; when that is gone, nobody runs the stranger's code."""
    pipeline = ours(place)
    assert pipeline.materialize("Plain") == "from afar"
    pipeline.context.forget("Plain")
    with pytest.raises(UntrustedError):
        pipeline.materialize("Plain")
    with pytest.raises(UntrustedError):
        pipeline.materialize("Plain", force=True)


def test_data_that_are_not_what_their_record_says(place: Path):
    """A stranger cannot pass one value off as another: the version is looked at when the value is used."""
    from jo_notebook.store.saving import save_result
    from jo_notebook.store.snapshots import copy_result

    context = Context(place)
    liar = Context(place.with_name("liar.jo"))
    with pytest.MonkeyPatch.context() as change:
        change.setenv("JUPYTER_DATA_DIR", str(place.parent / "theirs"))
        other = Context(place.with_name("other.jo"))
        save_result(other._disk, context.records["Plain"], "a lie", ())  # type: ignore[arg-type]
        other.refresh()
    other = Context(place.with_name("other.jo"))
    copy_result(other._disk, other._known.disk_results["Plain"], liar._disk)  # type: ignore[arg-type]
    pipeline = ours(liar.place, STEPS[0])  # type: ignore[arg-type]
    assert pipeline.plan()["Plain"].availability is Availability.AVAILABLE
    assert pipeline.materialize("Plain") == "from afar"
    assert pipeline.outcome is not None
    assert pipeline.outcome.finished == ["Plain"]
    assert "not what its file says" in pipeline.outcome.warnings[0]


def test_the_verb_lists_before_it_trusts(place: Path):
    pipeline = ours(place, *STEPS)
    for _ in range(2):
        told = say(pipeline, "trust")
        assert told.endswith("Nothing is trusted yet: %context trust --yes trusts it.")
    assert pipeline.context.untrusted == {"Plain", "Rich", "Both"}
    assert say(pipeline, "trust Rich").endswith("%context trust Rich --yes trusts it.")
    with pytest.raises(UsageError, match="Did you mean Rich"):
        say(pipeline, "trust Rch --yes")
    assert say(pipeline, "trust Rich --yes") == "Trusted: Rich."
    assert pipeline.context.untrusted == {"Plain", "Both"}
    assert say(pipeline, "trust Rich") == "There is nothing from elsewhere here."
    assert say(pipeline, "trust Plain,Both --yes") == "Trusted: Both, Plain."
    assert pipeline.materialize("Both") == ANSWER
    with pytest.raises(UsageError, match="does not know --yes"):
        say(pipeline, "verify --yes")


def test_what_is_not_whole_is_told_when_it_is_not_signed(place: Path):
    (path,) = place.glob("results/rich-*/1")
    raw = bytearray(path.read_bytes())
    raw[130] ^= 1
    path.write_bytes(raw)
    pipeline = ours(place, *STEPS)
    assert say(pipeline, "trust --yes").endswith("Not signed, because it is not whole: Rich.")


def test_store_and_load_by_the_verb(place: Path, tmp_path: Path):
    pipeline = ours(place)
    told = say(pipeline, f"store '{tmp_path / 'snap shot.zip'}' Plain")
    assert told == f"Stored 1 result in {tmp_path / 'snap shot.zip'}: Plain."
    with pytest.raises(StoreError, match="is there already"):
        say(pipeline, f"store '{tmp_path / 'snap shot.zip'}'")
    say(pipeline, f"store '{tmp_path / 'snapshot'}'")
    mine = Pipeline(Context(tmp_path / "mine.jo"))
    mine.add(STEPS[0])
    told = say(mine, f"load '{tmp_path / 'snapshot'}'")
    assert told.splitlines() == [
        "Took in 3 results: Both, Plain, Rich.",
        "Steps that no cell had defined: Both, Rich.",
        "From elsewhere, load as they are: Plain.",
        "From elsewhere, wait for %context trust: Both, Rich. It lists them first; trusting lets their code run.",
    ]
    assert mine.dag["Plain"].trusted
    assert not mine.dag["Both"].trusted
    assert mine.materialize("Plain") == "from afar"
    assert "Plain is left where it was: it is here already." in say(mine, f"load '{tmp_path / 'snapshot'}'")
    for line, hint in (("store", "for instance"), ("load", "for instance")):
        with pytest.raises(UsageError, match=hint):
            say(mine, line)


def test_hostile_orders_of_definitions(tmp_path: Path):
    """A stranger's file decides nothing about whether a context opens."""
    context = Context(tmp_path / "a.jo")
    pipeline = Pipeline(context)
    for definition in STEPS:
        pipeline.add(definition)
    for number, order in enumerate(("x", None, [1], {}, float("nan"), 10**400)):
        data = {**STEPS[0].to_json(), "name": f"S{number}", "order": order}
        context.save_definition(f"S{number}", data)
    assert len(Pipeline.open(tmp_path / "a.jo").dag) == 6


def jo(*words: str, cwd: Path, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jo_notebook.cli", *words]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=60, stdin=stdin or subprocess.DEVNULL, check=False
    )


def test_the_command_line(place: Path, tmp_path: Path):
    """trust, store and load, by notebook or directory, without a kernel."""
    (tmp_path / "analysis.ipynb").write_text("not even read")
    asked = jo("trust", "analysis.ipynb", cwd=tmp_path)
    assert (asked.returncode, asked.stderr) == (2, "jo: Say --yes to trust these.\n")
    assert asked.stdout.endswith("Nothing is trusted yet: jo trust analysis.ipynb --yes trusts it.\n")
    assert asked.stdout.count("runs code") >= 5
    done = jo("trust", "analysis.jo", "Rich", "--yes", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Trusted: Rich.\n", "")
    done = jo("store", "analysis.ipynb", "snapshot.zip", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"Stored 3 results in {tmp_path}/snapshot.zip: Both, Plain, Rich.\n")
    done = jo("store", "analysis.ipynb", "snapshot.zip", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    done = jo("load", "new.ipynb", "snapshot.zip", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Took in 3 results: Both, Plain, Rich.")
    assert Context(tmp_path / "new.jo").untrusted == {"Plain", "Both"}
    assert jo("trust", "analysis.jo", "--yes", cwd=tmp_path).stdout == "Trusted: Both, Plain.\n"
    done = jo("trust", "analysis.jo", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "There is nothing from elsewhere here.\n")
    for words in (["trust", "nowhere.jo"], ["trust"], ["store", "analysis.jo"], ["load", "analysis.jo", "--yes"]):
        assert jo(*words, cwd=tmp_path).returncode == 2, words
    assert jo("trust", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("", 3), ("no", 3), ("maybe", 3)])
def test_a_terminal_is_asked(place: Path, tmp_path: Path, answer: str, left: int):
    ours_end, theirs_end = pty.openpty()
    command = [sys.executable, "-m", "jo_notebook.cli", "trust", "analysis.jo"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=theirs_end, stdout=theirs_end, stderr=theirs_end)
    os.close(theirs_end)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours_end, 4096)
    os.write(ours_end, answer.encode() + b"\n")
    try:
        while more := os.read(ours_end, 4096):
            said += more
    except OSError:
        pass
    os.close(ours_end)
    assert process.wait(timeout=30) == 0
    assert b"runs code" in said
    assert len(Context(place).untrusted) == left
