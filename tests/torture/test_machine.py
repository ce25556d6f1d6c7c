"""Everything in any order, against a dictionary: hypothesis looks for the shortest story that goes wrong."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jo_notebook.errors import ResultDamaged, ResultMissing, StoreError, UntrustedError
from jo_notebook.store import Context
from tests.torture.making import LONG, generations, leftovers, outcome, record

NAMES = st.sampled_from(["Load", "Clean", "Grün"])
KEEP = 2
KINDS = {
    "text": lambda n: f"text {n}",
    "rows": lambda n: {"n": n, "rows": [n, 0.5, None]},
    "array": lambda n: numpy.full(100, n),
    "code": lambda n: lambda: n,
    "unsaved": lambda n: (x for x in range(n)),
}
EXAMPLES, STEPS = (2_000, 50) if LONG else (30, 20)
counts: Counter[str] = Counter()


def seen_as(found: object) -> object:
    """The number and the kind that a value was made of."""
    if isinstance(found, numpy.ndarray):
        return ("array", int(found[0])) if (found == found[0]).all() and len(found) == 100 else "torn"
    if isinstance(found, dict):
        return ("rows", found["n"]) if found == KINDS["rows"](found["n"]) else "torn"
    if isinstance(found, str):
        return "text", int(found.removeprefix("text "))
    return ("code", found()) if callable(found) else repr(found)


class Store(RuleBasedStateMachine):
    """`disk` is, of each step, what must be in its generations, oldest first; `hurt` those that were damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="jo-machine-"))
        self.place = self.folder / "analysis.jo"
        self.disk: dict[str, list[tuple[str, int] | None]] = {}
        self.hurt: dict[str, set[int]] = {}  # by distance from the newest, from 0
        self.memory: dict[str, tuple[str, int]] = {}  # what this kernel has and the disk has not
        self.owners: dict[str, list[int]] = {}
        self.me, self.n = 0, 0

    @initialize(kinds=st.lists(st.sampled_from(["text", "array", "code"]), min_size=3, max_size=3))
    def open_first(self, kinds: list[str]) -> None:
        self.open()
        for name, kind in zip(("Load", "Load", "Clean"), kinds, strict=True):
            self.save(name, kind)

    def open(self) -> None:
        os.environ["JUPYTER_DATA_DIR"] = str(self.folder / f"user {self.me}")
        self.context = Context(self.place)
        self.memory = {}

    @rule(name=NAMES, kind=st.sampled_from(list(KINDS)))
    def save(self, name: str, kind: str) -> None:
        self.n += 1
        told = self.context.put(record(name, f"v{self.n}"), KINDS[kind](self.n)).unsaved
        assert bool(told) == (kind == "unsaved")
        self._append(name, None if told else (kind, self.n))
        self._prune(name)
        self.memory.pop(name, None)
        if told:
            self.memory[name] = (kind, self.n)

    def _append(self, name: str, what: tuple[str, int] | None) -> None:
        self.disk.setdefault(name, []).append(what)
        self.owners.setdefault(name, []).append(self.me)
        self.hurt[name] = {d + 1 for d in self.hurt.get(name, ())}

    def _prune(self, name: str) -> None:
        self.disk[name] = self.disk[name][-KEEP:]
        self.owners[name] = self.owners[name][-KEEP:]
        self.hurt[name] = {d for d in self.hurt.get(name, ()) if d < KEEP}

    @rule(name=NAMES)
    def load(self, name: str) -> None:
        self.check(self.context, name, memory=True)

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        counts["forgotten"] += bool(self.disk.get(name))
        self.context.forget(name)
        for known in (self.disk, self.hurt, self.owners, self.memory):
            known.pop(name, None)

    @rule(old=NAMES, new=NAMES, copy=st.booleans())
    def rename(self, old: str, new: str, copy: bool) -> None:
        clean = not any(self.hurt.values()) and all(who == self.me for row in self.owners.values() for who in row)
        done = self.context.rename(old, new, copy=copy)
        there = self.disk.get(new)
        can = old != new and old in self.disk and self._is_part(there, self.disk[old])
        assert not done or can
        if clean and not (can and there):
            assert done == can
        counts["renamed"] += done
        if not done:
            return
        whole = [d for d in range(len(self.disk[old])) if d not in self.hurt[old]]
        if len(whole) < len(self.disk[old]):  # what is damaged stays, with what is told of it: start again from here
            counts["renamed while hurt"] += 1
            self.forget(old)
            self.forget(new)
            return
        self.disk[new], self.hurt[new], self.owners[new] = list(self.disk[old]), set(), list(self.owners[old])
        if old in self.memory:
            self.memory[new] = self.memory[old]
        if not copy:
            for known in (self.disk, self.hurt, self.owners, self.memory):
                known.pop(old, None)

    def _is_part(self, there: list[tuple[str, int] | None] | None, rows: list[tuple[str, int] | None]) -> bool:
        """Whether a rename that stopped half-way could have left this: said again, it goes on."""
        return there is None or all(row in rows for row in there)

    @rule(name=NAMES, kind=st.sampled_from(["text", "array"]), after=st.booleans())
    def kill(self, name: str, kind: str, after: bool) -> None:
        """Another kernel dies in a save, before or after its file has got its name."""
        self.n += 1
        if (pid := os.fork()) == 0:
            real = os.link

            def link(draft: str, target: str) -> None:
                if not os.path.basename(target).isdigit():
                    return real(draft, target)
                if after:
                    real(draft, target)
                os._exit(9)

            os.link = link
            Context(self.place).put(record(name, f"v{self.n}"), KINDS[kind](self.n))
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        assert leftovers(self.place) != []
        if after:  # nothing has been pruned, and the hint does not know
            self._append(name, (kind, self.n))
        self.open()

    @rule(again=st.booleans())
    def look(self, again: bool) -> None:
        self.open() if again else self.context.refresh()

    @rule(name=NAMES, older=st.integers(0, KEEP - 1), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def flip(self, name: str, older: int, where: float, bit: int) -> None:
        if older >= len(self.disk.get(name, ())) or older in self.hurt[name]:
            return
        if (
            self.owners[name][-1 - older] != self.me
        ):  # a stranger's signature cannot be checked, so nor can a flip in it
            return
        counts["flipped"] += 1
        path = self._files(name)[-1 - older]
        data = bytearray(path.read_bytes())
        data[int(where * len(data))] ^= 1 << bit
        path.write_bytes(data)
        self.hurt[name].add(older)
        self.open()
        assert self.context.verify() != {}

    def _files(self, name: str) -> list[Path]:
        return generations(self.place, {"Grün": "grun"}.get(name, name))

    @rule()
    def stranger(self) -> None:
        """From now on another user is at work on this store."""
        self.me += 1
        self.open()

    @rule()
    def trust(self) -> None:
        self.context.trust()
        for name, rows in self.owners.items():
            self.owners[name] = [who if self._is_hurt(name, n) else self.me for n, who in enumerate(rows)]

    def _is_hurt(self, name: str, index: int) -> bool:
        return len(self.owners[name]) - 1 - index in self.hurt[name]

    @precondition(lambda self: self.disk)
    @rule(name=NAMES)
    def older(self, name: str) -> None:
        """Use an older generation, and the newest again."""
        rows = self.disk.get(name, [])
        told = [n for n, _ in self.context.older(name)]
        whole = [row for n, row in enumerate(rows[:-1]) if not self._is_hurt(name, n)]
        assert len(told) < max(len(rows), 1)  # damage of a value shows when it is read
        if len(rows) - 1 not in self.hurt.get(name, ()) and 0 not in self.hurt.get(name, {0}):
            assert len(told) == len(whole)
        for number in told:
            if self.context.use(name, number):
                found = outcome(self.context, name)
                ok = isinstance(found, (ResultMissing, UntrustedError, ResultDamaged)) or seen_as(found) in whole
                assert ok, (found, whole)
                counts["used"] += 1
                self.context.use(name, 0)
        self.open()  # a use lets go of memory

    def check(self, context: Context, name: str, *, memory: bool) -> None:
        found = outcome(context, name)
        if memory and name in self.memory:
            assert not isinstance(found, StoreError)
            return
        if not self.disk.get(name):
            assert isinstance(found, ResultMissing), found
            return
        if isinstance(found, StoreError):
            if self.hurt[name] == set(range(len(self.disk[name]))) and isinstance(found, ResultMissing):
                assert any(stem.startswith(name.lower()[:2]) for stem in context.damaged)  # nobody can tell its name
            elif 0 in self.hurt[name]:
                assert isinstance(found, ResultDamaged), found
            elif self.disk[name][-1] is None:
                assert isinstance(found, ResultMissing), found
            else:
                assert self.owners[name][-1] != self.me, found
                assert isinstance(found, UntrustedError), found
            return
        counts["loaded"] += 1
        if memory and 0 in self.hurt[name]:
            return  # it may have been in memory before
        assert 0 not in self.hurt[name], found
        assert seen_as(found) == self.disk[name][-1]

    @invariant()
    def all_is_there(self) -> None:
        if not hasattr(self, "context"):
            return
        fresh = Context(self.place)
        assert set(fresh.damaged) == {name for name in self.disk if 0 in self.hurt[name]} or self.any_of_text(fresh)
        for name in ("Load", "Clean", "Grün"):
            self.check(fresh, name, memory=False)
        counts["checks"] += 1
        if self.place.exists():
            assert leftovers(self.place) == []

    def any_of_text(self, fresh: Context) -> bool:
        """Damage in the payload shows when it is read; a step whose name is lost goes by its directory's."""
        return len(fresh.damaged) <= sum(0 in hurt for hurt in self.hurt.values())

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


def test_30_machine(tally: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """30: save, load, forget, rename, kill, flip, reopen, trust, older generations, in any order."""
    counts.clear()
    monkeypatch.setenv("JUPYTER_DATA_DIR", os.environ["JUPYTER_DATA_DIR"])  # put back afterwards
    asked = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(Store, settings=asked)
    tally.update(counts)
    tally["trials"] = EXAMPLES
    assert counts["loaded"] > EXAMPLES
