"""The error tree: drawn in its docstring, one base, and every error survives a pickle."""

from __future__ import annotations

import pickle

import pytest

from jo_notebook import errors
from jo_notebook.errors import CycleError, JoError, ResultMissing, StepFailed, UnknownStepError, did_you_mean

EVERY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", EVERY)
def test_the_docstring_draws_every_error(kind: type[JoError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
    assert issubclass(kind, JoError)
    assert kind.__doc__


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_can_be_pickled_and_shows_its_message(kind: type[JoError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what, where, what next")))
    assert type(error) is kind
    assert str(error) == "what, where, what next"
    assert error._render_traceback_() == [f"{kind.__name__}: what, where, what next"]


@pytest.mark.parametrize(
    ("error", "attribute", "value"),
    [
        pytest.param(UnknownStepError("no", "Laod"), "name", "Laod", id="unknown step"),
        pytest.param(CycleError("no", ["A", "B", "A"]), "path", ("A", "B", "A"), id="cycle"),
        pytest.param(StepFailed("no", "A"), "step", "A", id="failed"),
    ],
)
def test_what_an_error_carries_survives_too(error: JoError, attribute: str, value: object) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert getattr(again, attribute) == value
    assert str(again) == "no"


@pytest.mark.parametrize(
    ("kind", "other"),
    [(UnknownStepError, KeyError), (ResultMissing, KeyError), (errors.DuplicateStepError, AssertionError)],
)
def test_errors_that_are_also_pythons_own(kind: type[JoError], other: type[Exception]) -> None:
    assert issubclass(kind, other)


def test_an_error_without_a_message() -> None:
    assert str(ResultMissing()) == ""


def test_a_failed_step_can_show_the_users_traceback() -> None:
    error = StepFailed("A failed", "A")
    error.render = lambda failed: [f"rendered {failed.step}"]
    assert error._render_traceback_() == ["StepFailed: A failed"], "there is no cause to show"
    error.__cause__ = ValueError("no")
    assert error._render_traceback_() == ["rendered A"]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        pytest.param("Laod", ["Load", "Clean"], " Did you mean Load?", id="letters"),
        pytest.param("load", ["Load"], " Did you mean Load?", id="case"),
        pytest.param("Model", ["Model1", "Model2", "X"], " Did you mean Model1 or Model2?", id="two"),
        pytest.param("zzz", ["Load"], "", id="nothing near"),
        pytest.param("x", [], "", id="nothing at all"),
    ],
)
def test_did_you_mean(name: str, known: list[str], expected: str) -> None:
    found = did_you_mean(name, known)
    assert found == expected or sorted(found) == sorted(expected)
