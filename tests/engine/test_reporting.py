"""A step says how far it is: loops, loops in loops, bars of tqdm, threads, and outside of a step nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import jo_notebook
from jo_notebook import progress
from jo_notebook.core.events import Event, EventKind
from jo_notebook.engine.capture import Recorder, recording, routed_output
from jo_notebook.errors import UsageError
from tests.cases.making import Watched, notebook, step

Told = list[tuple[float | None, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def inside(told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The code of a step, of which everything is told: it may be as quick as it likes."""
    monkeypatch.setattr("jo_notebook.engine.reporting.PAUSE", 0.0)
    monkeypatch.setattr("jo_notebook.engine.recorder.PAUSE", 1e-9)
    recorder = Recorder(echo=False, on_progress=lambda fraction, text: told.append((fraction, text)))
    with routed_output(), recording(recorder):
        yield recorder


def test_a_loop(inside: Recorder, told: Told) -> None:
    assert list(progress("abcd", text="letter")) == list("abcd")
    shares = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert list(dict.fromkeys(told)) == [(share, f"letter {share * 4:g} of 4") for share in shares]
    told.clear()
    assert sum(progress(range(3))) == 3
    assert (told[0], told[-1]) == ((0.0, "0 of 3"), (1.0, "3 of 3"))


def test_the_number_may_be_said_or_not_known(inside: Recorder, told: Told) -> None:
    assert list(progress((n for n in range(2)), total=2)) == [0, 1]
    assert told[-1] == (1.0, "2 of 2")
    told.clear()
    assert list(progress(iter("ab"), text="page")) == ["a", "b"]
    assert list(dict.fromkeys(told)) == [(None, "page 0"), (None, "page 1"), (None, "page 2")]
    told.clear()
    assert list(progress(range(3), total=2)) == [0, 1, 2]
    assert told[-1] == (1.0, "3 of 2")
    assert list(progress([])) == []


def test_by_hand(inside: Recorder, told: Told) -> None:
    with progress(total=10, text="read") as bar:
        bar.update(2.5)
        bar.update(7.5, "written")
    assert list(dict.fromkeys(told)) == [(0.0, "read 0 of 10"), (0.25, "read 2.5 of 10"), (1.0, "written 10 of 10")]
    with pytest.raises(UsageError, match="nothing to go over"):
        list(progress(total=3))


def test_a_loop_inside_of_a_loop_is_a_part_of_its_part(inside: Recorder, told: Told) -> None:
    for _ in progress(range(2), text="epoch"):
        for _ in progress(range(2), text="batch"):
            pass
    fractions = [fraction for fraction, _ in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert set(fractions) == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert (0.75, "epoch 1 of 2, batch 1 of 2") in told
    assert told[-1] == (1.0, "epoch 2 of 2")


def test_a_loop_that_was_left_counts_no_more(inside: Recorder, told: Told) -> None:
    for _ in progress(range(10), text="first"):
        break
    with pytest.raises(ZeroDivisionError):
        [1 / n for n in progress(range(10), text="second")]
    told.clear()
    list(progress(range(2), text="third"))
    assert told[-1] == (1.0, "third 2 of 2")
    assert all(text.startswith("third") for _, text in told)


def test_a_bar_may_be_gone_over_again(inside: Recorder, told: Told) -> None:
    bar = progress([1, 2])
    assert (list(bar), list(bar)) == ([1, 2], [1, 2])
    assert [fraction for fraction, _ in told].count(0.0) == 2
    for _ in bar:
        for _ in progress("ab"):
            list(bar)
    assert told[-1][0] == 1.0


def test_from_threads_of_the_step(inside: Recorder, told: Told) -> None:
    """They are the step's own, and have none of its context."""
    with progress(total=8) as bar, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: bar.update(), range(8)))
    assert told[-1] == (1.0, "8 of 8")


def test_at_most_ten_times_a_second(told: Told) -> None:
    recorder = Recorder(echo=False, on_progress=lambda fraction, text: told.append((fraction, text)))
    with recording(recorder):
        began = time.monotonic()
        for _ in progress(range(10**9)):
            if time.monotonic() - began > 0.55:
                break
        for n in range(1000):
            recorder.progress(n / 1000)
    assert 5 <= len(told) <= 9


def test_outside_of_a_step_nothing_is_told(told: Told) -> None:
    bar = progress([1, 2, 3])
    assert list(bar) == [1, 2, 3]
    with progress(total=3) as bar:
        bar.update()
    assert bar.fraction == 1 / 3
    items = list(range(100_000))
    began = time.perf_counter()
    for _ in progress(items):
        pass
    assert time.perf_counter() - began < 0.1
    assert jo_notebook.progress is progress


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: progress(100), "int is none"),  # type: ignore[call-overload]
        (lambda: progress(total=-1), "total=-1"),
        (lambda: progress(total=True), "total=True"),
        (lambda: progress([], total="all"), "total='all'"),  # type: ignore[arg-type]
        (lambda: progress(total=float("nan")), "total=nan"),
    ],
)
def test_what_makes_no_sense(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


# -- in a run ------------------------------------------------------------------------------------------

CODE = "import asyncio, time\nfrom jo_notebook import progress\nfrom tqdm import tqdm"


def steps(place: Path | None = None, **bodies: str) -> tuple[Watched, list[Event]]:
    """A pipeline of these steps, and what it will tell of how far they are."""
    pipeline = notebook(CODE, place)
    for name, body in bodies.items():
        pipeline.add(step(name, body))
    told: list[Event] = []
    pipeline.listen(lambda event: told.append(event) if event.kind is EventKind.PROGRESS and event.step else None)
    return pipeline, told


LOOP = "for n in progress(range(8), text='row'):\n    time.sleep(0.04)\nn"
TQDM = "for n in tqdm(range(8), desc='Row'):\n    time.sleep(0.04)\nn"
NESTED = "for n in tqdm(range(8), desc='Row'):\n    for _ in tqdm(range(2), leave=False):\n        time.sleep(0.02)\nn"
COMING = """
async def rows():
    for n in range(8):
        await asyncio.sleep(0.04)
        yield n
async for n in progress(rows(), total=8, text='row'):
    pass
n"""


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("body", [LOOP, TQDM, NESTED, COMING], ids=["loop", "tqdm", "nested tqdm", "as they come"])
def test_it_is_an_event_of_the_run(body: str, jobs: int) -> None:
    pipeline, told = steps(A=body, B="1")
    pipeline.materialize("A", "B", jobs=jobs, echo=False)
    assert pipeline.outcome is not None
    assert {(event.step, event.run_id) for event in told} == {("A", pipeline.outcome.run_id)}
    fractions = [event.fraction for event in told if event.fraction is not None]
    assert fractions == sorted(fractions)
    assert 2 <= len(fractions) <= 10
    assert told[-1].text.lower() == "row 8 of 8"


def test_the_log_has_a_bar_as_it_was_last() -> None:
    pipeline, _ = steps(A=TQDM, B=NESTED, C="for n in tqdm(range(4)):\n    time.sleep(0.12)\n    print(n)\n1")
    pipeline.materialize(echo=False)
    for name in "AB":
        (entry,) = pipeline.log(name)
        assert entry.kind == "stderr"
        assert entry.text.startswith("Row: 100%|██████████| 8/8 [")
        assert entry.text.endswith("it/s]\n")
        assert entry.text.count("\n") == 1
    printed, bar = pipeline.log("C")
    assert (printed.kind, printed.text) == ("stdout", "0\n1\n2\n3\n")
    assert bar.text.startswith("100%|██████████| 4/4 [")


def test_going_over_progress_is_no_input_of_the_step(tmp_path: Path) -> None:
    """A result that was made with it is as good with the next release."""
    pipeline, _ = steps(tmp_path / "a.jo", A=LOOP)
    pipeline.materialize(echo=False)
    record = pipeline.context.record("A")
    assert record is not None
    assert [part.text for part in record.fingerprint.parts if part.name == "progress"] == [
        "jo_notebook.engine.reporting.progress"
    ]
    assert not [part for part in record.fingerprint.parts if jo_notebook.__version__ in part.text]
