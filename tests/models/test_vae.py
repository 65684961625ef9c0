"""Two levels, and pixels that depend on those before them: densities and draws, by brute force."""

import itertools

import pytest
import torch
from pyro import poutine
from torch.distributions import Bernoulli, Normal

from stages.models import vae
from tests import tiny

TWO = {"levels": 2, "prior": "mixture", "pixels": "independent", "gradient": "stl"}


@pytest.fixture
def short(monkeypatch):
    """Images of four pixels, all of which can be enumerated."""
    monkeypatch.setattr(vae, "PIXELS", 4)
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)))


def autoregressive(**section):
    torch.manual_seed(0)
    model, _ = tiny.build("vae", pixels="autoregressive", **section)
    with torch.no_grad():
        model.before.weight.normal_(0, 3)
    return model


def test_probabilities_of_all_images_sum_to_one(short):
    """Each pixel is given those before it, never itself or those after it."""
    model = autoregressive()
    logits = model.logits(torch.randn(model.latents), short)
    log_p = Bernoulli(logits=logits).log_prob(short).sum(-1)
    torch.testing.assert_close(log_p.exp().sum(), torch.tensor(1.0))


def test_drawn_images_are_as_frequent_as_probable(short):
    model = autoregressive()
    z = torch.randn(model.latents)
    p = Bernoulli(logits=model.logits(z, short)).log_prob(short).sum(-1).exp()
    n = 40_000
    torch.manual_seed(1)
    pixels, probabilities = model.draw(z.expand(n, -1))
    counts = torch.bincount((pixels @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long(), minlength=16)
    assert ((counts / n - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-9).all()
    torch.testing.assert_close(probabilities, model.logits(z, pixels).sigmoid())


def test_independent_pixels_have_the_probabilities_of_the_decoder():
    model, _ = tiny.build("vae", pixels="independent")
    z = vae.prior_draws(model, 5)
    pixels, probabilities = model.draw(z)
    torch.testing.assert_close(probabilities, model.decoder(z).sigmoid())
    assert set(pixels.unique().tolist()) <= {0.0, 1.0}


def test_densities_of_two_levels():
    model, guide = tiny.build("vae", **TWO)
    x = (torch.rand(6, 784) < 0.3).float()
    guide_trace = poutine.trace(guide).get_trace(x)
    model_trace = poutine.trace(poutine.replay(model, guide_trace)).get_trace(x)
    z2, z1 = (guide_trace.nodes[name]["value"] for name in ("z2", "z1"))

    def normal(outputs):
        loc, rho = outputs.chunk(2, dim=-1)
        return Normal(loc, torch.nn.functional.softplus(rho) + 1e-4)

    q = guide.q(x).log_prob(z2).sum() + normal(guide.lower_encoder(x, z2)).log_prob(z1).sum()
    p = model.prior().log_prob(z2).sum() + normal(model.lower_prior(z2)).log_prob(z1).sum()
    pixels = Bernoulli(logits=model.decoder(torch.cat([z2, z1], -1))).log_prob(x).sum()
    torch.testing.assert_close(guide_trace.log_prob_sum(), q)
    torch.testing.assert_close(model_trace.log_prob_sum(), p + pixels)


def test_draws_from_the_prior_go_through_both_levels():
    model, _ = tiny.build("vae", **TWO)
    with torch.no_grad():
        model.lower_prior[-1].weight.zero_()
        model.lower_prior[-1].bias.copy_(torch.tensor([5.0] * model.latents + [-20.0] * model.latents))
    torch.manual_seed(0)
    z = vae.prior_draws(model, 200)
    assert z.shape == (200, 2 * model.latents)
    assert (z[:, model.latents :] - 5.0).abs().max() < 0.01
    assert z[:, : model.latents].std() > 0.3
