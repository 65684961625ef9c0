"""The bounds of the semi-supervised VAE against an explicit sum over classes."""

import math

import pytest
import torch
import torch.nn.functional as F
from pyro.infer import TraceEnum_ELBO
from torch import nn
from torch.distributions import Bernoulli, Normal

from stages.inference.loop import svi
from stages.models.ssvae import CLASSES
from stages.predictive.ssvae import unlabelled_elbo
from tests import tiny
from tests.inference.fixed_noise import FixedNoise

BATCH = 7
BINARY, LABELS = (tiny.images(BATCH).pixels > 127).float(), tiny.images(BATCH).labels


@pytest.fixture
def made(problem):
    """The problem with a confident classifier and without dropout."""
    made = problem("ssvae")
    last_layer(made.guide.classifier).bias.data = torch.randn(CLASSES)
    made.objective.eval()
    return made


def last_layer(network):
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def certain_of(label, classifier):
    """Make q(y | x) one-hot: the other classes' probabilities underflow to zero."""
    last_layer(classifier).weight.data.zero_()
    last_layer(classifier).bias.data = 1000 * F.one_hot(torch.tensor(label), CLASSES).float()


def labelled_bound(model, guide, y, noise, kl_weight=1.0):
    """log p(x, y | z) + kl_weight * (log p(z) - log q(z | x, y)) at z = loc + scale * noise; (batch,)."""
    q = guide.q_z(guide.classifier.features(BINARY), y)
    z = q.loc + q.scale * noise
    log_p_x = Bernoulli(logits=model.decode(z, y)).log_prob(BINARY).sum(-1)
    log_p_z = Normal(0.0, 1.0).log_prob(z).sum(-1)
    log_q_z = Normal(q.loc, q.scale).log_prob(z).sum(-1)
    return -math.log(CLASSES) + log_p_x + kl_weight * (log_p_z - log_q_z)


def sum_over_classes(model, guide, noise, kl_weight=1.0):
    """sum_y q(y | x) (L(x, y) - log q(y | x)) of each image, with noise (classes, batch, latents); (batch,)."""
    q = guide.classifier(BINARY).softmax(-1)
    total = torch.zeros(BATCH)
    for c in range(CLASSES):
        bound = labelled_bound(model, guide, torch.full((BATCH,), c), noise[c], kl_weight)
        total += q[:, c] * (bound - q[:, c].log())
    return total


@pytest.mark.parametrize("kl_weight", [1.0, 2.5])
def test_enumerated_bound_is_the_sum_over_classes(made, kl_weight):
    """Every class has its own noise, as in training."""
    noise = torch.randn(CLASSES, BATCH, made.model.latents)
    with FixedNoise(noise):
        loss = made.objective.unlabelled(BINARY, None, BATCH, kl_weight)
    expected = sum_over_classes(made.model, made.guide, noise, kl_weight).sum()
    assert -loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kl_weight", [1.0, 2.5])
def test_enumerated_bound_is_that_of_pyro(made, kl_weight):
    """Value and gradients, against `TraceEnum_ELBO`, which handles models of any structure."""
    noise = torch.randn(CLASSES, BATCH, made.model.latents)
    pyros = svi.elbo(TraceEnum_ELBO(max_plate_nesting=1), made.model, made.guide)
    losses, gradients = [], []
    for bound in (made.objective.unlabelled, pyros):
        made.objective.zero_grad()
        with FixedNoise(noise):
            loss = bound(BINARY, None, 1000, kl_weight)
        loss.backward()
        losses.append(loss.item())
        gradients.append([parameter.grad.clone() for parameter in bound.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("kl_weight", [1.0, 2.5])
def test_labelled_bound_is_the_supervised_one(made, kl_weight):
    """All labels observed: no sum over classes, no entropy of q(y | x)."""
    noise = torch.randn(BATCH, made.model.latents)
    with FixedNoise(noise):
        loss = made.objective.labelled(BINARY, LABELS, BATCH, kl_weight)
    expected = labelled_bound(made.model, made.guide, LABELS, noise, kl_weight).sum()
    assert -loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_kl_weight_falls_in_a_straight_line_to_one_and_stays_there(problem):
    made = problem("ssvae", kl_weight_start=5.0, kl_weight_steps=100)
    weights = [made.batch(step)[2] for step in (0, 25, 50, 100, 101, 1000)]
    assert weights == pytest.approx([5.0, 4.0, 3.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("label", [0, 7])
def test_a_certain_classifier_makes_the_enumerated_bound_the_labelled_one(made, label):
    """The entropy of q(y | x) is zero, so only the bound of the one class remains."""
    certain_of(label, made.guide.classifier)
    y = torch.full((BATCH,), label)
    with FixedNoise(torch.randn(BATCH, made.model.latents)):
        unlabelled = made.objective.unlabelled(BINARY, None, BATCH)
        labelled = made.objective.labelled(BINARY, y, BATCH)
        evaluated = unlabelled_elbo(made.model, made.guide, BINARY)
    assert unlabelled.item() == pytest.approx(labelled.item(), rel=1e-5)
    assert -evaluated.sum().item() == pytest.approx(labelled.item(), rel=1e-5)


@torch.no_grad()
def test_evaluated_bound_is_the_sum_over_classes_of_each_image(made):
    noise = torch.randn(BATCH, made.model.latents)
    with FixedNoise(noise):
        evaluated = unlabelled_elbo(made.model, made.guide, BINARY)
    expected = sum_over_classes(made.model, made.guide, noise.expand(CLASSES, -1, -1))
    torch.testing.assert_close(evaluated, expected, rtol=1e-5, atol=0)


def test_evaluated_bound_does_not_depend_on_the_batch_size(made):
    with FixedNoise(torch.randn(made.model.latents)):
        whole, split = (unlabelled_elbo(made.model, made.guide, BINARY, size) for size in (BATCH, 3))
    torch.testing.assert_close(split, whole, rtol=1e-5, atol=0)


def test_no_estimate_of_the_evaluated_bound_uses_the_same_z_for_all_images(made):
    """Two equal images: their bounds differ only by the draws of z."""
    bounds = unlabelled_elbo(made.model, made.guide, BINARY[:1].expand(2, -1))
    assert bounds[0] != bounds[1]
