"""Test quantities of posterior predictive checks by loops over the formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation import criticism

X = np.array([0.0, 1.0, 2.5, 4.0, 7.0, 8.0])
RESIDUALS = np.random.default_rng(0).standard_t(3, (5, 6))


def moment(values, power):
    mean = sum(values) / len(values)
    return sum((value - mean) ** power for value in values) / len(values)


def test_skewness_and_kurtosis_are_ratios_of_moments():
    for row, skewness, kurtosis in zip(
        RESIDUALS, criticism.skewness(RESIDUALS, X), criticism.kurtosis(RESIDUALS, X), strict=True
    ):
        assert skewness == pytest.approx(moment(row, 3) / moment(row, 2) ** 1.5)
        assert kurtosis == pytest.approx(moment(row, 4) / moment(row, 2) ** 2 - 3)


def test_curvature_is_the_quadratic_coefficient_of_least_squares():
    """In any parametrisation of the line: here with powers of x itself, by the normal equations."""
    design = np.column_stack([np.ones_like(X), X, X**2])
    by_hand = [np.linalg.solve(design.T @ design, design.T @ row)[2] for row in RESIDUALS]
    assert criticism.curvature(RESIDUALS, X) == pytest.approx(by_hand)


def test_largest_residual_counts_both_signs():
    assert criticism.largest_residual(np.array([[0.5, -3.0, 2.0], [1.0, 0.0, -0.2]]), X).tolist() == [3.0, 1.0]


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_p_values_count_replicates_that_are_at_least_as_large(replicates, seed):
    generator = np.random.default_rng(seed)
    checks = {
        "x": X,
        "observed": generator.standard_normal((replicates, 6)).astype(np.float32),
        "replicated": generator.standard_normal((replicates, 6)).astype(np.float32),
    }
    found = criticism.p_values(checks)
    pairs = zip(checks["observed"], checks["replicated"], strict=True)
    larger = sum(max(map(abs, replicated)) >= max(map(abs, observed)) for observed, replicated in pairs)
    assert found["p_largest_residual"] == pytest.approx(larger / replicates)
    assert all(0 <= p <= 1 and not math.isnan(p) for p in found.values())


def test_data_like_all_replicates_have_p_one():
    """Equal quantities count as at least as large."""
    checks = {"x": X, "observed": RESIDUALS, "replicated": RESIDUALS}
    assert set(criticism.p_values(checks).values()) == {1.0}
