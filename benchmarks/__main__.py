"""Time the pipeline's parts beside other ways to do the same, and write benchmarks/results.json.

Each row is measured in one process, its contestants in turns, after they were shown to compute the same thing.
Needs what benchmarks/requirements.txt lists, and the data of `dvc repro download`.
"""

import argparse
import os
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch

from benchmarks import bnn, inputs, prediction, ssvae, startup, vae
from benchmarks.contest import Contestant, Times, agree, race, ratio
from stages import artifacts, command, datasets, params, runtime

RESULTS = Path(__file__).parent / "results.json"
PACKAGES = ("torch", "pyro-ppl", "numpyro", "jax", "bayesian-torch")
BATCHES = 16  # different ones that contestants see in turn
DRAWS = 40  # loss estimates per contestant, before the race
AFTER = 0.02  # relative difference of losses allowed after it, beyond Monte-Carlo error
HAND = ("hand-written, eager", "hand-written, compiled")
NOT_MEASURED = {  # not on this machine: no GPU
    "svi_step": {model: {"tutorial_over_ours": None} for model in ("bnn_mlp", "bnn_lenet", "vae", "ssvae")},
    "train_all_seconds": None,
}


def main() -> None:
    """Race, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these")
    parser.add_argument("--steps", type=int, default=40, help="gradient steps in a block (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="blocks per contestant (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: %(default)s")
    args = parser.parse_args()
    settings = params.load()
    runtime.prepare("cpu", 0)
    results = {"machine": machine()}
    for name in args.rows:
        print(f"\n{name}", flush=True)
        section, _, key = name.partition(".")
        row = ROWS[name](settings, args.steps, args.rounds)
        target = results.setdefault(section, {})
        target.update({key: row} if key else row)
        show(row)
    artifacts.write_json(args.out, results | {"gpu": NOT_MEASURED})
    print(f"\nwritten to {args.out}")


def machine() -> dict:
    """What the figures were measured on."""
    return {
        "platform": platform.platform(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def cpu() -> str:
    """The processor's name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def svi_row(contestants: list[Contestant], what: str, steps: int, rounds: int) -> dict:
    """Agreement at the start, the race, agreement at the end; ratios by the names that the README uses."""
    rivals = [contestant for contestant in contestants if contestant.name != "floor"]
    start = agree(rivals, DRAWS, f"{what}, at the same parameters")
    times = race(contestants, steps, rounds)
    end = agree(rivals, DRAWS, f"{what}, after {steps * (rounds + 1)} steps", slack=AFTER)
    return {
        **ratios(times),
        "contestants": {
            name: time.summary() | ({"loss_before": start[name], "loss_after": end[name]} if name in start else {})
            for name, time in times.items()
        },
    }


def ratios(times: dict[str, Times]) -> dict:
    """How many times longer one took than another; the faster of the hand-written ones is the limit."""
    limit = min(HAND, key=lambda name: times[name].summary()["median_ms"])
    pairs = {
        "ours_over_handwritten": ("ours", limit),
        "tutorial_over_ours": ("tutorial", "ours"),
        "ours_over_numpyro": ("ours", "NumPyro"),
        "bayesian_torch_over_ours": ("bayesian-torch", "ours"),
        "ours_over_floor": ("ours", "floor"),
        "handwritten_over_floor": (limit, "floor"),
    }
    return {key: ratio(times, *pair) for key, pair in pairs.items() if all(name in times for name in pair)}


def images(data_set: str, settings, size: int, binary: bool) -> list[tuple]:
    """Ready batches: images, and labels where they are grey."""
    data = datasets.load(data_set, "train", settings.images)
    minibatches = datasets.Minibatches(len(data), size, 0, torch.device("cpu"))
    indices = [minibatches(step) for step in range(BATCHES)]
    if binary:
        return [datasets.binarise(data.pixels[index]) for index in indices]
    return [(datasets.unit_interval(data.pixels[index]), data.labels[index]) for index in indices]


def training(settings, model: str):
    """Our loop's settings, at a learning rate that all contestants share, its step compiled."""
    from benchmarks.torch_contestants import RATE

    section = getattr(settings, model)
    return section.model_copy(
        update={"learning_rate": RATE, "schedule": "constant", "steps": 10**9, "compile": True}
    )


def bnn_mlp(settings, steps: int, rounds: int) -> dict:
    """784-400-400-10, batch 128."""
    batches = images("mnist", settings, bnn.BATCH, binary=False)
    return svi_row(bnn.contestants("mlp", batches, training(settings, "bnn")), "bnn_mlp", steps, rounds)


def bnn_lenet(settings, steps: int, rounds: int) -> dict:
    """The pipeline's LeNet, batch 128."""
    batches = images("mnist", settings, bnn.BATCH, binary=False)
    rivals = bnn.contestants("lenet", batches, training(settings, "bnn"))
    return svi_row(rivals, "bnn_lenet", steps, rounds)


def vae_row(settings, steps: int, rounds: int) -> dict:
    """784-400-50, batch 256."""
    batches = images("fashion_mnist", settings, vae.BATCH, binary=True)
    return svi_row(vae.contestants(batches, training(settings, "vae")), "vae", steps, rounds)


def ssvae_row(settings, steps: int, rounds: int) -> dict:
    """Unlabelled step, 500 hidden, batch 200."""
    batches = images("mnist", settings, ssvae.BATCH, binary=True)
    return svi_row(ssvae.contestants(batches, training(settings, "ssvae")), "ssvae", steps, rounds)


ROWS: dict[str, Callable] = {
    "svi_step.bnn_mlp": bnn_mlp,
    "svi_step.bnn_lenet": bnn_lenet,
    "svi_step.vae": vae_row,
    "svi_step.ssvae": ssvae_row,
    "input": inputs.row,
    "prediction": prediction.row,
    "startup": startup.row,
}


def show(row: dict) -> None:
    """Print one row's contestants and ratios."""
    for name, figures in row.get("contestants", {}).items():
        spread = f"{figures['median_ms']:10.3f} ms   ({figures['min_ms']:.3f} to {figures['max_ms']:.3f})"
        print(f"  {name:28}{spread}", flush=True)
    for key, value in row.items():
        if key != "contestants":
            print(f"  {key:28}{value:>10}", flush=True)


if __name__ == "__main__":
    command.run(main)
