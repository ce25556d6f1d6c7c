"""A seeded step draws the same numbers each time, and the steps beside it never notice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jo_notebook.engine.seeds import seeded

ROOT = Path(__file__).parents[2]


def draw() -> tuple[Any, ...]:
    return random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()


@pytest.mark.parametrize("seed", [0, 1, 42, -1, 2**32 - 1, 2**32, -(2**40), 10**30, np.int64(7), True])
def test_the_same_numbers(seed: int) -> None:
    with seeded(seed):
        first = [draw() for _ in range(3)]
    random.random()
    with seeded(seed):
        assert [draw() for _ in range(3)] == first
    with seeded(int(seed) + 1):
        assert draw()[2:] != first[0][2:]


def test_the_numbers_that_a_user_knows() -> None:
    random.seed(42)
    np.random.seed(42)
    expected = draw()
    with seeded(42):
        assert draw() == expected


def test_numpys_range_is_folded() -> None:
    with seeded(5):
        expected = np.random.rand()
    with seeded(5 + 2**32):
        assert np.random.rand() == expected


def test_neighbours_go_on_where_they_were() -> None:
    random.seed(1)
    np.random.seed(1)
    np.random.randn()  # leaves half a pair behind
    states = random.getstate(), repr(np.random.get_state())
    with seeded(42):
        draw()
    assert (random.getstate(), repr(np.random.get_state())) == states
    with pytest.raises(ZeroDivisionError), seeded(42):  # noqa: PT012
        draw()
        1 / 0
    with pytest.raises(KeyboardInterrupt), seeded(42):
        raise KeyboardInterrupt
    assert (random.getstate(), repr(np.random.get_state())) == states


def test_none_does_nothing() -> None:
    before = random.getstate(), repr(np.random.get_state())
    with seeded(None, ["numpy"]):
        assert (random.getstate(), repr(np.random.get_state())) == before
        drawn = draw()
    assert (random.getstate(), repr(np.random.get_state())) != before
    assert drawn


def test_one_inside_another() -> None:
    with seeded(1):
        first = draw()
        second = draw()
    with seeded(1):
        assert draw() == first
        with seeded(2):
            draw()
        assert draw() == second


def test_another_generator_behind_numpy() -> None:
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(3))
        np.random.rand()
        state = str(np.random.get_state(legacy=False))
        with seeded(5):
            first = np.random.rand()
        with seeded(5):
            assert np.random.rand() == first
            np.random.set_bit_generator(np.random.MT19937(1))  # and the step exchanges it itself
            np.random.rand()
        assert str(np.random.get_state(legacy=False)) == state
    finally:
        np.random.set_bit_generator(before)


def fresh(program: str) -> str:
    """What a program prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom jo_notebook.engine.seeds import seeded\n{program}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.strip()


def test_libraries_are_not_loaded_without_need() -> None:
    show = "print(*(name in sys.modules for name in ('numpy', 'torch', 'tensorflow')))"
    assert fresh(f"with seeded(1): {show}") == "False False False"
    assert fresh(f"with seeded(1, ['math', 'os']): {show}") == "False False False"
    assert fresh(f"with seeded(1, ['numpy']): {show}") == "True False False"
    assert fresh(f"with seeded(None, ['numpy']): {show}") == "False False False"


@pytest.mark.parametrize("modules", [["numpy"], ["pandas"], ["my_own_module"]])
def test_the_first_run_of_a_process_is_like_the_second(modules: list[str]) -> None:
    """Also where the library is loaded inside the step."""
    step = f"with seeded(3, {modules}):\n    import numpy as np\n    print(np.random.rand())\n"
    first, second = fresh(step + step).split()
    assert first == second == fresh(step)


def test_what_is_not_installed_is_the_steps_own_matter() -> None:
    program = "with seeded(1, ['tensorflow', 'no_such_module']):\n    import random; print(random.random())"
    assert fresh(program) == str(random.Random(1).random())


@pytest.mark.parametrize("name", ["torch", "tensorflow", "numpy"])
@pytest.mark.parametrize("stranger", [None, types.ModuleType("x")], ids=["blocked", "a module of that name"])
def test_strangers_of_a_known_name(monkeypatch: pytest.MonkeyPatch, name: str, stranger: Any) -> None:
    monkeypatch.setitem(sys.modules, name, stranger)
    with seeded(1, [name]):
        assert random.random() == random.Random(1).random()


def test_torch() -> None:
    pytest.importorskip("torch")
    step = "with seeded({}, ['torch']):\n    import torch; print(torch.rand(1).item())\n"
    program = (
        step.format(1)
        + "import torch; torch.manual_seed(9); expected = torch.rand(2)[1]\n"
        + "torch.manual_seed(9); torch.rand(1)\n"
        + step.format(1)
        + step.format(1 + 2**64)
        + step.format(2)
        + "print(bool(torch.rand(1) == expected))"
    )
    first, second, folded, other, undisturbed = fresh(program).split()
    assert first == second == folded != other
    assert undisturbed == "True"


def test_tensorflow_by_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int | None] = [None]
    tensorflow: Any = types.ModuleType("tensorflow")
    tensorflow.random = types.SimpleNamespace(set_seed=seeds.append)
    context: Any = types.ModuleType("context")
    context.global_seed = lambda: seeds[-1]
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", context)
    with seeded(5 + 2**32):
        assert seeds == [None, 5]
    assert isinstance(seeds[-1], int)  # something new: there was no seed before
    seeds[-1] = 8
    with seeded(6):
        pass
    assert seeds[-2:] == [6, 8]
