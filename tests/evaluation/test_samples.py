"""The metrics for each number of samples equal those of its predictions alone."""

import numpy as np

from stages.evaluation import classification, samples


def test_metrics_are_those_of_each_number():
    generator = np.random.default_rng(0)
    counts, labels = np.array([1, 10]), generator.integers(4, size=30)
    sure, unsure = generator.dirichlet(np.full(4, 0.05), (2, 30)), generator.dirichlet(np.full(4, 50.0), (2, 20))
    predictions = {
        "digits": {"counts": counts, "probabilities": sure + 1e-9, "labels": labels},
        "others": {"counts": counts, "probabilities": unsure, "labels": labels[:20]},
    }
    found = samples.metrics(predictions, in_distribution="digits", out_of_distribution="others")
    assert list(found) == ["1", "10"]
    for place, values in enumerate(found.values()):
        whole = classification.metrics(sure[place] + 1e-9, labels)
        assert values["nll"] == whole["nll"] and values["ece"] == whole["ece"]
        assert values["auroc"] > 0.99
