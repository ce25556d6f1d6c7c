"""Several steps at once, on threads: no barrier, the same results as one after another, and what must run alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.events import Event
from jo_notebook.errors import RunInProgress, StepFailed, UsageError
from jo_notebook.store.context import Context
from jo_notebook.verbs import find, interrupted_text, perform
from tests.cases.making import Heard, Watched, notebook, step

TOGETHER = "import threading\nmeet = threading.Barrier(2)\n"
GATE = "import threading, time\ngate = threading.Event()\nbegun = threading.Event()\n"


def pipeline_of(steps: dict[str, str], code: str = "", place: Path | None = None) -> Watched:
    """Steps as name and body; their dependencies are the steps that they read."""
    pipeline = notebook(code, place)
    for name, text in steps.items():
        pipeline.add(step(name, text))
    return pipeline


# -- what starts when


@pytest.mark.parametrize("on_disk", [False, True])
def test_two_steps_run_at_once(on_disk: bool, tmp_path: Path) -> None:
    """Each waits for the other."""
    steps = {"A": "meet.wait(10)\n1", "B": "meet.wait(10)\n2", "C": "A + B"}
    pipeline = pipeline_of(steps, TOGETHER, tmp_path / "a.jo" if on_disk else None)
    assert pipeline.materialize("C", jobs=2) == 3
    assert pipeline.plan().to_run == ()


def test_there_is_no_barrier_between_levels() -> None:
    """What needs only Fast runs, and ends, while Slow of Fast's own level runs."""
    steps = {"Slow": "assert gate.wait(10)\n1", "Fast": "2", "After": "gate.set()\nFast", "End": "Slow + After"}
    pipeline = pipeline_of(steps, GATE)
    heard = Heard(pipeline)
    assert pipeline.materialize("End", jobs=2) == 3
    words = heard.words("started", "finished")
    assert words.index("started After") < words.index("finished Slow")
    assert words[-1] == "finished End"


@pytest.mark.parametrize("jobs", [2, 3])
def test_no_more_than_asked_for_run_at_once(jobs: int) -> None:
    code = "import threading, time\nlock, now, most = threading.Lock(), [0], [0]\n"
    code += "def work(number):\n    with lock:\n        now[0] += 1\n        most[0] = max(most[0], now[0])\n"
    code += "    time.sleep(0.03)\n    with lock:\n        now[0] -= 1\n    return number\n"
    pipeline = pipeline_of({f"S{n}": f"work({n})" for n in range(12)}, code)
    pipeline.materialize(jobs=jobs)
    assert pipeline.today.namespace["most"] == [jobs]


def test_the_ready_ones_start_in_the_order_of_the_plan() -> None:
    pipeline = pipeline_of({f"S{n}": f"import time; time.sleep(0.002); {n}" for n in range(9)})
    pipeline.materialize(jobs=2)
    started = [int(name[1:]) for name in pipeline.ran()]
    assert sorted(started) == list(range(9))
    assert all(abs(number - place) <= 1 for place, number in enumerate(started)), "two threads may race to say so"


def test_with_one_job_everything_is_as_ever() -> None:
    """On the thread that asked."""
    pipeline = pipeline_of(
        {"A": "import threading; threading.get_ident()", "B": "import threading; threading.get_ident()"}
    )
    assert set(pipeline.materialize().values()) == {threading.get_ident()}
    assert threading.get_ident() not in pipeline.materialize(jobs=2, force=True).values()


@pytest.mark.parametrize("jobs", [0, -1, 257, 10**9, "2", 1.5, True])
def test_a_number_of_jobs_that_makes_no_sense(jobs: Any) -> None:
    pipeline = pipeline_of({"A": "1"})
    with pytest.raises(UsageError, match=r"jobs make no sense: say a number from 1 to 256"):
        pipeline.materialize(jobs=jobs)
    assert pipeline.ran() == []


def test_jobs_of_the_verb_and_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"A": "meet.wait(10)\n1", "B": "meet.wait(10)\n2", "C": "A + B"}
    verb = find("materialize")
    assert perform(pipeline_of(steps, TOGETHER), verb, "C --jobs 2", "").value == 3
    monkeypatch.setenv("JO_JOBS", "2")
    assert perform(pipeline_of(steps, TOGETHER), verb, "C", "").value == 3
    with pytest.raises(UsageError, match="0 jobs"):
        perform(pipeline_of(steps), verb, "C --jobs 0", "")
    with pytest.raises(UsageError, match="--jobs"):
        perform(pipeline_of(steps), verb, "C --jobs many", "")
    monkeypatch.setenv("JO_JOBS", "many")
    with pytest.raises(UsageError, match="JO_JOBS=many is not understood"):
        notebook()


# -- events, logs, hidden inputs: to whom they belong


def test_events_come_from_one_thread_in_order() -> None:
    pipeline = pipeline_of(
        {**{f"S{n}": f"print({n}); {n}" for n in range(20)}, "T": " + ".join(f"S{n}" for n in range(20))}
    )
    threads: set[int] = set()
    pipeline.listen(lambda event: threads.add(threading.get_ident()))
    heard = Heard(pipeline)
    pipeline.materialize("T", jobs=4, echo=False)
    assert threads == {threading.get_ident()}
    for name in pipeline.dag:
        mine = [str(event.kind) for event in heard.events if event.step == name]
        assert [word for word in mine if word != "output"] == ["queued", "started", "finished"]
        assert mine[-1] == "finished"
    assert heard.words("started", "finished")[-2:] == ["started T", "finished T"]
    assert heard.words()[-2:] == ["ended", "changed"]
    assert (pipeline.running, pipeline.queued) == (frozenset(), frozenset())


def test_each_step_has_its_own_log() -> None:
    """Also what its own threads print."""
    body = (
        "import threading\nfor i in range(20):\n    print('{0}', i)\n    time.sleep(0.0005)\n"
        "thread = threading.Thread(target=print, args=('{0}', 'from a thread'))\nthread.start()\nthread.join()"
    )
    names = ("A", "B", "C", "D")
    pipeline = pipeline_of({name: body.format(name) for name in names}, "import time")
    pipeline.materialize(jobs=4, echo=False)
    for name in names:
        rows = "".join(entry.text for entry in pipeline.log(name)).splitlines()
        assert rows[:20] == [f"{name} {i}" for i in range(20)]
        assert not [row for row in rows if not row.startswith(name)]


def test_hidden_inputs_belong_to_who_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B"):
        Path(f"{name}.csv").write_text(name)
        monkeypatch.setenv(f"JO_TEST_{name}", name)
    body = "import os, pathlib\nmeet.wait(10)\ntext = pathlib.Path('{0}.csv').read_text()\n"
    body += "text += os.environ['JO_TEST_{0}']\nmeet.wait(10)\ntext"
    pipeline = pipeline_of({name: body.format(name) for name in ("A", "B")}, TOGETHER, tmp_path / "a.jo")
    heard = Heard(pipeline)
    pipeline.materialize(jobs=2)
    for name in ("A", "B"):
        hidden = [(kind, what) for kind, what, _ in pipeline.context.records[name].hidden]
        assert hidden == [("file", f"{name}.csv"), ("env", f"JO_TEST_{name}")]
    told = [event.text for event in heard.events if event.kind == "warning" and "declare" in event.text]
    assert sorted(told) == [
        "A opened A.csv: declare it with --reads A.csv",
        "A read the environment: declare it with --env JO_TEST_A",
        "B opened B.csv: declare it with --reads B.csv",
        "B read the environment: declare it with --env JO_TEST_B",
    ]


def test_names_that_are_brought_back_for_one_step_are_not_anothers(tmp_path: Path) -> None:
    """In a fresh kernel whose cells have not run: while A runs, what B needs is put in its place."""
    code = GATE + "def helper(x):\n    return x + 1\n"
    steps = {"A": "assert begun.wait(10)\n1", "B": "begun.set()\nhelper(2)"}
    pipeline_of(steps, code, tmp_path / "a.jo").materialize("B", "A", jobs=2)
    pipeline = notebook(GATE, tmp_path / "a.jo")
    pipeline.take_in()
    assert "helper" not in pipeline.today.namespace
    assert dict(pipeline.materialize(jobs=2, force=True)) == {"A": 1, "B": 3}
    assert "helper" in pipeline.today.namespace
    assert [row for row in pipeline.context.records["A"].hidden if row[0] == "global"] == []


def test_a_step_cannot_start_a_run() -> None:
    pipeline = pipeline_of({"A": "pipeline.materialize('B')", "B": "2"})
    pipeline.today.namespace["pipeline"] = pipeline
    with pytest.raises(StepFailed) as caught:
        pipeline.materialize(jobs=2)
    assert isinstance(caught.value.__cause__, RunInProgress)
    assert "A step cannot start a run" in str(caught.value)


# -- failures


def test_a_failure_blocks_what_needs_it_and_nothing_else() -> None:
    pipeline = pipeline_of({"A": "1 / 0", "B": "A", "C": "B", "D": "4", "E": "D + 1", "F": "C, E"})
    heard = Heard(pipeline)
    with pytest.raises(StepFailed) as caught:
        pipeline.materialize(jobs=3)
    assert caught.value.step == "A"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert pipeline.outcome is not None
    assert pipeline.outcome.blocked == {"B": "A", "C": "A", "F": "A"}
    assert pipeline.outcome.finished == ["D", "E"]
    assert heard.words("cancelled") == []
    assert "ZeroDivisionError" in pipeline.log("A")[-1].text


def test_the_first_failure_of_the_plan_is_raised() -> None:
    """Whichever came first."""
    pipeline = pipeline_of({"A": "assert gate.wait(10)\n1 / 0", "B": "gate.set()\n[][1]"}, GATE)
    with pytest.raises(StepFailed, match=r"^A failed.* So did B\.$") as caught:
        pipeline.materialize(jobs=2)
    assert caught.value.step == "A"


def test_fail_fast_starts_nothing_new_and_waits_for_what_runs() -> None:
    steps = {"A": "assert begun.wait(10)\n1 / 0", "B": "begun.set()\ntime.sleep(0.8)\n2", "C": "3", "D": "B"}
    pipeline = pipeline_of(steps, GATE)
    heard = Heard(pipeline)
    with pytest.raises(StepFailed):
        pipeline.materialize(jobs=2, fail_fast=True)
    assert heard.words("started", "cancelled") == ["started A", "started B", "cancelled C", "cancelled D"]
    assert pipeline.context["B"] == 2


@pytest.mark.parametrize("body", ["raise SystemExit(3)", "raise GeneratorExit", "raise BaseException('odd')"])
def test_whatever_a_step_raises_is_its_failure(body: str) -> None:
    pipeline = pipeline_of({"A": body, "B": "2", "C": "3"})
    with pytest.raises(StepFailed):
        pipeline.materialize(jobs=2)
    assert pipeline.context["B"] == 2


def test_early_cutoff() -> None:
    steps = {"A": "1", **{f"S{n}": f"A + {n}" for n in range(5)}, "T": "S0 + S4"}
    pipeline = pipeline_of(steps)
    pipeline.materialize(jobs=3)
    pipeline.ran()
    pipeline.add(step("A", "2 - 1"))
    pipeline.add(step("Other", "5"))
    pipeline.materialize(jobs=3)
    assert sorted(pipeline.ran()) == ["A", "Other"]
    assert pipeline.outcome is not None
    assert pipeline.outcome.kept == ["S0", "S1", "S2", "S3", "S4", "T"]
    assert pipeline.plan().to_run == ()


# -- values that somebody changes


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_step_that_changes_its_input_beside_others_harms_nobody(on_disk: bool, tmp_path: Path) -> None:
    """While both had it: who changed it nobody can tell, so each runs again, alone, over a whole one."""
    steps = {
        "A": "[1, 2]",
        "Bad": "meet.wait(10) if meet.n_waiting < 2 and not done else None\nA.append(3)\ndone.append(1)\nlen(A)",
        "Good": "meet.wait(10) if not done else None\nwhile not done: pass\nsum(A)",
        "End": "(Bad, Good, sum(A))",
    }
    code = TOGETHER + "done = []\n"
    pipeline = pipeline_of(steps, code, tmp_path / "a.jo" if on_disk else None)
    for name in ("Bad", "Good"):
        pipeline.add(replace(pipeline.dag[name], ignore=("done", "meet")))
    assert pipeline.materialize("End", jobs=2) == (3, 3, 3)
    assert pipeline.outcome is not None
    assert any("Bad changed its input A" in text for text in pipeline.outcome.warnings)
    assert pipeline.plan().to_run == ()


def test_a_damaged_input_runs_again(tmp_path: Path) -> None:
    steps = {"A": "1", "B": "A + 1", "C": "A + 2"}
    pipeline_of(steps, place=tmp_path / "a.jo").materialize("A")
    for path in (tmp_path / "a.jo").glob("*/a-*/[0-9]*"):
        data = bytearray(path.read_bytes())
        data[128] ^= 255
        path.write_bytes(data)
    pipeline = pipeline_of(steps, place=tmp_path / "a.jo")
    assert dict(pipeline.materialize("B", "C", jobs=2)) == {"B": 2, "C": 3}
    assert pipeline.ran().count("A") == 1


# -- what must run alone


def overlaps(pipeline: Watched, **options: Any) -> dict[str, set[str]]:
    """Which steps ran beside which."""
    found: dict[str, set[str]] = {}
    now: set[str] = set()

    def hear(event: Event) -> None:
        if event.kind == "started":
            for other in now:
                found.setdefault(other, set()).add(event.step)
                found.setdefault(event.step, set()).add(other)
            now.add(event.step)
        elif event.kind in ("finished", "failed", "cancelled"):
            now.discard(event.step)

    pipeline.listen(hear)
    pipeline.materialize(**options)
    return found


def test_a_seeded_step_runs_alone_and_gives_the_same() -> None:
    def made() -> Watched:
        pipeline = pipeline_of({f"S{n}": "time.sleep(0.01)\n1" for n in range(4)}, "import random, time")
        for n in range(2):
            pipeline.add(replace(step(f"R{n}", "time.sleep(0.01)\n[random.random() for _ in range(3)]"), seed=n))
        pipeline.add(replace(step("Chance", "random.random()")))
        return pipeline

    first, second = made(), made()
    first.materialize()
    beside = overlaps(second, jobs=4)
    assert not {"R0", "R1", "Chance"} & beside.keys()
    assert beside["S0"] >= {"S1"}
    assert [second.context[name] for name in ("R0", "R1")] == [first.context[name] for name in ("R0", "R1")]


def test_what_runs_alone_runs_on_the_thread_that_asked() -> None:
    pipeline = pipeline_of({"A": "1", "B": "2", "S": "import os, threading\nos.chdir('.')\nthreading.get_ident()"})
    assert pipeline.materialize("S", "A", "B", jobs=3)["S"] == threading.get_ident()


# -- interrupts


def interrupted(pipeline: Watched, **options: Any) -> Heard:
    """Materializes until a step of it interrupts the main thread."""
    heard = Heard(pipeline)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize(jobs=3, **options)
    assert time.monotonic() - began < 8
    assert (pipeline.running, pipeline.queued, pipeline.is_running) == (frozenset(), frozenset(), False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return heard


SPIN = "begun.set()\nwhile True: time.sleep(0.01)\n"


def test_an_interrupt_stops_what_runs_and_keeps_what_is_finished(tmp_path: Path) -> None:
    steps = {"A": "1", "Spin": SPIN, "Sit": f"A\nassert begun.wait(10)\nkill()\n{SPIN}", "Z": "Sit", "Y": "Spin"}
    code = GATE + "import os\ndef kill(): os.kill(os.getpid(), 2)\n"
    pipeline = pipeline_of(steps, code, tmp_path / "a.jo")
    heard = interrupted(pipeline)
    assert heard.words("finished") == ["finished A"]
    assert sorted(heard.words("cancelled")) == ["cancelled Sit", "cancelled Spin", "cancelled Y", "cancelled Z"]
    assert heard.words("failed", "warning") == []
    assert Context(tmp_path / "a.jo")["A"] == 1
    assert list((tmp_path / "a.jo" / "running").iterdir()) == []
    assert interrupted_text(pipeline) == "Interrupted. What was finished is kept."


def test_a_step_that_makes_something_of_its_interrupt_is_kept(tmp_path: Path) -> None:
    """As one that ends its training early and gives the model as it is."""
    code = GATE + "import os\ndef kill(): os.kill(os.getpid(), 2)\n"
    body = "try:\n    begun.set()\n    while True: time.sleep(0.01)\nexcept KeyboardInterrupt:\n    pass\n'as it is'"
    pipeline = pipeline_of({"Early": body, "Kill": "assert begun.wait(10)\nkill()\n1", "Next": "Early"}, code)
    heard = interrupted(pipeline)
    assert pipeline.context["Early"] == "as it is"
    assert "cancelled Next" in heard.words("cancelled")


def test_a_step_that_does_not_stop_is_left_behind(tmp_path: Path) -> None:
    """Its result is not kept, not even when it is there, and nobody waits for its claim."""
    code = GATE + "import os\nover = threading.Event()\ndef kill(): os.kill(os.getpid(), 2)\n"
    body = "begun.set()\ntry:\n    gate.wait(20)\nfinally:\n    over.set()\n5"
    steps = {"Deaf": body, "Kill": "assert begun.wait(10)\nkill()\n1", "Next": "Deaf"}
    pipeline = pipeline_of(steps, code, tmp_path / "a.jo")
    pipeline.grace = 0.3
    heard = interrupted(pipeline)
    (warning,) = [event.text for event in heard.events if event.kind == "warning" and "stop" in event.text]
    assert warning == "Deaf does not stop: its thread was left behind, and what it makes is not kept"
    assert warning in interrupted_text(pipeline)
    assert sorted(heard.words("cancelled")) == ["cancelled Deaf", "cancelled Next"]
    pipeline.today.namespace["gate"].set()
    assert pipeline.today.namespace["over"].wait(10)
    time.sleep(0.1)
    assert "Deaf" not in Context(tmp_path / "a.jo").records
    assert heard.words()[-2:] == ["ended", "changed"]
    assert pipeline.materialize("Next", jobs=2) == 5


def test_a_step_that_runs_alone_is_interrupted() -> None:
    code = GATE + "import os\ndef kill(): os.kill(os.getpid(), 2)\n"
    pipeline = pipeline_of({"A": "1", "B": "2", "S": "threading.Timer(0.1, kill).start()\ntime.sleep(20)"}, code)
    pipeline.add(replace(pipeline.dag["S"], seed=1))
    heard = interrupted(pipeline)
    assert heard.words("finished", "cancelled")[-1] == "cancelled S"
    assert pipeline.outcome is not None
    assert pipeline.outcome.finished == ["A", "B"]


def test_a_listener_that_interrupts() -> None:
    pipeline = pipeline_of({"A": "1", "B": SPIN, "C": SPIN}, GATE)

    def hear(event: Event) -> None:
        if f"{event.kind} {event.step}" == "finished A":
            raise KeyboardInterrupt

    pipeline.listen(hear)
    heard = interrupted(pipeline)
    assert sorted(heard.words("cancelled")) == ["cancelled B", "cancelled C"]


# -- claims between kernels


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_a_claim_that_waits_holds_up_nobody(tmp_path: Path) -> None:
    """Also where it waits in the only place that is free: whoever waits gives its place away."""
    pipeline = pipeline_of(
        {"A": "1", "B": "gate.set()\n2", "C": "B + 1", "D": "C + 1", "E": "A"}, GATE, tmp_path / "a.jo"
    )
    pipeline_of({"Z": "0"}, place=tmp_path / "a.jo").materialize()
    other = Context(tmp_path / "a.jo")
    claim = other.claim("A", "", waiting=pytest.fail)
    claim.__enter__()
    heard = Heard(pipeline)
    told: set[str] = set()
    is_free: list[bool] = []

    def hear(event: Event) -> None:
        told.add(f"{event.kind} {event.step}")
        if told >= {"claimed A", "finished D"} and not is_free:
            is_free.append(True)
            claim.__exit__(None, None, None)

    pipeline.listen(hear)
    assert dict(pipeline.materialize(jobs=2)) == {"D": 4, "E": 1}
    words = heard.words("claimed", "started", "finished")
    assert words.count("claimed A") == 1
    assert words.index("finished D") < words.index("started A")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_a_claim_that_waits_is_called_off_by_a_failure(tmp_path: Path) -> None:
    pipeline = pipeline_of({"A": "1", "B": "time.sleep(0.3)\n1 / 0", "C": "3"}, GATE, tmp_path / "a.jo")
    pipeline_of({"Z": "0"}, place=tmp_path / "a.jo").materialize()
    with Context(tmp_path / "a.jo").claim("A", "", waiting=pytest.fail), pytest.raises(StepFailed, match="B failed"):
        pipeline.materialize(jobs=2, fail_fast=True)
    assert "A" not in pipeline.context


# -- the same as one after another


def graph_at_random(seed: int) -> dict[str, str]:
    """Steps that add, fail, print, come out the same as others, and (odd seeds) change what they are given.

    Where nothing is on disk, what was changed is gone; who then runs it again depends on the order.
    """
    dice = random.Random(seed)
    steps: dict[str, str] = {}
    for number in range(dice.randint(2, 24)):
        above = dice.sample(sorted(steps), min(len(steps), dice.choice([0, 1, 1, 2, 3])))
        total = " + ".join([str(dice.randint(0, 3)), *(f"len({name})" for name in above)])
        body = f"print('S{number}')\n[0] * ({total})"
        if above and seed % 2 and dice.random() < 0.1:
            body = f"{above[0]}.append(1)\n[0] * len({above[0]})"
        if dice.random() < 0.08:
            body = f"1 / 0 if [{', '.join(above)}] is not None else 0"
        if dice.random() < 0.3:
            body = f"pause()\n{body}"
        steps[f"S{number}"] = body
    return steps


def story(pipeline: Watched, **options: Any) -> dict[str, Any]:
    """All that is left of a run."""
    try:
        pipeline.materialize(echo=False, **options)
        failure = ""
    except StepFailed as error:
        failure = str(error)
    outcome = pipeline.outcome
    assert outcome is not None
    records = pipeline.context.records
    return {
        "failure": failure,
        "states": {d.step: (d.availability, [r.text for r in d.reasons]) for d in pipeline.plan()},
        "records": {n: (r.version, r.fingerprint.key, r.hidden, r.files, r.forced) for n, r in records.items()},
        "outcome": (set(outcome.finished), outcome.kept, outcome.blocked, list(outcome.failed)),
        "logs": {name: [entry.text for entry in pipeline.log(name)] for name in records},
    }


@pytest.mark.parametrize("seed", range(40))
def test_a_graph_at_random_comes_out_the_same(seed: int, tmp_path: Path) -> None:
    code = "import time\ndef pause(): time.sleep(0.001)\n"
    steps = graph_at_random(seed)
    on_disk = seed % 2
    one = pipeline_of(steps, code, tmp_path / "one.jo" if on_disk else None)
    four = pipeline_of(steps, code, tmp_path / "four.jo" if on_disk else None)
    for _ in range(2):
        assert story(four, jobs=4) == story(one)
        changed = random.Random(seed).choice(sorted(steps))
        for pipeline in (one, four):
            pipeline.add(step(changed, "[0, 0]"))


@pytest.mark.parametrize("runs", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_many_trivial_steps(runs: int, tmp_path: Path) -> None:
    for number in range(runs):
        dice = random.Random(number)
        names = [f"S{n}" for n in range(300)]
        steps = {
            name: " + ".join(["1", *dice.sample(names[max(0, n - 20) : n], min(n, dice.randint(0, 3)))])
            for n, name in enumerate(names)
        }
        place = tmp_path / f"{number}.jo"
        pipeline = pipeline_of(steps, place=place)
        pipeline.materialize(jobs=8)
        assert len(pipeline.ran()) == 300
        assert pipeline.plan().to_run == ()
        again = pipeline_of(steps, place=place)
        again.materialize(jobs=8)
        assert again.ran() == []
        values: dict[str, int] = {}
        for name in names:
            values[name] = eval(steps[name], {}, values)
        assert {name: again.context[name] for name in names} == values


TWO = """
import sys
from tests.engine.test_jobs import pipeline_of
place, mark = sys.argv[1:]
note = f"open({mark!r}, 'a').write('{{0}}\\\\n')"
body = lambda n: f"import time; time.sleep(0.005)\\n{note.format(n)}\\n{n}" + (f" + S{n - 5}" if n > 4 else "")
steps = {f"S{n}": body(n) for n in range(40)}
pipeline = pipeline_of(steps, place=__import__("pathlib").Path(place))
pipeline.materialize(jobs=4, echo=False)
assert pipeline.context["S39"] == sum(range(4, 40, 5)), pipeline.context["S39"]
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_two_processes_with_jobs_on_one_store(tmp_path: Path) -> None:
    """Each step runs once between them."""
    words = [sys.executable, "-c", TWO, str(tmp_path / "a.jo"), str(tmp_path / "ran")]
    both = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=os.getcwd()) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    ran = (tmp_path / "ran").read_text().split()
    assert sorted(ran, key=int) == [str(n) for n in range(40)]
