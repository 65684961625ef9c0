"""Time parts of the pipeline against alternative implementations, and write benchmarks/results.json.

Each row is measured in one process, with its contestants in turns, after a check that they compute the same thing.
This needs the packages in benchmarks/requirements.txt and the data of `dvc repro download`.
"""

import argparse
import os
import platform
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import torch

from benchmarks import gpu, inputs, prediction, startup, svi_step
from stages import artifacts, runtime
from stages.settings import Settings

RESULTS = Path(__file__).parent / "results.json"
KEPT = ("scale",)  # written by benchmarks/scale.py
PACKAGES = ("torch", "pyro-ppl", "numpyro", "jax", "bayesian-torch")


def measure(settings: Settings) -> None:
    """Run the benchmarks, print and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="run only these rows")
    parser.add_argument("--steps", type=int, default=40, help="gradient steps in a block (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="blocks per contestant (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: %(default)s")
    args = parser.parse_args()
    runtime.prepare(settings, 0)
    known = artifacts.read_json(args.out) if args.out.exists() else {}
    results = {"machine": machine()} | {name: known[name] for name in KEPT if name in known}
    for name in args.rows:
        print(f"\n{name}", flush=True)
        section, _, key = name.partition(".")
        row = ROWS[name](settings, args.steps, args.rounds)
        target = results.setdefault(section, {})
        target.update({key: row} if key else row)
        show(row)
    artifacts.write_json(args.out, results)
    print(f"\nwritten to {args.out}")


def machine() -> dict:
    """The machine and the versions that were measured."""
    return {
        "platform": platform.platform(),
        "cpu": runtime.cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def version(package: str) -> str | None:
    """Version of a package, None if it is not installed: GPU rows do not need the packages of other rows."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


ROWS: dict[str, Callable] = {
    **{f"svi_step.{name}": partial(svi_step.row, name) for name in svi_step.ROWS},
    "input": inputs.row,
    "prediction": prediction.row,
    "startup": startup.row,
    "gpu": gpu.row,
}


def show(row: dict) -> None:
    """Print one row's contestants and ratios."""
    for name, figures in row.get("contestants", {}).items():
        spread = f"{figures['median_ms']:10.3f} ms   ({figures['min_ms']:.3f} to {figures['max_ms']:.3f})"
        print(f"  {name:28}{spread}", flush=True)
    for key, value in row.items():
        if isinstance(value, dict) and key != "contestants":
            print(f"  {key}")
            show(value)
        elif key != "contestants":
            print(f"  {key:28}{'not measured' if value is None else value:>10}", flush=True)
