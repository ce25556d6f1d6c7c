"""What steps make of the names they read, and what others make of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from jo_notebook import Context, Step
from jo_notebook.errors import UsageError


def script(place: Path, text: str, **modules: str) -> list[str]:
    """What a script prints, run by a Python of its own, beside modules."""
    for name, code in {**modules, "script": text}.items():
        (place / f"{name}.py").write_text("from jo_notebook import Step, Context\n" + textwrap.dedent(code))
    done = subprocess.run([sys.executable, "script.py"], cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


STEPS = """
    log, counts, runs = [], {"n": 0}, 0

    class Log(Step):
        def run(self, *inputs):
            log.append(str(self))
            counts["n"] += 1
            return 1

    class Count(Step):
        def run(self, *inputs):
            global runs
            runs += 1
            return 1

    class Shared(Step):
        calls, many = {}, 0

        def run(self, *inputs):
            self.calls[str(self)] = 1
            type(self).many += 1
            return 1

    class One(Shared):
        pass

    class Two(Shared):
        pass
    """
TWICE = """
    kept = Context()
    for kind in (Log, Count, Shared):
        for _ in range(3):
            kind(ctx=kept).materialize()
            kind([kind(ctx=kept)], kept, "After").materialize()
    print(Two([One(ctx=kept)], kept).materialize(), Two([One(ctx=kept)], kept).plan().to_run)
    """


class TestWhatAStepNotesForItself:
    def test_in_a_script(self, tmp_path: Path) -> None:
        told = script(tmp_path, STEPS + TWICE + "\n    print(log, counts, runs, Shared.many)")
        assert told == ["1 ()", "['Log', 'After'] {'n': 2} 2 2"]

    def test_in_a_module(self, tmp_path: Path) -> None:
        text = "\n    import kitchen\n    from kitchen import *\n" + TWICE
        text += "\n    print(kitchen.log, kitchen.counts, kitchen.runs, Shared.many)"
        assert script(tmp_path, text, kitchen=STEPS) == ["1 ()", "['Log', 'After'] {'n': 2} 2 2"]

    def test_in_a_function(self) -> None:
        calls: list[str] = []

        def build(kept: Context) -> Step:
            class First(Step):
                def run(self) -> int:
                    calls.append("First")
                    return 1

            class Second(Step):
                def run(self, one: int) -> None:
                    calls.append("Second")

            return Second([First(ctx=kept)], kept)

        kept = Context()
        for _ in range(3):
            build(kept).materialize()
        assert calls == ["First", "Second"]


class TestWhatOthersMakeOfIt:
    def test_another_step_has_changed_what_a_step_reads(self, tmp_path: Path) -> None:
        """The one that only reads depends on none that changes: it is run for what is there now."""
        told = script(
            tmp_path,
            """
            stock = [1, 2]

            class Buy(Step):
                def run(self):
                    stock.append(3)

            class Sum(Step):
                def run(self, *inputs):
                    return sum(stock)

            kept = Context()
            print(Sum(ctx=kept).materialize())
            Buy(ctx=kept).materialize()
            print(Sum(ctx=kept).materialize())
            stock.remove(3)
            print(Sum(ctx=kept).materialize())

            aside = Context()
            print(Step.join([Buy(), Sum(ctx=aside)]).materialize())
            stock.remove(3)
            print(Sum(ctx=aside).materialize())
            """,
        )
        assert told == ["3", "6", "3", "(None, 6)", "3"]

    def test_the_same_content_bound_anew(self, tmp_path: Path) -> None:
        told = script(
            tmp_path,
            """
            stock = [1]

            class Buy(Step):
                def run(self):
                    stock.append(2)
                    return sum(stock)

            kept = Context()
            print(Buy(ctx=kept).materialize(), Buy(ctx=kept).materialize(), stock)
            stock = [1, 2]
            print(Buy(ctx=kept).materialize())
            """,
        )
        assert told == ["3 3 [1, 2]", "5"]

    def test_an_object_with_the_state_that_another_one_has_come_to(self) -> None:
        class Grow(Step):
            def __init__(self, size: int, **rest: Any) -> None:
                super().__init__(**rest)
                self.size = size

            def run(self) -> int:
                self.size += 1
                return self.size

        kept = Context()
        first = Grow(1, ctx=kept)
        assert (first.materialize(), first.materialize()) == (2, 2)
        assert Grow(2, ctx=kept).materialize() == 3

    def test_a_class_of_a_module_is_given_another_attribute(self, tmp_path: Path) -> None:
        told = script(
            tmp_path,
            """
            import kitchen
            kept = Context()
            pinch = kitchen.Pinch(ctx=kept)
            print(pinch.materialize())
            kitchen.Pinch.spoons = 3
            print(pinch.materialize())
            kitchen.Pinch.measure = lambda self: 50
            print(pinch.materialize())
            """,
            kitchen="""
            class Pinch(Step):
                spoons = 1

                def measure(self):
                    return self.spoons

                def run(self):
                    return self.measure()
            """,
        )
        assert told == ["1", "3", "50"]

    def test_a_lock_hides_nothing_beside_it(self) -> None:
        class Locked(Step):
            def __init__(self, **rest: Any) -> None:
                super().__init__(**rest)
                self.lock, self.size = threading.Lock(), 1

            def run(self) -> int:
                with self.lock:
                    return self.size

        step = Locked(ctx=Context())
        assert step.materialize() == 1
        assert step.plan().to_run == ()
        step.size = 2
        assert step.materialize() == 2

    def test_a_slot(self) -> None:
        class Slotted(Step):
            __slots__ = ("size",)

            def run(self) -> Any:
                return self.size

        step = Slotted(ctx=Context())
        step.size = 1
        assert step.materialize() == 1
        step.size = 2
        assert step.materialize() == 2


class TestMappingsAsContexts:
    @pytest.mark.parametrize("value", [1, None, {"x": 1}, [1, 2]])
    def test_other_code_of_one_name(self, value: Any) -> None:
        kept: dict[str, Any] = {}
        first, second = Step(name_alias="A", ctx=kept), Step(name_alias="A", ctx=kept)
        first.run, second.run = lambda: value, lambda: 7  # type: ignore[method-assign]
        assert first.materialize() == value
        assert first.plan().to_run == ()
        assert second.materialize() == 7
        assert kept == {"A": 7}

    def test_a_value_put_in_by_hand(self) -> None:
        kept: dict[str, Any] = {}
        first = Step(name_alias="A", ctx=kept)
        first.run = lambda: [1]  # type: ignore[method-assign]
        assert first.materialize() == [1]
        kept["A"].append(2)
        assert first.materialize() == [1, 2]
        kept["A"] = [5]
        assert first.materialize() == [5]

    @pytest.mark.parametrize("wrong", [5, "kept.jo", [], object()])
    def test_what_nothing_can_be_put_into(self, wrong: Any) -> None:
        for ask in (Step(ctx=wrong).materialize, Step(ctx=wrong).execution_plan):
            with pytest.raises(UsageError, match="Step: ctx is a Context, or a mapping that can be written to, not"):
                ask()
