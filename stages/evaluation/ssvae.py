"""Step 4b for the semi-supervised VAE: classification with few labels, and generated digits."""

import numpy as np

from stages.evaluation import classification

# groups with one entry per test case, which the bootstrap resamples
TEST_CASES = {"cases", "drawn"}
TITLE = "semi-supervised VAE"
RESULTS = {  # rows of the table of results, by their place in metrics/summary.json: label, decimals
    "ssvae.error_percent": ("error with {ssvae[labels][mean]:,.0f} labels (%)", 2),
    "ssvae.nll": ("negative log likelihood (nats)", 3),
    "ssvae.ece": ("expected calibration error", 3),
    "ssvae.labels_only_error_percent": ("error of its classifier without unlabelled images (%)", 2),
    "ssvae.conditional_accuracy_percent": ("drawn digits that are recognised (%)", 1),
}
HEADLINES = {  # the columns of `dvc exp show`: name, and place in metrics/summary.json
    "error_percent": "ssvae.error_percent",
    "labels_only": "ssvae.labels_only_error_percent",
    "drawn": "ssvae.conditional_accuracy_percent",
}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Metrics of classification, likelihood (-ELBO, nats per image, lower is better) and generation."""
    cases, drawn = predictions["cases"], predictions["drawn"]
    ours = classification.metrics(cases["probabilities"], cases["labels"])
    labels_only = cases["labels_only_probabilities"].argmax(axis=1)
    return {
        "labels": int(cases["kept_labels"][0]),
        "error_percent": ours["error_percent"],
        "labels_only_error_percent": 100 * float((labels_only != cases["labels"]).mean()),
        "nll": ours["nll"],
        "ece": ours["ece"],
        "elbo": -float(cases["elbo"].mean(dtype=np.float64)),
        "conditional_accuracy_percent": 100 * float((drawn["recognised"] == drawn["labels"]).mean()),
    }
