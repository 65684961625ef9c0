"""Step 4b for Bayesian linear regression: against the exact posterior, and on held-out points."""

import numpy as np

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
    """How far SVI is from the exact posterior, and the metrics of the held-out points."""
    draws, exact = predictions["posterior"], predictions["exact"]
    moments = {name: (float(draws[name].mean()), float(draws[name].std())) for name in draws}
    mean, sd = np.transpose([moments["intercept"], moments["slope"]])
    return {
        "posterior_mean_error": float(np.max(np.abs(mean - exact["mean"]) / exact["sd"])),
        "posterior_sd_error": float(np.max(np.abs(sd / exact["sd"] - 1))),
        **of_cases(predictions["cases"]),
        **{f"{name}_mean": moments[name][0] for name in moments},
        **{f"{name}_sd": moments[name][1] for name in moments},
    }


def of_cases(cases: dict[str, np.ndarray]) -> dict[str, float]:
    """coverage_90 (share of points inside the central 90% interval), nll in nats and rmse in units of y."""
    return {
        "coverage_90": float(((cases["cdf"] >= 0.05) & (cases["cdf"] <= 0.95)).mean()),
        "nll": float(cases["nll"].mean()),
        "rmse": float(np.sqrt(np.mean((cases["y"] - cases["mean"]) ** 2))),
    }
