"""How answers look in a cell: quiet text that follows its step, and a button where a front end shows widgets."""

from __future__ import annotations

import html
import os
import threading
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.files import MISSING
from jo_notebook.core.needs import Need
from jo_notebook.core.plan import Availability, Decision, Plan
from jo_notebook.errors import JoError, did_you_mean
from jo_notebook.pipeline import Pipeline
from jo_notebook.views.comms import answer_at_once
from jo_notebook.views.live import PlanFollower
from jo_notebook.views.look import LOOKS
from jo_notebook.views.text import step_line
from jo_notebook.views.words import far, shorten

LIMIT = 160  # columns: longer reasons are told in full by %explain and %log
ROW = "font-size:13px;line-height:24px;overflow-wrap:anywhere"
MARK = (
    "display:inline-block;width:17px;border-radius:4px;font:600 11px/16px sans-serif;text-align:center;margin-right:3px"
)
CSS = """\
.jo-step-box{margin:0;overflow:hidden}
.jo-step-box .widget-box,.jo-step-box .jupyter-widget-box{margin:0;align-items:flex-start;gap:10px;overflow:hidden}
.jo-step-box .widget-html,.jo-step-box .jupyter-widget-html{margin:0;min-height:0;height:auto;min-width:0}
.jo-step-box .widget-html-content{line-height:24px;overflow-wrap:anywhere}
.jo-step-button.jupyter-button{flex:0 0 auto;width:auto;height:22px;line-height:20px;margin:1px 0;padding:0 8px;
 border-radius:5px;font-size:12px;background:transparent;color:var(--jp-ui-font-color1,inherit);
 border:1px solid var(--jp-border-color1,#8886)}
.jo-step-button.jupyter-button:hover:enabled{background:var(--jp-layout-color2,#8882);box-shadow:none}
.jo-step-button.jupyter-button:disabled{opacity:.4}
.jo-step-box.jupyter-widgets-disconnected::before,.jo-step-box .jupyter-widgets-disconnected::before{display:none}
.jo-step-box .jo-step-button.jupyter-widgets-disconnected{display:none}
"""


class Line:
    """A line of text that a notebook shows in the page's own type, with the state's colour in front.

    `doing` is "running" or "queued" where that is so.
    """

    def __init__(self, text: str, decision: Decision, notes: list[str], doing: str = "") -> None:
        self.text = text
        self.notes = notes
        self.decision = decision
        self.doing = doing
        self.is_available = decision.availability is Availability.AVAILABLE
        self._look = LOOKS[doing or str(decision.availability)]

    def __repr__(self) -> str:
        return "\n".join([self.text, *self.notes])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """The same as HTML; every piece of it that a user wrote is escaped."""
        rows = [self.state_html(), self.notes_html()]
        return f'<div class="jo-step" style="{ROW}">{"<br>".join(filter(None, rows))}</div>'

    def state_html(self) -> str:
        """The line itself."""
        look = self._look
        mark = f'<span style="background:{look.fill};color:{look.text};{MARK}">{html.escape(look.glyph)}</span>'
        return f"{mark} {html.escape(self.text)}"

    def notes_html(self) -> str:
        """What stands below it."""
        return "<br>".join(f'<span style="opacity:.75">{html.escape(note)}</span>' for note in self.notes)


class StepAnswers:
    """The answers of `%%step` cells: one for each step. Those with a button follow their steps."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._notes: dict[str, list[str]] = {}
        self._live: dict[str, LiveLine] = {}
        self._asked = ""
        self._follower: PlanFollower | None = None

    def show(self, name: str, notes: list[str], *, button: bool) -> None:
        """Displays the line of a step that was just registered."""
        line = self._line(self._pipeline.explain(name), notes)
        with self._lock:
            self._drop(name)
            if not button:
                from IPython.display import display

                display(line)
                return
            self._notes[name] = notes
            self._live[name] = LiveLine(line, lambda: self._clicked(name))
        if self._follower is None:
            self._follower = PlanFollower(self._pipeline, self._update, self._say)

    def close(self) -> None:
        """Ends following; the lines stay, without buttons."""
        if self._follower is not None:
            self._follower.close()
        with self._lock:
            for name, live in list(self._live.items()):
                live.make_plain()
                self._drop(name)

    def _clicked(self, name: str) -> None:
        self._asked = name
        try:
            self._pipeline.request({"verb": "materialize", "step": name})
        except JoError as error:
            self._say(error)

    def _update(self, plan: Plan) -> None:
        notice = self._pipeline.message()
        with self._lock:
            for name in list(self._live):
                if name not in self._pipeline.dag:
                    self._drop(name)
                elif name in plan:  # a plan may be older than a step
                    notes = self._notes[name] + ([notice] if notice and name == self._asked else [])
                    self._live[name].show(self._line(plan[name], notes))

    def _say(self, error: BaseException) -> None:
        """An error goes below the line whose button was clicked last."""
        with self._lock:
            live = self._live.get(self._asked)
            if live is not None:
                live.add_note(str(error) or type(error).__name__)

    def _line(self, decision: Decision, notes: list[str]) -> Line:
        pipeline, name = self._pipeline, decision.step
        dag = pipeline.dag
        doing = "running" if name in pipeline.running else "queued" if name in pipeline.queued else ""
        dependencies = [str(d) for d in dag.dependencies[name]]
        inferred = dag[name].depends_on is None
        going = pipeline.going.get(name) if doing == "running" else None
        how_far = far(going.fraction, going.left) if going is not None else ""
        text = step_line(decision, dependencies, inferred=inferred, doing=doing, how_far=how_far)
        return Line(shorten(text, LIMIT), decision, notes, doing)

    def _drop(self, name: str) -> None:
        self._notes.pop(name, None)
        live = self._live.pop(name, None)
        if live is not None:
            live.close()


class LiveLine:
    """A line in a cell. With a button until its step is available, then plain, so that a saved notebook shows it."""

    def __init__(self, line: Line, clicked: Any) -> None:
        from IPython.display import display

        self._line = line
        self._clicked = clicked
        self._box: Any = None
        self._handle = display(self._looks(), display_id=True)

    def show(self, line: Line) -> None:
        """Shows the line as it is now; nothing is sent where nothing is new."""
        before, self._line = self._line, line
        if line.html() == before.html():
            return
        if self._box is not None:
            self._box.show(line)
        if line.is_available or before.is_available:
            self._handle.update(self._looks())

    def add_note(self, note: str) -> None:
        """Shows one more line below this one, until the next change."""
        line = self._line
        self.show(Line(line.text, line.decision, [*line.notes, note], line.doing))

    def make_plain(self) -> None:
        """Takes the button away and leaves the line."""
        if not self._line.is_available:
            self._handle.update(self._line)

    def close(self) -> None:
        """Lets the button go."""
        if self._box is not None:
            self._box.close_all()

    def _looks(self) -> Any:
        if self._line.is_available:
            return self._line
        if self._box is None:
            self._box = _box(self._line, self._clicked)
        return self._box


def _box(line: Line, clicked: Any) -> Any:
    import ipywidgets

    class StepBox(ipywidgets.VBox):  # type: ignore[misc]
        """A line, its button and its notes; text where there are no widgets."""

        def __init__(self) -> None:
            self._state, self._below = ipywidgets.HTML(), ipywidgets.HTML()
            self._button = ipywidgets.Button(
                description="Materialize", icon="play", tooltip="Run what is needed and store the results"
            ).add_class("jo-step-button")
            self._button.on_click(lambda _: clicked())
            answer_at_once(self._button)
            self._row = ipywidgets.HBox([self._state, self._button])
            super().__init__([self._row, self._below])
            self.add_class("jo-step-box")
            self.show(line)

        def show(self, line: Line) -> None:
            self._line = line
            self._state.value = f"<style>{CSS}</style>{line.state_html()}"
            self._below.value = line.notes_html()
            self._below.layout.display = None if line.notes else "none"
            self._button.disabled = bool(line.doing)
            self._button.layout.display = "none" if line.is_available else None

        def close_all(self) -> None:
            for widget in (self._state, self._button, self._below, self._row, self):
                for part in (widget, widget.layout, getattr(widget, "style", None)):
                    if part is not None:
                        part.close()

        def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
            return {**(super()._repr_mimebundle_(**kwargs) or {}), **self._line._repr_mimebundle_()}

    return StepBox()


def mismatches(pipeline: Pipeline, name: str, plan: Plan) -> list[str]:
    """What a reader of the cell would want pointed out."""
    definition = pipeline.dag[name]
    notes = []
    own = {d.parameter for d in pipeline.dag.dependencies[name]} | {n for n, _ in definition.params}
    if definition.depends_on is not None:
        unread = [
            str(d)
            for d in definition.depends_on
            if d.parameter not in definition.source.reads and not _reads_what_it_writes(pipeline, definition, d.step)
        ]
        if unread:
            notes.append(f"Note: {name} depends on {', '.join(unread)} and does not read it.")
        undeclared = sorted(n for n in definition.source.reads - own if n in pipeline.dag and n != name)
        if undeclared:
            notes.append(
                f"Note: {name} reads {', '.join(undeclared)}, a step it does not depend on: "
                f"add it to --depends-on, or leave --depends-on out."
            )
    through = [
        (n.name, sorted(set(n.reads) & pipeline.dag.definitions.keys() - {name})) for n in needs_of(pipeline, name)
    ]
    notes += [
        f"Note: {helper}, which {name} uses, reads {', '.join(steps)}, a step: hand its value over as an argument."
        for helper, steps in through
        if steps
    ]
    lacking = [path for path in definition.reads if pipeline.today.file_digest(path) == MISSING]
    makers = [n for n in pipeline.dag if n != name and _reads_what_it_writes(pipeline, definition, n)]
    apart = [maker for maker in makers if maker not in pipeline.dag.ancestors([name])]
    if apart:
        notes.append(
            f"Note: {name} reads a file that {', '.join(apart)} writes: say --depends-on {','.join(apart)}, so that "
            "they run in order."
        )
    if lacking and not makers:
        notes.append(f"Note: {', '.join(lacking)}, which {name} declares to read, is not there.")
    missing = [d.step for d in pipeline.dag.dependencies[name] if d.step not in pipeline.dag]
    if missing:
        near = [hint for name in missing if (hint := did_you_mean(name, pipeline.dag))]
        notes += [f"Note: {', '.join(missing)} is not registered yet.{' '.join(near)}"] if near else []
    if not definition.source.has_result:
        notes.append(f"Note: the result of {name} is None: its last line is no expression and nothing is returned.")
    return notes


def needs_of(pipeline: Pipeline, name: str) -> list[Need]:
    """The functions and classes of the notebook that a step uses."""
    return [need for need in pipeline.today.needs(pipeline.dag, name) if need.kind == "helper"]


def _reads_what_it_writes(pipeline: Pipeline, reader: Definition, step: str) -> bool:
    """Whether a step declares to read a file, or below a directory, that another one declares to write."""
    writer = pipeline.dag.definitions.get(step)
    written = [os.path.abspath(path) for path in writer.writes] if writer is not None else []
    read = [os.path.abspath(path) for path in reader.reads]
    return any(mine == theirs or theirs.startswith(mine + os.sep) for mine in read for theirs in written)
