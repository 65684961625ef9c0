"""Quality of predictions against the number of posterior samples."""

from pathlib import Path

import numpy as np
import pandas as pd

from stages.artifacts import write_csv
from stages.evaluation.samples import metrics
from stages.figures.style import BLUE, ORANGE, figure


def draw(folder: Path, predictions: dict[str, dict[str, np.ndarray]], in_distribution: str) -> None:
    """Draw samples.png and write samples.csv."""
    other = next(name for name in predictions if name != in_distribution)
    along = metrics(predictions, in_distribution, other)
    table = pd.DataFrame({"samples": [int(count) for count in along]} | _columns(along))
    write_csv(folder / "samples.csv", table)
    with figure(folder / "samples.png", columns=2, size=(4.0, 3.2)) as (left, right):
        left.plot(table["samples"], table["nll"], "o-", color=BLUE)
        left.set(title="Negative log likelihood (nats)", xlabel="posterior samples", xscale="log")
        right.plot(table["samples"], table["auroc"], "o-", color=ORANGE)
        right.set_ylim(min(table["auroc"]) - 0.01, 1)
        right.set(title=f"AUROC against {other.replace('_', ' ')}", xlabel="posterior samples", xscale="log")


def _columns(along: dict[str, dict[str, float]]) -> dict[str, list[float]]:
    return {key: [values[key] for values in along.values()] for key in next(iter(along.values()))}
