"""Figures of the semi-supervised VAE: generated digits, and the style of a digit transferred to other classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.artifacts import Groups
from stages.figures.style import elbo_curve, image_grid

if TYPE_CHECKING:
    from stages.settings import Settings

PREDICTIONS = {"evaluate": "ssvae/{seed}"}  # by the command that wrote them


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    pictures = predictions["evaluate"]["pictures"]
    elbo_curve(folder, history, "classification error (%)")
    image_grid(
        folder / "styles.png",
        pictures["styles"],
        "Generated digits: one class per row, one style per column",
        rows=range(10),
    )
    analogies = np.concatenate([pictures["originals"][:, None] / 255.0, pictures["analogies"]], axis=1)
    image_grid(
        folder / "analogies.png",
        analogies,
        "The style of a held-out digit in every class",
        columns=["image", *range(10)],
    )
