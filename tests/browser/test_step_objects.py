"""Pictures of `Step` objects: without the extension, without a network; and a click on one that a cell depends on."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook

RECIPE = """
from jo_notebook import Context, Step

class BoilWater(Step):
    def run(self):
        return "water"

class Salt(Step):
    def run(self, water):
        return f"salted {water}"

class PourPasta(Step):
    def run(self, water):
        return f"pasta in {water}"

kept = Context()
pasta = PourPasta([Salt([BoilWater(ctx=kept)], ctx=kept)], ctx=kept, name_alias="Pour pasta")
pasta.dependencies[0].materialize()
"""
CELLS = (
    RECIPE,
    "pasta.dependency_graph()",
    "from IPython.display import display_javascript\ndisplay_javascript(pasta.dependency_graph_js(True), raw=True)",
    "%load_ext jo_notebook",
    "%%step Serve --depends-on pasta\npasta.upper()",
    "%graph",
)


def test_pictures_and_a_click(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    (picture,) = notebook.outputs(1)
    assert "Pour pasta" in "".join(picture["data"]["image/svg+xml"])
    notebook.wait_for(
        """() => [...document.querySelectorAll('.jp-RenderedJavaScript svg')]
            .some(svg => svg.textContent.includes('Pour pasta') && svg.getBoundingClientRect().width > 100)"""
    )
    notebook.wait_graph(4)
    notebook.shot("step-objects")
    notebook.click_node("Serve")
    notebook.wait_states(**{"Serve": "available", "Pour pasta": "available"})
    assert notebook.errors == []
