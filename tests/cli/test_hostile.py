"""What users, shells and disks do to a command: odd names, readers that leave, closed streams, interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.making import COMMAND, Terminal, data_of, environment, no_kernel_left
from tests.journeys.asking import body, runs, wait_for_notes
from tests.test_cli import jo, notebook

NAMES = [
    "with a blank.ipynb",
    'it\'s "quoted".ipynb',
    "größe \N{SNOWMAN}.ipynb",
    "-dash.ipynb",
    "--help.ipynb",
    "a;b$c.ipynb",
]

SLOW = "import os, time\nif not os.path.exists('quick'):\n    time.sleep(60)\n1"


def shell(line: str, cwd: Path, **more: str | None) -> subprocess.CompletedProcess[str]:
    """A line of bash, with `jo` for our command."""
    said = f'jo() {{ "{sys.executable}" -m jo_notebook.cli "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", said], cwd=cwd, capture_output=True, text=True, timeout=90, env=environment(more)
    )


@pytest.mark.parametrize("name", NAMES)
def test_odd_names(tmp_path: Path, name: str) -> None:
    """Behind `--` any name is a name; from a kernel and from this process."""
    notebook(tmp_path / name, "%%step A\n1")
    done = jo("run", "--", name, "A", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name).with_suffix(".jo").is_dir()
    assert data_of("status", f"./{name}", cwd=tmp_path)["steps"][0]["availability"] == "available"
    assert jo("run", "--", str(Path(name).with_suffix(".jo")), cwd=tmp_path).stdout.startswith("Nothing to run")


def test_odd_step_names(tmp_path: Path) -> None:
    """Words reach a kernel as they are, and come back."""
    notebook(tmp_path / "n.ipynb", "%%step größe\n1", "%%step B\n2")
    assert jo("run", "n.ipynb", "größe,B", cwd=tmp_path).returncode == 0
    for word in ("a b", "x'y", "#no", "$(touch hacked)", "--", ";", "a;", "-1"):
        done = jo("explain", "n.ipynb", "--", word, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), word
        assert "Traceback" not in done.stderr, word
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "line", ["jo plan n.ipynb", "jo status n.jo", "jo run n.jo --force", "jo --help", "jo gc n.jo"]
)
def test_a_reader_that_leaves(tmp_path: Path, line: str) -> None:
    """No traceback, no complaint; a run goes on to its end."""
    notebook(tmp_path / "n.ipynb", "%%step A\nfor n in range(20000):\n    print('x' * 80)\n" + body("A", "1"))
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    runs(tmp_path)
    done = shell(f"set -o pipefail; {line} | head -n 1 > first.txt", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert runs(tmp_path) == (["A"] if "run" in line else [])


def test_closed_streams(tmp_path: Path) -> None:
    """A command that was started without stdout or stderr works as ever."""
    notebook(tmp_path / "n.ipynb", "%%step A\nprint('a')\n" + body("A", "1"))
    for number, line in enumerate(
        ("jo run n.ipynb --force >&-", "jo run n.jo --force >&- 2>&-", "jo run n.jo --force <&-")
    ):
        done = shell(line.replace("--force", "A --force"), tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), number
        assert runs(tmp_path) == ["A"]
    assert shell("jo plan nowhere.ipynb 2>&-", tmp_path).returncode == 2


def test_no_home(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "%%step A\n" + body("A", "1"))
    done = shell("jo run n.ipynb && jo status n.jo --json", tmp_path, HOME=None)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    """One line, whatever the command."""
    notebook(tmp_path / "n.ipynb", "%%step A\n1")
    for line in ("plan ../n.ipynb", "gc ../n.ipynb", "graph ../n.jo"):
        done = shell(f"mkdir gone && cd gone && rmdir ../gone && jo {line}", tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-1].startswith("jo: The working directory cannot be used (No such file")
        assert "Traceback" not in done.stderr


def test_an_encoding_that_cannot_say_it(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "%%step A\nprint('größe')\n1")
    done = shell("jo run n.ipynb && jo run n.jo A --force", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "gr\\xf6\\xdfe" in done.stdout


def test_interrupted_in_a_kernel_with_json(tmp_path: Path) -> None:
    """The answer is JSON then too, with what was done until then."""
    notebook(tmp_path / "n.ipynb", "%%step A\n" + body("A", "1"), "%%step B --depends-on A\n" + body("B", SLOW))
    with no_kernel_left():
        process = subprocess.Popen(
            [*COMMAND, "run", "n.ipynb", "--json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        wait_for_notes(tmp_path, 2, timeout=60)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=40)
    told = json.loads(out)
    assert (process.returncode, told["error"]["type"]) == (130, "KeyboardInterrupt"), err
    assert (told["finished"], told["not_reached"]) == (["A"], ["B"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_that_is_read_only(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "%%step A\n1")
    tmp_path.chmod(0o500)
    try:
        done = jo("run", "n.ipynb", cwd=tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert done.returncode == 0
    assert "A is kept in memory only" in done.stdout


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.8, 1.2, 1.8, 2.6, 4.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_any_moment(tmp_path: Path, delay: float, number: int) -> None:
    """No kernel is left, no traceback of ours is shown, and the next run goes on."""
    slow = "import os, time\nif not os.path.exists('quick'):\n    time.sleep(60)\n1"
    notebook(tmp_path / "n.ipynb", "%%step A\n" + body("A", slow))
    with no_kernel_left():
        process = subprocess.Popen(
            [*COMMAND, "run", "n.ipynb"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        time.sleep(delay)
        process.send_signal(number)
        out, err = process.communicate(timeout=40)
    if delay < 0.3 and "jo_notebook" not in err:  # it had not come to our code yet
        assert process.returncode in (130, -number, 1), out + err
    else:
        assert process.returncode in ((130, -number) if delay < 0.3 else (130,)), out + err
    if delay >= 0.3:
        assert "Traceback" not in err, err
    (tmp_path / "quick").touch()
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0


def test_interrupted_here(tmp_path: Path) -> None:
    """A run in this process: exit code 130, what was finished is kept, as text and as data."""
    slow = "import os, time\nif not os.path.exists('quick'):\n    time.sleep(60)\n2"
    notebook(tmp_path / "n.ipynb", "%%step A\n" + body("A", "1"), "%%step B --depends-on A\n" + body("B", slow))
    (tmp_path / "quick").touch()
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    (tmp_path / "quick").unlink()
    runs(tmp_path)
    for more in ([], ["--json"]):
        process = subprocess.Popen(
            [*COMMAND, "run", "n.jo", "A", "B", "--force", *more],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        while (tmp_path / "runs.txt").read_text().count("\n") < 2:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=40)
        assert process.returncode == 130
        assert runs(tmp_path) == ["A", "B"]
        if more:
            told = json.loads(out)
            assert (told["finished"], told["not_reached"]) == (["A"], ["B"])
            assert told["error"] == {"type": "KeyboardInterrupt", "message": "Interrupted."}
        else:
            assert (out, err) == ("Interrupted. What was finished is kept.\n", "jo: Interrupted.\n")


def test_control_c_on_a_terminal(tmp_path: Path) -> None:
    """The bar goes away and the answer stands on a line of its own."""
    notebook(tmp_path / "n.ipynb", "%%step A\nimport time\nprint('going')\ntime.sleep(60)\n1")
    with no_kernel_left():
        terminal = Terminal("run", "n.ipynb", cwd=tmp_path)
        terminal.wait_for(lambda: "going" in terminal.shown and "0/1" in terminal.shown)
        time.sleep(0.5)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.read_to_end() == 130
    lines = [line.rsplit("\r", 1)[-1].strip() for line in terminal.shown.replace("\r\n", "\n").split("\n")]
    assert "Interrupted. What was finished is kept." in lines
    assert "Traceback" not in terminal.shown


ASKED = """
import os, signal, sys
from jo_notebook import cli
from jo_notebook.commands import group

def importing(*words):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
    except KeyboardInterrupt:
        raise TypeError("what C code makes of an interrupt while it imports") from None

group.group = importing
sys.exit(cli.main(["plan", "n.ipynb"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_that_another_error_hides(tmp_path: Path, number: int) -> None:
    """Being asked to end is what is told, whatever an import made of it."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(int(number))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "jo: Interrupted.\n")
