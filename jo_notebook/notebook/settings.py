"""Settings as IPython users expect them: `%config JoNotebook`, or `c.JoNotebook.…` in a configuration file."""

from __future__ import annotations

from traitlets import Bool, Enum, Unicode
from traitlets.config import Configurable


class JoNotebook(Configurable):  # type: ignore[misc]
    """Settings of jo_notebook."""

    on_step = Enum(
        ["register", "materialize"],
        default_value="register",
        help="What running a %%step cell does: only register the step, or materialize it as well.",
    ).tag(config=True)
    context = Unicode("", help="A directory for results; empty means beside the notebook.").tag(config=True)
    button = Bool(True, help="Offer a button below a step cell, in front ends that show widgets.").tag(config=True)
    packages = Enum(
        ["exact", "minor", "ignore"],
        default_value="exact",
        help="What of an installed package's version makes results stale: all of it, its first two numbers, nothing",
    ).tag(config=True)
