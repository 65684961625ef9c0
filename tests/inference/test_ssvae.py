"""The bounds of the semi-supervised VAE against an explicit sum over classes."""

import math

import pytest
import torch
import torch.nn.functional as F
from pyro.infer import TraceEnum_ELBO
from torch import nn
from torch.distributions import Bernoulli, Normal

from stages import datasets
from stages.command import Failure
from stages.inference.loop import svi
from stages.models.ssvae import CLASSES, StackedGuide
from stages.predictive.class_bounds import log_joint, unlabelled_elbo
from tests import tiny
from tests.inference.fixed_noise import FixedNoise

BATCH = 7
BINARY, LABELS = (tiny.images(BATCH).pixels > 127).float(), tiny.images(BATCH).labels


@pytest.fixture(params=["m2", "m1_m2"])
def made(problem, request):
    """The problem with a confident classifier and without dropout."""
    made = problem("ssvae", stack=request.param)
    last_layer(made.guide.classifier).bias.data = torch.randn(CLASSES)
    made.objective.eval()
    return made


def last_layer(network):
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def certain_of(label, classifier):
    """Make q(y | x) one-hot: the other classes' probabilities underflow to zero."""
    last_layer(classifier).weight.data.zero_()
    last_layer(classifier).bias.data = 1000 * F.one_hot(torch.tensor(label), CLASSES).float()


FEATURE_NOISE = torch.randn(BATCH, 4, generator=torch.Generator().manual_seed(4))  # tiny.SMALL has 4 features


def labelled_bound(model, guide, y, noise, kl_weight=1.0):
    """log p(x, y, f | z) - log q(f | x) + kl_weight * (log p(z) - log q(z | f, y)) at given noise; (batch,).

    Without features, M2: log p(x, y | z) + kl_weight * (log p(z) - log q(z | x, y)).
    """
    if isinstance(guide, StackedGuide):
        evidence, log_q_f = drawn(guide.feature_encoder(BINARY), FEATURE_NOISE)
    else:
        evidence, log_q_f = BINARY, 0.0
    z, log_q_z = drawn(guide.encoder(evidence, y), noise)
    log_p_z = Normal(0.0, 1.0).log_prob(z).sum(-1)
    if isinstance(guide, StackedGuide):
        loc, scale = normal_of(model.feature_prior(z, y))
        white, log_p_f = model.decoder(evidence), Normal(loc, scale).log_prob(evidence).sum(-1)
    else:
        white, log_p_f = model.decoder(z, y), 0.0
    log_p_x = Bernoulli(logits=white).log_prob(BINARY).sum(-1)
    return -math.log(CLASSES) + log_p_x + log_p_f - log_q_f + kl_weight * (log_p_z - log_q_z)


def normal_of(outputs):
    loc, rho = outputs.chunk(2, dim=-1)
    return loc, F.softplus(rho) + 1e-4


def drawn(outputs, noise):
    """loc + scale * noise, and its log density."""
    loc, scale = normal_of(outputs)
    value = loc + scale * noise
    return value, Normal(loc, scale).log_prob(value).sum(-1)


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
    with FixedNoise(noise, f=FEATURE_NOISE):
        loss = made.objective.unlabelled(BINARY, None, BATCH, kl_weight)
    expected = sum_over_classes(made.model, made.guide, noise, kl_weight).sum()
    assert -loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kl_weight", [1.0, 2.5])
def test_enumerated_bound_is_that_of_pyro_and_its_gradient_lacks_the_score(made, kl_weight):
    """Against `TraceEnum_ELBO`, which handles models of any structure, and the score, written out."""
    noise, size = torch.randn(CLASSES, BATCH, made.model.latents), 1000
    pyros = svi.elbo(TraceEnum_ELBO(max_plate_nesting=1), made.model, made.guide)
    losses, gradients = [], []
    for bound, less in ((made.objective.unlabelled, None), (pyros, score)):
        made.objective.zero_grad()
        with FixedNoise(noise, f=FEATURE_NOISE):
            loss = bound(BINARY, None, size, kl_weight)
        losses.append(loss.item())
        (loss if less is None else loss - size / BATCH * less(made.guide, noise, kl_weight)).backward()
        gradients.append([parameter.grad.clone() for parameter in bound.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def score(guide, noise, kl_weight):
    """sum_y q(y | x) (log q(f | x) + kl_weight * log q(z | f, y)), a function of the normals' parameters alone."""
    q = guide.classifier(BINARY).softmax(-1).detach()
    evidence, total = BINARY, torch.tensor(0.0)
    if isinstance(guide, StackedGuide):
        evidence, log_q_f = at_fixed_value(guide.feature_encoder(BINARY), FEATURE_NOISE)
        total = log_q_f.sum()
    for c in range(CLASSES):
        _, log_q_z = at_fixed_value(guide.encoder(evidence, torch.full((BATCH,), c)), noise[c])
        total = total + kl_weight * (q[:, c] * log_q_z).sum()
    return total


def at_fixed_value(outputs, noise):
    """The value that the noise leads to, and its log density as a function of the normal's parameters alone."""
    value, _ = drawn(outputs, noise)
    return value, Normal(*normal_of(outputs)).log_prob(value.detach()).sum(-1)


@pytest.mark.parametrize("kl_weight", [1.0, 2.5])
def test_labelled_bound_is_the_supervised_one(made, kl_weight):
    """All labels observed: no sum over classes, no entropy of q(y | x)."""
    noise = torch.randn(BATCH, made.model.latents)
    with FixedNoise(noise, f=FEATURE_NOISE):
        loss = made.objective.labelled(BINARY, LABELS, BATCH, kl_weight)
    expected = labelled_bound(made.model, made.guide, LABELS, noise, kl_weight).sum()
    assert -loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("start", "expected"), [(5.0, [5.0, 4.0, 3.0, 1.0, 1.0, 1.0]), (0.0, [0.0, 0.25, 0.5, 1.0, 1.0, 1.0])]
)
def test_kl_weight_moves_in_a_straight_line_to_one_and_stays_there(problem, start, expected):
    made = problem("ssvae", kl_weight_start=start, kl_weight_steps=100)
    weights = [made.batch(step)[2] for step in (0, 25, 50, 100, 101, 1000)]
    assert weights == pytest.approx(expected)


def test_consistency_rises_in_a_straight_line(problem):
    made = problem("ssvae", consistency_steps=100)
    assert [float(made.batch(step)[3]) for step in (0, 25, 100, 500)] == pytest.approx([0, 0.25, 1, 1])


@pytest.mark.parametrize("label", [0, 7])
def test_a_certain_classifier_makes_the_enumerated_bound_the_labelled_one(made, label):
    """The entropy of q(y | x) is zero, so only the bound of the one class remains."""
    certain_of(label, made.guide.classifier)
    y = torch.full((BATCH,), label)
    with FixedNoise(torch.randn(BATCH, made.model.latents), f=FEATURE_NOISE):
        unlabelled = made.objective.unlabelled(BINARY, None, BATCH)
        labelled = made.objective.labelled(BINARY, y, BATCH)
        evaluated = unlabelled_elbo(made.model, made.guide, BINARY)
    assert unlabelled.item() == pytest.approx(labelled.item(), rel=1e-5)
    assert -evaluated.sum().item() == pytest.approx(labelled.item(), rel=1e-5)


@torch.no_grad()
def test_evaluated_bound_is_the_sum_over_classes_of_each_image(made):
    noise = torch.randn(BATCH, made.model.latents)
    with FixedNoise(noise, f=FEATURE_NOISE):
        evaluated = unlabelled_elbo(made.model, made.guide, BINARY)
    expected = sum_over_classes(made.model, made.guide, noise.expand(CLASSES, -1, -1))
    torch.testing.assert_close(evaluated, expected, rtol=1e-5, atol=0)


def test_evaluated_bound_does_not_depend_on_the_batch_size(made):
    with FixedNoise(torch.randn(made.model.latents), f=FEATURE_NOISE[0]):
        whole, split = (unlabelled_elbo(made.model, made.guide, BINARY, size) for size in (BATCH, 3))
    torch.testing.assert_close(split, whole, rtol=1e-5, atol=0)


def test_no_estimate_of_the_evaluated_bound_uses_the_same_z_for_all_images(made):
    """Two equal images: their bounds differ only by the draws of z."""
    bounds = unlabelled_elbo(made.model, made.guide, BINARY[:1].expand(2, -1))
    assert bounds[0] != bounds[1]


def test_bound_on_the_joint_is_the_labelled_one_of_each_class(made):
    """With one importance sample; and it rises with their number, on average."""
    noise = torch.randn(BATCH, made.model.latents)
    with FixedNoise(noise, f=FEATURE_NOISE), torch.no_grad():
        found = log_joint(made.model, made.guide, BINARY, 1)
        for label in range(CLASSES):
            expected = labelled_bound(made.model, made.guide, torch.full((BATCH,), label), noise)
            torch.testing.assert_close(found[:, label], expected, rtol=1e-5, atol=0)
    assert (
        log_joint(made.model, made.guide, BINARY, 50).mean() > log_joint(made.model, made.guide, BINARY, 1).mean()
    )


def test_the_image_enters_layers_once_not_once_per_class(made):
    """Ten classes are enumerated, but the products with the image have the batch alone."""
    shapes = []
    wide = [m for m in made.guide.modules() if isinstance(m, nn.Linear) and m.in_features == 784]
    hooks = [m.register_forward_hook(lambda _, inputs, __: shapes.append(inputs[0].shape)) for m in wide]
    made.objective.unlabelled(BINARY, None, BATCH)
    assert len(shapes) == len(hooks) == 2  # classifier and encoder
    assert set(shapes) == {torch.Size([BATCH, 784])}


def test_the_decoder_of_m1_m2_runs_once_per_image(problem):
    made, shapes = problem("ssvae", stack="m1_m2"), []
    made.model.decoder.register_forward_hook(lambda _, inputs, output: shapes.append(output.shape))
    made.objective.unlabelled(BINARY, None, BATCH)
    assert shapes == [torch.Size([BATCH, 784])]


def test_without_unlabelled_images_it_says_what_to_change(problem, monkeypatch):
    everything = tiny.images(60)
    monkeypatch.setattr(datasets, "kept_labels", lambda seed: (torch.arange(60), everything.labels))
    with pytest.raises(Failure, match=r"drop_labels\.kept = 60: no image is without a label"):
        problem("ssvae")
    assert problem("labels_only").size == 60
