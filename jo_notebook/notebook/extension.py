"""`%load_ext jo_notebook` and `%unload_ext jo_notebook`: every registration here has its undo."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from jo_notebook.context_verb import found_text
from jo_notebook.core.comment import comment_to_magic
from jo_notebook.core.definition import Definition
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.stepline import StepLine
from jo_notebook.engine.capture import Recorder
from jo_notebook.notebook.answers import StepAnswers, mismatches
from jo_notebook.notebook.bars import Bars
from jo_notebook.notebook.cells import Cells
from jo_notebook.notebook.debugging import Debugging
from jo_notebook.notebook.defining import Defining
from jo_notebook.notebook.displays import capture_displays, show_entry
from jo_notebook.notebook.elsewhere import WHERE
from jo_notebook.notebook.inner import magics_see_the_step
from jo_notebook.notebook.location import Location, find_location, start_directory
from jo_notebook.notebook.magics import perform_and_show, register_magics
from jo_notebook.notebook.mainloop import OURS, MainLoop
from jo_notebook.notebook.messages import Messages
from jo_notebook.notebook.names import Names
from jo_notebook.notebook.objects import StepObjects
from jo_notebook.notebook.saved import SavedCells
from jo_notebook.notebook.settings import JoNotebook
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.store.quota import parse_size
from jo_notebook.verbs import find

_loaded: WeakKeyDictionary[Any, Extension] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Registers everything, and says what was found beside the notebook. Loading twice is loading once."""
    if shell not in _loaded:
        _loaded[shell] = Extension(shell)


def unload(shell: Any) -> None:
    """Leaves the shell as it was; names bound to results keep their values."""
    extension = _loaded.pop(shell, None)
    if extension is not None:
        extension.close()


def loaded(shell: Any) -> Extension:
    """What is registered in a shell. Raises KeyError where the extension is not loaded."""
    return _loaded[shell]


def _say_what_it_waits_for(event: Event) -> None:
    """A line at once, below the cell that waits for another kernel, or until a step is tried again."""
    if event.kind in (EventKind.CLAIMED, EventKind.RETRY):
        print(event.text, flush=True)  # noqa: T201 - whoever waits must see for what


class Extension:
    """One shell's front: its pipeline, its cells, and what was registered for them."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.settings = JoNotebook(parent=shell)
        self.cells = Cells(shell)
        self.location = self._locate(self.settings.context)
        self.saved = SavedCells(self.location.notebook)
        self.defining = Defining(shell, self.cells, self.location.notebook)
        self.pipeline = Pipeline(Context(self.location.place, **self._limits()), namespace=shell.user_ns)
        self.pipeline.today.statement = self.cells.statement
        self.pipeline.today.filename = self.defining.file_of
        self.pipeline.around = self._around_steps
        self.pipeline.jobs = self.settings.jobs
        self.pipeline.executor = self.settings.executor
        self.pipeline.around_elsewhere = WHERE
        self.pipeline.show = partial(show_entry, shell)
        self.loop = MainLoop()
        self.pipeline.is_ending = lambda: bool(getattr(shell, "exit_now", False))
        self.pipeline.home.ask = partial(self.loop.submit, is_click=False)
        self.answers = StepAnswers(self.pipeline)
        self.bars = Bars(shell, self.pipeline)
        self.pipeline.send = Messages(self.pipeline, self.loop, lambda heads: self.names.bind_results()).handle
        self.names = Names(shell, self.pipeline)
        self.debugging = Debugging(shell, self.pipeline, self.names)
        self.objects = StepObjects(self.pipeline, self.cells, self.defining.notebook, self._show_step)
        self._pictures: dict[str, Any] = {}
        self.pipeline.today.modules.packages = self.settings.packages
        self.settings.observe(lambda change: self._count_packages(change["new"]), "packages")
        self.settings.observe(lambda change: self.pipeline.move_to(self._locate(change["new"]).place), "context")
        self.settings.observe(lambda change: self._limit(), ["keep", "quota"])
        for name in ("jobs", "executor"):
            self.settings.observe(lambda change: setattr(self.pipeline, change["name"], change["new"]), name)
        self._turn_away = self.pipeline.listen(_say_what_it_waits_for)
        self._register()
        if os.environ.get("JO_RESUME", "on") != "off":
            self.pipeline.take_in()
            self._mark_orphans()
            print(found_text(self.pipeline))  # noqa: T201 - what %load_ext says

    def _locate(self, asked: str) -> Location:
        """Where results live: where a setting says, or beside the notebook."""
        is_cell, start = self._comes_from_a_cell(), start_directory(self.shell)
        return find_location(self.shell.user_ns, os.environ, start, asked=asked, from_cell=is_cell)

    def _limits(self) -> dict[str, int]:
        """What the settings say of how much is kept."""
        return {"keep": self.settings.keep, "quota": parse_size(self.settings.quota)}

    def _limit(self) -> None:
        limits = self._limits()
        self.pipeline.context.keep, self.pipeline.context.quota = limits["keep"], limits["quota"]

    def _count_packages(self, policy: str) -> None:
        self.pipeline.today.modules.packages = policy
        self.pipeline.touch()

    # -- registrations and their undo ------------------------------------------------------------------

    def _register(self) -> None:
        shell = self.shell
        self._shadowed = {
            (kind, name): function
            for kind, table in shell.magics_manager.magics.items()
            for name, function in table.items()
        }
        self._magics = register_magics(self)
        shell.configurables.append(self.settings)
        shell.input_transformers_cleanup.append(comment_to_magic)
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)
        self._matcher = None
        if getattr(shell, "Completer", None) is not None:
            from jo_notebook.notebook.completion import step_matcher

            self._matcher = step_matcher(self.pipeline)
            shell.Completer.custom_matchers.append(self._matcher)
        self.cells.enter(None)

    def close(self) -> None:
        """Undoes every registration."""
        shell = self.shell
        for kind, name, function in self._magics:
            table, before = shell.magics_manager.magics[kind], self._shadowed.get((kind, name))
            if table.get(name) is not function:
                continue  # the user has put one of their own in its place
            if before is None:
                del table[name]
            else:
                table[name] = before
        shell.configurables.remove(self.settings)
        shell.input_transformers_cleanup.remove(comment_to_magic)
        shell.events.unregister("pre_run_cell", self._before_cell)
        shell.events.unregister("post_run_cell", self._after_cell)
        if self._matcher is not None:
            shell.Completer.custom_matchers.remove(self._matcher)
        self.pipeline.close()
        self.pipeline.home.ask = None
        for picture in self._pictures.values():
            picture.close()
        self._turn_away()
        self.pipeline.executors.close()
        self.bars.close()
        self.objects.close()
        self.answers.close()
        self.loop.close()

    # -- cells -----------------------------------------------------------------------------------------

    def _before_cell(self, info: Any) -> None:
        cell = self.cells.enter(info)
        if cell is None:
            return
        self._mark_orphans()
        self.pipeline.touch()
        if not cell.text.startswith(OURS):
            self.names.tell_of_background()
        self.names.look_at_what_is_read(cell.text)
        self.debugging.before_cell(cell.text)

    def _mark_orphans(self) -> None:
        """Steps whose cell was deleted: in this session, or (for remembered ones) from the saved file."""
        origins = [definition.origin for definition in self.pipeline.dag.definitions.values()]
        cells = [origin for origin in origins if origin.remembered and origin.is_cell and origin.cell_id]
        remembered = frozenset(origin.cell_id for origin in cells)
        self.pipeline.gone_cells = frozenset(self.cells.deleted) | self.saved.gone(remembered)

    def _after_cell(self, result: Any) -> None:
        cell = self.cells.leave(result)
        if cell is None:
            return
        self.pipeline.touch()
        for problem in self.objects.follow():
            print(problem)  # noqa: T201 - below the cell that made it so
        self.names.explain_missing(result.error_in_exec)
        if cell.id and cell.text and result.success:
            self._drop_left_over(cell.id, cell.defined)
        if len(self.pipeline.dag):
            self.pipeline.tell(Event(EventKind.CHANGED))  # a helper may be another now: pictures look again

    def _drop_left_over(self, cell_id: str, defined: set[str]) -> None:
        """A cell that no longer defines a step: the step goes, its results stay on disk."""
        mine = [name for name, d in self.pipeline.dag.definitions.items() if d.origin.cell_id == cell_id]
        left = [name for name in mine if name not in defined]
        if left:
            self.pipeline.remove(*left)

    # -- steps -----------------------------------------------------------------------------------------

    def define(self, line: StepLine, body: str) -> Any:
        """Registers the running cell as a step, shows its line, and materializes it where that is asked."""
        line = replace(line, depends_on=self.objects.joined(line.depends_on))
        return self._add(self.defining.of_cell(line, body), run=line.run, replacing=self._of_this_cell())

    def define_like(self, line: StepLine) -> Any:
        """Registers a step with the code of another one."""
        line = replace(line, depends_on=self.objects.joined(line.depends_on))
        return self._add(self.defining.like(line, self.pipeline), run=line.run, replacing=())

    def load_stages(self, path: str, module: str) -> str:
        """Registers the stages of a file, as seen from where the notebook is; a sentence says which.

        Raises UsageError, CycleError or DuplicateStepError, with file and line; then nothing changed.
        """
        from jo_notebook.interop.stages import load_stages  # with YAML, wanted by few

        notebook = self.location.notebook
        folder = Path(notebook).parent if notebook else start_directory(self.shell)
        names = load_stages(self.pipeline, folder / os.path.expanduser(path), module=module, called=path)
        notes = [note for name in names for note in self.names.shadowed(name)]
        few = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        line = f"{Path(path).name}: {few} · {'a stage' if len(names) == 1 else f'{len(names)} stages'}."
        return "\n".join([line, *notes[:12]])

    def _add(self, definition: Definition, *, run: bool, replacing: tuple[str, ...]) -> Any:
        name = definition.name
        is_mended = self.debugging.takes(name)
        self.pipeline.add(definition, replacing=replacing, moved=is_mended)
        more = self.debugging.ends(name, definition.origin) if is_mended else []
        self.cells.current.defined.add(name)
        self.defining.keep_text(definition)
        materialize = run or self.settings.on_step == "materialize"
        self._show_step(name, more, button=not materialize)
        if not materialize:
            return None
        return perform_and_show(self, find("materialize"), [name], "%materialize")

    def _show_step(self, name: str, more: Sequence[str] = (), *, button: bool = True) -> None:
        """The line, and the button, below the cell that defined a step."""
        plan = self.pipeline.plan(name)
        notes = [*mismatches(self.pipeline, name, plan), *self.names.shadowed(name), *more]
        self.answers.show(name, notes, button=button and self.settings.button and self.cells.has_front_end())

    def _of_this_cell(self) -> tuple[str, ...]:
        """Steps that this very cell defined when it ran before."""
        cell = self.cells.current
        if not cell.id:
            return ()
        mine = (n for n, d in self.pipeline.dag.definitions.items() if d.origin.cell_id == cell.id)
        return tuple(name for name in mine if name not in cell.defined)

    @contextmanager
    def _around_steps(self, recorder: Recorder) -> Iterator[None]:
        """What the engine enters around each call of a step.

        The shell's magics are one table for all threads: a step that uses them runs alone, on the main thread.
        """
        if recorder.is_beside:
            with capture_displays(self.shell, recorder):
                yield
            return
        with capture_displays(self.shell, recorder), magics_see_the_step(self.shell):
            yield

    def bar(self) -> AbstractContextManager[None]:
        """Inside, the run that begins has a bar, where the front end can show one."""
        can_show = self.cells.has_front_end() and hasattr(self.shell.display_pub, "pub_socket")
        return self.bars.shown() if can_show else nullcontext()

    # -- results ---------------------------------------------------------------------------------------

    def keep_picture(self, picture: Any) -> Any:
        """A cell shows one picture: the one it showed before is let go."""
        cell = self.cells.current.id or self.cells.current.text
        older = self._pictures.pop(cell, None)
        if older is not None:
            older.close()
        self._pictures[cell] = picture
        return picture

    def _comes_from_a_cell(self) -> bool:
        """False where a request is being answered that did not come from a notebook's cell."""
        parent: dict[str, Any] = getattr(self.shell, "get_parent", dict)() or {}
        if parent.get("msg_type", parent.get("header", {}).get("msg_type")) != "execute_request":
            return True
        return bool(parent.get("metadata", {}).get("cellId"))
