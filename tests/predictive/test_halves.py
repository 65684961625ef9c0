"""Half-hidden digits, on a model whose answers are known in closed form, and against brute force."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli

from stages.models import ssvae
from stages.predictive import halves
from tests import tiny

IMAGES = 6
PARAMS = tiny.settings().evaluate.ssvae.halves.model_copy(
    update={"images": IMAGES, "steps": 5, "samples": 60, "learning_rate": 1e-4}
)
X = (tiny.images(IMAGES).pixels > 127).float()


@pytest.fixture(params=["m2", "m1_m2"])
def without_style(request):
    """Pixels that depend on the class alone, and a guide whose z and f are those of the prior."""
    torch.manual_seed(0)
    model, guide = tiny.build("ssvae", stack=request.param)
    one = math.log(math.expm1(1 - 1e-4))  # softplus(one) + 1e-4 = 1
    prior_like = [guide.encoder.outputs]
    if request.param == "m1_m2":  # features whose prior forgets the class carry nothing, so the class is not seen
        prior_like += [guide.feature_encoder[-1], model.feature_prior.outputs]
        decoder = model.decoder[-1]
        decoder.weight.data.zero_()
        decoder.bias.data = torch.randn(784)
    else:
        model.decoder.inputs.weight.data.zero_()
    for layer in prior_like:
        layer.weight.data.zero_()
        layer.bias.data = torch.cat(
            [torch.zeros(layer.out_features // 2), torch.full((layer.out_features // 2,), one)]
        )
    return model.eval(), guide.eval()


@torch.no_grad()
def exact(model):
    """log p(upper half, y) and log p(image, y), (images, 10)."""
    y = torch.arange(10)
    white = model.mean_logits(torch.zeros(10, model.latents), y)
    by_pixel = Bernoulli(logits=white).log_prob(X.unsqueeze(1))  # (images, 10, 784)
    return (by_pixel[..., part].sum(-1) - math.log(10) for part in (halves.SEEN, slice(None)))


def test_class_and_hidden_half_are_exact_if_there_is_no_style(without_style):
    model, guide = without_style
    found = halves.completed(model, guide, X, PARAMS)
    upper, whole = exact(model)
    torch.testing.assert_close(found["probabilities"], upper.softmax(-1), atol=0.01, rtol=0)
    expected = whole.logsumexp(-1) - upper.logsumexp(-1)
    torch.testing.assert_close(found["hidden"], expected, atol=0.05, rtol=0)


def test_completions_keep_the_upper_half_and_draw_the_lower_one(without_style, monkeypatch):
    monkeypatch.setattr(halves, "COMPLETIONS", 300)
    model, guide = without_style
    torch.manual_seed(1)
    drawn = halves.completed(model, guide, X, PARAMS)["completions"]
    assert drawn.shape == (IMAGES, 300, 784)
    assert torch.equal(drawn[..., halves.SEEN], X[:, None, halves.SEEN].expand(-1, 300, -1))
    with torch.no_grad():
        white = model.mean_logits(torch.zeros(10, model.latents), torch.arange(10)).sigmoid()
    expected = next(exact(model)).softmax(-1) @ white
    difference = (drawn.mean(1) - expected)[..., ~halves.SEEN]
    assert float(difference.square().mean().sqrt()) == pytest.approx(0, abs=1.5 * 0.5 / 300**0.5)


def test_features_are_integrated_out():
    """M1+M2 with one feature, whose prior depends on the class alone, against a sum over a fine grid."""
    torch.manual_seed(0)
    model, guide = tiny.build("ssvae", stack="m1_m2", features=1)
    one = math.log(math.expm1(1 - 1e-4))
    with torch.no_grad():
        model.feature_prior.inputs.weight.zero_()
        model.feature_prior.outputs.weight.mul_(4)
        model.decoder[-1].weight.mul_(3)
        guide.encoder.outputs.weight.zero_()
        guide.encoder.outputs.bias.copy_(torch.tensor([0.0] * 3 + [one] * 3))
        grid = torch.linspace(-8, 8, 4001).view(-1, 1)
        prior = ssvae.normal(model.feature_prior(torch.zeros(10, 3), torch.arange(10)))
        log_prior = prior.log_prob(grid.unsqueeze(1))  # (grid, 10)
        by_pixel = Bernoulli(logits=model.decoder(grid)).log_prob(X.unsqueeze(1))  # (images, grid, 784)

        def log_joint(part):
            terms = by_pixel[..., part].sum(-1).unsqueeze(-1) + log_prior
            return terms.logsumexp(1) + math.log(16 / 4000) - math.log(10)

        upper, whole = log_joint(halves.SEEN), log_joint(slice(None))
    params = PARAMS.model_copy(update={"steps": 100, "samples": 1000, "learning_rate": 0.05})
    found = halves.completed(model, guide, X, params)
    assert upper.softmax(-1).std() > 0.02  # the class matters
    torch.testing.assert_close(found["probabilities"], upper.softmax(-1), atol=0.03, rtol=0)
    torch.testing.assert_close(found["hidden"], whole.logsumexp(-1) - upper.logsumexp(-1), atol=0.1, rtol=0)


def test_fitting_raises_the_bound_on_the_upper_half():
    torch.manual_seed(0)
    model, guide = tiny.build("ssvae", stack="m1_m2")
    with torch.no_grad():
        model.decoder[-1].weight.mul_(20)
    params = PARAMS.model_copy(update={"steps": 150, "learning_rate": 0.05})
    y, upper = torch.zeros(IMAGES, dtype=torch.int64), X * halves.SEEN
    moved = halves.fitted(model, guide, upper, y, halves.SEEN, params)
    with torch.no_grad():
        before, _ = halves.weighted(model, guide, upper, y, halves.SEEN, 200)
        after, _ = halves.weighted(model, moved, upper, y, halves.SEEN, 200)
    assert (after.mean(0) > before.mean(0)).all()


def test_effective_samples_by_hand(without_style, monkeypatch):
    """(sum w)² / sum w²: weights 1, 1 and 2 of each class; and one sample of each class that alone counts."""
    model, guide = without_style
    samples = torch.tensor([[0.0], [0.0], [math.log(2)]]).expand(3, IMAGES)
    monkeypatch.setattr(halves, "_weights", lambda *_: samples)
    found = halves.completed(model, guide, X, PARAMS)["effective_samples"]
    torch.testing.assert_close(found, torch.full((IMAGES,), 40.0**2 / 60))
    one = torch.tensor([[0.0], [-200.0], [-200.0]]).expand(3, IMAGES)
    monkeypatch.setattr(halves, "_weights", lambda *_: one)
    torch.testing.assert_close(
        halves.completed(model, guide, X, PARAMS)["effective_samples"], torch.full((IMAGES,), 10.0)
    )


def test_draws_are_in_proportion_to_weights(monkeypatch):
    """Offered in two parts, weights 1, 2 and 5 of eight."""
    monkeypatch.setattr(halves, "COMPLETIONS", 4000)
    torch.manual_seed(0)
    drawn = halves.Resampled(torch.zeros(1, 784), halves.SEEN)
    white = torch.arange(3.0).view(3, 1, 1).expand(-1, 1, 784)
    weights = torch.tensor([[1.0], [2.0], [5.0]]).log()
    drawn.offer(weights[:2], white[:2])
    drawn.offer(weights[2:], white[2:])
    shares = drawn.white[:, 0, 0].long().bincount() / 4000
    np.testing.assert_allclose(shares, [1 / 8, 2 / 8, 5 / 8], atol=5 * 0.5 / 4000**0.5)


def test_neighbours_are_those_with_the_most_similar_upper_half():
    """Against brute force in NumPy."""
    train = tiny.images(80)
    found = halves.by_neighbours(X, train)
    grey, upper = train.pixels.numpy() / 255.0, halves.SEEN.numpy()
    for image, value, classes in zip(X.numpy(), *found.values(), strict=True):
        order = np.argsort(((grey[:, upper] - image[upper]) ** 2).sum(axis=1))[:50]
        frequency = (grey[order][:, ~upper].sum(axis=0) + 0.5) / 51
        expected = np.where(image[~upper] == 1, np.log(frequency), np.log1p(-frequency)).sum()
        assert float(value) == pytest.approx(expected, rel=1e-4)
        counts = np.bincount(train.labels[order], minlength=10)
        np.testing.assert_allclose(classes, (counts + 0.1) / 51, rtol=1e-5)
