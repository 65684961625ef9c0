"""Shared by the PyTorch contestants: the training steps, and starting from given weights."""

import itertools
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import pyro
import torch
from torch import Tensor, nn

from benchmarks.contest import Contestant
from stages.inference.loop import svi
from stages.params import Training

RATE = 1e-4  # of Adam; small, so that all contestants stay comparable


def cycle(batches: Sequence[tuple]) -> Callable[[], tuple]:
    """Yield the batches in turn, endlessly."""
    return itertools.cycle(batches).__next__


def hand_written(
    name: str, module: nn.Module, loss: Callable[..., Tensor], batches: Sequence[tuple]
) -> Contestant:
    """A loop in plain PyTorch: loss, backward pass, fused Adam.

    Args:
        name: name of the contestant.
        module: its parameters are trained.
        loss: batch -> -ELBO per datum, (), possibly compiled.
        batches: arguments of `loss`.
    """
    optimizer = torch.optim.Adam(module.parameters(), RATE, fused=True)
    next_batch, fixed = cycle(batches), batches[0]

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            value = loss(*next_batch())
            value.backward()
            optimizer.step()
        float(value.detach())

    def evaluate() -> float:
        with torch.no_grad():
            return float(loss(*fixed))

    return Contestant(name, evaluate, run)


def hand_written_both(build: Callable[[], nn.Module], batches: Sequence[tuple]) -> list[Contestant]:
    """A module whose `forward` is its loss, both eager and compiled."""
    plain, compiled = build(), build()
    return [
        hand_written("hand-written, eager", plain, plain, batches),
        hand_written("hand-written, compiled", compiled, torch.compile(compiled), batches),
    ]


def ours(
    model,
    guide,
    elbo: pyro.infer.ELBO,
    batches: Sequence[tuple],
    size: int,
    training: Training,
    context: Callable = nullcontext,
) -> Contestant:
    """The project's own loop, one step at a time.

    Args:
        model: as in stages/models/.
        guide: the same.
        elbo: its estimator.
        batches: arguments of both.
        size: number of data in the whole set.
        training: settings of the loop.
        context: the effect handler around each evaluation.
    """
    problem = svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(elbo, model, guide),
        batch=lambda step: batches[step % len(batches)],
        size=size,
        batch_size=len(batches[0][0]),
        validation=lambda: 0.0,
        context=context,
    )
    descent = svi.Descent(problem, training)
    problem.objective.train()

    def run(steps: int) -> None:
        for _ in range(steps):
            descent.step()
        descent.check()

    def evaluate() -> float:
        with torch.no_grad(), context():
            return float(problem.objective(*batches[0])) / size

    return Contestant("ours", evaluate, run)


def tutorial(model, guide, loss: pyro.infer.ELBO, batches: Sequence[tuple], per_datum: int) -> Contestant:
    """`pyro.infer.SVI` with `pyro.optim.Adam` and Pyro's default settings, as in its documentation."""
    pyro.clear_param_store()  # otherwise `pyro.module` would reuse the parameters of another row's contestant
    step = pyro.infer.SVI(model, guide, pyro.optim.Adam({"lr": RATE}), loss=loss)
    next_batch, fixed = cycle(batches), batches[0]

    def run(steps: int) -> None:
        with pyro.validation_enabled(True):  # Pyro's default, which the project switches off for the whole process
            for _ in range(steps):
                step.step(*next_batch())

    def evaluate() -> float:
        with pyro.validation_enabled(True):
            return step.evaluate_loss(*fixed) / per_datum

    return Contestant("tutorial", evaluate, run)


def copy(target: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Copy weights into `target`, matching them by name."""
    target.load_state_dict({name: value.detach().clone() for name, value in weights.items()})
    return target


class Products:
    """The three matrix products of a dense layer in a training step, written into preallocated memory.

    Args:
        batch: rows.
        inputs: of the layer.
        outputs: of the layer.
        need_input_gradient: false for the first layer.
    """

    def __init__(self, batch: int, inputs: int, outputs: int, need_input_gradient: bool = True):
        self.x, self.weight = torch.randn(batch, inputs), torch.randn(outputs, inputs)
        self.y, self.gradient = torch.empty(batch, outputs), torch.randn(batch, outputs)
        self.weight_gradient = torch.empty(outputs, inputs)
        self.input_gradient = torch.empty(batch, inputs) if need_input_gradient else None

    def run(self) -> None:
        """Forward and backward."""
        torch.mm(self.x, self.weight.T, out=self.y)
        torch.mm(self.gradient.T, self.x, out=self.weight_gradient)
        if self.input_gradient is not None:
            torch.mm(self.gradient, self.weight, out=self.input_gradient)


def floor(parts: Sequence[Callable[[], None]]) -> Contestant:
    """A lower bound on the time of the step with these kernels; it has no loss."""

    def run(steps: int) -> None:
        for _ in range(steps):
            for part in parts:
                part()

    return Contestant("floor", lambda: float("nan"), run)


def convolution(batch: int, inputs: int, outputs: int, side: int, kernel: int, need_input: bool) -> Callable:
    """The three convolutions of a convolutional layer in a training step.

    Args:
        batch: images.
        inputs: channels.
        outputs: channels.
        side: of the images, pixels.
        kernel: side of the filters.
        need_input: whether the gradient of the inputs is needed.
    """
    x, weight = torch.randn(batch, inputs, side, side), torch.randn(outputs, inputs, kernel, kernel)
    gradient = torch.randn(batch, outputs, side - kernel + 1, side - kernel + 1)

    def run() -> None:
        torch.conv2d(x, weight)
        torch.ops.aten.convolution_backward(
            gradient, x, weight, None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1, (need_input, True, False)
        )

    return run
