"""What a step logs, warns of and draws in a real kernel; and steps that end, fork or cannot say what is wrong."""

from __future__ import annotations

import pytest

from tests.kernel import Kernel

CHATTY = """%%step Chatty
import logging, sys, warnings
from IPython.display import HTML, display
print("printed")
logging.getLogger("mine").warning("logged")
warnings.warn("warned")
print("to stderr", file=sys.stderr)
display(HTML("<b>drawn</b>"))
7
"""
KINDS = ["stdout", "logging", "warning", "stderr", "display"]


@pytest.fixture
def loaded(lab_kernel: Kernel) -> Kernel:
    lab_kernel.run("%load_ext jo_notebook", "loading")
    return lab_kernel


def kinds(kernel: Kernel, name: str) -> list[str]:
    kernel.run("pipeline = %pipeline")
    told: list[str] = eval(kernel.run(f"[entry.kind for entry in pipeline.log({name!r})]").text)
    return told


def test_all_that_a_step_says_in_every_run(loaded: Kernel) -> None:
    loaded.run(CHATTY, "a")
    for _ in range(2):
        ran = loaded.run("%materialize Chatty --force")
        assert "printed\n" in ran.stdout
        for word in ("logged", "warned", "to stderr"):
            assert ran.stderr.count(word) == (2 if word == "warned" else 1)  # a warning shows its line, too
        assert [bundle.get("text/html") for bundle in ran.displays if "text/html" in bundle] == ["<b>drawn</b>"]
        assert kinds(loaded, "Chatty") == KINDS


def test_after_a_restart_it_is_shown_again_with_its_time(loaded: Kernel) -> None:
    loaded.run(CHATTY, "a")
    loaded.run("%materialize Chatty")
    loaded.restart()
    loaded.run("%load_ext jo_notebook", "loading")
    again = loaded.run("%log Chatty")
    first, *others = again.stdout.splitlines()
    assert first.startswith("Chatty · from 20")
    assert [word for word in ("printed", "logged", "warned", "to stderr") if word in "\n".join(others)] == [
        *("printed", "logged", "warned", "to stderr")
    ]
    assert [bundle["text/html"] for bundle in again.displays] == ["<b>drawn</b>"]
    run = first.rpartition("run ")[2]
    assert loaded.run(f"%log Chatty --run {run[:6]}").stdout == again.stdout
    assert f"Kept is {run} of 20" in loaded.run("%log Chatty --run nope", allow_error=True).error


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param("import sys\nsys.exit(3)", "SystemExit: 3", id="exit"),
        pytest.param(
            "class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError('x')\nraise Mute",
            "Mute",
            id="no text",
        ),
    ],
)
def test_the_kernel_outlives_it_and_says_what_it_was(body: str, told: str, loaded: Kernel) -> None:
    loaded.run(f"%%step Odd --depends-on none\n{body}", "a")
    ran = loaded.run("%materialize Odd", allow_error=True)
    assert told in ran.error
    assert told in loaded.run("%log Odd").stdout
    assert "failed" in loaded.run("%steps").stdout


def test_a_forked_child_does_not_answer(loaded: Kernel) -> None:
    body = "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nelse:\n    print('the child')\npid > 0"
    loaded.run(f"%%step Fork --depends-on none\n{body}", "a")
    ran = loaded.run("%materialize Fork")
    assert ran.text == "True"
    assert ran.stdout.count("Ran 1 step in") == 1
    assert loaded.run("1 + 1").text == "2"
    assert "the child" not in loaded.run("%log Fork").stdout
