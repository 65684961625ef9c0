"""Errors, calibration and entropy of a classifier under increasing shift of its inputs."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, entropy

from stages.artifacts import write_csv
from stages.evaluation.shift import curve
from stages.figures.style import BLUE, GREEN, ORANGE, figure

LEVELS = {  # axis label of each shift's levels
    "rotation": "degrees",
    "blur": "sd of the filter (pixels)",
    "noise": "sd (share of white)",
    "occlusion": "side of the square (pixels)",
}


def draw(folder: Path, shifted: dict[str, dict[str, np.ndarray]]) -> None:
    """Draw shift.png, with 95% intervals over images, and write the same numbers to one table per shift."""
    with figure(folder / "shift.png", columns=len(LEVELS), size=(3.2, 3.2), sharey=True) as axes:
        for axis, (name, unit) in zip(axes, LEVELS.items(), strict=True):
            p, labels, levels = (shifted[name][of] for of in ("probabilities", "labels", "levels"))
            along, most = curve(shifted[name]), np.log(p.shape[-1])
            write_csv(folder / f"{name}.csv", pd.DataFrame({name: levels} | along))
            wrong = (p.argmax(axis=-1) != labels).sum(axis=1)
            bounds = [binomtest(int(k), len(labels)).proportion_ci(method="wilson") for k in wrong]
            axis.plot(levels, np.array(along["error_percent"]) / 100, color=ORANGE, label="error")
            axis.fill_between(levels, [b.low for b in bounds], [b.high for b in bounds], color=ORANGE, alpha=0.25)
            total = entropy(p, axis=-1) / most  # (levels, images)
            half = 1.96 * total.std(axis=1, ddof=1) / len(labels) ** 0.5
            axis.plot(levels, total.mean(axis=1), color=BLUE, label=f"entropy / log {p.shape[-1]}")
            axis.fill_between(levels, total.mean(axis=1) - half, total.mean(axis=1) + half, color=BLUE, alpha=0.25)
            axis.plot(levels, along["ece"], color=GREEN, label="calibration error")
            axis.set(title=name, xlabel=unit, ylim=(0, 1))
        axes[0].set_ylabel("fraction")
        axes[0].figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9
        )
