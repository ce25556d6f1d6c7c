"""Several contexts as one: each step's results in the context of that step, what has none in passing memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from weakref import ref

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.core.version import version_of, witness_of
from jo_notebook.errors import UsageError
from jo_notebook.store.context import Context

Log = Sequence[LogEntry]


def token_of(fingerprint: Fingerprint) -> str:
    """What stands for the value of a step that is not kept: what it is made of."""
    return f"by code {fingerprint.key}"


def _check(contexts: Mapping[str, object]) -> None:
    for name, context in contexts.items():
        if context is not None and not (hasattr(context, "keys") and hasattr(context, "__setitem__")):
            hint = f" Write ctx=Context({context!r})." if isinstance(context, str) else ""
            raise UsageError(
                f"{name}: ctx is a Context, or a mapping that can be written to, not {str(context)[:40]!r}.{hint}"
            )


MANY = 16  # mappings that cannot be referred to weakly and are remembered


class _Made:
    """What runs put into mappings, which cannot say themselves what a value was made of."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Callable[[], object], dict[str, Record]]] = {}

    def of(self, mapping: object) -> dict[str, Record]:
        """The records of one mapping, by name."""
        held, records = self._known.get(id(mapping), (lambda: None, {}))
        return records if held() is mapping else {}

    def note(self, mapping: object, record: Record) -> None:
        """A run has put this result there."""
        records = {**self.of(mapping), record.step: record}
        self._known.pop(id(mapping), None)
        try:
            self._known[id(mapping)] = ref(mapping), records
        except TypeError:  # a plain dict
            self._known[id(mapping)] = lambda: mapping, records
        gone = [key for key, (held, _) in self._known.items() if held() is None]
        strong = [key for key, (held, _) in self._known.items() if not isinstance(held, ref)]
        for key in [*gone, *strong[:-MANY]]:
            del self._known[key]


_made = _Made()


class Spread:
    """What the engine asks of a context, by step. A context of the user's may be any mapping that can be written to.

    A step without one keeps its value until this object is gone. `places` are the directories of those that have one.
    """

    def __init__(self, contexts: Mapping[str, MutableMapping[str, Any] | None]) -> None:
        """Raises UsageError for a context that nothing can be put into."""
        _check(contexts)
        self._passing = Context()
        self._mappings = {n: c for n, c in contexts.items() if c is not None and not isinstance(c, Context)}
        self._by_step = {name: c if isinstance(c, Context) else self._passing for name, c in contexts.items()}
        self._without = {name for name, c in contexts.items() if c is None}
        for name, mapping in self._mappings.items():
            if name in mapping:
                self._take(name, mapping[name])
        self._contexts = list({id(context): context for context in self._by_step.values()}.values())
        self.places = tuple(str(context.place) for context in self._contexts if context.place is not None)
        for context in self._contexts:
            context.refresh()

    def _take(self, name: str, value: object) -> None:
        """A value of a mapping: the result that was put there by a run, or else one that was put in by hand."""
        record = _made.of(self._mappings[name]).get(name)
        if record is not None and record.exact and version_of(value).digest == record.version:
            self._passing.put(record, value)
        else:
            self._passing[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._by_step[name][name]

    def is_passing(self, name: str) -> bool:
        """Whether the step has no context."""
        return name in self._without

    def is_stored(self, name: str) -> bool:
        """Whether it is on disk."""
        return self._by_step[name].is_stored(name)

    @property
    def damaged(self) -> Mapping[str, str]:
        """What is wrong with the results of these steps."""
        told = ((context, context.damaged) for context in self._contexts)
        return {name: what for context, names in told for name, what in names.items() if self._of(name) is context}

    @property
    def untrusted(self) -> frozenset[str]:
        """The steps whose result was made elsewhere."""
        return frozenset(name for context in self._contexts for name in context.untrusted if self._of(name) is context)

    def record(self, name: str) -> Record | None:
        """What is remembered of a step's result."""
        return self._by_step[name].record(name)

    def at_hand(self, name: str) -> tuple[Any, Record] | None:
        """The value in memory, and the record of just that value."""
        return self._by_step[name].at_hand(name)

    def held(self, name: str) -> str:
        """Where the value is."""
        return self._by_step[name].held(name)

    def others(self, name: str) -> list[tuple[int, Record]]:
        """Its other results."""
        return self._by_step[name].others(name)

    def use(self, name: str, number: int) -> bool:
        """Lets another one stand for it."""
        context = self._by_step[name]
        return context.in_use(name) == number or context.use(name, number)

    def in_use(self, name: str) -> int:
        """Which one stands for it."""
        return self._by_step[name].in_use(name)

    def elsewhere(self, name: str, number: int) -> str:
        """Whether that was made elsewhere."""
        return self._by_step[name].elsewhere(name, number)

    def put(self, record: Record, value: object, log: Log = (), **options: Any) -> Record:
        """Keeps a result; what is in passing is told by what it was made of."""
        name = record.step
        done = self._by_step[name].put(record, value, tuple(log), **options)
        if name in self._mappings:
            self._mappings[name][name] = value
            _made.note(self._mappings[name], done)
        if name in self._without:
            return replace(done, version=token_of(record.fingerprint), exact=False, witness=witness_of(value))
        return done

    def fail(self, failure: Failure, log: Log = ()) -> None:
        """Keeps the story of a run that raised."""
        self._by_step[failure.step].fail(failure, tuple(log))

    def claim(self, name: str, digest: str | Callable[[], str], **options: Any) -> AbstractContextManager[bool]:
        """Nobody else runs the step meanwhile; see `Context.claim`."""
        return self._by_step[name].claim(name, digest, **options)

    def give(self, values: Mapping[str, object]) -> list[Record]:
        """Keeps values as put in by hand."""
        return [record for name, value in values.items() for record in self._by_step[name].give({name: value})]

    def drop_memory(self, name: str) -> None:
        """Lets go of the copy in memory."""
        self._by_step[name].drop_memory(name)

    def settle(self) -> None:
        """After a run."""
        for context in self._contexts:
            context.settle()

    def _of(self, name: str) -> Context | None:
        return self._by_step.get(name)
