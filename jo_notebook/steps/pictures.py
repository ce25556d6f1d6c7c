"""`Step.dependency_graph()`: nodes and edges, and a picture of them that needs no network and no widget."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jo_notebook.core.plan import Plan
from jo_notebook.steps.walks import breadth_first, edges_of
from jo_notebook.views.diagram import describe, mermaid, svg
from jo_notebook.views.state import graph_state

if TYPE_CHECKING:
    from jo_notebook.steps.classes import Step

Edge = tuple[str, str]


class Listed(tuple[Any, ...]):
    """Nodes or edges, in order; like those of networkx they may also be called."""

    __slots__ = ()

    def __call__(self) -> Listed:
        """Itself."""
        return self


class StepGraph:
    """Names of steps, and edges from each dependency to the step that needs it."""

    def __init__(self, nodes: Iterable[str], edges: Iterable[Edge]) -> None:
        self.nodes = Listed(nodes)
        self.edges = Listed(edges)

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, name: object) -> bool:
        return name in self.nodes

    def __repr__(self) -> str:
        return f"<StepGraph of {len(self.nodes)} steps and {len(self.edges)} dependencies>"

    def has_node(self, name: str) -> bool:
        """Whether there is such a step."""
        return name in self.nodes

    def has_edge(self, source: str, target: str) -> bool:
        """Whether `target` depends on `source` directly."""
        return (source, target) in self.edges

    def number_of_nodes(self) -> int:
        """How many steps."""
        return len(self.nodes)

    def number_of_edges(self) -> int:
        """How many dependencies."""
        return len(self.edges)

    def predecessors(self, name: str) -> Iterator[str]:
        """What a step depends on directly."""
        return (source for source, target in self.edges if target == name)

    def successors(self, name: str) -> Iterator[str]:
        """What depends on a step directly."""
        return (target for source, target in self.edges if source == name)


class StepPicture:
    """A step and all it depends on, as it was when asked for: `graph`, and a picture with the state of each."""

    def __init__(self, head: Step, steps: Sequence[Step], plan: Callable[[], Plan]) -> None:
        self.graph = StepGraph(map(str, [head, *breadth_first(head)]), edges_of(reversed(steps)))
        self._plan = plan

    def __repr__(self) -> str:
        return describe(graph_state(self._plan()))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        state = graph_state(self._plan())
        return {"image/svg+xml": svg(state), "text/vnd.mermaid": mermaid(state), "text/plain": describe(state)}

    def to_svg(self) -> str:
        """The picture alone."""
        return svg(graph_state(self._plan()))


def script_of(picture: StepPicture, *, wheel: bool) -> str:
    """The picture as a script for Jupyter's JavaScript outputs: drag moves it and, with `wheel`, the wheel zooms it."""
    return _SCRIPT % (json.dumps(picture.to_svg()).replace("</", "<\\/"), "true" if wheel else "false")


_SCRIPT = """(function () {
  var place = element[0] || element, box = document.createElement("div");
  box.innerHTML = %s;
  box.style.overflow = "hidden";
  place.appendChild(box);
  var picture = box.querySelector("svg"), view = picture.viewBox.baseVal, from = null;
  function scale() { return view.width / picture.getBoundingClientRect().width; }
  picture.addEventListener("pointerdown", function (event) { from = event; });
  window.addEventListener("pointerup", function () { from = null; });
  picture.addEventListener("pointermove", function (event) {
    if (!from) { return; }
    view.x -= (event.clientX - from.clientX) * scale();
    view.y -= (event.clientY - from.clientY) * scale();
    from = event;
  });
  if (%s) {
    picture.addEventListener("wheel", function (event) {
      var factor = event.deltaY < 0 ? 0.9 : 1 / 0.9;
      view.x += view.width * (1 - factor) / 2;
      view.y += view.height * (1 - factor) / 2;
      view.width *= factor;
      view.height *= factor;
      event.preventDefault();
    });
  }
})();
"""
