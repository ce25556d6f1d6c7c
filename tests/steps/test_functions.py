"""`@step` functions of plain scripts, and files of them as pipelines."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.kernel import Kernel


def python(place: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, in this directory."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("JO_")}, **environ}
    return subprocess.run([sys.executable, *words], cwd=place, capture_output=True, text=True, timeout=120, env=env)


def written(place: Path, text: str, name: str = "birds.py") -> Path:
    """A file with this text."""
    path = place / name
    path.write_text(textwrap.dedent(text))
    return path


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What it printed; it has to end well."""
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


BIRDS = """
    from jo_notebook import step

    FACTOR = 2

    def scaled(x):
        return FACTOR * x

    @step
    def Load():
        print("loading")
        return [3, 1, 2]

    @step
    def Clean(Load, threshold=2):
        '''Keeps what is large.'''
        print("cleaning")
        # a comment
        return [scaled(x) for x in Load if x >= threshold]

    @step(depends_on={"rows": "Clean"}, seed=1)
    def Total(rows):
        import random
        return sum(rows) + random.randint(0, 9)

    if __name__ == "__main__":
        print(Clean.materialize(), Total([0]) < 10)
    """


class TestAScript:
    def test_it_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        written(tmp_path, BIRDS)
        assert said(python(tmp_path, "birds.py")) == ["loading", "cleaning", "[6, 4] True"]
        assert (tmp_path / "birds.jo").is_dir()
        assert said(python(tmp_path, "birds.py")) == ["[6, 4] True"]
        written(tmp_path, BIRDS.replace("# a comment", "# another"))
        assert said(python(tmp_path, "birds.py")) == ["[6, 4] True"]
        written(tmp_path, BIRDS.replace("FACTOR = 2", "FACTOR = 3"))
        assert said(python(tmp_path, "birds.py")) == ["cleaning", "[9, 6] True"]
        written(tmp_path, BIRDS.replace("threshold=2", "threshold=3"))
        assert said(python(tmp_path, "birds.py")) == ["cleaning", "[6] True"]

    def test_elsewhere(self, tmp_path: Path) -> None:
        written(tmp_path, BIRDS)
        said(python(tmp_path, "birds.py", JO_CONTEXT=str(tmp_path / "other.jo")))
        assert (tmp_path / "other.jo").is_dir()
        assert not (tmp_path / "birds.jo").exists()

    def test_the_same_steps_as_a_notebook(self, tmp_path: Path, lab_kernel: Kernel) -> None:
        """The cells' results are there for the script: same lines, same store."""
        say = lab_kernel.run
        say("%load_ext jo_notebook", "z")
        say("FACTOR = 2\n\ndef scaled(x):\n    return FACTOR * x", "a")
        say('%%step Load\nprint("loading")\n[3, 1, 2]', "b")
        say(
            '%%step Clean --params threshold=2\nprint("cleaning")\n[scaled(x) for x in Load if x >= threshold]',
            "c",
        )
        say("%%step Total --depends-on rows=Clean --seed 1\nimport random\nsum(rows) + random.randint(0, 9)", "d")
        assert "Ran 3 steps" in say("%materialize Total").stdout
        written(tmp_path, BIRDS, "analysis.py")
        assert said(python(tmp_path, "analysis.py")) == ["[6, 4] True"]
        assert (tmp_path / "analysis.jo").is_dir()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("@step\ndef f(*xs): return xs", "f takes *xs: a step's parameters are the steps it depends on"),
            ("@step\ndef f(x=object()): return x", "the default of x is no plain value"),
            ("@step(depend_on=['a'])\ndef f(x): return x", "no option 'depend_on'. Did you mean depends_on?"),
            ("@step(depends_on=['a', 'b'])\ndef f(x): return x", "f takes 1 inputs (x), and depends_on names 2: a, b."),
            ("@step(depends_on={'y': 'a'})\ndef f(x): return x", "f has no parameter 'y'; it has: x."),
            ("@step(depends_on=[5])\ndef f(x): return x", "depends_on takes names of steps or Step objects, not '5'"),
            ("@step(params={'n': 1})\ndef f(x): return x", "f has no parameter 'n' with a default value."),
            ("@step\nclass F: pass", "@step is for functions, not for the class F"),
            ("@step(name='a b')\ndef f(): return 1", "'a b' cannot name a step"),
            ("@step\ndef f(f): return 1", "f would depend on itself"),
            ("@step\ndef f(g): return 1\n@step\ndef g(f): return 1", "These steps wait for each other"),
            ("@step\ndef f(): return 1\n@step\ndef f(): return 2", "Two steps are called f: test.py, line 2 has it"),
            ("@step\ndef f(g): return 1\nf.materialize()", "f depends on g, which is not registered"),
            ("@step\ndef f(): return 1\nf.mean()", "f is a step and has no 'mean'"),
            ("@step(keep=-1)\ndef f(): return 1", "-1 generations cannot be kept"),
            ("@step(keep='many')\ndef f(): return 1", "many generations cannot be kept"),
            ("@step(retries=-1)\ndef f(): return 1", "-1 retries make no sense: say a number from 0 to 1000"),
            ("@step(retries=1.5)\ndef f(): return 1", "1.5 retries make no sense"),
            ("@step(backoff=-2)\ndef f(): return 1", "backoff -2 makes no sense: say seconds, 0 or more"),
            ("@step(timeout='long')\ndef f(): return 1", "timeout long makes no sense: say seconds, 0 or more"),
            ("@step(seed='x')\ndef f(): return 1", "@step(seed='x') makes no sense: seed takes a whole number."),
            ("@step(reads=5)\ndef f(): return 1", "@step(reads=5) makes no sense: reads takes a text, or several."),
            ("@step(env=['A', 5])\ndef f(): return 1", "@step(env=5) makes no sense: env takes texts."),
            ("@step(always='no')\ndef f(): return 1", "always takes True or False."),
            ("@step(name=5)\ndef f(): return 1", "name takes the name of a step."),
            ("@step(params=5)\ndef f(): return 1", "params takes a dict of values."),
            (
                "@step(depends_on=5)\ndef f(): return 1",
                "@step(depends_on=5) makes no sense: depends_on takes names of steps or Step",
            ),
        ],
    )
    def test_bad_input(self, tmp_path: Path, text: str, message: str) -> None:
        written(tmp_path, f"from jo_notebook import step\n{text}\n", "test.py")
        done = python(tmp_path, "test.py")
        assert done.returncode == 1
        assert message in done.stderr.splitlines()[-1]
        assert not (tmp_path / "test.jo").exists()

    def test_kinds_of_functions(self, tmp_path: Path) -> None:
        text = """
            from jo_notebook import step

            @step
            async def Later():
                import asyncio
                await asyncio.sleep(0)
                return 1

            @step
            def Many(Later, /, *, n=3):
                for i in range(n):
                    yield i + Later

            def made(k):
                @step(name=f"Made{k}")
                def inner(Many):
                    return k * sum(Many)
                return inner

            two, three = made(2), made(3)

            @step
            def OnOneLine(Many): return len(Many)

            @step
            def Silent(Many):
                Many.append(9)

            if __name__ == "__main__":
                print(two.materialize(), three.materialize(), OnOneLine.materialize(), end=" ")
                print(Silent.materialize(), Many.materialize())
                print([d.step for d in two.pipeline.plan() if d.reasons])
            """
        written(tmp_path, text)
        assert said(python(tmp_path, "birds.py")) == ["12 18 3 None [1, 2, 3]", "[]"]
        assert said(python(tmp_path, "birds.py")) == ["12 18 3 None [1, 2, 3]", "[]"]
        written(tmp_path, text.replace("k * sum", "10 * k * sum"))
        assert said(python(tmp_path, "birds.py"))[0] == "120 180 3 None [1, 2, 3]"

    def test_classes_and_functions_in_one_graph(self, tmp_path: Path) -> None:
        text = """
            from jo_notebook import step, Step

            @step
            def Load():
                print("loading")
                return [1, 2]

            class Doubled(Step):
                def run(self, rows):
                    print("doubling")
                    return [2 * x for x in rows]

            doubled = Doubled("Load")

            @step(depends_on=[doubled])
            def Total(rows):
                return sum(rows)

            if __name__ == "__main__":
                print(doubled.materialize())
                print(Total.materialize())
                Total.execution_plan()
                print(sorted(Total.dependency_graph().graph.edges))
            """
        written(tmp_path, text)
        first = said(python(tmp_path, "birds.py"))
        assert first[:4] == ["loading", "doubling", "[2, 4]", "6"]
        assert first[-1] == "[('Doubled', 'Total'), ('Load', 'Doubled')]"
        assert said(python(tmp_path, "birds.py"))[:2] == ["[2, 4]", "6"]


OPEN = """
    import sys
    from jo_notebook.errors import JoError
    from jo_notebook.steps.script import open_script
    from jo_notebook.views.text import plan_text

    sets = dict(word.split("=") for word in sys.argv[2:])
    try:
        pipeline = open_script(sys.argv[1], sets={k: int(v) for k, v in sets.items()})
    except JoError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(pipeline.context.place.name, list(pipeline.dag))
    for name in pipeline.dag.leaves:
        print(name, pipeline.materialize(name))
    """


class TestAFileAsAPipeline:
    def opened(self, place: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
        """What a process says that opens a file as a pipeline, and materializes its leaves."""
        written(place, OPEN, "opening.py")
        (place / "sub").mkdir(exist_ok=True)
        written(place / "sub", text)
        return python(place, "opening.py", "sub/birds.py", *words)

    def test_functions(self, tmp_path: Path) -> None:
        lines = said(self.opened(tmp_path, BIRDS))
        assert lines[:3] == ["birds.jo ['Load', 'Clean', 'Total']", "loading", "cleaning"]
        assert lines[3].startswith("Total ")
        assert said(self.opened(tmp_path, BIRDS)) == [lines[0], lines[3]]
        # it is the store of the program itself
        assert said(python(tmp_path / "sub", "birds.py")) == ["[6, 4] True"]

    def test_values_for_names_and_parameters(self, tmp_path: Path) -> None:
        first = said(self.opened(tmp_path, BIRDS))[-1]
        other = said(self.opened(tmp_path, BIRDS, "FACTOR=5", "threshold=1"))
        assert other[1] == "cleaning"
        assert other[-1] != first
        assert said(self.opened(tmp_path, BIRDS))[-1] == first
        wrong = self.opened(tmp_path, BIRDS, "FAKTOR=5")
        assert wrong.stderr == "UsageError: Nothing is called 'FAKTOR' here. Did you mean FACTOR?\n"

    def test_step_objects(self, tmp_path: Path) -> None:
        text = """
            from jo_notebook import Step

            class Load(Step):
                def run(self):
                    print("loading")
                    return {"rows": [1, 2]}

            class Total(Step):
                def __init__(self, factor, **rest):
                    super().__init__(**rest)
                    self.factor = factor

                def run(self, load):
                    return self.factor * sum(load.rows)

            total = Total(3, depends_on=[Load()])
            """
        assert said(self.opened(tmp_path, text)) == ["birds.jo ['Load', 'Total']", "loading", "Total 9"]
        assert said(self.opened(tmp_path, text)) == ["birds.jo ['Load', 'Total']", "Total 9"]
        assert said(self.opened(tmp_path, text.replace("Total(3", "Total(4")))[-1] == "Total 12"

    def test_step_objects_keep_their_results_where_they_did(self, tmp_path: Path) -> None:
        text = """
            from jo_notebook import Context, Step

            class Load(Step):
                def run(self):
                    print("loading")
                    return 1

            load = Load(ctx=Context("kitchen.jo"))
            if __name__ == "__main__":
                print(load.materialize())
            """
        written(tmp_path, OPEN, "opening.py")
        written(tmp_path, text)
        assert said(python(tmp_path, "birds.py")) == ["loading", "1"]
        assert said(python(tmp_path, "opening.py", "birds.py")) == ["kitchen.jo ['Load']", "Load 1"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x = 1\n", "UsageError: birds.py has no steps. A function becomes one with @step above it"),
            ("def f(:\n", "SourceError: birds.py, line 1: invalid syntax."),
            ("import nowhere_at_all\n", "ScriptFailed: birds.py failed while its steps were read."),
            ("import sys\nsys.exit(3)\n", "ScriptFailed: birds.py failed while its steps were read."),
            ("\0", "SourceError: birds.py"),
            (
                "from jo_notebook import step\n@step\ndef f(): return 1\n@step\ndef f(): return 2\n",
                "DuplicateStepError: Two steps are called f: birds.py, line 2 has it",
            ),
        ],
    )
    def test_bad_files(self, tmp_path: Path, text: str, message: str) -> None:
        done = self.opened(tmp_path, text)
        assert done.returncode == 1
        assert done.stderr.startswith(message)
        assert "jo_notebook/" not in done.stderr.replace("from jo_notebook", "")

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        written(tmp_path, OPEN, "opening.py")
        done = python(tmp_path, "opening.py", "none.py")
        assert done.stderr.startswith("UsageError: There is no file none.py in ")


class TestStepsAmongFunctions:
    def test_it_depends_on_a_step_object(self, tmp_path: Path) -> None:
        written(
            tmp_path,
            """
            import copy, pickle
            from jo_notebook import Step, step

            class Boil(Step):
                def run(self):
                    return 40

            @step
            def Salt():
                return 1

            @step(depends_on={"water": Boil()})
            def Soup(water, Salt):
                return water + Salt

            class Eat(Step):
                def run(self, soup):
                    return soup + 1

            eat = Eat(Soup)
            print(Soup.materialize(), Soup.depending_steps_depth_first())
            print(copy.deepcopy(eat).materialize(), pickle.loads(pickle.dumps(eat)).materialize())
            print(copy.copy(Soup) is Soup, pickle.loads(pickle.dumps(Soup)) is Soup)
            """,
        )
        assert said(python(tmp_path, "birds.py")) == ["41 ['Boil', 'Salt']", "42 42", "True True"]

    def test_a_second_one_inside_of_a_function(self, tmp_path: Path) -> None:
        written(
            tmp_path,
            """
            from jo_notebook import JoError, step

            @step
            def Load():
                return 1

            def other():
                @step
                def Load():
                    return 2

            try:
                other()
            except JoError as error:
                print(error)
            print(Load.materialize())
            """,
        )
        first, second = said(python(tmp_path, "birds.py"))
        assert first.startswith("Two steps are called Load: birds.py, line 4 has it, and birds.py, line 9 claims the")
        assert second == "1"

    def test_objects_that_cannot_all_be_joined(self, tmp_path: Path) -> None:
        """None of them is; and the step that has the name already is what it was."""
        written(
            tmp_path,
            """
            from jo_notebook import JoError, Step, step
            from jo_notebook.registry import current
            from jo_notebook.steps.registered import join

            class Load(Step):
                def __init__(self, rows, **rest):
                    super().__init__(**rest)
                    self.rows = rows

                def run(self, *inputs):
                    return self.rows

            @step(name="Clean")
            def first(text="x"):
                return [text]

            first.materialize()
            try:
                join(Load(2, depends_on=[Load(1)], name_alias="Clean"))
            except JoError as error:
                print(error)
            print(list(current().dag), first.plan()["Clean"].reasons, first.materialize())

            doubled = [lambda: 2 * n for n in (3, 4)]
            step(name="Doubled")(doubled[0])
            print(current().materialize("Doubled"))
            try:
                join(Load([5], name_alias="Doubled"))
            except JoError as error:
                print(error)
            plan = current().plan("Doubled")
            print(plan["Doubled"].reasons, current().materialize("Doubled"))
            """,
        )
        lines = said(python(tmp_path, "birds.py"))
        assert lines[0].startswith(
            "Two steps are called Clean: birds.py, line 14 has it, and birds.py, line 11 claims the name too."
        )
        assert lines[1:3] == ["['Clean'] () ['x']", "8"]
        assert lines[3].startswith("Two steps are called Doubled: birds.py, line 25 has it")
        assert lines[4] == "() 8"

    def test_a_method(self, tmp_path: Path) -> None:
        written(
            tmp_path, "from jo_notebook import step\nclass Bird:\n    @step\n    def Fly(self, Load):\n        pass\n"
        )
        done = python(tmp_path, "birds.py")
        assert "Fly is a method of Bird, and @step is for functions." in done.stderr
