"""Step 4a for the model of a test."""

from pathlib import Path

import numpy as np
import torch

from stages import datasets
from stages.inference import posterior
from stages.models import toy


def trained(settings, seed, device):
    """The learned posterior."""
    model, guide = (part.to(device) for part in toy.build(settings.toy))
    posterior.load(Path(f"posteriors/toy/{seed}/weights.safetensors"), model, guide)
    return guide


def predict(settings, seed, trained):
    """cases: each held-out y and the predicted mean."""
    _, y = datasets.regression(settings.evaluate.split, torch.device("cpu"))
    mean = float(trained.median()["mean"].detach())
    return {"cases": {"y": y.numpy(), "mean": np.full(len(y), mean)}}
