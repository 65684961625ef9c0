"""A tiny pipeline with `cache: false` metrics, and a cluster of real processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.tiny import ROOT

# writes OUT and OUT.json after a while; says so in the file STARTS, if the environment names one
MAKE = """
import json, os, sys, time
from pathlib import Path

out, seconds, *inputs = sys.argv[1:]
if "STARTS" in os.environ:
    with open(os.environ["STARTS"], "a") as starts:
        starts.write(f"{out} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '-')} {time.time()}\\n")
time.sleep(float(seconds))
if "STARTS" in os.environ:
    with open(os.environ["STARTS"], "a") as starts:
        starts.write(f"{out} ended - {time.time()}\\n")
text = "".join(Path(path).read_text() for path in inputs) + Path(out).name
Path(out).write_text(text)
Path(out + ".json").write_text(json.dumps({"length": len(text)}))
"""


def stage(out: str, *inputs: str, seconds: float = 0.1, **more) -> dict:
    """A stage of the tiny pipeline."""
    return {
        "cmd": f"python make.py {out} {seconds} {' '.join(inputs)}".strip(),
        "deps": ["make.py", *inputs],
        "outs": [out, {f"{out}.json": {"cache": False}}],
        **more,
    }


def pipeline(seeds: int = 2, seconds: float = 0.1) -> dict[str, dict]:
    """data -> train-<seed> -> evaluate-<seed> -> summary."""
    stages = {"data": stage("data")}
    for seed in range(seeds):
        stages[f"train-{seed}"] = stage(f"train-{seed}.bin", "data", seconds=seconds)
        stages[f"evaluate-{seed}"] = stage(f"evaluate-{seed}", f"train-{seed}.bin", f"train-{seed}.bin.json")
    return stages | {"summary": stage("summary", *(f"evaluate-{seed}.json" for seed in range(seeds)))}


@dataclass
class Project:
    """A repository of Git and DVC with such a pipeline, and the tool that is tested."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, stages: dict[str, dict], file: str = "dvc.yaml") -> None:
        """Write a dvc.yaml."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))

    def start(self, *words: str) -> subprocess.Popen:
        """Start a command in it."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        fixed = {"PATH": path, "PYTHONHASHSEED": "0"}  # DVC's plan iterates a set
        environment = os.environ | fixed | self.environment
        return subprocess.Popen(
            words, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *words: str, status: int = 0) -> str:
        """Run a command in it, and return what it printed."""
        process = self.start(*words)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == status, f"{' '.join(words)}: {process.returncode}\n{printed}"
        return printed

    def repro(self, *words: str, status: int = 0) -> str:
        """`python -m tools.repro`."""
        return self.run("python", "-m", "tools.repro", *words, status=status)

    def locks(self) -> dict[str, bytes]:
        """The lock files."""
        found = sorted(path for path in self.folder.rglob("dvc.lock"))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    def commit(self) -> None:
        """Commit all that Git does not ignore."""
        self.run("git", "add", "--all")
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        self.run("git", *identity, "commit", "--quiet", "--allow-empty", "--message", "state")

    def copy(self, folder: Path, store: Path | None = None) -> "Project":
        """The same project elsewhere, with a remote of its own if `store` is given."""
        shutil.copytree(self.folder, folder, symlinks=True)
        copied = Project(folder, dict(self.environment))
        if store:
            copied.run("dvc", "remote", "add", "--quiet", "--default", "store", str(store))
        return copied

    def started(self) -> list[str]:
        """Names of what the stages have begun to make, in order; needs STARTS in the environment."""
        return [line.split()[0] for line in self.events() if line.split()[1] != "ended"]

    def events(self) -> list[str]:
        """Lines of the file STARTS."""
        path = Path(self.environment["STARTS"])
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def project(tmp_path) -> Project:
    """The tiny pipeline, committed and never run."""
    made = Project(tmp_path / "serial")
    made.folder.mkdir()
    made.run("git", "init", "--quiet", "--initial-branch=main")
    made.run("dvc", "init", "--quiet")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tools/repro", made.folder / "tools/repro", ignore=ignored)
    (made.folder / "stages").mkdir()
    for name in ("tools/__init__.py", "stages/__init__.py", "stages/command.py", "stages/artifacts.py"):
        shutil.copy(ROOT / name, made.folder / name)
    (made.folder / ".gitignore").write_text("__pycache__\n")
    (made.folder / "make.py").write_text(MAKE)
    made.write(pipeline())
    made.commit()
    return made


@dataclass
class Cluster:
    """A scheduler and workers."""

    address: str
    workers: list[subprocess.Popen]


@contextmanager
def processes(folder: Path, *workers: dict[str, str], options: Sequence[str] = ()) -> Iterator[Cluster]:
    """Start a scheduler and workers, each in a folder of its own. Workers have no nanny: a killed one stays away.

    Args:
        folder: for theirs.
        workers: what each has on top of the environment; RESOURCES becomes an option of `dask worker`.
        options: of `dask worker`.
    """
    folder.mkdir(parents=True)
    file, started = folder / "scheduler.json", []

    def dask(name: str, words: str, environment: dict[str, str]) -> subprocess.Popen:
        place = folder / name
        place.mkdir()
        with (place / "log").open("w") as log:
            command = [
                sys.executable,
                "-m",
                "dask",
                *words.split(),
                "--no-dashboard",
                "--scheduler-file",
                str(file),
            ]
            environment = os.environ | environment
            started.append(subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log))
        return started[-1]

    try:
        dask("scheduler", "scheduler --host 127.0.0.1 --port 0", {})
        until(file.exists)
        common, running = "worker --no-nanny --nthreads 1 --local-directory scratch", []
        for number, environment in enumerate(workers):
            resources = f"--resources {environment['RESOURCES']}" if "RESOURCES" in environment else ""
            words = f"{common} {resources} {' '.join(options)}"
            running.append(dask(f"worker-{number}", words, environment))
        yield Cluster(yaml.safe_load(file.read_text())["address"], running)
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    """Two workers."""
    with processes(tmp_path / "cluster", {}, {}) as running:
        yield running


def until(true, seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
