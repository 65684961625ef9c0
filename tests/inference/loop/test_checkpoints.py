"""An interrupted training run resumes, only from its own checkpoint, and ends in the same bits."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch

from stages.command import Failure
from stages.inference import posterior
from stages.inference.loop import checkpoints, svi
from stages.inference.loop.checkpoints import Checkpoint
from stages.inference.loop.divergence import DivergedError
from tests import tiny
from tests.inference.loop.test_svi import toy, training

STEPS = 9


class CutOffError(Exception):
    """Raised in place of the death of the process."""


class CutOff(Checkpoint):
    """A checkpoint at every step, and the process ends at one of them."""

    def __init__(self, folder, at, identity=None):
        super().__init__(folder, identity or {}, interval=0)
        self.at, self.saves = at, 0

    def save(self, tensors, facts):
        super().save(tensors, facts)
        self.saves += 1
        if self.saves == self.at:
            raise CutOffError


def fitted(problem, section, name, checkpoint=None, schedule="one_cycle"):
    made = problem(name, **section)
    torch.manual_seed(5)
    small = training(steps=STEPS, learning_rate=1e-3, validate_every=4, schedule=schedule)
    history = svi.fit(made, small, name, checkpoint)
    return posterior.tensors(made.model, made.guide), history


@pytest.mark.parametrize(
    ("name", "section", "schedule"),
    [
        *((*variant, "one_cycle") for variant in tiny.VARIANTS.values()),
        *(("vae", {}, schedule) for schedule in ("cosine", "constant")),
    ],
    ids=[*tiny.VARIANTS, "cosine", "constant"],
)
def test_cut_off_runs_end_as_one_that_was_not(problem, name, section, schedule, tmp_path):
    whole, history = fitted(problem, section, name, schedule=schedule)
    for steps_before_the_end in (2, 3, 1):  # ends at steps 2, 5 and 6
        with pytest.raises(CutOffError):
            fitted(problem, section, name, CutOff(tmp_path, steps_before_the_end), schedule)
    last = CutOff(tmp_path, at=None)
    again, same_history = fitted(problem, section, name, last, schedule)
    assert last.resumed_at == 6 and last.saves == STEPS - 6
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    assert history.equals(same_history)


def test_a_failed_training_frees_its_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path / ".checkpoints")
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.3)
    with pytest.raises(CutOffError), checkpoints.alone("bnn", 3):
        raise CutOffError
    with checkpoints.alone("bnn", 3):
        pass


def test_checkpoint_changes_nothing(problem, tmp_path):
    whole, history = fitted(problem, {}, "vae")
    again, same_history = fitted(problem, {}, "vae", Checkpoint(tmp_path, {}, interval=0))
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    assert history.equals(same_history)


def test_checkpoint_of_something_else_is_not_found(tmp_path):
    tensors = {"a": torch.ones(2)}
    Checkpoint(tmp_path, {"steps": 1, "code": {"x": "1"}}, 0).save(tensors, {"step": 7})
    for other in ({"steps": 2, "code": {"x": "1"}}, {"steps": 1, "code": {"x": "2"}}, {"steps": 1}):
        assert Checkpoint(tmp_path, other, 0).load() is None
    same = Checkpoint(tmp_path, {"code": {"x": "1"}, "steps": 1}, 0)
    loaded, facts = same.load()
    assert torch.equal(loaded["a"], tensors["a"]) and same.resumed_at == 7
    assert facts.keys() == {"step", "seconds"} and facts["step"] == 7


@pytest.mark.parametrize("length", [0, 7, 50, -1])
def test_damaged_checkpoint_is_no_checkpoint(length, tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path, {}, 0)
    checkpoint.save({"a": torch.ones(2)}, {"step": 7})
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:length])
    assert checkpoint.load() is None
    assert "is damaged" in capsys.readouterr().out
    assert checkpoint.resumed_at == 0 and checkpoint.earlier == 0


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, {}, 0)
    checkpoint.save({"a": torch.ones(2)}, {"step": 7})

    def half(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.safetensors.torch, "save_file", half)
    with pytest.raises(Failure, match="No space left on device"):
        checkpoint.save({"a": torch.zeros(2)}, {"step": 8})
    assert list(tmp_path.iterdir()) == [checkpoint.path]
    assert checkpoint.load()[1]["step"] == 7


def test_due_after_the_interval(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path, {}, interval=30)
    assert not checkpoint.due()
    now[0] = 129.0
    assert not checkpoint.due()
    now[0] = 130.0
    assert checkpoint.due()
    checkpoint.save({}, {"step": 1})
    assert not checkpoint.due()


def test_seconds_of_all_processes_add_up(tmp_path, monkeypatch):
    """Seconds after the last write of a process are lost, and so are its steps."""
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])

    def spend(seconds):
        now[0] += seconds

    first = Checkpoint(tmp_path, {}, interval=0)
    assert first.load() is None and first.earlier == 0
    spend(5)
    first.save({}, {"step": 1})
    spend(7)
    first.save({}, {"step": 2})
    spend(1000)  # cut off
    second = Checkpoint(tmp_path, {}, interval=0)
    spend(3)  # before it has looked for the checkpoint of the first
    assert second.load()[1] == {"step": 2, "seconds": 12.0}
    assert second.earlier == 12
    spend(4)
    second.save({}, {"step": 3})
    second.save({}, {"step": 3})  # again at once: nothing counts twice
    third = Checkpoint(tmp_path, {}, interval=0)
    assert third.load()[1] == {"step": 3, "seconds": 19.0}
    assert third.earlier == 19 and third.resumed_at == 3


def test_remove_takes_those_of_other_params_along(tmp_path):
    for identity in ({"steps": 1}, {"steps": 2}):
        Checkpoint(tmp_path / "bnn/0", identity, 0).save({}, {"step": 1})
    Checkpoint(tmp_path / "bnn/1", {}, 0).save({}, {"step": 1})
    Checkpoint(tmp_path / "bnn/0", {"steps": 3}, 0).remove()
    assert [path.name for path in (tmp_path / "bnn").iterdir()] == ["1"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_divergence_leaves_the_last_good_checkpoint(bad, tmp_path):
    problem = toy(target=lambda step: torch.tensor(bad if step >= 4 else 0.0))
    checkpoint = Checkpoint(tmp_path, {}, 0)
    with pytest.raises(DivergedError):
        svi.fit(problem, training(steps=9), "toy 0", checkpoint)
    tensors, facts = checkpoint.load()
    assert facts["step"] == 4
    assert math.isfinite(tensors["model.value"])


HOLD = "from stages.inference.loop import checkpoints; lock = checkpoints.alone('bnn', 3)\nwith lock: {}"


def test_two_trainings_of_one_seed_exclude_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path / ".checkpoints")
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.3)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD.format("print('held', flush=True); input()")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tiny.ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert (tmp_path / ".checkpoints/bnn/3.pid").read_text() == str(holder.pid)
        refusal = pytest.raises(Failure, match=rf"^bnn 3 is being trained by process {holder.pid} here: [^\n]*$")
        with refusal, checkpoints.alone("bnn", 3):
            pass
        with checkpoints.alone("bnn", 4) as folder:
            assert folder == tmp_path / ".checkpoints/bnn/4"
        holder.kill()
    for _ in range(2):  # the kernel has released it, and the next one releases it too
        with checkpoints.alone("bnn", 3):
            assert (tmp_path / ".checkpoints/bnn/3.pid").read_text() == str(os.getpid())


def test_facts_are_json(tmp_path):
    checkpoint = Checkpoint(tmp_path, {}, 0)
    problem = toy()
    svi.fit(problem, training(), "toy", checkpoint)
    _, facts = checkpoint.load()
    assert json.loads(json.dumps(facts)) == facts
    assert [row[0] for row in facts["history"]] == [3, 6, 7]
