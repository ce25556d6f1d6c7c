"""What a user decides against the reasons, as records: an old result blessed for today's code."""

from __future__ import annotations

from dataclasses import replace

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.graph import Graph
from jo_notebook.core.plan import Availability, Known, Plan, input_parts
from jo_notebook.core.record import Record
from jo_notebook.errors import UsageError


def accepted(graph: Graph, known: Known, plan: Plan, name: str) -> Record | None:
    """The record under which the step's stored result counts as today's; None where it counts already.

    What upstream steps gave is taken as today's too, as far as it is known; where one of them has to run, the
    step is compared with what comes out of it, as always.
    Raises UsageError where there is no result to accept.
    """
    decision, record = plan[name], known.records.get(name)
    if name in known.problems:
        raise UsageError(f"{name}'s stored result is damaged: there is nothing whole to accept. Run it again.")
    if record is None or not decision.held:
        raise UsageError(f"{name} has no result to accept: run it first, with %materialize {name}.")
    own = [reason.text for reason in decision.reasons if reason.kind not in ("upstream", "asked")]
    if decision.override == "pinned":
        own = [text for text in decision.overridden if not text.startswith("upstream ")]
    if not own:
        return None
    versions = {step: _version(known, plan, step) for step in graph.parents(name)}
    unknown = {d.parameter for d in graph.dependencies[name] if versions[d.step] is None}
    kept = [part for part in record.fingerprint.parts if part.kind == "input" and part.name in unknown]
    today = Fingerprint.of([*known.parts(name), *input_parts(graph, name, versions), *kept])
    writes = tuple((path, known.digest_now(path)) for path, _ in record.writes)
    return replace(record, fingerprint=today, accepted=tuple(own), writes=writes)


def _version(known: Known, plan: Plan, step: str) -> str | None:
    if step not in plan or plan[step].availability is not Availability.AVAILABLE:
        return None
    record = known.records.get(step)
    return None if record is None else record.output
