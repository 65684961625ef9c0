"""Bayesian linear regression: the four steps where everything can be checked against an exact answer.

Generative story
    noise_variance ~ InverseGamma(noise_shape, noise_rate)                    ()
    intercept, slope ~ Normal(0, coefficient_sd * sqrt(noise_variance))       () each
    y[i] ~ Normal(intercept + slope * x[i], sqrt(noise_variance))             (n,)

The prior is the conjugate normal-inverse-gamma one, so the posterior is known in closed form
(stages/predictive/blr.py), and the variational posterior can be held against it. Two guides:

    full_covariance   a multivariate normal over (intercept, slope, log noise_variance); it can lean along the
                      ridge that intercept and slope share (a steeper line must start lower)
    mean_field        three independent distributions; it cannot, and answers with sds that are too small: those
                      of one coefficient given the other

Reference: Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.8.
"""

from typing import Annotated, Literal

import pyro
import pyro.distributions as dist
import torch
from pydantic import Field
from pyro.distributions import constraints
from pyro.infer.autoguide import AutoMultivariateNormal, init_to_value
from pyro.nn import PyroModule, PyroParam
from torch import Tensor

from stages.params import Positive, Training

# Where both guides start. From a draw of the wide prior, one training in five does not come back within its steps.
START = {"intercept": torch.tensor(0.0), "slope": torch.tensor(0.0), "noise_variance": torch.tensor(1.0)}


class Params(Training):
    """The section `blr` of params.yaml."""

    guide: Literal["full_covariance", "mean_field"]
    coefficient_sd: Positive  # prior sd of intercept and slope, in units of the noise
    noise_shape: Positive  # of the inverse-gamma prior of the noise variance
    noise_rate: Positive  # of the same, in units of y squared
    particles: Annotated[int, Field(ge=1, le=10_000)]  # posterior samples per ELBO estimate


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
            The regression line at x, (..., batch); with leading dimensions if the sites are drawn in parallel.
        """
        p = self.params
        noise_variance = pyro.sample("noise_variance", dist.InverseGamma(p.noise_shape, p.noise_rate))
        noise = noise_variance.sqrt()
        intercept = pyro.sample("intercept", dist.Normal(0.0, p.coefficient_sd * noise))
        slope = pyro.sample("slope", dist.Normal(0.0, p.coefficient_sd * noise))
        line = intercept + slope * x
        batch = x.shape[-1]
        with pyro.plate("data", size or batch, subsample=torch.arange(batch)):
            pyro.sample("y", dist.Normal(line, noise), obs=y)
        return line


class MeanFieldGuide(PyroModule):
    """q(intercept) q(slope) q(noise_variance): normal, normal, log-normal."""

    def __init__(self):
        super().__init__()
        self.loc = PyroParam(torch.zeros(3))
        self.scale = PyroParam(torch.full((3,), 0.1), constraint=constraints.softplus_positive)

    def forward(self, x: Tensor, y: Tensor | None = None, size: int | None = None) -> None:
        """Draw the latent sites; the arguments are those of the model, and unused."""
        loc, scale = self.loc, self.scale
        pyro.sample("noise_variance", dist.LogNormal(loc[..., 2], scale[..., 2]))
        pyro.sample("intercept", dist.Normal(loc[..., 0], scale[..., 0]))
        pyro.sample("slope", dist.Normal(loc[..., 1], scale[..., 1]))


def build(params: Params) -> tuple[PyroModule, PyroModule]:
    """The model and the guide that `params.guide` names."""
    model = Model(params)
    if params.guide == "mean_field":
        guide = MeanFieldGuide()
    else:
        guide = AutoMultivariateNormal(model, init_loc_fn=init_to_value(values=START), init_scale=0.1)
    guide(torch.zeros(1), torch.zeros(1))  # AutoMultivariateNormal makes its parameters at the first call
    return model, guide
