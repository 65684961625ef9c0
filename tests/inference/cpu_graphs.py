"""CUDA graphs simulated on a CPU, as strict as the real ones: recorded code must not read values from the device.

A recorded operation is called again on the same tensors, and its results overwrite the recorded results. A step
that keeps state anywhere but in tensors changed in place gives wrong results in a replay.
"""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero)


class Recorder(TorchDispatchMode):
    """Records each operation, and the previous values of the tensors that it changes."""

    def __init__(self):
        super().__init__()
        self.operations, self.before = [], {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if operation.overloadpacket in READS:
            raise RuntimeError("operation not permitted when stream is capturing\nat this line")
        schema = operation._schema.arguments
        changed = [
            given
            for place, argument in enumerate(schema)
            if argument.alias_info is not None and argument.alias_info.is_write
            for given in tree_leaves(args[place] if place < len(args) else kwargs.get(argument.name))
            if isinstance(given, torch.Tensor)
        ]
        for tensor in changed:
            self.before.setdefault(id(tensor), (tensor, tensor.clone()))
        result = operation(*args, **kwargs)
        self.operations.append((operation, args, kwargs, result, bool(changed)))
        return result


class Graph:
    """Like torch.cuda.CUDAGraph."""

    recorder = None

    def replay(self):
        """Call the operations again."""
        with torch.no_grad():
            for operation, args, kwargs, recorded, in_place in self.recorder.operations:
                result = operation(*args, **kwargs)
                if in_place:
                    continue
                for place, value in zip(tree_leaves(recorded), tree_leaves(result), strict=True):
                    if isinstance(place, torch.Tensor) and place.data_ptr() != value.data_ptr():
                        place.copy_(value)


@contextmanager
def capture(graph, stream):
    """Like torch.cuda.graph; its computations are undone, since a real capture computes nothing."""
    noise = torch.get_rng_state()
    graph.recorder = Recorder()
    with graph.recorder:
        yield
    with torch.no_grad():
        for tensor, before in graph.recorder.before.values():
            tensor.copy_(before)
    torch.set_rng_state(noise)


def act(monkeypatch):
    """Replace CUDA's classes by these for a test."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, instead in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda stream: nullcontext(),
        "CUDAGraph": Graph,
        "graph": capture,
    }.items():
        monkeypatch.setattr(torch.cuda, name, instead)
