"""The prior predictive check on predictions with known metrics."""

import math

import numpy as np
import pytest

from stages.evaluation import prior


def test_networks_that_are_sure_of_different_classes():
    """Two networks, three images: the first always predicts 0, the second 1, 1, 2."""
    p = np.zeros((2, 3, 4))
    p[0, :, 0] = 1.0
    p[1, [0, 1, 2], [1, 1, 2]] = 1.0
    assert prior.favourite_share(p).tolist() == pytest.approx([1.0, 2 / 3])
    assert prior.metrics(p) == {
        "confidence": 1.0,
        "favourite_share": pytest.approx(5 / 6),
        "predictive_entropy": pytest.approx(math.log(2)),
        "expected_entropy": 0.0,
    }


def test_networks_that_know_nothing():
    found = prior.metrics(np.full((5, 7, 10), 0.1, dtype=np.float32))
    assert found["confidence"] == pytest.approx(0.1)
    assert found["predictive_entropy"] == pytest.approx(math.log(10)) == found["expected_entropy"]
