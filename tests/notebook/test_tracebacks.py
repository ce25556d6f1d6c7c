"""A failing step shows the user's lines, numbered as in the cell, once."""

from __future__ import annotations

import re

import pytest

from tests.kernel import Kernel

CASES = {
    "plain": ("%%step F\nx = 1\n1 / 0\n", 3),
    "blank lines inside": ("%%step F\n\n\nx = 1\n\n1 / 0", 6),
    "blank lines above": ("\n\n%%step F\nx = 1\n1 / 0", 5),
    "blank lines above and inside": ("\n%%step F\n\n1 / 0", 4),
    "comment form": ("#| step: F <- none\nx = 1\n1 / 0", 3),
    "comment form below blank lines": ("\n\n#| step: F\n\n1 / 0", 5),
    "in a block": ("%%step F\nfor i in [1]:\n    with open('/dev/null'):\n        1 / 0\n", 4),
    "awaiting": ("%%step F\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0", 4),
    "generating": ("%%step F\nyield 1\n1 / 0", 3),
    "below a magic": ("%%step F\n!true\n%time x = 1\n1 / 0", 4),
    "inside %%capture": ("%%capture\n%%step F\n1 / 0", 3),
    "an edited cell": ("%%step F\n'much'\n'longer'\n1 / 0", 4),
}


@pytest.mark.parametrize("case", CASES)
def test_line_numbers(loaded: Kernel, case: str) -> None:
    """`Cell In[n], line k` and the arrow, k counted from the top of the cell."""
    code, line = CASES[case]
    number = int(loaded.run(f"{code}").messages[1]["content"]["execution_count"])
    error = loaded.run("%materialize F", allow_error=True).error
    assert f"Cell In[{number}], line {line}" in error
    assert f"{line} " in next(row for row in error.splitlines() if "> " in row and "1 / 0" in row)
    assert error.count("Traceback (most recent call last)") == 1
    assert "jo_notebook" not in error


def test_a_helper_has_its_own_frame(loaded: Kernel) -> None:
    """Both cells are shown."""
    helper = loaded.run("def ratio(x):\n    return 1 / x").messages[1]["content"]["execution_count"]
    step = loaded.run("%%step Ratio\nratio(\n    0)").messages[1]["content"]["execution_count"]
    error = loaded.run("%materialize Ratio", allow_error=True).error
    assert f"Cell In[{step}], line 2" in error
    assert f"Cell In[{helper}], line 2, in ratio(x)" in error
    assert "----> 2     return 1 / x" in error


def test_a_run_at_once_fails_once(loaded: Kernel) -> None:
    """`--run` in the step's own cell."""
    reply = loaded.run("%%step Once --run\nprint('so far')\n1 / 0", allow_error=True)
    assert reply.error.count("Traceback (most recent call last)") == 1
    assert "ZeroDivisionError" not in reply.stderr
    assert reply.stdout.startswith("so far\n")
    assert len([m for m in reply.messages if m["msg_type"] == "error"]) == 1


def test_the_debugger_opens_in_the_step(loaded: Kernel) -> None:
    """`%debug` looks at sys.last_traceback: its last frame is the step's, with the step's names."""
    loaded.run("%%step Debugged --depends-on x=Load\ny = len(x)\ny / 0")
    loaded.run("%materialize Debugged", allow_error=True)
    shown = loaded.run("%debug", allow_error=True)
    assert "----> 3 y / 0" in re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout)
    loaded.run("%materialize Debugged", allow_error=True)
    frame = "__import__('sys').last_traceback.tb_frame"
    assert loaded.run(f"print({frame}.f_locals['y'], {frame}.f_lineno)").stdout.startswith("3 ")


def test_an_error_inside_a_nested_magic(loaded: Kernel) -> None:
    """The step's line that holds the magic is shown, and none of the machinery between."""
    loaded.run("%%step Inner\n%%time\nx = 1\nx / 0")
    error = loaded.run("%materialize Inner", allow_error=True).error
    assert error.count("Traceback (most recent call last)") == 1
    assert "ZeroDivisionError" in error
    assert "jo_notebook" not in error
    assert "execution.py" not in error


def test_the_rest_goes_on_and_is_told(loaded: Kernel) -> None:
    """Unrelated branches run to their end; the error names the first failure, what needed it, and the others."""
    loaded.run("%%step Bad1\n1 / 0")
    loaded.run("%%step Bad2\n[][1]")
    loaded.run("%%step Good\n'fine'")
    loaded.run("%%step After --depends-on Bad1, Good\n(Bad1, Good)")
    loaded.run("%%step Top --depends-on Bad1, Bad2, Good, After\n(Bad1, Bad2, Good, After)")
    reply = loaded.run("%materialize Top", allow_error=True)
    first = reply.error.splitlines()[0]
    assert first.startswith("StepFailed: Bad1, which Top needs, failed in cell [")
    assert first.endswith("ZeroDivisionError: division by zero. So did Bad2.")
    assert "Bad1, Bad2 failed. After, Top not run, waiting for what failed." in reply.stdout
    assert "Ran 1 step" in reply.stdout
    assert loaded.run("Good").text == "'fine'"
    stopped = loaded.run("%materialize Top --fail-fast --force", allow_error=True)
    assert "Good" not in stopped.stdout


ODD = {
    "no words": ("raise ValueError", "ValueError."),
    "many lines": ("raise ValueError('first.\\nsecond')", "ValueError: first."),
    "the process's end": ("raise SystemExit(3)", "SystemExit: 3."),
    "its own KeyError": ("{}['key']", "KeyError: 'key'."),
    "recursion": ("def f(): return f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    "a bad __str__": ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", "E"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_errors(loaded: Kernel, case: str) -> None:
    """Whatever the step raises, the first line is one sentence and the kernel lives."""
    body, words = ODD[case]
    loaded.run(f"%%step Odd\n{body}", "odd")
    error = loaded.run("%materialize Odd", allow_error=True).error
    assert error.startswith("StepFailed: Odd failed in cell [")
    assert words in error.splitlines()[0]
    assert "failed" in loaded.run("%steps").stdout
