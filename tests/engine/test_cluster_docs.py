"""What docs/dask.md shows: certificates, and workers that are jobs of a queue."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import dask
import pytest
from distributed import Scheduler, SpecCluster
from distributed.deploy.spec import ProcessInterface

from jo_notebook.engine import cluster as module
from jo_notebook.errors import ExecutorRefused
from tests.cases.clusters import ROOT, Cluster
from tests.cases.making import notebook, step

DOCS = Path(ROOT, "docs", "dask.md")


class Job(ProcessInterface):  # type: ignore[misc]
    """A worker as a job that a queue runs: a script, handed to a shell, that knows the scheduler's address."""

    def __init__(self, scheduler: str, name: object = None, folder: str = "", memory: str = "") -> None:
        super().__init__()
        self.scheduler, self.name = scheduler, name
        self._folder, self._memory = folder, memory
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Submits the script."""
        script = Path(self._folder, f"job-{self.name}.sh")
        worker = f"-m distributed.cli.dask_worker {self.scheduler} --name {self.name} --nthreads 1 --no-nanny"
        script.write_text(
            f"#!/bin/sh\ncd {self._folder}\nexport PYTHONPATH={ROOT}\n"
            f"exec {sys.executable} -W ignore {worker} --memory-limit {self._memory} --no-dashboard\n"
        )
        self._process = subprocess.Popen(["sh", str(script)], stderr=subprocess.DEVNULL)
        await super().start()

    async def close(self) -> None:
        """Cancels the job."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        await super().close()


def queue_of(folder: Path) -> ModuleType:
    """A stand-in for dask_jobqueue whose queue is this machine."""

    def slurm_cluster(cores: int, processes: int, memory: str, walltime: str) -> Any:
        assert (cores, processes, walltime) == (1, 1, "01:00:00")
        scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}}
        worker = {"cls": Job, "options": {"folder": str(folder), "memory": memory}}
        cluster = SpecCluster(scheduler=scheduler, worker=worker, silence_logs=50)
        scale = cluster.scale
        cluster.scale = lambda jobs: scale(jobs)
        return cluster

    made: Any = ModuleType("dask_jobqueue")
    made.SLURMCluster = slurm_cluster
    return made


def test_the_example_with_a_queue_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", queue_of(tmp_path))
    pipeline = notebook("import os\n")
    for name, body in {"A": "3", "B": "4", "Total": "(A * B, os.getcwd())"}.items():
        pipeline.add(step(name, body))
    names: dict[str, Any] = {"pipeline": pipeline}
    try:
        exec(example.replace("cluster.close()", "pipeline.executors.close()\ncluster.close()"), names)
    finally:
        names["cluster"].close()
    assert names["total"] == (12, str(tmp_path))
    assert {record.executor for record in pipeline.context.records.values()} == {"dask"}


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make certificates")
def test_a_scheduler_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {cert}".split(),
        check=True,
        capture_output=True,
    )
    cluster = Cluster("--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key, protocol="tls")
    pipeline = notebook()
    pipeline.add(step("A", "7"))
    try:
        assert cluster.address.startswith("tls://")
        cluster.worker()
        names = re.findall(r"export DASK_(\w+)=", DOCS.read_text())
        values = dict(zip(names, (cert, cert, key), strict=True))
        options = {name.lower().replace("__", ".").replace("_", "-"): value for name, value in values.items()}
        with dask.config.set(options):
            assert pipeline.materialize("A", executor=f"dask:{cluster.address}") == 7
            pipeline.executors.close()
        monkeypatch.setattr(module, "PATIENCE", 2)
        with pytest.raises(ExecutorRefused, match="No Dask scheduler answers at tls://"):
            pipeline.materialize("A", force=True, executor=f"dask:{cluster.address}")
    finally:
        pipeline.executors.close()
        cluster.close()
