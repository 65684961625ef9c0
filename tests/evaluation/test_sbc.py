"""Ranks: by hand, uniform for an exact posterior, not uniform if it is too narrow, too wide or shifted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from stages.evaluation import sbc


def test_ranks_by_hand():
    truth = {"a": np.array([0.5, 2.0, -1.0])}
    draws = {"a": np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])}
    assert sbc.ranks(truth, draws)["a"].tolist() == [1, 2, 0]


def test_histogram_by_hand():
    assert sbc.histogram(np.array([0, 1, 2, 3, 3, 5]), draws=5, bins=3).tolist() == [2, 3, 1]


@pytest.mark.parametrize(("draws", "bins"), [(99, 7), (100, 20), (4, 10)])
def test_bins_that_do_not_share_evenly_are_refused(draws, bins):
    with pytest.raises(ValueError, match=f"{bins} bins"):
        sbc.histogram(np.zeros(3, dtype=int), draws, bins)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=300), st.sampled_from([2, 4, 10, 20, 100]))
def test_test_is_pearsons(values, bins):
    """Written out: sum (observed - expected)^2 / expected, against the chi-squared distribution."""
    counts = [sum(v * bins // 100 == k for v in values) for k in range(bins)]
    expected = len(values) / bins
    statistic = sum((count - expected) ** 2 / expected for count in counts)
    found = sbc.uniformity(np.array(values), draws=99, bins=bins)
    assert found["chi2_per_bin"] == pytest.approx(statistic / (bins - 1))
    assert found["p_value"] == pytest.approx(chi2.sf(statistic, bins - 1), abs=1e-12)


def conjugate(data_sets, draws, scale=1.0, shift=0.0, seed=0):
    """mean ~ Normal(0, 1), y ~ Normal(mean, 1): the posterior is Normal(y / 2, 1 / 2), here scaled and shifted."""
    generator = np.random.default_rng(seed)
    mean = generator.standard_normal(data_sets)
    y = mean + generator.standard_normal(data_sets)
    noise = generator.standard_normal((draws, data_sets))
    return sbc.ranks({"mean": mean}, {"mean": y / 2 + shift + scale * noise / np.sqrt(2)})["mean"]


def test_exact_posterior_has_uniform_ranks_and_uniform_p_values():
    p_values = [sbc.uniformity(conjugate(500, 99, seed=seed), 99, 20)["p_value"] for seed in range(200)]
    assert kstest(p_values, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("wrong", [{"scale": 0.7}, {"scale": 1.4}, {"shift": 0.3}])
def test_wrong_posterior_is_found_out(wrong):
    assert sbc.uniformity(conjugate(1000, 99, **wrong), 99, 20)["p_value"] < 1e-6


def test_too_narrow_makes_a_valley_and_too_wide_a_hump():
    narrow = sbc.histogram(conjugate(4000, 99, scale=0.5), 99, 10)
    wide = sbc.histogram(conjugate(4000, 99, scale=2.0), 99, 10)
    assert min(narrow[0], narrow[-1]) > 2 * narrow[4:6].mean()
    assert max(wide[0], wide[-1]) < wide[4:6].mean() / 2
