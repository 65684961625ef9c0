"""The Laplace approximation of the last layer against dense matrices."""

import pytest
import torch
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
