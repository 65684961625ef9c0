"""The toy regression set has the sizes, the line, the noise and the range that params.yaml asks for."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import params, simulate
from stages.settings import Regression

ROOT = Path(__file__).parent.parent
PLAIN = {"curvature": 0.0, "outliers": 0.0, "outlier_scale": 10.0}
SETTINGS = Regression(
    n=2000, n_holdout=3000, intercept=-3.0, slope=0.7, noise=0.4, x_min=-2.0, x_max=5.0, seed=1, **PLAIN
)


@pytest.fixture
def table():
    return simulate.simulate(SETTINGS)


def test_splits_have_their_sizes(table):
    assert dict(table["split"].value_counts()) == {"train": 2000, "validation": 3000, "test": 3000}


def test_no_point_stands_in_two_splits(table):
    assert table["x"].is_unique and table["y"].is_unique


def test_x_is_uniform_on_its_range(table):
    x = np.sort(table["x"])
    assert x[0] >= -2.0 and x[-1] <= 5.0
    uniform = (x + 2.0) / 7.0
    distance = np.abs(uniform - (np.arange(len(x)) + 0.5) / len(x)).max()
    assert distance < 1.95 / math.sqrt(len(x))  # Kolmogorov: exceeded once in a thousand


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_residuals_are_the_noise(table, split):
    rows = table[table["split"] == split]
    residual = (rows["y"] - (-3.0 + 0.7 * rows["x"])).to_numpy()
    n = len(residual)
    assert abs(residual.mean()) < 5 * 0.4 / math.sqrt(n)
    assert abs(residual.std() - 0.4) < 5 * 0.4 / math.sqrt(2 * n)
    assert abs(np.corrcoef(residual, rows["x"])[0, 1]) < 5 / math.sqrt(n)


def test_the_seed_decides(table):
    again, other = (simulate.simulate(SETTINGS.model_copy(update={"seed": seed})) for seed in (1, 2))
    assert again.equals(table)
    assert not np.isin(other["x"], table["x"]).any()


def test_curvature_is_measured_from_the_middle(table):
    bent = simulate.simulate(SETTINGS.model_copy(update={"curvature": 0.3}))
    np.testing.assert_array_equal(bent["x"], table["x"])
    np.testing.assert_allclose(bent["y"] - table["y"], 0.3 * (table["x"] - 1.5) ** 2, atol=1e-12)


def test_outliers_are_a_share_of_the_points_with_a_larger_noise(table):
    spiked = simulate.simulate(SETTINGS.model_copy(update={"outliers": 0.2}))
    line = -3.0 + 0.7 * table["x"]
    ratio = (spiked["y"] - line) / (table["y"] - line)
    assert set(ratio.round(6)) == {1.0, 10.0}
    assert abs((ratio > 5).mean() - 0.2) < 5 * math.sqrt(0.2 * 0.8 / len(ratio))


def test_command_writes_the_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["simulate"])
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    simulate.main()
    written = pd.read_csv(tmp_path / "data/regression.csv")
    settings = params.load()
    criticism = settings.criticism
    assert criticism.curvature != 0 and criticism.outliers > 0
    changed = {"curvature": criticism.curvature, "outliers": criticism.outliers}
    second = simulate.simulate(settings.regression.model_copy(update=changed))
    np.testing.assert_allclose(pd.read_csv(tmp_path / "data/criticism.csv")["y"], second["y"], rtol=5e-9)
    expected = simulate.simulate(settings.regression)
    assert written["split"].equals(expected["split"])
    for name in ("x", "y"):
        np.testing.assert_allclose(written[name], expected[name], rtol=5e-9)  # nine significant digits
