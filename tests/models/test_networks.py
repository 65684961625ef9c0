"""Networks, and dropout as a distribution over them."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages.models import bnn, weight_priors
from stages.models.networks import NETWORKS, Dropout
from stages.models.weight_guides import PointGuide
from stages.predictive.classifier import class_probabilities


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_every_network_classifies_images(name, width, dropout):
    network = NETWORKS[name](width, dropout)
    assert network(torch.rand(3, 784)).shape == (3, 10)
    rates = [layer.rate for layer in network if isinstance(layer, Dropout)]
    assert rates == ([] if dropout == 0 else list((0.08, 0.2, 0.4)[-len(rates) :]))
    assert dropout == 0 or rates


def test_numbers_of_parameters():
    """By hand: filters and units times inputs, plus biases."""
    counts = {name: sum(p.numel() for p in make().parameters()) for name, make in NETWORKS.items()}
    lenet = 16 * 25 + 16 + 32 * 16 * 25 + 32 + 512 * 128 + 128 + 128 * 10 + 10
    assert counts == {"lenet": lenet, "mlp": 784 * 400 + 400 + 400 * 400 + 400 + 400 * 10 + 10}


def test_dropout_stays_on_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = Dropout(0.3).eval()
    found = layer(torch.ones(200_000))
    assert found.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert found.mean().item() == pytest.approx(1, abs=5 * (0.3 / 0.7 / 200_000) ** 0.5)


def test_predictive_of_dropout_is_the_mean_over_all_subsets_of_units():
    """Brute force: three hidden units are on or off, eight networks, each with its probability."""
    torch.manual_seed(0)
    rate, pixels = 0.4, torch.randint(256, (5, 784), dtype=torch.uint8)
    network = nn.Sequential(nn.Linear(784, 3), nn.ReLU(), Dropout(rate), nn.Linear(3, 10))
    with torch.no_grad():
        network[3].weight.mul_(10)
    weights = {f"network.{name}": value.detach().clone() for name, value in network.named_parameters()}
    w = list(weights.values())
    hidden = F.linear(pixels / 255, w[0], w[1]).relu()
    wanted, wanted_entropy = 0.0, 0.0
    for on in itertools.product([0.0, 1.0], repeat=3):
        kept = torch.tensor(on)
        chance = (1 - rate) ** float(kept.sum()) * rate ** float(3 - kept.sum())
        p = F.linear(hidden * kept / (1 - rate), w[2], w[3]).softmax(-1)
        wanted, wanted_entropy = wanted + chance * p, wanted_entropy - chance * (p * p.log()).sum(-1)
    model, guide = bnn.Model(network, weight_priors.isotropic(1.0)), PointGuide(weights)
    model.eval()
    samples = 5_000
    found = class_probabilities(model, guide, pixels, samples)
    assert (found["probabilities"] - wanted).abs().max() < 5 * 0.5 / samples**0.5
    assert (found["expected_entropy"] - wanted_entropy).abs().max() < 5 * 1.2 / samples**0.5
    assert (wanted - p).abs().max() > 0.1  # the network without dropout predicts something else
