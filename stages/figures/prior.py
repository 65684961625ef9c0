"""The prior predictive distribution of a network."""

from pathlib import Path

import numpy as np

from stages.evaluation.prior import favourite_share
from stages.figures.style import BLUE, GREY, ORANGE, figure

TITLES = ("Confidence of one network", "Its preference for one class", "Average over networks")


def draw(folder: Path, predictions: dict[str, dict[str, np.ndarray]]) -> None:
    """prior.png: confidence and predicted classes of networks drawn from each prior, that of params.yaml last."""
    names = [*sorted({*predictions} - {"networks"}), "networks"]
    with figure(folder / "prior.png", rows=len(names), columns=3, size=(3.8, 2.8)) as axes:
        for row, name in zip(np.atleast_2d(axes), names, strict=True):
            _row(row, predictions[name]["probabilities"])
            title = "bnn.prior" if name == "networks" else name.replace("_", " ")
            row[0].set_ylabel(f"{title}\n\npredictions (%)")
        for axis, title in zip(np.atleast_2d(axes)[0], TITLES, strict=True):
            axis.set(title=title)
        row[0].set(xlabel="largest class probability")
        row[1].set(xlabel="share of most frequent class")
        row[2].set(xlabel="class (bars: sd over images)")


def _row(axes, p: np.ndarray) -> None:
    left, middle, right = axes
    confidence, share, together = p.max(axis=-1).ravel(), favourite_share(p), p.mean(axis=0)
    for axis, values, bins, colour in ((left, confidence, 30, BLUE), (middle, share, 20, ORANGE)):
        axis.hist(values, bins, range=(0, 1), weights=np.full(len(values), 100 / len(values)), color=colour)
    middle.set(ylabel="networks (%)")
    right.bar(range(p.shape[-1]), together.mean(axis=0), yerr=together.std(axis=0), color=GREY, capsize=3)
    right.set(ylabel="mean probability")
