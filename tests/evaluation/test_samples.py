"""Predictions by more and more samples, against a loop over the networks that the guide is known to draw."""

import numpy as np

from stages.evaluation import classification, samples
from stages.evaluation.predictive import cumulative
from tests.evaluation.test_predictive import NETWORKS, PIXELS, Listed, Model, softmax


def test_each_number_of_samples_averages_the_first_networks():
    found = cumulative(Model(), Listed(NETWORKS), PIXELS, (1, 2, 5))
    for p, count in zip(found.numpy(), (1, 2, 5), strict=True):
        np.testing.assert_allclose(p, np.mean([softmax(w) for w in NETWORKS[:count]], axis=0), atol=1e-6)


def test_metrics_are_those_of_each_number():
    generator = np.random.default_rng(0)
    counts, labels = np.array([1, 10]), generator.integers(4, size=30)
    sure, unsure = generator.dirichlet(np.full(4, 0.05), (2, 30)), generator.dirichlet(np.full(4, 50.0), (2, 20))
    predictions = {
        "known": {"counts": counts, "probabilities": sure + 1e-9, "labels": labels},
        "foreign": {"counts": counts, "probabilities": unsure, "labels": labels[:20]},
    }
    found = samples.metrics(predictions, "known", "foreign")
    assert list(found) == ["1", "10"]
    for place, values in enumerate(found.values()):
        whole = classification.metrics(sure[place] + 1e-9, labels)
        assert values["nll"] == whole["nll"] and values["ece"] == whole["ece"]
        assert values["auroc"] > 0.99
