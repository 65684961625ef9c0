"""With the same noise, minibatches average to the full batch: the plate scales the likelihood, never the KL."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages import datasets
from stages.inference import ssvae
from stages.models import bnn
from tests import tiny
from tests.inference.fixed_noise import FixedNoise

N = 24
PLAIN = {"levels": 1, "prior": "normal", "pixels": "independent", "gradient": "elbo", "particles": 1}  # of the VAE
SPLITS = {"one by one": [1] * N, "equal": [6] * 4, "unequal": [1, 3, 7, 13]}
IMAGES = tiny.images(N)
GREY, BINARY = datasets.unit_interval(IMAGES.pixels), (IMAGES.pixels > 127).float()


def assert_batches_average_to_the_whole(objective, data, sizes, noise=None):
    """`data` and `noise` have a row per datum; noise shared by all data comes from the seed."""

    def loss(part):
        torch.manual_seed(3)
        batch = [None if rows is None else rows[part] for rows in data]
        with FixedNoise(None if noise is None else noise[part]):
            return objective(*batch, N).item()

    ends = torch.tensor(sizes).cumsum(0).tolist()
    parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    average = math.fsum(size / N * loss(part) for size, part in zip(sizes, parts, strict=True))
    assert average == pytest.approx(loss(slice(None)), rel=1e-5)


@pytest.mark.parametrize("sizes", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("guide", ["full_covariance", "mean_field"])
def test_blr(problem, guide, sizes):
    assert_batches_average_to_the_whole(problem("blr", guide=guide).objective, tiny.regression(N), sizes)


@pytest.mark.parametrize("sizes", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("inference", ["mean_field", "map"])
def test_bnn(problem, monkeypatch, inference, sizes):
    """With few weights, since the KL term of many would hide a wrong scale of the likelihood."""
    small = nn.Sequential(nn.Unflatten(1, (1, 28, 28)), nn.AvgPool2d(14), nn.Flatten(), nn.Linear(4, 10))
    monkeypatch.setitem(bnn.NETWORKS, "mlp", lambda width, dropout, classes: small)
    objective = problem("bnn", network="mlp", inference=inference, initial_sd=0.5).objective.members[0]
    assert_batches_average_to_the_whole(objective, (GREY, IMAGES.labels), sizes)


@pytest.mark.parametrize("sizes", SPLITS.values(), ids=SPLITS)
def test_vae(problem, sizes):
    made = problem("vae", **PLAIN)
    assert_batches_average_to_the_whole(made.objective, (BINARY,), sizes, torch.randn(N, made.model.latents))


@pytest.mark.parametrize("sizes", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize(("term", "labels"), [("unlabelled", None), ("labelled", IMAGES.labels)])
def test_ssvae_bounds(problem, term, labels, sizes):
    made = problem("ssvae")
    objective = getattr(made.objective.eval(), term)
    noise = torch.randn(N, made.model.latents)
    assert_batches_average_to_the_whole(objective, (BINARY, labels), sizes, noise)


@pytest.mark.parametrize("sizes", SPLITS.values(), ids=SPLITS)
def test_labels_only(problem, sizes):
    objective = problem("labels_only").objective.eval()
    assert_batches_average_to_the_whole(objective, (BINARY, IMAGES.labels), sizes)


@pytest.mark.parametrize("kl_weight", [1.0, 2.5])
@pytest.mark.parametrize("ramp", [0.0, 0.4])
def test_ssvae_objective_is_the_sum_of_its_terms(problem, kl_weight, ramp):
    """Bounds are of 24 images and 6 labels, whatever the batch; the other terms are means times 0.1 N."""
    made = problem("ssvae", alpha=7.0, consistency=3.0, elbo_weight=0.5, dropout=0.0)
    objective, classifier = made.objective, made.guide.classifier
    x, view, labelled, labelled_view = BINARY[:4], BINARY[6:10], BINARY[4:6], BINARY[10:12]
    labels = IMAGES.labels[4:6]
    kl_weight, ramp = torch.tensor(kl_weight), torch.tensor(ramp)
    with FixedNoise(torch.zeros(made.model.latents)):
        bounds = objective.unlabelled(x, None, N, kl_weight) + objective.labelled(labelled, labels, 6, kl_weight)
        loss = objective((x, N, view), (labelled, labels, 6, labelled_view), kl_weight, ramp)
    unit = 0.1 * made.size
    nll = F.cross_entropy(classifier(labelled_view), labels)
    disagreement = ssvae.disagreement(classifier(x), classifier(view))
    expected = 0.5 * bounds + unit * (7 * nll + 3 * ramp * disagreement)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_disagreement_counts_where_the_network_is_confident_and_is_with_a_sharpened_answer():
    """By hand, for three classes: 0.9 is above 0.8, and 0.79 is not; sharpened is p ** 2.5, normalised."""
    images = torch.tensor([[0.9, 0.06, 0.04], [0.79, 0.11, 0.1]]).log()
    views = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]).log()
    powers = [0.9**2.5, 0.06**2.5, 0.04**2.5]
    sharp = [power / sum(powers) for power in powers]
    kl = sum(p * math.log(p / q) for p, q in zip(sharp, [0.5, 0.25, 0.25], strict=True))
    assert float(ssvae.disagreement(images, views)) == pytest.approx(kl / 2, rel=1e-5)


class Answers(nn.Module):
    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def forward(self, images):
        assert len(images) == len(self.answers)
        return self.answers


def test_without_the_bounds_the_classifier_alone_is_trained(problem):
    made = problem("ssvae", elbo_weight=0.0)
    made.objective(*made.batch(0)).backward()
    trained = {name for name, parameter in made.guide.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in made.guide.named_parameters() if name.startswith("classifier.")}
    assert all(parameter.grad is None for parameter in made.model.parameters())
    assert {id(p) for p in made.objective.parameters()} == {id(p) for p in made.guide.classifier.parameters()}


def test_consistency_teaches_the_view_what_the_network_says_of_the_image(problem):
    """No gradient reaches the answer to the image, in this term."""
    made = problem("ssvae", alpha=0.0, consistency=3.0, elbo_weight=0.0, dropout=0.0)
    answers = torch.randn(4, 10)  # to two labelled views, an image, and a view of it
    answers[2, 3] = 9.0  # the network is sure of the image
    answers.requires_grad_()
    made.objective.classifier = Answers(answers)
    labelled = BINARY[:2], IMAGES.labels[:2], 6, BINARY[:2]
    made.objective((BINARY[:1], N, BINARY[:1]), labelled, torch.tensor(1.0), torch.tensor(1.0)).backward()
    assert answers.grad[:3].abs().max() == 0
    assert answers.grad[3].abs().max() > 0


def test_vae_objective_is_reconstruction_and_closed_form_kl(problem):
    made = problem("vae", **PLAIN)
    noise = torch.randn(N, made.model.latents)
    with FixedNoise(noise):
        q = made.guide.q(BINARY)
        reconstruction = F.binary_cross_entropy_with_logits(
            made.model.decoder(q.loc + q.scale * noise), BINARY, reduction="sum"
        )
        kl = 0.5 * (q.scale**2 + q.loc**2 - 1 - 2 * q.scale.log()).sum()
        assert made.objective(BINARY, N).item() == pytest.approx((reconstruction + kl).item(), rel=1e-5)


@pytest.mark.parametrize(("name", "section"), tiny.VARIANTS.values(), ids=tiny.VARIANTS)
def test_every_parameter_of_model_and_guide_is_learned(problem, name, section):
    made = problem(name, **section)
    with made.context():
        made.objective(*made.batch(0)).backward()
    parameters = dict(made.model.named_parameters()) | dict(made.guide.named_parameters())
    assert parameters
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    learned = {id(parameter) for parameter in made.objective.parameters()}
    assert learned == {id(parameter) for part in (made.model, made.guide) for parameter in part.parameters()}
