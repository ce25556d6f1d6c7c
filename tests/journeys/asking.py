"""What journeys ask a kernel: the states of steps, how often their code ran, what a click sends."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import Kernel, Message, Reply

STATES = """import json as _json
_p = get_ipython().run_line_magic("pipeline", "")
print(_json.dumps({d.step: str(d.availability) for d in _p.steps()}))
"""


def states(kernel: Kernel) -> dict[str, str]:
    """The state of every step."""
    found: dict[str, str] = json.loads(kernel.run(STATES).stdout.splitlines()[-1])
    return found


def body(name: str, result: str) -> str:
    """A step's body that notes in a file each time it runs, and on which thread."""
    note = f"{name} {{threading.current_thread().name}}\\n"
    return f'import threading\nwith open("runs.txt", "a") as notes:\n    notes.write(f"{note}")\n{result}\n'


def runs(place: Path) -> list[str]:
    """The steps whose code ran, in order, since the last time somebody asked."""
    notes = place / "runs.txt"
    lines = notes.read_text().split("\n")[:-1] if notes.exists() else []
    notes.write_text("")
    return [line.partition(" ")[0] for line in lines]


def threads(place: Path) -> set[str]:
    """The threads on which steps ran; `runs` forgets them."""
    return {line.partition(" ")[2] for line in (place / "runs.txt").read_text().split("\n")[:-1]}


def models(reply: Reply, name: str) -> list[str]:
    """The comms of the widget models of this name which a reply opened, as a front end learns of them."""
    opened = [m["content"] for m in reply.messages if m["msg_type"] == "comm_open"]
    return [c["comm_id"] for c in opened if c["data"].get("state", {}).get("_model_name") == name]


def buttons(reply: Reply) -> dict[str, str]:
    """The comms of the buttons a reply opened, by what stands on them."""
    opened = [m["content"] for m in reply.messages if m["msg_type"] == "comm_open"]
    return {c["data"]["state"]["description"]: c["comm_id"] for c in opened if "description" in c["data"]["state"]}


def node_click(step: str) -> dict[str, Any]:
    """What ipycytoscape sends for a click on a step's node."""
    return {
        "method": "custom",
        "content": {"event": "click", "widget": "node", "data": {"data": {"id": step}, "group": "nodes"}},
    }


BUTTON_CLICK = {"method": "custom", "content": {"event": "click"}}


def open_subshell(kernel: Kernel) -> str:
    """A thread of the kernel's own for comm messages, as JupyterLab asks for. Skips where ipykernel has none."""
    if int(version("ipykernel").partition(".")[0]) < 7:
        pytest.skip("this ipykernel has no subshells: a click waits for the running cell")
    client = kernel._client
    message = client.session.msg("create_subshell_request", {})
    client.control_channel.send(message)
    reply = client.get_control_msg(timeout=30)
    return str(reply["content"].get("subshell_id", ""))


def send_comm(kernel: Kernel, comm_id: str, data: Mapping[str, Any], subshell: str = "") -> str:
    """Sends a front end's message and returns at once."""
    message: Message = kernel._client.session.msg("comm_msg", {"comm_id": comm_id, "data": dict(data)})
    if subshell:
        message["header"]["subshell_id"] = subshell
    kernel._client.shell_channel.send(message)
    return str(message["header"]["msg_id"])


def wait_for_notes(place: Path, count: int, timeout: float = 20) -> None:
    """Waits, without asking the kernel, until this many runs are noted."""
    deadline = time.monotonic() + timeout
    while not (place / "runs.txt").exists() or (place / "runs.txt").read_text().count("\n") < count:
        assert time.monotonic() < deadline, "the steps did not run"
        time.sleep(0.02)


def wait_for_states(kernel: Kernel, wanted: Mapping[str, str], timeout: float = 20) -> None:
    """Asks until the steps are in the wanted states."""
    deadline = time.monotonic() + timeout
    while (found := states(kernel)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def result(reply: Reply) -> str:
    """The value of a cell as text, apart from what it displayed or updated elsewhere."""
    shown = [m["content"]["data"]["text/plain"] for m in reply.messages if m["msg_type"] == "execute_result"]
    return str(shown[-1]) if shown else ""
