"""The kernel's side of a Dask cluster: steps that run there, what they tell, and what of them stays there."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from jo_notebook.engine.elsewhere import end_tree
from jo_notebook.engine.on_worker import interrupt
from jo_notebook.engine.packing import packed, refused_input
from jo_notebook.engine.parcel import Parcel, Pieces
from jo_notebook.engine.request import Input, Reply, Request
from jo_notebook.errors import ExecutorRefused, NotSendable, WorkerLost

BOOT = """
def jo_notebook_step(*asked):
    try:
        from jo_notebook.engine.on_worker import answer
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return answer(*asked)


def jo_notebook_versions():
    import platform
    from importlib.metadata import version
    try:
        found = version("jo_notebook")
    except Exception:
        found = ""
    return platform.python_version(), found
"""
"""What is sent to a cluster as text: where our package is missing, Dask would wait for ever for what it cannot read."""
SMALL = 50_000
"""Bytes that go with the task; what is larger goes to a worker before it."""
LISTENING = 1.0
"""Seconds after which a worker that has begun a step has said so."""
LONELY = 10.0
"""Seconds after which it is told that there is nobody to run a step."""
KEPT = 600.0
"""Seconds that values stay on a cluster of others after the last step."""


class Link:
    """A client, the steps that it has running, and the values that lie on its cluster."""

    def __init__(self, client: Any, where: str, *, is_ours: bool = False) -> None:
        self.client = client
        self.where = where
        self.is_ours = is_ours
        self._topic = f"jo_notebook-{uuid.uuid4().hex}"
        self._running: dict[str, OnCluster] = {}
        self._made: dict[str, tuple[str, Any]] = {}
        self._sent: dict[str, tuple[str, Any]] = {}
        self._lock = threading.Lock()
        self._forgetting: threading.Timer | None = None
        self._code: dict[str, Any] = {"__name__": "__main__"}
        exec(BOOT, self._code)
        client.subscribe_topic(self._topic, self._heard)
        client.subscribe_topic("all", self._heard_of_workers)

    @property
    def is_open(self) -> bool:
        """Whether the scheduler is there."""
        return self.client.status in ("running", "connecting")

    def start(self, request: Request, get: Callable[[str], Any], ended: Callable[[], None] = lambda: None) -> OnCluster:
        """Hands a step to the scheduler. Raises ExecutorRefused and NotSendable."""
        ticket = f"jo-{request.step}-{uuid.uuid4().hex}"
        running = OnCluster(self, ticket, request, ended)
        try:
            given = [i for i in request.inputs if i.handle is None and i.packed is None]
            handed = [self._there(request.step, one, get) for one in given]
            asked = self._along(packed(request))
            self.ticket(ticket).set()
            with self._lock:
                self._running[ticket] = running
            lying = [one for one in (asked, *handed) if not isinstance(one, bytes | Parcel)]
            running.begin(
                self.client.submit(
                    self._code["jo_notebook_step"], ticket, self._topic, asked, *handed,
                    key=ticket, pure=False, retries=0, resources=dict(request.resources) or None,
                ),
                lying,
            )  # fmt: skip
        except (ExecutorRefused, NotSendable):
            raise
        except Exception as error:
            self.over(running)
            raise ExecutorRefused(f"The Dask cluster at {self.where} does not take {request.step}: {error}") from error
        return running

    def check(self, step: str, resources: Mapping[str, float]) -> None:
        """Raises ExecutorRefused where there are workers, and none of them offers so much of these."""
        workers = self.workers()
        offers = [worker.get("resources") or {} for worker in workers.values()]
        if not offers or any(all(o.get(name, 0) >= n for name, n in resources.items()) for o in offers):
            return
        wanted = ", ".join(f"{name}={n:.15g}" for name, n in resources.items())
        option = " ".join(f"{name}={n:.15g}" for name, n in resources.items())
        how = "" if self.is_ours else f'Start one with `dask worker … --resources "{option}"`. '
        raise ExecutorRefused(
            f"{step} takes {wanted}, and no worker of the Dask cluster at {self.where} offers that: it would wait for "
            f"ever. {how}What Dask has not to see to, a pool of the run limits: --pool {next(iter(resources))}=2."
        )

    def is_lonely(self, step: str, resources: Mapping[str, float]) -> bool:
        """Whether there is nobody to run a step now."""
        try:
            self.check(step, resources)
            return not self.client.nthreads()
        except ExecutorRefused:
            return True

    def compare(self) -> None:
        """Raises ExecutorRefused where workers are not as this process is."""
        mine = self._code["jo_notebook_versions"]()
        for worker, theirs in self.client.run(self._code["jo_notebook_versions"], on_error="ignore").items():
            for what, here, there in zip(("Python", "jo_notebook"), mine, theirs, strict=True):
                if here != there:
                    raise ExecutorRefused(
                        f"The Dask worker {worker} has {what} {there or 'not installed'}, and here is {here}. Install "
                        "there what is installed here."
                    )

    def workers(self) -> Mapping[str, Any]:
        """What is known of each worker, by its address."""
        found: Mapping[str, Any] = self.client.scheduler_info(n_workers=-1).get("workers", {})
        return found

    def ticket(self, name: str) -> Any:
        """What lets a step begin."""
        from distributed import Event

        return Event(name, client=self.client)

    def keep(self, step: str, version: str, future: Any) -> None:
        """A value that lies there, for the steps below it."""
        with self._lock:
            self._made[step] = (version, future)

    def drop(self, step: str) -> None:
        """What lies there of this step is not what is meant."""
        with self._lock:
            self._made.pop(step, None)
            self._sent.pop(step, None)

    def over(self, running: OnCluster) -> None:
        """It has ended, or nobody waits for it."""
        with self._lock:
            self._running.pop(running.ticket, None)
            if not self._running and not self.is_ours:
                self._forget_later()

    def close(self) -> None:
        """Tells what runs to end, and forgets what lies there. Never raises."""
        with self._lock:
            running = list(self._running.values())
            self._made.clear()
            self._sent.clear()
            if self._forgetting is not None:
                self._forgetting.cancel()
        for one in running:
            one.revoke()
            one.end()
        with contextlib.suppress(Exception):
            if self.is_open:
                self.client.unsubscribe_topic("all")
                self.client.unsubscribe_topic(self._topic)
        with contextlib.suppress(Exception):
            self.client.close(timeout=2)

    # -- what lies there -------------------------------------------------------------------------------

    def _there(self, step: str, given: Input, get: Callable[[str], Any]) -> Any:
        """The value of an input: where it was made, or sent once."""
        found = None
        with self._lock:
            for known in (self._sent, self._made) if given.version else ():
                version, future = known.get(given.step, ("", None))
                is_meant = version == given.version and (given.exact or known is self._sent)
                if is_meant and future is not None:
                    found = future
        if found is not None and self.are_there([found]):
            return found
        value = get(given.step)
        try:
            parcel = Parcel(Pieces.of(value))
        except Exception as error:
            raise refused_input(step, given.parameter, value, error) from error
        if parcel.nbytes <= SMALL:
            return packed(parcel)
        sent = self._along(parcel)
        with self._lock:
            self._sent[given.step] = (given.version, sent)
        return sent

    def are_there(self, futures: list[Any]) -> bool:
        """Whether somebody has each of these: Dask may wait for ever for what is lost."""
        return all(future.status == "finished" for future in futures) and all(self.client.who_has(futures).values())

    def _along(self, what: bytes | Parcel) -> Any:
        """Something as it goes with a task: itself, or where it lies already."""
        if (isinstance(what, bytes) and len(what) <= SMALL) or not self.client.nthreads():
            return what
        return self.client.scatter(what, hash=False)

    def _forget_later(self) -> None:
        """Nobody's memory is taken for ever by a notebook that lies open."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = threading.Timer(KEPT, self._forget)
        self._forgetting.daemon = True
        self._forgetting.start()

    def _forget(self) -> None:
        with self._lock:
            if not self._running:
                self._made.clear()
                self._sent.clear()

    # -- what is heard, on the client's own thread -----------------------------------------------------

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        with self._lock:
            running = self._running.get(message["ticket"])
        if running is not None:
            running.hear(message["rows"])

    def _heard_of_workers(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        if message.get("action") != "remove-worker":
            return
        with self._lock:
            concerned = [one for one in self._running.values() if one.worker in ("", message.get("worker"))]
        for one in concerned:
            if one.worker:
                one.lose()
            else:
                threading.Thread(target=one.lose_if_begun, name="jo lost", daemon=True).start()


class OnCluster:
    """A step that runs on a cluster, or waits there for a worker."""

    waits = True

    def __init__(self, link: Link, ticket: str, request: Request, ended: Callable[[], None]) -> None:
        self.ticket = ticket
        self.worker = ""
        self._link = link
        self._step = request.step
        self._resources = request.resources
        self._handed = [i.step for i in request.inputs if i.handle is None and i.packed is None]
        self._ended = ended
        self._future: Any = None
        self._lying: list[Any] = []
        self._rows: deque[dict[str, Any]] = deque()
        self._is_over = threading.Event()
        self._pid = 0
        self._began = time.monotonic()
        self._is_lost = self._is_asked_to_stop = self._is_left = self._is_told = self._is_without = False

    def begin(self, future: Any, lying: list[Any]) -> None:
        """The scheduler has it, and what it is given lies there."""
        self._future, self._lying = future, lying
        future.add_done_callback(lambda _: self._is_over.set())

    def wait(self, seconds: float) -> bool:
        """Waits so long at most; whether it has ended."""
        return self._is_over.wait(seconds)

    def news(self) -> list[dict[str, Any]]:
        """What it has told since the last time."""
        if not self.worker and not self._is_told and time.monotonic() - self._began > LONELY:
            self._is_told = True
            if self._link.is_lonely(self._step, self._resources):
                text = f"[{self._step} waits: the Dask cluster at {self._link.where} has no worker for it]\n"
                self._rows.append({"kind": "stderr", "text": text, "data": []})
        found = []
        with contextlib.suppress(IndexError):
            while True:
                found.append(self._rows.popleft())
        return [row for row in found if "pid" not in row or "begun" in row]

    def reply(self) -> Reply:
        """What came of it. Raises WorkerLost, ExecutorRefused, NotSendable, KeyboardInterrupt."""
        try:
            parcel = self._brought()
        finally:
            self._finish()
        if parcel.was_interrupted:
            raise KeyboardInterrupt
        if parcel.trouble:
            raise NotSendable(f"{self._step} cannot run on {self._where}: {parcel.trouble}.")
        if parcel.reply is None:
            raise self._loss()
        if parcel.reply.unread:
            self._link.drop(parcel.reply.unread)
        pieces = parcel.reply.value
        if isinstance(pieces, Pieces) and pieces.version and not self._link.is_ours:
            self._link.keep(self._step, pieces.version, self._future)
        return parcel.reply

    def value(self, reply: Reply) -> Any:
        """The value that came with the reply."""
        return reply.value.taken()

    def interrupt(self) -> None:
        """Raises KeyboardInterrupt in the step's code; what has not begun never will."""
        self._is_asked_to_stop = True
        if self.worker:
            self._send_interrupt()
        else:
            threading.Thread(target=self._call_off, name="jo interrupt", daemon=True).start()

    def end(self) -> None:
        """A process of our own is ended. Another one, where it does not heed an interrupt, goes on for nobody."""
        self._is_left = True
        if self._link.is_ours and self._pid:
            end_tree(self._pid)
        elif self.worker:
            self._send_interrupt()
        else:
            threading.Thread(target=self.revoke, name="jo interrupt", daemon=True).start()
        self._let_go()
        self._finish()

    # -- on the client's own thread --------------------------------------------------------------------

    def hear(self, rows: list[dict[str, Any]]) -> None:
        """News from the worker."""
        for row in rows:
            if "begun" in row:
                self.worker, self._pid = row["begun"], row["pid"]
                if self._is_asked_to_stop:
                    self._send_interrupt()
        self._rows.extend(rows)

    def lose(self) -> None:
        """Its worker is gone."""
        self._is_lost = True
        if not self._is_over.is_set():
            self._let_go()

    def lose_if_begun(self) -> None:
        """A worker is gone, perhaps the one that had just taken the ticket, and could tell nobody."""
        with contextlib.suppress(Exception):  # the scheduler is gone, too
            if not self._link.ticket(self.ticket).is_set() and not self.worker:
                time.sleep(LISTENING)  # another worker may have taken it, and tells so
                if not self.worker:
                    self.lose()
            elif self._lying and not self._link.are_there(self._lying):
                self.revoke()
                if not self.worker:
                    self._is_without = True
                    self._let_go()

    # -- inside ----------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return f"the Dask worker {self.worker}" if self.worker else f"the Dask cluster at {self._link.where}"

    def _loss(self) -> WorkerLost:
        return WorkerLost(f"{self._where}, which ran {self._step}, was lost, or what came of it there")

    def _brought(self) -> Parcel:
        """What the task gave. Raises WorkerLost, ExecutorRefused and NotSendable."""
        from distributed import CancelledError, KilledWorker

        if self._is_without and self._handed:
            return self._without_inputs()
        if self._is_lost or self._is_left or self._is_without:
            raise self._loss()
        try:
            parcel: Parcel | str = self._future.result()
        except KilledWorker as error:
            if error.task != self.ticket and self._handed:
                return self._without_inputs()
            raise self._loss() from None
        except (CancelledError, TimeoutError, OSError):
            if self._is_lost or self._is_left or self.worker or not self._handed or not self._link.is_open:
                raise self._loss() from None
            return self._without_inputs()
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise NotSendable(f"{self._step} cannot run on {self._where}: {text}.") from error
        if isinstance(parcel, str):
            raise ExecutorRefused(
                f"{self._step} cannot run on {self._where}: a worker cannot import jo_notebook ({parcel}). Install "
                "there what is installed here."
            )
        return parcel

    def _without_inputs(self) -> Parcel:
        """An input was lost before the step began: all are sent anew."""
        for step in self._handed:
            self._link.drop(step)
        return Parcel(reply=Reply(unread=self._handed[0]))

    def _finish(self) -> None:
        ended, self._ended = self._ended, lambda: None
        self._link.over(self)
        ended()

    def _send_interrupt(self) -> None:
        """From a thread of its own: who asks may be the one that would have to wait."""
        threading.Thread(target=self._interrupt_there, name="jo interrupt", daemon=True).start()

    def _interrupt_there(self) -> None:
        with contextlib.suppress(Exception):  # the worker is gone
            self._link.client.run(interrupt, self.ticket, workers=[self.worker], on_error="ignore")

    def revoke(self) -> None:
        """Takes the ticket away: what has not begun never will, and whoever has just begun is interrupted."""
        with contextlib.suppress(Exception):  # the scheduler is gone
            self._link.ticket(self.ticket).clear()
            self._link.client.run(interrupt, self.ticket, on_error="ignore")

    def _call_off(self) -> None:
        self.revoke()
        if not self.worker:
            self._is_left = True
            self._let_go()

    def _let_go(self) -> None:
        if self._future is not None:
            self._future.release()  # the scheduler forgets it
        self._is_over.set()
