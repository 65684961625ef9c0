"""A clone of the pipeline with tiny params. Test files run in different processes; only one should use `clone`."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from stages.params import merged
from tests.tiny import ROOT
from tools import quick

TINY = yaml.safe_load(Path(__file__).with_name("params.tiny.yaml").read_text())


@dataclass(frozen=True)
class Clone:
    """A Git repository with the real dvc.yaml and stages."""

    folder: Path

    def run(self, *command: str) -> str:
        """Run a command in it, and return what it printed."""
        result = self.attempt(*command)
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def attempt(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        """Run a command in it, whether or not it succeeds."""
        env = quick.environment() | environment
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=500)

    def repro(self) -> set[str]:
        """Reproduce it, and return the names of the stages that ran."""
        lines = self.run("dvc", "repro").splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}

    def change(self, **sections) -> None:
        """Change values in its params.yaml."""
        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), sections), sort_keys=False))

    def commit(self) -> None:
        """Commit all that Git does not ignore."""
        self.run("git", "add", "--all")
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        self.run("git", *identity, "commit", "--quiet", "--message", "state")


@pytest.fixture(scope="session", autouse=True)
def data(tmp_path_factory) -> None:
    """Both data sets, fetched once for all clones and workers if neither a mirror nor data/ has them."""
    if "DATA_MIRROR" in os.environ or (ROOT / "data").is_dir():
        return
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "data.lock"):
        for name in ("mnist", "fashion_mnist"):
            command = [sys.executable, "-m", "stages.download", "--dataset", name]
            subprocess.run(command, cwd=shared, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    os.environ["DATA_MIRROR"] = str(shared / "data")


def recipe(target: str) -> str:
    """The command that `make <target>` ends with."""
    words = ["make", "--no-print-directory", "--dry-run", target]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def tiny_clone(folder: Path, *, git: bool = False, **sections) -> Clone:
    """The pipeline and the tools with tiny params, not run yet.

    Args:
        folder: the target.
        git: make it a Git repository, unlike the folder of `make quick`.
        sections: further changes of params.yaml.
    """
    quick.copy(folder, TINY)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=ignored, dirs_exist_ok=True)
    made = Clone(folder)
    made.change(**sections)
    if git:
        (folder / ".dvc/config.local").unlink()
        made.run("git", "init", "--quiet", "--initial-branch=main")
    return made


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Clone:
    """The reproduced pipeline, committed to Git."""
    made = tiny_clone(tmp_path_factory.mktemp("clone"), git=True)
    stages = made.run("dvc", "stage", "list", "--name-only").split()
    assert made.repro() == set(stages)
    made.commit()
    return made
