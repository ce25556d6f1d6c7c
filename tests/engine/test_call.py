"""Calling a function: plain, asynchronous, generating; its errors are the user's own."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from jo_notebook.engine.call import call_step, users_traceback


async def coroutine(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def generator(n: int) -> Iterator[int]:
    yield from range(n)


async def async_generator(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def gives_a_generator() -> Any:
    return async_generator(2)


@pytest.mark.parametrize(
    ("function", "inputs", "expected"),
    [
        pytest.param(lambda x, y: (x, y), {"y": 2, "x": 1}, (1, 2), id="by name"),
        pytest.param(lambda: None, {}, None, id="None"),
        pytest.param(coroutine, {"x": 1}, 2, id="coroutine"),
        pytest.param(generator, {"n": 3}, [0, 1, 2], id="generator"),
        pytest.param(async_generator, {"n": 3}, [0, 1, 2], id="async generator"),
        pytest.param(gives_a_generator, {}, [0, 1], id="a coroutine that gives an async generator"),
        pytest.param(lambda: iter([1]), {}, None, id="an iterator is no generator"),
        pytest.param(lambda: coroutine, {}, coroutine, id="a function as the result is not called"),
    ],
)
def test_results(function: Any, inputs: dict[str, Any], expected: Any) -> None:
    result = call_step(function, inputs)
    assert (list(result) == [1]) if expected is None and result is not None else result == expected


def test_a_coroutine_runs_beside_a_running_loop() -> None:
    async def notebook() -> Any:
        return call_step(coroutine, {"x": 1})

    assert asyncio.run(notebook()) == 2


def test_a_coroutine_sees_the_context() -> None:
    word: contextvars.ContextVar[str] = contextvars.ContextVar("word")
    word.set("here")

    async def read() -> str:
        return word.get()

    assert call_step(read, {}) == "here"


class Mine(Exception):
    pass


def fails() -> None:
    raise Mine("plain")


async def fails_later() -> None:
    await asyncio.sleep(0)
    raise Mine("async")


def fails_midway() -> Iterator[int]:
    yield 1
    raise Mine("generator")


@pytest.mark.parametrize("function", [fails, fails_later, fails_midway])
def test_an_error_comes_out_as_it_is_and_begins_in_the_users_code(function: Any) -> None:
    with pytest.raises(Mine) as caught:
        call_step(function, {})
    error = caught.value
    assert error.__traceback__ is not None
    trace = users_traceback(error.with_traceback(error.__traceback__.tb_next))  # without this test's own frame
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == function.__name__


def test_an_error_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(TypeError) as caught:
        call_step(lambda x: x, {})
    assert users_traceback(caught.value) is not None


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_coroutine_may_raise_anything(error: type[BaseException]) -> None:
    async def odd() -> None:
        raise error

    with pytest.raises(error):
        call_step(odd, {})


def test_an_interrupt_cancels_the_coroutine_and_waits_for_its_end() -> None:
    seen: list[str] = []

    async def long() -> None:
        seen.append("started")
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")

    def interrupt() -> None:
        while not seen:
            time.sleep(0.01)
        time.sleep(0.05)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        call_step(long, {})
    assert seen == ["started", "cleaned up"]
