"""A gradient step on a GPU, captured once in a CUDA graph and replayed.

For networks this small, a GPU finishes a kernel before Python has launched the next one. A graph launches all
kernels of a step together.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from tqdm import tqdm

from stages.inference.loop.gradient import form

WARM_UP = 3  # steps before the capture, during which libraries and Adam's averages are initialised


class Captured:
    """A step whose kernels are recorded in one call and launched together in all later calls.

    The step must not read values from the device, must update its state in place, and must always get batches of
    the same form. Each replay draws fresh random numbers, the same that the step itself would draw. If a step
    cannot be captured, it runs uncaptured, and a message says so once.

    Args:
        step: batch -> None.
    """

    def __init__(self, step: Callable[..., None]):
        self.step, self.calls = step, 0
        self.stream = torch.cuda.Stream()
        self.run: Callable[..., None] = self._aside

    def __call__(self, *batch) -> None:
        """Run the step."""
        if self.calls == WARM_UP:
            self.run = self._captured(batch)
        self.calls += 1
        self.run(*batch)

    def _aside(self, *batch) -> None:
        """Run the step on the stream of the capture."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.step(*batch)
        torch.cuda.current_stream().wait_stream(self.stream)

    def _captured(self, batch: tuple) -> Callable[..., None]:
        """Capture the step and return the function that replays it; the capture itself computes nothing."""
        leaves, structure = pytree.tree_flatten(batch)
        fixed = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]  # the input of replays
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self.step(*pytree.tree_unflatten(fixed, structure))
        except RuntimeError as error:
            tqdm.write(f"not captured, so slower, with the same results: {str(error).splitlines()[0]}")
            return self.step
        captured_form = form(batch)

        def replay(*batch) -> None:
            if form(batch) != captured_form:
                raise ValueError(f"a batch of the form {form(batch)} cannot replay a capture of {captured_form}")
            for place, leaf in zip(fixed, pytree.tree_leaves(batch), strict=True):
                if isinstance(leaf, Tensor):
                    place.copy_(leaf)
            graph.replay()

        return replay
