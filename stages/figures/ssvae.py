"""Figures of the semi-supervised VAE: digits on demand, and one's style in another's class."""

from pathlib import Path

import numpy as np
import pandas as pd

from stages.figures.style import elbo_curve, image_grid


def draw(settings, predictions: dict, history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    pictures = predictions["pictures"]
    elbo_curve(folder, history, "classification error (%)")
    image_grid(
        folder / "styles.png",
        pictures["styles"],
        "Digits on demand: a class per row, a style per column",
        rows=range(10),
    )
    analogies = np.concatenate([pictures["originals"][:, None] / 255.0, pictures["analogies"]], axis=1)
    image_grid(
        folder / "analogies.png",
        analogies,
        "The style of a held-out digit, in every class",
        columns=["image", *range(10)],
    )
