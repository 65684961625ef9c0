"""Gradient steps and whole training runs on a GPU; null if there is none."""

import time
from importlib import import_module

import torch

from benchmarks import svi_step
from stages import params, runtime
from stages.inference.loop import svi
from stages.settings import Settings


def row(settings: Settings, steps: int, rounds: int) -> dict:
    """Benchmarks of PyTorch and Pyro, then the seconds that each training run of params.yaml takes."""
    if not torch.cuda.is_available():
        unmeasured = {name: {"tutorial_over_ours": None} for name in svi_step.ROWS}
        return {"svi_step": unmeasured, "train_all_seconds": None}
    return {
        "device": torch.cuda.get_device_name(),
        "svi_step": {name: svi_step.row(name, settings, steps, rounds, "cuda") for name in svi_step.ROWS},
        "train_all_seconds": train_all_seconds(settings, "cuda"),
    }


def train_all_seconds(settings: Settings, device: str) -> float:
    """Wall-clock seconds of the pipeline's training runs, including tracing and moving the data to the device."""
    seconds, on_device = 0.0, settings.model_copy(update={"device": device})
    for model in params.TRAINED:
        start = time.perf_counter()
        problem = import_module(f"stages.inference.{model}").problem(settings, 0, runtime.prepare(on_device, 0))
        svi.fit(problem, getattr(settings, model), model)
        seconds += time.perf_counter() - start
    return round(seconds, 1)
