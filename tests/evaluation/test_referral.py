"""Thresholds against an exhaustive search."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation import referral

CASES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


@given(cases=CASES, risk=st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_threshold_is_the_best_of_all(cases, risk):
    score, correct = np.array([c[0] for c in cases], float), np.array([c[1] for c in cases])
    allowed = [t for t in np.unique(score) if (~correct[score <= t]).mean() <= risk]
    assert referral.threshold(score, correct, risk) == (max(allowed) if allowed else -np.inf)


def test_outcome():
    score, correct = np.array([0.1, 0.2, 0.3, 0.9]), np.array([True, False, True, False])
    assert referral.outcome(score, 0.2, correct) == {"referred_percent": 50.0, "error_percent": 50.0}
    assert referral.outcome(score, 0.15) == {"referred_percent": 75.0}
    assert referral.outcome(score, -np.inf, correct) == {"referred_percent": 100.0, "error_percent": 0.0}


def test_threshold_chosen_on_one_set_keeps_its_promise_there():
    generator = np.random.default_rng(0)
    score = generator.random(5000)
    correct = generator.random(5000) > score**8 / 4
    found = referral.outcome(score, referral.threshold(score, correct), correct)
    assert 0 < found["referred_percent"] < 100
    assert found["error_percent"] <= 0.1
