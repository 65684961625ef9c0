"""Statistics of foreign images, and likelihood regret where it is known."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from stages import complexity, datasets
from stages.models import vae as vae_model
from stages.predictive import foreign, likelihood, vae
from tests import tiny

OOD = tiny.settings().ood.model_copy(update={"binarisations": 3, "importance_samples": 4})
COLUMNS = ("iwae", "rate", "distortion", "latent_mean")


@pytest.fixture
def trained():
    torch.manual_seed(0)
    return tiny.build("vae")


def test_statistics_are_means_over_binary_draws(trained):
    model, guide = trained
    pixels = tiny.images(5).pixels
    torch.manual_seed(1)
    found = foreign.statistics(model, guide, pixels, OOD)
    torch.manual_seed(1)
    sums = dict.fromkeys((*COLUMNS, "mean_norm", "scale_norm", "code_length"), 0.0)
    for _ in range(3):
        x = datasets.binarise(pixels)
        of_draw = {name: value for name, value in likelihood.bounds(model, guide, x, 4).items() if name in COLUMNS}
        q = guide.q(x)
        of_draw["mean_norm"], of_draw["scale_norm"] = (
            (value.detach() ** 2).sum(dim=1).sqrt() for value in (q.loc, q.scale)
        )
        of_draw["code_length"] = torch.tensor(complexity.code_length(x.numpy()))
        sums = {name: sums[name] + of_draw[name] for name in sums}
    assert set(found) == {*sums, "grey_entropy"}
    for name, total in sums.items():
        np.testing.assert_allclose(found[name], total.numpy() / 3, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["grey_entropy"], complexity.grey_entropy(pixels.numpy()), rtol=1e-6)


def test_statistics_come_in_parts_of_any_size(trained, monkeypatch):
    pixels = (tiny.images(7).pixels > 127).to(torch.uint8) * 255  # binary: every draw is the same
    whole = foreign.statistics(*trained, pixels, OOD)
    monkeypatch.setattr(foreign, "IMAGES_AT_ONCE", 3)
    in_parts = foreign.statistics(*trained, pixels, OOD)
    for name in ("latent_mean", "mean_norm", "scale_norm", "code_length"):
        np.testing.assert_allclose(in_parts[name], whole[name], rtol=1e-5, atol=1e-6)


def blind(x):
    """A model whose images do not depend on z."""
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("x", dist.Bernoulli(logits=torch.zeros(1)).to_event(1), obs=x)


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (1.5, 1.0), (0.0, 0.3), (-1.0, 2.0)])
def test_regret_is_the_divergence_of_a_guide_where_the_data_say_nothing(loc, scale):
    """The best q is then the prior, and ELBOs differ by KL(q || p)."""

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.tensor([loc, 0.0]), torch.tensor([scale, 1.0])).to_event(1))

    ood = OOD.model_copy(update={"importance_samples": 5_000, "regret_steps": 200, "regret_learning_rate": 0.02})
    torch.manual_seed(0)
    found = foreign.regret(blind, guide, tiny.images(2).pixels[:, :1], ood)
    wanted = float(kl_divergence(Normal(loc, scale), Normal(0.0, 1.0)))
    np.testing.assert_allclose(found, [wanted, wanted], rtol=0.05, atol=0.06)


def test_regret_leaves_the_model_and_its_encoder_alone(trained):
    model, guide = trained
    before = [parameter.clone() for part in trained for parameter in part.parameters()]
    foreign.regret(model, guide, tiny.images(3).pixels, OOD.model_copy(update={"regret_steps": 3}))
    after = [parameter for part in trained for parameter in part.parameters()]
    assert all(torch.equal(old, new) and new.grad is None for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("levels", [1, 2])
def test_regret_starts_at_the_encoder(levels):
    """Without a step it is exactly zero: the same guide, the same random numbers."""
    torch.manual_seed(0)
    model, guide = tiny.build("vae", levels=levels)
    pixels = tiny.images(3).pixels
    assert (foreign.regret(model, guide, pixels, OOD.model_copy(update={"regret_steps": 0})) == 0).all()
    found = foreign.regret(model, guide, pixels, OOD.model_copy(update={"regret_steps": 30}))
    assert (found > 0).all()


@pytest.fixture
def two_levels():
    torch.manual_seed(0)
    return tiny.build("vae", levels=2)


def test_upper_level_alone_is_the_whole_guide_if_the_lower_one_encodes_nothing(two_levels):
    """The lower level's encoder is replaced by its prior."""
    model, guide = two_levels
    x, above = datasets.binarise(tiny.images(4).pixels), foreign.UpperLevel(model, guide)
    bounds = {}
    guide.lower_encoder.forward = lambda x, z2: model.lower_prior(z2)
    for name, of in (("whole", guide), ("above", above)):
        torch.manual_seed(2)
        bounds[name] = likelihood.bounds(model, of, x, 20)["iwae"]
    torch.testing.assert_close(bounds["whole"], bounds["above"])


def test_upper_level_alone_bounds_the_same_likelihood():
    """With enough samples any guide reaches log p(x); soonest if z and x say little of each other."""
    torch.manual_seed(0)
    model, guide = tiny.build("vae", levels=2, prior="normal")
    with torch.no_grad():
        for layer in (model.decoder.both[1], guide.encoder[-1], guide.lower_encoder.both[1]):
            layer.weight.mul_(0.2)
    x = datasets.binarise(tiny.images(2).pixels)
    torch.manual_seed(2)
    above = likelihood.bounds(model, foreign.UpperLevel(model, guide), x, 20_000)["iwae"]
    np.testing.assert_allclose(above, likelihood.bounds(model, guide, x, 20_000)["iwae"], atol=0.1)


def test_bound_from_the_upper_level_is_among_the_statistics_of_two_levels(trained, two_levels, monkeypatch):
    bounds, of = likelihood.bounds, {}

    def recorded(model, guide, x, samples):
        of[type(guide)] = bounds(model, guide, x, samples)
        return of[type(guide)]

    monkeypatch.setattr(likelihood, "bounds", recorded)
    pixels = tiny.images(2).pixels
    found = foreign.statistics(*two_levels, pixels, OOD.model_copy(update={"binarisations": 1}))
    assert {*of} == {vae_model.Guide, foreign.UpperLevel}
    np.testing.assert_allclose(found["iwae"], of[vae_model.Guide]["iwae"])
    np.testing.assert_allclose(found["iwae_above"], of[foreign.UpperLevel]["iwae"])
    assert "iwae_above" not in foreign.statistics(*trained, pixels, OOD)


def test_regret_is_of_the_first_images(trained):
    settings = tiny.settings(ood={"regret_images": 2, "regret_steps": 1, "importance_samples": 2})
    found = vae.ood_cases(settings, trained, tiny.images(5))["likelihood_regret"]
    assert np.isfinite(found[:2]).all() and np.isnan(found[2:]).all()
