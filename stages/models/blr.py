"""Bayesian linear regression: the four steps where everything can be checked against an exact answer.

Generative story
    noise_variance ~ InverseGamma(noise_shape, noise_rate)                    ()
    intercept, slope ~ Normal(0, coefficient_sd * sqrt(noise_variance))       () each
    y[i] ~ Normal(intercept + slope * x[i], sqrt(noise_variance))             (n,)

The prior is the conjugate normal-inverse-gamma one, so the posterior is known in closed form
(stages/predictive/blr.py), and the variational posterior can be compared with it. Two guides:

    full_covariance   a multivariate normal over the unknowns, positive ones by their logarithm; it can represent
                      the correlation of intercept and slope (a steeper line must start lower)
    mean_field        independent distributions; it cannot, and its sds are too small: those of one coefficient
                      given the other

Where the data are not like that, the model can be rewritten (`mean` and `noise` in params.yaml):

    quadratic   the mean is intercept + slope * x[i] + curvature * (x[i] - centre)^2, with the prior of the slope
                for the curvature; the posterior is still known in closed form
    student_t   y[i] ~ StudentT(degrees_of_freedom, mean, sqrt(noise_variance)), so that a few points may lie far
                away; degrees_of_freedom ~ Gamma(freedom_shape, freedom_rate); no closed form

Reference: Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.8.
"""

import math
from typing import Annotated, Literal

import pyro
import pyro.distributions as dist
import torch
from pydantic import Field
from pyro.distributions import constraints
from pyro.infer.autoguide import AutoMultivariateNormal, init_to_value
from pyro.nn import PyroModule, PyroParam
from torch import Tensor

from stages.params import Finite, Positive, Training

# Where both guides start. From a draw of the wide prior, one training in five does not come back within its steps.
START = {"intercept": 0.0, "slope": 0.0, "noise_variance": 1.0, "curvature": 0.0, "degrees_of_freedom": 4.0}
POSITIVE = ("noise_variance", "degrees_of_freedom")


class Params(Training):
    """The section `blr` of params.yaml."""

    mean: Literal["line", "quadratic"]
    noise: Literal["normal", "student_t"]
    guide: Literal["full_covariance", "mean_field"]
    coefficient_sd: Positive  # prior sd of intercept, slope and curvature, in units of the noise
    centre: Finite  # the x at which the curvature term is zero
    noise_shape: Positive  # of the inverse-gamma prior of the noise variance
    noise_rate: Positive  # of the same, in units of y squared
    freedom_shape: Positive  # of the gamma prior of the degrees of freedom
    freedom_rate: Positive  # of the same
    particles: Annotated[int, Field(ge=1, le=10_000)]  # posterior samples per ELBO estimate


def coefficients(params: Params) -> tuple[str, ...]:
    """The sites in which the mean is linear."""
    return ("intercept", "slope", "curvature") if params.mean == "quadratic" else ("intercept", "slope")


def sites(params: Params) -> tuple[str, ...]:
    """All latent sites."""
    extra = ("degrees_of_freedom",) if params.noise == "student_t" else ()
    return (*coefficients(params), "noise_variance", *extra)


class Model(PyroModule):
    """The joint distribution of coefficients, noise and data."""

    def __init__(self, params: Params):
        super().__init__()
        self.params = params

    def forward(self, x: Tensor, y: Tensor | None = None, size: int | None = None) -> Tensor:
        """Run the story.

        Args:
            x: inputs, (..., batch); leading dimensions are independent data sets.
            y: outputs, of the shape of x, or None to draw them.
            size: number of data in the whole set that this batch stands for, `batch` if None.

        Returns:
            The mean of y at x (with Student's t noise, its median), (..., batch); with leading dimensions if the
            sites are drawn in parallel.
        """
        p = self.params
        noise_variance = pyro.sample("noise_variance", dist.InverseGamma(p.noise_shape, p.noise_rate))
        noise = noise_variance.sqrt()
        intercept = pyro.sample("intercept", dist.Normal(0.0, p.coefficient_sd * noise))
        slope = pyro.sample("slope", dist.Normal(0.0, p.coefficient_sd * noise))
        mean = intercept + slope * x
        if p.mean == "quadratic":
            curvature = pyro.sample("curvature", dist.Normal(0.0, p.coefficient_sd * noise))
            mean = mean + curvature * (x - p.centre) ** 2
        if p.noise == "student_t":
            degrees_of_freedom = pyro.sample("degrees_of_freedom", dist.Gamma(p.freedom_shape, p.freedom_rate))
            outcome = dist.StudentT(degrees_of_freedom, mean, noise)
        else:
            outcome = dist.Normal(mean, noise)
        batch = x.shape[-1]
        with pyro.plate("data", size or batch, subsample=torch.arange(batch)):
            pyro.sample("y", outcome, obs=y)
        return mean


class MeanFieldGuide(PyroModule):
    """An independent distribution for each site: normal for coefficients, log-normal for what is positive."""

    def __init__(self, params: Params):
        super().__init__()
        self.sites = sites(params)
        start = [math.log(START[site]) if site in POSITIVE else START[site] for site in self.sites]
        self.loc = PyroParam(torch.tensor(start))
        self.scale = PyroParam(torch.full((len(start),), 0.1), constraint=constraints.softplus_positive)

    def forward(self, x: Tensor, y: Tensor | None = None, size: int | None = None) -> None:
        """Draw the latent sites; the arguments are those of the model, and unused."""
        loc, scale = self.loc, self.scale
        for i, site in enumerate(self.sites):
            family = dist.LogNormal if site in POSITIVE else dist.Normal
            pyro.sample(site, family(loc[..., i], scale[..., i]))


def build(params: Params) -> tuple[PyroModule, PyroModule]:
    """The model and the guide that `params.guide` names."""
    model = Model(params)
    if params.guide == "mean_field":
        guide = MeanFieldGuide(params)
    else:
        start = {site: torch.tensor(START[site]) for site in sites(params)}
        guide = AutoMultivariateNormal(model, init_loc_fn=init_to_value(values=start), init_scale=0.1)
    guide(torch.zeros(1), torch.zeros(1))  # AutoMultivariateNormal makes its parameters at the first call
    return model, guide
