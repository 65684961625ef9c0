"""A gradient step on a GPU, captured once in a CUDA graph and replayed.

At these sizes a GPU is done with a kernel before Python has launched the next one. A graph launches all kernels of
a step together.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from tqdm import tqdm

from stages.inference.loop.gradient import form

WARM_UP = 3  # steps before the capture, in which libraries set themselves up and Adam its averages


class Captured:
    """A step whose kernels are recorded in one call and launched together in all that follow.

    The step reads no number from the device, keeps what it changes in tensors that it changes in place, and sees
    batches of one form. Each replay draws random numbers of its own, those that the step itself would draw. A step
    that cannot be captured is left to Python, which is said once.

    Args:
        step: batch -> None.
    """

    def __init__(self, step: Callable[..., None]):
        self.step, self.calls = step, 0
        self.stream = torch.cuda.Stream()
        self.run: Callable[..., None] = self._aside

    def __call__(self, *batch) -> None:
        """Take the step."""
        if self.calls == WARM_UP:
            self.run = self._captured(batch)
        self.calls += 1
        self.run(*batch)

    def _aside(self, *batch) -> None:
        """Take it on the stream of the capture."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.step(*batch)
        torch.cuda.current_stream().wait_stream(self.stream)

    def _captured(self, batch: tuple) -> Callable[..., None]:
        """What takes the step from now on; the capture itself computes nothing."""
        leaves, structure = pytree.tree_flatten(batch)
        fixed = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]  # where replays read
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self.step(*pytree.tree_unflatten(fixed, structure))
        except RuntimeError as error:
            tqdm.write(f"not captured, which costs time and nothing else: {str(error).splitlines()[0]}")
            return self.step
        captured_form = form(batch)

        def replay(*batch) -> None:
            if form(batch) != captured_form:
                raise ValueError(
                    f"a batch of the form {form(batch)} cannot replay one of the form {captured_form}"
                )
            for place, leaf in zip(fixed, pytree.tree_leaves(batch), strict=True):
                if isinstance(leaf, Tensor):
                    place.copy_(leaf)
            graph.replay()

        return replay
