"""Figures of what the VAE says of foreign images."""

import math
import textwrap
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from stages.artifacts import Groups
from stages.evaluation.ood import BASELINES, SCORES
from stages.figures.style import BLUE, ORANGE, figure, image_grid, title

COLUMNS = 3  # panels beside each other
ACROSS = 12  # images beside each other
SCORE_NAMES = {  # what to call scores and baselines in a figure or table
    "likelihood": "likelihood",
    "grey_divergence": "−log p(x) − entropy of the grey image",
    "input_complexity": "−log p(x) − length of a code",
    "likelihood_regret": "likelihood regret",
    "encoder_statistics": "density of encoder statistics",
    "all_statistics": "density of encoder and image statistics",
    "latent_density": "density of latent means",
    "likelihood_ratio": "likelihood ratio of two levels",
    "combined": "combined",
    "grey_entropy": "no model: entropy of the grey image",
    "grey_entropy_two_sided": "no model: entropy of the grey image, two-sided",
    "code_length": "no model: length of a code",
    "code_length_two_sided": "no model: length of a code, two-sided",
}


def likelihoods(path: Path, ood: Groups, learned: str, other: str) -> None:
    """Log likelihood of in-distribution and out-of-distribution images."""
    low, high = np.percentile(np.concatenate([-scores["likelihood"] for scores in ood.values()]), [0.2, 100])
    with figure(path, size=(5.4, 3.4)) as axis:
        for name, colour, label in (
            (learned, BLUE, f"{title(learned)} (in-distribution)"),
            (other, ORANGE, f"{title(other)} (out-of-distribution)"),
        ):
            values = -ood[name]["likelihood"]
            weights = np.full(len(values), 100 / len(values))
            axis.hist(values, 60, range=(low, high), weights=weights, color=colour, alpha=0.6, label=label)
        axis.set(title="Log likelihood bounds", xlabel="log p(x), IWAE bound (nats)", ylabel="images (%)")
        axis.legend(fontsize=9)


def histograms(path: Path, ood: Groups, learned: str, other: str) -> None:
    """Every score of both data sets, a panel for each; two-sided baselines are left out."""
    names = [name for name in (*SCORES, *BASELINES) if name in ood[learned] and not name.endswith("two_sided")]
    rows = math.ceil(len(names) / COLUMNS)
    with figure(path, rows, COLUMNS, size=(3.2, 2.6), squeeze=False) as axes:
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        for name, axis in zip(names, axes.flat[: len(names)], strict=True):
            own, others = (ood[of][name][~np.isnan(ood[of][name])] for of in (learned, other))
            limits = np.percentile(np.concatenate([own, others]), [0.5, 99.5])
            for values, colour, label in ((own, BLUE, title(learned)), (others, ORANGE, title(other))):
                weights = np.full(len(values), 100 / len(values))
                inside = np.clip(values, *limits)  # outliers into the last bars, not out of sight
                axis.hist(inside, 50, range=tuple(limits), weights=weights, color=colour, alpha=0.6, label=label)
            positive = np.repeat([0, 1], [len(own), len(others)])
            area = roc_auc_score(positive, np.concatenate([own, others]))
            axis.set_title(f"{textwrap.fill(SCORE_NAMES[name], 44)}\nAUROC {area:.4f}", fontsize=9)
            axis.set_yticks([])
        handles, labels = axes[0, 0].get_legend_handles_labels()
        axes[0, 0].figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)


def strangest(path: Path, found: dict[str, np.ndarray], score: str) -> None:
    """The in-distribution images with the largest scores, from the largest on.

    Args:
        path: of the figure.
        found: pixels, bytes (images, 784).
        score: its name.
    """
    rows = len(found["pixels"]) // ACROSS
    grid = found["pixels"][: rows * ACROSS].reshape(rows, ACROSS, 784) / 255.0
    image_grid(path, grid, f"Held-out images that the model finds strangest: {SCORE_NAMES[score]}")
