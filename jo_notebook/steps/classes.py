"""`Step` objects: pipelines as classes, for those who come from job_orchestra.

The same constructor, methods, order of arguments and text of a plan; `docs/moving-from-job-orchestra.md` tells what is
better. Results live in each step's own context (`ctx`); where a step has none, its result lasts for one call.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, MutableMapping
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.plan import Plan
from jo_notebook.errors import StepNameError, UsageError
from jo_notebook.steps.pictures import StepPicture, script_of
from jo_notebook.steps.walks import breadth_first, edges_of, in_order

Contexts = MutableMapping[str, Any]


class Step:
    """A step of a pipeline: subclass it, override `run`, and `materialize` the last one.

    `run` receives the results of `depends_on` in that order. A step is called by its class, or by `name_alias`; within
    one pipeline every name is of one object.
    """

    dependencies: list[Step] = []  # noqa: RUF012 - for a subclass whose __init__ does not call this one
    ctx: Contexts | None = None
    name_alias: str | None = None

    def __init__(
        self, depends_on: Step | Iterable[Step] | None = (), ctx: Contexts | None = None, name_alias: str | None = None
    ) -> None:
        """Raises UsageError for a dependency that is no step, StepNameError for a name that is no text."""
        if name_alias is not None and not isinstance(name_alias, str):
            raise StepNameError(f"name_alias is the name of a step, a text, not {name_alias!r}.")
        self.dependencies = _listed(depends_on, self)
        self.ctx = ctx
        self.name_alias = name_alias

    def __str__(self) -> str:
        return self.name_alias or type(self).__name__

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the result of this step from those it depends on; override it."""
        raise NotImplementedError(f"{self} has no run(): override it in a subclass of Step, and return its result.")

    def materialize(self) -> Any:
        """The result: from its context where it is there and right, else run, with all it needs, each step once.

        An exception of the user's code comes out as it is, after a warning that names the step; what was finished stays
        in its context. Raises DuplicateStepError, CycleError, UsageError before anything runs.
        """
        from jo_notebook.steps.runs import materialize

        return materialize(self)

    def plan(self) -> Plan:
        """What `materialize` would do, and why, as data. Raises as it does."""
        from jo_notebook.steps.runs import plan_of

        return plan_of(self)

    def execution_plan(self) -> None:
        """Prints what `materialize` would do. Raises as it does."""
        from jo_notebook.steps.runs import plan_of, plan_text

        print(plan_text(self, plan_of(self)))  # noqa: T201 - it is what it says: a print

    def depending_steps_breadth_first(self) -> list[str]:
        """The names of all that this step depends on: its own dependencies first, then those of each of them."""
        return list(dict.fromkeys(map(str, breadth_first(self))))

    def depending_steps_depth_first(self) -> list[str]:
        """The names of all that this step depends on, in an order in which they can run."""
        return list(dict.fromkeys(map(str, in_order(self)[:-1])))

    def dependency_graph(self, graph: Any = None) -> StepPicture | None:
        """A picture of this step and all it depends on, with `.graph.nodes` and `.graph.edges`; works offline.

        A graph that is handed over and holds something already (`add_edge(a, b)`) takes the edges, and nothing comes
        back.
        """
        steps = in_order(self)
        if graph:
            for source, target in edges_of([self, *breadth_first(self)]):
                graph.add_edge(source, target)
            return None
        return StepPicture(self, steps, self.plan)

    def dependency_graph_js(self, enable_wheel_zoom: bool = False) -> str:
        """The picture as JavaScript for `IPython.display.display_javascript(..., raw=True)`; it loads nothing."""
        return script_of(StepPicture(self, in_order(self), self.plan), wheel=enable_wheel_zoom)

    # -- steps without a class of their own ----------------------------------------------------------

    @staticmethod
    def from_data(data: Any, name_alias: str = "Data", ctx: Contexts | None = None) -> Step:
        """A step whose result is `{"output": data}`."""
        return _Value(AttrDict({"output": data}), ctx=ctx, name_alias=name_alias)

    @staticmethod
    def stepify(
        output: Any,
        depends_on: Step | Iterable[Step] | None = (),
        ctx: Contexts | None = None,
        name_alias: str | None = None,
    ) -> Step:
        """A step whose result is `output`, whatever it depends on."""
        return _Value(output, depends_on, ctx, name_alias or "Step")

    @staticmethod
    def join(dependencies: Step | Iterable[Step], name_alias: str | None = None, ctx: Contexts | None = None) -> Step:
        """A step that gives the results of several, as a tuple."""
        return Join(dependencies, ctx, name_alias)

    @staticmethod
    def noop_step(dependencies: Step | Iterable[Step], name_alias: str | None = None) -> Step:
        """The former name of `join`."""
        warnings.warn("noop_step is being renamed in 'join'", DeprecationWarning, stacklevel=2)
        return NoOpNode(dependencies, None, name_alias)


class _Value(Step):
    """A step that has its result already."""

    def __init__(self, output: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.output = output

    def run(self, *args: Any) -> Any:
        return self.output


class Join(Step):
    """A step that gives what it is given."""

    def run(self, *args: Any) -> Any:
        """The results of its dependencies, as a tuple."""
        return args


class NoOpNode(Join):
    """`Join` under its former name."""


def _listed(depends_on: Any, step: Step) -> list[Step]:
    """The dependencies as a list; a list stays the user's own. Raises UsageError for what is no step."""
    if isinstance(depends_on, Step):
        return [depends_on]
    if depends_on is None:
        return []
    is_one = isinstance(depends_on, str | bytes) or not isinstance(depends_on, Iterable)
    found = [depends_on] if is_one else depends_on if type(depends_on) is list else list(depends_on)
    if any(isinstance(other, str) for other in found):
        from jo_notebook.steps.registered import named

        found = [named(other) if isinstance(other, str) else other for other in found]
    for other in found:
        if not isinstance(other, Step):
            hint = " Write the object, not its class: add the parentheses." if isinstance(other, type) else ""
            raise UsageError(f"{step}: depends_on takes Step objects, not {str(other)[:60]!r}.{hint}")
    return found
