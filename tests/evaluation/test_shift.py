"""The metrics along a shift equal the classification metrics at each level."""

import numpy as np

from stages.evaluation import classification, shift


def test_curves_and_metrics():
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(4), size=(3, 50))
    labels = generator.integers(4, size=50)
    prediction = {"levels": np.array([0.5, 1.0, 30.0]), "probabilities": p, "labels": labels}
    found = shift.metrics({"blur": prediction})
    assert list(found["blur"]) == ["0.5", "1", "30"]
    for level, probabilities in zip(found["blur"].values(), p, strict=True):
        whole = classification.metrics(probabilities, labels)
        assert level == {key: whole[key] for key in ("error_percent", "nll", "ece", "predictive_entropy")}
    assert shift.curve(prediction)["ece"] == [level["ece"] for level in found["blur"].values()]
