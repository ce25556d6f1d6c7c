"""Where a step is run and with what: names and amounts, and what is said of nonsense."""

from __future__ import annotations

import pytest

from jo_notebook.core.execution import check_errors, check_executor, is_one_of, parse_resources, resources_of
from jo_notebook.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("inline", "inline"),
        (" threads ", "threads"),
        ("processes", "processes"),
        ("dask", "dask"),
        ("dask:tcp://localhost:8786", "dask:tcp://localhost:8786"),
        ("dask: tls://[::1]:8786", "dask:tls://[::1]:8786"),
    ],
)
def test_an_executor_has_a_name(text: str, name: str) -> None:
    assert check_executor(text) == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("process", "Did you mean processes"),
        ("ray", "There is no executor 'ray'"),
        ("", "There is no executor"),
        ("dask:", "only dask takes an address"),
        ("threads:4", "only dask takes an address"),
    ],
)
def test_another_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_executor(text)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["memory=4GB,", "gpu=1"], (("memory", 4e9), ("gpu", 1.0))),
        (["memory=4GB, gpu=1"], (("memory", 4e9), ("gpu", 1.0))),
        (['"db=2"'], (("db", 2.0),)),
        (["memory=1.5 GiB"], (("memory", 1.5 * 1024**3),)),
        (["memory=512kib"], (("memory", 512 * 1024),)),
        (["a=.5;b=3B"], (("a", 0.5), ("b", 3.0))),
        ([], ()),
    ],
)
def test_resources(words: list[str], found: tuple[tuple[str, float], ...]) -> None:
    assert parse_resources(words) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gpu"], "'gpu' is no resource"),
        (["=1"], "is no resource"),
        (["gpu=0"], "makes no sense"),
        (["gpu=-1"], "makes no sense"),
        (["memory=4XB"], "makes no sense"),
        (["memory=nan"], "makes no sense"),
        (["gpu=1, gpu=2"], "says gpu twice"),
        (["gpu=1e99"], "makes no sense"),
    ],
)
def test_resources_that_make_no_sense(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_resources(words)


def test_resources_of_a_stranger() -> None:
    assert resources_of([["gpu", 1], ["x"], "no", ["y", float("inf")], ["z", "1"]]) == (("gpu", 1.0),)
    assert resources_of(None) == ()


def test_errors_by_name() -> None:
    names = check_errors(["ConnectionError, TimeoutError", "socket.timeout"])
    assert names == ("ConnectionError", "TimeoutError", "socket.timeout")
    assert is_one_of(ConnectionRefusedError(), names)
    assert is_one_of(TimeoutError(), ["builtins.TimeoutError"])
    assert not is_one_of(ValueError(), names)
    with pytest.raises(UsageError, match="'a b' names no error"):
        check_errors(["a b"])
