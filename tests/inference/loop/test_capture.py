"""A captured step gives the same results as the step itself; CUDA graphs are simulated (cpu_graphs.py)."""

import math
from dataclasses import replace

import pytest
import torch

from stages.inference.loop import svi
from stages.inference.loop.capture import WARM_UP, Captured
from stages.inference.loop.divergence import DivergedError
from tests import tiny
from tests.inference import cpu_graphs
from tests.inference.loop.test_svi import training

STEPS = WARM_UP + 5


@pytest.fixture(autouse=True)
def graphs(monkeypatch):
    cpu_graphs.act(monkeypatch)


def course(made, captured, **changes):
    """The parameters after some steps, and the state."""
    made.objective.train()
    settings = training(steps=STEPS, learning_rate=1e-3, schedule="one_cycle", execution="traced", **changes)
    descent = svi.Descent(made, settings, "it 0")
    if captured:
        descent.on_gpu, descent.update = True, Captured(descent._update)
    torch.manual_seed(4)
    for _ in range(STEPS):
        descent.step()
    descent.check()
    return [p.detach().clone() for p in made.objective.parameters()], descent


@pytest.mark.parametrize(("name", "section"), tiny.VARIANTS.values(), ids=tiny.VARIANTS)
def test_captured_course_is_the_course(problem, name, section, capsys):
    plain, state = course(problem(name, **section), captured=False)
    replayed, descent = course(problem(name, **section), captured=True)
    assert "not captured" not in capsys.readouterr().out
    assert descent.update.run.__name__ == "replay"
    assert all(torch.equal(a, b) for a, b in zip(plain, replayed, strict=True))
    assert descent.state.total == state.state.total
    assert int(descent.state.count) == STEPS


def test_step_that_reads_a_number_is_left_to_python(capsys):
    total = torch.zeros(())

    def step(x):
        total.add_(float(x.sum()))

    captured = Captured(step)
    for number in range(WARM_UP + 3):
        captured(torch.tensor([float(number), 1.0]))
    assert total == sum(number + 1 for number in range(WARM_UP + 3))
    [line] = capsys.readouterr().out.splitlines()
    assert line == (
        "not captured, so slower, with the same results: operation not permitted when stream is capturing"
    )


def test_each_replay_draws_anew():
    drawn = torch.zeros(3)
    captured = Captured(lambda x: drawn.copy_(torch.rand(3) + x))
    torch.manual_seed(0)
    found = []
    for _ in range(WARM_UP + 3):
        captured(torch.zeros(3))
        found.append(drawn.clone())
    torch.manual_seed(0)
    assert all(torch.equal(one, torch.rand(3)) for one in found)


def test_batch_of_another_form_is_refused():
    captured = Captured(lambda x, size: None)
    for _ in range(WARM_UP + 2):
        captured(torch.zeros(3), 5)
    for other in ((torch.zeros(2), 5), (torch.zeros(1), 5), (torch.zeros(3), 6)):
        with pytest.raises(ValueError, match="cannot replay"):
            captured(*other)


@pytest.mark.filterwarnings("ignore:Encountered NaN")
@pytest.mark.parametrize("first_bad", [0, 2, WARM_UP, WARM_UP + 1, WARM_UP + 4])
def test_divergence_found_late_is_that_of_the_first_bad_step(problem, first_bad):
    """Its ELBO was not read, so more steps were taken, but none of them changed anything."""
    made = problem("vae")
    good = made.batch
    made = replace(made, batch=lambda step: spoilt(good(step)) if step >= first_bad else good(step))
    made.objective.train()
    settings = training(steps=STEPS, learning_rate=1e-3, execution="traced")
    descent = svi.Descent(made, settings, "it 0")
    descent.on_gpu, descent.update = True, Captured(descent._update)
    reached = []
    for _ in range(STEPS):
        reached.append([p.detach().clone() for p in made.objective.parameters()])
        descent.step()
    with pytest.raises(DivergedError, match=rf"step {first_bad + 1}: the ELBO is nan: sample site"):
        descent.check()
    assert descent.state.step == first_bad
    after = list(made.objective.parameters())
    assert all(torch.equal(a, b) for a, b in zip(reached[first_bad], after, strict=True))


def spoilt(batch):
    x, *rest = batch
    return x * math.nan, *rest


def test_training_on_a_gpu_looks_at_the_elbo_now_and_then(problem, monkeypatch):
    """In `fit`: at each update of the bar, at each row of the history, and before a checkpoint."""
    made, looks = problem("vae"), []
    check = svi.Descent.check
    monkeypatch.setattr(svi.Descent, "check", lambda self: looks.append(self.state.step) or check(self))
    monkeypatch.setattr(
        svi.Descent, "on_gpu", property(lambda self: True, lambda self, value: None), raising=False
    )
    svi.fit(made, training(steps=50, learning_rate=1e-3, validate_every=30, execution="traced"), "vae")
    assert sorted(set(looks)) == [20, 30, 40, 50]
