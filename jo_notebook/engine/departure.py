"""An attempt at a step in another process: what it is given goes there, what comes of it is taken in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.plan import input_parts
from jo_notebook.core.record import Record
from jo_notebook.engine.attend import Attention
from jo_notebook.engine.away import Elsewhere, Executor
from jo_notebook.engine.capture import recording
from jo_notebook.engine.lanes import Moved, RunAlone
from jo_notebook.engine.packing import packed_input, unpack_error
from jo_notebook.engine.request import Input, Reply, Request
from jo_notebook.engine.shipping import handle_of, only_here, request_for
from jo_notebook.engine.spool import LARGE
from jo_notebook.engine.surroundings import Told
from jo_notebook.errors import NotSendable

if TYPE_CHECKING:
    from jo_notebook.engine.turn import Attempt, Turn

RENEWED = 2
"""How often a step is begun anew in another process because the one before was not as this one is."""


def depart(turn: Turn, attempt: Attempt, before: Record | None, told: Collection[Told]) -> None:
    """Has the step run where its lane says. Who calls it holds the lock of the run, which others get meanwhile.

    Raises what the step raised, RunAlone where it can run here only, NotSendable, WorkerLost, StepTimeout.
    """
    lane = turn.lane
    assert isinstance(lane, Elsewhere)
    sent: set[str] = set()
    for tries in range(RENEWED + 1 + len(turn.outside.graph.dependencies[attempt.step])):
        request = _request(turn, attempt, before, told, lane.executor, sent)
        reply, value = _sent(turn, attempt, lane, request)
        if reply.unread:
            sent.add(reply.unread)
        elif not reply.differs:
            break
        elif reply.is_stale and tries < RENEWED:
            lane.executor.renew()
        else:
            raise NotSendable(f"{attempt.step} cannot run in another process as it would here: {reply.differs}.")
    if reply.error is not None:
        raise unpack_error(reply.error)
    if reply.record is None:
        raise NotSendable(f"{attempt.step} cannot run in another process: {reply.unread} could not be read there.")
    if not lane.executor.is_here:
        _refuse_lost_files(turn, reply.record)
        reply = replace(reply, record=replace(reply.record, files=()))  # stats of another machine's disk
    assert reply.record is not None
    attempt.took = reply.record.seconds
    attempt.measured.cpu, attempt.measured.memory = reply.record.cpu, reply.record.memory
    attempt.attention = _attention(reply, reply.record)
    attempt.value = value
    if reply.is_stored:
        with lane.apart():
            turn.outside.context.look(attempt.step)
        attempt.stored = turn.outside.context.record(attempt.step) or reply.record


def _sent(turn: Turn, attempt: Attempt, lane: Elsewhere, request: Request) -> tuple[Reply, Any]:
    with lane.apart(), recording(attempt.recorder):
        return lane.send(request, attempt.recorder, lambda step: turn.outside.context[step])


def _refuse_lost_files(turn: Turn, record: Record) -> None:
    """What a step has written on another machine must be here, too."""
    for path, digest in record.writes:
        if turn.outside.known.digest_now(path) != digest:
            raise NotSendable(
                f"{record.step} wrote {path} where it ran, and it is not here: name a place on a disk that both have, "
                "or say --executor processes on its line."
            )


def _attention(reply: Reply, record: Record) -> Attention:
    return Attention(record.files, record.writes, record.hidden, list(reply.notes))


def _request(
    turn: Turn,
    attempt: Attempt,
    before: Record | None,
    told: Collection[Told],
    executor: Executor,
    sent: Collection[str],
) -> Request:
    """What the other process is asked. Inputs in `sent` go by value."""
    state, outside, name = turn.state, turn.outside, attempt.step
    definition = outside.graph[name]
    inputs = []
    for d in outside.graph.dependencies[name]:
        inputs.append(_input(turn, name, d, executor, by_value=d.step in sent))
        attempt.versions[d.step] = state.versions.get(d.step)
    function, params = outside.prepare(name)
    own = outside.parts_now(name)
    if only_here(own):
        raise RunAlone
    attempt.fingerprint = Fingerprint.of([*own, *input_parts(outside.graph, name, attempt.versions)])
    attempt.has_begun = True
    state.announced.discard(name)
    request = request_for(
        definition,
        function,
        params,
        inputs,
        outside.checks(own, executor.is_here),
        turn.begun(attempt, before),
        same_machine=executor.is_here,
        size=turn.size_of_inputs(name),
        place=_place(turn, definition, executor),
        log=attempt.recorder.entries,
        told=tuple(sorted(told)),
        ignored=outside.ignored,
        modules=_packages(own),
        around=outside.around_elsewhere,
        settings=outside.settings,
        resources={what: amount for what, amount in definition.resources if what not in outside.pools},
        is_alone=bool(definition.env) or outside.alone(name),
    )
    if outside.in_background:  # a cell may have changed what was just packed
        turn.look_at_names(attempt, own)
        turn.refuse_what_moved(attempt)
    return request


def _place(turn: Turn, definition: Definition, executor: Executor) -> str:
    """Where the result is stored from there, or nothing."""
    place = turn.outside.context.place
    return str(place) if place is not None and executor.is_here and not definition.no_store else ""


def _packages(parts: Collection[Part]) -> frozenset[str]:
    return frozenset(part.name for part in parts if part.kind == "package")


def _input(turn: Turn, name: str, dependency: Dependency, executor: Executor, *, by_value: bool) -> Input:
    """How one input gets there: as the place where it lies, or by value."""
    state, context, step = turn.state, turn.outside.context, dependency.step
    record = state.records.get(step)
    if record is not None and executor.is_here and not by_value:
        handle = handle_of(context, step, record)
        if handle is not None:
            state.versions[step] = record.output
            return Input(dependency.parameter, step, record.version, record.exact, handle)
    value = turn.inputs.value(step)
    record = state.records.get(step)
    version, exact = (record.version, record.exact) if record is not None else ("", False)
    if executor.hands_over:
        return Input(dependency.parameter, step, version, exact)
    with turn.lane.apart():
        along = _sent_along(turn, name, dependency, value, record, executor)
    if turn.outside.in_background and record is not None and turn.inputs.is_changed(value, record):
        raise Moved(f"{step} was changed while it was given to {name}")
    return along


def _sent_along(
    turn: Turn, name: str, dependency: Dependency, value: Any, record: Record | None, executor: Executor
) -> Input:
    """A value that lies nowhere: in the message or, where it is large, in a file for the time of the run."""
    parameter, step = dependency.parameter, dependency.step
    version, exact = (record.version, record.exact) if record is not None else ("", False)
    if executor.is_here:
        packed = packed_input(name, parameter, value, LARGE)
        handle = None if packed is not None else turn.outside.spool.handle(step, record, value)
        if packed is not None or handle is not None:
            return Input(parameter, step, version, exact, handle, packed)
    return Input(parameter, step, version, exact, packed=packed_input(name, parameter, value))
