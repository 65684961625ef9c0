"""Shared by all figures: size, colours, and writing to disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_auc_score, roc_curve

from stages.artifacts import replacing, write_csv

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {
        "figure.dpi": 120,
        "figure.constrained_layout.use": True,
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 12,
        "legend.frameon": False,
        "image.cmap": "gray",
    }
)

# Okabe and Ito's palette, which people with any kind of colour vision can tell apart
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8a8a8a"


@contextmanager
def figure(
    path: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (5.0, 3.6), **options
) -> Iterator:
    """Yield the axes of a new figure, `size` inches each; write it to `path` as PNG, the same bytes every time."""
    canvas = Figure(figsize=(size[0] * columns, size[1] * rows))
    yield canvas.subplots(rows, columns, **options)
    with replacing(path) as temporary:
        canvas.savefig(temporary, format="png", metadata={"Software": None})


def image_grid(path: Path, pixels: np.ndarray, title: str, rows=None, columns=None, cell: float = 0.62) -> None:
    """Draw images (rows, columns, 784), larger values darker, with optional row and column labels."""
    across, down = pixels.shape[1], pixels.shape[0]
    canvas = Figure(figsize=(cell * across + 0.6, cell * down + 0.6))
    canvas.suptitle(title, fontsize=12)
    axes = canvas.subplots(down, across, squeeze=False, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for (row, column), axis in np.ndenumerate(axes):
        axis.imshow(pixels[row, column].reshape(28, 28), cmap="gray_r", vmin=0, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if rows is not None and column == 0:
            axis.set_ylabel(str(rows[row]), rotation=0, ha="right", va="center")
        if columns is not None and row == 0:
            axis.set_title(str(columns[column]), fontsize=10, pad=2)
    with replacing(path) as temporary:
        canvas.savefig(temporary, format="png", metadata={"Software": None})


def title(data_set: str) -> str:
    """The name of a data set as people write it."""
    return {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}.get(data_set, data_set.replace("_", " "))


def elbo_curve(folder: Path, history: pd.DataFrame, what_is_validated: str) -> None:
    """Draw and save the training history: elbo.png and elbo.csv.

    The objective is the ELBO, in the semi-supervised VAE with terms for labels and consistency. The weights of its
    terms may change during training: a warm-up of the KL term bends the curve.
    """
    write_csv(folder / "elbo.csv", history)
    with figure(folder / "elbo.png", columns=2, size=(4.2, 3.2)) as (left, right):
        left.plot(history["step"], history["elbo"], color=BLUE)
        # leave out the first values, which would compress the rest of the curve
        left.set(title="Training objective", xlabel="gradient step", ylabel="nats per datum")
        left.set_ylim(bottom=np.percentile(history["elbo"], 10) if len(history) > 4 else None)
        right.plot(history["step"], history["validation"], color=ORANGE)
        right.set(title="Validation", xlabel="gradient step", ylabel=what_is_validated)
        for axis in (left, right):
            axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axis.xaxis.set_major_formatter("{x:,.0f}")


def roc(
    folder: Path,
    scores: dict[str, dict[str, np.ndarray]],
    learned: str,
    other: str,
    title: str,
    names: dict[str, str] | None = None,
) -> None:
    """Draw and save ROC curves, one per score: roc.png and roc.csv.

    `other`, the out-of-distribution data set, is the positive class. Cases without a score, NaN, are left out.
    The legend calls scores by their `names`, if there are any.
    """
    rows = []
    with figure(folder / "roc.png", size=(5.0, 3.5 + 0.3 * len(scores[learned]))) as axis:
        for name in scores[learned]:
            own, others = (scores[of][name][~np.isnan(scores[of][name])] for of in (learned, other))
            values, positive = np.concatenate([own, others]), np.repeat([0, 1], [len(own), len(others)])
            false_positive, true_positive, _ = roc_curve(positive, values)
            area = roc_auc_score(positive, values)
            label = (names or {}).get(name, name.replace("_", " "))
            axis.plot(false_positive, true_positive, label=f"{label}, area {area:.4f}")
            grid = np.linspace(0, 1, 101)
            rows.append(
                pd.DataFrame({"fpr": grid, "tpr": np.interp(grid, false_positive, true_positive), "score": name})
            )
        chance = np.geomspace(1e-4, 1, 101)
        axis.plot(chance, chance, color=GREY, linestyle=":", label="chance")
        axis.set(title=title, xlabel="false positive rate, log scale", ylabel="true positive rate")
        axis.set(xscale="log", xlim=(1e-4, 1))
        axis.figure.legend(loc="outside lower center", fontsize=9)
    write_csv(folder / "roc.csv", pd.concat(rows))
