"""A real kernel to talk to: what a front end says to it, and what it hears back."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager

Message = dict[str, Any]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class Reply:
    """Everything one request brought back, in the order in which it came."""

    messages: list[Message] = field(default_factory=list)

    def _contents(self, *kinds: str) -> list[Message]:
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    def _stream(self, name: str) -> str:
        return "".join(content["text"] for content in self._contents("stream") if content["name"] == name)

    @property
    def stdout(self) -> str:
        """What was printed."""
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        """What was warned or logged."""
        return self._stream("stderr")

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The mime bundles shown: displays, their updates and the cell's result.

        Updates of what another cell shows may come at any time: they are not this cell's.
        """
        mine = {_display_id(content) for content in self._contents("display_data")}
        shown = self._contents("execute_result", "display_data", "update_display_data")
        return [c["data"] for c in shown if not _display_id(c) or _display_id(c) in mine]

    @property
    def text(self) -> str:
        """The plain text of all that was shown, one display a line."""
        return "\n".join(bundle["text/plain"] for bundle in self.displays if "text/plain" in bundle)

    @property
    def error(self) -> str:
        """Name, message and traceback of the error without colours, or an empty string."""
        for content in self._contents("error"):
            lines = [f"{content['ename']}: {content['evalue']}", *content["traceback"]]
            return _ANSI.sub("", "\n".join(lines))
        return ""

    @property
    def ok(self) -> bool:
        """Whether no error came."""
        return not self.error


class Kernel:
    """One kernel in a process of its own, asked as JupyterLab asks (with cell ids) or as nbclient does (without)."""

    def __init__(self, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.cwd = cwd
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(cwd), env={**os.environ, **(env or {})})
        self._heard: dict[str, Reply] = {}
        self._connect()

    def _connect(self) -> None:
        self._heard.clear()
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=60)
        except RuntimeError:
            self.close()
            raise

    def run(
        self,
        code: str,
        cell_id: str | None = None,
        deleted: Iterable[str] = (),
        *,
        allow_error: bool = False,
        timeout: float = 60,
    ) -> Reply:
        """Execute `code` and wait for all of its output; an error fails the test unless `allow_error`."""
        reply = self.wait(self.send(code, cell_id, deleted), timeout=timeout)
        assert reply.ok or allow_error, reply.error
        return reply

    def send(self, code: str, cell_id: str | None = None, deleted: Iterable[str] = ()) -> str:
        """Ask for `code` to be executed and return at once, with the id to `wait` for."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        metadata = {} if cell_id is None else {"cellId": cell_id, "deletedCells": list(deleted)}
        return self._send("execute_request", content, metadata)

    def comm(self, comm_id: str, data: Mapping[str, Any], *, timeout: float = 60) -> Reply:
        """Send a front end's message to a comm (a widget's click, say) and wait until its handler has returned."""
        return self.wait(self._send("comm_msg", {"comm_id": comm_id, "data": dict(data)}), timeout=timeout)

    def _send(self, kind: str, content: Message, metadata: Message | None = None) -> str:
        message = self._client.session.msg(kind, content, metadata=metadata)
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def wait(self, request: str, *, timeout: float = 60) -> Reply:
        """The whole answer to an earlier `send`."""
        deadline = time.monotonic() + timeout
        reply = self._reply(request)
        while not _is_finished(reply):
            self._hear(request, deadline)
        return reply

    def next_input(self, request: str, *, timeout: float = 60) -> str:
        """The text of the cell that the answer to an earlier `send` offers below; empty where it offers none."""
        deadline = time.monotonic() + timeout
        while True:
            message = self._client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                offered = [p for p in message["content"].get("payload", []) if p["source"] == "set_next_input"]
                return str(offered[-1]["text"]) if offered else ""

    def heard_elsewhere(self, request: str) -> list[Message]:
        """What came so far for requests that are not `request`: a run that a click started, say."""
        return [message for parent, reply in self._heard.items() if parent != request for message in reply.messages]

    def _reply(self, request: str) -> Reply:
        return self._heard.setdefault(request, Reply())

    def _hear(self, request: str, deadline: float) -> None:
        try:
            message = self._client.get_iopub_msg(timeout=min(1.0, max(0.0, deadline - time.monotonic())))
        except Empty:
            assert self.is_alive, f"the kernel died; so far it said:\n{self._told(request)}"
            assert time.monotonic() < deadline, f"the kernel is still busy; so far it said:\n{self._told(request)}"
        else:
            self._reply(message["parent_header"].get("msg_id", "")).messages.append(message)

    def _told(self, request: str) -> str:
        reply = self._reply(request)
        return reply.stdout + reply.stderr + reply.text + reply.error

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return bool(self._manager.is_alive())

    def interrupt(self) -> None:
        """Press the stop button."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Shut the kernel down as a front end does, or bring a dead one back, and wait until it is ready."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=False)
        self._connect()

    def kill(self) -> None:
        """End the process at once: nothing of it gets to clean up."""
        self._manager.signal_kernel(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.is_alive:
            assert time.monotonic() < deadline, "the kernel outlived SIGKILL"
            time.sleep(0.02)

    def close(self) -> None:
        """Leave nothing behind: no process, no socket, no connection file."""
        self._client.stop_channels()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy(linger=0)


def _display_id(content: Message) -> str:
    return str(content.get("transient", {}).get("display_id", ""))


def _is_finished(reply: Reply) -> bool:
    return any(
        message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
        for message in reversed(reply.messages)
    )
