"""A tiny pipeline with `cache: false` metrics, and a cluster of real processes."""

import os
import shutil
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

def say(what):
    if "STARTS" in os.environ:
        with open(os.environ["STARTS"], "a") as starts:
            starts.write(f"{out} {os.getpid()} {what} {time.time()}\\n")

out, seconds, *inputs = sys.argv[1:]
say(os.environ.get("CUDA_VISIBLE_DEVICES") or "none")
time.sleep(float(seconds))
say("end")
text = "".join(Path(path).read_text() for path in inputs) + Path(out).name
Path(out).write_text(text)
Path(out + ".json").write_text(json.dumps({"length": len(text)}))
"""


def stage(out: str, *inputs: str, seconds: float = 0.1, metrics: bool = False, **more) -> dict:
    """A stage; its `cache: false` file is one of its metrics, or of its outs as in our pipeline."""
    uncached = [{f"{out}.json": {"cache": False}}]
    return {
        "cmd": f"python make.py {out} {seconds} {' '.join(inputs)}".strip(),
        "deps": ["make.py", *inputs],
        "outs": [out] if metrics else [out, *uncached],
        **({"metrics": uncached} if metrics else {}),
        **more,
    }


def pipeline(seeds: int = 2, seconds: float = 0.1) -> dict[str, dict]:
    """data -> train-<seed> -> evaluate-<seed> -> summary."""
    stages = {"data": stage("data")}
    for seed in range(seeds):
        stages[f"train-{seed}"] = stage(f"train-{seed}.bin", "data", seconds=seconds)
        stages[f"evaluate-{seed}"] = stage(
            f"evaluate-{seed}", f"train-{seed}.bin", f"train-{seed}.bin.json", metrics=True
        )
    return stages | {"summary": stage("summary", *(f"evaluate-{seed}.json" for seed in range(seeds)))}


STARTED: list[subprocess.Popen] = []  # by the projects of one test


@dataclass(frozen=True)
class Start:
    """A start of a stage."""

    out: str
    pid: int
    device: str  # CUDA_VISIBLE_DEVICES, or `none`
    begin: float
    end: float | None


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

    @property
    def said(self) -> Path:
        """What the last command printed, also while it runs."""
        return self.folder.with_suffix(".said")

    def start(self, *words: str) -> subprocess.Popen:
        """Start a command in it, as the leader of a process group."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        fixed = {"PATH": path, "PYTHONHASHSEED": "0"}  # DVC's plan iterates a set
        environment = os.environ | fixed | self.environment
        with self.said.open("w") as said:
            process = subprocess.Popen(
                words, cwd=self.folder, env=environment, stdout=said, stderr=said, start_new_session=True
            )
        STARTED.append(process)
        return process

    def end(self, process: subprocess.Popen, status: int = 0) -> str:
        """Wait for such a command, and return what it printed."""
        process.wait(timeout=300)
        printed = self.said.read_text()
        assert process.returncode == status, f"{process.args}: {process.returncode}\n{printed}"
        return printed

    def run(self, *words: str, status: int = 0) -> str:
        """Run a command in it, and return what it printed."""
        return self.end(self.start(*words), status)

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

    def starts(self, out: str | None = None) -> list[Start]:
        """What stages began to make, in order; needs STARTS in the environment."""
        path = Path(self.environment["STARTS"])
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        ends = {pid: float(time) for _, pid, kind, time in lines if kind == "end"}
        return [
            Start(name, int(pid), kind, float(time), ends.get(pid))
            for name, pid, kind, time in lines
            if kind != "end" and out in (None, name)
        ]


@pytest.fixture
def project(tmp_path) -> Iterator[Project]:
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
    yield made
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Server:
    """A scheduler or worker."""

    process: subprocess.Popen
    log: Path


@dataclass(frozen=True)
class Cluster:
    """A scheduler and workers."""

    address: str
    scheduler: Server
    workers: list[Server]


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

    def dask(name: str, words: str, environment: dict[str, str]) -> Server:
        place = folder / name
        place.mkdir()
        command = [sys.executable, "-m", "dask", *words.split(), "--no-dashboard", "--scheduler-file", file]
        with (place / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=place, env=os.environ | environment, stdout=log, stderr=log)
        started.append(Server(process, place / "log"))
        return started[-1]

    try:
        scheduler = dask("scheduler", "scheduler --host 127.0.0.1 --port 0", {})
        until(file.exists)
        common, running = "worker --no-nanny --nthreads 1 --local-directory scratch", []
        for number, environment in enumerate(workers):
            resources = f"--resources {environment['RESOURCES']}" if "RESOURCES" in environment else ""
            words = f"{common} {resources} {' '.join(options)}"
            running.append(dask(f"worker-{number}", words, environment))
        for server in running:
            until(lambda server=server: "Registered to" in server.log.read_text())
        yield Cluster(yaml.safe_load(file.read_text())["address"], scheduler, running)
    finally:
        for server in reversed(started):
            server.process.kill()
            server.process.wait()


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    """Two workers, whose stages say when they start and end."""
    says = {"STARTS": str(tmp_path / "starts")}
    with processes(tmp_path / "cluster", says, says) as running:
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
