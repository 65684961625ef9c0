"""The gradient of a problem's objective, computed by Pyro or replayed without Pyro.

Pyro processes the handlers, messages, distributions and shapes of a model in every step. That is worth its cost
while one writes and tests a model, but none of it changes from one training step to the next. So a training run
can trace the first step down to tensor operations, forward and backward together, and replay them: one by one, or
compiled where there is a C++ compiler. The results stay the same.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from unittest import mock

import torch
from pyro.infer import trace_elbo, trace_mean_field_elbo, traceenum_elbo
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree
from tqdm import tqdm

from stages.inference.loop.state import generator_state, set_generator_state

Context = Callable[[], AbstractContextManager]
Gradient = Callable[..., Tensor]  # batch -> value, detached; leaves gradients in the parameters


def plain(objective: nn.Module, context: Context) -> Gradient:
    """Run Pyro, then autograd, in every step."""

    def gradient(*batch) -> Tensor:
        with context():
            value = objective(*batch)
        value.backward()
        return value.detach()

    return gradient


class Traced:
    """Trace the first step and replay it.

    The values of tensors in a batch may change from step to step; their shapes and everything else may not.

    Args:
        objective: batch -> value, ().
        context: the effect handler around each evaluation.
        compile: also compile the trace.
    """

    def __init__(self, objective: nn.Module, context: Context, compile: bool):
        self.objective, self.context, self.compile = objective, context, compile
        self.names, self.parameters = zip(*objective.named_parameters(), strict=True)
        self.program: Callable[..., list[Tensor]] | None = None
        self.form = None

    @torch.no_grad()
    def __call__(self, *batch) -> Tensor:
        """The value of the objective; gradients are left in the parameters."""
        leaves, structure = pytree.tree_flatten(batch)
        inputs = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if self.program is None:
            self.form = form(batch)
            self.program = self.trace(leaves, structure, inputs)
            if self.compile:
                self.program = compiled(self.program, [*self.parameters, *inputs])
        if form(batch) != self.form:
            raise ValueError(f"a batch of the form {form(batch)} cannot replay a trace of {self.form}")
        value, *gradients = self.program(*self.parameters, *inputs)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        return value

    def trace(self, leaves: list, structure, inputs: list[Tensor]) -> fx.GraphModule:
        """All tensor operations of one step, as a function of parameters and inputs.

        Operations that affect neither the value nor the gradients are left out, such as draws of weights that
        local reparameterisation never uses, and their prior densities.
        """

        def step(*tensors: Tensor) -> list[Tensor]:
            parameters = [tensor.detach().requires_grad_() for tensor in tensors[: len(self.names)]]
            given = iter(tensors[len(self.names) :])
            batch = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
            named = dict(zip(self.names, parameters, strict=True))
            with torch.enable_grad(), numbers_unread(), self.context():
                # `tie_weights` would lose the parameters of a module that has two owners
                arguments = tuple(pytree.tree_unflatten(batch, structure))
                value = functional_call(self.objective, named, arguments, tie_weights=False)
                gradients = torch.autograd.grad(value, parameters)
            return [value.detach(), *gradients]

        device = self.parameters[0].device
        noise = generator_state(device)  # tracing runs the step once, which must not advance the generator
        graph = make_fx(step)(*self.parameters, *inputs)
        set_generator_state(device, noise)
        graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
        graph.recompile()
        return graph


def form(batch: tuple) -> tuple:
    """What the batches of all steps have in common: structure, tensor shapes, and non-tensor values."""
    leaves, structure = pytree.tree_flatten(batch)
    return structure, [leaf.shape if isinstance(leaf, Tensor) else leaf for leaf in leaves]


@contextmanager
def numbers_unread() -> Iterator[None]:
    """Keep Pyro's ELBOs from converting the loss to a number, which a trace cannot do and a GPU would wait for."""
    with ExitStack() as stack:
        for module in (trace_elbo, trace_mean_field_elbo, traceenum_elbo):
            for name, instead in (("torch_item", _detached), ("warn_if_nan", _unchanged)):
                if hasattr(module, name):
                    stack.enter_context(mock.patch.object(module, name, instead))
        yield


def _detached(value):
    return value.detach() if isinstance(value, Tensor) else value


def _unchanged(value, *_args, **_options):
    return value


def compiled(graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., list[Tensor]]:
    """Compile a trace; if that fails, report why and return the trace itself, which is slower but also correct.

    Random numbers are drawn as in PyTorch without compilation, so that training is the same either way.
    """
    # on a machine without a GPU it would warn about that
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        return torch._inductor.compile(graph, inputs, options={"fallback_random": True})
    except RuntimeError as error:
        tqdm.write(f"not compiled, so slower, with the same results: {str(error).splitlines()[0]}")
        return graph
