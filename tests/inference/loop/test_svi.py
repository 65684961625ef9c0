"""The training loop: reproducibility, the recorded history, and errors on divergence."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pyro.nn import PyroModule
from torch import nn

from stages.inference.loop import svi
from stages.inference.loop.divergence import DivergedError
from stages.inference.loop.state import State, learning_rates
from tests import tiny

SIZE = 4  # data in the toy's training set


class Toy(PyroModule):
    """One parameter, pulled towards the value of each batch; records whether dropout and gradients are on."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(1.0))
        self.dropout = nn.Dropout(0.5)
        self.modes = []

    def forward(self, target):
        self.modes.append((self.dropout.training, torch.is_grad_enabled()))
        return SIZE * (self.value - target).square()


def toy(target=lambda step: torch.tensor(float(step % 3)), validation=lambda: 0.0):
    model = Toy()
    return svi.Problem(model, PyroModule(), model, lambda step: (target(step),), SIZE, SIZE, validation)


def training(**changes):
    small = {
        "steps": 7,
        "learning_rate": 0.1,
        "schedule": "constant",
        "validate_every": 3,
        "clip_norm": 0.0,
        "average_steps": 0,
        "execution": "eager",
    }
    return tiny.settings().vae.model_copy(update=small | changes)


def parameters(problem):
    return [p.detach().clone() for part in (problem.model, problem.guide) for p in part.parameters()]


@pytest.mark.parametrize(("name", "section"), tiny.VARIANTS.values(), ids=tiny.VARIANTS)
def test_the_same_seed_gives_the_same_parameters_bit_for_bit(problem, name, section):
    results = []
    for noise in (5, 5, 6):
        made = problem(name, **section)
        start = parameters(made)
        torch.manual_seed(noise)
        history = svi.fit(made, training(steps=4, learning_rate=1e-3, validate_every=2, execution="traced"), name)
        results.append((parameters(made), history))
    (first, history), (again, same_history), (other, _) = results
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert history.equals(same_history)
    assert not any(torch.equal(a, b) for a, b in zip(first, start, strict=True))  # all have changed
    # for points, the only noise is the order of the data, which has its own generator
    if not {"map", "laplace"} & set(section.values()):
        assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("steps", "every", "rows"), [(7, 3, [3, 6, 7]), (6, 3, [3, 6]), (2, 5, [2]), (45, 30, [30, 45])]
)
def test_history_has_a_row_at_each_validation_and_at_the_end(steps, every, rows):
    calls = []
    problem = toy(validation=lambda: calls.append(None) or len(calls))
    history = svi.fit(problem, training(steps=steps, validate_every=every), "toy")
    assert list(history.columns) == ["step", "elbo", "validation"]
    assert history.step.tolist() == rows
    assert history.validation.tolist() == list(range(1, len(rows) + 1))


def test_elbo_of_a_row_is_the_mean_since_the_row_before_per_datum():
    """Against Adam by hand (Kingma and Ba 2015, algorithm 1), over more steps than a refresh of the bar."""
    steps, every, rate = 50, 23, 0.1
    value, m, v, elbos = 1.0, 0.0, 0.0, []
    for step in range(steps):
        gap = value - step % 3
        elbos.append(-(gap**2))
        gradient = 2 * SIZE * gap
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        value -= rate * m_hat / (math.sqrt(v_hat) + 1e-8)
    problem = toy()
    history = svi.fit(problem, training(steps=steps, validate_every=every, learning_rate=rate), "toy")
    expected = [sum(part) / len(part) for part in (elbos[:23], elbos[23:46], elbos[46:])]
    assert history.elbo.tolist() == pytest.approx(expected, rel=1e-5)
    assert problem.model.value.item() == pytest.approx(value, rel=1e-5)


def rates(schedule, steps, peak=0.1):
    return learning_rates(training(schedule=schedule, steps=steps, learning_rate=peak))


def test_constant_schedule_keeps_the_learning_rate():
    assert rates("constant", 50) == [0.1] * 50


def test_cosine_schedule_falls_to_zero_after_the_last_step():
    cosine = [0.05 * (1 + math.cos(math.pi * step / 50)) for step in range(50)]
    assert rates("cosine", 50) == pytest.approx(cosine, abs=1e-9)


def test_one_cycle_schedule_climbs_to_the_learning_rate_and_falls_below_its_start():
    """Half cosines, with torch's div_factor 25 and final_div_factor 10,000."""

    def between(start, end, share):
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    up = [between(0.1 / 25, 0.1, step / 29) for step in range(30)]  # 30% of the steps, as torch counts them
    down = [between(0.1, 0.1 / 25 / 1e4, step / 70) for step in range(1, 70)]
    assert rates("one_cycle", 99) == pytest.approx(up + down, rel=1e-6)


def test_each_step_has_its_rate():
    """The first step of Adam has the size of its learning rate."""
    wanted = rates("cosine", 5)
    for steps in range(1, 6):
        state = State({}, [nn.Parameter(torch.tensor(0.0))], training(schedule="cosine", steps=5))
        state.count.fill_(steps - 1)
        state.parameters[0].grad = torch.tensor(1.0)
        state.descend(torch.tensor(0.0))
        assert state.parameters[0].item() == pytest.approx(-wanted[steps - 1], rel=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_every_schedule_can_be_short(schedule, steps):
    assert len(svi.fit(toy(), training(schedule=schedule, steps=steps), "toy")) == math.ceil(steps / 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("first_bad", [0, 4, 99])
def test_divergence_ends_the_run_at_once(bad, first_bad):
    problem = toy(target=lambda step: torch.tensor(bad if step >= first_bad else 0.0))
    with pytest.raises(DivergedError) as error:
        svi.fit(problem, training(steps=100, learning_rate=0.25), "toy 3")
    message = str(error.value)
    assert message.startswith(f"toy 3: step {first_bad + 1}: the ELBO is {-bad}: ")
    assert "lower learning_rate (now 0.25) in params.yaml" in message
    assert "\n" not in message


def test_an_elbo_that_collapses_ends_the_run_although_it_is_finite():
    """Targets far away from step 7 on: the row of step 9 shows it."""
    problem = toy(target=lambda step: torch.tensor(1e3 if step >= 6 else 0.0))
    with pytest.raises(DivergedError) as error:
        svi.fit(problem, training(steps=100), "toy 3")
    message = str(error.value)
    assert message.startswith("toy 3: step 9: the ELBO has fallen from -0.")
    assert "in params.yaml, or set clip_norm" in message


def test_an_elbo_that_falls_a_little_is_no_divergence():
    svi.fit(toy(target=lambda step: torch.tensor(3.0 if step >= 6 else 0.0)), training(steps=20), "toy")


@pytest.mark.parametrize(("longest", "clipped"), [(0.0, False), (0.1, True), (1e6, False)])
def test_long_gradients_are_scaled_to_the_limit(longest, clipped):
    """Adam's first mean is a tenth of the gradient; the limit is per datum, the gradient a sum over all."""
    tensors = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)]
    gradient = [torch.tensor([3.0, 0.0]), torch.tensor([4.0])]  # of length 5
    for tensor, part in zip(tensors, gradient, strict=True):
        tensor.grad = part.clone()
    state = State({}, tensors, training(clip_norm=longest), SIZE)
    state.descend(torch.tensor(0.0))
    factor = longest * SIZE / 5 if clipped else 1.0
    for tensor, part in zip(tensors, gradient, strict=True):
        torch.testing.assert_close(state.optimizer.state[tensor]["exp_avg"], 0.1 * factor * part)


def test_validation_alone_is_without_dropout_and_gradients():
    problem = toy()
    problem = replace(problem, validation=lambda: problem.model(torch.tensor(0.0)))
    problem.model.eval()  # the loop has to switch dropout on
    svi.fit(problem, training(steps=5, validate_every=2), "toy")
    step, validation = (True, True), (False, False)
    assert problem.model.modes == [step, step, validation, step, step, validation, step, validation]


def test_expected_log_likelihood_is_minus_the_cross_entropy_at_a_point(problem):
    made = problem("bnn", network="mlp", inference="map")
    images, labels = torch.rand(6, 784), torch.arange(6)
    found = svi.expected_log_likelihood(made.model, made.guide, images, labels)
    x = images
    for layer in ("0", "2", "4"):
        x = F.linear(x, made.guide.loc[f"network_{layer}_weight"], made.guide.loc[f"network_{layer}_bias"])
        x = x if layer == "4" else x.relu()
    assert found == pytest.approx(-F.cross_entropy(x, labels).item(), rel=1e-5)
