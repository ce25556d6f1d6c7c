"""Settings as IPython users expect them: `%config JoNotebook`, or `c.JoNotebook.…` in a configuration file."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Bool, Enum, Int, TraitError, Unicode, default, validate
from traitlets.config import Configurable

from jo_notebook.core.definition import KEEP_LIMIT
from jo_notebook.engine.executors import check_wanted
from jo_notebook.engine.surroundings import JOBS_LIMIT, executor_from, jobs_from
from jo_notebook.errors import UsageError
from jo_notebook.store.quota import KEEP, keep_from, parse_size


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
    keep = Int(
        KEEP,
        min=1,
        max=KEEP_LIMIT,
        help="How many results of each step stay on disk, the newest and older ones; %%step --keep says it for one.",
    ).tag(config=True)
    quota = Unicode(
        "", help="A size such as 5 GB: when results take more, a line says so. Nothing is deleted by itself."
    ).tag(config=True)

    jobs = Int(
        0,
        min=0,
        max=JOBS_LIMIT,
        help="How many steps may run at once, 0 for as many as fit; %materialize --jobs says it for one run",
    ).tag(config=True)
    executor = Unicode(
        "", help="Where steps run: inline, threads, processes, dask, dask:ADDRESS; empty for inline or threads"
    ).tag(config=True)

    @default("jobs")  # type: ignore[untyped-decorator]
    def _jobs_of_the_environment(self) -> int:
        return jobs_from(os.environ)

    @default("executor")  # type: ignore[untyped-decorator]
    def _executor_of_the_environment(self) -> str:
        return executor_from(os.environ)

    @validate("executor")  # type: ignore[untyped-decorator]
    def _an_executor(self, proposal: Any) -> str:
        try:
            return str(check_wanted(proposal["value"].strip()))
        except UsageError as error:
            raise TraitError(str(error)) from None

    @default("keep")  # type: ignore[untyped-decorator]
    def _keep_of_the_environment(self) -> int:
        return keep_from(os.environ)

    @default("quota")  # type: ignore[untyped-decorator]
    def _quota_of_the_environment(self) -> str:
        return os.environ.get("JO_QUOTA", "")

    @validate("quota")  # type: ignore[untyped-decorator]
    def _a_size(self, proposal: Any) -> str:
        try:
            parse_size(proposal["value"])
        except UsageError as error:
            raise TraitError(str(error)) from None
        return str(proposal["value"])
