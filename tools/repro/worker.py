"""What the workers of Dask do: keep folders with the code, and start and end the processes of stages in them.

Workers need not have this project: Dask sends the class itself, so this module imports nothing of the project.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

NANNY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")  # Dask sets these
CHECKPOINTS = "CHECKPOINTS"  # environment variable: see stages/inference/loop/checkpoints.py
LOG_END = 3000  # characters of a failed stage's log that are shown


class Workshop(WorkerPlugin):
    """Folders with the code of one run, on one worker.

    Args:
        name: of the run.
        archive: the code, as tools/repro/snapshot.py packs it.
        config: of DVC, for the worker's repository.
        environment: variables for the stages, on top of the worker's own.
        packages: Python and packages, with the versions that workers must have.
    """

    def __init__(
        self,
        name: str,
        archive: bytes,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        packages: Mapping[str, str],
    ):
        self.name, self.archive, self.config = name, archive, config
        self.environment, self.packages = environment, packages

    def setup(self, worker) -> None:
        """Prepare a worker, also one that joins later."""
        self.worker, self.root = worker, Path(worker.local_directory, self.name)
        self.processes: dict[str, subprocess.Popen] = {}
        self.closed = False

    def teardown(self, worker) -> None:
        """End all stages that still run, and remove the folders."""
        self.closed = True
        for process in list(self.processes.values()):
            kill_group(process)
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, entry: dict[str, Any], parents: list[dict[str, Any]], label: str) -> dict[str, Any]:
        """Reproduce a stage.

        Args:
            entry: of the stage, a `dvc_api.Entry` as JSON types.
            parents: entries of the stages that it reads from.
            label: of the stage.

        Returns:
            entry: afterwards. how: `ran`, `known` or `unchanged`. records: of its costs, text by path. seconds,
            worker: how long it took, and where.

        Raises:
            RuntimeError: if the stage fails; with the end of its log.
        """
        start = time.monotonic()
        if wrong := mismatch(self.packages):
            raise RuntimeError(f"{self.worker.address} has {wrong}")
        self.worker.log_event(self.name, {"stage": label, "worker": self.worker.address})
        folder = self.folder()
        job, log = folder / ".repro.json", folder / ".repro.log"
        job.write_text(json.dumps({"config": self.config, "entry": entry, "parents": parents}))
        if "remote" in self.config["core"]:  # so that the run-cache holds this run alone when it is pushed
            shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)
        words = [sys.executable, "-m", "tools.repro.job", job.name]
        with log.open("w") as output:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=self.variables(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it ends with its group, also when this worker is killed
            )
        self.processes[label] = process
        try:
            if self.closed:  # between the start and the line above
                kill_group(process)
            status = process.wait()
        finally:
            kill_group(process)
            del self.processes[label]
        if status:
            shown = log.read_text()[-LOG_END:].strip()
            raise RuntimeError(f"exit status {status}, {self.worker.address}:\n{shown}")
        done = json.loads(job.read_text())
        return done | {"seconds": time.monotonic() - start, "worker": self.worker.address}

    def folder(self) -> Path:
        """A folder with the code, for one stage at a time; what earlier stages fetched and made is still there."""
        folder = self.root / str(threading.get_ident())
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            unpack(self.archive, fresh)
            (fresh / ".dvc").mkdir(exist_ok=True)
            fresh.rename(folder)
        return folder

    def variables(self, folder: Path) -> dict[str, str]:
        """The environment of a stage."""
        kept = {name: value for name, value in os.environ.items() if name not in NANNY}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"  # stages call `python`
        changed = {"PATH": path, "DVC_SITE_CACHE_DIR": str(folder / ".dvc/site")}
        if shared := kept.get(CHECKPOINTS):
            changed[CHECKPOINTS] = os.path.abspath(shared)
        return kept | changed | self.environment


def unpack(archive: bytes, folder: Path) -> None:
    """Put the files of an archive into a folder."""
    with tarfile.open(fileobj=BytesIO(archive)) as opened:
        opened.extractall(folder, filter="tar")


def kill_group(process: subprocess.Popen) -> None:
    """Kill a process that leads a group, and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def mismatch(packages: Mapping[str, str]) -> str | None:
    """The first package whose version here is another one, in words; None if there is none."""
    for name, wanted in packages.items():
        here = installed(name)
        if here != wanted:
            return f"{name} {here or 'not installed'}, but this run needs {wanted}"
    return None


def installed(name: str) -> str | None:
    """The version of a package, or of Python as far as it matters; None if it is not installed."""
    if name == "Python":
        return ".".join(platform.python_version_tuple()[:2])
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def task(run: str) -> Callable[..., dict[str, Any]]:
    """The task of Dask for one stage of a run, by the name of its workshop.

    Dask sends a function of a module by its name, and workers need not have the module. This one has no such name,
    so it is sent itself.
    """

    def reproduce(entry: dict[str, Any], label: str, *parents: dict[str, Any]) -> dict[str, Any]:
        """Parents are the results of other tasks, or entries of stages that are up to date."""
        workshop = get_worker().plugins[run]
        return workshop.run(entry, [parent.get("entry", parent) for parent in parents], label)

    return reproduce
