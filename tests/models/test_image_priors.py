"""The learned priors against torch's mixture, which computes the distance to every component one by one."""

import math

import pyro
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from stages.models.image_priors import LearnedMixture, NormalMixture, VampPrior
from tests import tiny

K, D = 7, 3


@pytest.fixture
def parts():
    generator = torch.Generator().manual_seed(0)
    logits, loc = torch.randn(K, generator=generator), 2 * torch.randn(K, D, generator=generator)
    return logits.double(), loc.double(), (0.2 + torch.rand(K, D, generator=generator)).double()


def brute_force(logits, loc, scale):
    return MixtureSameFamily(Categorical(logits=logits), Independent(Normal(loc, scale), 1))


@pytest.mark.parametrize("shape", [(), (5,), (4, 5)])
def test_density_is_that_of_each_component_in_turn(parts, shape):
    z = 3 * torch.randn(*shape, D, dtype=torch.float64)
    found = NormalMixture(*parts).log_prob(z)
    assert found.shape == shape
    torch.testing.assert_close(found, brute_force(*parts).log_prob(z))


def test_gradients_of_the_density_are_those_of_each_component_in_turn(parts):
    z = torch.randn(5, D, dtype=torch.float64)
    gradients = []
    for mixture in (NormalMixture, brute_force):
        inputs = [part.clone().requires_grad_() for part in (*parts, z)]
        value = mixture(*inputs[:3]).log_prob(inputs[3]).sum()
        gradients.append(torch.autograd.grad(value, inputs))
    torch.testing.assert_close(*gradients)


def test_single_precision_is_enough_for_the_size_of_a_latent_space():
    """Two large products are subtracted: with narrow components this is where digits are lost."""
    torch.manual_seed(0)
    loc, scale, z = 2 * torch.randn(500, 40), 0.1 + torch.rand(500, 40), 2 * torch.randn(64, 40)
    logits = torch.randn(500)
    exact = brute_force(logits.double(), loc.double(), scale.double()).log_prob(z.double())
    assert (NormalMixture(logits, loc, scale).log_prob(z) - exact).abs().max() < 0.02


def test_draws_have_the_moments_of_the_mixture(parts):
    torch.manual_seed(0)
    n = 200_000
    draws, exact = NormalMixture(*parts).sample((n,)), brute_force(*parts)
    assert draws.shape == (n, D)
    error = exact.variance.sqrt() / math.sqrt(n)
    assert ((draws.mean(0) - exact.mean).abs() < 5 * error).all()
    torch.testing.assert_close(draws.var(0), exact.variance, rtol=0.03, atol=0)


def test_plates_ask_for_as_many_draws_as_they_have_places(parts):
    mixture = NormalMixture(*parts)
    with pyro.validation_enabled(), pyro.plate("particles", 4, dim=-2), pyro.plate("data", 6):
        z = pyro.sample("z", mixture)
    assert z.shape == (4, 6, D)
    assert len(z.reshape(-1, D).unique(dim=0)) == 24
    wide = mixture.expand((4, 6))
    assert wide.batch_shape == (4, 6) and wide.event_shape == (D,)
    assert torch.equal(wide.log_prob(z), mixture.log_prob(z))


def test_learned_mixture_starts_as_the_mixture_of_its_parameters():
    prior = LearnedMixture(K, D)
    found = prior()
    torch.testing.assert_close(found.logits, torch.zeros(K))
    assert found.loc is prior.loc and (found.scale > 0).all()


def test_vamp_prior_is_the_average_posterior_of_its_pseudo_inputs():
    model, guide = tiny.build("vae", prior="vamp", components=K)
    with torch.no_grad():
        model.prior.logits.copy_(torch.arange(K))
        pseudo = model.prior.pseudo_inputs.sigmoid()
        z = torch.randn(5, model.latents)
        each = torch.stack([guide.q(u.unsqueeze(0)).log_prob(z).sum(-1) for u in pseudo])  # (K, 5)
        weights = torch.arange(float(K)).softmax(0)
        torch.testing.assert_close(model.prior().log_prob(z), (weights @ each.double().exp().float()).log())


def test_vamp_prior_learns_the_encoder_but_does_not_own_it():
    model, guide = tiny.build("vae", prior="vamp", components=K)
    names = [name for name, _ in model.named_parameters()]
    assert not any("encode" in name for name in names)
    model.prior().log_prob(torch.zeros(1, model.latents)).sum().backward()
    assert guide.encoder[0].linear.weight.grad.abs().sum() > 0
    assert isinstance(model.prior, VampPrior)
