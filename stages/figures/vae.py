"""Figures of the VAE: images that it draws, its latent space, its bound, and what it says of foreign images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.artifacts import Groups
from stages.figures import vae_ood
from stages.figures.style import BLUE, elbo_curve, figure, image_grid, roc, title

if TYPE_CHECKING:
    from stages.settings import Settings

PREDICTIONS = {  # by the command that wrote them
    "evaluate": "vae/{seed}",
    "ood": "ood/vae/{seed}",
    "ood_pictures": "ood/vae/{seed}/pictures",
}
SHOWN = 12  # images beside each other
COMPARED = ("likelihood", "grey_entropy", "grey_divergence", "input_complexity")  # with the headline score


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    evaluated, ood = predictions["evaluate"], predictions["ood"]
    learned, other = settings.vae.dataset, settings.ood.vae
    elbo_curve(folder, history, "ELBO (nats per image)")
    images(folder, evaluated["pictures"])
    names = settings.data_sets.class_names(learned)
    latent_map(folder / "map.png", evaluated["map"], names)
    if "bound" in evaluated:
        bound(folder / "bound.png", evaluated["bound"])
    vae_ood.likelihoods(folder / "likelihood.png", ood, learned, other)
    vae_ood.histograms(folder / "scores.png", ood, learned, other)
    strangest = predictions["ood_pictures"]["strangest"]
    vae_ood.strangest(folder / "strangest.png", strangest, settings.ood.headline)
    compared = dict.fromkeys((*COMPARED, settings.ood.headline))
    some = {name: {score: ood[name][score] for score in compared} for name in (learned, other)}
    roc(folder, some, learned, other, f"Detecting {title(other)} against {title(learned)}", vae_ood.SCORE_NAMES)


def images(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    """Samples, what is near them, reconstructions and walks."""
    image_grid(folder / "samples.png", pictures["samples"].reshape(8, 8, 784), "Samples from the prior")
    image_grid(
        folder / "nearest.png",
        np.stack(
            [
                pictures["samples"][:SHOWN],
                pictures["draws"][:SHOWN].astype(float),
                pictures["nearest"][:SHOWN] / 255.0,
            ]
        ),
        "Samples, and the training images nearest to them",
        rows=["probability", "draw", "nearest"],
    )
    image_grid(
        folder / "reconstructions.png",
        np.stack([pictures["originals"][:SHOWN] / 255.0, pictures["reconstructions"][:SHOWN]]),
        "Held-out images and their reconstructions",
        rows=["image", "decoded"],
    )
    image_grid(folder / "walks.png", pictures["walks"], "Interpolation between two images in latent space")


def latent_map(path: Path, found: dict[str, np.ndarray], names: list) -> None:
    """A point for each image, by class.

    Args:
        path: of the figure.
        found: position (images, 2), labels (images,).
        names: of the classes; empty: their numbers are shown.
    """
    with figure(path, size=(6.4, 5.0)) as axis:
        for label in np.unique(found["labels"]):
            points = found["position"][found["labels"] == label]
            name = str(names[label]) if names else str(label)
            axis.scatter(*points.T, s=6, linewidths=0, color=f"C{label % 10}", label=name)
        axis.set(title="The latent space by class, t-SNE", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.figure.legend(loc="outside right upper", fontsize=9, markerscale=3)


def bound(path: Path, curve: dict[str, np.ndarray]) -> None:
    """The bound on log p(x) against the number of importance samples.

    Args:
        path: of the figure.
        curve: samples and iwae, the mean of the bound over the images, both (counts,).
    """
    with figure(path) as axis:
        axis.plot(curve["samples"], curve["iwae"], color=BLUE, marker="o", markersize=4)
        axis.set(title="Bound and importance samples", xscale="log")
        axis.set(xlabel="importance samples per image, log scale", ylabel="bound on log p(x) (nats per image)")
