"""The prior predictive distribution of a network."""

from pathlib import Path

import numpy as np

from stages.evaluation.prior import favourite_share
from stages.figures.style import BLUE, GREY, ORANGE, figure

ROWS = {"before": "prior with\none sd", "networks": "prior scaled\nby layer"}


def draw(folder: Path, predictions: dict[str, dict[str, np.ndarray]]) -> None:
    """prior.png: confidence and predicted classes of networks drawn from two priors."""
    with figure(folder / "prior.png", rows=2, columns=3, size=(3.8, 2.8)) as axes:
        for row, (name, title) in zip(axes, ROWS.items(), strict=True):
            _row(row, predictions[name]["probabilities"])
            row[0].set_ylabel(f"{title}\n\npredictions (%)")
        axes[0][0].set(title="Confidence of one network")
        axes[0][1].set(title="Its preference for one class")
        axes[0][2].set(title="Average over networks")
        axes[1][0].set(xlabel="largest class probability")
        axes[1][1].set(xlabel="share of most frequent class")
        axes[1][2].set(xlabel="class (bars: sd over images)")


def _row(axes, p: np.ndarray) -> None:
    left, middle, right = axes
    confidence, share, together = p.max(axis=-1).ravel(), favourite_share(p), p.mean(axis=0)
    for axis, values, bins, colour in ((left, confidence, 30, BLUE), (middle, share, 20, ORANGE)):
        axis.hist(values, bins, range=(0, 1), weights=np.full(len(values), 100 / len(values)), color=colour)
    middle.set(ylabel="networks (%)")
    right.bar(range(p.shape[-1]), together.mean(axis=0), yerr=together.std(axis=0), color=GREY, capsize=3)
    right.set(ylabel="mean probability")
