"""Wherever a run is killed, the next `dvc repro` resumes from the last checkpoint and gives the same bytes."""

import itertools
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stages.params import TRAINED
from tests.pipeline.conftest import Clone, tiny_clone
from tools import quick

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
LONGER = {"checkpoint_seconds": 0, "seeds": [0]} | {  # a checkpoint at every step
    name: {"steps": 400 if name == "blr" else 60} for name in TRAINED
}  # more than half a second of each
LONGER["ssvae"] |= {"execution": "compiled"}  # as in the committed params.yaml

ANEW = ("dvc", "repro", "--single-item", "--force", "--no-run-cache")  # even if the same stage was run before


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Clone:
    """All models trained with `LONGER` without interruption; data, labels and weights to compare with."""
    clone = tiny_clone(tmp_path_factory.mktemp("whole"), **LONGER)
    clone.run("dvc", "repro", *(f"train_{model}@0" for model in TRAINED))
    return clone


@pytest.fixture(scope="module")
def disturbed(whole, tmp_path_factory) -> Clone:
    """The same, not trained yet; the stages before training have been run."""
    clone = tiny_clone(tmp_path_factory.mktemp("disturbed"), **LONGER)
    clone.run("dvc", "repro", "simulate", "download", "drop_labels@0")
    return clone


def start(clone: Clone, model: str, name: str) -> subprocess.Popen:
    """`dvc repro` of one training, which waits in vain to become a child of this process's terminal."""
    return subprocess.Popen(
        [*ANEW, f"{name}_{model}@0"],
        cwd=clone.folder,
        env=quick.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(condition, process, seconds=60.0, poll=0.005):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, "it ended before it could be disturbed"
        assert time.monotonic() < deadline
        time.sleep(poll)
    return found


def trainer(clone: Clone, model: str) -> int:
    """Process id of the running training stage."""
    return int((clone.folder / f".checkpoints/{model}/0.pid").read_text())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def weights(clone: Clone, model: str) -> bytes:
    return (clone.folder / f"posteriors/{model}/0/weights.safetensors").read_bytes()


def checkpoints(clone: Clone, model: str) -> list[Path]:
    return list((clone.folder / f".checkpoints/{model}/0").glob("*.safetensors"))


def disturb(clone: Clone, model: str, victim: str, number: int, delay: float | None) -> None:
    """Start training; signal it or DVC after its first checkpoint, after a delay or during a write."""
    started = time.time()
    process = start(clone, model, "train")
    wait_for(lambda: any(path.stat().st_mtime > started for path in checkpoints(clone, model)), process)
    pid = trainer(clone, model)
    if delay is None:
        folder = clone.folder / f".checkpoints/{model}/0"
        wait_for(lambda: any(name.endswith(".tmp") for name in os.listdir(folder)), process, poll=0)
    else:
        time.sleep(delay)
    os.kill(pid if victim == "trainer" else process.pid, number)
    process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid), "an orphaned process keeps training"


WAYS = list(itertools.product(("trainer", "dvc"), (signal.SIGKILL, signal.SIGTERM)))


def pytest_generate_tests(metafunc):
    """As many kills as `--kills` says, over all models and all ways, at random times."""
    if "way" in metafunc.fixturenames:
        kills = range(metafunc.config.getoption("kills"))
        delays = [None if i % 5 == 1 else random.Random(i).uniform(0, 0.3) for i in kills]  # None: during a write
        cases = [(TRAINED[i % 5], WAYS[i % 4], delay) for i, delay in enumerate(delays)]
        names = [f"{i}-{model}-{way[0]}-{way[1].name}" for i, (model, way, _) in enumerate(cases)]
        metafunc.parametrize(("model", "way", "delay"), cases, ids=names)


def test_killed_training_ends_in_the_same_bytes(whole, disturbed, model, way, delay):
    disturb(disturbed, model, *way, delay)
    assert checkpoints(disturbed, model)
    printed = disturbed.run(*ANEW, f"train_{model}@0")
    assert "goes on from the checkpoint at step" in printed
    assert weights(disturbed, model) == weights(whole, model)
    left = [path.name for path in (disturbed.folder / f"posteriors/{model}/0").iterdir()]
    assert sorted(left) == ["elbo.csv", "weights.safetensors"]
    assert not (disturbed.folder / f".checkpoints/{model}/0").exists()


def test_checkpoint_of_other_params_is_not_resumed(disturbed):
    """A changed learning rate starts from scratch; with the old value, the old checkpoint is used again."""
    disturbed.change(vae={"learning_rate": 0.004})
    disturb(disturbed, "vae", "trainer", signal.SIGKILL, delay=0)
    [before] = checkpoints(disturbed, "vae")
    disturbed.change(vae={"learning_rate": 0.003})
    disturb(disturbed, "vae", "trainer", signal.SIGKILL, delay=0)
    assert len(checkpoints(disturbed, "vae")) == 2
    disturbed.change(vae={"learning_rate": 0.004})
    assert before in checkpoints(disturbed, "vae")
    assert "goes on from the checkpoint" in disturbed.run("dvc", "repro", "train_vae@0")


def test_evaluation_that_is_killed_leaves_nothing_half_written(whole, tmp_path):
    process = start(whole, "vae", "evaluate")
    wait_for(lambda: subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True).stdout, process)
    process.kill()
    process.wait(timeout=30)
    assert not (whole.folder / "metrics/vae/0.json").exists()
    whole.run("dvc", "repro", "evaluate_vae@0")
    folder = whole.folder / "predictions/vae/0"
    files = [f"{name}.safetensors" for name in ("bound", "cases", "map", "pictures")]
    assert sorted(path.name for path in folder.iterdir()) == files
