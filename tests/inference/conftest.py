"""The real problem of each model (stages/inference/<model>.py), on synthetic data."""

from importlib import import_module

import pytest
import torch

from stages import datasets
from tests import tiny

torch.set_num_threads(1)  # with tensors this small, a second thread only waits

IMAGES, LABELLED, POINTS = 60, 20, 30


@pytest.fixture
def problem(monkeypatch):
    """problem("vae", latents=2, ...) -> svi.Problem; the same parameters at each call."""
    monkeypatch.setattr(datasets, "load", lambda name, split, sizes, root=None: tiny.images(IMAGES))
    monkeypatch.setattr(datasets, "classes", lambda name: 10)
    kept = torch.arange(0, IMAGES, IMAGES // LABELLED)
    monkeypatch.setattr(datasets, "kept_labels", lambda seed: (kept, tiny.images(IMAGES).labels[kept]))
    monkeypatch.setattr(datasets, "regression", lambda split, device: tiny.regression(POINTS))

    def make(name, **section):
        torch.manual_seed(0)
        settings = tiny.settings(**{name: section})
        return import_module(f"stages.inference.{name}").problem(settings, seed=0, device=torch.device("cpu"))

    return make
