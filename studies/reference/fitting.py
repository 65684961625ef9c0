"""The families of the pipeline on the small problems: the same guides, ELBO and loop."""

from functools import partial

import torch
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from pyro.nn import PyroModule
from torch import Tensor

from stages.inference import bnn as inference
from stages.inference import laplace
from stages.inference.local_reparameterization import LocalReparameterization
from stages.inference.loop import svi
from stages.models import bnn
from stages.models.weight_guides import EnsembleGuide, LaplaceGuide
from studies.reference.problems import Problem, network

Labelled = tuple[Tensor, Tensor]  # inputs (digits, inputs) and labels (digits,)


def fit(
    problem: Problem, params: bnn.Params, train: Labelled, validation: Labelled, title: str
) -> tuple[bnn.Model, PyroModule]:
    """The model and the learned posterior of one family; all digits are seen in each gradient step.

    Args:
        problem: its network; its prior is in `params`.
        params: the section `bnn` with the family's settings.
        train: the data.
        validation: others, to watch.
        title: of the progress bar.
    """
    rate = params.dropout if params.single == "mc_dropout" else 0.0
    make = partial(network, problem.hidden, train[0].shape[1], rate)
    model, guide = (part.to(train[0].device) for part in bnn.build(params, make))
    guides = list(guide.members) if isinstance(guide, EnsembleGuide) else [guide]
    size = len(train[1])

    def log_likelihood() -> float:
        return sum(svi.expected_log_likelihood(model, alone, *validation) for alone in guides) / len(guides)

    objective = inference.MeanELBO(model, [svi.elbo(TraceMeanField_ELBO(), model, alone) for alone in guides])

    def batch(step: int) -> tuple:
        return tuple((*train, size, inference.warmth(params, step, train[0].device)) for _ in guides)

    found = svi.Problem(
        model=model,
        guide=guide,
        objective=objective,
        batch=batch,
        size=size,
        batch_size=size,
        validation=log_likelihood,
        context=LocalReparameterization,
    )
    svi.fit(found, params, title)
    if isinstance(guide, LaplaceGuide):
        laplace.fit(guide, make(), params.prior, *train)
    return model, guide


@torch.no_grad()
def predict(model: bnn.Model, guide: PyroModule, inputs: Tensor, draws: int) -> Tensor:
    """Class probabilities averaged over draws of the weights, (digits, 10)."""
    total = torch.zeros(len(inputs), 10, device=inputs.device)
    for _ in range(draws):
        drawn = poutine.replay(model, poutine.trace(guide).get_trace(inputs[:1]))
        total += drawn(inputs).softmax(-1)
    return total / draws
