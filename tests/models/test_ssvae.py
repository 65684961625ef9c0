"""M1+M2 draws features that depend on class and style, and decodes those."""

import pytest
import torch

from stages.models import ssvae
from stages.models.vae import normal
from stages.predictive import ssvae as predictive
from tests import tiny

DRAWS = 20_000


@pytest.fixture(params=["m2", "m1_m2"])
def parts(request):
    """Model and guide in which class and style matter."""
    torch.manual_seed(0)
    made = ssvae.build(tiny.settings(ssvae={"stack": request.param, "latents": 3, "features": 4}).ssvae)
    for part in made:
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=1.0)
    return made


@torch.no_grad()
def test_features_are_drawn_from_their_prior_given_style_and_class():
    torch.manual_seed(0)
    model = ssvae.StackedModel(tiny.settings(ssvae={"latents": 3, "features": 4}).ssvae)
    model.feature_prior.label.weight.normal_()
    model.decoder = torch.nn.Identity()  # so that the log odds are the features
    z, classes = torch.randn(3), torch.tensor([2, 7])
    prior = normal(model.feature_prior(z, classes))
    found = model.logits(z.expand(DRAWS, 1, 3), classes)
    noise = 5 * prior.stddev / DRAWS**0.5
    assert ((found.mean(0) - prior.mean).abs() < noise).all()
    assert ((found.std(0) - prior.stddev).abs() < noise).all()
    assert (prior.mean[0] - prior.mean[1]).abs().max() > 10 * noise.max()  # another class would be noticed
    assert torch.equal(model.mean_logits(z, classes), prior.mean)


@torch.no_grad()
def test_pixels_are_drawn_with_their_probabilities_and_depend_on_class_and_style(parts):
    model, _ = parts
    z, y = torch.randn(2, 3), torch.tensor([[1], [5]])
    pixels, probabilities = model.draw(z.expand(DRAWS // 10, 1, 2, 3), y)
    assert pixels.shape == probabilities.shape == (DRAWS // 10, 2, 2, ssvae.PIXELS)
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    mean, expected = pixels.mean(0), probabilities.mean(0)
    assert (mean - expected).abs().max() < 6 * 0.5 / (DRAWS // 10) ** 0.5
    assert (expected[0] - expected[1]).abs().max() > 0.1  # of another class
    assert (expected[:, 0] - expected[:, 1]).abs().max() > 0.1  # of another style


@torch.no_grad()
def test_style_is_the_mean_of_its_posterior(parts):
    _, guide = parts
    x, y = (torch.rand(5, ssvae.PIXELS) < 0.3).float(), torch.arange(5)
    stacked = isinstance(guide, ssvae.StackedGuide)
    read = normal(guide.feature_encoder(x)).mean if stacked else x
    assert torch.equal(guide.style(x, y), guide.q_z(read, y).mean)
    assert not torch.allclose(guide.style(x, y), guide.style(x, y.flip(0)))


@torch.no_grad()
def test_plane_varies_the_two_styles_that_differ_most_between_digits(parts, monkeypatch):
    _, guide = parts
    styles = torch.randn(100, 3) * torch.tensor([1.0, 3.0, 2.0])
    monkeypatch.setattr(guide, "style", lambda x, y: styles)
    held_out = tiny.images(100)
    plane = predictive._plane(guide, held_out, held_out.pixels / 255)
    assert (plane[..., 0] == 0).all()
    assert (plane[..., 1] == plane[:1, :, 1]).all() and (plane[..., 2] == plane[:, :1, 2]).all()
    spread = torch.distributions.Normal(0.0, 1.0).cdf(plane[0, :, 1])  # as probable as each other
    torch.testing.assert_close(spread.diff(), torch.full((len(spread) - 1,), 1 / len(spread)))
