"""In a notebook: how much stays, what is said when it is too much, damage and the way back."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartKernel
from tests.kernel import Kernel
from tests.store.making import flip, generations


def numbers(folder: Path, step: str) -> list[int]:
    return [int(path.name) for path in generations(folder / "notebook.jo", step)]


def test_settings_and_the_line_of_a_step(kernel: Kernel, tmp_path: Path) -> None:
    """`keep` for all, `--keep` for one; a quota is said and changes nothing."""
    kernel.run("%load_ext jo_notebook")
    assert kernel.run("get_ipython().run_line_magic('config', 'JoNotebook.keep')").text == "2"
    kernel.run("%config JoNotebook.keep = 3")
    for n in range(5):
        kernel.run(f"%%step Many --keep 4 --run\n{n}")
        kernel.run(f"%%step Few --run\n{n}")
    assert numbers(tmp_path, "many") == [2, 3, 4, 5]
    assert numbers(tmp_path, "few") == [3, 4, 5]
    kernel.run("%step Like --like Many")
    assert kernel.run("p = %pipeline\np.dag['Like'].keep").text == "4"
    assert "1000" in kernel.run("%%step Few --keep 0\n1", allow_error=True).error

    assert "quota" not in kernel.run("%context").stdout
    refused = kernel.run("%config JoNotebook.quota = 'much'", allow_error=True)
    assert "is no size" in refused.stdout + refused.stderr + refused.error
    kernel.run("%config JoNotebook.quota = '1 kB'")
    said = kernel.run("%%step Large --run\nbytes(3000)").stdout
    assert "more than the quota of 1 kB; the most is " in said
    assert "Nothing is deleted by itself: say %context gc." in said
    assert "quota of 1 kB" in kernel.run("%context").stdout
    assert numbers(tmp_path, "many") == [2, 3, 4, 5]
    assert kernel.run("%context gc --keep 1").stdout.splitlines()[-1].startswith("5 files, ")
    assert numbers(tmp_path, "many") == [5]


def test_the_environment_says_how_much(start_kernel: StartKernel, tmp_path: Path) -> None:
    """JO_KEEP and JO_QUOTA are the defaults of the settings; nonsense is told at once."""
    kernel = start_kernel(env={"JO_KEEP": "1", "JO_QUOTA": "1 kB"})
    kernel.run("%load_ext jo_notebook")
    kernel.run("%%step A --run\n1")
    assert "quota of 1 kB" in kernel.run("%%step A --run\nbytes(2000)").stdout
    assert numbers(tmp_path, "a") == [2]
    for wrong in ({"JO_KEEP": "many"}, {"JO_QUOTA": "lots"}):
        kernel = start_kernel(env=wrong)
        (name,) = wrong
        assert wrong[name] in kernel.run("%load_ext jo_notebook", allow_error=True).error


def test_damage_and_both_ways_out(start_kernel: StartKernel, tmp_path: Path) -> None:
    """A fresh kernel says what is damaged and offers both; going back gives a stale result; running again mends it."""
    first = start_kernel()
    first.run("%load_ext jo_notebook")
    first.run("%%step Load --run\n'old'")
    first.run("%%step Load --run\n'new'")
    flip(generations(tmp_path / "notebook.jo")[-1], -40)
    kernel = start_kernel()
    said = kernel.run("%load_ext jo_notebook").stdout
    assert "Load is damaged on disk (generation 2: " in said
    assert "%materialize Load runs it again, %context restore Load goes back to its result of 20" in said
    assert "damaged: generation 2" in kernel.run("%%step Load\n'new'").text
    assert "is the newest again; it is stale." in kernel.run("%context restore Load").stdout
    assert "code changed" in kernel.run("%explain Load").stdout
    assert kernel.run("%materialize Load").text == "'new'"
    assert kernel.run("%context verify --quarantine", allow_error=True).error.count("damaged/load-") <= 1
