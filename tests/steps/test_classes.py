"""`Step` objects, as those know them who come from job_orchestra; and what is better."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

from jo_notebook import Context, JoError, Step
from jo_notebook.errors import CycleError, DuplicateStepError, StepNameError, UsageError

ran: list[str] = []

LEGEND = (
    "Execution plan. Result availability: [*] available - [ ] n/a - [x] no context. Scheduled execution: (H) head - "
    "(>) scheduled run on materialize - ( ) no run required."
)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


class Cook(Step):
    """A step that notes its name, and gives it with those of its inputs."""

    def run(self, *inputs: Any) -> Any:
        ran.append(str(self))
        return f"{self}({', '.join(map(str, inputs))})"


class BoilWater(Cook):
    pass


class Salt(Cook):
    pass


class PourPasta(Cook):
    pass


class BrownOnions(Cook):
    pass


class CutTomatoes(Cook):
    pass


class PourTomatoes(Cook):
    pass


class PickBasil(Cook):
    pass


class PanFry(Cook):
    pass


def recipe(ctx: Any = None, **contexts: Any) -> Step:
    """Eight steps; BrownOnions is used twice."""
    water = BoilWater(ctx=contexts.get("water", ctx))
    salt = Salt(ctx=contexts.get("salt", ctx))
    onions = BrownOnions(ctx=contexts.get("onions", ctx))
    tomatoes = PourTomatoes([onions, CutTomatoes(ctx=ctx)], contexts.get("tomatoes", ctx))
    pasta = PourPasta(depends_on=[water, salt], ctx=ctx)
    return PanFry([pasta, tomatoes, onions, PickBasil(ctx=ctx)], ctx)


class TestTheTextOfAPlan:
    ROWS = ("BrownOnions", "CutTomatoes", "BoilWater", "Salt", "PickBasil", "PourTomatoes", "PourPasta", "PanFry")

    @pytest.mark.parametrize(
        ("has_context", "is_materialized", "marks"),
        [
            (False, False, "[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (H)"),
            (False, True, "[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (H)"),
            (True, False, "[x] (>)|[x] (>)|[x] (>)|[x] (>)|[x] (>)|[ ] (>)|[x] (>)|[x] (H)"),
            (True, True, "[x] ( )|[x] ( )|[x] (>)|[x] (>)|[x] (>)|[*] ( )|[x] (>)|[x] (H)"),
        ],
    )
    def test_the_documented_recipe(
        self, has_context: bool, is_materialized: bool, marks: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The recipe and the texts that job_orchestra documents, character for character."""
        water = BoilWater()
        brown_onions = BrownOnions()
        cut_tomatoes = CutTomatoes(depends_on=brown_onions)
        kept = Context() if has_context else None
        pour_tomatoes = PourTomatoes(depends_on=[cut_tomatoes, brown_onions], ctx=kept)
        salt = Salt(depends_on=water)
        pasta = PourPasta(depends_on=salt)
        basil = PickBasil()
        merge = PanFry(depends_on=[pasta, pour_tomatoes, basil])
        if is_materialized:
            merge.materialize()
        assert merge.execution_plan() is None  # type: ignore[func-returns-value]
        rows = "".join(f" {mark} {name}\n" for mark, name in zip(marks.split("|"), self.ROWS, strict=True))
        assert capsys.readouterr().out == f"{LEGEND}\n{rows}\n"
        assert len(ran) == 8 * is_materialized

    def test_what_a_kept_result_hides_need_not_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        kept = Context()
        head = PanFry([PourTomatoes([BrownOnions(), CutTomatoes()], ctx=kept), Salt()])
        head.materialize()
        head.execution_plan()
        assert capsys.readouterr().out == (
            f"{LEGEND}\n"
            " [x] ( ) CutTomatoes\n"
            " [x] ( ) BrownOnions\n"
            " [x] (>) Salt\n"
            " [*] ( ) PourTomatoes\n"
            " [x] (H) PanFry\n"
            "\n"
        )

    def test_the_head_is_the_head_also_where_it_is_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        head = recipe(Context())
        head.materialize()
        head.execution_plan()
        rows = capsys.readouterr().out.splitlines()
        assert rows[-2] == " [*] (H) PanFry"
        assert {row[:9] for row in rows[1:-2]} == {" [*] ( ) "}

    def test_a_stale_result_has_a_mark(self, capsys: pytest.CaptureFixture[str]) -> None:
        kept = Context()
        Seasoned(1, ctx=kept).materialize()
        Seasoned(2, ctx=kept).execution_plan()
        legend = LEGEND.replace("available - [ ]", "available - [~] stale - [ ]")
        assert capsys.readouterr().out == f"{legend}\n [~] (H) Seasoned\n\n"

    def test_as_data(self) -> None:
        plan = recipe(Context()).plan()
        assert plan.to_run == (
            *("BoilWater", "Salt", "PourPasta", "BrownOnions", "CutTomatoes", "PourTomatoes", "PickBasil", "PanFry"),
        )


class Seasoned(Step):
    """A step with something of its own."""

    def __init__(self, spoons: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.spoons = spoons

    def run(self) -> Any:
        return self.spoons * 10


class TestOrder:
    def test_names_breadth_first_and_depth_first(self) -> None:
        head = recipe()
        assert head.depending_steps_breadth_first() == [
            *("PourPasta", "PourTomatoes", "BrownOnions", "PickBasil", "BoilWater", "Salt", "CutTomatoes"),
        ]
        assert head.depending_steps_depth_first() == [
            *("BoilWater", "Salt", "PourPasta", "BrownOnions", "CutTomatoes", "PourTomatoes", "PickBasil"),
        ]

    def test_inputs_in_the_order_of_depends_on(self) -> None:
        assert PanFry([Salt(), BoilWater()]).materialize() == "PanFry(Salt(), BoilWater())"

    def test_a_step_listed_twice_is_given_twice(self) -> None:
        salt = Salt()
        assert PanFry([salt, salt]).materialize() == "PanFry(Salt(), Salt())"
        assert ran == ["Salt", "PanFry"]

    @pytest.mark.parametrize("make", [tuple, iter, set, lambda steps: (s for s in steps)])
    def test_any_iterable(self, make: Any) -> None:
        assert PanFry(make([Salt()])).materialize() == "PanFry(Salt())"

    def test_one_step_and_none(self) -> None:
        assert PanFry(Salt()).materialize() == "PanFry(Salt())"
        assert PanFry(None).materialize() == "PanFry()"

    def test_a_list_stays_the_users_own(self) -> None:
        steps: list[Step] = [Salt()]
        head = PanFry(steps)
        steps.append(PickBasil())
        assert head.materialize() == "PanFry(Salt(), PickBasil())"
        assert Salt().dependencies == []
        Salt().dependencies.append(head)
        assert Salt().dependencies == []


class TestOneRunAStepAndCall:
    def test_without_a_context(self) -> None:
        head = recipe()
        head.materialize()
        assert sorted(ran) == sorted({*ran})
        assert len(ran) == 8
        head.materialize()
        assert len(ran) == 16

    def test_layers_of_diamonds(self) -> None:
        left: Step = Cook(name_alias="left0")
        right: Step = Cook(name_alias="right0")
        for i in range(1, 41):
            left, right = (
                Named([left, right], name_alias=f"left{i}"),
                Named([left, right], name_alias=f"right{i}"),
            )
        assert Named([left, right]).materialize() == "Named"
        assert len(Named([left, right]).depending_steps_breadth_first()) == 82

    def test_with_a_context_for_all(self) -> None:
        kept = Context()
        first = recipe(kept).materialize()
        assert recipe(kept).materialize() == first
        assert len(ran) == 8

    def test_contexts_are_the_steps_own(self) -> None:
        one, two = Context(), Context()
        head = recipe(onions=one, tomatoes=two)
        head.materialize()
        ran.clear()
        head.materialize()
        assert ran == ["BoilWater", "Salt", "PourPasta", "PickBasil", "PanFry"]
        assert set(one) == {"BrownOnions"}
        assert set(two) == {"PourTomatoes"}

    def test_a_chain_of_ten_thousand(self, capsys: pytest.CaptureFixture[str]) -> None:
        step: Step = Count(name_alias="s0")
        for i in range(1, 10_000):
            step = Count([step], name_alias=f"s{i}")
        assert step.materialize() == 10_000
        step.execution_plan()
        assert len(capsys.readouterr().out.splitlines()) == 10_002
        picture = step.dependency_graph()
        assert picture is not None
        assert len(picture.graph.edges) == 9_999


class Named(Step):
    """A step that gives its name."""

    def run(self, *inputs: Any) -> Any:
        return str(self)


class Count(Step):
    """One more than what it is given."""

    def run(self, *inputs: int) -> int:
        return sum(inputs) + 1


class Nothing(Step):
    """A step that is run for what it does."""

    def run(self) -> None:
        ran.append("Nothing")


class Box(Step):
    """A dict with names that a dict has, and others."""

    def run(self) -> dict[str, Any]:
        return {"save": 1, "delete": 2, "save_path": 3, "_aliases": 4, "items": 5, "a b": 6, "inner": {"x": 7}}


class Unpack(Step):
    """Reads the dict by attributes."""

    def run(self, box: Any) -> list[Any]:
        return [box.save, box.delete, box["items"], box.inner["x"]]


class TestResults:
    def test_none_is_remembered(self) -> None:
        kept = Context()
        assert Nothing(ctx=kept).materialize() is None
        assert Nothing(ctx=kept).materialize() is None
        assert ran == ["Nothing"]
        assert "Nothing" in kept

    def test_a_dict_has_attributes_and_keeps_its_keys(self) -> None:
        kept = Context()
        found = Box(ctx=kept).materialize()
        assert (found.save, found["items"], found.inner["x"]) == (1, 5, 7)
        assert len(found) == 7
        assert pickle.loads(pickle.dumps(found)) == found
        assert kept["Box"].delete == 2
        assert Unpack([Box(ctx=kept)]).materialize() == [1, 2, 5, 7]

    def test_names_that_differ_by_a_dash(self) -> None:
        kept = Context()
        one, two = Named(ctx=kept, name_alias="a-b"), Named(ctx=kept, name_alias="a_b")
        assert Step.join([one, two]).materialize() == ("a-b", "a_b")
        assert (kept["a-b"], kept["a_b"]) == ("a-b", "a_b")

    def test_a_value_put_in_by_hand_is_used(self) -> None:
        kept = Context()
        kept["BrownOnions"] = "ready"
        head = recipe(onions=kept)
        assert "ready" in head.materialize()
        assert "BrownOnions" not in ran

    def test_a_deleted_value_is_made_again(self) -> None:
        kept = Context()
        head = recipe(kept)
        head.materialize()
        ran.clear()
        del kept["Salt"]
        head.materialize()
        assert ran in (["Salt"], [])

    def test_any_mapping_is_a_context(self) -> None:
        kept: dict[str, Any] = {"Salt": "sea salt"}
        assert (
            PourPasta([BoilWater(ctx=kept), Salt(ctx=kept)], ctx=kept).materialize()
            == "PourPasta(BoilWater(), sea salt)"
        )
        assert set(kept) == {"Salt", "BoilWater", "PourPasta"}
        ran.clear()
        PourPasta([BoilWater(ctx=kept), Salt(ctx=kept)], ctx=kept).materialize()
        assert ran == []

    def test_a_changed_input_is_not_what_others_see(self) -> None:
        kept = Context()
        rows = Rows(ctx=kept)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert Step.join([Spoil([rows]), Rows2([rows])]).materialize() == (3, [1, 2])
        assert kept["Rows"] == [1, 2]
        assert "Spoil changed its input rows; Rows will run again" in str(told[0].message)

    def test_other_state_other_result(self) -> None:
        kept = Context()
        assert Seasoned(1, ctx=kept).materialize() == 10
        assert Seasoned(2, ctx=kept).materialize() == 20
        assert Seasoned(2, ctx=kept).plan().to_run == ()


class Rows(Step):
    def run(self) -> list[int]:
        return [1, 2]


class Spoil(Step):
    def run(self, rows: list[int]) -> int:
        rows.append(3)
        return len(rows)


class Rows2(Step):
    def run(self, rows: list[int]) -> list[int]:
        return rows


class Burn(Step):
    """A step that fails, once."""

    hot = [True]  # noqa: RUF012

    def run(self, *inputs: Any) -> Any:
        if self.hot[0]:
            raise LookupError("burnt")
        return "done"


class TestErrors:
    def test_the_users_own_exception_after_a_warning(self) -> None:
        kept = Context()
        head = PanFry([Salt(ctx=kept), Burn(ctx=kept), PickBasil(ctx=kept)])
        with (
            pytest.warns(UserWarning, match="^Error encountered while executing step Burn$"),
            pytest.raises(LookupError, match="burnt") as caught,
        ):
            head.materialize()
        assert caught.traceback[-1].name == "run"
        assert ran == ["Salt"]
        assert set(kept) == {"Salt"}

    def test_a_second_call_goes_on(self) -> None:
        kept = Context()
        head = PanFry([Salt(ctx=kept), Burn(ctx=kept)])
        with pytest.warns(UserWarning, match="Burn"), pytest.raises(LookupError):
            head.materialize()
        Burn.hot[0] = False
        try:
            assert head.materialize() == "PanFry(Salt(), done)"
        finally:
            Burn.hot[0] = True
        assert ran == ["Salt", "PanFry"]

    def test_an_interrupt_names_the_step(self) -> None:
        class Stopped(Step):
            def run(self) -> None:
                raise KeyboardInterrupt

        with pytest.warns(UserWarning, match="step Stopped$"), pytest.raises(KeyboardInterrupt):
            PanFry([Stopped()]).materialize()

    def test_where_warnings_are_errors(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="step Burn") as caught:
                Burn().materialize()
        assert isinstance(caught.value.__cause__, LookupError)

    def test_run_has_to_be_written(self) -> None:
        with pytest.warns(UserWarning, match="Step"), pytest.raises(NotImplementedError, match="override it"):
            Step().materialize()

    def test_two_objects_of_one_name(self) -> None:
        head = PanFry([Salt(), PourPasta([Salt()])])
        with pytest.raises(DuplicateStepError, match=r"Dependency\(ies\) \['Salt'\] appear more than once") as caught:
            head.materialize()
        assert isinstance(caught.value, AssertionError)
        with pytest.raises(DuplicateStepError):
            head.execution_plan()
        with pytest.raises(DuplicateStepError):
            PanFry([PanFry()]).materialize()
        assert ran == []

    def test_a_cycle_has_a_path(self) -> None:
        salt = Salt()
        pasta = PourPasta([salt])
        salt.dependencies.append(pasta)
        for ask in (
            pasta.materialize,
            pasta.execution_plan,
            pasta.dependency_graph,
            pasta.depending_steps_breadth_first,
        ):
            with pytest.raises(CycleError, match="PourPasta ← Salt ← PourPasta"):
                ask()
        itself = Salt()
        itself.dependencies.append(itself)
        with pytest.raises(CycleError, match="Salt ← Salt"):
            itself.materialize()

    @pytest.mark.parametrize("wrong", ["NoSuchStep", 5, [5], [Salt], Salt, [None], object()])
    def test_what_is_no_step(self, wrong: Any) -> None:
        with pytest.raises(UsageError, match="depends_on takes Step objects"):
            PanFry(wrong)

    def test_what_is_no_step_later(self) -> None:
        head = PanFry([Salt()])
        head.dependencies.append(5)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="PanFry depends on int '5', which is no step"):
            head.materialize()

    def test_what_is_no_name(self) -> None:
        with pytest.raises(StepNameError):
            Salt(name_alias=5)  # type: ignore[arg-type]
        assert str(Salt(name_alias="")) == "Salt"
        assert issubclass(StepNameError, JoError)


class TestSmallSteps:
    def test_from_data(self) -> None:
        step = Step.from_data([1, 2])
        assert (str(step), step.materialize().output, step.materialize()["output"]) == ("Data", [1, 2], [1, 2])

    def test_stepify(self) -> None:
        assert Step.stepify(5).materialize() == 5
        assert str(Step.stepify(5)) == "Step"
        step = Step.stepify({"a": 1}, name_alias="Five", depends_on=[Salt()])
        assert (str(step), step.materialize().a, ran) == ("Five", 1, ["Salt"])

    def test_join(self) -> None:
        assert Step.join([Salt(), PickBasil()]).materialize() == ("Salt()", "PickBasil()")
        assert str(Step.join([])) == "Join"
        assert str(Step.join([], "All")) == "All"

    def test_noop_step(self) -> None:
        with pytest.warns(DeprecationWarning, match="noop_step is being renamed in 'join'"):
            step = Step.noop_step([Salt()])
        assert (str(step), step.materialize()) == ("NoOpNode", ("Salt()",))

    def test_run_on_the_object(self) -> None:
        step = Step(name_alias="Own")
        step.run = lambda: 7  # type: ignore[method-assign]
        kept = Context()
        step.ctx = kept
        assert step.materialize() == 7
        step.run = lambda: 8  # type: ignore[method-assign]
        assert step.materialize() == 8

    def test_run_of_the_class(self) -> None:
        class Plus(Step):
            more = 1

            @classmethod
            def run(cls, number: int) -> int:  # type: ignore[override]
                return number + cls.more

        class Times(Step):
            @staticmethod
            def run(number: int) -> int:  # type: ignore[override]
                return number * 2

        kept = Context()
        head = Plus([Times([Step.stepify(4)], kept)], kept)
        assert head.materialize() == 9
        Plus.more = 10
        assert head.materialize() == 18

    def test_within_a_function(self) -> None:
        calls: list[str] = []

        class Local(Step):
            def run(self) -> int:
                calls.append("Local")
                return 1

        class After(Step):
            def run(self, one: int) -> int:
                calls.append("After")
                return one + 1

        kept = Context()
        for _ in range(3):
            assert After([Local(ctx=kept)], ctx=kept).materialize() == 2
        assert calls == ["Local", "After"]

    def test_what_a_step_makes_of_itself(self) -> None:
        """An object that changes its own state is as it was; another object with that state is another one."""

        class Counted(Step):
            def __init__(self, n: int, ctx: Context) -> None:
                super().__init__(ctx=ctx)
                self.n = n

            def run(self) -> int:
                self.n += 1
                return self.n

        kept = Context()
        one = Counted(1, kept)
        assert one.materialize() == 2
        assert one.plan().to_run == ()
        two = Counted(2, kept)
        assert two.plan().to_run == ("Counted",)
        assert two.materialize() == 3

    def test_what_others_make_of_a_list_counts(self) -> None:
        noted = ["a"]

        class Noting(Step):
            def run(self) -> int:
                noted.append("x")
                return len(noted)

        kept = Context()
        assert Noting(ctx=kept).materialize() == 2
        assert Noting(ctx=kept).plan().to_run == ()
        noted.append("by hand")
        assert Noting(ctx=kept).plan().to_run == ("Noting",)

    def test_a_pipeline_within_a_step(self) -> None:
        class Outer(Step):
            def run(self) -> Any:
                return recipe().materialize()

        assert str(Outer().materialize()).startswith("PanFry(")

    def test_no_warnings_for_what_is_usual(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recipe(Context()).materialize()


class TestThePicture:
    def test_nodes_and_edges(self) -> None:
        picture = recipe().dependency_graph()
        assert picture is not None
        assert set(picture.graph.nodes) == {
            *("BoilWater", "Salt", "PourPasta", "BrownOnions", "CutTomatoes", "PourTomatoes", "PickBasil", "PanFry"),
        }
        assert ("BrownOnions", "PourTomatoes") in picture.graph.edges
        assert len(list(picture.graph.edges())) == 8
        bundle = picture._repr_mimebundle_()
        assert "<svg" in bundle["image/svg+xml"]
        assert "http" not in bundle["image/svg+xml"].replace("http://www.w3.org/2000/svg", "")

    def test_the_questions_that_networkx_answers(self) -> None:
        graph = recipe().dependency_graph().graph
        assert (graph.has_node("Salt"), graph.has_node("Pepper"), "Salt" in graph, "Pepper" in graph) == (
            *(True, False),
            *(True, False),
        )
        assert graph.has_edge("BrownOnions", "PourTomatoes")
        assert not graph.has_edge("PourTomatoes", "BrownOnions")
        assert (len(graph), graph.number_of_nodes(), graph.number_of_edges()) == (8, 8, 8)
        assert set(graph) == set(graph.nodes())
        pan = recipe()
        assert list(graph.predecessors("PanFry")) == [str(step) for step in pan.dependencies]
        assert sorted(graph.successors("BrownOnions")) == ["PanFry", "PourTomatoes"]
        assert [*graph.successors("PanFry"), *graph.predecessors("Salt")] == []
        assert repr(graph) == "<StepGraph of 8 steps and 8 dependencies>"

    def test_one_step_is_one_node(self) -> None:
        picture = Salt().dependency_graph()
        assert picture is not None
        assert (list(picture.graph.nodes), list(picture.graph.edges)) == (["Salt"], [])

    def test_a_graph_of_the_users_takes_the_edges(self) -> None:
        class Edges(list[tuple[str, str]]):
            def add_edge(self, source: str, target: str) -> None:
                self.append((source, target))

        edges = Edges([("x", "y")])
        assert PanFry([Salt()]).dependency_graph(edges) is None
        assert edges == [("x", "y"), ("Salt", "PanFry")]

    def test_as_javascript_without_a_network(self) -> None:
        text = PanFry([Salt(name_alias="</script><b>")]).dependency_graph_js(True)
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "</" not in text
        assert text != PanFry([Salt(name_alias="</script><b>")]).dependency_graph_js()


def script(place: Path, text: str) -> str:
    """What a script prints, run by a Python of its own."""
    (place / "script.py").write_text(textwrap.dedent(text))
    done = subprocess.run([sys.executable, "script.py"], cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestOtherProcesses:
    TEXT = """
        from jo_notebook import Step, Context

        class Load(Step):
            def run(self):
                print("loading")
                return {"rows": [1, 2, 3]}

        class Total(Step):
            def __init__(self, factor, **rest):
                super().__init__(**rest)
                self.factor = factor

            def run(self, load):
                print("adding")
                return self.factor * sum(load.rows)

        kept = Context("kept.jo")
        total = Total(FACTOR, depends_on=[Load(ctx=kept)], ctx=kept)
        print(total.materialize())
        total.execution_plan()
        """

    def test_a_later_process_goes_on(self, tmp_path: Path) -> None:
        first = script(tmp_path, self.TEXT.replace("FACTOR", "2")).splitlines()
        assert first[:3] == ["loading", "adding", "12"]
        again = script(tmp_path, self.TEXT.replace("FACTOR", "2")).splitlines()
        assert again[0] == "12"
        assert again[2:4] == [" [*] ( ) Load", " [*] (H) Total"]
        other = script(tmp_path, self.TEXT.replace("FACTOR", "3")).splitlines()
        assert other[:2] == ["adding", "18"]
        edited = script(tmp_path, self.TEXT.replace("FACTOR", "2").replace("[1, 2, 3]", "[1, 2]")).splitlines()
        assert edited[:3] == ["loading", "adding", "6"]

    def test_names_that_steps_bind_or_change(self, tmp_path: Path) -> None:
        text = """
            from jo_notebook import Step, Context
            count = 0
            names = ["a"]

            class Load(Step):
                def run(self):
                    global count
                    count += 1
                    names.append("x")
                    return count

            kept = Context("kept.jo")
            print(Load(ctx=kept).materialize(), Load(ctx=kept).materialize(), count, names)
            print(Load(ctx=kept).plan().to_run)
            names = ["a", "x"]
            print(Load(ctx=kept).plan().to_run)
            """
        assert script(tmp_path, text).splitlines() == ["1 1 1 ['a', 'x']", "()", "('Load',)"]
        assert script(tmp_path, text).splitlines() == ["1 1 0 ['a']", "()", "('Load',)"]

    def test_a_module_of_steps(self, tmp_path: Path) -> None:
        (tmp_path / "kitchen.py").write_text(
            "from jo_notebook import Step\nSALT = 2\n\nclass Pinch(Step):\n    def run(self):\n"
            "        print('pinching')\n        return SALT\n"
        )
        text = "from jo_notebook import Context\nfrom kitchen import Pinch\n"
        text += "print(Pinch(ctx=Context('k.jo')).materialize())\n"
        assert script(tmp_path, text) == "pinching\n2\n"
        assert script(tmp_path, text) == "2\n"
        (tmp_path / "kitchen.py").write_text((tmp_path / "kitchen.py").read_text().replace("SALT = 2", "SALT = 30"))
        assert script(tmp_path, text) == "pinching\n30\n"

    def test_nothing_large_is_imported(self, tmp_path: Path) -> None:
        text = """
            import sys
            from jo_notebook import Step, Context
            Step.stepify(1, ctx=Context()).materialize()
            Step.stepify(1).execution_plan()
            heavy = {"sklearn", "pandas", "numpy", "pyarrow", "networkx", "IPython", "ipywidgets", "dill"}
            print(sorted(heavy & set(sys.modules)))
            """
        assert script(tmp_path, text).splitlines()[-1] == "[]"


def test_orders_agree_with_the_plain_definition() -> None:
    """Against the definition as a recursion, on many small graphs."""

    def breadth(step: Step) -> list[Step]:
        return [*step.dependencies, *itertools.chain.from_iterable(breadth(s) for s in step.dependencies)]

    def depth(step: Step) -> list[Step]:
        return [found for s in step.dependencies for found in [*depth(s), s]]

    for shape in itertools.product(range(1, 4), repeat=5):
        steps: list[Step] = []
        for i, many in enumerate(shape):
            chosen = [steps[(i * k + many) % len(steps)] for k in range(1, many)] if steps else []
            steps.append(Named(chosen, name_alias=f"s{i}"))
        head = steps[-1]
        assert head.depending_steps_breadth_first() == list(dict.fromkeys(map(str, breadth(head))))
        assert head.depending_steps_depth_first() == list(dict.fromkeys(map(str, depth(head))))
