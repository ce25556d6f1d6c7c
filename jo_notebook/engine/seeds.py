"""Random numbers that come out the same in every run of a step, without an effect on the steps beside it."""

from __future__ import annotations

import importlib
import operator
import random
import secrets
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

UNSIGNED_32, UNSIGNED_64 = 1 << 32, 1 << 64
# what loads torch by itself: a step that imports one of them would otherwise meet torch unseeded in a fresh kernel
TORCH_USERS = frozenset(
    {"torchvision", "torchaudio", "transformers", "lightning", "pytorch_lightning", "sentence_transformers", "timm"}
)


@contextmanager
def seeded(seed: int | None, modules: Collection[str] = ()) -> Iterator[None]:
    """Inside, `random` and the global generators of numpy, torch and tensorflow begin at `seed`; None does nothing.

    Afterwards they go on where they were. A library is seeded if it is loaded, or if `modules` (the top-level
    modules that the step's code imports) says that it will be. The generators belong to the whole process: two
    steps at once on two threads draw from the same ones.
    """
    if seed is None:
        yield
        return
    seed = operator.index(seed)  # numpy's integers are no seed for `random`
    with ExitStack() as undo:
        undo.callback(random.setstate, random.getstate())
        random.seed(seed)
        for name, seed_it in SEEDERS.items():
            library = _library(name, modules)
            if hasattr(library, "random"):  # not so for a directory of that name, or a library half imported
                undo.callback(seed_it(library, seed))
        yield


def seed_now(seed: int, modules: Collection[str] = ()) -> None:
    """As `seeded`, from now on and for good."""
    seed = operator.index(seed)
    random.seed(seed)
    for name, seed_it in SEEDERS.items():
        library = _library(name, modules)
        if hasattr(library, "random"):
            seed_it(library, seed)


def _library(name: str, modules: Collection[str]) -> Any:
    """The library if it is loaded or will be; numpy will be as soon as anything but Python's own is imported."""
    if name == "numpy":
        expected = any(module not in sys.stdlib_module_names for module in modules)
    else:
        expected = name in modules or (name == "torch" and not TORCH_USERS.isdisjoint(modules))
    if name not in sys.modules and expected:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - not installed, or broken: the step's own import tells
            return None
    return sys.modules.get(name)


def _seed_numpy(numpy: Any, seed: int) -> Callable[[], None]:
    draws = numpy.random
    generator: Any = draws.get_bit_generator() if hasattr(draws, "get_bit_generator") else None  # numpy 1.24
    state = draws.get_state(legacy=False)
    folded = seed % UNSIGNED_32
    try:
        draws.seed(folded)
    except TypeError:  # the user has put another kind of generator behind numpy.random
        generator.state = type(generator)(folded).state

    def restore() -> None:
        if generator is not None and draws.get_bit_generator() is not generator:
            draws.set_bit_generator(generator)
        draws.set_state(state)

    return restore


def _seed_torch(torch: Any, seed: int) -> Callable[[], None]:
    undo: list[tuple[Callable[[Any], None], Any]] = [(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        undo.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        undo.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    torch.manual_seed(seed % UNSIGNED_64)

    def restore() -> None:
        for put_back, state in undo:
            put_back(state)

    return restore


def _seed_tensorflow(tensorflow: Any, seed: int) -> Callable[[], None]:
    context = importlib.import_module("tensorflow.python.eager.context")
    before = context.global_seed()
    tensorflow.random.set_seed(seed % UNSIGNED_32)
    # without a seed of its own it drew what nobody can foresee, and does so again
    return lambda: tensorflow.random.set_seed(secrets.randbits(31) if before is None else before)


SEEDERS: dict[str, Callable[[Any, int], Callable[[], None]]] = {
    "numpy": _seed_numpy,
    "torch": _seed_torch,
    "tensorflow": _seed_tensorflow,
}
