"""Simulate the toy regression set: y = intercept + slope x + Normal(0, noise)."""

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
    y = regression.intercept + regression.slope * x + regression.noise * generator.standard_normal(len(split))
    return pd.DataFrame({"x": x, "y": y, "split": split})


def main() -> None:
    """Write data/regression.csv."""
    settings = command.opened(__doc__).settings
    artifacts.write_csv("data/regression.csv", simulate(settings.regression))


if __name__ == "__main__":
    command.run(main)
