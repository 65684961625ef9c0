"""Stochastic variational inference: the one loop that trains every model.

What to learn is a `Problem` (stages/inference/<model>.py); how long and how fast is in the model's section of
params.yaml. The loop knows neither.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import pandas as pd
import pyro
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn
from tqdm import tqdm

from stages.params import Training

REFRESH = 20  # steps between two updates of the progress bar


class DivergedError(Exception):
    """The ELBO is no finite number any more; the message says when, and what usually causes it."""


@dataclass(frozen=True)
class Problem:
    """A model, its guide, and what the loop needs to fit them."""

    model: PyroModule
    guide: PyroModule
    objective: nn.Module  # batch -> estimate of the negative ELBO of the whole training set, nats, ()
    batch: Callable[[int], tuple]  # step -> the arguments of the objective
    size: int  # data in the training set: the ELBO is reported per datum
    batch_size: int  # data seen per step
    validation: Callable[[], float]  # a figure on held-out data, to watch and to choose by
    context: Callable[[], AbstractContextManager] = nullcontext  # the effect handler around each evaluation


def elbo(estimator: pyro.infer.ELBO, model: PyroModule, guide: PyroModule) -> nn.Module:
    """The negative ELBO as a module over model and guide, whose parameters are theirs."""
    pyro.enable_validation(False)  # of every distribution's arguments: a quarter of a small step's time
    return estimator(model, guide)


def fit(problem: Problem, training: Training, title: str) -> pd.DataFrame:
    """Maximise the ELBO by gradient steps; the parameters of model and guide change in place.

    Args:
        problem: what to learn.
        training: steps, learning rate and schedule.
        title: of the progress bar.

    Returns:
        The history: step, elbo (mean over the steps since the row before, nats per datum) and validation.

    Raises:
        DivergedError: at the first row of the history, or refresh of the bar, where the ELBO is not finite.
    """
    optimizer = torch.optim.Adam(problem.objective.parameters(), training.learning_rate, fused=True)
    schedule = learning_rate_schedule(optimizer, training)
    history, total, since = [], 0.0, 0
    progress = tqdm(range(1, training.steps + 1), desc=title, unit="step", disable=None, mininterval=0.5)
    problem.objective.train()
    for step in progress:
        with problem.context():
            loss = problem.objective(*problem.batch(step - 1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        total, since = total - loss.detach() / problem.size, since + 1
        row_due = step % training.validate_every == 0 or step == training.steps
        if row_due or step % REFRESH == 0:
            mean = float(total) / since
            if not math.isfinite(mean):
                raise DivergedError(_advice(title, mean, step, training.learning_rate))
            progress.set_postfix(elbo=f"{mean:.4g}", refresh=False)
        if row_due:
            history.append((step, mean, held_out(problem)))
            total, since = 0.0, 0
    return pd.DataFrame(history, columns=["step", "elbo", "validation"])


@torch.no_grad()
def expected_log_likelihood(model: PyroModule, guide: PyroModule, *data: Tensor) -> float:
    """One draw of E_q[log p(data | latents)], nats per datum: a cheap figure to watch while training."""
    guide_trace = poutine.trace(guide).get_trace(*data)
    model_trace = poutine.trace(poutine.replay(model, guide_trace)).get_trace(*data)
    return float(model_trace.log_prob_sum(lambda _, site: site["is_observed"])) / len(data[0])


@torch.no_grad()
def held_out(problem: Problem) -> float:
    """The validation figure, with dropout and the like switched off."""
    problem.objective.eval()
    figure = float(problem.validation())
    problem.objective.train()
    return figure


def learning_rate_schedule(optimizer, training: Training) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule that `training.schedule` names, over `training.steps` steps."""
    schedulers = torch.optim.lr_scheduler
    if training.schedule == "one_cycle":  # Smith and Topin (2017): a third of the way up, the rest down
        # `+ 1`: it also steps after the last gradient, and refuses to go past its total
        return schedulers.OneCycleLR(optimizer, training.learning_rate, total_steps=training.steps + 1)
    if training.schedule == "cosine":
        return schedulers.CosineAnnealingLR(optimizer, training.steps)
    return schedulers.ConstantLR(optimizer, factor=1.0)


def _advice(title: str, value: float, step: int, learning_rate: float) -> str:
    return (
        f"{title}: the ELBO is {value} by step {step}: the usual cause is a step that is too long; "
        f"lower learning_rate (now {learning_rate}) in params.yaml"
    )
