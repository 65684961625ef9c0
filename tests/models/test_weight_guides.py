"""Predictions of networks drawn from each guide, against exact results."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pyro.infer import TraceMeanField_ELBO
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from stages.inference.loop import svi
from stages.models import bnn, weight_priors
from stages.models.weight_guides import (
    EnsembleGuide,
    FullCovarianceGuide,
    LaplaceGuide,
    MeanFieldGuide,
    PointGuide,
)
from stages.predictive.classifier import class_probabilities

PRIOR = weight_priors.isotropic(1.0)
SAMPLES = 10_000
PIXELS = torch.randint(256, (6, 784), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
X = (PIXELS / 255).double()


def made(guide_class, network, *options):
    """A model and a guide for two classes, with random parameters of the guide."""
    torch.manual_seed(0)
    weights = {f"network.{name}": value for name, value in network.named_parameters()}
    guide = guide_class(weights, *options)
    with torch.no_grad():
        for name, value in guide.state_dict().items():
            if "loc" in name:
                value.mul_(3)
            elif "rho" in name:
                value.add_(torch.rand_like(value))
            else:  # a Cholesky factor, or its parameters
                value.copy_((0.3 * torch.randn_like(value)).tril())
    return bnn.Model(network, PRIOR), guide


def mean_sigmoid(mean, variance):
    """E[sigmoid(f)] for f ~ Normal(mean, variance), both (n,), by Gauss-Hermite quadrature."""
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    f = mean[:, None] + np.sqrt(variance)[:, None] * points
    return (1 / (1 + np.exp(-f))) @ weights / weights.sum()


def check(model, guide, mean, variance):
    """The predictive of two classes depends on the difference of the logits, which is normal."""
    found = class_probabilities(model, guide, PIXELS, SAMPLES)["probabilities"][:, 1].numpy()
    wanted = mean_sigmoid(mean.numpy(), variance.numpy())
    assert np.abs(found - wanted).max() < 5 * 0.5 / SAMPLES**0.5
    plugged_in = 1 / (1 + np.exp(-mean.numpy()))
    assert np.abs(wanted - plugged_in).max() > 0.05  # the variance matters here


def test_mean_field():
    network = nn.Sequential(nn.Linear(784, 2))
    model, guide = made(MeanFieldGuide, network, 0.1)
    w, b = (guide.loc[f"network_0_{name}"].detach().double() for name in ("weight", "bias"))
    sw, sb = (F.softplus(guide.rho[f"network_0_{name}"]).detach().double() for name in ("weight", "bias"))
    mean = X @ (w[1] - w[0]) + b[1] - b[0]
    check(model, guide, mean, X.square() @ (sw[0] ** 2 + sw[1] ** 2) + (sb**2).sum())


def scale_tril(guide):
    """The Cholesky factor of a full covariance, from the guide's parameters."""
    unit = torch.eye(guide.size) + torch.tensor(np.tril(guide.lower.detach().numpy(), -1)) / guide.size**0.5
    return F.softplus(guide.rho.detach())[:, None] * unit


@pytest.mark.parametrize(("guide_class", "options"), [(FullCovarianceGuide, (1.0,)), (LaplaceGuide, ())])
def test_last_layer(guide_class, options):
    network = nn.Sequential(nn.Linear(784, 3), nn.ReLU(), nn.Linear(3, 2))
    model, guide = made(guide_class, network, *options)
    loc = {name: value.detach().double() for name, value in guide.loc.items()}
    hidden = F.linear(X, loc["network_0_weight"], loc["network_0_bias"]).relu()
    factor = (guide.scale_tril if guide_class is LaplaceGuide else scale_tril(guide)).double()
    # the difference of the logits as a linear function of (weights row by row, biases)
    one = torch.ones(len(X), 1).double()
    design = torch.cat([-hidden, hidden, -one, one], dim=1)
    last = torch.cat([loc["network_2_weight"].flatten(), loc["network_2_bias"]])
    check(model, guide, design @ last, (design @ factor).square().sum(dim=1))


@pytest.mark.parametrize("kl_weight", [1.0, 0.3])
def test_elbo_of_a_full_covariance_has_the_kl_of_its_normal(kl_weight):
    """Logits are set to 0, so the negative ELBO is the KL term, the points' prior density, and a constant."""
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2), nn.Threshold(np.inf, 0.0))
    _, guide = made(FullCovarianceGuide, network, 0.5, kl_weight)
    objective = svi.elbo(TraceMeanField_ELBO(), bnn.Model(network, PRIOR, kl_weight).double(), guide.double())
    losses = torch.stack(
        [objective(torch.rand(5, 4).double(), torch.zeros(5).long()) for _ in range(4000)]
    ).detach()

    q = MultivariateNormal(guide.last_loc().detach(), scale_tril=scale_tril(guide))
    prior = MultivariateNormal(torch.zeros(8).double(), torch.eye(8).double())
    points = torch.cat([guide.loc[f"network_0_{name}"].detach().flatten() for name in ("weight", "bias")])
    density = Normal(0.0, 1.0).log_prob(points).sum()
    wanted = kl_weight * (kl_divergence(q, prior) - density) + 5 * np.log(2)
    assert losses.std() > 0.01  # the expectation under the prior is estimated
    assert abs(losses.mean() - wanted) < 5 * losses.std() / len(losses) ** 0.5


def test_ensemble_is_the_mean_over_its_members():
    """For any number of rounds of its members."""
    networks = [nn.Sequential(nn.Linear(784, 4)) for _ in range(3)]
    guides = [made(PointGuide, network)[1] for network in networks]
    wanted, wanted_entropy = 0.0, 0.0
    for guide in guides:
        p = F.linear(X, *(guide.loc[f"network_0_{name}"].double() for name in ("weight", "bias"))).softmax(-1)
        wanted, wanted_entropy = wanted + p / 3, wanted_entropy - (p * p.log()).sum(-1) / 3
    for rounds in (1, 4):
        model = bnn.Model(nn.Sequential(nn.Linear(784, 4)), PRIOR)
        found = class_probabilities(model, EnsembleGuide(guides), PIXELS, 3 * rounds)
        torch.testing.assert_close(found["probabilities"].double(), wanted.detach(), rtol=0, atol=1e-5)
        torch.testing.assert_close(found["expected_entropy"].double(), wanted_entropy.detach(), rtol=0, atol=1e-5)


def test_members_start_apart(monkeypatch):
    from tests import tiny

    _, guide = tiny.build("bnn", inference="ensemble", member="map", members=3, network="mlp")
    first, second, third = (member.loc["network_0_weight"] for member in guide.members)
    assert not torch.equal(first, second) and not torch.equal(second, third)
