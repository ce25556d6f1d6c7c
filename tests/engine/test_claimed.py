"""A run beside other kernels' runs: what they make meanwhile is taken where it is right, and waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jo_notebook.context_verb import found_text
from jo_notebook.core.events import Event, EventKind
from jo_notebook.engine.progress import Progress
from jo_notebook.errors import StepFailed
from jo_notebook.store.context import Context
from jo_notebook.store.names import stem_of
from jo_notebook.store.owners import Owner
from jo_notebook.verbs import outcome_text
from tests.cases.making import Heard, Watched, notebook, step

pytest.importorskip("fcntl", reason="this system has no locks of this kind")

CHAIN = {"A": "1", "B": "A + 1", "C": "B + 1"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "analysis.jo"


def kernel(place: Path, steps: dict[str, str] = CHAIN, **changes: str) -> Watched:
    """A pipeline of its own over the same place, as another kernel has one."""
    made = notebook(place=place)
    for name, text in {**steps, **changes}.items():
        made.add(step(name, text))
    return made


def newest(place: Path) -> Path:
    """The file of B's result."""
    return max(place.glob("*/b-*/[0-9]*"), key=lambda path: int(path.name))


def spoil(place: Path) -> None:
    """Injures B's value, and leaves its story whole."""
    data = bytearray(newest(place).read_bytes())
    data[128] ^= 255  # after the magic and an empty log
    newest(place).write_bytes(data)


def meanwhile(pipeline: Watched, when: str, act: Callable[[], object]) -> None:
    """Does something once, when the pipeline tells an event such as "finished A"."""
    done: list[bool] = []

    def hear(event: Event) -> None:
        if f"{event.kind} {event.step}" == when and not done:
            done.append(True)
            act()

    pipeline.listen(hear)


def test_what_another_kernel_made_meanwhile_is_not_run(place: Path) -> None:
    first, second = kernel(place), kernel(place)
    heard = Heard(first)
    meanwhile(first, "finished A", lambda: second.materialize("B"))
    assert first.materialize("C") == 3
    assert (first.ran(), second.ran()) == (["A", "C"], ["B"])
    assert heard.words("kept", "finished") == ["finished A", "kept B", "finished C"]
    assert "B not run here: another kernel made it." in outcome_text(first)
    assert first.problems == []
    assert first.plan().to_run == ()


def test_a_head_that_another_kernel_made_is_loaded(place: Path) -> None:
    first, second = kernel(place), kernel(place)
    meanwhile(first, "finished A", lambda: second.materialize("C"))
    assert first.materialize("C") == 3
    assert (first.ran(), second.ran()) == (["A"], ["B", "C"])
    assert first.context.held("C") == "memory"
    assert "B, C not run here: another kernel made them. 1 loaded from disk." in outcome_text(first)


def test_an_edit_that_another_kernel_has_made_before_is_taken(place: Path) -> None:
    """Both had the old result; both have the new code."""
    kernel(place).materialize("C")
    first, second = kernel(place, B="A + 10"), kernel(place, B="A + 10")
    meanwhile(first, "queued C", lambda: second.materialize("C"))
    assert first.materialize("C") == 12
    assert (first.ran(), second.ran()) == ([], ["B", "C"])


def test_a_result_of_other_code_is_not_taken(place: Path) -> None:
    first, second = kernel(place), kernel(place, B="A + 10")
    meanwhile(first, "finished A", lambda: second.materialize("C"))
    assert first.materialize("C") == 3
    assert (first.ran(), second.ran()) == (["A", "B", "C"], ["B", "C"])


def test_a_result_of_other_inputs_is_not_taken(place: Path) -> None:
    first, second = kernel(place), kernel(place, A="5")
    meanwhile(first, "queued B", lambda: second.materialize("B"))
    assert first.materialize("B") == 2
    assert (first.ran(), second.ran()) == (["A", "B"], ["A", "B"])


def test_what_is_forced_runs(place: Path) -> None:
    first, second = kernel(place), kernel(place)
    meanwhile(first, "finished A", lambda: second.materialize("B"))
    assert first.materialize("B", force=True) == 2
    assert first.ran() == ["A", "B"]


def test_what_runs_always_runs(place: Path) -> None:
    from dataclasses import replace

    first, second = kernel(place), kernel(place)
    first.add(replace(first.dag["B"], always=True))
    meanwhile(first, "finished A", lambda: second.materialize("B"))
    assert first.materialize("B") == 2
    assert first.ran() == ["A", "B"]


def test_a_failure_of_another_kernel_stops_nobody(place: Path) -> None:
    first, second = kernel(place), kernel(place, B="A / 0")

    def fail() -> None:
        with pytest.raises(StepFailed):
            second.materialize("B")

    meanwhile(first, "finished A", fail)
    assert first.materialize("C") == 3
    assert first.ran() == ["A", "B", "C"]


def test_a_taken_result_that_cannot_be_read_is_run_here(place: Path) -> None:
    """Taken at first, for its story is whole; its value is not, so it runs, once."""
    first, second = kernel(place), kernel(place)

    def make_and_spoil() -> None:
        second.materialize("B")
        spoil(place)

    meanwhile(first, "finished A", make_and_spoil)
    assert first.materialize("C") == 3
    assert first.ran() == ["A", "C", "B"]


def test_an_unreadable_input_that_another_kernel_repairs_is_taken(place: Path) -> None:
    kernel(place).materialize("B")
    spoil(place)
    first, second = kernel(place), kernel(place)
    meanwhile(first, "warning B", lambda: second.materialize("B", force=True))
    assert first.materialize("C") == 3
    assert first.ran() == ["C"]


def test_what_can_never_be_read_is_run_here(place: Path) -> None:
    """However often another kernel makes it, and spoils it."""
    first, second = kernel(place), kernel(place)
    second.materialize("B")
    spoil(place)

    def make_and_spoil(event: Event) -> None:
        if (event.kind, event.step) == (EventKind.WARNING, "B"):
            second.materialize("B", force=True)
            spoil(place)

    first.listen(make_and_spoil)
    assert first.materialize("C") == 3
    assert first.ran() == ["C", "B"]
    assert second.ran() == ["A", "B", "B", "B"]


def test_what_was_damaged_and_is_whole_again_is_taken(place: Path) -> None:
    kernel(place).materialize("B")
    newest(place).write_bytes(b"nonsense")
    first, second = kernel(place), kernel(place)
    meanwhile(first, "queued B", lambda: second.materialize("B"))
    assert first.materialize("B") == 2
    assert (first.ran(), second.ran()) == ([], ["B"])


def test_a_strangers_result_is_not_taken(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, like = kernel(place), kernel(tmp_path / "like.jo")
    like.materialize("B")
    record = like.context.records["B"]

    def put() -> None:
        with monkeypatch.context() as patch:
            patch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "stranger"))
            Context(place).put(record, 2)

    meanwhile(first, "finished A", put)
    assert first.materialize("C") == 3
    assert first.ran() == ["A", "B", "C"]
    assert first.problems == []


def waits(place: Path, first: Watched, act: Callable[[], object]) -> list[tuple[str, ...]]:
    """Materializes C while somebody else claims B, until `act` has been called; what could be seen of the wait."""
    other, seen = Context(place), []
    claim = other.claim("B", "", waiting=pytest.fail)

    def look() -> None:
        seen.append((first.notice, *sorted(first.queued), "running", *sorted(first.running)))
        act()
        threading.Timer(0.1, lambda: claim.__exit__(None, None, None)).start()

    meanwhile(first, "finished A", claim.__enter__)
    meanwhile(first, "claimed B", look)
    try:
        assert first.materialize("C") == 3
    finally:
        claim.__exit__(None, None, None)
    return seen


def test_who_waits_is_told_once(place: Path) -> None:
    """By an event that a front end shows at once, and by the notice of the pictures."""
    first = kernel(place)
    heard = Heard(first)
    ((notice, *seen),) = waits(place, first, lambda: None)
    assert [event.text for event in heard.events if event.kind == "claimed"] == [notice]
    assert notice.startswith("B is being run by another kernel (pid ")
    assert notice.endswith("); waiting for its result.")
    assert seen == ["B", "C", "running"]
    assert first.notice == ""


def test_what_is_waited_for_is_taken(place: Path) -> None:
    from jo_notebook.store.claims import Claims

    first, second = kernel(place), kernel(place)
    with pytest.MonkeyPatch.context() as patch:

        def make() -> None:
            patch.setattr(Claims, "sweep", lambda self: None)
            patch.setattr("jo_notebook.store.claims.HAS_LOCKS", False)  # the other kernel is the one with the claim
            second.materialize("B")
            patch.undo()

        waits(place, first, make)
    assert (first.ran(), second.ran()) == (["A", "C"], ["B"])


def test_an_interrupt_while_waiting_cancels(place: Path) -> None:
    first = kernel(place)
    heard = Heard(first)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waits(place, first, stop)
    assert heard.words("cancelled", "finished", "started") == ["started A", "finished A", "cancelled B", "cancelled C"]
    assert (first.running, first.queued, first.notice) == (frozenset(), frozenset(), "")


def test_an_interrupt_within_a_step_cancels_once(place: Path) -> None:
    first = kernel(place, B="raise KeyboardInterrupt")
    heard = Heard(first)
    with pytest.raises(KeyboardInterrupt):
        first.materialize("C")
    assert heard.words("cancelled") == ["cancelled B", "cancelled C"]
    assert list((place / "running").iterdir()) == []


def test_an_owner_out_of_reach_is_told_of_and_the_step_runs(place: Path) -> None:
    first = kernel(place)
    heard = Heard(first)
    owner = Owner("A", "", "far.1", "far", "other", 7, "1", 1.7e9)
    (place / "running").mkdir(parents=True)
    (place / "running" / stem_of("A")).write_bytes(owner.to_bytes())
    assert first.materialize("A") == 1
    (said,) = (event.text for event in heard.events if event.kind == "claimed")
    assert said.startswith("A may be run by another kernel (pid 7 on far, since 2023-11-1")
    assert "runs here too" in said
    assert first.ran() == ["A"]


def test_loading_says_what_runs_elsewhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kernel(place)
    first.materialize("A")
    assert "another kernel" not in found_text(first)
    with Context(place).claim("B", "", waiting=pytest.fail):
        assert "another kernel" not in found_text(first)
        monkeypatch.setattr(Owner, "is_me", False)  # as another process sees it
        assert "\nRunning in another kernel: B (pid " in found_text(first)


def test_a_step_that_is_waited_for_is_queued_until_it_runs_or_not() -> None:
    for end in (EventKind.STARTED, EventKind.KEPT, EventKind.CANCELLED):
        progress = Progress()
        progress.follow(Event(EventKind.CLAIMED, "A"))
        assert (progress.queued, progress.running) == ({"A"}, frozenset())
        progress.follow(Event(end, "A"))
        assert progress.queued == frozenset()
