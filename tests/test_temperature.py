"""Temperature scaling against a grid, a known answer, and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from stages.temperature import fitted, scaled

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(5000, 10)) * 2
LABELS = np.array([RANDOM.choice(10, p=p) for p in softmax(LOGITS, axis=1)])


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 3.0])
def test_overconfidence_is_found(overconfidence):
    """Labels are drawn with the probabilities of the logits; the classifier multiplies these."""
    assert fitted(softmax(overconfidence * LOGITS, axis=1), LABELS) == pytest.approx(overconfidence, rel=0.05)


@pytest.mark.parametrize(("overconfidence", "cases"), [(0.5, 5000), (3.0, 5000), (1.0, 20)])
def test_no_temperature_on_a_grid_is_more_probable(overconfidence, cases):
    p, labels = softmax(overconfidence * LOGITS[:cases], axis=1), LABELS[:cases]

    def log_posterior(temperature):
        log_likelihood = -cases * log_loss(labels, scaled(p, temperature), labels=range(10))
        return log_likelihood + norm(0, 0.5).logpdf(np.log(temperature))

    best = log_posterior(fitted(p, labels))
    for other in np.geomspace(0.06, 19, 200):
        assert best >= log_posterior(other) - 1e-4


def test_a_few_right_answers_are_no_reason_for_certainty():
    """100 cases without an error: their likelihood alone would sharpen without end."""
    p = np.full((100, 10), 0.002)
    p[:, 0] = 0.982
    assert 0.4 < fitted(p, np.zeros(100, dtype=int)) < 1


def test_temperature_is_that_of_scikit_learn():
    class Given(ClassifierMixin, BaseEstimator):
        def fit(self, x, y):
            self.classes_ = np.arange(10)
            return self

        def predict(self, x):
            return x.argmax(axis=1)

        def decision_function(self, x):
            return x

    frozen = FrozenEstimator(Given().fit(None, None))
    theirs = CalibratedClassifierCV(frozen, method="temperature").fit(3 * LOGITS, LABELS)
    p = softmax(3 * LOGITS, axis=1)
    np.testing.assert_allclose(scaled(p, fitted(p, LABELS)), theirs.predict_proba(3 * LOGITS), atol=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(0.1, 10))
def test_scaling_keeps_the_order_and_sums_to_one(logits, temperature):
    p = softmax(np.array([logits]), axis=1)
    q = scaled(p, temperature)
    assert q.sum() == pytest.approx(1)
    assert q[0, p.argmax()] == pytest.approx(q.max())
    if temperature >= 1:
        assert q.max() <= p.max() + 1e-9


def test_temperature_one_changes_nothing_and_zero_probabilities_stay_finite():
    p = np.array([[0.7, 0.3, 0.0]])
    np.testing.assert_allclose(scaled(p, 1.0), p, atol=1e-9)
    assert np.isfinite(np.log(scaled(p, 0.5))).all()
