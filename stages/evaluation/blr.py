"""Step 4b for Bayesian linear regression: against the exact posterior, and on held-out points."""

import numpy as np

from stages.evaluation import criticism

COEFFICIENTS = ("intercept", "slope", "curvature")  # in the order of the exact posterior; the last may be missing
TEST_CASES = {"cases"}  # groups with one entry per test case, which the bootstrap resamples
TITLE = "linear regression"
RESULTS = {  # rows of the table of results, by their place in metrics/summary.json: label, decimals
    "blr.posterior_mean_error": ("largest error of a posterior mean, in exact sds", 3),
    "blr.posterior_sd_error": ("largest relative error of a posterior sd", 3),
    "blr.coverage_90": ("share of fresh points inside the 90% interval", 3),
}
HEADLINES = {  # the columns of `dvc exp show`: name, and place in metrics/summary.json
    "sd_error": "blr.posterior_sd_error",
    "coverage": "blr.coverage_90",
}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Errors of the posterior where the exact one is known, metrics of held-out points, predictive checks."""
    draws = predictions["posterior"]
    moments = {name: (float(draws[name].mean()), float(draws[name].std())) for name in draws}
    return {
        **(of_posterior(moments, predictions["exact"]) if "exact" in predictions else {}),
        **of_cases(predictions["cases"]),
        **criticism.p_values(predictions["checks"]),
        **{f"{name}_mean": moments[name][0] for name in moments},
        **{f"{name}_sd": moments[name][1] for name in moments},
    }


def of_posterior(moments: dict[str, tuple[float, float]], exact: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest error of a coefficient's mean, in exact sds, and largest relative error of its sd."""
    coefficients = [moments[site] for site in COEFFICIENTS if site in moments]
    mean, sd = np.transpose(coefficients)
    return {
        "posterior_mean_error": float(np.max(np.abs(mean - exact["mean"]) / exact["sd"])),
        "posterior_sd_error": float(np.max(np.abs(sd / exact["sd"] - 1))),
    }


def of_cases(cases: dict[str, np.ndarray]) -> dict[str, float]:
    """coverage_90 (share of points inside the central 90% interval), nll in nats and rmse in units of y."""
    return {
        "coverage_90": float(((cases["cdf"] >= 0.05) & (cases["cdf"] <= 0.95)).mean()),
        "nll": float(cases["nll"].mean()),
        "rmse": float(np.sqrt(np.mean((cases["y"] - cases["mean"]) ** 2))),
    }
