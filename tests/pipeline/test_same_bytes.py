"""The same bytes with fewer cores, in another environment and, as far as it can be simulated, on older processors.

Networks and batches are those of params.yaml, since only large sums are split among threads; there are few steps.
"""

import hashlib
import os

import pytest
import yaml

from stages import artifacts
from stages.params import TRAINED
from tests.pipeline.conftest import Clone, tiny_clone
from tests.tiny import ROOT

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
COMMITTED = yaml.safe_load((ROOT / "params.yaml").read_text())
FEW = {"steps": 12, "validate_every": 6}
SECTIONS = {name: COMMITTED[name] | FEW for name in TRAINED} | {
    "threads": COMMITTED["threads"],
    "instructions": COMMITTED["instructions"],
    "images": {"train": 5000, "validation": 1000, "test": 1000},
    "drop_labels": {"kept": 500},
    "seeds": [0],
}
SECTIONS["vae"] |= {"execution": "traced"}
TARGETS = [*(f"train_{model}@0" for model in TRAINED), "evaluate_bnn@0", "evaluate_ssvae@0"]
OLDER = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
OTHER_THREADS = {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """All models trained, and two of them evaluated."""
    made = tiny_clone(tmp_path_factory.mktemp("bytes"), **SECTIONS)
    made.run("dvc", "repro", *TARGETS)
    return made


@pytest.fixture(scope="module")
def hashes(clone) -> dict[str, str]:
    """Of all outputs."""
    return of(clone)


def of(clone: Clone) -> dict[str, str]:
    """SHA-256 of posteriors, predictions and metrics."""
    files = [
        path for folder in ("posteriors", "predictions", "metrics") for path in (clone.folder / folder).rglob("*")
    ]
    return {
        str(path.relative_to(clone.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }


def again(clone: Clone, *before: str, **environment: str) -> dict[str, str]:
    """Make everything anew, by a command line that begins with `before`, as params.yaml says and nothing else."""
    result = clone.attempt(*before, "dvc", "repro", "--force", *TARGETS, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    for model in TRAINED:
        record = artifacts.read_json(clone.folder / f".runs/posteriors/{model}/0/run.json")
        assert record["threads"] == COMMITTED["threads"] and record["cpu_capability"] == "AVX2"
    return of(clone)


def test_on_one_core(clone, hashes):
    core = str(min(os.sched_getaffinity(0)))
    assert again(clone, "taskset", "--cpu-list", core) == hashes


def test_with_other_threads_and_instructions_in_the_environment(clone, hashes):
    assert again(clone, **OTHER_THREADS, **OLDER) == hashes


def test_more_threads_than_cores_are_said(clone):
    cores = len(os.sched_getaffinity(0))
    clone.change(threads=cores + 1)
    result = clone.attempt("dvc", "repro", "--force", "--single-item", "train_blr@0")
    assert result.returncode == 0
    assert f"threads = {cores + 1} on {cores} core" in result.stdout


def test_older_instructions_would_give_other_bytes(tmp_path):
    """The environment of the test above does matter if nothing overrides it."""
    code = "import torch; x = torch.arange(90_000).view(300, 300).sin(); print(repr((x @ x).tanh().sum().item()))"
    clone = Clone(tmp_path)
    found = {clone.attempt("python", "-c", code, **variables).stdout for variables in ({}, OLDER)}
    assert len(found) == 2
