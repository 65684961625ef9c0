"""Figures of the VAE: what it draws, what it keeps, and what it finds likely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.artifacts import Groups
from stages.figures.style import BLUE, ORANGE, elbo_curve, figure, image_grid, roc, title

if TYPE_CHECKING:
    from stages.settings import Settings

TITLE = "VAE"
PREDICTIONS = {"evaluate": "vae/{seed}", "ood": "ood/vae/{seed}"}  # what is shown, by the command that made it
HEADLINES = {  # metrics for people in a hurry: what to call them, decimals
    "vae.iwae": ("−IWAE, {vae[iwae_samples][mean]:.0f} samples (nats per image)", 2),
    "vae.elbo": ("−ELBO (nats per image)", 2),
    "vae.active_units": ("active units of the latent space", 0),
    "ood/vae.mnist.likelihood.auroc": ("AUROC, Fashion-MNIST against MNIST, likelihood", 4),
    "ood/vae.mnist.input_complexity.auroc": ("the same, corrected for input complexity", 4),
}


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    pictures, ood = predictions["evaluate"]["pictures"], predictions["ood"]
    elbo_curve(folder, history, "ELBO (nats per image)")
    image_grid(folder / "samples.png", pictures["samples"].reshape(8, 8, 784), "Drawn from the prior")
    pairs = np.stack([pictures["originals"][:12] / 255.0, pictures["reconstructions"][:12]])
    image_grid(folder / "reconstructions.png", pairs, "Held-out images, reconstructed", rows=["image", "decoded"])
    image_grid(folder / "walks.png", pictures["walks"], "Walks between two images in latent space")
    learned, other = settings.vae.dataset, settings.ood.vae
    likelihoods(folder / "likelihood.png", ood, learned, other)
    roc(folder, ood, learned, other, f"Telling {title(other)} from {title(learned)}")


def likelihoods(path: Path, ood: Groups, learned: str, other: str) -> None:
    """Log likelihood of the images it was trained for, and of others that it never saw."""
    low, high = np.percentile(np.concatenate([-scores["likelihood"] for scores in ood.values()]), [0.2, 100])
    with figure(path, size=(5.4, 3.4)) as axis:
        for name, colour, label in (
            (learned, BLUE, f"{title(learned)} (in-distribution)"),
            (other, ORANGE, f"{title(other)} (out-of-distribution)"),
        ):
            values = -ood[name]["likelihood"]
            weights = np.full(len(values), 100 / len(values))
            axis.hist(values, 60, (low, high), weights=weights, color=colour, alpha=0.6, label=label)
        axis.set(
            title="Likely is not the same as familiar", xlabel="log p(x), IWAE bound (nats)", ylabel="images (%)"
        )
        axis.legend(fontsize=9)
