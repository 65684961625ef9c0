"""Where the time of one gradient step goes, in plain Pyro and traced: the tables of docs/speed.md.

It uses the models as in params.yaml, on their own data.
"""

import argparse
from importlib import import_module

import torch
from torch.profiler import ProfilerActivity, profile

from stages import command, runtime
from stages.inference.loop import svi

STEPS = 20
KINDS = {  # prefixes of operator names; all other operators count as elementwise work
    "matrix products, convolutions": (
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "aten::mkldnn_conv",
        "aten::convolution",
    ),
    "random numbers": ("aten::normal", "aten::bernoulli", "aten::rand", "aten::uniform", "aten::native_dropout"),
    "pooling": ("aten::max_pool2d",),
    "Adam": ("aten::_fused_adam", "Optimizer"),
    "Python between operators": ("## Call", "AOTDispatcher"),
}


def main() -> None:
    """Profile the step of one model in each execution mode."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--model", choices=("bnn", "vae", "ssvae", "labels_only"), required=True)
    args = parser.parse_args()
    settings = command.settings_of("params.yaml")
    device = runtime.prepare(settings, 0)
    inference = import_module(f"stages.inference.{args.model}")
    columns = {}
    for name in ("eager", "traced", "compiled"):
        problem = inference.problem(settings, 0, device)
        problem.objective.train()
        training = getattr(settings, args.model).model_copy(update={"execution": name})
        columns[name] = shares(svi.Descent(problem, training))
    print(f"{args.model}, ms per step".ljust(34) + "".join(name.rjust(12) for name in columns))
    for kind in (*KINDS, "elementwise and the rest"):
        print(kind.ljust(34) + "".join(f"{column.get(kind, 0.0):12.2f}" for column in columns.values()))
    print("all".ljust(34) + "".join(f"{sum(column.values()):12.2f}" for column in columns.values()))


def shares(descent: svi.Descent) -> dict[str, float]:
    """Milliseconds per step for each kind of work, including the overhead of the profiler."""
    for _ in range(STEPS):
        descent.step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(STEPS):
            descent.step()
    times: dict[str, float] = {}
    for event in found.key_averages():
        kind = next(
            (kind for kind, names in KINDS.items() if event.key.startswith(names)), "elementwise and the rest"
        )
        times[kind] = times.get(kind, 0.0) + event.self_cpu_time_total / STEPS / 1e3
    return times


if __name__ == "__main__":
    torch.manual_seed(0)
    command.run(main)
