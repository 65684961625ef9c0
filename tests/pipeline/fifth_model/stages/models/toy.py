"""A model for a test: the mean of normal data.

Generative story
    mean ~ Normal(0, 10)          ()
    y[i] ~ Normal(mean, 1)        (n,)
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer.autoguide import AutoNormal
from pyro.nn import PyroModule
from torch import Tensor

from stages.params import Training


class Params(Training):
    """The section `toy` of params.yaml."""


class Model(PyroModule):
    """The joint distribution of mean and data."""

    def forward(self, y: Tensor) -> None:
        """Run the generative story for data (n,)."""
        mean = pyro.sample("mean", dist.Normal(0.0, 10.0))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(mean, 1.0), obs=y)


def build(params: Params) -> tuple[Model, AutoNormal]:
    """The model and its guide."""
    model = Model()
    guide = AutoNormal(model)
    guide(torch.zeros(1))  # creates its parameters
    return model, guide
