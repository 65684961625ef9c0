"""Simulate the two toy regression sets: y = intercept + slope x + curvature (x - middle)^2 + noise.

Writes data/regression.csv, and data/criticism.csv, which differs in its curvature and its share of outliers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stages import artifacts, command

if TYPE_CHECKING:
    from stages.settings import Regression


def simulate(regression: Regression) -> pd.DataFrame:
    """Draw the training, validation and test rows.

    Returns:
        A table of x, y and split: `n` rows of train, `n_holdout` rows each of validation and test.
    """
    generator = np.random.default_rng(regression.seed)
    splits = {"train": regression.n, "validation": regression.n_holdout, "test": regression.n_holdout}
    split = np.repeat(list(splits), list(splits.values()))
    x = generator.uniform(regression.x_min, regression.x_max, len(split))
    noise = regression.noise * generator.standard_normal(len(split))
    outlier = generator.random(len(split)) < regression.outliers
    middle = (regression.x_min + regression.x_max) / 2
    line = regression.intercept + regression.slope * x
    curve = regression.curvature * (x - middle) ** 2
    y = line + curve + np.where(outlier, regression.outlier_scale, 1.0) * noise
    return pd.DataFrame({"x": x, "y": y, "split": split})


def main() -> None:
    """Write both tables."""
    settings = command.opened(__doc__).settings
    changes = {"curvature": settings.criticism.curvature, "outliers": settings.criticism.outliers}
    artifacts.write_csv("data/regression.csv", simulate(settings.regression))
    artifacts.write_csv("data/criticism.csv", simulate(settings.regression.model_copy(update=changes)))


if __name__ == "__main__":
    command.run(main)
