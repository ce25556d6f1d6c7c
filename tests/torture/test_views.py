"""Names and errors that look like code stay text in every picture. The widget: tests/browser/test_hostile.py."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.core.reasons import Reason
from jo_notebook.errors import StepFailed
from jo_notebook.views.diagram import mermaid, svg
from jo_notebook.views.state import graph_state
from tests.cases.making import notebook, step

EVIL = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"];evil["',
    "]]></text></svg><svg onload=alert(1)>",
    "%%{init: {'securityLevel': 'loose'}}%%",
    'click n0 "javascript:alert(1)"',
    "javascript:alert(1)",
    "&lt;img&gt; &#60;b&#62;",
    "--> n1; style n0 fill:url(http://evil)",
    "a\nend\nsubgraph b",
    "`code` **bold** #quot;",
    "\0\x1b[2J\u202e\u2028",
    "<" * 1_000_000,
    "'" * 1_000_000,
)
ALLOWED = {"svg", "title", "g", "rect", "polygon", "text", "path"}
LINE = re.compile(
    r'flowchart LR|  n\d+[\[({>]+"[\w #;\u0080-\U0010ffff]*"[\])}]+:::\w+|  n\d+ --> n\d+'
    r"|  classDef \w+ [\w:#,. -]+|  style n\d+ stroke-width:4px"
)


@pytest.mark.parametrize("evil", EVIL, ids=lambda evil: repr(evil[:12]))
def test_36_pictures(evil: str, tally: Counter[str]) -> None:
    """36: as a name, a label, a reason and a message, in SVG and Mermaid: text."""
    failed = Decision(evil, Availability.FAILED, Action.RUN, is_head=True, reasons=(Reason("failed", text=evil),))
    plan = Plan((Decision("A", Availability.STALE, Action.RUN), failed), (evil,), {evil: ("A",)})
    state = graph_state(plan, message=evil, names={"A": evil})
    drawn, text = svg(state), mermaid(state)
    tally["trials"] += 2
    root = ElementTree.fromstring(drawn)
    for element in root.iter():
        assert element.tag.rpartition("}")[2] in ALLOWED
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
        assert not any("url(" in word or "javascript" in word for word in element.attrib.values())
    lines = text.splitlines()
    assert [line[:200] for line in lines if not LINE.fullmatch(line)] == []
    assert len(lines) == 7  # the first, two nodes, an edge, two classes, a head
    assert len(text) < 20_000
    assert len(drawn) < 20_000 or len(evil) > 1_000  # a picture does not cut a reason; a run does, see below


@pytest.mark.parametrize("evil", EVIL, ids=lambda evil: repr(evil[:12]))
def test_36_errors(evil: str, tally: Counter[str]) -> None:
    """36: as the message of a failed step's error, by way of a real run: text, and the picture stays small."""
    pipeline = notebook("")
    pipeline.add(step("Bad", f"raise ValueError({evil!r})"))
    with pytest.raises(StepFailed):
        pipeline.materialize("Bad")
    state = graph_state(pipeline.plan("Bad"))
    drawn = svg(state)
    tally["trials"] += 1
    assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()} <= ALLOWED
    assert [line[:200] for line in mermaid(state).splitlines() if not LINE.fullmatch(line)] == []
    assert len(drawn) < 20_000
    assert len(pipeline.context.failures["Bad"].error) < 2_000
