"""What each step's code looks like today, over one namespace, and its function ready to be called."""

from __future__ import annotations

import copy
import linecache
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from jo_notebook.core.definition import Definition
from jo_notebook.core.fingerprint import Part, digest_of
from jo_notebook.core.graph import Graph
from jo_notebook.core.homes import Find, is_users_code
from jo_notebook.core.needs import Need, imports_bound, look_at, resolve
from jo_notebook.core.patches import attributes_read, state_of, value_at
from jo_notebook.core.private import PRIVATE
from jo_notebook.core.record import Record
from jo_notebook.core.source import compile_step, shell_calls
from jo_notebook.core.version import Version, version_of
from jo_notebook.core.witness import Witness, still, witness
from jo_notebook.engine.alone import must_be_alone, must_be_here
from jo_notebook.engine.attend import Attention, attending
from jo_notebook.engine.bare import BareSteps, own_parts
from jo_notebook.engine.files import Files
from jo_notebook.engine.modules import Modules
from jo_notebook.engine.restore import restore
from jo_notebook.errors import JoError, UntrustedError

ABSENT = object()
Inside = tuple[object, object, bool]  # a thing in a module, its state, and whether the state counts
SLOW = 0.02  # seconds for the data version of one value: from there on pictures do not wait for it
NONE, SOME, ALL = range(3)  # how much may have changed since it was compared: SOME is large data that were glanced at


class _Made(NamedTuple):
    """Parts, and what they were made of besides names and modules."""

    of: tuple[object, ...]
    files: object
    parts: tuple[Part, ...]


class Today:
    """Looks names up in a namespace, and remembers what it saw as long as it is certainly unchanged.

    A front end sets `statement` (the text of the notebook's statement that bound a name) and `filename` (what
    tracebacks call a step; None for a step that no cell of this kernel holds). Where it `follows_edits`, local modules
    count as they are on disk, and edited ones are loaded again before a step that reaches them runs; else they count
    as they are loaded, and stay. Names that a step binds are noticed in `watched`. `touch` says that names, modules,
    files or the environment may have changed: then all of it is compared, and looked at anew where it has.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.statement: Callable[[str], str | None] = lambda name: None
        self.filename: Callable[[Definition], str | None] = lambda definition: None
        self.modules = Modules()
        self.files = Files()
        self.follows_edits = True
        self.watched = namespace
        self._stamp = 0
        self._doubt = NONE
        self._slow: set[int] = set()
        self._made: dict[str, _Made] = {}
        self._versions: dict[int, tuple[object, Version]] = {}
        self._looked: dict[str, list[Need]] = {}
        self._seen: dict[str, tuple[object, Witness | None]] = {}
        self._absent: set[str] = set()
        self._patches: dict[tuple[str, str], Inside] = {}
        self._left: dict[str, str] = {}
        self._modules_seen: object = self.modules.stamp()
        self._brought_back: dict[str, str] = {}
        self._bare = BareSteps(namespace)
        self._now: tuple[str, tuple[Part, ...]] = ("", ())

    def touch(self) -> None:
        """Names, modules, files may be others now: before the next answer everything is compared."""
        self._doubt = ALL
        self.modules.look()

    def stamp(self, *, glance: bool = False) -> int:
        """A number that is another one whenever what was looked at has changed.

        A `glance` takes large data that are still the same object for unchanged: for pictures that follow every
        cell, where a pass over gigabytes each time would be felt. What runs is never decided by a glance.
        """
        self._settle(glance=glance)
        return self._stamp

    def parts(self, graph: Graph, name: str) -> tuple[Part, ...]:
        """The parts of a step's fingerprint, all but its inputs: its text, its parameters, what it needs."""
        bare = self._bare.find(graph, name)
        if bare is not None:
            return bare.parts
        self._settle(glance=self._doubt is SOME)
        definition = graph[name]
        made, of = self._made.get(name), (definition, graph.dependencies[name])
        if made is None or made.of[0] is not definition or made.of[1] != of[1]:
            self._look_at_modules()
            parts = tuple(self._found(graph, name, self._find))
            self._look_at_modules()
            made = self._made[name] = _Made(of, self._state_of_files(definition), parts)
        return made.parts

    def parts_now(self, graph: Graph, name: str) -> tuple[Part, ...]:
        """The parts looked at afresh, with modules as they are loaded: another step may have changed a global."""
        bare = self._bare.find(graph, name)
        if bare is not None:  # no other step can have changed what this one reads
            self._now = (name, bare.parts)
            return bare.parts
        self._forget()
        parts = tuple(self._found(graph, name, self.modules.loaded))
        self._now = (name, parts)
        return parts

    def needs(self, graph: Graph, name: str, find: Find | None = None) -> tuple[Need, ...]:
        """What the step wants from the notebook; with `find`, also what it reaches in modules."""
        bare = self._bare.find(graph, name)
        if bare is not None:
            return bare.needs
        self._settle(glance=self._doubt is SOME)
        return self._resolve(graph, name, frozenset(), find)

    def prepare(self, graph: Graph, name: str) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        """The step's function and its parameters, with everything it needs brought back and up to date first.

        Raises UntrustedError for a step that was read from somebody else's context, JoError for a local module
        that was edited and cannot be loaded again.
        """
        definition = graph[name]
        if not definition.trusted:
            raise UntrustedError(f"{name} was defined elsewhere: running it would run somebody else's code.")
        needs = self.needs(graph, name, self._find)
        if needs:
            self._bring_back(name, needs)
        if needs and self.follows_edits:
            self._load_again(name, needs)
        params = copy.deepcopy(dict(definition.params)) if definition.params else {}
        if definition.call is not None:
            return definition.call, params
        inputs = [d.parameter for d in graph.dependencies[name]]
        filename = self.filename(definition) or _remembered_file(definition)
        function = compile_step(definition.source, name, [*inputs, *params], self.namespace, filename)
        return function, params

    @property
    def _find(self) -> Find:
        """How local modules are looked up."""
        return self.modules.find if self.follows_edits else self.modules.loaded

    def must_be_alone(self, graph: Graph, name: str, record: Record | None) -> bool:
        """Whether nothing may run beside this step: by what it touches, or because modules are loaded again for it."""
        needs = self.needs(graph, name, self._find)
        reloads = self.follows_edits and bool(self.modules.edited(_reached(needs)))
        return must_be_alone(graph[name], needs, record) or reloads

    def must_be_here(self, graph: Graph, name: str) -> bool:
        """Whether this step cannot run in another process, by what its code touches."""
        return must_be_here(graph[name], self.needs(graph, name, self._find))

    def attend(
        self,
        graph: Graph,
        name: str,
        told: Collection[tuple[str, str]] = (),
        *,
        ignored: tuple[str, ...] = (),
        parts: Sequence[Part] = (),
        beside_cells: bool = False,
    ) -> AbstractContextManager[Attention]:
        """Around one call of a step: its files, its seed, and what it reads or changes without saying so.

        `parts` are what it is made of, where that is known. With `beside_cells`, names that are bound meanwhile, on
        any thread but the main one, may be bound by a cell: they are nobody's.
        """
        parts = parts or (self._now[1] if self._now[0] == name else self.parts_now(graph, name))
        of: dict[str, list[str]] = {}
        for part in parts:
            of.setdefault(part.kind, []).append(part.name)
        data, helpers = [*of.get("constant", ()), *of.get("global", ())], of.get("helper", ())

        def state() -> dict[str, str]:
            self._versions.clear()
            there = {n: self._version(self.namespace[n]).digest for n in data if n in self.namespace}
            return there | {n: " ".join(sorted(self._digests(n))) for n in helpers if n in self.namespace}

        around = attending(
            graph[name],
            {} if beside_cells and threading.current_thread() is not threading.main_thread() else self.watched,
            self.files,
            own=self._is_own,
            ignored=ignored,
            state=state if data or helpers else None,
            moving=of.get("untracked", ()),
            told=told,
            modules=frozenset(of.get("package", ())),
            placed=partial(self._brought_back_since, frozenset(self._brought_back)),
            ended=self._ended,
        )
        return self._settled(of["module"], around) if "module" in of else around

    @contextmanager
    def _settled(self, reached: Iterable[str], around: AbstractContextManager[Attention]) -> Iterator[Attention]:
        """The same, with what the step makes of the modules that it reaches."""
        places = [name.partition(":") for name in reached]
        with self.modules.settling([(module_of_file(file), piece) for file, _, piece in places]), around as attention:
            yield attention

    def _ended(self) -> None:
        """A step's code has run: it may have changed what others read."""
        self._doubt = ALL

    def _brought_back_since(self, before: frozenset[str]) -> Collection[str]:
        return self._brought_back.keys() - before

    def _is_own(self, filename: str) -> bool:
        """Whether code of this file is the user's: a cell, or a local module."""
        return is_users_code(filename)

    def file_digest(self, path: str) -> str:
        """The digest of what a file or directory holds now."""
        found = self._left[path] = self.files.look(path).digest
        return found

    def define(self, graph: Graph, step: str, name: str) -> bool:
        """Brings back one name of the notebook that a step's value needs; False where nobody remembers it."""
        upstream = [s for s in graph.order if s in graph.ancestors([step])] if step in graph else []
        for other in dict.fromkeys([*reversed(upstream), *graph]):
            definition = graph[other]
            if definition.trusted and any(need.name == name and need.code for need in definition.needs):
                needs = resolve([name], self.namespace, remembered=definition.needs)
                try:
                    self._bring_back(step, needs)
                except JoError:
                    continue
                return True
        return False

    def _bring_back(self, step: str, needs: tuple[Need, ...]) -> None:
        back = restore(step, needs, self.namespace)
        for name in back:
            self._brought_back[name] = next(need.code for need in needs if need.name == name and need.code)
        self._refuse_what_is_another(step, [need for need in needs if need.name in back and need.kind == "helper"])

    def _refuse_what_is_another(self, step: str, needs: list[Need]) -> None:
        """Text that was remembered need not give what was there: it may have stood in a branch that did not run."""
        wrong = [need.name for need in needs if need.digest not in self._digests(need.name)]
        for name in wrong:
            del self.namespace[name]
            self._brought_back.pop(name, None)
        if wrong:
            raise JoError(
                f"{step} needs {', '.join(wrong)}, which could not be kept from the earlier session as it was: "
                "run the cell that defines it, then try again."
            )

    def _digests(self, name: str) -> set[str]:
        found = look_at(name, self.namespace[name], self.statement_of, self._version, self.namespace)
        return {need.digest for need in found}

    # -- what a step is made of ------------------------------------------------------------------------

    def _found(self, graph: Graph, name: str, find: Find) -> Iterator[Part]:
        definition = graph[name]
        yield from own_parts(definition, self._version)
        ignored = frozenset(definition.ignore)
        needs = self._resolve(graph, name, ignored, find)
        seeded = definition.seed is not None
        yield from (need.part for need in needs if not (seeded and need.name.startswith("random numbers")))
        own = {d.parameter for d in graph.dependencies[name]} | {name}
        through = {(step, need.name) for need in needs if need.kind == "helper" for step in need.reads if step in graph}
        for step, helper in sorted(through):
            if step not in own:
                yield Part("untracked", f"the step {step} (read by {helper}, not handed over)", "", "")
        yield from (Part("untracked", word, "", "ignored") for word in sorted(ignored))
        yield from (Part("untracked", call, "", "what it does") for call in shell_calls(definition.source.canonical))
        for path in definition.reads:
            state = self.files.look(path)
            yield Part("file", path, state.digest, state.shown)
        for variable in definition.env:
            value = os.environ.get(variable)
            digest = "unset" if value is None else "private" if variable in PRIVATE else digest_of(value)
            yield Part("env", variable, digest, "" if value is None else "set")

    def _resolve(self, graph: Graph, name: str, ignored: frozenset[str], find: Find | None) -> tuple[Need, ...]:
        definition = graph[name]
        own = {d.parameter for d in graph.dependencies[name]} | {n for n, _ in definition.params}
        needs = resolve(
            definition.source.reads - own - ignored,
            self.namespace,
            text=definition.source.canonical,
            steps=ignored,
            remembered=definition.needs,
            statement=self.statement_of,
            versions=self._version,
            looked=self._looked,
            find=find,
            loaded=self.modules.loaded,
            held=self.modules.held,
        )
        texts = [definition.source.canonical, *(need.code for need in needs if need.kind == "helper")]
        self._note(definition.source.reads - own, needs, texts)
        return needs

    def statement_of(self, name: str) -> str | None:
        """The statement that bound a name, in this kernel or in the one that it was brought back from."""
        return self.statement(name) or self._brought_back.get(name)

    def _load_again(self, step: str, needs: tuple[Need, ...]) -> None:
        """Local modules that were edited since they were loaded, as far as a step reaches them."""
        reached = _reached(needs)
        if not reached:
            return
        reloaded = self.modules.reload(reached, self.namespace, imports_bound(needs))
        if reloaded:
            self._forget()
            self._make_again(step, {need.name: need for need in needs}, reloaded.left_over)

    def _make_again(self, step: str, needs: Mapping[str, Need], left_over: Iterable[str]) -> None:
        """What still holds code of a module as it was: functions and classes are defined anew, objects refused."""
        for name in left_over:
            need, statement = needs.get(name), self.statement_of(name)
            if need is None:
                continue
            if need.kind != "helper" or not statement:
                raise JoError(
                    f"{step} reads {name}, which was made with code of a module as it was before its edit: "
                    f"run the cell that makes {name}, then try again."
                )
            del self.namespace[name]
            restore(step, [replace(need, code=statement)], self.namespace)

    # -- whether it is still so ------------------------------------------------------------------------

    def _settle(self, *, glance: bool = False) -> None:
        """After a touch: keeps what was seen if all of it is as it was."""
        if self._doubt is NONE or (glance and self._doubt is SOME):
            return
        self._doubt = SOME if glance and self._slow else NONE
        self._versions.clear()
        self.modules.look()
        if not self._is_as_it_was(glance=glance):
            self._forget()
            self._modules_seen = self.modules.stamp()

    def _forget(self) -> None:
        self._stamp += 1
        self._doubt = NONE
        for known in (self._made, self._versions, self._looked, self._seen, self._absent, self._patches, self._slow):
            known.clear()
        self._left.clear()

    def _look_at_modules(self) -> None:
        """What was made of modules that were edited since is forgotten."""
        if self.modules.stamp() != self._modules_seen:
            self._forget()
            self._modules_seen = self.modules.stamp()

    def _is_as_it_was(self, *, glance: bool) -> bool:
        if self._bare.has_changed() or not self.namespace.keys().isdisjoint(self._absent):
            return False
        if self.modules.stamp() != self._modules_seen:
            return False
        if not all(self._still_means(name, *seen, glance=glance) for name, seen in self._seen.items()):
            return False
        if any(not _is_same(self._in_module(where, deep=seen[2]), seen) for where, seen in self._patches.items()):
            return False
        if any(self.files.look(path).digest != digest for path, digest in self._left.items()):
            return False
        return all(made.files == self._state_of_files(made.of[0]) for made in self._made.values())

    def _still_means(self, name: str, value: object, before: Witness | None, *, glance: bool) -> bool:
        """Whether a name has the very value it had, and that value is certainly unchanged."""
        if self.namespace.get(name, ABSENT) is not value:
            return False
        if glance and id(value) in self._slow:
            return True
        if still(before, value):
            return True
        return look_at(name, value, self.statement_of, self._version, self.namespace) == self._looked[name]

    def _state_of_files(self, definition: Any) -> object:
        """What is compared of a step's files and environment; equal as long as nothing has changed since."""
        if not definition.reads and not definition.env:
            return None
        return self.files.stamp(definition.reads), tuple(map(os.environ.get, definition.env))

    def _note(self, names: Iterable[str], needs: Iterable[Need], texts: list[str]) -> None:
        """Keeps what is compared the next time: values by name, names that nobody has, things inside modules."""
        needs = list(needs)
        for name in self._looked.keys() - self._seen.keys():
            value = self.namespace.get(name, ABSENT)
            self._seen[name] = (value, witness(value))
        asked = {*names, *(read for need in needs for read in need.reads)}
        self._absent.update(asked.difference(self.namespace))
        pieces = (need.name.partition(":") for need in needs if need.kind == "module")
        inside = {(module_of_file(file), piece) for file, _, piece in pieces}
        for where in inside | attributes_read(texts, imports_bound(needs), sys.modules.get):
            known, deep = self._patches.get(where), where in inside
            if known is None or (deep and not known[2]):
                self._patches[where] = self._in_module(where, deep=deep)

    def _in_module(self, where: tuple[str, str], *, deep: bool) -> Inside:
        """What stands there now; where it may be changed in place, with its state."""
        value = value_at(where, sys.modules.get)
        return value, state_of(value) if deep else None, deep

    def _version(self, value: object) -> Version:
        """The data version of a value the notebook holds, worked out once between two cells."""
        known = self._versions.get(id(value))
        if known is None or known[0] is not value:
            began = time.perf_counter()
            known = self._versions[id(value)] = (value, version_of(value))
            if time.perf_counter() - began > SLOW:
                self._slow.add(id(value))
        return known[1]


def _reached(needs: Iterable[Need]) -> set[str]:
    """The local modules that a step reaches."""
    return {module_of_file(need.name.partition(":")[0]) for need in needs if need.kind == "module"}


def _is_same(one: Inside, other: Inside) -> bool:
    return one[0] is other[0] and bool(one[1] == other[1])


def shown_text(definition: Definition) -> str:
    """The text behind a step's file name: the cell, with the lines above the body as comments."""
    header = definition.source.header
    if header:
        header = "".join(f"# {row}" for row in header.splitlines(keepends=True))
    return header + definition.source.python


def module_of_file(file: str) -> str:
    """`package/__init__.py` is the module `package`."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _remembered_file(definition: Definition) -> str:
    """A name for tracebacks of a step that no cell of this kernel holds, with its text behind it."""
    filename = f"<step {definition.name}>"
    text = shown_text(definition)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return filename
