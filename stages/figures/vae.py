"""Figures of the VAE: samples, reconstructions, interpolations and likelihoods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.artifacts import Groups
from stages.figures.style import BLUE, ORANGE, elbo_curve, figure, image_grid, roc, title

if TYPE_CHECKING:
    from stages.settings import Settings

PREDICTIONS = {"evaluate": "vae/{seed}", "ood": "ood/vae/{seed}"}  # by the command that wrote them


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    pictures, ood = predictions["evaluate"]["pictures"], predictions["ood"]
    elbo_curve(folder, history, "ELBO (nats per image)")
    image_grid(folder / "samples.png", pictures["samples"].reshape(8, 8, 784), "Samples from the prior")
    pairs = np.stack([pictures["originals"][:12] / 255.0, pictures["reconstructions"][:12]])
    image_grid(
        folder / "reconstructions.png",
        pairs,
        "Held-out images and their reconstructions",
        rows=["image", "decoded"],
    )
    image_grid(folder / "walks.png", pictures["walks"], "Interpolation between two images in latent space")
    learned, other = settings.vae.dataset, settings.ood.vae
    likelihoods(folder / "likelihood.png", ood, learned, other)
    roc(folder, ood, learned, other, f"Detecting {title(other)} against {title(learned)}")


def likelihoods(path: Path, ood: Groups, learned: str, other: str) -> None:
    """Log likelihood of in-distribution and out-of-distribution images."""
    low, high = np.percentile(np.concatenate([-scores["likelihood"] for scores in ood.values()]), [0.2, 100])
    with figure(path, size=(5.4, 3.4)) as axis:
        for name, colour, label in (
            (learned, BLUE, f"{title(learned)} (in-distribution)"),
            (other, ORANGE, f"{title(other)} (out-of-distribution)"),
        ):
            values = -ood[name]["likelihood"]
            weights = np.full(len(values), 100 / len(values))
            axis.hist(values, 60, range=(low, high), weights=weights, color=colour, alpha=0.6, label=label)
        axis.set(title="Log likelihood bounds", xlabel="log p(x), IWAE bound (nats)", ylabel="images (%)")
        axis.legend(fontsize=9)
