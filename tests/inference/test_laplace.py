"""The Laplace approximation of the last layer against dense matrices."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from stages.inference import laplace
from stages.models import weight_priors
from stages.models.weight_guides import LaplaceGuide
from tests.models.test_weight_priors import prior

IMAGES, CLASSES, HIDDEN = 20, 3, 4


def network():
    return nn.Sequential(nn.Linear(784, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES))


@pytest.mark.parametrize(("batch", "kl_weight"), [(1000, 1.0), (7, 1.0), (1000, 0.25)])
def test_covariance_is_the_inverse_of_curvature_and_prior(monkeypatch, batch, kl_weight):
    """For one repeated image, the Kronecker factors are exact; weights and biases are separate blocks."""
    monkeypatch.setattr(laplace, "BATCH", batch)
    torch.manual_seed(0)
    sections = prior("normal")
    trained = network()
    guide = LaplaceGuide({f"network.{name}": value for name, value in trained.named_parameters()}, kl_weight)
    image = torch.rand(784)
    labels = torch.randint(CLASSES, (IMAGES,))
    laplace.fit(guide, network(), sections, image.expand(IMAGES, -1), labels)

    a = trained[:2](image).double().detach()
    p = trained(image).softmax(-1).double().detach()
    curvature = p.diag() - p.outer(p)  # of the log likelihood with respect to the logits
    sds = [weight_priors.sd(sections, trained[2], name) / kl_weight**0.5 for name in ("weight", "bias")]
    weights = IMAGES * torch.kron(curvature, a.outer(a)) + torch.eye(CLASSES * HIDDEN).double() / sds[0] ** 2
    biases = IMAGES * curvature + torch.eye(CLASSES).double() / sds[1] ** 2
    wanted = kl_weight * torch.block_diag(torch.linalg.inv(weights), torch.linalg.inv(biases))
    found = (guide.scale_tril @ guide.scale_tril.T).double()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
    assert (
        wanted.diag() < torch.tensor([sds[0] ** 2] * 12 + [sds[1] ** 2] * 3)
    ).all()  # the data reduce the variance


def test_covariance_of_any_condition_has_a_factor():
    """Where the prior is 10⁸ times wider than the data allow, rounding makes the covariance itself indefinite."""
    torch.manual_seed(0)
    guide = LaplaceGuide({f"network.{name}": value for name, value in network().named_parameters()})
    wide = prior("normal").model_copy(update={"scale": "constant", "weight_sd": 1e4, "bias_sd": 1e4})
    images, labels = torch.rand(IMAGES, 784), torch.randint(CLASSES, (IMAGES,))
    laplace.fit(guide, network(), wide, images, labels)
    assert guide.scale_tril.isfinite().all() and (guide.scale_tril.diag() > 0).all()
    assert torch.equal(guide.scale_tril, guide.scale_tril.tril())


def test_learned_sd_of_the_last_layer_has_the_highest_evidence():
    """log p(y) = const - t |w|^2 / 2 - log det(H + t) / 2 + n log(t) / 2, for the precision t of n weights w."""
    torch.manual_seed(0)
    trained = network()
    guide = LaplaceGuide({f"network.{name}": value for name, value in trained.named_parameters()})
    image, labels = torch.rand(784), torch.randint(CLASSES, (IMAGES,))
    laplace.fit(guide, network(), prior("normal", "learned"), image.expand(IMAGES, -1), labels)

    a, p = trained[:2](image).double().detach(), trained(image).softmax(-1).double().detach()
    curvature = p.diag() - p.outer(p)
    h = torch.block_diag(IMAGES * torch.kron(curvature, a.outer(a)), IMAGES * curvature)
    squares = sum(float(parameter.detach().double().square().sum()) for parameter in trained[2].parameters())
    identity = torch.eye(len(h)).double()

    def cost(log_precision: float) -> float:
        t = math.exp(log_precision)
        return t * squares / 2 + float(torch.logdet(h + t * identity)) / 2 - len(h) * log_precision / 2

    best = math.exp(minimize_scalar(cost, bounds=(-5.0, 10.0), method="bounded").x)
    wanted = torch.linalg.inv(h + best * identity)
    torch.testing.assert_close((guide.scale_tril @ guide.scale_tril.T).double(), wanted, rtol=0.02, atol=1e-4)
