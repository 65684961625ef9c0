"""Stochastic variational inference: the one loop that trains every model.

What to learn is a `Problem` (stages/inference/<model>.py); how long and how fast is in the model's section of
params.yaml. The loop knows neither.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyro
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn
from tqdm import tqdm

from stages.inference import posterior
from stages.inference.loop import gradient
from stages.inference.loop.capture import Captured
from stages.inference.loop.checkpoints import Checkpoint
from stages.inference.loop.divergence import DivergedError, SiteWatch, bad_parameter, collapse
from stages.inference.loop.state import State, generator_state, set_generator_state
from stages.params import Training

if TYPE_CHECKING:
    from stages.inference.loop.live import Live

REFRESH = 20  # steps between two updates of the progress bar, and on a GPU between two looks at the ELBO


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
    finish: Callable[[], None] = lambda: None  # what is left to do once the loop has ended


def elbo(estimator: pyro.infer.ELBO, model: PyroModule, guide: PyroModule) -> nn.Module:
    """The negative ELBO as a module over model and guide, whose parameters are theirs."""
    pyro.enable_validation(False)  # of every distribution's arguments: a quarter of a small step's time
    return estimator(model, guide)


def fit(
    problem: Problem,
    training: Training,
    title: str,
    checkpoint: Checkpoint | None = None,
    live: Live | None = None,
) -> pd.DataFrame:
    """Maximise the ELBO by gradient steps; the parameters of model and guide change in place.

    Args:
        problem: what to learn.
        training: steps, learning rate, schedule, and how many of the last steps to average over.
        title: of the progress bar.
        checkpoint: to go on from, if it holds anything, and to write at its interval. The result is the same,
            bit for bit, however often the training was cut off.
        live: to show each row of the history to, with those before a checkpoint, and the learning rate.

    Returns:
        The history: step, elbo (mean over the steps since the row before, nats per datum) and validation.

    Raises:
        DivergedError: names the first step whose ELBO is not finite, or a row whose ELBO is hopelessly below one
            before; a checkpoint of the steps before stays.
    """
    descent = Descent(problem, training, title)
    state = descent.state
    if checkpoint and (saved := checkpoint.load()):
        state.load(*saved)
        tqdm.write(f"{title}: goes on from the checkpoint at step {state.step}")
        for row in state.history if live else ():
            _show(live, state, row)
    problem.objective.train()
    with tqdm(total=training.steps, initial=state.step, desc=title, unit="step", disable=None) as progress:
        while state.step < training.steps:
            descent.step()
            if state.step % REFRESH == 0:
                descent.check()
                progress.set_postfix(elbo=f"{float(state.total) / state.since:.4g}", refresh=False)
            if state.step % training.validate_every == 0 or state.step == training.steps:
                descent.check()
                if state.step == training.steps:
                    state.use_average()
                state.history.append((state.step, float(state.total) / state.since, held_out(problem)))
                state.total.zero_()
                if fall := collapse(state.history):
                    raise DivergedError(f"{title}: {fall}; {_remedy(training)}")
                if live:
                    _show(live, state, state.history[-1])
            progress.update()
            if checkpoint and checkpoint.due():
                descent.check()
                if bad_parameter(problem.objective) is None:
                    checkpoint.save(*state.save())
    if bad := bad_parameter(problem.objective):
        raise DivergedError(f"{title}: step {state.step}: {bad}; {_remedy(training)}")
    return pd.DataFrame(state.history, columns=["step", "elbo", "validation"])


def _show(live: Live, state: State, row: tuple[int, float, float]) -> None:
    step, elbo, validation = row
    live.show(step, elbo=elbo, validation=validation, learning_rate=float(state.rates[step - 1]))


class Descent:
    """A training between two steps, and the way to take one.

    Args:
        problem: what to learn, its objective in training mode.
        training: learning rate and schedule, and how to execute the step.
        title: of error messages.
    """

    def __init__(self, problem: Problem, training: Training, title: str = ""):
        self.problem, self.training, self.title = problem, training, title
        tensors = posterior.tensors(problem.model, problem.guide)
        self.state = State(tensors, problem.objective.parameters(), training, problem.size)
        self.noise: list[Tensor] = []  # states of the generator before each step since the last check
        self.on_gpu = self.state.device.type == "cuda"
        traced = training.execution != "eager"
        if traced:
            compile = training.execution == "compiled"
            self.gradient = gradient.Traced(problem.objective, problem.context, compile)
        else:
            self.gradient = gradient.plain(problem.objective, problem.context)
        self.update = Captured(self._update) if traced and self.on_gpu else self._update

    def step(self) -> None:
        """Follow the gradient of the next batch. On a GPU this waits for nothing: `check` does.

        Raises:
            DivergedError: as `check`, elsewhere than on a GPU.
        """
        self.noise.append(generator_state(self.state.device))
        self.update(*self.problem.batch(self.state.step))
        self.state.step += 1
        if not self.on_gpu:
            self.check()
        self.state.average()

    def _update(self, *batch) -> None:
        self.state.descend(-self.gradient(*batch) / self.problem.size)

    def check(self) -> None:
        """Wait for the steps that were taken, and look whether they went well.

        Raises:
            DivergedError: if an ELBO was not finite; state and parameters are those before that step.
        """
        noise, self.noise = self.noise, []
        if self.state.failed:
            first = self.state.step - len(noise)
            self.state.step = int(self.state.count)
            raise DivergedError(f"{self.title}: {self._explain(noise[self.state.step - first])}")

    def _explain(self, noise: Tensor) -> str:
        """Run the step again with the same noise, and see where the number comes from."""
        start = f"step {self.state.step + 1}: the ELBO is {float(self.state.total)}: "
        if bad := bad_parameter(self.problem.objective):
            return f"{start}{bad} in the step before; {_remedy(self.training)}"
        set_generator_state(self.state.device, noise)
        with SiteWatch() as watch, torch.no_grad(), self.problem.context():
            self.problem.objective(*self.problem.batch(self.state.step))
        if watch.observed:
            remedy = "the data hold no such number where they are sound: run `dvc repro --force`"
            return f"{start}{watch.first}; {remedy}"
        return f"{start}{watch.first or 'no sample site alone is the cause'}; {_remedy(self.training)}"


def _remedy(training: Training) -> str:
    rate, norm = training.learning_rate, training.clip_norm
    limit = "set clip_norm" if norm == 0 else f"lower clip_norm (now {norm:g})"
    cause = "the usual cause is a step that is too long"
    return f"{cause}: lower learning_rate (now {rate}) in params.yaml, or {limit}"


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
