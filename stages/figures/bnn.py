"""Figures of the Bayesian neural network: calibration, and uncertainty on data unlike its training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from stages.artifacts import Groups, read_json, write_csv
from stages.evaluation.classification import BINS, selective_risk
from stages.figures import prior, samples, shift
from stages.figures.style import BLUE, GREY, ORANGE, elbo_curve, figure, roc, title

if TYPE_CHECKING:
    from stages.settings import Settings

PREDICTIONS = {  # by the command that wrote them
    "evaluate": "bnn/{seed}",
    "ood": "ood/bnn/{seed}",
    "foreign": "ood/bnn/{seed}/pictures",
    "shift": "shift/bnn/{seed}",
    "samples": "samples/bnn/{seed}",
    "prior": "prior/bnn",
}
PICTURES = {
    "least_sure": "Held-out images with the highest predictive entropy",
    "most_aleatoric": "Uncertain for all networks alike (aleatoric more than epistemic)",
    "most_epistemic": "Uncertain since the networks disagree (epistemic more than aleatoric)",
}


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    evaluated, ood = predictions["evaluate"], predictions["ood"]
    p, labels = evaluated["cases"]["probabilities"], evaluated["cases"]["labels"]
    learned, other = settings.bnn.dataset, settings.ood.bnn
    elbo_curve(folder, history, "expected log likelihood (nats)")
    reliability(folder, p, labels, learned)
    confusion(folder, p, labels, learned)
    risk_coverage(folder, p, labels)
    threshold = read_json(f"metrics/referral/bnn/{settings.seeds[0]}.json")["threshold_nats"]
    entropy_histogram(folder / "entropy.png", ood, learned, other, p.shape[1], threshold)
    roc(folder, ood, learned, other, f"Detecting {title(other)} against {title(learned)}")
    for name, caption in PICTURES.items():
        digits(folder / f"{name}.png", evaluated[name], caption)
    foreign(folder / "foreign.png", predictions["foreign"], title(other))
    shift.draw(folder, predictions["shift"])
    samples.draw(folder, predictions["samples"], learned)
    prior.draw(folder, predictions["prior"])


def reliability(folder: Path, p: np.ndarray, labels: np.ndarray, data_set: str) -> None:
    """Accuracy against confidence in 15 bins of equal width, with the number of cases in each."""
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    used = count > 0
    mean_confidence = np.bincount(bins, confidence, BINS)[used] / count[used]
    right = np.bincount(bins, correct, BINS)[used].astype(int)
    accuracy = right / count[used]
    rows = {"confidence": mean_confidence, "accuracy": accuracy, "cases": count[used]}
    write_csv(folder / "reliability.csv", pd.DataFrame(rows))
    with figure(folder / "reliability.png", rows=2, size=(4.6, 2.6), sharex=True, height_ratios=[3, 1]) as axes:
        axes[0].plot([0, 1], [0, 1], ":", color=GREY, label="perfectly calibrated")
        bounds = [binomtest(k, n).proportion_ci(method="wilson") for k, n in zip(right, count[used], strict=True)]
        interval = [accuracy - [low for low, _ in bounds], [high for _, high in bounds] - accuracy]
        axes[0].errorbar(
            mean_confidence,
            accuracy,
            interval,
            fmt="o-",
            color=BLUE,
            ms=4,
            capsize=2,
            label="the network, 95% intervals",
        )
        axes[0].set(title=f"Reliability on {title(data_set)}", ylabel="accuracy", ylim=(0, 1.05))
        axes[0].legend(fontsize=9)
        axes[1].bar(edges[:-1], count, 1 / BINS, align="edge", color=BLUE, alpha=0.5)
        axes[1].set(yscale="log", ylabel="cases", xlabel="confidence, the largest class probability", xlim=(0, 1))


def confusion(folder: Path, p: np.ndarray, labels: np.ndarray, data_set: str) -> None:
    """Confusion matrix; the diagonal is left white, since its counts would drown out all others."""
    predicted = p.argmax(axis=1)
    write_csv(folder / "confusion.csv", pd.DataFrame({"actual": labels, "predicted": predicted}))
    counts = confusion_matrix(labels, predicted, labels=range(p.shape[1]))
    wrong = counts - np.diag(np.diag(counts))
    with figure(folder / "confusion.png", size=(4.8, 4.4)) as axis:
        axis.imshow(wrong, cmap="Oranges")
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axis.text(column, row, count, ha="center", va="center", fontsize=8)
        axis.set(title=f"Confusion on {title(data_set)}", xlabel="predicted class", ylabel="true class")
        axis.set(xticks=range(p.shape[1]), yticks=range(p.shape[1]))
        axis.spines[:].set_visible(False)


def risk_coverage(folder: Path, p: np.ndarray, labels: np.ndarray) -> None:
    """Error rate among the most confident cases against the share of cases answered."""
    risk = selective_risk(p.max(axis=1), p.argmax(axis=1) == labels)
    coverage = np.arange(1, len(risk) + 1) / len(risk)
    few = np.unique(np.linspace(0, len(risk) - 1, 201).astype(int))
    write_csv(folder / "risk_coverage.csv", pd.DataFrame({"coverage": coverage[few], "risk": risk[few]}))
    with figure(folder / "risk_coverage.png") as axis:
        axis.plot(100 * coverage, 100 * risk, color=BLUE)
        axis.axhline(0.1, color=GREY, ls=":", label="1 error per 1,000")
        start = coverage[np.argmax(risk > risk[-1] / 20)]  # skip the part where the error rate is nearly zero
        axis.set_xlim(10 * np.floor(10 * start), 100)
        axis.set(
            title="Referring uncertain images to a person",
            xlabel="images answered (%)",
            ylabel="error rate among them (%)",
        )
        axis.legend(fontsize=9)


def entropy_histogram(path: Path, ood: Groups, learned: str, other: str, classes: int, threshold: float) -> None:
    """Predictive entropy on in-distribution images, and on those of a data set that the network has never seen.

    Args:
        path: of the picture.
        ood: scores of both data sets.
        learned: the data set that the network has learned.
        other: the one that it has not.
        classes: number of classes, which bounds the entropy.
        threshold: above it, images go to a person; negative: all do.
    """
    bins = np.linspace(0, np.log(classes), 47)
    with figure(path, size=(5.4, 3.4)) as axis:
        for name, colour, label in (
            (learned, BLUE, f"{title(learned)} (in-distribution)"),
            (other, ORANGE, f"{title(other)} (out-of-distribution)"),
        ):
            values = ood[name]["entropy"]
            axis.hist(
                values, bins, weights=np.full(len(values), 100 / len(values)), color=colour, alpha=0.6, label=label
            )
        axis.axvline(max(threshold, 0), color="black", ls=":", label="to a person, from here on")
        axis.set(title="Predictive entropy", xlabel="predictive entropy (nats)", ylabel="images (%), log scale")
        axis.set(yscale="log")
        axis.legend(fontsize=9)


def digits(path: Path, cases: dict, caption: str) -> None:
    """Some held-out digits; under each, what the networks drawn from the posterior vote."""
    with figure(path, rows=6, columns=8, size=(1.3, 1.1), height_ratios=[3, 1.2] * 3) as axes:
        axes[0, 0].figure.suptitle(
            f"{caption}\ntruth → best guess; below, the votes of the networks for each class"
        )
        above, below = axes[::2].ravel(), axes[1::2].ravel()
        for place, (pixels, p, label, votes) in enumerate(
            zip(cases["pixels"], cases["probabilities"], cases["labels"], cases["votes"], strict=True)
        ):
            first = int(p.argmax())
            above[place].imshow(pixels.reshape(28, 28), cmap="gray_r")
            above[place].set_title(
                f"{label} → {first} ({p[first]:.0%})", fontsize=8, color="black" if first == label else ORANGE
            )
            below[place].bar(
                range(len(votes)), votes, color=[BLUE if c == label else GREY for c in range(len(votes))]
            )
            for c in np.flatnonzero(votes):
                below[place].text(c, -0.05 * votes.max(), c, ha="center", va="top", fontsize=6)
            below[place].set_ylim(-0.4 * votes.max(), votes.max())
        for axis in axes.flat:
            axis.set_axis_off()


def foreign(path: Path, groups: Groups, data_set: str) -> None:
    """Images of a data set that the network has not learned: its surest answers, and others from all over it."""
    rows = {"surest": "its surest\nanswers", "others": "sure to\nunsure"}
    with figure(path, rows=2, columns=12, size=(0.9, 1.25)) as axes:
        axes[0, 0].figure.suptitle(f"{data_set}, which the network has not learned")
        for row, (name, text) in zip(axes, rows.items(), strict=True):
            for axis, pixels, p in zip(row, groups[name]["pixels"], groups[name]["probabilities"], strict=True):
                axis.imshow(pixels.reshape(28, 28), cmap="gray_r")
                axis.set_title(f"{int(p.argmax())} ({p.max():.0%})", fontsize=8)
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            row[0].set_ylabel(text, fontsize=8)
