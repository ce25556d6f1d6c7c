"""What the help of each command teaches beside its one sentence: when to use it, and examples."""

from __future__ import annotations

from typing import NamedTuple


class Lesson(NamedTuple):
    """A paragraph, and examples as (command line, what it does)."""

    text: str
    examples: tuple[tuple[str, str], ...]


WHERE = "a notebook (.ipynb), a stages file (.yaml), a Python file (.py) or a directory of results (.jo)"

LISTING = """\
Pipelines that remember: the steps of a notebook, of a stages file or of a Python file, without opening it. Results live
beside the source (analysis.ipynb keeps them in analysis.jo) and are the same for all of them: what one has made, the
others load.

SOURCE is {where}.
"""

LESSONS: dict[str, Lesson] = {
    "run": Lesson(
        "Steps whose results are there and right are not run again. A step that fails does not stop the others: what "
        "is finished is stored, what failed, what was not run because of it and what was not reached is said, and the "
        "next run goes on from there. What steps print goes to stdout, how far the run is to stderr.",
        (
            ("jo run analysis.ipynb", "everything"),
            ("jo run analysis.ipynb Score", "Score, and what it needs"),
            ("jo run analysis.ipynb Score --force", "Score again, whatever is known"),
            ("jo run stages.yaml --jobs-module foo_jobs", "stages of a file, functions of a module"),
            ("jo run analysis.ipynb --set alpha=0.2 --output out.ipynb", "other values, outputs in a notebook"),
        ),
    ),
    "plan": Lesson(
        "Each step has its state, whether it would run, why, and how long that took before.",
        (
            ("jo plan analysis.ipynb", "everything"),
            ("jo plan analysis.ipynb Score", "what Score needs"),
            ("jo plan stages.yaml --levels", "which steps could run side by side"),
            ("jo plan analysis.ipynb --json", "for programs"),
        ),
    ),
    "status": Lesson(
        "One line a step: state, time, CPU time and memory of its last run, size, when it was made, and what is to be "
        "said of it.",
        (("jo status analysis.ipynb", ""), ("jo status analysis.jo", "without a kernel: as it was last seen")),
    ),
    "graph": Lesson(
        "Writes the picture of the pipeline, to graph.svg unless --output names another file; with --json nodes and "
        "edges are printed instead.",
        (
            ("jo graph analysis.ipynb", "to graph.svg"),
            ("jo graph analysis.ipynb Score -o score.mmd", "what Score needs, as Mermaid"),
        ),
    ),
    "explain": Lesson(
        "Says what changed since the result was made, old and new, root cause first.",
        (("jo explain analysis.ipynb Score", ""),),
    ),
    "log": Lesson(
        "A line above says which run that was; of several tries each has its own part. What is kept of earlier runs "
        "are the results that are kept, and the last failure.",
        (("jo log analysis.ipynb Score", ""), ("jo log analysis.ipynb Score --run 3f2a", "")),
    ),
    "watch": Lesson(
        "Materializes, then waits: when a file that a step declares to read changes, or the source itself, or a local "
        "module that the steps use, it materializes again what that touches. One line a round. A step that fails does "
        "not end it; Ctrl-C does. Needs the extra watch: pip install 'jo_notebook[watch]'.",
        (
            ("jo watch analysis.ipynb", "everything"),
            ("jo watch analysis.ipynb Score", "Score, and what it needs"),
        ),
    ),
    "forget": Lesson(
        "The next run makes them again.", (("jo forget analysis.ipynb Score", ""), ("jo forget analysis.jo A B", ""))
    ),
    "accept": Lesson(
        "Use it when a change cannot have changed the result: its reasons are noted beside the result.",
        (("jo accept analysis.ipynb Score", ""),),
    ),
    "pin": Lesson(
        "A pinned result counts as right until it is let go, or forced to run.",
        (("jo pin analysis.ipynb Score", ""), ("jo pin analysis.ipynb Score --off", "lets it go")),
    ),
    "verify": Lesson(
        "Without --rerun every stored file is read and checked; nothing is run. With --rerun steps run again in a "
        "clean process and what comes out is compared with what is kept.",
        (
            ("jo verify analysis.ipynb", "is every stored file whole?"),
            ("jo verify analysis.ipynb --rerun Score", "does Score come out the same?"),
        ),
    ),
    "resume": Lesson(
        "Says what the directory of results remembers, what is damaged and what came from elsewhere. Every command "
        "takes that in by itself.",
        (("jo resume analysis.ipynb", ""),),
    ),
    "context": Lesson(
        "No kernel is started.",
        (("jo context analysis.ipynb", "how many results, how large"), ("jo context analysis.jo gc --dry-run", "")),
    ),
    "trust": Lesson(
        "What somebody else made and whose loading would run their code waits until it is trusted. Lists it first; "
        "asks on a terminal, needs --yes elsewhere. No kernel is started.",
        (("jo trust analysis.jo", "list, and ask"), ("jo trust analysis.jo Score --yes", "trust one step")),
    ),
    "store": Lesson(
        "A snapshot is a complete store to carry away. No kernel is started.",
        (
            ("jo store analysis.ipynb snapshot.zip", "all results"),
            ("jo store analysis.ipynb ../for-you Score", "one result, as a directory"),
        ),
    ),
    "load": Lesson(
        "Results that are newer here stay as they are. No kernel is started.",
        (("jo load analysis.ipynb snapshot.zip", ""),),
    ),
    "gc": Lesson(
        "Older results than each step keeps, leftovers of killed runs and, if asked, results of steps that are gone. "
        "No kernel is started.",
        (("jo gc analysis.ipynb --dry-run", "only say what"), ("jo gc analysis.ipynb --keep 1", "only the newest")),
    ),
    "restore": Lesson(
        "The older result counts if it is right for today's code. No kernel is started.",
        (
            ("jo restore analysis.ipynb Score", "the one before the newest"),
            ("jo restore analysis.ipynb Score --generation 3", ""),
        ),
    ),
    "migrate": Lesson("No kernel is started.", (("jo migrate analysis.jo", ""),)),
    "export": Lesson(
        "The module has the same steps and runs without Jupyter. Under the notebook's name it shares the results, too.",
        (("jo export analysis.ipynb -o analysis.py", ""),),
    ),
    "import": Lesson(
        "The reverse of export: each step becomes a cell.", (("jo import pipeline.py -o analysis.ipynb", ""),)
    ),
    "completion": Lesson(
        "Prints a script; once a shell has read it, Tab completes commands, options, sources and the names of steps.",
        (
            ('eval "$(jo completion bash)"', "in ~/.bashrc"),
            ('eval "$(jo completion zsh)"', "in ~/.zshrc, below compinit"),
            ("jo completion fish > ~/.config/fish/completions/jo.fish", ""),
        ),
    ),
}
