"""What judges say of drawn digits, on models whose digits are known."""

import numpy as np
import pytest
import torch
from torch import nn

from stages import datasets
from stages.predictive import digits
from tests import tiny

PATTERNS = torch.randint(2, (10, 784), generator=torch.Generator().manual_seed(0)).float()  # one for each class


class Draws:
    """Draws the pattern of the class, moved by `move` classes, and with styles every other one in reverse."""

    latents = 2

    def __init__(self, move=0, styles=True):
        self.move, self.styles = move, styles
        self.parameter = nn.Parameter(torch.zeros(1))

    def parameters(self):
        return iter([self.parameter])

    def draw(self, z, y):
        x = PATTERNS[(y + self.move) % 10]
        x = torch.where((z[..., :1] > 0) & torch.tensor(self.styles), x.flip(-1), x)
        return x, 0.9 * x + 0.05


REAL = datasets.Images((255 * torch.cat([PATTERNS, PATTERNS.flip(-1)])).byte(), torch.arange(20) % 10)


class Judge(nn.Module):
    """Knows patterns and their reverse: they have the largest product with the image."""

    def forward(self, x):
        return torch.maximum(x @ PATTERNS.T, x @ PATTERNS.flip(-1).T)


def settings(steps):
    made = tiny.settings(judge={"batch_size": 40, "learning_rate": 0.003, "dropout": 0.0})
    ssvae = made.evaluate.ssvae.model_copy(
        update={"student_steps": steps, "binarisations": 1, "drawn_per_class": 4}
    )
    return made.model_copy(update={"evaluate": made.evaluate.model_copy(update={"ssvae": ssvae})})


@pytest.mark.parametrize(("move", "share"), [(0, 1.0), (1, 0.0)])
def test_what_is_drawn_is_recognised(monkeypatch, move, share):
    """And real digits always are. Prototypes have no deviation, real digits have some."""
    torch.manual_seed(0)
    monkeypatch.setattr(datasets, "load", lambda *_: REAL)
    monkeypatch.setattr(digits, "NEIGHBOURS", 1)
    binary = REAL.pixels / 255.0
    found = digits.on_demand(settings(1), Draws(move, styles=False), Judge(), REAL, binary)
    drawn, real = found["drawn"], found["real"]
    assert np.bincount(drawn["labels"]).tolist() == [4] * 10
    for name in ("neighbours", "lenet", "lenet_means"):
        assert (drawn[name] == drawn["labels"]).mean() == share, name
    assert (real["lenet"] == real["labels"]).all()
    assert np.abs(drawn["deviation"]).max() < 1e-6
    assert (found["real_variety"]["deviation"] > 1).all()
    assert np.array_equal(found["real_variety"]["labels"], REAL.labels)
    assert found["digits"]["pixels"].shape == found["digits"]["means"].shape == (40, 784)


def test_copies_have_no_distance_and_blurred_ones_some():
    nearest = digits.neighbours(REAL)
    copies = digits.variety(REAL.pixels.numpy() / 255.0, REAL.labels.numpy(), nearest)
    assert np.abs(copies["distance"]).max() < 1e-3
    blurred = digits.variety(0.9 * REAL.pixels.numpy() / 255.0 + 0.05, REAL.labels.numpy(), nearest)
    np.testing.assert_allclose(blurred["distance"], 0.05 * 28, rtol=1e-4)


def test_mean_deviation_is_the_variance_within_a_class():
    random = np.random.default_rng(0)
    grey, labels = random.random((12, 784)), np.arange(12) % 3
    found = digits.variety(grey, labels, digits.neighbours(tiny.images(20)))
    for label in range(3):
        variance = grey[labels == label].var(axis=0, ddof=1).sum()
        assert found["deviation"][labels == label].mean() == pytest.approx(variance, rel=1e-5)


def test_distance_is_that_of_brute_force():
    grey, training = np.random.default_rng(0).random((5, 784)), tiny.images(20)
    found = digits.variety(grey, np.arange(5), digits.neighbours(training))
    apart = grey[:, None] - training.pixels.numpy()[None] / 255.0
    np.testing.assert_allclose(found["distance"], np.linalg.norm(apart, axis=-1).min(axis=1), rtol=1e-5)


@pytest.mark.parametrize(("move", "learned"), [(0, True), (3, False)])
def test_a_student_learns_what_is_drawn(move, learned):
    """Right digits teach the classes of real ones; digits of other classes do not."""
    torch.manual_seed(0)
    answers = digits.student(digits.drawing(Draws(move)), settings(60), REAL.pixels).argmax(-1)
    expected = REAL.labels if learned else (REAL.labels - move) % 10
    assert torch.equal(answers, expected)


def test_a_student_of_real_digits_learns_them():
    torch.manual_seed(0)
    answers = digits.student(digits.choosing(REAL), settings(60), REAL.pixels).argmax(-1)
    assert torch.equal(answers, REAL.labels)
