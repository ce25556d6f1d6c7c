"""Writes the stores beside this file, with the real job_orchestra 1.1.4: not part of any test.

    python3.11 -m venv old && old/bin/pip install job-orchestra==1.1.4
    old/bin/python tests/golden/job_orchestra/make_stores.py

It works in this directory, so that the paths in the records are relative to it, as a user's would be to theirs.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from job_orchestra import Context, Step
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

FRAME = pd.DataFrame({"species": ["a", "b", "a"], "mass": [1.5, float("nan"), 3.0], "n": [1, 2, 3]}, index=[5, 6, 7])
POINTS = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])

STORES = {
    "plain": {
        "number": 7,
        "share": 0.25,
        "nothing_known": float("nan"),
        "endless": float("-inf"),
        "huge": 10**40,
        "word": "größe 🍝",
        "yes": True,
        "empty": [],
        "list": [1, 2.5, "x", False],
        "rows": [{"a": 1}, {"a": 2, "b": [1, 2]}],
        "settings": {"alpha": 0.1, "inner": {"deep": {"deeper": "found"}}, ".left out": 1},
        ".scratch": "left out",
    },
    "tables": {
        "Frame": FRAME,
        "Series": pd.Series([1, 2, 3], name="counts"),
        "Unnamed": pd.Series([0.5, 1.5]),
        "Array": np.arange(6).reshape(2, 3),
        "Words": np.array(["x", "yz"]),
        "Result": {"output": FRAME, "feature_names": ["mass", "n"], "inner": {"weights": np.ones(3)}},
    },
    "models": {
        "Clusters": KMeans(2, n_init=1, random_state=0).fit(POINTS),
        "Result": {"model": PCA(1).fit(POINTS), "score": 0.5, "data": {"points": POINTS}},
        "Plain": [1, 2],
    },
    "full": {"a b": 1, "it's": 2, 'say "so"': [3], "Frame": FRAME, "settings": {"alpha": 0.1}},
    "odd": {
        "a b": 1,
        "c-d": 2,
        "class": 3,
        "7zip": 4,
        "keys": 5,
        "line\nbreak": 6,
        "e\u0301": 7,
        "my_-_thing": 8,
        "looks_-_pd.DataFrame": 9,
        "one;;two": 10,
        "k" * 150: 11,
        "what*?": FRAME,
        "x:y": pd.DataFrame({"lost": [1]}),
        "xy": pd.DataFrame({"kept": [2]}),
    },
}


class Load(Step):
    def run(self):
        return {"output": FRAME, "rows": 3}


class Mean(Step):
    def run(self, load):
        return float(load.output.mass.mean())


def main() -> None:
    os.chdir(Path(__file__).parent)
    for folder in [path for path in Path().iterdir() if path.is_dir()]:
        shutil.rmtree(folder)
    for name, values in STORES.items():
        Context(values).store(name, fullcopy=name == "full")
    context = Context()
    Mean(depends_on=Load(ctx=context), ctx=context).materialize()
    context.store("somewhere/else/")
    shutil.move("somewhere/else", "moved")
    os.rmdir("somewhere")
    try:
        Context({"Frame": FRAME, "Tuple": (1, 2)}).store("partial")
    except TypeError as error:
        print(f"partial: {error}")


if __name__ == "__main__":
    main()
