"""Priors of weights: against SciPy, scaled by layer, learned, and averaged over dropout's masks."""

import itertools

import numpy as np
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from scipy import stats
from torch import nn
from torch.distributions import kl_divergence

from stages.inference.bnn import MeanELBO
from stages.inference.loop import svi
from stages.models import bnn, weight_priors
from stages.models.networks import lenet
from tests import tiny

SDS = {"weight_sd": 0.3, "bias_sd": 1.5, "narrow_sd": 0.01, "narrow_share": 0.25}
ONE = torch.tensor(1.0)


def prior(family, scale="constant"):
    return weight_priors.Params(family=family, scale=scale, **SDS)


@pytest.mark.parametrize(("name", "sd"), [("weight", 0.3), ("bias", 1.5)])
@pytest.mark.parametrize("factor", [1.0, 0.2])
def test_log_density_is_that_of_scipy(name, sd, factor):
    w = torch.tensor([[0.0, 0.001, -0.02], [0.1, -0.5, 1.0]])
    wide = stats.norm.pdf(w.numpy(), scale=factor * sd)
    mixture = 0.25 * stats.norm.pdf(w.numpy(), scale=factor * 0.01) + 0.75 * wide
    for family, density in (("normal", wide), ("scale_mixture", mixture)):
        found = weight_priors.prior(prior(family), name, w.shape, torch.tensor(factor)).log_prob(w)
        assert found.item() == pytest.approx(np.log(density).sum(), rel=1e-5)


@pytest.mark.parametrize("family", ["normal", "scale_mixture"])
def test_draws_have_the_moments_of_the_density(family):
    torch.manual_seed(0)
    draws = weight_priors.prior(prior(family), "weight", torch.Size([200_000]), ONE).sample()
    variance = 0.3**2 if family == "normal" else 0.25 * 0.01**2 + 0.75 * 0.3**2
    assert draws.mean().item() == pytest.approx(0, abs=5 * (variance / 200_000) ** 0.5)
    assert draws.var().item() == pytest.approx(variance, rel=0.02)


INPUTS = {"network.1": 25, "network.4": 16 * 25, "network.8": 512, "network.10": 128}  # of a unit of the LeNet


def sds(model):
    """The prior sds of all sites of a network."""
    trace = poutine.trace(model).get_trace(torch.rand(2, 784))
    return {
        name: node["fn"].base_dist.scale.unique().item()
        for name, node in trace.nodes.items()
        if name.startswith("network.")
    }


@pytest.mark.parametrize("scale", ["constant", "fan_in", "learned"])
def test_every_weight_has_the_sd_of_its_layer(scale):
    model = bnn.Model(lenet(), prior("normal", scale), learned_priors=int(scale == "learned"))
    wanted = {
        f"{layer}.{name}": sd if name == "bias" or scale == "constant" else sd / inputs**0.5
        for layer, inputs in INPUTS.items()
        for name, sd in (("weight", 0.3), ("bias", 1.5))
    }
    assert sds(model) == pytest.approx(wanted)


def test_a_units_variance_does_not_depend_on_its_inputs():
    """With inputs of mean square 1, a prior scaled by fan-in gives the variance weight_sd^2 + bias_sd^2."""
    torch.manual_seed(0)
    for inputs in (10, 1000):
        model = bnn.Model(nn.Linear(inputs, 2000), prior("normal", "fan_in"))
        drawn = model(torch.ones(1, inputs))
        assert drawn.var().item() == pytest.approx(0.3**2 + 1.5**2, rel=0.15)


def test_a_learned_scale_moves_towards_that_of_the_weights():
    """Given q(w), the best prior sd of a weight is the root of E_q[w^2], and its KL has a closed form."""
    torch.manual_seed(0)
    model, guide = tiny.build(
        "bnn", inference="mean_field", network="mlp", initial_sd=0.05, prior=prior("normal", "learned")
    )
    optimiser = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=300)
    x, y = torch.rand(3, 784), torch.tensor([0, 1, 2])

    def closure():
        optimiser.zero_grad()
        torch.manual_seed(0)
        loss = TraceMeanField_ELBO().differentiable_loss(model, guide, x, y)
        loss.backward()
        return loss

    for _ in range(5):
        optimiser.step(closure)
    trace = poutine.trace(model).get_trace(x)
    for site in guide.sites:
        believed, q = trace.nodes[site]["fn"], guide.q(site)
        square, ratio = q.mean.square() + q.variance, q.mean.square() / q.variance
        torch.testing.assert_close(believed.base_dist.scale, square.sqrt(), rtol=2e-3, atol=0.0)
        torch.testing.assert_close(kl_divergence(q, believed), ratio.log1p().sum() / 2, rtol=1e-4, atol=0.0)


def test_members_of_an_ensemble_learn_priors_of_their_own():
    """The gradient of each member's factors is that of its own negative ELBO, divided by the number of members."""
    section = {"network": "mlp", "initial_sd": 0.05, "prior": prior("normal", "learned")}
    torch.manual_seed(0)
    model, guide = tiny.build("bnn", inference="ensemble", member="mean_field", members=2, **section)
    members = [svi.elbo(TraceMeanField_ELBO(), model, alone) for alone in guide.members]
    x, y = torch.rand(3, 784), torch.tensor([0, 1, 2])
    MeanELBO(model, members)((x, y), (x, y)).backward()
    for place, alone in enumerate(members):
        together = {name: factor.grad.clone() for name, factor in model.log_factors.items()}
        model.zero_grad()
        model.member = place
        alone(x, y).backward()
        for name, factor in model.log_factors.items():
            torch.testing.assert_close(factor.grad[place] / 2, together[name][place])
            assert (factor.grad[1 - place] == 0).all() and (factor.grad[place] != 0).any()
            factor.grad = together[name]


@pytest.mark.parametrize("family", ["normal", "scale_mixture"])
@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_masked_weights_have_the_mean_log_density_over_masks(family, rate):
    """By brute force over all masks of three weights."""
    base, loc = weight_priors.prior(prior(family), "weight", torch.Size([3]), ONE), torch.tensor([0.2, -0.7, 0.01])
    wanted = 0.0
    for mask in itertools.product((0.0, 1.0), repeat=3):
        share = (1 - rate) ** sum(mask) * rate ** (3 - sum(mask))
        wanted += share * base.log_prob(torch.tensor(mask) * loc / (1 - rate)).item()
    assert weight_priors.Masked(base, rate).log_prob(loc).item() == pytest.approx(wanted, rel=1e-5)


def test_dropout_shrinks_weights_behind_a_mask_more():
    """|loc|^2 / (2 sd^2 (1 - p)) for those of dense layers behind dropout, |loc|^2 / (2 sd^2) for all others."""
    model, guide = tiny.build(
        "bnn", inference="mc_dropout", network="lenet", dropout=0.4, prior=prior("normal", "fan_in")
    )
    assert bnn.masked(model.network) == {"10": 0.2, "13": 0.4}
    trace = poutine.trace(poutine.replay(model, poutine.trace(guide).get_trace(torch.rand(2, 784))))
    sites = trace.get_trace(torch.rand(2, 784)).nodes
    for layer, rate in (("network.1", 0), ("network.5", 0), ("network.10", 0.2), ("network.13", 0.4)):
        for name in ("weight", "bias"):
            site = sites[f"{layer}.{name}"]
            share = 1 - rate if name == "weight" else 1.0
            sd = 1.5 if name == "bias" else 0.3 / site["value"][0].numel() ** 0.5
            loc = site["value"].detach().clone().requires_grad_()
            site["fn"].log_prob(loc).backward()
            torch.testing.assert_close(loc.grad, -loc.detach() / (sd**2 * share))


@pytest.mark.parametrize("kl_weight", [1.0, 0.5])
def test_tempering_is_said(kl_weight, capsys):
    tiny.build("bnn", kl_weight=kl_weight)
    said = capsys.readouterr().out
    assert said == (
        "" if kl_weight == 1 else "bnn.kl_weight = 0.5: a tempered posterior, not the posterior of the model\n"
    )
