"""Figures of the VAE: what it draws, what it keeps, and what it finds likely."""

from pathlib import Path

import numpy as np
import pandas as pd

from stages.figures.style import BLUE, ORANGE, elbo_curve, figure, image_grid, roc

INSIDE, OUTSIDE = "fashion_mnist", "mnist"


def draw(settings, predictions: dict, ood: dict, history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    pictures = predictions["pictures"]
    elbo_curve(folder, history, "ELBO (nats per image)")
    image_grid(folder / "samples.png", pictures["samples"].reshape(8, 8, 784), "Drawn from the prior")
    pairs = np.stack([pictures["originals"][:12] / 255.0, pictures["reconstructions"][:12]])
    image_grid(folder / "reconstructions.png", pairs, "Held-out images, reconstructed", rows=["image", "decoded"])
    image_grid(folder / "walks.png", pictures["walks"], "Walks between two images in latent space")
    likelihoods(folder / "likelihood.png", ood)
    roc(folder, ood, INSIDE, OUTSIDE, "Telling MNIST from Fashion-MNIST")


def likelihoods(path: Path, ood: dict) -> None:
    """Log likelihood of the images it was trained for, and of simpler ones that it never saw."""
    low, high = np.percentile(np.concatenate([-scores["likelihood"] for scores in ood.values()]), [0.2, 100])
    with figure(path, size=(5.4, 3.4)) as axis:
        for name, colour, label in (
            (INSIDE, BLUE, "Fashion-MNIST (known)"),
            (OUTSIDE, ORANGE, "MNIST (never seen)"),
        ):
            values = -ood[name]["likelihood"]
            weights = np.full(len(values), 100 / len(values))
            axis.hist(values, 60, (low, high), weights=weights, color=colour, alpha=0.6, label=label)
        axis.set(
            title="Likely is not the same as familiar", xlabel="log p(x), IWAE bound (nats)", ylabel="images (%)"
        )
        axis.legend(fontsize=9)
