"""The loss of a Bayesian neural network under its priors: the KL term is counted once, with its weight."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from stages.models import weight_priors
from tests.models.test_weight_priors import ONE, SDS, prior


@pytest.mark.parametrize("kl_weight", [1.0, 0.3, 2.0])
def test_loss_is_cross_entropy_and_weighted_kl(problem, kl_weight):
    """The KL term in closed form; the cross entropy by the loss of another weight, with the same noise."""
    section = {"network": "mlp", "inference": "mean_field", "initial_sd": 0.1, "prior": prior("normal")}

    def loss(weight):
        made = problem("bnn", kl_weight=weight, **section)
        torch.manual_seed(3)
        with made.context():
            return made.objective(*made.batch(0)).item(), made.guide

    guide = loss(1.0)[1]
    kl = sum(
        kl_divergence(
            guide.q(site).base_dist,
            Normal(torch.tensor(0.0), SDS["bias_sd"] if site.endswith("bias") else SDS["weight_sd"]),
        ).sum()
        for site in guide.sites
    )
    difference = loss(kl_weight)[0] - loss(4.0)[0]
    assert difference == pytest.approx((kl_weight - 4.0) * kl.item(), rel=1e-4)


def test_loss_under_a_scale_mixture_is_right_on_average(problem):
    """It has no closed-form KL: one draw of each weight estimates it."""
    section = {"network": "mlp", "inference": "mean_field", "initial_sd": 0.1}
    losses = {}
    for family in ("normal", "scale_mixture"):
        made = problem("bnn", prior=prior(family), **section)
        torch.manual_seed(3)
        with made.context(), torch.no_grad():
            losses[family] = np.array([made.objective(*made.batch(0)).item() for _ in range(30)])
        guide = made.guide
    torch.manual_seed(4)
    difference = 0.0
    for site in guide.sites:
        w = guide.q(site).sample((100,))
        name = site.rpartition(".")[2]
        densities = [
            weight_priors.prior(prior(f), name, w.shape, ONE).log_prob(w).item() / 100
            for f in ("normal", "scale_mixture")
        ]
        difference += densities[0] - densities[1]
    found = losses["scale_mixture"] - losses["normal"]
    error = found.std() / len(found) ** 0.5
    assert error < 0.01 * abs(difference)
    assert found.mean() == pytest.approx(difference, abs=4 * error)
