"""Likelihood bounds of a linear Gaussian decoder, probabilistic PCA, whose log p(x) is known.

x = W z + b + Normal(0, noise). The columns of W are orthogonal, so the exact posterior of z is a diagonal normal,
as a VAE's guide is; a guide that is shifted and stretched relative to it has a closed-form KL.
"""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from scipy import stats

from stages.models.image_priors import NormalMixture
from stages.predictive import likelihood

NOISE = 0.7
W = torch.tensor([[1.0, 2.0], [1.0, -2.0], [1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
B = torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64)
X = torch.tensor([[1.0, 0.0, -0.3, 2.5], [-2.0, 1.0, 0.4, 1.2], [0.5, -1.0, 0.0, 2.0]], dtype=torch.float64)
COPIES = 4000  # copies of one image, for independent estimates


class Model(PyroModule):
    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z @ W.T + B, NOISE).to_event(1), obs=x)


class Guide(PyroModule):
    """The exact posterior, shifted by `shift` of its sds, with its sds stretched."""

    def __init__(self, shift, stretch):
        super().__init__()
        self.shift, self.stretch = shift, stretch

    def q(self, x):
        variance = 1 / (1 + W.square().sum(0) / NOISE**2)
        sd = variance.sqrt().expand(len(x), 2)
        return dist.Normal(variance * ((x - B) @ W) / NOISE**2 + self.shift * sd, self.stretch * sd)

    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", self.q(x).to_event(1))

    def divergence(self):
        """KL from the exact posterior: two dimensions, each the same."""
        return 2 * ((self.stretch**2 + self.shift**2 - 1) / 2 - math.log(self.stretch))


EXACT, POOR = {"shift": 0.0, "stretch": 1.0}, {"shift": 0.5, "stretch": 1.3}  # of guides
LOG_P = torch.from_numpy(
    stats.multivariate_normal(B.numpy(), (W @ W.T + NOISE**2 * torch.eye(4)).numpy()).logpdf(X.numpy())
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def estimates(guide, x, samples):
    """Means of many independent estimates for one image, and their standard errors."""
    found = likelihood.bounds(Model(), guide, x.expand(COPIES, 4), samples)
    means = {name: value.mean(0) for name, value in found.items()}
    return means, {name: value.std(0) / math.sqrt(COPIES) for name, value in found.items()}


def test_every_log_weight_of_the_exact_posterior_is_log_p():
    weights, _ = likelihood.log_weights(Model(), Guide(**EXACT), X, samples=20)
    assert weights.shape == (20, 3)
    torch.testing.assert_close(weights, LOG_P.expand(20, 3))


def test_log_weights_of_a_poor_guide_average_to_the_elbo_and_their_exponentials_to_p():
    weights, _ = likelihood.log_weights(Model(), Guide(**POOR), X, samples=20_000)
    elbo_error = (weights.mean(0) - (LOG_P - Guide(**POOR).divergence())).abs()
    assert (elbo_error < 5 * weights.std(0) / math.sqrt(20_000)).all()
    ratio = (weights - LOG_P).exp()
    assert ((ratio.mean(0) - 1).abs() < 5 * ratio.std(0) / math.sqrt(20_000)).all()


def test_log_likelihoods_belong_to_the_draws_of_the_log_weights():
    """log w = log p(x | z) + log p(z) - log q(z | x), each at the z that the guide drew."""
    seen = []

    class Watched(Guide):
        def forward(self, x):
            with pyro.plate("data", len(x)):
                seen.append(pyro.sample("z", self.q(x).to_event(1)))

    weights, likelihoods = likelihood.log_weights(Model(), Watched(**POOR), X, samples=7)
    z, q = seen[0], Guide(**POOR).q(X)
    assert z.shape == (7, 3, 2)
    log_x = torch.from_numpy(stats.norm.logpdf(X, z @ W.T + B, NOISE)).sum(-1)
    prior, posterior = stats.norm.logpdf(z), stats.norm.logpdf(z, q.loc, q.scale)
    torch.testing.assert_close(likelihoods, log_x)
    torch.testing.assert_close(weights, log_x + torch.from_numpy(prior - posterior).sum(-1))


@pytest.mark.parametrize("images_at_once", [1, 2, 3, 100])
@pytest.mark.parametrize(("samples", "at_once"), [(1, 50), (7, 3), (6, 3), (7, 50)])
def test_bounds_are_tight_at_the_exact_posterior_however_the_work_is_split(
    images_at_once, samples, at_once, monkeypatch
):
    monkeypatch.setattr(likelihood, "IMAGES_AT_ONCE", images_at_once)
    monkeypatch.setattr(likelihood, "SAMPLES_AT_ONCE", at_once)
    found = likelihood.bounds(Model(), Guide(**EXACT), X, samples)
    q = Guide(**EXACT).q(X)
    rate = (q.scale**2 + q.loc**2 - 1 - 2 * q.scale.log()).sum(-1) / 2
    torch.testing.assert_close(found["iwae"], LOG_P)
    torch.testing.assert_close(found["rate"], rate)
    torch.testing.assert_close(found["latent_mean"], q.loc)
    assert found["distortion"].shape == (3,)


@pytest.mark.parametrize("at_once", [3, 50])
@pytest.mark.parametrize("kind", [EXACT, POOR], ids=["exact", "poor"])
def test_rate_and_distortion_in_closed_form(kind, at_once, monkeypatch):
    """E_q||x - b - W z||^2 = ||x - b - W m||^2 + the variances' part; rate plus distortion is minus the ELBO."""
    monkeypatch.setattr(likelihood, "SAMPLES_AT_ONCE", at_once)
    guide = Guide(**kind)
    means, errors = estimates(guide, X[0], samples=7)
    q = guide.q(X[:1])
    square = (X[0] - B - q.loc[0] @ W.T).square().sum() + (q.scale[0] ** 2 * W.square().sum(0)).sum()
    distortion = 2 * math.log(2 * math.pi * NOISE**2) + square / (2 * NOISE**2)
    assert abs(means["distortion"] - distortion) < 5 * errors["distortion"]
    torch.testing.assert_close(means["rate"] + distortion, guide.divergence() - LOG_P[0])


def test_iwae_rises_from_the_elbo_to_log_p():
    found = [estimates(Guide(**POOR), X[1], samples) for samples in (1, 5, 50)]
    means, errors = ([float(part["iwae"]) for part in parts] for parts in zip(*found, strict=True))
    elbo = float(LOG_P[1]) - Guide(**POOR).divergence()
    assert abs(means[0] - elbo) < 5 * errors[0]
    assert means[0] + 5 * errors[0] < means[1] - 5 * errors[1]
    assert means[1] + 5 * errors[1] < means[2] - 5 * errors[2]
    assert means[2] < float(LOG_P[1]) + 5 * errors[2]


@pytest.mark.parametrize("samples", [1, 7, 51])
def test_exponentials_of_iwae_are_unbiased(samples):
    found = likelihood.bounds(Model(), Guide(**POOR), X[2].expand(COPIES, 4), samples)
    ratio = (found["iwae"] - LOG_P[2]).exp()
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / math.sqrt(COPIES)


def test_images_keep_their_order():
    found = likelihood.bounds(Model(), Guide(**EXACT), X.repeat(50, 1), samples=1)  # 150 images: two batches
    torch.testing.assert_close(found["iwae"], LOG_P.repeat(50))


class MixturePrior(Model):
    """The same decoder; z comes from one of two normals, so log p(x) is that of two normals."""

    parts = (
        torch.tensor([0.3, -0.4], dtype=torch.float64),
        torch.tensor([[0.5, -1.0], [-1.0, 0.3]], dtype=torch.float64),
        torch.tensor([[0.8, 1.1], [0.5, 0.9]], dtype=torch.float64),
    )

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", NormalMixture(*self.parts))
            pyro.sample("x", dist.Normal(z @ W.T + B, NOISE).to_event(1), obs=x)

    def log_p(self, x):
        logits, loc, scale = self.parts
        shares = logits.softmax(0)
        each = [
            stats.multivariate_normal(W @ m + B, W @ torch.diag(s**2) @ W.T + NOISE**2 * torch.eye(4)).pdf(x)
            for m, s in zip(loc, scale, strict=True)
        ]
        return torch.from_numpy(shares[0].item() * each[0] + shares[1].item() * each[1]).log()


class Wide(Guide):
    """Wide enough to reach both components."""

    def __init__(self):
        super().__init__(shift=0.0, stretch=1.5)


def test_with_a_mixture_prior_the_bound_reaches_log_p():
    found = likelihood.bounds(MixturePrior(), Wide(), X, 20_000)
    torch.testing.assert_close(found["iwae"], MixturePrior().log_p(X), rtol=0, atol=0.05)


def test_with_a_mixture_prior_the_rate_is_estimated():
    """Rate and distortion still add up to minus the mean log weight."""
    found = likelihood.bounds(MixturePrior(), Wide(), X, 3)
    mean_of_single_draws = found["iwae_by_samples"][:, 0]
    torch.testing.assert_close(-(found["rate"] + found["distortion"]), mean_of_single_draws)
    means = likelihood.bounds(MixturePrior(), Wide(), X[:1].expand(COPIES, 4), 1)["rate"]
    q = Wide().q(X[:1])
    z = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    grid = torch.cartesian_prod(z, z)
    log_q = q.log_prob(grid).sum(-1)
    exact = (log_q.exp() * (log_q - NormalMixture(*MixturePrior.parts).log_prob(grid))).sum() * (18 / 1200) ** 2
    assert abs(means.mean() - exact) < 5 * means.std() / math.sqrt(COPIES)


class TwoLevels(PyroModule):
    """z2 ~ N(0, 1), z1 ~ N(0.6 z2, 0.8^2), x ~ N(z1, NOISE^2): x is normal with variance 1 + NOISE^2."""

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            z1 = pyro.sample("z1", dist.Normal(0.6 * z2, 0.8).to_event(1))
            pyro.sample("x", dist.Normal(z1, NOISE).to_event(1), obs=x)


class TwoLevelsGuide(PyroModule):
    def forward(self, x):
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", dist.Normal(0.3 * x, 0.9).to_event(1))
            pyro.sample("z1", dist.Normal(0.5 * x + 0.2 * z2, 0.6).to_event(1))


def test_two_levels():
    """log p(x), the rate as the sum over levels, and the means of both levels side by side."""
    x = torch.tensor([[0.4], [-1.5], [2.0]], dtype=torch.float64)
    found = likelihood.bounds(TwoLevels(), TwoLevelsGuide(), x, 20_000)
    log_p = torch.from_numpy(stats.norm.logpdf(x.squeeze(1), 0, math.sqrt(1 + NOISE**2)))
    torch.testing.assert_close(found["iwae"], log_p, rtol=0, atol=0.05)
    means = torch.cat([0.3 * x, 0.56 * x], dim=1)  # 0.5 + 0.2 * 0.3
    torch.testing.assert_close(found["latent_mean"], means, rtol=0, atol=5 * 0.2 * 0.9 / math.sqrt(20_000))
    # KL of z2, and the expected KL of z1: (0.5 x + 0.2 z2 - 0.6 z2) has mean 0.38 x and variance (0.4 * 0.9)^2
    square = x.squeeze(1) ** 2
    upper = 0.5 * (0.81 + 0.09 * square - 1) - math.log(0.9)
    lower = math.log(0.8 / 0.6) + (0.36 + 0.38**2 * square + 0.36**2) / (2 * 0.64) - 0.5
    torch.testing.assert_close(found["rate"], upper + lower, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("samples", "counts"),
    [(1, [1]), (2, [1, 2]), (7, [1, 2, 5, 7]), (10, [1, 2, 5, 10]), (60, [1, 2, 5, 10, 20, 50, 60])],
)
def test_curve_of_the_bound(samples, counts):
    """Its ends are the ELBO and the bound; in between, groups of draws are averaged."""
    assert likelihood.sample_counts(samples) == counts
    torch.manual_seed(1)
    found = likelihood.bounds(Model(), Guide(**POOR), X, samples)
    torch.manual_seed(1)
    weights, _ = likelihood.log_weights(Model(), Guide(**POOR), X, samples) if samples <= 50 else (None, None)
    curve = found["iwae_by_samples"]
    assert curve.shape == (3, len(counts))
    assert torch.equal(curve[:, -1], found["iwae"])
    if weights is not None:
        for place, count in enumerate(counts):
            groups = [weights[i : i + count] for i in range(0, samples - count + 1, count)]
            means = torch.stack([group.exp().mean(0).log() for group in groups]).mean(0)
            torch.testing.assert_close(curve[:, place], means)
