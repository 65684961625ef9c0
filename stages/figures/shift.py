"""Errors, calibration and entropy of a classifier under increasing shift of its inputs."""

from pathlib import Path

import numpy as np
import pandas as pd

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
    """Draw shift.png and write the same numbers to one table per shift."""
    with figure(folder / "shift.png", columns=len(LEVELS), size=(3.2, 3.2), sharey=True) as axes:
        for axis, (name, unit) in zip(axes, LEVELS.items(), strict=True):
            classes = shifted[name]["probabilities"].shape[-1]
            levels, along = shifted[name]["levels"], curve(shifted[name])
            write_csv(folder / f"{name}.csv", pd.DataFrame({name: levels} | along))
            axis.plot(levels, np.array(along["error_percent"]) / 100, color=ORANGE, label="error")
            axis.plot(
                levels,
                np.array(along["predictive_entropy"]) / np.log(classes),
                color=BLUE,
                label=f"entropy / log {classes}",
            )
            axis.plot(levels, along["ece"], color=GREEN, label="calibration error")
            axis.set(title=name, xlabel=unit, ylim=(0, 1))
        axes[0].set_ylabel("fraction")
        axes[0].figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9
        )
