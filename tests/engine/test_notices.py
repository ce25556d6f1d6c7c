"""Log records and warnings of a step stand in its log once, and are shown as ever."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jo_notebook.engine.capture import Recorder, recording, routed_output
from tests.cases.making import notebook, step

pytestmark = pytest.mark.filterwarnings("default")


@contextmanager
def as_in_a_new_process() -> Iterator[None]:
    """Logging without the handlers that pytest has on the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def said(body: str, before: str = "", *handlers: logging.Handler) -> list[tuple[str, str]]:
    """What the log of a step has after it ran twice, the second time."""
    pipeline = notebook("import logging, sys, warnings\n" + before)
    pipeline.add(step("A", body, "none"))
    with as_in_a_new_process():
        logging.getLogger().handlers[:] = handlers
        for _ in range(2):
            pipeline.materialize("A", force=True)
    return [(entry.kind, entry.text) for entry in pipeline.log("A")]


def test_a_record_without_any_handler_is_there_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("logging.getLogger('x').warning('old %s', 'hat')") == [("logging", "WARNING x: old hat\n")]
    assert capsys.readouterr() == ("", "old hat\nold hat\n")


def test_a_record_that_nobody_would_show_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("jo.quiet")
    log.setLevel(logging.INFO)
    assert said("logging.getLogger('jo.quiet').info('a detail')") == [("logging", "INFO jo.quiet: a detail\n")]
    assert capsys.readouterr() == ("", "")


def test_basic_config_in_a_step_works_and_says_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    body = "logging.basicConfig(level='INFO', format='%(message)s', force=True)\nlogging.info('here')\nprint('p')"
    assert said(body) == [("logging", "INFO root: here\n"), ("stdout", "p\n")]
    assert capsys.readouterr() == ("p\np\n", "here\nhere\n")


def test_a_handler_from_before_the_run_says_it_and_the_log_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = "log = logging.getLogger('mine')\nlog.propagate = False\nlog.handlers[:] = [logging.StreamHandler()]"
    assert said("logging.getLogger('mine').error('no')", before) == [("logging", "ERROR mine: no\n")]
    assert capsys.readouterr().err == "no\nno\n"


def test_an_error_brings_its_traceback_and_handlers_write_their_own() -> None:
    heard: list[str | None] = []

    class Own(logging.Formatter):
        def formatException(self, ei: object) -> str:
            heard.append("own")
            return "own"

    handler = logging.StreamHandler()
    handler.setFormatter(Own())
    rows = said("try:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.getLogger('x').exception('oh')\n", "", handler)
    assert [kind for kind, _ in rows] == ["logging"]
    assert rows[0][1].startswith("ERROR x: oh\nTraceback")
    assert rows[0][1].endswith("ZeroDivisionError: division by zero\n")
    assert heard == ["own", "own"]


def test_a_record_that_does_not_fit_its_arguments_is_told_by_its_handler() -> None:
    ((kind, text),) = said("logging.getLogger('x').warning('%d', 'no number')", "", logging.StreamHandler())
    assert kind == "stderr"
    assert "Logging error" in text


def test_a_warning_is_there_in_every_run_and_shown_too() -> None:
    before = "def careless():\n    warnings.warn('not so fast', stacklevel=1)\n"
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        ((kind, text),) = said("careless()\ncareless()", before)
    assert kind == "warning"
    assert text.count("UserWarning: not so fast") == 1
    assert len(shown) == 2


def test_two_steps_that_warn_in_one_place_each_have_it() -> None:
    pipeline = notebook("import warnings\ndef careless():\n    warnings.warn('slow')\n    return 1\n")
    pipeline.add(step("A", "careless()", "none"))
    pipeline.add(step("B", "careless()", "none"))
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True):
        pipeline.materialize()
    assert [[e.kind for e in pipeline.log(name)] for name in "AB"] == [["warning"], ["warning"]]
    assert list(warnings.filters) == before


def test_warnings_that_the_step_catches_are_its_own() -> None:
    body = "with warnings.catch_warnings(record=True) as seen:\n    warnings.warn('x')\nprint(len(seen))"
    assert said(body) == [("stdout", "1\n")]


def test_captured_warnings_are_there_once() -> None:
    logging.captureWarnings(True)
    try:
        rows = said("warnings.warn('both ways')")
    finally:
        logging.captureWarnings(False)
    assert [kind for kind, _ in rows] == ["warning"]


def test_warnings_that_are_errors_stay_errors() -> None:
    pipeline = notebook("import warnings\n")
    pipeline.add(step("A", "try:\n    warnings.warn('x')\nexcept UserWarning:\n    print('raised')", "none"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.materialize("A")
    assert [entry.text for entry in pipeline.log("A")] == ["raised\n"]


def test_on_threads_each_step_has_its_own() -> None:
    pipeline = notebook("import logging, threading\nmeet = threading.Barrier(2)\n")
    for name in "AB":
        body = f"meet.wait(10)\nfor n in range(50):\n    logging.getLogger('{name}').warning('%d', n)\n"
        pipeline.add(step(name, body, "none"))
    pipeline.materialize(jobs=2, echo=False)
    for name in "AB":
        text = "".join(entry.text for entry in pipeline.log(name))
        assert text == "".join(f"WARNING {name}: {n}\n" for n in range(50))


def test_afterwards_everything_is_as_before() -> None:
    before = logging.Logger.callHandlers, warnings.showwarning
    with routed_output(), routed_output():
        assert logging.Logger.callHandlers is not before[0]
    assert (logging.Logger.callHandlers, warnings.showwarning) == before


def test_what_a_step_puts_there_stays() -> None:
    before = warnings.showwarning
    try:
        with routed_output():
            warnings.showwarning = print
        assert warnings.showwarning is print
    finally:
        warnings.showwarning = before


def test_runs_side_by_side_put_everything_back_in_any_order() -> None:
    before = sys.stdout, sys.stderr, logging.Logger.callHandlers
    first, second = threading.Event(), threading.Event()

    def run() -> None:
        with routed_output():
            first.set()
            second.wait(10)

    thread = threading.Thread(target=run)
    thread.start()
    first.wait(10)
    recorder = Recorder(echo=False)
    with routed_output(), recording(recorder):
        second.set()
        thread.join()
        print("still here")
    assert (sys.stdout, sys.stderr, logging.Logger.callHandlers) == before
    assert [entry.text for entry in recorder.entries] == ["still here\n"]
