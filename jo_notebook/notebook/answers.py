"""How answers look in a cell: quiet text, and a button where a front end shows widgets."""

from __future__ import annotations

import html
from typing import Any

from jo_notebook.core.plan import Availability, Decision, Plan
from jo_notebook.errors import did_you_mean
from jo_notebook.pipeline import Pipeline
from jo_notebook.views.look import LOOKS
from jo_notebook.views.text import step_line


class Line:
    """A line of text that a notebook shows in the page's own type, with the state's colour in front."""

    def __init__(self, text: str, decision: Decision, notes: list[str]) -> None:
        self.text = text
        self.decision = decision
        self.notes = notes

    def __repr__(self) -> str:
        return "\n".join([self.text, *self.notes])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """The same as HTML; every piece of it that a user wrote is escaped."""
        look = LOOKS[str(self.decision.availability)]
        mark = f'<span style="color:{look.fill};font-weight:600">{html.escape(look.glyph)}</span>'
        rows = [f"{mark} {html.escape(self.text)}"]
        rows += [f'<span style="opacity:.75">{html.escape(note)}</span>' for note in self.notes]
        return f'<div class="jo-step" style="font-size:90%;padding:2px 0">{"<br>".join(rows)}</div>'


class StepAnswer:
    """The answer of a `%%step` cell. With a button until the step is available; then the line alone remains."""

    def __init__(self, pipeline: Pipeline, name: str, notes: list[str], *, button: bool) -> None:
        self._pipeline = pipeline
        self._name = name
        self._notes = notes
        self._button = button
        self._handle: Any = None
        self._end: Any = None

    def show(self) -> None:
        """Displays the line, and follows the step where a button asks for it."""
        from IPython.display import display

        line = self.line()
        if not self._button or line.decision.availability is Availability.AVAILABLE:
            display(line)
            return
        self._handle = display(_with_button(line, self._clicked), display_id=True)
        self._end = self._pipeline.listen(self._heard)

    def line(self) -> Line:
        """The line of this moment."""
        decision = self._pipeline.explain(self._name)
        return Line(line_of(self._pipeline, decision), decision, self._notes)

    def _clicked(self) -> None:
        self._pipeline.request({"verb": "materialize", "step": self._name})

    def _heard(self, event: Any) -> None:
        if str(event.kind) == "changed" and self._name in self._pipeline.dag:
            line = self.line()
            if line.decision.availability is Availability.AVAILABLE:
                self._end()
                self._handle.update(line)
        elif self._name not in self._pipeline.dag:
            self._end()


def line_of(pipeline: Pipeline, decision: Decision) -> str:
    """Name, dependencies, state, reason and expected time of a step."""
    name = decision.step
    inferred = pipeline.dag[name].depends_on is None
    return step_line(decision, [str(d) for d in pipeline.dag.dependencies[name]], inferred=inferred)


def _with_button(line: Line, clicked: Any) -> Any:
    import ipywidgets

    class StepBox(ipywidgets.HBox):  # type: ignore[misc]
        """A line and its button; text where there are no widgets."""

        def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
            return {**(super()._repr_mimebundle_(**kwargs) or {}), **line._repr_mimebundle_()}

    button = ipywidgets.Button(
        description="Materialize", icon="play", tooltip="Run what is needed and store the results"
    )
    button.layout = ipywidgets.Layout(width="auto", height="26px")
    answer_at_once(button)
    button.on_click(lambda _: clicked())
    return StepBox([ipywidgets.HTML(line.html()), button], layout=ipywidgets.Layout(align_items="center"))


def answer_at_once(widget: Any) -> None:
    """Lets a click reach Python while a cell runs, where ipykernel would hold it back until then.

    ipykernel 7.4 answers a comm on the thread that last wrote to it; this keeps the front end's own thread.
    """
    if hasattr(type(widget.comm), "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda data, default: default


def mismatches(pipeline: Pipeline, name: str, plan: Plan) -> list[str]:
    """What a reader of the cell would want pointed out."""
    definition = pipeline.dag[name]
    notes = []
    own = {d.parameter for d in pipeline.dag.dependencies[name]} | {n for n, _ in definition.params}
    if definition.depends_on is not None:
        unread = [str(d) for d in definition.depends_on if d.parameter not in definition.source.reads]
        if unread:
            notes.append(f"Note: {name} depends on {', '.join(unread)} and does not read it.")
        undeclared = sorted(n for n in definition.source.reads - own if n in pipeline.dag and n != name)
        if undeclared:
            notes.append(
                f"Note: {name} reads {', '.join(undeclared)}, a step it does not depend on: "
                f"add it to --depends-on, or leave --depends-on out."
            )
    missing = [d.step for d in pipeline.dag.dependencies[name] if d.step not in pipeline.dag]
    if missing:
        near = [hint for name in missing if (hint := did_you_mean(name, pipeline.dag))]
        notes += [f"Note: {', '.join(missing)} is not registered yet.{' '.join(near)}"] if near else []
    if not definition.source.has_result:
        notes.append(f"Note: the result of {name} is None: its last line is no expression and nothing is returned.")
    return notes
