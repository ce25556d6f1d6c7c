"""`progress`: a step says how far it is, from inside of its own code."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextvars import ContextVar
from numbers import Real
from typing import Any, Generic, Self, TypeVar, cast

from jo_notebook.engine.capture import current_recorder
from jo_notebook.engine.recorder import PAUSE
from jo_notebook.errors import UsageError

T = TypeVar("T")

_inmost: ContextVar[Bar[Any] | None] = ContextVar("jo_notebook_progress", default=None)


def progress(iterable: Iterable[T] | None = None, total: float | None = None, text: str = "") -> Bar[T]:
    """Tells how far a step is while it goes over an iterable: `for row in progress(rows):`.

    `total` is how many there are, where `len` cannot tell; `text` is what they are called. Without an iterable,
    `with progress(total=100) as bar:` and `bar.update(5)` do the same. One inside of another counts as a part of it.
    What is told is seen beside the step in the bar of the run, and in pictures; outside of a step nothing is told.
    Raises UsageError for what cannot be gone over, and for a total that is no number above 0.
    """
    return Bar(iterable, total, text)


class Bar(Generic[T]):
    """How far one loop is. It begins with the first thing that is asked of it."""

    def __init__(self, iterable: Iterable[T] | None, total: float | None, text: str) -> None:
        if iterable is not None and not hasattr(iterable, "__iter__") and not hasattr(iterable, "__aiter__"):
            raise UsageError(
                f"progress() goes over an iterable, as in progress(rows), and {type(iterable).__name__} is none. "
                "For a number of things: progress(range(100)), or `with progress(total=100) as bar` and bar.update()."
            )
        if total is not None and not _is_number(total):
            raise UsageError(f"progress(total={total!r}) makes no sense: say how many there are, as in total=100.")
        self.text = text
        self.done = 0.0
        self.total = _length(iterable) if total is None else total
        self._iterable = iterable
        self._recorder = current_recorder()
        self._outer: Bar[Any] | None = None
        self._has_begun = self._is_over = False
        self._told = 0.0

    @property
    def fraction(self) -> float | None:
        """How much of it is done, from 0 to 1; None where nobody knows how much there is."""
        return min(self.done / self.total, 1.0) if self.total else None

    def update(self, number: float = 1, text: str | None = None) -> None:
        """So many more are done; with `text`, what it is doing is called that from now on."""
        self.done += number
        if text is not None:
            self.text = text
        if self._recorder is not None:
            self._begin()
            if time.monotonic() - self._told >= PAUSE:
                self._tell()

    def __iter__(self) -> Iterator[T]:
        self._start()
        return iter(self._checked()) if self._recorder is None else self._over()

    def __aiter__(self) -> AsyncIterator[T]:
        self._start()
        return self._over_as_they_come()

    def __enter__(self) -> Self:
        self._start()
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _checked(self) -> Iterable[T]:
        if self._iterable is None:
            raise UsageError("progress() was given nothing to go over: say progress(rows), or call bar.update().")
        return self._iterable

    def _over(self) -> Iterator[T]:
        self._begin()
        try:
            for item in self._checked():
                yield item
                self.update()
        finally:
            self._end()

    async def _over_as_they_come(self) -> AsyncIterator[T]:
        self._begin()
        try:
            if hasattr(self._iterable, "__aiter__"):
                async for item in cast("AsyncIterator[T]", self._iterable):
                    yield item
                    self.update()
            else:
                for item in self._checked():
                    yield item
                    self.update()
        finally:
            self._end()

    def _start(self) -> None:
        """From nothing, also where it was gone over before."""
        self._recorder = self._recorder or current_recorder()
        self.done, self._has_begun, self._is_over = 0.0, False, False

    def _begin(self) -> None:
        if self._has_begun or self._recorder is None:
            return
        self._has_begun = True
        outer = _inmost.get()
        while outer is not None and (outer._is_over or outer._recorder is not self._recorder):
            outer = outer._outer
        self._outer = None if self in _chain(outer) else outer
        _inmost.set(self)
        self._tell()

    def _end(self) -> None:
        if self._has_begun and not self._is_over:
            self._is_over = True
            if self._outer is None:
                self._tell()

    def _tell(self) -> None:
        """Together with the loops around this one: it is a part of one of their parts."""
        if self._recorder is None:
            return
        self._told = time.monotonic()
        words, fraction = [self._words()], self.fraction
        for outer in _chain(self._outer):
            words.append(outer._words())
            fraction = min((outer.done + (fraction or 0.0)) / outer.total, 1.0) if outer.total else None
        self._recorder.progress(fraction, ", ".join(reversed(words)))

    def _words(self) -> str:
        count = f"{self.done:g} of {self.total:g}" if self.total else f"{self.done:g}"
        return f"{self.text} {count}".strip()


def _chain(bar: Bar[Any] | None) -> Iterator[Bar[Any]]:
    """A loop and those around it, from the inside."""
    while bar is not None:
        yield bar
        bar = bar._outer


def _is_number(total: Any) -> bool:
    return isinstance(total, Real) and total is not True and total is not False and float(total) >= 0.0


def _length(iterable: Any) -> float | None:
    try:
        return len(iterable)
    except TypeError:
        return None
