"""Bars in a kernel: the run's own where a front end shows widgets, and those that a step displays."""

from __future__ import annotations

import re
from typing import Any

from tests.journeys.asking import result
from tests.kernel import Kernel, Reply

WIDGET = "application/vnd.jupyter.widget-view+json"
START = "%load_ext jo_notebook\nimport time\nfrom tqdm.notebook import tqdm\nfrom jo_notebook import progress"
SLOW = "%%step Slow\nfor n in progress(range(16), text='row'):\n    time.sleep(0.1)\nn"
HEAR = """
p = %pipeline
told = []
p.listen(lambda e: told.append((e.step, e.fraction, e.text)) if e.kind == "progress" else None)
None"""


def bars(reply: Reply) -> list[dict[str, Any]]:
    """What was displayed of the run's bar, first and last; other cells' lines may change meanwhile."""
    shown = [m["content"] for m in reply.messages if m["msg_type"].endswith("display_data")]
    mine = [c["transient"]["display_id"] for c in shown if re.match(r"\d+/\d+ · ", c["data"]["text/plain"])]
    return [content["data"] for content in shown if content["transient"]["display_id"] in mine]


def test_a_bar_comes_after_a_second_and_goes(lab_kernel: Kernel) -> None:
    say = lab_kernel.run
    say(START, "a")
    say("%%step Quick\n1", "b")
    say(SLOW, "c")
    assert bars(say("%materialize Quick", "d")) == []
    shown = say("%materialize Slow", "e")
    first, last = bars(shown)
    assert re.fullmatch(r"0/1 · (less than|about) 1 s left · Slow \d+ % \(row \d+ of 16\)", first["text/plain"]), first
    assert WIDGET in first
    assert last == {"text/plain": "", "text/html": ""}
    assert shown.stdout.startswith("Ran 1 step in 1.")
    assert result(say("__import__('threading').active_count() - len([t for t in __import__('threading').enumerate() "
                      "if t.name != 'jo_notebook_bar'])")) == "0"  # fmt: skip


def test_it_stays_for_a_run_in_the_background(lab_kernel: Kernel) -> None:
    """The cell is over, and its bar is not."""
    say = lab_kernel.run
    say(START, "a")
    say(SLOW.replace("16", "40"), "b")
    request = lab_kernel.send("%materialize Slow --background", "c")
    reply = lab_kernel.wait(request)
    assert bars(reply) == []
    while len(bars(reply)) < 2:
        say("time.sleep(0.2)", "d")
    first, last = (data["text/plain"] for data in bars(reply))
    assert first.startswith("0/1 · ")
    assert last == ""
    assert result(say("Slow", "e")) == "39"


def test_without_a_front_end_there_is_none(kernel: Kernel) -> None:
    """nbclient, nbval and papermill get what is the same each time."""
    kernel.run(START)
    kernel.run(SLOW)
    shown = kernel.run("%materialize Slow")
    assert bars(shown) == []
    assert not [m for m in shown.messages if m["msg_type"].startswith("comm")]


def test_it_goes_when_the_run_is_stopped_or_fails(lab_kernel: Kernel) -> None:
    say = lab_kernel.run
    say(START, "a")
    say("%%step Bad\ntime.sleep(1.5)\n1 / 0", "b")
    assert bars(say("%materialize Bad", "c", allow_error=True))[-1]["text/plain"] == ""
    say("%%step Long\ntime.sleep(60)", "d")
    request = lab_kernel.send("%materialize Long", "c")
    while not bars(lab_kernel._reply(request)):
        lab_kernel._hear(request, float("inf"))
    lab_kernel.interrupt()
    assert [data["text/plain"] for data in bars(lab_kernel.wait(request))] == ["0/1 · Long", ""]
    say("%unload_ext jo_notebook", "e")


def test_bars_that_a_step_displays(lab_kernel: Kernel) -> None:
    """They tell how far it is, inner ones do not, and the log has them as they were last."""
    say = lab_kernel.run
    say(START + HEAR, "a")
    say("%%step Rows\nfor n in tqdm(range(8), desc='row'):\n    for _ in tqdm(range(2), leave=False):\n"
        "        time.sleep(0.03)\nn", "b")  # fmt: skip
    say("%materialize Rows", "c")
    told = [row for row in eval(result(say("told"))) if row[0] == "Rows"]
    fractions = [fraction for _, fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 3 <= len(fractions) <= 10
    assert told[-1] == ("Rows", 1.0, "8 of 8")
    log = say("%log Rows").text + "\n"
    assert re.match(r"row: 100%\|[█#]+\| 8/8 \[", log), log
    assert log.count("\n") == 1
    say("%%step Uncounted\nfor n in tqdm(iter(range(8))):\n    time.sleep(0.03)\nn", "d")
    say("%materialize Uncounted", "c")
    assert "'Uncounted', 0" not in result(say("told"))
    assert say("%log Uncounted").text.startswith("8it [00:0")
