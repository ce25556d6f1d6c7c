"""What a user may write into a step's cell, and what comes out."""

from __future__ import annotations

import re
from itertools import count

import pytest

from tests.journeys.asking import result
from tests.kernel import Kernel

numbers = count()

VALUES = {
    "the last expression": ("%%step S\nx = 1\nx + 1", "2"),
    "an explicit return": ("%%step S\nfor x in range(5):\n    if x == 3:\n        return x", "3"),
    "return of a tuple": ("%%step S\nreturn 1, 2", "(1, 2)"),
    "a rename": ("%%step S --depends-on x=Load\nsum(x)", "6"),
    "inferred": ("%%step S\nsum(Load)", "6"),
    "spaces after commas": ("%%step S --depends-on x=Load, y=Load ,z=Load\n(x == y == z, sum(z))", "(True, 6)"),
    "a repeated option": ("%%step S --depends-on x=Load --depends-on y=Load\n(x == y, sum(y))", "(True, 6)"),
    "a dependency twice": ("%%step S --depends-on Load,Load,\nsum(Load)", "6"),
    "a comment behind the line": ("%%step S --depends-on Load  # the raw data\nsum(Load)", "6"),
    "await": ("%%step S\nimport asyncio\nawait asyncio.sleep(0, result=[*Load])", "[3, 1, 2]"),
    "async for": (
        "%%step S\nasync def items():\n    for x in Load:\n        yield x\n[x async for x in items()]",
        "[3, 1, 2]",
    ),
    "a generator": ("%%step S\nfor x in Load:\n    yield x * 2", "[6, 2, 4]"),
    "a generator expression": ("%%step S\n(x for x in Load)", "[3, 1, 2]"),
    "None by name": ("%%step S\nNone", ""),
    "unicode": ("%%step S\ngrößte_ñ = max(Load)\n'π' * größte_ñ", "'πππ'"),
    "a shell command's output": ("%%step S\nfiles = !echo {len(Load)} files\nlist(files)", "['3 files']"),
    "timed": ("%%step S\n%time y = sum(Load)\n%time z: int = y + 1\n%time y += z\ny", "13"),
    "timed, with a closure": ("%%step S\nk = 2\n%time y = [x * k for x in Load]\ny", "[6, 2, 4]"),
    "timed whole": ("%%step S\n%%time\ntotal = sum(Load)\ntotal", "6"),
    "captured whole": ("%%step S\n%%capture out\nprint(Load)", ""),
    "bash with arguments": ("%%step S\nsize = len(Load)\nout = !echo $size\nout[0]", "'3'"),
    "a lambda and a class": (
        "%%step S\nclass A:\n    n = len(Load)\nf = lambda v: v + A.n\nf(1)",
        "4",
    ),
    "global is the user's wish": ("%%step S\nglobal shared_counter\nshared_counter = 7\nshared_counter", "7"),
    "a nested function reads a dependency": ("%%step S\ndef f():\n    return sum(Load)\nf()", "6"),
    "leading blank lines": ("\n\n%%step S\n\n\nsum(Load)", "6"),
    "a docstring alone": ("%%step S\n'just text'", "'just text'"),
    "a semicolon": ("%%step S\nx = 1; x", "1"),
    "comment form": ("#| step: S <- Load\nsum(Load)", "6"),
    "comment form, none": ("#| step: S <- none\n'Load'", "'Load'"),
    "comment form, nothing behind the arrow": ("#| step: S <-\n1", "1"),
    "comment form, no arrow": ("#| step: S\nsum(Load)", "6"),
    "comment form, rename": ("#| step: S <- x=Load, y=Load\nsum(x + y)", "12"),
    "comment form, no spaces": ("#|step:S<-x=Load\nsum(x)", "6"),
    "comment form, options": ("#| step: S <- x=Load --params \"k=2\"\nk * sum(x)", "12"),
    "parameters": (
        "%%step S --params \"alpha=0.5, kind='a b', sizes=[1, 2]\"\n(alpha, kind, sizes)",
        "(0.5, 'a b', [1, 2])",
    ),
    "an alias": ("%%step Salt --name-alias S\n1", "1"),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_value(loaded: Kernel, case: str) -> None:
    """A cell, and the value of its step; `S` stands for a name of the test's own."""
    code, value = VALUES[case]
    name = f"S{next(numbers)}"
    answer = loaded.run(re.sub(r"(step:? ?|-alias )S\b", rf"\g<1>{name}", code), case)
    assert answer.text.startswith(name)
    assert "available" not in answer.text
    assert result(loaded.run(f"%materialize {name}")) == value
    if value:
        assert result(loaded.run(name)) == value


def test_3000_lines(loaded: Kernel) -> None:
    """A long body costs no more than its length."""
    lines = "\n".join(f"x{n} = {n}" for n in range(3000))
    assert result(loaded.run(f"%%step Long --run\n{lines}\nx2999", "long", timeout=20)) == "2999"


def test_none_is_pointed_out_and_kept(loaded: Kernel) -> None:
    """A body that ends in a statement has the result None, which is a result like any other."""
    assert "the result of Quiet is None" in loaded.run("%%step Quiet\nx = 1", "quiet").text
    assert "Ran 1 step" in loaded.run("%materialize Quiet").stdout
    assert "Nothing to run" in loaded.run("%materialize Quiet").stdout
    assert result(loaded.run("Quiet is None")) == "True"


def test_names_stay_inside(loaded: Kernel) -> None:
    """Assignments, imports, loop variables, functions; also those of a magic, and of a `%%magic` cell."""
    body = (
        "inner_a = 1\nimport colorsys as inner_b\nfor inner_c in [1]: pass\ndef inner_d(): pass\n%time inner_e = 2\n1"
    )
    loaded.run(f"%%step Inside --run\n{body}", "inside")
    loaded.run("%%step Inside2 --run\n%%time\ninner_f = 3\nimport calendar as inner_g\n1", "inside2")
    loaded.run("%%step Inside3 --run\n%%capture inner_h\nprint(1)", "inside3")
    assert result(loaded.run("[n for n in globals() if n.startswith('inner_')]")) == "[]"
    loaded.run("inner_x = 'mine'")
    loaded.run("%%step Inside4 --run\n%%time\ninner_x = 3\nLoad.append(inner_x)\n1", "inside4")
    assert result(loaded.run("inner_x")) == "'mine'"


def test_magic_lines_do_what_they_do(loaded: Kernel) -> None:
    """Output of `!`, `%time`, `%%time`, `%%bash` and `%%capture` inside a step, shown and kept as its log."""
    shown = loaded.run("%%step Echo --depends-on x=Load --run\n!echo have {len(x)} {x[0]}\n%time sum(x)", "echo").stdout
    assert "have 3 3" in shown
    assert "Wall time" in shown
    assert "have 3 3" in loaded.run("%log Echo").stdout
    shown = loaded.run('%%step Shell --depends-on x=Load --run\n%%bash -s "{len(x)}" $x\necho first $1', "shell").stdout
    assert "first 3\n" in shown
    assert "noise" not in loaded.run("%%step Hush --run\n%%capture\nprint('noise', Load)", "hush").stdout
    assert "noise" not in loaded.run("%log Hush").stdout


def test_a_helper_with_a_magic(loaded: Kernel) -> None:
    """A notebook function that uses a magic works when a step calls it."""
    loaded.run("def timed_sum(values):\n    t = %time sum(values)\n    return t", "helper")
    assert result(loaded.run("%%step Helped --run\ntimed_sum(Load)", "helped")) == "6"


def test_what_is_displayed_is_shown_and_kept(loaded: Kernel) -> None:
    """A display inside a step appears below the cell that asked for the run, and in the log."""
    code = "%%step Shown --run\nfrom IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))\n1"
    assert any("<b>bold</b>" in bundle.get("text/html", "") for bundle in loaded.run(code, "shown").displays)
    again = loaded.run("%log Shown")
    assert again.stdout.startswith("Shown · from ")
    assert [bundle["text/html"] for bundle in again.displays] == ["<b>bold</b>"]
    assert "HTML object" in again.displays[0]["text/plain"]


def test_inferred_and_declared_dependencies_are_told(loaded: Kernel) -> None:
    """The line says which were inferred, and points out what does not fit."""
    assert "Told ← Load (inferred)" in loaded.run("%%step Told\nLoad", "told").text
    assert loaded.run("%%step Told --depends-on none\n1", "told").text.startswith("Told · ")
    assert "depends on Load and does not read it" in loaded.run("%%step Told --depends-on Load\n1", "told").text
    assert "reads Load" in loaded.run("%%step Told --depends-on none\nLoad", "told").text


def test_help(loaded: Kernel) -> None:
    """`%%step --help` with and without a body, and what `%%step?` shows."""
    assert "--depends-on" in loaded.run("%%step --help").stdout
    assert "--depends-on" in loaded.run("%%step S --help\n1").stdout
    assert "--depends-on" in loaded.run("print(get_ipython().find_cell_magic('step').__doc__)").stdout
    assert "'S' in" not in loaded.run("%steps").stdout
