"""The command that trains, on the regression set: what it writes, and what it records about an interrupted run."""

import sys
import time

import pytest
import torch
import yaml

from stages import artifacts, params, runtime, simulate, train
from stages.inference.loop.checkpoints import Checkpoint
from tests.tiny import ROOT

STEPS = 12


class CutOffError(Exception):
    """Raised in place of the death of the process."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with params.yaml and data; what the command sets in the process is left alone."""
    monkeypatch.chdir(tmp_path)
    committed = yaml.safe_load((ROOT / "params.yaml").read_text())
    small = {"seeds": [3], "threads": 1, "checkpoint_seconds": 0}
    changed = small | {"blr": {"steps": STEPS, "validate_every": 5, "execution": "eager"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.merged(committed, changed)))
    monkeypatch.setattr(runtime, "prepare", prepared)
    monkeypatch.setattr(sys, "argv", ["simulate"])
    simulate.main()
    monkeypatch.setattr(sys, "argv", ["train", "--model", "blr", "--seed", "3"])
    return tmp_path


def prepared(settings, seed):
    torch.manual_seed(seed)
    return torch.device("cpu")


def record():
    return artifacts.read_json(".runs/posteriors/blr/3/run.json")


def test_outputs_are_posterior_and_history_alone(folder):
    train.main()
    assert {path.name for path in (folder / "posteriors/blr/3").iterdir()} == {"weights.safetensors", "elbo.csv"}
    found = record()
    assert found["resumed_at_step"] == 0 and found["seed"] == 3
    assert found["params"]["blr"]["steps"] == STEPS
    assert found["items_per_second"] > 0
    assert not list((folder / ".checkpoints").rglob("*.safetensors"))


def test_seconds_of_a_run_that_was_cut_off_count(folder, monkeypatch):
    """The first process trains for a second, then ends; the second finishes the rest at once."""
    train.main()
    whole = (folder / "posteriors/blr/3/weights.safetensors").read_bytes()
    save = Checkpoint.save

    def last(checkpoint, tensors, facts):
        if facts["step"] == 7:
            time.sleep(1)
        save(checkpoint, tensors, facts)
        if facts["step"] == 7:
            raise CutOffError

    start = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", last)
        with pytest.raises(CutOffError):
            train.main()
    train.main()
    together = time.monotonic() - start
    found = record()
    assert found["resumed_at_step"] == 7
    assert 1 < found["seconds"] <= together + 0.01  # rounded; nothing counts twice
    assert (folder / "posteriors/blr/3/weights.safetensors").read_bytes() == whole
