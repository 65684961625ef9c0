"""How far SVI is from the exact posterior, and the metrics of held-out points, by hand."""

import math

import numpy as np
import pytest

from stages.evaluation import blr, criticism

CASES = {
    "cdf": np.array([0.01, 0.04999, 0.05, 0.5, 0.95, 0.95001, 0.99, 0.3]),
    "nll": np.arange(8.0),
    "y": np.array([1.0, 2, 3, 4, 5, 6, 7, 8]),
    "mean": np.array([1.0, 2, 3, 4, 5, 6, 4, 4]),
}
CHECKS = {"x": np.arange(4.0), "observed": np.eye(4), "replicated": 2 * np.eye(4)[::-1]}


def test_coverage_nll_and_rmse_by_hand():
    assert blr.of_cases(CASES) == pytest.approx({"coverage_90": 4 / 8, "nll": 3.5, "rmse": math.sqrt(25 / 8)})


def test_errors_of_the_posterior_are_in_units_of_the_exact_sd():
    """The largest of both coefficients; draws are two, so mean and sd are half their sum and difference."""
    draws = {"intercept": np.array([1.0, 3.0]), "slope": np.array([-1.0, 2.0]), "noise": np.array([0.5, 0.7])}
    exact = {"mean": np.array([1.0, 0.5]), "sd": np.array([2.0, 1.0])}
    found = blr.metrics({"posterior": draws, "exact": exact, "cases": CASES, "checks": CHECKS})
    assert found == pytest.approx(
        {
            "posterior_mean_error": 0.5,  # intercept: (2 - 1) / 2; slope: 0
            "posterior_sd_error": 0.5,  # intercept: 1 / 2 - 1; slope: 1.5 - 1
            **blr.of_cases(CASES),
            **criticism.p_values(CHECKS),
            **{"intercept_mean": 2.0, "slope_mean": 0.5, "noise_mean": 0.6},
            **{"intercept_sd": 1.0, "slope_sd": 1.5, "noise_sd": 0.1},
        }
    )


def test_where_no_exact_posterior_is_known_its_errors_are_left_out():
    draws = {
        "intercept": np.ones(2),
        "slope": np.ones(2),
        "noise": np.ones(2),
        "degrees_of_freedom": np.full(2, 4.0),
    }
    found = blr.metrics({"posterior": draws, "cases": CASES, "checks": CHECKS})
    assert not {"posterior_mean_error", "posterior_sd_error"} & set(found)
    assert found["degrees_of_freedom_mean"] == 4.0
