"""With the same noise, minibatches average to the full batch: the plate scales the likelihood, never the KL."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages import datasets
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
def test_ssvae_objective_is_the_sum_of_its_three_terms(problem, kl_weight):
    """Each batch represents all images of its kind, whatever the batch sizes: 4 of 24 images, 2 of 6 labels."""
    made = problem("ssvae", classifier_weight=7.0)
    objective = made.objective.eval()
    unlabelled, labelled = (BINARY[:4], None, N), (BINARY[4:6], IMAGES.labels[4:6], 6)
    with FixedNoise(torch.zeros(made.model.latents)):
        bounds = objective.unlabelled(*unlabelled, kl_weight) + objective.labelled(*labelled, kl_weight)
        loss = objective(unlabelled, labelled, kl_weight)
    nll = 6 / 2 * F.cross_entropy(made.guide.classifier(labelled[0]), labelled[1], reduction="sum")
    assert loss.item() == pytest.approx((bounds + 7 * nll).item(), rel=1e-5)


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
