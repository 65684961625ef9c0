"""The posterior predictive of a tiny network, against loops over the networks that the guide draws."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.nn import PyroModule

from stages.predictive.classifier import class_probabilities, cumulative, prior_probabilities

PIXELS = torch.tensor([[0, 51, 255], [255, 0, 0], [10, 20, 30], [204, 102, 0], [0, 0, 0]], dtype=torch.uint8)
NETWORKS = [5 * torch.randn(3, 4, generator=torch.Generator().manual_seed(i)) for i in range(6)]


class Model(PyroModule):
    """Logits from three pixels; four classes."""

    def forward(self, images, labels=None):
        weight = pyro.sample("weight", dist.Normal(torch.zeros(3, 4), 1.0).to_event())
        logits = images @ weight
        with pyro.plate("data", len(images)):
            pyro.sample("label", dist.Categorical(logits=logits), obs=labels)
        return logits


class Listed(PyroModule):
    """Draws the networks of a list, one after the other."""

    def __init__(self, networks):
        super().__init__()
        self.networks = iter(networks)

    def forward(self, images, labels=None):
        pyro.sample("weight", dist.Delta(next(self.networks), event_dim=2))


class Coin(PyroModule):
    """Draws the first of two networks with probability 0.3, else the second."""

    def forward(self, images, labels=None):
        chosen = NETWORKS[0] if torch.rand(()) < 0.3 else NETWORKS[1]
        pyro.sample("weight", dist.Delta(chosen, event_dim=2))


def softmax(weight):
    """Probabilities of one network for all images, in float64 and by loops."""
    rows = []
    for image in PIXELS.tolist():
        logits = [sum(image[i] / 255 * float(weight[i, c]) for i in range(3)) for c in range(4)]
        total = sum(math.exp(logit) for logit in logits)
        rows.append([math.exp(logit) / total for logit in logits])
    return np.array(rows)


def entropy(p):
    return np.array([-sum(q * math.log(q) for q in row) for row in p])


@pytest.mark.parametrize("batch_size", [1, 2, 5, 1000])
def test_probabilities_and_entropies_are_means_over_networks(batch_size):
    """For any batch size, all images share all networks, and each network is drawn once."""
    found = class_probabilities(Model(), Listed(NETWORKS), PIXELS, samples=6, batch_size=batch_size)
    each = [softmax(weight) for weight in NETWORKS]
    np.testing.assert_allclose(found["probabilities"], np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(found["expected_entropy"], np.mean([entropy(p) for p in each], axis=0), atol=1e-6)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_guide_that_is_a_point_gives_a_plain_softmax(samples):
    found = class_probabilities(Model(), Listed(NETWORKS[:1] * samples), PIXELS, samples)
    np.testing.assert_allclose(found["probabilities"], softmax(NETWORKS[0]), atol=1e-6)
    np.testing.assert_allclose(found["expected_entropy"], entropy(softmax(NETWORKS[0])), atol=1e-6)


def test_probabilities_are_averaged_and_not_logits():
    """For the first pixel the networks' logits are (4, 0, 0, 0) and (-2, 0, 0, 0)."""
    networks = [torch.zeros(3, 4), torch.zeros(3, 4)]
    networks[0][0, 0], networks[1][0, 0] = 4.0, -2.0
    found = class_probabilities(Model(), Listed(networks), PIXELS[1:2], samples=2)["probabilities"][0, 0].item()
    of_probabilities = (math.e**4 / (math.e**4 + 3) + math.e**-2 / (math.e**-2 + 3)) / 2
    of_logits = math.e / (math.e + 3)
    assert found == pytest.approx(of_probabilities, abs=1e-6)
    assert abs(found - of_logits) > 0.01


def test_a_random_guide_is_averaged_by_its_probabilities():
    torch.manual_seed(0)
    samples, first, second = 1000, softmax(NETWORKS[0]), softmax(NETWORKS[1])
    found = class_probabilities(Model(), Coin(), PIXELS, samples)["probabilities"].numpy()
    standard_error = np.abs(first - second) * math.sqrt(0.3 * 0.7 / samples)
    assert (np.abs(found - (0.3 * first + 0.7 * second)) < 5 * standard_error + 1e-6).all()


def test_each_number_of_samples_averages_the_first_networks():
    found = cumulative(Model(), Listed(NETWORKS), PIXELS, (1, 2, 5))
    for p, count in zip(found.numpy(), (1, 2, 5), strict=True):
        np.testing.assert_allclose(p, np.mean([softmax(w) for w in NETWORKS[:count]], axis=0), atol=1e-6)


def test_networks_of_the_prior_are_drawn_for_all_images_together():
    """Each is drawn from the prior: the weights are the next draws of the generator."""
    torch.manual_seed(0)
    found = prior_probabilities(Model(), PIXELS, networks=3)
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = [poutine.trace(Model()).get_trace(PIXELS / 255).nodes["weight"]["value"] for _ in range(3)]
    np.testing.assert_allclose(found, [softmax(weight) for weight in drawn], atol=1e-6)
