"""The prior predictive distribution of a network."""

from pathlib import Path

import numpy as np

from stages.evaluation.prior import favourite_share
from stages.figures.style import BLUE, GREY, ORANGE, figure


def draw(folder: Path, predictions: dict[str, dict[str, np.ndarray]]) -> None:
    """prior.png: confidence and predicted classes of networks drawn from the prior."""
    p = predictions["networks"]["probabilities"]
    with figure(folder / "prior.png", columns=3, size=(3.8, 3.4)) as (left, middle, right):
        confidence = p.max(axis=-1).ravel()
        left.hist(
            confidence, 30, range=(0, 1), weights=np.full(len(confidence), 100 / len(confidence)), color=BLUE
        )
        left.set(title="Confidence of one network", xlabel="largest class probability", ylabel="predictions (%)")
        share = favourite_share(p)
        middle.hist(share, 20, range=(0, 1), weights=np.full(len(share), 100 / len(share)), color=ORANGE)
        middle.set(
            title="Its preference for one class", xlabel="share of most frequent class", ylabel="networks (%)"
        )
        together = p.mean(axis=0)
        right.bar(range(p.shape[-1]), together.mean(axis=0), yerr=together.std(axis=0), color=GREY, capsize=3)
        right.set(title="Average over networks", xlabel="class (bars: sd over images)", ylabel="mean probability")
