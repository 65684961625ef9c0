"""Averaged weights: the mean of those after each of the last steps, whether or not the run was cut off."""

import pytest
import torch

import stages.models  # noqa: F401 (before the first PyroModule is made)
from stages.inference.loop import svi
from tests.inference.loop.test_checkpoints import CutOff, CutOffError
from tests.inference.loop.test_svi import toy, training

STEPS = 7


def values(steps=STEPS):
    """The toy's parameter after each step."""
    problem = toy()
    descent = svi.Descent(problem, training(steps=steps))
    seen = []
    for _ in range(steps):
        descent.step()
        seen.append(problem.model.value.item())
    return seen


@pytest.mark.parametrize("last", [0, 1, 2, 5, STEPS, STEPS + 3])
def test_result_is_the_mean_of_the_last_weights(last):
    problem = toy()
    svi.fit(problem, training(steps=STEPS, average_steps=last), "toy")
    wanted = values()[-max(last, 1) :]
    assert problem.model.value.item() == pytest.approx(sum(wanted) / len(wanted), rel=1e-6)


def test_averaging_does_not_change_the_course_of_the_training():
    histories = [svi.fit(toy(), training(steps=STEPS, average_steps=last), "toy") for last in (0, 3)]
    assert histories[0].elbo.equals(histories[1].elbo)


def test_the_last_validation_figure_is_that_of_the_average():
    problem = toy(validation=lambda: problem.model.value.item())
    history = svi.fit(problem, training(steps=STEPS, average_steps=4, validate_every=3), "toy")
    after = values()
    assert history.validation.tolist() == pytest.approx([after[2], after[5], sum(after[-4:]) / 4])


@pytest.mark.parametrize("at", [1, 3, 4, 5, 6, STEPS])
def test_a_run_that_was_cut_off_ends_in_the_same_average(at, tmp_path):
    whole, again = toy(), toy()
    settings = training(steps=STEPS, average_steps=4)
    svi.fit(whole, settings, "toy")
    with pytest.raises(CutOffError):
        svi.fit(toy(), settings, "toy", CutOff(tmp_path, at))
    history = svi.fit(again, settings, "toy", CutOff(tmp_path, None))
    assert torch.equal(whole.model.value, again.model.value)
    assert history.step.iloc[-1] == STEPS


def test_without_averaging_a_checkpoint_holds_no_mean(tmp_path):
    for last, names in ((0, set()), (2, {"mean.0"})):
        checkpoint = CutOff(tmp_path / str(last), None)
        svi.fit(toy(), training(steps=STEPS, average_steps=last), "toy", checkpoint)
        tensors, _ = checkpoint.load()
        assert {name for name in tensors if name.startswith("mean")} == names
