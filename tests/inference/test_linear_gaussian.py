"""Layers, handler and loop against a closed-form posterior: a linear layer, normal prior and likelihood.

posterior precision = I / prior_sd^2 + X^T X / noise^2, with a column of ones in X for the bias. The outputs lie
exactly on the plane: the covariance does not depend on them, and residuals would add noise to the gradient.
"""

import pyro
import pyro.distributions as dist
import pytest
import torch
import torch.nn.functional as F
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from torch import nn

from stages.inference.local_reparameterization import LocalReparameterization
from stages.inference.loop import svi
from stages.models import bnn, weight_priors
from stages.models.weight_guides import MeanFieldGuide
from tests import tiny

N, NOISE, PRIOR_SD = 1000, 4.0, 1.0


class Regression(bnn.Model):
    """The network of a Bayesian neural network, with a normal likelihood of known noise."""

    def forward(self, x, y):
        plane = self.network(x).squeeze(-1)
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(plane, NOISE), obs=y)


class StickingTheLanding(AutoMultivariateNormal):
    """An ELBO gradient without the score term, so its variance is zero at the optimum (Roeder et al. 2017)."""

    def get_posterior(self, *args, **kwargs):
        return _DetachedDensity(self.loc, scale_tril=super().get_posterior().scale_tril)


class _DetachedDensity(dist.MultivariateNormal):
    def log_prob(self, value):
        return dist.MultivariateNormal(self.loc.detach(), scale_tril=self.scale_tril.detach()).log_prob(value)


@pytest.fixture
def data():
    """Correlated inputs (N, 2), outputs (N,)."""
    torch.manual_seed(1)
    x = torch.randn(N, 2) @ torch.tensor([[1.0, 0.5], [0.0, 1.0]]) + torch.tensor([0.7, 0.35])
    return x, x @ torch.tensor([1.0, -1.0]) + 0.3


@pytest.fixture
def exact(data):
    """Mean and precision of the coefficients: two slopes and the bias."""
    design, y = torch.column_stack([data[0], torch.ones(N)]).double(), data[1].double()
    precision = torch.eye(3).double() / PRIOR_SD**2 + design.T @ design / NOISE**2
    return torch.linalg.solve(precision, design.T @ y / NOISE**2), precision


def fit(model, guide, estimator, data, steps):
    training = tiny.settings().blr.model_copy(
        update={"steps": steps, "learning_rate": 0.05, "schedule": "cosine", "validate_every": steps}
    )
    problem = svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(estimator, model, guide),
        batch=lambda step: data,
        size=N,
        batch_size=N,
        validation=lambda: 0.0,
        context=LocalReparameterization,
    )
    svi.fit(problem, training, title="linear-Gaussian")


def test_mean_field_finds_the_mean_and_the_diagonal_of_the_precision(data, exact):
    """The best diagonal normal has variances 1 / diag(precision), not diag(covariance) (Bishop, PRML, 10.1.2)."""
    network = nn.Linear(2, 1)
    guide = MeanFieldGuide({f"network.{name}": value for name, value in network.named_parameters()}, 0.02)
    fit(Regression(network, weight_priors.isotropic(PRIOR_SD)), guide, TraceMeanField_ELBO(), data, steps=800)

    mean, precision = exact
    sites = ("network_weight", "network_bias")
    loc = torch.cat([guide.loc[site].detach().flatten() for site in sites]).double()
    sd = torch.cat([F.softplus(guide.rho[site].detach()).flatten() for site in sites]).double()
    torch.testing.assert_close(loc, mean, rtol=0, atol=1e-2)
    torch.testing.assert_close(sd, precision.diag().rsqrt(), rtol=0.03, atol=0)
    marginal_sd = torch.linalg.inv(precision).diag().sqrt()
    assert (sd < 0.95 * marginal_sd).any()  # this example distinguishes the two


def test_full_covariance_finds_the_posterior(data, exact):
    model = Regression(nn.Linear(2, 1), weight_priors.isotropic(PRIOR_SD))
    guide = StickingTheLanding(model, init_scale=0.02)
    guide(*data)  # creates its parameters
    fit(model, guide, Trace_ELBO(), data, steps=1000)

    mean, precision = exact
    q = guide.get_posterior()  # weight, then bias: the order of the sites
    torch.testing.assert_close(q.loc.detach().double(), mean, rtol=0, atol=1e-2)
    product = precision @ q.covariance_matrix.detach().double()
    torch.testing.assert_close(product, torch.eye(3).double(), rtol=0, atol=0.05)
