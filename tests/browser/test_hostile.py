"""Names, errors and reasons that look like HTML stay text."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook

EVIL = "</script></style><img src=x onerror=alert(1)><script>alert(2)</script>"
CELLS = (
    "%load_ext jo_notebook",
    f"tag = {EVIL!r}",
    "%%step Größe_数据\n1",
    f"%%step Quoted --depends-on Größe_数据\n(tag, Größe_数据, {EVIL!r})",
    f"%%step Bad --depends-on Größe_数据\nraise ValueError({EVIL!r}, Größe_数据)",
    "%graph",
)


def test_nothing_is_injected(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    notebook.wait_graph(3)
    notebook.page.evaluate("() => { window.alert = text => (window.joAlerts ??= []).push(text); }")
    notebook.click_node("Quoted")
    notebook.wait_states(Größe_数据="available", Quoted="available")
    notebook.wait_idle()
    notebook.click_node("Bad")
    notebook.wait_states(Bad="failed")
    notebook.wait_message("onerror=alert(1)")
    notebook.wait_hint("onerror=alert(1)")
    notebook.wait_text(4, "onerror=alert(1)")
    notebook.set_source(1, f"tag = {EVIL + '!'!r}")
    notebook.run_cell(1)
    notebook.wait_states(Quoted="stale")
    notebook.point_at("Quoted")
    notebook.wait_hint("constant tag: '</script>")
    notebook.wait_text(3, "stale: constant tag: '</script>")
    notebook.wait_idle()
    assert notebook.page.evaluate("() => document.querySelectorAll('img[src=\"x\"]').length") == 0
    assert notebook.page.evaluate("() => window.joAlerts ?? []") == []
    assert notebook.dialogs == []
    assert notebook.errors == []
    assert notebook.external == []
