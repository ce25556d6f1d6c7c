"""`Step` objects and `@step` functions beside `%%step` cells, in one graph."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.asking import result
from tests.kernel import Kernel

RECIPE = """
from jo_notebook import Step

class BoilWater(Step):
    def run(self):
        print("boiling")
        return "water"

class PourPasta(Step):
    def __init__(self, kind, **rest):
        super().__init__(**rest)
        self.kind = kind

    def run(self, water):
        return f"{self.kind} in {water}"

pasta = PourPasta("penne", depends_on=[BoilWater()], name_alias="Pour pasta")
"""


def test_a_cell_depends_on_a_step_object(lab_kernel: Kernel) -> None:
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say(RECIPE, "b")
    assert say("%%step Merge --depends-on pasta\npasta.upper()", "c").text == "Merge ← pasta=Pour pasta · missing"
    assert [line.split("  ")[0] for line in say("%plan").stdout.splitlines()[1:]] == [
        " [ ] (>) BoilWater",
        " [ ] (>) Pour pasta",
        " [ ] (H) Merge",
    ]
    done = say("%materialize Merge")
    assert result(done) == "'PENNE IN WATER'"
    assert "boiling" in done.stdout
    assert result(say("BoilWater")).endswith("BoilWater'>") or "BoilWater" in result(say("BoilWater"))
    assert "Step" in result(say("type(pasta).__mro__[1].__name__"))

    say('pasta = PourPasta("fusilli", depends_on=pasta.dependencies, name_alias="Pour pasta")', "d")
    assert "its code, or what its object holds, changed" in say("%plan").stdout
    done = say("%materialize Merge")
    assert (result(done), "boiling" in done.stdout) == ("'FUSILLI IN WATER'", False)

    say('pasta.kind = "penne"')
    assert "Merge is available" in say("%explain Merge").stdout  # its older result
    assert result(say("%materialize Merge")) == "'PENNE IN WATER'"
    say('pasta.kind = "orzo"')
    assert "its code, or what its object holds, changed" in say("%explain Merge").stdout
    assert result(say("%materialize Merge")) == "'ORZO IN WATER'"


def test_two_claims_to_one_name(lab_kernel: Kernel) -> None:
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say("%%step BoilWater\n1", "w")
    say(RECIPE, "b")
    assert (
        "Two steps are called BoilWater" in say("%%step Merge --depends-on pasta\npasta", "c", allow_error=True).error
    )
    assert "Merge" not in say("%steps").stdout
    say("%%step Cold\n1", "w")
    assert "Merge ← pasta=Pour pasta" in say("%%step Merge --depends-on pasta\npasta", "c").text
    assert "a Step object has it" in say("%%step BoilWater\n1", "w", allow_error=True).error


def test_a_function_is_a_step(lab_kernel: Kernel, tmp_path: Path) -> None:
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say("%%step Load\n[3, 1, 2]", "b")
    say("factor = 2", "f")
    cell = "from jo_notebook import step\n\n@step\ndef Double(Load, top=9):\n"
    cell += "    return [min(factor * x, top) for x in Load]"
    assert say(cell, "c").text == "Double ← Load · missing"
    assert result(say("%materialize Double")) == "[6, 2, 4]"
    assert result(say("Double([7])")) == "[9]"
    assert say(cell, "c").text == "Double ← Load · available · in memory"
    assert "code changed" in say(cell.replace("min(", "max("), "c").text
    assert "available" in say(cell, "c").text
    say("factor = 3", "f")
    assert "constant factor: 2 → 3" in say("%explain Double").stdout
    assert result(say("%%step Sum --depends-on Double --run\nsum(Double)", "d")) == "18"

    # the same lines as a cell: the result is there
    say("%%step Double --depends-on Load --params top=9\n[min(factor * x, top) for x in Load]", "c")
    assert (
        "available"
        in say("%%step Double --depends-on Load --params top=9\n[min(factor * x, top) for x in Load]", "c").text
    )
    # a cell without its function any more
    say("pass", "c")
    assert "Double" not in say("%steps").stdout.replace("Double is", "")


def test_steps_of_a_module(lab_kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "mysteps.py").write_text(
        "from jo_notebook import step, Step\nN = 3\n\n@step\ndef Rows():\n    return list(range(N))\n\n"
        "class Kitchen(Step):\n    def run(self, rows):\n        return len(rows) * N\n"
    )
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say("import mysteps", "b")
    assert result(say("%materialize Rows")) == "[0, 1, 2]"
    say("kitchen = mysteps.Kitchen(mysteps.Rows)", "c")
    assert "Plate ← kitchen=Kitchen" in say("%%step Plate --depends-on kitchen\nkitchen + 1", "d").text
    assert result(say("%materialize Plate")) == "10"
    (tmp_path / "mysteps.py").write_text((tmp_path / "mysteps.py").read_text().replace("N = 3", "N = 4"))
    plan = say("%plan").stdout
    assert "module mysteps.py: 3 → 4" in plan.replace("N = ", "")
    assert result(say("%materialize Rows")) == "[0, 1, 2, 3]"


def test_two_modules_with_one_name(lab_kernel: Kernel, tmp_path: Path) -> None:
    """A module's function depends on an object of the module; another module cannot take the name of either."""
    (tmp_path / "cooking.py").write_text(
        "from jo_notebook import step, Step\n\nclass Kitchen(Step):\n    def run(self):\n        return 7\n\n"
        "kitchen = Kitchen()\n\n@step\ndef Plates(kitchen):\n    return 2 * kitchen\n"
    )
    (tmp_path / "washing.py").write_text("from jo_notebook import step\n\n@step\ndef Plates():\n    return 'clean'\n")
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say("import cooking", "b")
    assert result(say("%materialize Plates")) == "14"
    error = say("import washing", "c", allow_error=True).error
    assert "Two steps are called Plates: cooking.py, line 9 has it, and washing.py, line 3 claims the name" in error
    error = say("%%step Kitchen\n8", "d", allow_error=True).error
    assert "Two steps are called Kitchen: cooking.py, line 4 has it, and cell [" in error
    assert result(say("%materialize Plates")) == "14"
    say("import importlib; importlib.reload(cooking)", "b")  # the same steps once more
    assert "Plates is available" in say("%explain Plates").stdout


def test_a_kernel_without_the_extension(lab_kernel: Kernel) -> None:
    say = lab_kernel.run
    say("from jo_notebook import step", "a")
    say("@step\ndef Load():\n    return 1", "b")
    assert result(say("Load.materialize()")) == "1"
    say("@step\ndef Load():\n    return 2", "b")
    assert result(say("Load.materialize()")) == "2"
