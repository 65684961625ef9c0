"""Figures of the semi-supervised VAE: drawn digits, styles, and digits completed from their upper half."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages.artifacts import Groups
from stages.figures.style import BLUE, elbo_curve, figure, image_grid

if TYPE_CHECKING:
    from stages.settings import Settings

PREDICTIONS = {"evaluate": "ssvae/{seed}"}  # by the command that wrote them
DRAWN = 12  # of each class, in a picture
SEEN_ROWS = 14  # of a half-hidden digit


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    groups = predictions["evaluate"]
    pictures, drawn = groups["pictures"], groups["digits"]
    elbo_curve(folder, history, "classification error (%)")
    image_grid(
        folder / "styles.png",
        pictures["styles"],
        "Mean images: one class per row, one style per column",
        rows=range(10),
    )
    of_class = drawn["pixels"].reshape(10, -1, 784)[:, :DRAWN]
    image_grid(folder / "drawn.png", of_class, "Digits on demand: draws, binary like the data", rows=range(10))
    analogies = np.concatenate([pictures["originals"][:, None] / 255.0, pictures["analogies"]], axis=1)
    image_grid(
        folder / "analogies.png",
        analogies,
        "The style of a held-out digit in every class",
        columns=["image", *range(10)],
    )
    planes(folder / "planes.png", pictures["planes"])
    completions(folder / "completions.png", pictures, groups["halves"])


def planes(path: Path, images: np.ndarray) -> None:
    """Two directions of style for each class, (10, points, points, 784)."""
    points = images.shape[1]
    with figure(path, rows=2, columns=5, size=(3.0, 3.2)) as axes:
        canvas = axes[0, 0].figure
        canvas.suptitle("Two directions of style, from low to high quantiles of their prior", fontsize=18)
        canvas.supxlabel("the direction that varies most between digits", fontsize=14)
        canvas.supylabel("the direction that varies second most", fontsize=14)
        for label, (axis, plane) in enumerate(zip(axes.flat, images, strict=True)):
            sheet = plane.reshape(points, points, 28, 28).transpose(0, 2, 1, 3)
            show(axis, sheet.reshape(28 * points, 28 * points))
            axis.set_title(f"class {label}", fontsize=14)


def completions(path: Path, pictures: dict[str, np.ndarray], halves: dict[str, np.ndarray]) -> None:
    """Half-hidden digits: what is seen, draws of how they go on, the digit, and the probabilities of its class."""
    wholes, drawn = pictures["halves"].reshape(-1, 1, 28, 28), pictures["completions"]
    upper = wholes.copy()
    upper[:, :, SEEN_ROWS:] = 0.25  # grey: unknown
    images = np.concatenate([upper, drawn.reshape(*drawn.shape[:2], 28, 28), wholes], axis=1)
    rows, columns = images.shape[:2]
    widths = {"width_ratios": [1] * columns + [2]}
    with figure(path, rows, columns + 1, size=(0.85, 0.8), gridspec_kw=widths) as axes:
        axes[0, 0].figure.suptitle("The lower half is hidden: what may it be?")
        for place, title in ((0, "seen"), (1, "draws"), (columns - 1, "digit"), (columns, "p(class)")):
            axes[0, place].set_title(title, fontsize=9)
        for axis, image in zip(axes[:, :-1].flat, images.reshape(-1, 28, 28), strict=True):
            show(axis, image)
        for axis, probabilities in zip(axes[:, -1], halves["probabilities"], strict=False):
            axis.bar(range(10), probabilities, color=BLUE)
            axis.set(ylim=(0, 1), yticks=[], xticks=[])
        axes[-1, -1].set_xticks(range(10))
        axes[-1, -1].tick_params(labelsize=7, length=0)


def show(axis, image: np.ndarray) -> None:
    """An image in [0, 1], larger values darker."""
    axis.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axis.set_axis_off()
