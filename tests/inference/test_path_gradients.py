"""Estimators of bounds and gradients, on a linear Gaussian model whose answers are known.

z ~ Normal(0, 1), x ~ Normal(weight z, NOISE), q(z | x) = Normal(slope x, scale), all one-dimensional.
"""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from pyro.nn import PyroModule
from torch import nn

from stages.inference.path_gradients import DReG, PathELBO

NOISE, SIZE = 0.8, 12  # SIZE data, of which X are a batch
WEIGHT, SLOPE, SCALE = 1.3, 0.3, 0.9
X = torch.tensor([0.5, -1.2, 2.0], dtype=torch.float64)
COPIES = 20_000  # of each datum, for independent estimates


class Model(PyroModule):
    def __init__(self, weight=WEIGHT):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight], dtype=torch.float64))

    def forward(self, x, size):
        with pyro.plate("data", size, subsample=torch.arange(len(x))):
            z = pyro.sample("z", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z * self.weight, NOISE).to_event(1), obs=x.unsqueeze(-1))


class Guide(PyroModule):
    def __init__(self, slope=SLOPE, scale=SCALE):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.tensor([math.log(scale)], dtype=torch.float64))

    def forward(self, x, size):
        with pyro.plate("data", size, subsample=torch.arange(len(x))):
            loc = (self.slope * x).unsqueeze(-1)
            pyro.sample("z", dist.Normal(loc, self.log_scale.exp()).to_event(1))


class TwoSites(PyroModule):
    """Model and guide with z2 and z1 given z2, to see a density that depends on another site."""

    def __init__(self, names):
        super().__init__()
        self.values = nn.ParameterDict({n: nn.Parameter(torch.tensor(v).double()) for n, v in names.items()})

    def normal(self, name, loc):
        return dist.Normal(loc.unsqueeze(-1), self.values[f"{name}_scale"].exp()).to_event(1)


class TwoSitesModel(TwoSites):
    def forward(self, x, size):
        with pyro.plate("data", size, subsample=torch.arange(len(x))):
            z2 = pyro.sample("z2", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            z1 = pyro.sample("z1", self.normal("z1", self.values["z1"] * z2.squeeze(-1)))
            pyro.sample("x", dist.Normal(z1, NOISE).to_event(1), obs=x.unsqueeze(-1))


class TwoSitesGuide(TwoSites):
    def forward(self, x, size):
        with pyro.plate("data", size, subsample=torch.arange(len(x))):
            z2 = pyro.sample("z2", self.normal("z2", self.values["z2"] * x))
            z1 = self.values["z1"] * x + self.values["z1_z2"] * z2.squeeze(-1)
            pyro.sample("z1", self.normal("z1", z1))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def parameters(model, guide):
    return [*model.parameters(), *guide.parameters()]


def log_evidence(weight, x=X):
    """log p(x) of each datum."""
    sd = torch.sqrt(weight**2 + NOISE**2)
    return torch.distributions.Normal(0.0, sd).log_prob(x)


def exact_elbo(model, guide, x=X):
    """In closed form, with gradients: E_q[log p(x | z)] - KL, summed over the data."""
    loc, variance = guide.slope * x, (2 * guide.log_scale).exp()
    square = (x - model.weight * loc) ** 2 + model.weight**2 * variance
    likelihood = -0.5 * math.log(2 * math.pi * NOISE**2) - square / (2 * NOISE**2)
    kl = 0.5 * (variance + loc**2 - 1) - guide.log_scale
    return (likelihood - kl).sum()


def estimates(estimator, model, guide):
    """Mean and standard error, over independent draws, of the value and of each gradient; per datum of X."""
    x = X.repeat_interleave(COPIES)
    noisy = []
    for part in x.split(len(x) // 60):
        value = estimator(model, guide)(part, len(part)) / len(part)
        noisy.append([value.detach(), *torch.autograd.grad(value, parameters(model, guide))])
    columns = [torch.stack([row.reshape(()) for row in column]) for column in zip(*noisy, strict=True)]
    # 20 parts hold copies of each datum, so the errors are those within the data
    groups = [column.view(3, 20) for column in columns]
    means = torch.stack([group.mean() for group in groups])
    errors = torch.stack([group.var(1).mean().sqrt() / math.sqrt(60) for group in groups])
    return means, errors


@pytest.mark.parametrize("particles", [1, 4])
def test_path_elbo_is_the_elbo_and_its_gradient(particles):
    model, guide = Model(), Guide()
    exact = -exact_elbo(model, guide) / len(X)
    wanted = torch.stack(
        [exact.detach(), *(g.squeeze() for g in torch.autograd.grad(exact, parameters(model, guide)))]
    )
    means, errors = estimates(PathELBO(num_particles=particles), model, guide)
    assert ((means - wanted).abs() < 5 * errors).all()


def test_path_elbo_of_two_sites_has_the_gradient_of_the_elbo():
    """Against Pyro's own estimator, which keeps the score."""
    model = TwoSitesModel({"z1": 0.7, "z1_scale": -0.4})
    guide = TwoSitesGuide({"z2": 0.2, "z2_scale": -0.3, "z1": 0.5, "z1_z2": 0.4, "z1_scale": -0.7})
    means, errors = estimates(PathELBO(), model, guide)
    wanted, their_errors = estimates(Trace_ELBO(), model, guide)
    assert ((means - wanted).abs() < 5 * (errors**2 + their_errors**2).sqrt()).all()


def exact_guide():
    """The posterior of z, which the guide can be."""
    variance = 1 / (1 + WEIGHT**2 / NOISE**2)
    return Guide(variance * WEIGHT / NOISE**2, math.sqrt(variance))


def test_at_the_exact_posterior_the_path_gradient_of_the_guide_has_no_noise():
    model, guide = Model(), exact_guide()
    for estimator in (PathELBO(), PathELBO(num_particles=3), DReG(num_particles=3)):
        gradients = torch.autograd.grad(estimator(model, guide)(X, SIZE), list(guide.parameters()))
        assert all(gradient.abs().max() < 1e-12 for gradient in gradients)
    score = torch.autograd.grad(Trace_ELBO()(model, guide)(X, SIZE), list(guide.parameters()))
    assert score[0].abs() > 1e-3


@pytest.mark.parametrize("particles", [1, 5])
def test_dreg_at_the_exact_posterior_is_the_evidence_and_its_gradient(particles):
    model, guide = Model(), exact_guide()
    value = DReG(num_particles=particles)(model, guide)(X, SIZE)
    evidence = -log_evidence(model.weight).sum() * SIZE / len(X)
    torch.testing.assert_close(value, evidence)
    means, errors = estimates(DReG(num_particles=particles), model, guide)
    [wanted] = torch.autograd.grad(evidence / SIZE, [model.weight])
    assert (means[1] - wanted).abs() < 5 * errors[1]


def iwae(particles):
    """The same bound with its plain reparameterised gradient, by hand."""

    class PlainIWAE:
        def __call__(self, model, guide):
            def loss(x, size):
                q = torch.distributions.Normal(guide.slope * x, guide.log_scale.exp())
                z = q.rsample((particles,))
                joint = torch.distributions.Normal(0.0, 1.0).log_prob(z)
                joint = joint + torch.distributions.Normal(z * model.weight, NOISE).log_prob(x)
                bound = (joint - q.log_prob(z)).logsumexp(0) - math.log(particles)
                return -size / len(x) * bound.sum()

            return loss

    return PlainIWAE()


@pytest.mark.parametrize("particles", [2, 5])
def test_dreg_has_the_value_and_the_gradient_of_the_iwae_bound(particles):
    model, guide = Model(), Guide()
    means, errors = estimates(DReG(num_particles=particles), model, guide)
    wanted, their_errors = estimates(iwae(particles), model, guide)
    assert ((means - wanted).abs() < 5 * (errors**2 + their_errors**2).sqrt()).all()


def test_dreg_has_less_noise_than_the_plain_gradient():
    model, guide = Model(), Guide(0.5, 0.7)
    _, errors = estimates(DReG(num_particles=5), model, guide)
    _, their_errors = estimates(iwae(5), model, guide)
    assert (errors[2:] < 0.8 * their_errors[2:]).all()


def test_dreg_with_one_particle_is_the_path_gradient():
    results = []
    for estimator in (DReG(), PathELBO()):
        torch.manual_seed(1)
        model, guide = Model(), Guide()
        value = estimator(model, guide)(X, SIZE)
        results.append([value.detach(), *torch.autograd.grad(value, parameters(model, guide))])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("estimator", [PathELBO(), DReG(num_particles=2)])
def test_a_batch_stands_for_the_whole_data_set(estimator):
    losses = []
    for size in (len(X), 5 * len(X)):
        torch.manual_seed(1)
        losses.append(estimator(Model(), Guide())(X, size).item())
    assert losses[1] == pytest.approx(5 * losses[0])


def test_dreg_refuses_two_sites():
    model = TwoSitesModel({"z1": 0.7, "z1_scale": -0.4})
    guide = TwoSitesGuide({"z2": 0.2, "z2_scale": -0.3, "z1": 0.5, "z1_z2": 0.4, "z1_scale": -0.7})
    with pytest.raises(ValueError, match="2 sites"):
        DReG(num_particles=2)(model, guide)(X, SIZE)


def test_a_site_that_cannot_be_reparameterised_is_named():
    def pair(x, size):
        with pyro.plate("data", size, subsample=torch.arange(len(x))):
            pyro.sample("z", dist.Poisson(torch.ones_like(x)))

    with pytest.raises(ValueError, match="Poisson cannot be reparameterised"):
        PathELBO().differentiable_loss(pair, pair, X, SIZE)
