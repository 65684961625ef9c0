"""Step 3 for many toy regression sets at once: model, guide and loop of Bayesian linear regression, in parallel.

Each parameter of the guide gets a leading dimension over data sets. The ELBO of all is the sum of their ELBOs, and
Adam treats each number on its own, so this is the same as a run for each data set.
"""

from collections.abc import Sequence

import pyro
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.nn import PyroModule
from torch import Tensor, nn

from stages.inference.loop import svi
from stages.models import blr


class EachDataSet(PyroModule):
    """A model or guide, once for each row of the data."""

    def __init__(self, part: PyroModule):
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor | None:
        """The arguments are those of the part, (data sets, n)."""
        with pyro.plate("data_sets", len(x), dim=-2):
            return self.part(x, y)


def build(params: blr.Params, data_sets: int) -> tuple[EachDataSet, EachDataSet]:
    """The model and the guide that `params.guide` names, the guide's parameters once per data set."""
    model, guide = blr.build(params)
    for owner in guide.modules():
        for name, value in list(owner.named_parameters(recurse=False)):
            of_each = value.detach().expand(data_sets, 1, *value.shape).clone()
            owner.register_parameter(name, nn.Parameter(of_each))
    return EachDataSet(model), EachDataSet(guide)


@torch.no_grad()
def simulate(model: EachDataSet, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Draw parameters from the prior, each (data sets,), and outputs from the likelihood, (data sets, n)."""
    trace = poutine.trace(model).get_trace(x)
    truth = {site: trace.nodes[site]["value"].squeeze(-1) for site in blr.sites(model.part.params)}
    return truth, trace.nodes["y"]["value"]


@torch.no_grad()
def draw(guide: EachDataSet, x: Tensor, draws: int, sites: Sequence[str]) -> dict[str, Tensor]:
    """Draw parameters from each data set's approximate posterior, each (draws, data sets)."""
    with pyro.plate("draws", draws, dim=-3):
        trace = poutine.trace(guide).get_trace(x)
    return {site: trace.nodes[site]["value"].squeeze(-1) for site in sites}


def problem(model: EachDataSet, guide: EachDataSet, x: Tensor, y: Tensor, particles: int) -> svi.Problem:
    """All data sets, (data sets, n), in every step."""
    estimator = Trace_ELBO(num_particles=particles, vectorize_particles=True, max_plate_nesting=2)
    objective = svi.elbo(estimator, model, guide)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=objective,
        batch=lambda step: (x, y),
        size=len(x),
        batch_size=len(x),
        validation=lambda: -objective(x, y) / len(x),
    )
