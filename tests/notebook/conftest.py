"""One kernel for a module's questions, with the extension loaded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel import Kernel


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel as JupyterLab starts it; each test gives its steps names of their own."""
    place = tmp_path_factory.mktemp("notebook")
    notebook = place / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    kernel = Kernel(place, {"JPY_SESSION_NAME": str(notebook)})
    kernel.run("%load_ext jo_notebook", "loading")
    kernel.run("%config JoNotebook.button = False", "setting")
    kernel.run("%%step Load --run\n[3, 1, 2]", "load")
    yield kernel
    kernel.close()
