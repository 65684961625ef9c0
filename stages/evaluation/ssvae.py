"""Step 4b for the semi-supervised VAE: classification with few labels, and digits drawn on demand."""

import numpy as np

from stages.evaluation import classification

# groups of predictions with an entry per test case: the bootstrap resamples them
TEST_CASES = {"cases", "drawn"}
TITLE = "semi-supervised VAE"
RESULTS = {  # metrics worth a table, by their place in metrics/summary.json: what to call them, decimals
    "ssvae.error_percent": ("error with {ssvae[labels][mean]:,.0f} labels (%)", 2),
    "ssvae.nll": ("negative log likelihood (nats)", 3),
    "ssvae.ece": ("expected calibration error", 3),
    "ssvae.labels_only_error_percent": ("error of its classifier without unlabelled images (%)", 2),
    "ssvae.conditional_accuracy_percent": ("drawn digits that are recognised (%)", 1),
}
HEADLINES = {  # the few that `dvc exp show` shows, by the name of their column
    "error_percent": "ssvae.error_percent",
    "labels_only": "ssvae.labels_only_error_percent",
    "drawn": "ssvae.conditional_accuracy_percent",
}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Classification, likelihood (-ELBO, nats per image, lower is better) and drawing."""
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
